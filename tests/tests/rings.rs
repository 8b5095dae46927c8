//! Records from and to programs of the running kernel, from all CPUs at once: what is accepted arrives, whole and in
//! order; what is not is counted. Skipped, with the reason, where bpf(2) may not be used.
#![cfg(all(target_os = "linux", not(skep_portable)))]

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread;
use std::time::Duration;

use skep::backend::{Event, LoadOptions, Loaded, TestRun};
use skep::kernel::{Kernel, Live};
use skep_object::Spec;
use skep_sys::test_run::{Input, run};
use skep_sys::{Errno, cpu};
use skep_tests::scenario::root;

/// How many records arrive in all.
const RECORDS: u64 = 1_000_000;
/// How many one run of a producer tries to send; of each sixteen it takes the last one back.
const AT_ONCE: u64 = 16_000;

fn load(programs: &[&str]) -> Option<Live> {
    let kernel = Kernel::new();
    if let Some(why) = kernel.refusal() {
        println!("skipped: {why}");
        return None;
    }
    let bytes = std::fs::read(root().join("tests/objects/rings.o")).unwrap();
    let programs = programs.iter().map(|p| (*p).to_owned()).collect();
    let options = LoadOptions { programs, ..LoadOptions::default() };
    Some(kernel.load(&Spec::from_elf(&bytes).unwrap(), &options).unwrap())
}

fn own(fd: BorrowedFd<'_>) -> OwnedFd {
    fd.try_clone_to_owned().unwrap()
}

/// `struct job`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Job {
    producer: u32,
    records: u32,
    sent: u64,
    refused: u64,
    discarded: u64,
}

impl Job {
    fn bytes(&self) -> Vec<u8> {
        let mut out = self.producer.to_ne_bytes().to_vec();
        out.extend(self.records.to_ne_bytes());
        out.extend([self.sent, self.refused, self.discarded].iter().flat_map(|n| n.to_ne_bytes()));
        out
    }

    fn of(bytes: &[u8]) -> Self {
        let word = |n: usize| u64::from_ne_bytes(bytes[8 * n..8 * n + 8].try_into().unwrap());
        let half = |n: usize| u32::from_ne_bytes(bytes[4 * n..4 * n + 4].try_into().unwrap());
        Self { producer: half(0), records: half(1), sent: word(1), refused: word(2), discarded: word(3) }
    }
}

/// One CPU's producer: tries until so many are accepted, or, with `tries`, so often.
fn produce(program: BorrowedFd<'_>, cpu: u32, wanted: Option<u64>, tries: u64) -> Job {
    cpu::pin(cpu).unwrap();
    let mut job = Job { producer: cpu, ..Job::default() };
    let mut tried = 0;
    loop {
        let left = match wanted {
            // Of sixteen, fifteen are sent.
            Some(wanted) => (wanted - job.sent) + (wanted - job.sent) / 15,
            None => tries - tried,
        };
        if left == 0 {
            break;
        }
        job.records = left.min(AT_ONCE) as u32;
        tried += u64::from(job.records);
        let context = job.bytes();
        let done = run(program, &Input { ctx: Some(&context), ..Input::default() }, &mut []).unwrap();
        job = Job::of(&done.ctx);
    }
    assert_eq!(job.sent + job.refused + job.discarded, tried, "each try ended in one way");
    job
}

/// `struct record`: CPU, producer, number.
fn record(data: &[u8]) -> (u32, u32, u64) {
    let half = |n: usize| u32::from_ne_bytes(data[4 * n..4 * n + 4].try_into().unwrap());
    assert_eq!(data.len(), 16);
    (half(0), half(1), u64::from_ne_bytes(data[8..].try_into().unwrap()))
}

/// Runs a producer on every CPU, takes what comes meanwhile, and checks that it is all, in order.
fn race(live: &mut Live, program: &str, map: &str, wanted: Option<u64>, tries: u64) -> Vec<Job> {
    let fd = own(live.program(program).unwrap());
    let cpus = cpu::online().unwrap();
    let share = wanted.map(|w| w / cpus.len() as u64);
    let mut next: BTreeMap<u32, u64> = BTreeMap::new();
    let mut take = |live: &mut Live| {
        for event in live.take_events() {
            let Event::Record { map: from, data, .. } = event else { panic!("{event:?}") };
            assert_eq!(from, map);
            let (cpu, producer, number) = record(&data);
            assert_eq!(cpu, producer, "the producers stay on their CPUs");
            let expected = next.entry(producer).or_default();
            assert_eq!(number, *expected, "producer {producer}: each in its turn");
            *expected += 1;
        }
    };
    let jobs = thread::scope(|scope| {
        let start = |&cpu: &u32| {
            let program = fd.as_fd();
            scope.spawn(move || produce(program, cpu, share, tries))
        };
        let producers: Vec<_> = cpus.iter().map(start).collect();
        while producers.iter().any(|p| !p.is_finished()) {
            skep_sys::ring::wait(&live.event_fds(), 10).unwrap();
            take(live);
        }
        producers.into_iter().map(|p| p.join().unwrap()).collect::<Vec<Job>>()
    });
    take(live);
    for job in &jobs {
        assert_eq!(next.get(&job.producer).copied().unwrap_or(0), job.sent, "producer {}", job.producer);
    }
    jobs
}

