//! Seccomp policies: what they decide, what they are compiled to, and how they differ.

use proptest::prelude::*;
use skep_abi::Arch;
use skep_filter::seccomp::{Action, Call, Check, Host, Policy, Rule, Test, compare, compile, run};
use skep_isa::classic::{Cond, Insn, Op, Size, Source, check_seccomp};

fn call(number: u32, args: [u64; 6]) -> Call {
    Call { arch: Arch::X86_64.audit(), number, args, instruction_pointer: 0 }
}

fn text(policy: &str) -> Policy {
    Policy::from_text(policy, Arch::X86_64).unwrap_or_else(|e| panic!("{e} at {:?}", e.span()))
}

const POLICY: &str = "\
# What a small service may do.
default: errno EPERM
foreign: kill_process
allow: read, write,      
       close, exit_group
allow: ioctl(arg1:32 == 0x5401), clone(arg0 & 0x7e020000 == 0)
errno EACCES: socket(arg0 == 16)
log: socket(arg0 >= 1 && arg0 <= 2)
kill_process: ptrace
";

#[test]
fn a_policy_says_what_happens_to_a_call() {
    let policy = text(POLICY);
    let decided = |name: &str, args| {
        let number = skep_abi::syscall_number(Arch::X86_64, name).unwrap();
        let call = call(number, args);
        let decision = policy.decide(&call);
        assert_eq!(run(&compile(&policy).unwrap(), &call).unwrap().0, decision.action, "{name}");
        (decision.action.to_string(), decision.rule.map(|r| policy.rules[r].line))
    };
    let zero = [0; 6];
    assert_eq!(decided("close", zero), ("allow".into(), Some(4)));
    assert_eq!(decided("open", zero), ("errno EPERM".into(), None));
    // Only the lower half is looked at.
    assert_eq!(decided("ioctl", [0, 0xffff_0000_5401, 0, 0, 0, 0]), ("allow".into(), Some(6)));
    assert_eq!(decided("ioctl", [0, 0x5402, 0, 0, 0, 0]), ("errno EPERM".into(), None));
    assert_eq!(decided("clone", [0x1200_0000, 0, 0, 0, 0, 0]).0, "errno EPERM");
    assert_eq!(decided("clone", [0x1f, 0, 0, 0, 0, 0]).0, "allow");
    assert_eq!(decided("socket", [16, 0, 0, 0, 0, 0]).0, "errno EACCES");
    assert_eq!(decided("socket", [2, 0, 0, 0, 0, 0]).0, "log");
    assert_eq!(decided("socket", [1 << 32 | 2, 0, 0, 0, 0, 0]).0, "errno EPERM");
    assert_eq!(decided("ptrace", zero).0, "kill_process");
    let arm = Call { arch: Arch::Aarch64.audit(), ..call(0, zero) };
    assert_eq!(policy.decide(&arm).action, Action::KillProcess);
    assert_eq!(policy.decide(&call(0x4000_0000, zero)).action, Action::KillProcess, "x32");
}

#[test]
fn what_is_wrong_with_a_policy_is_shown_in_place() {
    let wrong = |policy: &str| {
        let e = Policy::from_text(policy, Arch::X86_64).unwrap_err();
        format!("{e} [{}]", &policy[e.span()])
    };
    assert_eq!(wrong("allow: raed"), "unknown system call `raed` [raed]");
    assert_eq!(wrong("allow: read\nalow: write"), "unknown action `alow` [alow]");
    assert_eq!(wrong("allow read"), "a line is `what: calls` [allow read]");
    assert_eq!(wrong("allow: read(arg6 == 1)"), "`arg6` is no argument [arg6 == 1]");
    assert_eq!(wrong("allow: read(arg1 = 1)"), "`arg1 = 1` is no check [arg1 = 1]");
    assert_eq!(wrong("errno EFOO: read"), "unknown errno `EFOO` [errno EFOO]");
    assert_eq!(wrong("arch: m68k"), "unknown architecture `m68k` [m68k]");
    assert_eq!(wrong("allow: read("), "a parenthesis is not closed [read(]");
}

#[test]
fn rules_that_can_never_decide_are_found() {
    let policy = text("allow: read\nerrno 1: read(arg0 == 1)\nerrno 1: write(arg0 == 1)\nallow: write");
    assert_eq!(policy.unreachable(), [1]);
}

