//! The verifier beside the running kernel, on random programs and on a program for each row: no verdict may differ.
#![cfg(all(target_os = "linux", not(skep_portable)))]

/// Linux 6.18 is what the verifier follows: other kernels decide differently here and there.
fn is_followed() -> bool {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").is_ok_and(|release| release.starts_with("6.18."))
}

#[test]
fn random_programs_get_the_kernels_verdict() {
    if !is_followed() {
        println!("skipped: the running kernel is not 6.18");
        return;
    }
    match xtask::fidelity::run(600, 1) {
        Ok(figures) => {
            assert_eq!(figures.programs, 600);
            assert!(figures.accepted > 100, "too few are accepted to show anything:\n{figures}");
            assert!(figures.kinds.is_empty(), "{figures}");
        }
        Err(errno) => println!("skipped: maps can't be made: {errno}"),
    }
}

#[test]
fn helpers_and_results_get_the_kernels_verdict_in_each_type() {
    if !is_followed() {
        println!("skipped: the running kernel is not 6.18");
        return;
    }
    match xtask::fidelity::rows::run() {
        Ok(rows) => {
            assert!(rows.asked > 40_000 && rows.left_out < rows.asked / 5, "{rows}");
            assert!(rows.differences.is_empty(), "{rows}");
        }
        Err(errno) => println!("skipped: maps can't be made: {errno}"),
    }
}
