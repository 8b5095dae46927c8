//! `skep feature`: what the running kernel can do, each thing tried.

use crate::Verdict;
use crate::failure::Failure;
use crate::output::Output;

const EXAMPLES: &str = "\
Examples:
  skep feature                          everything
  skep feature --absent                 only what this kernel has not, and why
  skep feature --only helpers --type xdp
  skep feature probe kernel --json      as bpftool spells it
  skep feature probe dev eth0           programs and maps that a device's hardware takes over

Each program type, map type, helper and attach type is tried by itself: nothing is concluded from another answer, and
nothing that is made stays.";

/// Say what the running kernel can do, by trying it
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// `probe`, `probe kernel` (both the same as nothing), or `probe dev NAME`
    #[arg(value_name = "WHAT", num_args = 0..=3)]
    words: Vec<String>,

    /// Only these sections (repeatable)
    #[arg(long, value_name = "SECTION", value_enum)]
    only: Vec<Section>,

    /// Helpers of this program type alone
    #[arg(long = "type", value_name = "TYPE")]
    prog_type: Option<String>,

    /// Only what is absent
    #[arg(long)]
    absent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Section {
    System,
    ProgTypes,
    MapTypes,
    AttachTypes,
    Helpers,
    Kfuncs,
    Misc,
}

impl Args {
    fn wants(&self, section: Section) -> bool {
        self.only.is_empty() || self.only.contains(&section)
    }

    /// The device, if one is asked about.
    fn dev(&self) -> Result<Option<&str>, Failure> {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        match words.as_slice() {
            [] | ["probe"] | ["probe", "kernel"] | ["kernel"] => Ok(None),
            ["probe", "dev", name] | ["dev", name] => Ok(Some(name)),
            _ => Err(Failure::new(format!("unknown probe `{}`", words.join(" ")))
                .hint("`probe kernel` or `probe dev NAME`")),
        }
    }
}

pub(crate) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
    #[cfg(all(target_os = "linux", not(skep_portable)))]
    return linux::run(args, out);
    #[cfg(not(all(target_os = "linux", not(skep_portable))))]
    {
        let _ = (args.dev()?, args.wants(Section::System), args.absent, &args.prog_type, out);
        Err(super::no_linux())
    }
}

#[cfg(all(target_os = "linux", not(skep_portable)))]
mod linux {
    use std::io::Write;
    use std::time::Instant;

    use serde_json::{Map, Value, json};
    use skep::abi::ProgType;
    use skep::kernel::Kernel;
    use skep::kernel::feature::{AttachFeature, Feature, Helpers, Prober, Setting, State, settings};

    use super::{Args, Section};
    use crate::Verdict;
    use crate::failure::Failure;
    use crate::output::{Output, Style};

    /// What was found; a section that was not asked for is `None`.
    #[derive(Default)]
    struct Report {
        system: Option<Vec<Setting>>,
        prog_types: Option<Vec<Feature>>,
        map_types: Option<Vec<Feature>>,
        attach_types: Option<Vec<AttachFeature>>,
        helpers: Option<Vec<Helpers>>,
        kfuncs: Option<Vec<String>>,
        misc: Option<Vec<Feature>>,
        ms: u128,
    }

    pub(super) fn run(args: &Args, out: &mut Output) -> Result<Verdict, Failure> {
        let dev = args.dev()?;
        let ifindex = dev.map(index_of).transpose()?;
        let only = args.prog_type.as_deref().map(str::parse::<ProgType>).transpose();
        let only = only.map_err(|e| Failure::new(e.to_string()).hint_opt(e.hint()).context("--type"))?;
        let kernel = Kernel::new();
        let prober = Prober::new(&kernel, ifindex)
            .map_err(|why| Failure::new(why).hint("run it as root, or give the process the capability"))?;
        let report = ask(args, &kernel, &prober, only, dev.is_some());
        if out.json {
            out.object(&report.json(dev))?;
        } else {
            report.print(args.absent, out)?;
        }
        Ok(Verdict::Yes)
    }

