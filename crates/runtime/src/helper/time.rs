//! Time, chance, and where the program runs.

use skep_vm::{Frame, Memory, Stop};

use crate::env::Env;

/// Nanoseconds in a jiffy at CONFIG_HZ=1000.
const JIFFY_NS: u64 = 1_000_000;

/// `u64 bpf_ktime_get_ns(void)` and the other clocks: the world has one.
pub(super) fn ktime_get_ns(env: &mut Env, _: &mut Frame<'_>, _: [u64; 5]) -> Result<u64, Stop> {
    Ok(env.now())
}

/// `u64 bpf_jiffies64(void)`
pub(super) fn jiffies64(env: &mut Env, _: &mut Frame<'_>, _: [u64; 5]) -> Result<u64, Stop> {
    Ok(env.now() / JIFFY_NS)
}

/// `u32 bpf_get_prandom_u32(void)`
pub(super) fn get_prandom_u32(env: &mut Env, _: &mut Frame<'_>, _: [u64; 5]) -> Result<u64, Stop> {
    Ok(env.rng.next_u32().into())
}

/// `u32 bpf_get_smp_processor_id(void)`
pub(super) fn get_smp_processor_id(env: &mut Env, _: &mut Frame<'_>, _: [u64; 5]) -> Result<u64, Stop> {
    Ok(env.cpu.into())
}

/// `long bpf_get_numa_node_id(void)`: there is one.
pub(super) fn get_numa_node_id(_: &mut Env, _: &mut Frame<'_>, _: [u64; 5]) -> Result<u64, Stop> {
    Ok(0)
}

/// [`ktime_get_ns`] without a frame.
pub(super) fn quick_ktime(env: &mut Env, _: &Memory, _: [u64; 5]) -> Option<u64> {
    Some(env.now())
}

/// [`get_prandom_u32`] without a frame.
pub(super) fn quick_prandom(env: &mut Env, _: &Memory, _: [u64; 5]) -> Option<u64> {
    Some(env.rng.next_u32().into())
}

/// [`get_smp_processor_id`] without a frame.
pub(super) fn quick_cpu(env: &mut Env, _: &Memory, _: [u64; 5]) -> Option<u64> {
    Some(env.cpu.into())
}
