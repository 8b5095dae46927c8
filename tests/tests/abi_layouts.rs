//! The running kernel holds the layouts of the ABI: every member of every context that its BTF describes must be a row
//! of ours, at that offset and of that size; every row must be a member. So must flags of maps and named verdicts.

use std::collections::BTreeSet;

use skep_abi::{Context, contexts, map_flag_names, prog_types};
use skep_btf::{Btf, Kind, TypeId};

const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Contexts that are not compared: those that are no C structures, and registers, of which x86-64's rows are a part.
const NOT_STRUCTURES: &[&str] = &["u64[]", "u32", "void", "pt_regs", "bpf_perf_event_data"];

/// Rows that no member stands behind.
const ROWS_ONLY: &[(&str, &str)] = &[
    ("bpf_raw_tracepoint_args", "buffer"), // the first argument of a writable tracepoint
];

/// Members that no row stands for: second names of a union, and what programs can't see.
const MEMBERS_ONLY: &[(&str, &str)] = &[
    ("bpf_sock_ops", "replylong"), // `args` under another name
    ("bpf_sk_lookup", "cookie"),   // of TEST_RUN alone; programs see `sk`
];

fn kernel() -> Option<Btf> {
    match std::fs::read(VMLINUX) {
        Ok(bytes) => Some(Btf::parse(&bytes).expect("the kernel's BTF parses")),
        Err(error) => {
            println!("skipped: {VMLINUX}: {error}");
            None
        }
    }
}

/// Name, offset and size in bytes of each member, those of anonymous unions and structures included.
fn members(btf: &Btf, id: TypeId, base: u32, found: &mut Vec<(String, u32, u32)>) {
    for member in btf.ty(id).expect("a type of this BTF").members() {
        let offset = base + member.bit_offset / 8;
        if member.name.is_empty() {
            members(btf, member.ty, offset, found);
        } else {
            let size = btf.size_of(member.ty).expect("a member has a size");
            found.push((member.name.to_owned(), offset, size));
        }
    }
}

/// What is wrong between a context and its structure, a line each.
fn differences(context: &Context, members: &[(String, u32, u32)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, offset, size) in members {
        let listed = MEMBERS_ONLY.contains(&(context.name, name.as_str()));
        let row = context.fields.iter().find(|f| f.name == name && f.offset == *offset && f.size == *size);
        // A flexible array: its rows say how far programs may go.
        let flexible = *size == 0 && context.field(name).is_some_and(|f| f.offset == *offset);
        if row.is_none() && !listed && !flexible {
            wrong.push(format!("{}.{name}: {size} bytes at {offset} in the kernel", context.name));
        }
    }
    for field in context.fields {
        let listed = ROWS_ONLY.contains(&(context.name, field.name));
        if !listed && !members.iter().any(|(name, _, _)| name == field.name) {
            wrong.push(format!("{}.{}: not in the kernel", context.name, field.name));
        }
    }
    wrong
}

#[test]
fn every_context_is_laid_out_as_the_running_kernels() {
    let Some(btf) = kernel() else { return };
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for context in contexts().iter().filter(|context| !NOT_STRUCTURES.contains(&context.name)) {
        let Some(id) = btf.find(context.name, Kind::Struct) else {
            println!("skipped: {}: this kernel's BTF does not describe it", context.name);
            continue;
        };
        let mut found = Vec::new();
        members(&btf, id, 0, &mut found);
        compared += found.len();
        wrong.extend(differences(context, &found));
        let size = btf.size_of(id).expect("a structure has a size");
        if size != context.size && size != 0 {
            wrong.push(format!("{}: {size} bytes in the kernel, {} here", context.name, context.size));
        }
    }
    println!("{compared} members compared");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn map_flags_and_verdicts_are_the_running_kernels() {
    let Some(btf) = kernel() else { return };
    // The flags are an anonymous enumeration, so all of them are searched by the names of their values.
    let known: BTreeSet<(&str, i128)> = btf
        .types()
        .filter(|ty| ty.kind().is_enum())
        .flat_map(|ty| ty.variants())
        .map(|variant| (variant.name, variant.value()))
        .collect();
    let names: BTreeSet<&str> = known.iter().map(|(name, _)| *name).collect();
    let flags = map_flag_names().iter().map(|(flag, name)| (*name, i128::from(flag.0)));
    let verdicts = prog_types().iter().flat_map(|row| row.verdicts).map(|v| (v.name, i128::from(v.value)));
    for (name, value) in flags.chain(verdicts) {
        // TC_ACT_* and NF_* are macros, of which BTF knows nothing.
        let is_macro = name.starts_with("TC_ACT_") || name.starts_with("NF_");
        assert!(is_macro || names.contains(name), "the kernel does not know {name}");
        assert!(is_macro || known.contains(&(name, value)), "{name} is not {value} in the kernel");
    }
}

#[test]
fn a_wrong_layout_is_noticed() {
    let context = contexts().iter().find(|context| context.name == "xdp_md").expect("a row");
    let mut members: Vec<_> =
        context.fields.iter().map(|field| (field.name.to_owned(), field.offset, field.size)).collect();
    assert_eq!(differences(context, &members), Vec::<String>::new());
    members[1].1 = 5;
    members[2].0 = "meta".to_owned();
    let wrong = differences(context, &members);
    assert_eq!(
        wrong,
        [
            "xdp_md.data_end: 4 bytes at 5 in the kernel",
            "xdp_md.meta: 4 bytes at 8 in the kernel",
            "xdp_md.data_meta: not in the kernel"
        ]
    );
}