const OCI: &str = r#"{
  "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
  "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
              {"architecture": "SCMP_ARCH_AARCH64"}],
  "syscalls": [
    {"names": ["read", "write", "no_such_call"], "action": "SCMP_ACT_ALLOW"},
    {"names": ["personality"], "action": "SCMP_ACT_ALLOW",
     "args": [{"index": 0, "value": 0, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]},
    {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "args": null, "includes": {"caps": ["CAP_SYS_ADMIN"]}},
    {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
    {"names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "excludes": {"caps": ["CAP_SYS_ADMIN"]},
     "args": [{"index": 0, "value": 2114060288, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}]}
  ]}"#;

#[test]
fn profiles_of_container_runtimes_are_read() {
    let host = |caps: &[&str]| Host {
        arch: Arch::X86_64,
        caps: caps.iter().map(|c| (*c).to_string()).collect(),
        kernel: (6, 18),
    };
    let decide = |caps: &[&str], name: &str, arg| {
        let policy = Policy::from_oci(OCI, &host(caps)).unwrap();
        assert_eq!(policy.arches, [Arch::X86_64]);
        let number = skep_abi::syscall_number(Arch::X86_64, name).unwrap();
        policy.decide(&call(number, [arg, 0, 0, 0, 0, 0])).action.to_string()
    };
    assert_eq!(decide(&[], "read", 0), "allow");
    assert_eq!(decide(&[], "open", 0), "errno ENOSYS");
    assert_eq!(decide(&[], "personality", 8), "allow");
    assert_eq!(decide(&[], "personality", 9), "errno ENOSYS");
    assert_eq!(decide(&[], "mount", 0), "errno ENOSYS");
    assert_eq!(decide(&["CAP_SYS_ADMIN"], "mount", 0), "allow");
    assert_eq!(decide(&[], "ptrace", 0), "allow");
    assert_eq!(decide(&[], "clone", 0), "errno EPERM");
    assert_eq!(decide(&["CAP_SYS_ADMIN"], "clone", 0), "errno ENOSYS");
    let whole = format!("{{\"linux\": {{\"seccomp\": {OCI}}}}}");
    assert_eq!(Policy::from_oci(&whole, &host(&[])), Policy::from_oci(OCI, &host(&[])));
    let broken = Policy::from_oci("{\n  \"defaultAction\": 5,,\n}", &host(&[])).unwrap_err();
    assert_eq!(broken.span(), 23..24);
}

const VMM: &str = r#"{
  "vcpu": {"mismatch_action": "trap", "match_action": "allow", "filter": [
     {"syscall": "ioctl", "args": [{"index": 1, "type": "dword", "op": "eq", "val": 44672, "comment": "KVM_RUN"}]},
     {"syscall": "futex", "args": [{"index": 1, "type": "qword", "op": {"masked_eq": 127}, "val": 1}]},
     {"syscall": "exit"}]},
  "api": {"default_action": {"errno": 1}, "filter_action": "log", "filter": []}
}"#;

#[test]
fn filters_of_seccompiler_are_read() {
    let policy = Policy::from_seccompiler(VMM, Some("vcpu"), Arch::Aarch64).unwrap();
    let decide = |name: &str, arg| {
        let number = skep_abi::syscall_number(Arch::Aarch64, name).unwrap();
        let call = Call { arch: Arch::Aarch64.audit(), ..call(number, [0, arg, 0, 0, 0, 0]) };
        policy.decide(&call).action
    };
    assert_eq!(decide("ioctl", 0xae80), Action::Allow);
    assert_eq!(decide("ioctl", 0xae81), Action::Trap(0));
    assert_eq!(decide("futex", 129), Action::Allow);
    assert_eq!(decide("read", 0), Action::Trap(0));
    let error = Policy::from_seccompiler(VMM, None, Arch::X86_64).unwrap_err();
    assert_eq!(error.to_string(), "which filter?");
}

/// A policy as long as policies get stays far below the limit, and a call costs little.
#[test]
fn a_long_policy_is_a_shallow_tree() {
    let rules = skep_abi::syscalls(Arch::X86_64).filter(|(_, n)| n % 3 != 2).map(|(name, number)| Rule {
        numbers: vec![vec![number]],
        names: vec![name.to_string()],
        checks: if number % 3 == 1 {
            vec![Check { arg: 0, low: false, test: Test::Eq(u64::from(number)) }]
        } else {
            Vec::new()
        },
        action: Action::Allow,
        line: 0,
    });
    let policy = Policy {
        arches: vec![Arch::X86_64],
        default: Action::Errno(1),
        foreign: Action::KillProcess,
        rules: rules.collect(),
    };
    let insns = compile(&policy).unwrap();
    check_seccomp(&insns).unwrap();
    assert!(insns.len() < 1600, "{}", insns.len());
    for (_, number) in skep_abi::syscalls(Arch::X86_64) {
        for arg in [0, u64::from(number), u64::from(number) + 1] {
            let call = call(number, [arg, 0, 0, 0, 0, 0]);
            let (action, path) = run(&insns, &call).unwrap();
            assert_eq!(action, policy.decide(&call).action);
            assert!(path.len() <= 20, "{} instructions for {number}", path.len());
        }
    }
}

fn numbers() -> impl Strategy<Value = u32> {
    prop_oneof![0u32..12, 300u32..310]
}

fn values() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..4, Just(1 << 32), Just(1 << 32 | 1), Just(u64::MAX), Just(0xffff_ffff)]
}

