//! Random filters: skep's own code takes the packets that libpcap's takes. More of them:
//! `cargo xtask filter-diff --filters N --packets M --seed S`.

use skep_tests::filters::{Library, Outcome, Random, compare, expression, options};

/// Each takes its milliseconds in a build without optimisation: libpcap's optimiser is not quick.
const FILTERS: u64 = 400;

#[test]
fn better_code_takes_the_same_packets() {
    let (mut pairs, mut taken, mut refused) = (0, 0, 0);
    for seed in 0..FILTERS {
        let mut random = Random::new(seed);
        let (text, options) = (expression(&mut random), options(&mut random));
        match compare(&text, &options, &Library::Ours, 100, &mut random) {
            Outcome::Same(all, some) => {
                pairs += all;
                taken += some;
            }
            Outcome::Refused => refused += 1,
            Outcome::Differs(found) => panic!("seed {seed}: {found:#?}"),
        }
    }
    // Most expressions are filters, and packets go either way.
    assert!(refused < FILTERS / 3, "{refused} of {FILTERS} refused");
    assert!(taken * 20 > pairs && taken * 20 < pairs * 19, "{taken} of {pairs} taken");
}
