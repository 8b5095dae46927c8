//! BPF_PROG_TEST_RUN, a row for each shape of input that program types take.

use std::os::fd::BorrowedFd;

use skep_abi::ProgType;
use skep_backend::{Error, ErrorKind, TestOutput, TestRun};
use skep_sys::Errno;
use skep_sys::test_run::{self, Input, Output};

/// Bytes of `struct xdp_md`.
const XDP_MD: usize = 24;
/// Bytes of `struct __sk_buff`.
const SK_BUFF: usize = 192;
/// Bytes of `struct bpf_sk_lookup`.
const SK_LOOKUP: usize = 72;
/// Bytes of `struct bpf_flow_keys`.
const FLOW_KEYS: usize = 56;
/// Bytes of an Ethernet header.
const ETH_HLEN: usize = 14;
/// What a program may make a packet grow by, and then some.
const ROOM: usize = 8192;

/// What a type is run on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// A packet and an xdp_md.
    Xdp,
    /// A packet and a __sk_buff.
    Skb,
    /// The same for programs that see the packet from its network header, and cannot change what is before it.
    SkbNetwork,
    /// A packet; flow keys come out.
    FlowDissector,
    /// A packet of IPv4 or IPv6, as it is at a hook.
    Netfilter,
    /// A `struct bpf_sk_lookup`.
    Lookup,
    /// Arguments.
    Args,
    /// A context that is memory.
    Syscall,
}

impl Shape {
    /// Whether it is a packet.
    fn is_packet(self) -> bool {
        !matches!(self, Self::Lookup | Self::Args | Self::Syscall)
    }
}

/// What the kernel runs.
const ROWS: &[(ProgType, Shape)] = &[
    (ProgType::XDP, Shape::Xdp),
    (ProgType::SCHED_CLS, Shape::Skb),
    (ProgType::SCHED_ACT, Shape::Skb),
    (ProgType::SOCKET_FILTER, Shape::SkbNetwork),
    (ProgType::CGROUP_SKB, Shape::SkbNetwork),
    (ProgType::LWT_IN, Shape::SkbNetwork),
    (ProgType::LWT_OUT, Shape::SkbNetwork),
    (ProgType::LWT_XMIT, Shape::SkbNetwork),
    (ProgType::FLOW_DISSECTOR, Shape::FlowDissector),
    (ProgType::NETFILTER, Shape::Netfilter),
    (ProgType::SK_LOOKUP, Shape::Lookup),
    (ProgType::RAW_TRACEPOINT, Shape::Args),
    (ProgType::SYSCALL, Shape::Syscall),
];

/// What to do with what it does not run.
const INSTEAD: &[(&[ProgType], &str)] = &[
    (
        &[
            ProgType::CGROUP_SOCK,
            ProgType::CGROUP_SOCK_ADDR,
            ProgType::CGROUP_SOCKOPT,
            ProgType::CGROUP_SYSCTL,
            ProgType::CGROUP_DEVICE,
            ProgType::SOCK_OPS,
        ],
        "attach it to a cgroup and do there what it is called for: `skep attach OBJ --cgroup PATH`",
    ),
    (
        &[ProgType::SK_SKB, ProgType::SK_MSG],
        "attach it to a map of sockets and send something over one: `skep attach OBJ --map NAME`",
    ),
    (
        &[ProgType::SK_REUSEPORT],
        "attach it to a socket that shares its port, from the program that has the socket",
    ),
    (&[ProgType::STRUCT_OPS], "register its table: `skep struct_ops register OBJ`"),
    (
        &[
            ProgType::KPROBE,
            ProgType::TRACEPOINT,
            ProgType::PERF_EVENT,
            ProgType::RAW_TRACEPOINT_WRITABLE,
            ProgType::TRACING,
            ProgType::LSM,
        ],
        "attach it and let happen what it waits for: `skep attach OBJ`; or run it on a context in userspace: \
         `skep run OBJ --ctx FILE`",
    ),
    (
        &[ProgType::LWT_SEG6LOCAL],
        "pin it, put it into a route (`ip -6 route add ... encap seg6local action End.BPF`) and send packets there",
    ),
    (&[ProgType::EXT], "attach it to the program that it replaces a function of, and run that"),
];

