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
    /// A packet and nothing that may be set.
    Packet,
    /// Arguments.
    Args,
    /// A context that is memory.
    Syscall,
}

/// The shape of a type; `None` if the kernel does not run it.
pub(super) fn shape(prog_type: ProgType) -> Option<Shape> {
    const ROWS: &[(ProgType, Shape)] = &[
        (ProgType::XDP, Shape::Xdp),
        (ProgType::SCHED_CLS, Shape::Skb),
        (ProgType::SCHED_ACT, Shape::Skb),
        (ProgType::SOCKET_FILTER, Shape::SkbNetwork),
        (ProgType::CGROUP_SKB, Shape::SkbNetwork),
        (ProgType::LWT_IN, Shape::Skb),
        (ProgType::LWT_OUT, Shape::Skb),
        (ProgType::LWT_XMIT, Shape::Skb),
        (ProgType::LWT_SEG6LOCAL, Shape::Skb),
        (ProgType::FLOW_DISSECTOR, Shape::FlowDissector),
        (ProgType::NETFILTER, Shape::Packet),
        (ProgType::RAW_TRACEPOINT, Shape::Args),
        (ProgType::SYSCALL, Shape::Syscall),
    ];
    ROWS.iter().find(|(t, _)| *t == prog_type).map(|(_, s)| *s)
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
    buffer: &mut Vec<u8>,
) -> Result<Ran, Errno> {
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
        Shape::FlowDissector | Shape::Packet => Input { data: packet, ctx, ..Input::default() },
        Shape::Args | Shape::Syscall => Input { ctx, ..Input::default() },
    };
    let room = match shape {
        Shape::Args | Shape::Syscall | Shape::Packet => 0,
        Shape::FlowDissector => FLOW_KEYS,
        Shape::Xdp | Shape::Skb | Shape::SkbNetwork => packet.len() + ROOM,
    };
    buffer.resize(room, 0);
    let output = test_run::run(prog, &input, buffer)?;
    buffer.truncate(output.data_len);
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
    let times = input.repeat.max(1);
    let (mut buffer, mut total, mut last) = (Vec::new(), 0_u64, None);
    for _ in 0..times {
        let ran = once(prog, shape, input.packet, input.ctx, &mut buffer)
            .map_err(|e| wrong(name, prog_type, input.packet.len(), e))?;
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
    let message = format!("program `{name}`: BPF_PROG_TEST_RUN does not run {prog_type} programs");
    Error::new(ErrorKind::Unsupported, message)
}

/// What a refusal of a run means.
pub(super) fn wrong(name: &str, prog_type: ProgType, len: usize, errno: Errno) -> Error {
    if shape(prog_type).is_some_and(|s| !matches!(s, Shape::Args | Shape::Syscall)) && len < ETH_HLEN {
        let message = format!("a packet of {len} bytes is shorter than an Ethernet header");
        return Error::new(ErrorKind::Invalid, message);
    }
    let message = format!("program `{name}`: the kernel does not run it on this input: {errno}");
    Error::new(ErrorKind::Os(errno.0), message)
}
