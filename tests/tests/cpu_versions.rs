//! One program (`tests/objects/workout.h`) built for cpu v1 to v4 and for both byte orders gives the same
//! numbers, the same maps and the same packets, and they are those that Linux gives.

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