fn checks() -> impl Strategy<Value = Check> {
    let test = (0..7, values(), values()).prop_map(|(op, v, mask)| match op {
        0 => Test::Eq(v),
        1 => Test::Ne(v),
        2 => Test::Lt(v),
        3 => Test::Le(v),
        4 => Test::Gt(v),
        5 => Test::Ge(v),
        _ => Test::Masked { mask, value: v },
    });
    (0u8..2, any::<bool>(), test).prop_map(|(arg, low, test)| Check { arg, low, test })
}

fn actions() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(Action::Allow),
        Just(Action::Errno(1)),
        Just(Action::Errno(13)),
        Just(Action::KillProcess),
        Just(Action::Trap(7)),
        Just(Action::Log)
    ]
}

fn policies() -> impl Strategy<Value = Policy> {
    let rule = (prop::collection::vec(numbers(), 1..4), prop::collection::vec(checks(), 0..3), actions());
    let rule = rule.prop_map(|(numbers, checks, action)| Rule {
        numbers: vec![numbers.clone(), numbers],
        names: Vec::new(),
        checks,
        action,
        line: 0,
    });
    (prop::collection::vec(rule, 0..12), actions(), actions()).prop_map(|(rules, default, foreign)| Policy {
        arches: vec![Arch::X86_64, Arch::Riscv64],
        default,
        foreign,
        rules,
    })
}

fn calls() -> impl Strategy<Value = Call> {
    let arch = prop_oneof![Just(Arch::X86_64), Just(Arch::Riscv64), Just(Arch::Aarch64)];
    let number = prop_oneof![8 => numbers(), 1 => Just(0x4000_0001), 1 => any::<u32>()];
    (arch, number, values(), values())
        .prop_map(|(arch, number, a, b)| Call { arch: arch.audit(), ..call(number, [a, b, 0, 0, 0, 0]) })
}

/// A filter that asks one question after the other, as people write them: no tree, nothing shared.
fn one_by_one(policy: &Policy) -> Vec<Insn> {
    let load = |k| Op::LoadAbs { size: Size::W, k }.encode();
    let branch = |cond, k, jt, jf| Op::Branch { cond, src: Source::K(k), jt, jf }.encode();
    let ret = |action: Action| Op::RetK { k: action.value() }.encode();
    let mut insns =
        vec![load(4), branch(Cond::Eq, policy.arches[0].audit(), 1, 0), ret(policy.foreign), load(0)];
    insns.extend([branch(Cond::Ge, 0x4000_0000, 0, 1), ret(policy.foreign)]);
    for rule in &policy.rules {
        for &number in &rule.numbers[0] {
            insns.extend([branch(Cond::Eq, number, 0, 1), ret(rule.action)]);
        }
    }
    insns.push(ret(policy.default));
    insns
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_code_decides_as_the_policy(policy in policies(), calls in prop::collection::vec(calls(), 64)) {
        let insns = compile(&policy).unwrap();
        check_seccomp(&insns).unwrap();
        for call in calls {
            prop_assert_eq!(run(&insns, &call).unwrap().0, policy.decide(&call).action);
        }
    }

    /// Whatever call two policies treat differently, the comparison finds one like it; what it shows is true.
    #[test]
    fn differences_are_found(a in policies(), b in policies(), calls in prop::collection::vec(calls(), 64)) {
        let (first, second) = (compile(&a).unwrap(), compile(&b).unwrap());
        let found = compare(&first, &second).unwrap();
        for call in calls {
            let (x, y) = (a.decide(&call).action, b.decide(&call).action);
            prop_assert!(!x.is_weaker_than(y) || found.first_weaker.is_some());
            prop_assert!(!y.is_weaker_than(x) || found.second_weaker.is_some());
            prop_assert!(x == y || !found.is_none());
        }
        for w in [found.first_weaker, found.second_weaker, found.other].into_iter().flatten() {
            prop_assert_eq!(a.decide(&w.call).action, w.first);
            prop_assert_eq!(b.decide(&w.call).action, w.second);
            prop_assert_ne!(w.first, w.second);
        }
        prop_assert!(found.first_weaker.is_none_or(|w| w.first.is_weaker_than(w.second)));
    }

    /// A tree and a list of the same rules are proven equal; a list with one number changed is not.
    #[test]
    fn rewritten_filters_are_proven_equal(mut policy in policies(), at in any::<prop::sample::Index>()) {
        policy.arches.truncate(1);
        for rule in &mut policy.rules {
            rule.checks.clear();
        }
        let tree = compile(&policy).unwrap();
        let mut list = one_by_one(&policy);
        prop_assert!(compare(&tree, &list).unwrap().is_none());
        let last = at.index(list.len() - 1) + 1;
        if let Some(Op::Branch { cond: Cond::Eq, .. }) = Op::decode(list[last]) {
            list[last].k = 4000;
            let call = call(4000, [0; 6]);
            let differs = run(&list, &call).unwrap().0 != policy.decide(&call).action;
            prop_assert!(!differs || !compare(&tree, &list).unwrap().is_none());
        }
    }
}
