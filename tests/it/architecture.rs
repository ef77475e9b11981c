//! The storeys of the house: a crate depends only on crates of its own storey or below, and the
//! core touches nothing outside.

use std::collections::BTreeMap;

use serde_json::Value;

/// The storeys, the lowest first.
const STOREYS: [&str; 4] = ["core", "engine", "plane", "product"];

/// What the core may not depend on: runtimes, files, sockets, clocks, randomness.
const NOT_IN_CORE: [&str; 10] = [
    "tokio",
    "tokio-util",
    "async-std",
    "rand",
    "getrandom",
    "chrono",
    "time",
    "rustix",
    "mio",
    "socket2",
];

fn metadata() -> Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = std::process::Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
}

/// Everything that is wrong with the dependency graph, a line each.
fn violations(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().expect("packages");
    let storey_of: BTreeMap<&str, usize> = packages
        .iter()
        .filter_map(|package| {
            let storey = package["metadata"]["klamm"]["storey"].as_str()?;
            let level = STOREYS.iter().position(|name| *name == storey)?;
            Some((package["name"].as_str()?, level))
        })
        .collect();
    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        let Some(level) = storey_of.get(name) else {
            if name != "klamm-tests" {
                wrong.push(format!("{name} declares no storey"));
            }
            continue;
        };
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let on = dependency["name"].as_str().expect("a name");
            // Tests may look up: what ships may not.
            if dependency["kind"] == "dev" {
                continue;
            }
            if storey_of.get(on).is_some_and(|other| other > level) {
                wrong.push(format!("{name} ({}) depends on {on}", STOREYS[*level]));
            }
            if *level == 0 && NOT_IN_CORE.contains(&on) {
                wrong.push(format!("{name} is core and depends on {on}"));
            }
        }
    }
    wrong
}

#[test]
fn no_crate_depends_upwards() {
    assert_eq!(violations(&metadata()), Vec::<String>::new());
}

#[test]
fn an_upward_edge_would_be_seen() {
    let metadata = serde_json::json!({ "packages": [
        { "name": "low", "metadata": { "klamm": { "storey": "core" } },
          "dependencies": [{ "name": "high", "kind": null }, { "name": "tokio", "kind": null }] },
        { "name": "high", "metadata": { "klamm": { "storey": "engine" } }, "dependencies": [] },
        { "name": "homeless", "metadata": null, "dependencies": [] },
    ] });
    assert_eq!(
        violations(&metadata),
        [
            "low (core) depends on high",
            "low is core and depends on tokio",
            "homeless declares no storey"
        ]
    );
}

#[test]
fn every_crate_obeys_the_lints() {
    for package in metadata()["packages"].as_array().expect("packages") {
        let path = package["manifest_path"].as_str().expect("a path");
        let manifest = std::fs::read_to_string(path).expect("a manifest");
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{path} lacks the workspace's lints"
        );
    }
}