/// With room for everything nothing is refused.
#[test]
fn a_million_records_arrive_in_order() {
    let Some(mut live) = load(&["fill_large"]) else { return };
    let cpus = cpu::online().unwrap().len() as u64;
    let begun = std::time::Instant::now();
    let jobs = race(&mut live, "fill_large", "large", Some(RECORDS / cpus * cpus), 0);
    let sent: u64 = jobs.iter().map(|j| j.sent).sum();
    assert_eq!(sent, RECORDS / cpus * cpus);
    assert!(jobs.iter().all(|j| j.refused == 0 && j.discarded > 0), "{jobs:?}");
    println!("{sent} records from {cpus} CPUs in {:?}, none refused: {jobs:?}", begun.elapsed());
}

/// In a small ring there is not: what is refused is counted, and all else arrives.
#[test]
fn what_finds_no_room_is_counted_and_the_rest_arrives() {
    let Some(mut live) = load(&["fill_small"]) else { return };
    let jobs = race(&mut live, "fill_small", "small", None, RECORDS / 2);
    let (sent, refused) = jobs.iter().fold((0, 0), |(s, r), j| (s + j.sent, r + j.refused));
    assert!(refused > 0 && sent > 0, "{jobs:?}");
    println!("{sent} records arrived, {refused} were refused: {jobs:?}");
}

/// A perf buffer that nobody reads is full at some time; the kernel says how many it lost.
#[test]
fn lost_samples_are_counted() {
    let Some(mut live) = load(&["fill_samples"]) else { return };
    const TRIES: u64 = 20_000;
    let fd = own(live.program("fill_samples").unwrap());
    let emit = |cpu: u32, number: u64| {
        let context: Vec<u8> = [u64::from(cpu), number].iter().flat_map(|n| n.to_ne_bytes()).collect();
        run(fd.as_fd(), &Input { ctx: Some(&context), ..Input::default() }, &mut []).unwrap().retval
    };
    let (mut refused, mut lost) = (BTreeMap::<u32, u64>::new(), BTreeMap::<u32, u64>::new());
    let mut accepted: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    let mut arrived: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for round in 0..2 {
        for cpu in cpu::online().unwrap() {
            thread::scope(|scope| {
                let emitting = scope.spawn(|| {
                    cpu::pin(cpu).unwrap();
                    // The second round is one sample each, before which the kernel says what was lost.
                    (0..if round == 0 { TRIES } else { 1 }).map(|n| (n, emit(cpu, n))).collect::<Vec<_>>()
                });
                for (number, refusal) in emitting.join().unwrap() {
                    match refusal {
                        0 => accepted.entry(cpu).or_default().push(number),
                        _ => *refused.entry(cpu).or_default() += 1,
                    }
                }
            });
        }
        for event in live.take_events() {
            match event {
                Event::Record { cpu, data, .. } => {
                    // Samples are padded: their length plus four is a multiple of eight.
                    let (on, producer, number) = record(&data[..16]);
                    assert_eq!((on, producer), (cpu, cpu));
                    arrived.entry(cpu).or_default().push(number);
                }
                Event::Lost { map, cpu, count } => {
                    assert_eq!(map, "samples");
                    *lost.entry(cpu).or_default() += count;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(arrived, accepted);
    assert_eq!(lost, refused);
    assert!(lost.len() == cpu::online().unwrap().len() && lost.values().all(|n| *n > 0), "{lost:?}");
    assert_eq!(live.lost_samples(), lost.values().sum::<u64>());
}

/// The other way round: what this process puts in, a program takes.
#[test]
fn commands_reach_the_program() {
    let Some(mut live) = load(&["obey"]) else { return };
    const COMMANDS: u64 = 10_000;
    let mut ring = live.user_ring("commands").unwrap();
    assert_eq!(ring.push(&[0; 8192]), Err(Errno::E2BIG));
    let (mut sent, mut taken, mut full) = (0, 0, 0);
    let mut context = vec![0; 16];
    while taken < COMMANDS {
        while sent < COMMANDS {
            // Of several lengths, so that records go round the end of the ring in every way.
            let mut command = (sent * 3).to_ne_bytes().to_vec();
            command.resize(8 + (sent as usize * 7) % 90, 0xff);
            match ring.push(&command) {
                Ok(()) => sent += 1,
                Err(Errno::ENOSPC) => {
                    full += 1;
                    break;
                }
                Err(e) => panic!("{e}"),
            }
        }
        assert!(ring.pending() > 0);
        let input = TestRun { ctx: Some(&context), ..TestRun::default() };
        let done = live.test_run("obey", &input).unwrap();
        assert_eq!(done.retval, 0);
        context = done.ctx.unwrap();
        let word = |n: usize| u64::from_ne_bytes(context[8 * n..8 * n + 8].try_into().unwrap());
        assert_eq!(word(0), sent, "it takes all that is there");
        assert_eq!(word(1), (0..sent).map(|n| 3 * n).sum::<u64>());
        assert_eq!(ring.pending(), 0);
        taken = word(0);
    }
    assert!(full > 10, "the ring was full {full} times");
    assert!(live.user_ring("large").is_err());
}

/// A wait ends when a record comes, and not before.
#[test]
fn waiting_ends_with_a_record() {
    let Some(mut live) = load(&["fill_large"]) else { return };
    assert_eq!(skep_sys::ring::wait(&live.event_fds(), 0), Ok(false));
    let fd = own(live.program("fill_large").unwrap());
    let later = thread::spawn(move || {
        thread::sleep(Duration::from_millis(30));
        let job = Job { records: 1, ..Job::default() }.bytes();
        run(fd.as_fd(), &Input { ctx: Some(&job), ..Input::default() }, &mut []).unwrap();
    });
    assert_eq!(skep_sys::ring::wait(&live.event_fds(), 20_000), Ok(true));
    later.join().unwrap();
    assert_eq!(live.take_events().len(), 1);
}