/// The shape of a type; `None` if the kernel does not run it.
pub(super) fn shape(prog_type: ProgType) -> Option<Shape> {
    ROWS.iter().find(|(t, _)| *t == prog_type).map(|(_, s)| *s)
}

/// Whether the kernel runs programs of a type by BPF_PROG_TEST_RUN.
///
/// # Errors
/// If it does not; the hint says how such a program is tried instead.
pub(super) fn runs(prog: &str, prog_type: ProgType) -> Result<(), Error> {
    shape(prog_type).map(drop).ok_or_else(|| not_run(prog, prog_type))
}

/// One run; `buffer` gets the packet, metadata first.
pub(super) struct Ran {
    pub(super) output: Output,
    /// Bytes of metadata in front.
    pub(super) meta: usize,
}

/// Runs a program once. `ctx` is the caller's context.
pub(super) fn once(
    prog: BorrowedFd<'_>,
    shape: Shape,
    packet: &[u8],
    ctx: Option<&[u8]>,
    cpu: Option<u32>,
    buffer: &mut Vec<u8>,
) -> Result<Ran, Errno> {
    let hook = netfilter_hook(packet);
    let mut md = [0; XDP_MD];
    md[4..8].copy_from_slice(&u32::try_from(packet.len()).map_err(|_| Errno::E2BIG)?.to_ne_bytes());
    let input = match shape {
        Shape::Xdp => {
            Input { data: packet, ctx: Some(ctx.unwrap_or(&md)), ctx_out: XDP_MD, ..Input::default() }
        }
        Shape::Skb | Shape::SkbNetwork => {
            let ctx_out = if ctx.is_some() { SK_BUFF } else { 0 };
            Input { data: packet, ctx, ctx_out, ..Input::default() }
        }
        Shape::FlowDissector => Input { data: packet, ctx, ..Input::default() },
        Shape::Netfilter => Input { data: packet, ctx: Some(ctx.unwrap_or(&hook)), ..Input::default() },
        Shape::Lookup => Input { ctx, ctx_out: ctx.map_or(0, |_| SK_LOOKUP), ..Input::default() },
        Shape::Args => Input { ctx, cpu, ..Input::default() },
        Shape::Syscall => Input { ctx, ..Input::default() },
    };
    let room = match shape {
        Shape::Args | Shape::Syscall | Shape::Lookup | Shape::Netfilter => 0,
        Shape::FlowDissector => FLOW_KEYS,
        Shape::Xdp | Shape::Skb | Shape::SkbNetwork => packet.len() + ROOM,
    };
    buffer.resize(room, 0);
    let output = test_run::run(prog, &input, buffer)?;
    buffer.truncate(output.data_len);
    if shape == Shape::Netfilter {
        // It can't change the packet, and the kernel gives none back.
        buffer.extend_from_slice(packet);
    }
    if shape == Shape::SkbNetwork
        && let (Some(to), Some(from)) = (buffer.get_mut(..ETH_HLEN), packet.get(..ETH_HLEN))
    {
        // The kernel gives zeros for the header that it took off.
        to.copy_from_slice(from);
    }
    let meta = match (shape, output.ctx.get(..4)) {
        (Shape::Xdp, Some(&[a, b, c, d])) => u32::from_ne_bytes([a, b, c, d]) as usize,
        _ => 0,
    };
    let meta = meta.min(buffer.len());
    Ok(Ran { output, meta })
}

/// `struct nf_hook_state` as far as it may be set: before routing, of the packet's family. The kernel's own default is the
/// way out, where packets have no link-layer header.
fn netfilter_hook(packet: &[u8]) -> [u8; 2] {
    const PRE_ROUTING: u8 = 0;
    const IPV4: u8 = 2;
    const IPV6: u8 = 10;
    match packet.get(12..ETH_HLEN) {
        Some([0x86, 0xdd]) => [PRE_ROUTING, IPV6],
        _ => [PRE_ROUTING, IPV4],
    }
}