    fn index_of(name: &str) -> Result<u32, Failure> {
        // The name becomes a part of a path.
        let plain = !name.is_empty() && !name.contains('/') && !name.starts_with('.');
        let text =
            plain.then(|| std::fs::read_to_string(format!("/sys/class/net/{name}/ifindex")).ok()).flatten();
        let index = text.and_then(|t| t.trim().parse().ok());
        index.ok_or_else(|| Failure::new(format!("no interface `{name}`")))
    }

    fn ask(args: &Args, kernel: &Kernel, prober: &Prober, only: Option<ProgType>, dev: bool) -> Report {
        let begin = Instant::now();
        // What is not about programs and maps says nothing of a device.
        let wants = |section| args.wants(section) && !dev;
        let mut report = Report {
            system: wants(Section::System).then(|| settings(kernel)),
            prog_types: args.wants(Section::ProgTypes).then(|| prober.prog_types()),
            map_types: args.wants(Section::MapTypes).then(|| prober.map_types()),
            attach_types: wants(Section::AttachTypes).then(|| prober.attach_types()),
            helpers: args.wants(Section::Helpers).then(|| match only {
                Some(prog_type) => prober.helpers_of(prog_type),
                None => prober.helpers(),
            }),
            kfuncs: wants(Section::Kfuncs).then(|| prober.kfuncs().unwrap_or_default()),
            misc: wants(Section::Misc).then(|| prober.misc()),
            ms: 0,
        };
        report.ms = begin.elapsed().as_millis();
        report
    }

    fn state_json(state: &State, of: &mut Map<String, Value>) {
        let (errno, why) = match state {
            State::Available => (None, None),
            State::Absent { errno, why } => {
                (errno.name().map(str::to_owned).or(Some(errno.0.to_string())), Some(why))
            }
            State::Unknown(why) => (None, Some(why)),
        };
        let word = match state {
            State::Available => "available",
            State::Absent { .. } => "absent",
            State::Unknown(_) => "unknown",
        };
        of.insert("state".into(), word.into());
        if let Some(errno) = errno {
            of.insert("errno".into(), errno.into());
        }
        if let Some(why) = why {
            of.insert("why".into(), why.as_str().into());
        }
    }

    fn feature_json(feature: &Feature) -> Value {
        let mut of = Map::new();
        of.insert("name".into(), feature.name.into());
        of.insert("about".into(), feature.about.into());
        state_json(&feature.state, &mut of);
        Value::Object(of)
    }

    fn attach_json(feature: &AttachFeature) -> Value {
        let mut of = Map::new();
        of.insert("name".into(), feature.attach_type.to_string().into());
        of.insert("prog_type".into(), feature.prog_type.to_string().into());
        state_json(&feature.state, &mut of);
        Value::Object(of)
    }

    fn helpers_json(found: &Helpers) -> Value {
        let attach: Vec<Value> = found
            .attach_types
            .iter()
            .filter(|a| !unasked(found.prog_type) || a.0 != 0)
            .map(|a| a.to_string().into())
            .collect();
        let mut of = json!({ "prog_type": found.prog_type.to_string(), "attach_types": attach });
        match &found.helpers {
            Ok(helpers) => of["helpers"] = helpers.iter().map(|h| Value::from(h.to_string())).collect(),
            Err(why) => of["why"] = why.as_str().into(),
        }
        of
    }

    /// Whether 0 stands for no attach type, not for `cgroup_inet_ingress`.
    fn unasked(prog_type: ProgType) -> bool {
        prog_type != ProgType::CGROUP_SKB
    }

    impl Report {
        fn json(&self, dev: Option<&str>) -> Value {
            let features = |list: &Option<Vec<Feature>>| {
                list.as_ref().map(|list| list.iter().map(feature_json).collect::<Value>())
            };
            let system = self.system.as_ref().map(|list| {
                let of = |s: &Setting| json!({ "name": s.name, "value": s.value, "about": s.about });
                list.iter().map(of).collect::<Value>()
            });
            let mut all = json!({ "schema": "skep.feature/1" });
            let parts = [
                ("dev", dev.map(Value::from)),
                ("system", system),
                ("prog_types", features(&self.prog_types)),
                ("map_types", features(&self.map_types)),
                ("attach_types", self.attach_types.as_ref().map(|l| l.iter().map(attach_json).collect())),
                ("helpers", self.helpers.as_ref().map(|l| l.iter().map(helpers_json).collect())),
                ("kfuncs", self.kfuncs.as_ref().map(|l| json!(l))),
                ("misc", features(&self.misc)),
                ("ms", Some(json!(self.ms as u64))),
            ];
            for (name, part) in parts {
                if let Some(part) = part {
                    all[name] = part;
                }
            }
            all
        }

