//! What the running kernel says of itself: types, symbols, configuration, version. Asked once, when first needed.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use skep_btf::{Btf, Kind};

use super::modules::{self, Found, Module};

/// The most that a configuration may unpack to.
const CONFIG_MAX: u64 = 8 << 20;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Vmlinux {
    target: Option<Arc<Btf>>,
    btf: OnceLock<Result<Arc<Btf>, String>>,
    modules: OnceLock<Vec<Module>>,
    symbols: OnceLock<BTreeMap<String, u64>>,
    config: OnceLock<BTreeMap<String, String>>,
}

impl Vmlinux {
    pub(super) fn with_target(btf: Arc<Btf>) -> Self {
        Self { target: Some(btf), ..Self::default() }
    }

    /// The kernel's types.
    pub(super) fn btf(&self) -> Result<&Arc<Btf>, String> {
        const PATH: &str = "/sys/kernel/btf/vmlinux";
        let read = || {
            let bytes = std::fs::read(PATH).map_err(|e| format!("{PATH}: {e}"))?;
            Btf::parse(&bytes).map(Arc::new).map_err(|e| format!("{PATH}: {e}"))
        };
        self.btf.get_or_init(read).as_ref().map_err(Clone::clone)
    }

    /// The types of its modules; none where its own can't be read.
    pub(super) fn modules(&self) -> &[Module] {
        let read = || self.btf().map(|base| modules::read(Path::new(modules::DIR), base)).unwrap_or_default();
        self.modules.get_or_init(read)
    }

    /// A type of the kernel, or of one of its modules.
    pub(super) fn find(&self, name: &str, kind: Kind) -> Option<Found<'_>> {
        modules::find(self.btf().ok()?, || self.modules(), name, kind)
    }

    /// The modules whose types go with those that CO-RE is solved against.
    pub(super) fn target_modules(&self) -> &[Module] {
        if self.target.is_some() { &[] } else { self.modules() }
    }

    /// A kernel that is made up.
    #[cfg(test)]
    pub(super) fn made(btf: Arc<Btf>, modules: Vec<Module>) -> Self {
        Self { btf: Ok(btf).into(), modules: modules.into(), ..Self::default() }
    }

    /// The types that CO-RE is solved against.
    pub(super) fn target(&self) -> Result<&Arc<Btf>, String> {
        self.target.as_ref().map_or_else(|| self.btf(), Ok)
    }

    /// The address of a symbol, from `/proc/kallsyms`; nothing where addresses are hidden (they read as zero).
    pub(super) fn symbol(&self, name: &str) -> Option<u64> {
        let symbols = self.symbols.get_or_init(|| {
            let text = std::fs::read_to_string("/proc/kallsyms").unwrap_or_default();
            parse_symbols(&text)
        });
        symbols.get(name).copied()
    }

    /// A configuration value as `.config` spells it, from `/proc/config.gz` or `/boot`.
    pub(super) fn config(&self, name: &str) -> Option<&str> {
        self.all_config().get(name).map(String::as_str)
    }

    /// Whether the configuration can be read at all.
    pub(super) fn has_config(&self) -> bool {
        !self.all_config().is_empty()
    }

    fn all_config(&self) -> &BTreeMap<String, String> {
        self.config.get_or_init(|| parse_config(&read_config()))
    }

    /// Whether the kernel was built with an option; `None` where it does not show its configuration.
    pub(super) fn built_with(&self, option: &str) -> Option<bool> {
        // Every configuration has this one.
        self.config("CONFIG_BPF")?;
        Some(self.config(option).is_some_and(|value| value == "y" || value == "m"))
    }

    /// `LINUX_VERSION_CODE`.
    pub(super) fn version(&self) -> u32 {
        version(&release()).unwrap_or(0)
    }
}

fn release() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}

/// `6.18.5-x` as `LINUX_VERSION_CODE`, whose last byte stops at 255.
fn version(release: &str) -> Option<u32> {
    let digits = |s: &str| s.chars().take_while(char::is_ascii_digit).collect::<String>();
    let mut parts = release.split('.').map(|p| digits(p).parse::<u32>().ok());
    let (major, minor, patch) = (parts.next()??, parts.next()??, parts.next().flatten().unwrap_or(0));
    Some(major << 16 | minor << 8 | patch.min(255))
}

/// Lines of `ADDRESS TYPE NAME [MODULE]`; the first of a name counts.
fn parse_symbols(text: &str) -> BTreeMap<String, u64> {
    let mut out = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some(address), Some(_), Some(name)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        if let Ok(address @ 1..) = u64::from_str_radix(address, 16) {
            out.entry(name.to_owned()).or_insert(address);
        }
    }
    out
}

fn read_config() -> String {
    let mut text = String::new();
    if let Ok(file) = std::fs::File::open("/proc/config.gz") {
        let mut unpacked = flate2::read::GzDecoder::new(file).take(CONFIG_MAX);
        if unpacked.read_to_string(&mut text).is_ok() {
            return text;
        }
    }
    std::fs::read_to_string(format!("/boot/config-{}", release())).unwrap_or_default()
}

/// Lines of `NAME=VALUE`; all else is comments.
fn parse_config(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter(|l| l.starts_with("CONFIG_"));
    lines.filter_map(|l| l.split_once('=')).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_tables_are_read() {
        assert_eq!(version("6.18.5-gentoo"), Some(6 << 16 | 18 << 8 | 5));
        assert_eq!(version("4.19.300"), Some(4 << 16 | 19 << 8 | 255));
        assert_eq!(version("6.1"), Some(6 << 16 | 1 << 8));
        assert_eq!(version("x"), None);
        assert_eq!(parse_symbols("0000000000000000 T hidden\nffff0000 T start_kernel\n").len(), 1);
        assert_eq!(parse_config("# CONFIG_A is not set\nCONFIG_HZ=250\n")["CONFIG_HZ"], "250");
    }
}
