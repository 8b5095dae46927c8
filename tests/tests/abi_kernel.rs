//! The running kernel holds the numbers of the ABI: every value of its six UAPI enums, read from its BTF, must be a row
//! of ours with that number. What is missing on either side is listed here on purpose. A kernel newer than the rows may
//! know more; that is printed, and is the moment to add rows.

use skep_abi::{attach_types, cmds, helpers, link_types, map_types, prog_types};
use skep_btf::{Btf, Kind};

const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// The release that the rows describe.
const ROWS_AS_OF: (u32, u32) = (6, 18);

/// Is the running kernel newer than the rows?
fn kernel_is_newer() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut parts = release.split(['.', '-']).map_while(|part| part.parse().ok());
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) > ROWS_AS_OF
}

/// One enum of the kernel against one table of ours.
struct Guard {
    /// The enum's name in C.
    name: &'static str,
    /// What its values' names begin with.
    prefix: &'static str,
    /// Our rows.
    rows: Vec<(u32, &'static str)>,
    /// Names of the kernel that are second names of a number, without prefix and in lower case.
    second_names: &'static [&'static str],
}

fn guards() -> Vec<Guard> {
    let bare = |name: &'static str| name.strip_prefix("bpf_").unwrap_or(name);
    vec![
        Guard {
            name: "bpf_prog_type",
            prefix: "BPF_PROG_TYPE_",
            rows: prog_types().iter().map(|row| (row.id.0, row.name)).collect(),
            second_names: &[],
        },
        Guard {
            name: "bpf_map_type",
            prefix: "BPF_MAP_TYPE_",
            rows: map_types().iter().map(|row| (row.id.0, row.name)).collect(),
            second_names: &["cgroup_storage_deprecated", "percpu_cgroup_storage_deprecated"],
        },
        Guard {
            name: "bpf_attach_type",
            prefix: "BPF_",
            rows: attach_types().iter().map(|row| (row.id.0, row.name)).collect(),
            second_names: &[],
        },
        Guard {
            name: "bpf_link_type",
            prefix: "BPF_LINK_TYPE_",
            rows: link_types().iter().map(|row| (row.id.0, row.name)).collect(),
            second_names: &[],
        },
        Guard {
            name: "bpf_cmd",
            prefix: "BPF_",
            rows: cmds().iter().map(|row| (row.id.0, row.name)).collect(),
            second_names: &["prog_run"],
        },
        Guard {
            name: "bpf_func_id",
            prefix: "BPF_FUNC_",
            rows: helpers().iter().map(|row| (row.id.0, bare(row.name))).collect(),
            second_names: &[],
        },
    ]
}

/// What is wrong between one enum and its table, a line each.
fn differences(guard: &Guard, kernel: &[(u32, String)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (number, name) in kernel {
        match guard.rows.iter().find(|(ours, _)| ours == number) {
            None => wrong.push(format!("{}: the kernel's {name} = {number} has no row", guard.name)),
            Some((_, row)) if row != name && !guard.second_names.contains(&name.as_str()) => {
                wrong.push(format!("{}: {number} is {name} in the kernel, {row} here", guard.name));
            }
            Some(_) => {}
        }
    }
    // A kernel older than the rows lacks the newest: nothing is missing below its last number.
    let last = kernel.iter().map(|(number, _)| *number).max().unwrap_or(0);
    for (number, row) in guard.rows.iter().filter(|(number, _)| *number <= last) {
        if !kernel.iter().any(|(theirs, name)| theirs == number && name == row) {
            wrong.push(format!("{}: the kernel does not know {row} = {number}", guard.name));
        }
    }
    wrong
}

#[test]
fn every_number_is_the_running_kernels() {
    let bytes = match std::fs::read(VMLINUX) {
        Ok(bytes) => bytes,
        Err(error) => {
            println!("skipped: {VMLINUX}: {error}");
            return;
        }
    };
    let btf = Btf::parse(&bytes).expect("the kernel's BTF parses");
    let (mut wrong, mut values) = (Vec::new(), 0);
    for guard in guards() {
        let id = btf.find(guard.name, Kind::Enum).unwrap_or_else(|| panic!("no enum {}", guard.name));
        let kernel: Vec<(u32, String)> = btf
            .ty(id)
            .expect("a type that was found")
            .variants()
            // `__MAX_BPF_...` counts the values; it is none of them.
            .filter_map(|variant| {
                let name = variant.name.strip_prefix(guard.prefix)?.to_lowercase();
                Some((u32::try_from(variant.value()).ok()?, name))
            })
            .collect();
        assert!(kernel.len() > 10, "{}: {} values", guard.name, kernel.len());
        values += kernel.len();
        wrong.extend(differences(&guard, &kernel));
    }
    println!("{values} values compared");
    if kernel_is_newer() {
        let (new, old): (Vec<_>, Vec<_>) = wrong.into_iter().partition(|line| line.ends_with("has no row"));
        new.iter().for_each(|line| println!("newer than the rows: {line}"));
        wrong = old;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_wrong_number_is_noticed() {
    let mut guard = guards().remove(0);
    let kernel: Vec<(u32, String)> =
        guard.rows.iter().map(|(number, name)| (*number, (*name).to_owned())).collect();
    assert_eq!(differences(&guard, &kernel), Vec::<String>::new());
    guard.rows[6].1 = "xpd";
    let wrong = differences(&guard, &kernel);
    assert_eq!(
        wrong,
        [
            "bpf_prog_type: 6 is xdp in the kernel, xpd here",
            "bpf_prog_type: the kernel does not know xpd = 6"
        ]
    );
    guard.rows.truncate(5);
    assert!(differences(&guard, &kernel).iter().any(|line| line.contains("netfilter = 32 has no row")));
}
