//! The yard is kept: the house rules hold, generated documents are fresh, committed objects are what their sources
//! build to. `cargo xtask tidy`, `gen` and `examples` say and mend the same by hand.

use xtask::{examples, generate, tidy};

#[test]
fn the_house_rules_hold() {
    let report = tidy::run(&xtask::root()).expect("the tree can be read");
    let errors: Vec<String> =
        report.findings().iter().filter(|finding| !finding.warning).map(ToString::to_string).collect();
    assert!(errors.is_empty(), "{}\n{} findings of cargo xtask tidy", errors.join("\n"), errors.len());
}

#[test]
fn generated_documents_are_fresh() {
    let stale = generate::stale(&xtask::root()).expect("documents can be read");
    let paths: Vec<&str> = stale.iter().map(|file| file.path).collect();
    assert!(paths.is_empty(), "{paths:?} are stale: run cargo xtask gen");
}

#[test]
fn objects_are_what_their_sources_build_to() {
    let root = xtask::root();
    let sources = examples::sources(&root).expect("folders can be read");
    for source in &sources {
        assert!(
            root.join(examples::object_of(source)).exists(),
            "{source} has no object: run cargo xtask examples"
        );
    }
    let tools = examples::Tools::from_env();
    if let Some(reason) = tools.missing() {
        println!("skipped: {reason}");
        return;
    }
    let stale: Vec<&String> = sources
        .iter()
        .filter(|source| {
            let built = tools.build(&root, source).unwrap_or_else(|error| panic!("{error}"));
            std::fs::read(root.join(examples::object_of(source))).ok() != Some(built)
        })
        .collect();
    assert!(stale.is_empty(), "{stale:?} have stale objects: run cargo xtask examples");
}
