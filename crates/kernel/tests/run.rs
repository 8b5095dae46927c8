//! Test runs of every kind of program that the kernel runs, each seen to answer; skipped, with the reason, where it may
//! not be asked.
#![cfg(all(target_os = "linux", not(skep_portable)))]

use skep_abi::{AttachType, ProgType, prog_types};
use skep_backend::{ErrorKind, LoadOptions, Loaded, TestOutput, TestRun};
use skep_isa::asm::{Dialect, assemble};
use skep_kernel::{Kernel, Live};
use skep_object::{Program, Spec};

/// The kernel, where it may be used; says why not.
fn kernel() -> Option<Kernel> {
    let kernel = Kernel::new();
    match kernel.refusal() {
        None => Some(kernel),
        Some(why) => {
            println!("skipped: {why}");
            None
        }
    }
}

/// Loads one program.
#[track_caller]
fn load(prog_type: ProgType, attach_type: Option<AttachType>, flags: u32, text: &str) -> Option<Live> {
    let insns = assemble(text, Dialect::Kernel).unwrap().insns;
    let program = Program {
        name: "main".into(),
        prog_type: Some(prog_type),
        attach_type,
        flags,
        insns,
        ..Program::default()
    };
    let spec = Spec { license: "GPL".into(), programs: vec![program], ..Spec::default() };
    Some(kernel()?.load(&spec, &LoadOptions::default()).unwrap_or_else(|e| panic!("{prog_type}: {e}")))
}

#[track_caller]
fn run(live: &mut Live, packet: &[u8], ctx: Option<&[u8]>) -> TestOutput {
    live.test_run("main", &TestRun { packet, ctx, ..TestRun::default() }).unwrap_or_else(|e| panic!("{e}"))
}

/// An Ethernet frame of IPv4 (or IPv6) that says it is UDP.
fn frame(v6: bool) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..74).collect();
    let (ether, first, next) = if v6 { ([0x86, 0xdd], 0x60, 20) } else { ([8, 0], 0x45, 23) };
    frame[12..14].copy_from_slice(&ether);
    (frame[14], frame[next]) = (first, 17);
    frame
}

#[test]
fn lightweight_tunnels_see_packets_from_their_network_header() {
    // The first byte at `data`, which must be there.
    let text = "r2 = *(u32 *)(r1 + 76)\nr3 = *(u32 *)(r1 + 80)\nr4 = r2\nr4 += 1\nr0 = 2\nif r4 > r3 goto out\n\
        r0 = *(u8 *)(r2 + 0)\nout:\nexit\n";
    for prog_type in [ProgType::LWT_IN, ProgType::LWT_OUT, ProgType::LWT_XMIT] {
        let Some(mut live) = load(prog_type, None, 0, text) else { return };
        let out = run(&mut live, &frame(false), None);
        assert_eq!(out.retval, 0x45, "{prog_type}");
        assert_eq!(out.packet, frame(false), "{prog_type}: the header that was taken off is there again");
    }
}

#[test]
fn a_flow_dissector_gives_its_keys() {
    // keys->thoff = 34, keys->ip_proto = 17.
    let text = "r2 = *(u64 *)(r1 + 144)\n*(u16 *)(r2 + 2) = 34\n*(u8 *)(r2 + 9) = 17\nr0 = 0\nexit\n";
    let Some(mut live) = load(ProgType::FLOW_DISSECTOR, None, 0, text) else { return };
    let out = run(&mut live, &frame(false), None);
    assert_eq!((out.retval, out.packet.len()), (0, 56));
    let u16_at = |at: usize| u16::from_ne_bytes([out.packet[at], out.packet[at + 1]]);
    assert_eq!((u16_at(0), u16_at(2), out.packet[9]), (14, 34, 17), "nhoff as the kernel set it, and ours");
    let error = live.test_run("main", &TestRun { packet: &[0; 13], ..TestRun::default() }).unwrap_err();
    assert!(error.to_string().contains("shorter than an Ethernet header"), "{error}");
}

#[test]
fn netfilter_sees_both_families_and_nothing_else() {
    // ctx->state->pf == ... is for typed pointers; the hook's number is enough: ctx->state->hook.
    let text = "r2 = *(u64 *)(r1 + 0)\nr0 = *(u8 *)(r2 + 1)\nr0 &= 8\nr0 >>= 3\nexit\n";
    let Some(mut live) = load(ProgType::NETFILTER, Some(AttachType::NETFILTER), 0, text) else { return };
    // NFPROTO_IPV4 is 2, NFPROTO_IPV6 is 10.
    assert_eq!(run(&mut live, &frame(false), None).retval, 0);
    let out = run(&mut live, &frame(true), None);
    assert_eq!((out.retval, &out.packet), (1, &frame(true)));
    let mut arp = frame(false);
    arp[12..14].copy_from_slice(&[8, 6]);
    let error = live.test_run("main", &TestRun { packet: &arp, ..TestRun::default() }).unwrap_err();
    assert!(error.to_string().contains("neither IPv4 nor IPv6"), "{error}");
    // On the way out, which a context may say, packets begin with their network header.
    let out = run(&mut live, &frame(true)[14..], Some(&[3, 10]));
    assert_eq!(out.retval, 1);
}

