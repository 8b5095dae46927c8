//! pcap filters: how long they take to compile, what comes out, and what a packet costs, beside libpcap.
//!
//! libpcap is the machine's, called through the crate `pcap`; its optimiser is on, as it is in tcpdump. Packets are 1,024
//! frames of [`captures`](crate::captures), cut at 96 bytes, so that they stay in the cache. Each time is the least of all
//! rounds, which go through the engines in turn.

use pcap::{BpfProgram, Capture, Dead, Linktype};
use serde_json::{Value, json};
use skep_filter::{Code, Database, Options, compile};
use skep_vm::classic::{Filter, Packet};

use crate::captures::{Traffic, hosts};
use crate::thread_ns;

const PACKETS: usize = 1024;

/// A filter, and how often it is compiled to be timed.
pub struct Case {
    pub name: &'static str,
    pub text: String,
    repeat: u64,
    /// Whether libpcap's optimiser is let at it: it takes minutes for 1,000 hosts.
    optimize: bool,
}

/// A list of hosts.
pub fn list(count: usize) -> String {
    let host = |a: [u8; 4]| format!("host {}.{}.{}.{}", a[0], a[1], a[2], a[3]);
    hosts(count).into_iter().map(host).collect::<Vec<_>>().join(" or ")
}

/// The filters of the file test first.
pub fn cases(slow: bool) -> Vec<Case> {
    let case = |name, text: &str, repeat| Case { name, text: text.to_owned(), repeat, optimize: true };
    vec![
        case("port", "tcp port 443", 200),
        case("flags", "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", 200),
        case("100 hosts", &list(100), 5),
        case("vlan or ip6", "ip6 or vlan", 200),
        case("payload", "tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420", 200),
        case("ip", "ip", 200),
        case("udp", "udp", 200),
        case("host", "host 10.1.2.3", 200),
        case("net", "src net 192.0.2.0/24 and udp", 200),
        case("ports", "tcp portrange 1000-2000 or udp port 53 or udp port 5353", 100),
        case("not", "not arp and not icmp and greater 60", 200),
        Case { optimize: slow, ..case("1,000 hosts", &list(1000), 1) },
    ]
}

fn theirs(capture: &Capture<Dead>, case: &Case, optimize: bool) -> BpfProgram {
    capture.compile(&case.text, optimize).expect("libpcap compiles it")
}

fn ours(case: &Case) -> Vec<skep_isa::classic::Insn> {
    let options = Options { code: Code::Best, ..Options::default() };
    compile(&case.text, &options, &Database::new()).expect("skep compiles it")
}

/// The least time of one of `repeat` calls, in nanoseconds.
fn least(best: &mut f64, repeat: u64, mut run: impl FnMut()) {
    let start = thread_ns();
    (0..repeat).for_each(|_| run());
    *best = best.min((thread_ns() - start) as f64 / repeat as f64);
}

/// Measures, prints, and gives the same as JSON.
pub fn measure(rounds: usize, slow: bool, only: Option<&str>) -> Value {
    let mut traffic = Traffic::new(4000, &hosts(100));
    let mut cut = || {
        let frame = traffic.next();
        frame[..frame.len().min(96)].to_vec()
    };
    let frames: Vec<Vec<u8>> = (0..PACKETS).map(|_| cut()).collect();
    println!(
        "| filter | compile: libpcap µs | skep µs | and to machine code µs | libpcap / skep | insns: libpcap | skep | packet: libpcap ns | skep interpreted ns | skep compiled ns | libpcap / skep compiled |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
    let mut out = Vec::new();
    for case in cases(slow).iter().filter(|case| only.is_none_or(|only| only == case.name)) {
        out.push(one(case, rounds, &frames));
    }
    json!(out)
}

fn one(case: &Case, rounds: usize, frames: &[Vec<u8>]) -> Value {
    let capture = Capture::dead(Linktype::ETHERNET).expect("libpcap");
    let mut c_theirs = f64::MAX;
    let mut program = None;
    least(&mut c_theirs, 1, || program = Some(theirs(&capture, case, case.optimize)));
    let program = program.expect("it has been compiled");
    let insns = ours(case);
    let [slow, fast] = [Filter::new, Filter::compiled].map(|new| new(&insns).expect("a filter"));
    let matched = frames.iter().filter(|bytes| fast.run(&Packet::new(bytes)) != 0).count();
    assert_eq!(frames.iter().filter(|bytes| program.filter(bytes)).count(), matched, "{}", case.name);
    let [mut c_ours, mut c_code] = [f64::MAX; 2];
    let [mut p_theirs, mut p_slow, mut p_fast] = [f64::MAX; 3];
    for _ in 0..=rounds {
        // What takes seconds has been asked for once, and that is enough.
        if case.repeat > 1 {
            least(&mut c_theirs, case.repeat, || drop(theirs(&capture, case, case.optimize)));
        }
        least(&mut c_ours, case.repeat, || drop(ours(case)));
        least(&mut c_code, case.repeat, || drop(Filter::compiled(&insns)));
        let many = 20 * frames.len();
        let run = |best: &mut f64, filter: &dyn Fn() -> usize| {
            let start = thread_ns();
            (0..20).for_each(|_| assert_eq!(filter(), matched));
            *best = best.min((thread_ns() - start) as f64 / many as f64);
        };
        run(&mut p_theirs, &|| frames.iter().filter(|bytes| program.filter(bytes)).count());
        run(&mut p_slow, &|| frames.iter().filter(|bytes| slow.run(&Packet::new(bytes)) != 0).count());
        run(&mut p_fast, &|| frames.iter().filter(|bytes| fast.run(&Packet::new(bytes)) != 0).count());
    }
    println!(
        "| {} | {:.1} | {:.1} | {:.1} | {:.2} | {} | {} | {:.2} | {:.2} | {:.2} | {:.1} |",
        case.name,
        c_theirs / 1e3,
        c_ours / 1e3,
        (c_ours + c_code) / 1e3,
        c_theirs / c_ours,
        program.get_instructions().len(),
        insns.len(),
        p_theirs,
        p_slow,
        p_fast,
        p_theirs / p_fast
    );
    json!({
        "filter": case.name,
        "optimised_by_libpcap": case.optimize,
        "compile_ns": {"libpcap": c_theirs, "skep": c_ours, "skep_machine_code": c_ours + c_code},
        "instructions": {"libpcap": program.get_instructions().len(), "skep": insns.len()},
        "packet_ns": {"libpcap": p_theirs, "skep_interpreted": p_slow, "skep_compiled": p_fast},
        "matched": matched,
        "packets": frames.len(),
    })
}
