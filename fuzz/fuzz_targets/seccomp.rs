//! Any text as a seccomp policy in its three forms: it is read or refused with a place inside the text; what is read is
//! compiled to a filter that seccomp(2) takes, which decides as the policy does.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_abi::Arch;
use skep_filter::seccomp::{Call, Host, Policy, compile, run};

fuzz_target!(|data: &[u8]| {
    let Some((head, text)) = data.split_first_chunk::<4>() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let host = Host { arch: Arch::X86_64, caps: Vec::new(), kernel: (6, 18) };
    let read = [
        Policy::from_text(text, Arch::X86_64),
        Policy::from_oci(text, &host),
        Policy::from_seccompiler(text, None, Arch::X86_64),
    ];
    for policy in read {
        match policy {
            Ok(policy) => {
                let Ok(insns) = compile(&policy) else { continue };
                let args = [u64::from(head[1]), u64::from(head[2]) << 32, u64::from(head[3]), 0, 0, u64::MAX];
                let call =
                    Call { arch: Arch::X86_64.audit(), number: head[0].into(), args, instruction_pointer: 0 };
                let (action, _) = run(&insns, &call).expect("what is compiled is a filter");
                assert_eq!(action, policy.decide(&call).action);
            }
            Err(e) => assert!(e.span().end <= text.len()),
        }
    }
});