#[test]
fn a_socket_lookup_reads_its_context() {
    // SK_PASS if local_port is 7.
    let text = "r2 = *(u32 *)(r1 + 60)\nr0 = 1\nif r2 == 7 goto out\nr0 = 0\nout:\nexit\n";
    let Some(mut live) = load(ProgType::SK_LOOKUP, Some(AttachType::SK_LOOKUP), 0, text) else { return };
    let context = |port: u32| {
        let mut bytes = [0; 72];
        bytes[8..12].copy_from_slice(&2_u32.to_ne_bytes());
        bytes[12..16].copy_from_slice(&6_u32.to_ne_bytes());
        bytes[60..64].copy_from_slice(&port.to_ne_bytes());
        bytes
    };
    assert_eq!(run(&mut live, &[], Some(&context(7))).retval, 1);
    let out = run(&mut live, &[], Some(&context(8)));
    assert_eq!((out.retval, out.ctx.map(|c| c.len())), (0, Some(72)));
    let error = live.test_run("main", &TestRun::default()).unwrap_err();
    assert!(error.hint().is_some_and(|h| h.contains("72 bytes")), "{error}");
}

#[test]
fn a_syscall_program_writes_its_context() {
    let text = "r2 = *(u64 *)(r1 + 0)\nr2 += 1\n*(u64 *)(r1 + 8) = r2\nr0 = 3\nexit\n";
    let Some(mut live) = load(ProgType::SYSCALL, None, Program::F_SLEEPABLE, text) else { return };
    let mut context = [0; 16];
    context[0] = 41;
    let out = run(&mut live, &[], Some(&context));
    assert_eq!(out.retval, 3);
    let back = out.ctx.unwrap();
    assert_eq!((back[0], back[8]), (41, 42));
    // Without a context there is nothing to read.
    let Some(mut live) = load(ProgType::SYSCALL, None, Program::F_SLEEPABLE, "r0 = 9\nexit\n") else {
        return;
    };
    assert_eq!(run(&mut live, &[], None).retval, 9);
    let error = live.test_run("main", &TestRun { mem: Some(&[0; 8]), ..TestRun::default() }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn a_raw_tracepoint_runs_on_the_cpu_that_is_chosen() {
    // The sum of its two arguments; then bpf_get_smp_processor_id.
    let sum = "r0 = *(u64 *)(r1 + 0)\nr2 = *(u64 *)(r1 + 8)\nr0 += r2\nexit\n";
    let Some(mut live) = load(ProgType::RAW_TRACEPOINT, None, 0, sum) else { return };
    let mut context = [0; 16];
    (context[0], context[8]) = (40, 2);
    assert_eq!(run(&mut live, &[], Some(&context)).retval, 42);
    let error = live.test_run("main", &TestRun::default()).unwrap_err();
    assert!(error.hint().is_some_and(|h| h.contains("its arguments")), "{error}");
    let Some(mut live) = load(ProgType::RAW_TRACEPOINT, None, 0, "call 8\nexit\n") else { return };
    for cpu in skep_sys::cpu::online().unwrap() {
        let out = live.test_run("main", &TestRun { cpu: Some(cpu), ..TestRun::default() }).unwrap();
        assert_eq!(out.retval, u64::from(cpu));
    }
    let error = live.test_run("main", &TestRun { cpu: Some(8191), ..TestRun::default() }).unwrap_err();
    assert!(error.hint().is_some_and(|h| h.contains("no such CPU")), "{error}");
    let Some(mut live) = load(ProgType::XDP, None, 0, "r0 = 2\nexit\n") else { return };
    let error = live
        .test_run("main", &TestRun { packet: &frame(false), cpu: Some(0), ..TestRun::default() })
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}

#[test]
fn what_is_not_run_is_named_with_what_to_do() {
    let kernel = Kernel::new();
    let refused: Vec<_> =
        prog_types().iter().filter_map(|row| Some((row, kernel.runs("main", row.id).err()?))).collect();
    assert_eq!(refused.len() + 13, prog_types().len());
    for (row, error) in refused {
        let text = error.to_string();
        assert!(text.contains(&format!(" {} programs, only xdp, ", row.name)), "{text}");
        let known = ![ProgType::UNSPEC, ProgType::LIRC_MODE2].contains(&row.id);
        assert_eq!(error.hint().is_some(), known, "{}", row.name);
    }
}