/// Runs a program on what a caller gives, so often, each time on the same input.
pub(super) fn test(
    prog: BorrowedFd<'_>,
    name: &str,
    prog_type: ProgType,
    input: &TestRun<'_>,
) -> Result<TestOutput, Error> {
    let shape = shape(prog_type).ok_or_else(|| not_run(name, prog_type))?;
    if input.mem.is_some() {
        let message = format!("program `{name}`: the kernel runs no program on plain memory");
        let hint = "a syscall program's context is memory: give it with --ctx";
        return Err(Error::new(ErrorKind::Unsupported, message).with_hint(hint));
    }
    if input.cpu.is_some() && shape != Shape::Args {
        let message = format!("program `{name}`: a {prog_type} program runs on the CPU that asks for it");
        let hint = "only raw_tracepoint programs can be sent to another";
        return Err(Error::new(ErrorKind::Unsupported, message).with_hint(hint));
    }
    let times = input.repeat.max(1);
    let (mut buffer, mut total, mut last) = (Vec::new(), 0_u64, None);
    for _ in 0..times {
        let ran = once(prog, shape, input.packet, input.ctx, input.cpu, &mut buffer)
            .map_err(|e| wrong(name, prog_type, input.packet, e))?;
        total += u64::from(ran.output.duration_ns);
        last = Some(ran);
    }
    let Some(ran) = last else { return Ok(TestOutput::default()) };
    let packet = buffer.split_off(ran.meta);
    let ctx = (!ran.output.ctx.is_empty()).then_some(ran.output.ctx);
    Ok(TestOutput {
        retval: u64::from(ran.output.retval),
        packet,
        meta: buffer,
        ctx,
        duration_ns: total / u64::from(times),
        ..TestOutput::default()
    })
}

pub(super) fn not_run(name: &str, prog_type: ProgType) -> Error {
    let all: Vec<&str> = ROWS.iter().filter_map(|(t, _)| t.name()).collect();
    let message = format!(
        "program `{name}`: BPF_PROG_TEST_RUN does not run {prog_type} programs, only {}",
        all.join(", ")
    );
    let error = Error::new(ErrorKind::Unsupported, message);
    match INSTEAD.iter().find(|(types, _)| types.contains(&prog_type)) {
        Some((_, hint)) => error.with_hint(*hint),
        None => error,
    }
}

/// What a refusal of a run means.
pub(super) fn wrong(name: &str, prog_type: ProgType, packet: &[u8], errno: Errno) -> Error {
    let shape = shape(prog_type);
    let len = packet.len();
    if shape.is_some_and(Shape::is_packet) && len < ETH_HLEN {
        let message = format!("a packet of {len} bytes is shorter than an Ethernet header");
        return Error::new(ErrorKind::Invalid, message);
    }
    if shape == Some(Shape::Netfilter) && matches!(errno, Errno::EPROTO | Errno::EINVAL) {
        let message =
            "a packet that is neither IPv4 nor IPv6, or shorter than its header, does not come to netfilter";
        return Error::new(ErrorKind::Invalid, message);
    }
    let message = format!("program `{name}`: the kernel does not run it on this input: {errno}");
    let error = Error::new(ErrorKind::Os(errno.0), message);
    match (shape, errno) {
        (Some(Shape::Args), Errno::EINVAL) => error.with_hint("give its arguments: --ctx, eight bytes each"),
        (Some(Shape::Args), Errno::ENXIO) => error.with_hint("there is no such CPU, or it is off"),
        (Some(Shape::Lookup), Errno::EINVAL | Errno::EAFNOSUPPORT) => error.with_hint(format!(
            "give the {SK_LOOKUP} bytes of a struct bpf_sk_lookup of IPv4 or IPv6: --ctx"
        )),
        _ => error,
    }
}
