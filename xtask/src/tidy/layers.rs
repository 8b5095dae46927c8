//! Floors: a crate may use crates on lower floors, and those to its left on its own. Tests that cross floors live in
//! package `skep-tests`, so dev-dependencies are held to the same rule. Packages that stand aside may use anything,
//! and nobody may use them but each other.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::Report;

/// The floors from the ground up, each from left to right.
const FLOORS: &[&[&str]] = &[
    &["diag", "isa"],
    &["abi", "btf"],
    &["object", "sys"],
    &["codegen", "verifier", "backend"],
    &["vm", "filter", "trace", "p4"],
    &["runtime", "kernel"],
    &["debug", "skep"],
    &["cli"],
];

/// Packages that stand aside.
const ASIDE: &[&str] = &["skep-tests", "xtask"];

/// What cargo says about the packages of the workspace.
pub(super) fn metadata(root: &Path) -> Result<Value, Box<dyn std::error::Error>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Floor and place on it of a package, or `None` if it is not on a floor.
fn place(package: &str) -> Option<(usize, usize)> {
    let name = package.strip_prefix("skep-").unwrap_or(package);
    FLOORS
        .iter()
        .enumerate()
        .find_map(|(floor, crates)| Some((floor, crates.iter().position(|c| *c == name)?)))
}

/// May `user` depend on `used`?
fn allowed(user: &str, used: &str) -> bool {
    if ASIDE.contains(&user) {
        return true;
    }
    match (place(user), place(used)) {
        (Some((user_floor, user_place)), Some((floor, place))) => {
            floor < user_floor || floor == user_floor && place < user_place
        }
        _ => false,
    }
}

pub(super) fn check(metadata: &Value, report: &mut Report) {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let manifest = manifest(package);
        if place(name).is_none() && !ASIDE.contains(&name) {
            report.error(
                &manifest,
                0,
                format!("{name} has no place in the floors of xtask/src/tidy/layers.rs"),
            );
        }
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let used = dependency["name"].as_str().unwrap_or_default();
            if dependency["path"].is_string() && !allowed(name, used) {
                let kind = dependency["kind"].as_str().map_or(String::new(), |kind| format!(" ({kind})"));
                report.error(&manifest, 0, format!("{name} may not use {used}{kind}: it is not below it"));
            }
        }
    }
}

/// The manifest of a package, as a path from the root.
pub(super) fn manifest(package: &Value) -> String {
    let path = package["manifest_path"].as_str().unwrap_or_default();
    let root = crate::root();
    Path::new(path).strip_prefix(&root).map_or(path.to_owned(), |path| path.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floors_are_held() {
        for (user, used, may) in [
            ("skep-isa", "skep-diag", true),
            ("skep-diag", "skep-isa", false),
            ("skep-abi", "skep-btf", false),
            ("skep-btf", "skep-abi", true),
            ("skep-vm", "skep-abi", true),
            ("skep-vm", "skep-runtime", false),
            ("skep-vm", "skep-vm", false),
            ("skep-cli", "skep", true),
            ("skep", "skep-cli", false),
            ("skep-tests", "skep-cli", true),
            ("skep-cli", "skep-tests", false),
            ("skep-utils", "skep-isa", false),
        ] {
            assert_eq!(allowed(user, used), may, "{user} uses {used}");
        }
    }

    #[test]
    fn a_wrong_edge_is_found() {
        let metadata = serde_json::json!({"packages": [{
            "name": "skep-isa", "manifest_path": "crates/isa/Cargo.toml",
            "dependencies": [
                {"name": "skep-vm", "path": "/x", "kind": "dev"},
                {"name": "proptest", "path": null, "kind": "dev"},
            ],
        }]});
        let mut report = Report::default();
        check(&metadata, &mut report);
        let lines: Vec<_> = report.findings().iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["crates/isa/Cargo.toml: skep-isa may not use skep-vm (dev): it is not below it"]);
    }
}