        fn print(&self, absent: bool, out: &mut Output) -> Result<(), Failure> {
            if let Some(settings) = self.system.as_ref().filter(|_| !absent) {
                heading("system", out)?;
                for s in settings {
                    let value = s.value.as_deref().unwrap_or("not set");
                    let about = out.paint(Style::Faint, s.about);
                    writeln!(out, "  {:42} {value:9} {about}", s.name)?;
                }
            }
            for (title, list) in [("program types", &self.prog_types), ("map types", &self.map_types)] {
                if let Some(list) = list {
                    heading(title, out)?;
                    let lines = list.iter().map(|f| (f.name.to_owned(), "", &f.state));
                    print_states(lines, absent, out)?;
                }
            }
            if let Some(list) = &self.attach_types {
                heading("attach types", out)?;
                let lines = list.iter().map(|f| (f.attach_type.to_string(), "", &f.state));
                print_states(lines, absent, out)?;
            }
            if let Some(list) = &self.misc {
                heading("other", out)?;
                print_states(list.iter().map(|f| (f.name.to_owned(), f.about, &f.state)), absent, out)?;
            }
            if let Some(list) = self.helpers.as_ref().filter(|_| !absent) {
                list.iter().try_for_each(|found| print_helpers(found, out))?;
            }
            if let Some(kfuncs) = self.kfuncs.as_ref().filter(|_| !absent) {
                heading(&format!("kernel functions ({})", kfuncs.len()), out)?;
                print_words(kfuncs.iter().cloned(), out)?;
            }
            Ok(())
        }
    }

    fn heading(title: &str, out: &mut Output) -> Result<(), Failure> {
        let title = out.paint(Style::Heading, title);
        Ok(writeln!(out, "{title}")?)
    }

    fn print_states<'a>(
        lines: impl Iterator<Item = (String, &'a str, &'a State)>,
        absent: bool,
        out: &mut Output,
    ) -> Result<(), Failure> {
        for (name, about, state) in lines {
            let (word, more) = match state {
                State::Available if absent => continue,
                State::Available => (out.paint(Style::Good, "available"), about.to_owned()),
                State::Absent { errno, why } => {
                    let errno = errno.name().map_or_else(|| errno.0.to_string(), str::to_owned);
                    (out.paint(Style::Bad, "absent   "), format!("{why} ({errno})"))
                }
                State::Unknown(why) => (out.paint(Style::Warn, "unknown  "), why.clone()),
            };
            let more = out.paint(Style::Faint, more);
            writeln!(out, "  {name:32} {word}  {more}")?;
        }
        Ok(())
    }

    fn print_helpers(found: &Helpers, out: &mut Output) -> Result<(), Failure> {
        let named = found.attach_types.iter().filter(|a| a.0 != 0 || !unasked(found.prog_type));
        let named: Vec<String> = named.map(ToString::to_string).collect();
        let of = if named.is_empty() { String::new() } else { format!(" for {}", named.join(", ")) };
        match &found.helpers {
            Ok(helpers) => {
                heading(&format!("helpers of {}{of} ({})", found.prog_type, helpers.len()), out)?;
                print_words(helpers.iter().map(ToString::to_string), out)
            }
            Err(why) => {
                heading(&format!("helpers of {}{of}", found.prog_type), out)?;
                Ok(writeln!(out, "  {why}")?)
            }
        }
    }

    fn print_words(words: impl Iterator<Item = String>, out: &mut Output) -> Result<(), Failure> {
        const WIDTH: usize = 98;
        let mut line = String::new();
        for word in words {
            if line.len() + word.len() + 3 > WIDTH {
                writeln!(out, " {line}")?;
                line.clear();
            }
            line.push(' ');
            line += &word;
        }
        if !line.is_empty() {
            writeln!(out, " {line}")?;
        }
        Ok(())
    }
}
