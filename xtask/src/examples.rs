//! Objects that are committed beside their C sources: every `examples/*.bpf.c` and `tests/objects/*.bpf.c` has an `.o`
//! of the same name. The same sources give the same bytes, wherever they lie: paths are mapped away and DWARF is
//! stripped (BTF stays), so a test can compare.
//!
//! A source whose first line is `// cflags: ...` is compiled with those flags in place of the default ones. The
//! stripper is run on all, since `-g` is what makes BTF.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fmt, io};

/// The flags of a source that says nothing else.
const DEFAULT_FLAGS: &str = "-O2 -g -Wall -Werror -target bpf -mcpu=v3";

/// Folders whose sources are built.
const FOLDERS: &[&str] = &["examples", "tests/objects"];

/// The compiler and the stripper.
#[derive(Debug)]
pub struct Tools {
    clang: OsString,
    strip: OsString,
}

/// Why an object was not built.
#[derive(Debug)]
pub enum BuildError {
    /// A tool or a file could not be used.
    Io(String, io::Error),
    /// A tool ran and said no.
    Failed(String, String),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::Io(what, error) => write!(f, "{what}: {error}"),
            BuildError::Failed(what, stderr) => write!(f, "{what} failed\n{stderr}"),
        }
    }
}

impl std::error::Error for BuildError {}

/// Every source, as a path from the root.
pub fn sources(root: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        let Ok(entries) = std::fs::read_dir(root.join(folder)) else { continue };
        for entry in entries {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".bpf.c") {
                found.push(format!("{folder}/{name}"));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The object that a source is built to.
pub fn object_of(source: &str) -> String {
    format!("{}.o", source.strip_suffix(".bpf.c").unwrap_or(source))
}

impl Tools {
    /// `$CLANG` and `$LLVM_STRIP`, or those of LLVM 19: other versions give other bytes.
    pub fn from_env() -> Tools {
        let or = |name, default: &str| std::env::var_os(name).unwrap_or_else(|| default.into());
        Tools { clang: or("CLANG", "clang-19"), strip: or("LLVM_STRIP", "llvm-strip-19") }
    }

    /// Why the tools can't be used here, or `None` if they can.
    pub fn missing(&self) -> Option<String> {
        let runs =
            |tool: &OsString| Command::new(tool).arg("--version").output().is_ok_and(|o| o.status.success());
        let absent = [&self.clang, &self.strip].into_iter().find(|tool| !runs(tool));
        if let Some(tool) = absent {
            return Some(format!("{} is not installed", tool.to_string_lossy()));
        }
        let header = Path::new("/usr/include/bpf/bpf_helpers.h");
        (!header.exists()).then(|| "libbpf's headers (bpf/bpf_helpers.h) are not installed".to_owned())
    }

    /// Builds a source and gives the object's bytes.
    pub fn build(&self, root: &Path, source: &str) -> Result<Vec<u8>, BuildError> {
        let path = root.join(source);
        let folder = path.parent().unwrap_or(root);
        let text = std::fs::read_to_string(&path).map_err(|e| BuildError::Io(source.to_owned(), e))?;
        let first = text.lines().next().unwrap_or_default();
        let flags = first.strip_prefix("// cflags:").unwrap_or(DEFAULT_FLAGS);
        let object = Scratch::new(source);
        let mut clang = Command::new(&self.clang);
        // The compiler copies source lines into .BTF.ext, and finds them by the mapped path: from the folder.
        clang
            .current_dir(folder)
            .args(flags.split_whitespace())
            .arg(format!("-ffile-prefix-map={}/=", folder.display()))
            .arg("-fdebug-compilation-dir=.")
            // The kernel's headers of the machine's own architecture; only their types of fixed width matter.
            .arg(format!("-I/usr/include/{}-linux-gnu", std::env::consts::ARCH))
            .arg("-c")
            .arg(path.file_name().unwrap_or_default())
            .arg("-o")
            .arg(&object.0);
        run(clang, &format!("{} {source}", self.clang.to_string_lossy()))?;
        let mut strip = Command::new(&self.strip);
        strip.arg("-g").arg(&object.0);
        run(strip, &format!("{} {source}", self.strip.to_string_lossy()))?;
        std::fs::read(&object.0).map_err(|e| BuildError::Io(source.to_owned(), e))
    }
}

/// A file in the folder for temporary files that goes away with the value.
struct Scratch(PathBuf);

impl Scratch {
    fn new(source: &str) -> Scratch {
        let name = format!("skep-xtask-{}-{}.o", std::process::id(), source.replace('/', "-"));
        Scratch(std::env::temp_dir().join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It may never have been written.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn run(mut command: Command, what: &str) -> Result<(), BuildError> {
    let output = command.output().map_err(|e| BuildError::Io(what.to_owned(), e))?;
    if output.status.success() {
        return Ok(());
    }
    Err(BuildError::Failed(what.to_owned(), String::from_utf8_lossy(&output.stderr).into_owned()))
}
