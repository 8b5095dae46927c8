//! One program (`tests/objects/workout.h`) built for cpu v1 to v4 and for both byte orders gives the same
//! numbers, the same maps and the same packets, and they are those that Linux gives.

use skep_backend::Event;
use skep_isa::Endian;
use skep_tests::corpus::difference;
use skep_tests::scenario::{Scenario, packets, root};

fn workout(object: &str) {
    let expected = std::fs::read_to_string(root().join("tests/expected/workout.txt")).unwrap();
    let packets = packets().unwrap();
    let mut scenario = Scenario::load(&format!("tests/objects/{object}.o")).unwrap();
    scenario.run("workout", &packets).unwrap();
    scenario.run("workout_tc", &packets).unwrap();
    let difference = difference(&expected, &scenario.finish().unwrap());
    assert!(difference.is_empty(), "{object}: Linux (-) and the userspace world (+) differ:\n{difference}");
}

#[test]
fn v1() {
    workout("workout_v1");
}

#[test]
fn v2() {
    workout("workout_v2");
}

#[test]
fn v3() {
    workout("workout_v3");
}

#[test]
fn v4() {
    workout("workout_v4");
}

#[test]
fn big_endian_v3() {
    workout("workout_be");
}

#[test]
fn big_endian_v4() {
    workout("workout_be_v4");
}

/// `struct event`: hash, sum, length, text.
type Record = (u64, i32, u16, String);

/// What the program put into its ring buffer.
fn records(object: &str, endian: Endian) -> Vec<Record> {
    let mut scenario = Scenario::load(&format!("tests/objects/{object}.o")).unwrap();
    scenario.run("workout", &packets().unwrap()).unwrap();
    let number = |bytes: &[u8]| match endian {
        Endian::Little => bytes.iter().rev().fold(0_u64, |n, b| n << 8 | u64::from(*b)),
        Endian::Big => bytes.iter().fold(0_u64, |n, b| n << 8 | u64::from(*b)),
    };
    let decode = |event: Event| match event {
        Event::Record { map, data, .. } if map == "events" && data.len() == 24 => {
            let text = String::from_utf8_lossy(&data[14..20]).trim_end_matches('\0').to_owned();
            (number(&data[..8]), number(&data[8..12]) as i32, number(&data[12..14]) as u16, text)
        }
        other => panic!("{object}: {other:?}"),
    };
    scenario.events().into_iter().map(decode).collect()
}

#[test]
fn ring_buffer_records_are_the_same() {
    let expected = records("workout_v3", Endian::Little);
    assert!(expected.len() > 20 && expected.iter().all(|r| r.3 == "event"), "{expected:?}");
    for (object, endian) in [
        ("workout_v1", Endian::Little),
        ("workout_v2", Endian::Little),
        ("workout_v4", Endian::Little),
        ("workout_be", Endian::Big),
        ("workout_be_v4", Endian::Big),
    ] {
        assert_eq!(records(object, endian), expected, "{object}");
    }
}
