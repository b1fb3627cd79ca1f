//! Which package may know which, and what the core must do without.
//!
//! ```text
//! core ◄── platform, proto ◄── depot, agent, coordinator ◄── cli ◄── chaos-tests
//! ```

use std::env;
use std::io;
use std::process::Command;

use serde_json::Value;
use thiserror::Error;

use super::source::{Finding, SourceFile};

/// The packages from the bottom up. One knows those of the ranks below its own; a package that is not here is refused.
const RANKS: &[&[&str]] = &[
    &["strongroom-core"],
    &["strongroom-platform", "strongroom-proto"],
    &["strongroom-depot", "strongroom-agent", "strongroom-coordinator"],
    &["strongroom"],
    &["strongroom-chaos-tests"],
];

/// Packages that reach for sockets, files, clocks or randomness of the machine.
const WORLDLY: &[&str] =
    &["tokio", "async-std", "mio", "socket2", "hyper", "quinn", "rustls", "getrandom", "rand", "rustix"];

/// Modules of the standard library that do; `clippy.toml` bans its clocks.
const WORLDLY_MODULES: &[&str] = &["std::net", "std::fs", "std::env", "std::process", "SystemTime", "Instant"];

/// One package that names another as a dependency, of whatever kind.
#[derive(Debug)]
pub(crate) struct Edge {
    from: String,
    to: String,
}

/// What cargo did not tell.
#[derive(Debug, Error)]
pub(crate) enum CargoError {
    #[error("cargo could not be started")]
    Start(#[source] io::Error),
    #[error("cargo failed: {0}")]
    Failed(String),
    #[error("cargo printed no JSON")]
    Json(#[source] serde_json::Error),
}

/// The dependencies between the packages of the workspace.
pub(crate) fn of_workspace() -> Result<Vec<Edge>, CargoError> {
    let printed = cargo(&["metadata", "--no-deps", "--format-version", "1", "--locked"])?;
    let metadata: Value = serde_json::from_str(&printed).map_err(CargoError::Json)?;
    Ok(edges(&metadata))
}

/// The packages that `package` is built with, itself left out.
pub(crate) fn below(package: &str) -> Result<Vec<Edge>, CargoError> {
    let format = ["--prefix", "none", "--format", "{p}"];
    let printed = cargo(&[&["tree", "--locked", "--edges", "normal", "--package", package], &format[..]].concat())?;
    let names = printed.lines().filter_map(|line| line.split_whitespace().next()).filter(|name| *name != package);
    Ok(names.map(|name| Edge { from: package.to_owned(), to: name.to_owned() }).collect())
}

/// The features that packages have in the build of `package` alone.
pub(crate) fn features(package: &str) -> Result<Vec<Edge>, CargoError> {
    let format = ["--prefix", "none", "--format", "{p}\t{f}"];
    let printed = cargo(&[&["tree", "--locked", "--edges", "normal", "--package", package], &format[..]].concat())?;
    let lines = printed.lines().filter_map(|line| line.split_once('\t'));
    let named = lines.filter_map(|(name, features)| Some((name.split_whitespace().next()?, features)));
    let edges = named.flat_map(|(name, features)| features.split(',').map(move |feature| (name, feature.trim())));
    Ok(edges.map(|(name, feature)| Edge { from: name.to_owned(), to: feature.to_owned() }).collect())
}

/// Packages that would be built with the defects that tests seed.
pub(crate) fn mutated(features: &[Edge]) -> Vec<Finding> {
    let found = features.iter().filter(|edge| edge.to.split(' ').any(|feature| feature == "mutants"));
    let remedy = "has the feature `mutants`: only packages that test may ask for it";
    found.map(|edge| Finding { place: edge.from.clone(), remedy: remedy.to_owned() }).collect()
}

/// Dependencies on a package of the same rank or a higher one.
pub(crate) fn against_the_arrows(edges: &[Edge]) -> Vec<Finding> {
    let is_wrong = |edge: &&Edge| match (rank(&edge.from), rank(&edge.to)) {
        (Some(from), Some(to)) => to >= from,
        _ => true,
    };
    let remedy = |edge: &Edge| format!("must not know {}: move what both need down, or turn it into a trait", edge.to);
    edges.iter().filter(is_wrong).map(|edge| Finding { place: edge.from.clone(), remedy: remedy(edge) }).collect()
}

/// Dependencies that would let the world into a pure package.
pub(crate) fn worldly(edges: &[Edge]) -> Vec<Finding> {
    let found = edges.iter().filter(|edge| WORLDLY.contains(&edge.to.as_str()));
    let remedy =
        |edge: &Edge| format!("is built with {}: put the call behind a trait that platform implements", edge.to);
    found.map(|edge| Finding { place: edge.from.clone(), remedy: remedy(edge) }).collect()
}

/// Lines of the core that reach for the world through the standard library.
pub(crate) fn worldly_imports(files: &[SourceFile]) -> Vec<Finding> {
    let is_import =
        |line: &str| !line.trim_start().starts_with("//") && WORLDLY_MODULES.iter().any(|it| line.contains(it));
    let core = files.iter().filter(|file| file.path.starts_with("core/src/"));
    let lines = core.flat_map(|file| file.production_lines().map(move |line| (file, line)));
    let remedy = "the core is pure: let the caller bring it, through a trait";
    lines.filter(|(_, (_, line))| is_import(line)).map(|(file, (number, _))| file.finding(number, remedy)).collect()
}

fn rank(package: &str) -> Option<usize> {
    RANKS.iter().position(|names| names.contains(&package))
}

fn edges(metadata: &Value) -> Vec<Edge> {
    let list = |value: &Value, field: &str| value.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    let name = |value: &Value| value.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut edges = Vec::new();
    for package in list(metadata, "packages") {
        // Only a dependency on a package of this workspace has a path and no source.
        for dependency in list(&package, "dependencies").iter().filter(|value| value.get("path").is_some()) {
            edges.push(Edge { from: name(&package), to: name(dependency) });
        }
    }
    edges
}

fn cargo(arguments: &[&str]) -> Result<String, CargoError> {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let ran = Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let output = ran.map_err(CargoError::Start)?;
    if !output.status.success() {
        return Err(CargoError::Failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::tests::{places, sample};

    fn edge(from: &str, to: &str) -> Edge {
        Edge { from: from.to_owned(), to: to.to_owned() }
    }

    #[test]
    fn a_dependency_upwards_or_sideways_is_found() {
        let edges = [
            edge("strongroom-core", "strongroom-platform"),
            edge("strongroom-depot", "strongroom-agent"),
            edge("strongroom-newcomer", "strongroom-core"),
            edge("strongroom", "strongroom-depot"),
        ];
        let found = against_the_arrows(&edges);
        assert_eq!(places(&found), ["strongroom-core", "strongroom-depot", "strongroom-newcomer"]);
    }

    #[test]
    fn a_socket_below_the_core_is_found() {
        let edges = [edge("strongroom-core", "mio"), edge("strongroom-core", "blake3")];
        assert_eq!(places(&worldly(&edges)), ["strongroom-core"]);
    }

    #[test]
    fn a_build_with_mutants_is_found() {
        let features = [edge("strongroom-platform", "mutants (*)"), edge("blake3", "std")];
        assert_eq!(places(&mutated(&features)), ["strongroom-platform"]);
        assert!(!mutated(&super::features("strongroom-chaos-tests").unwrap()).is_empty());
    }

    #[test]
    fn a_file_in_the_core_is_found() {
        let text = "//! No std::fs here.\nuse std::fs::File;\n#[cfg(test)]\nuse std::env;\n";
        let files = [sample("core/src/a.rs", text), sample("platform/src/a.rs", text)];
        assert_eq!(places(&worldly_imports(&files)), ["core/src/a.rs:2"]);
    }

    #[test]
    fn cargo_tells_the_dependencies_of_the_workspace() {
        let edges = of_workspace().unwrap();
        assert!(edges.iter().any(|edge| edge.from == "strongroom" && edge.to == "strongroom-core"));
        let below = below("strongroom-core").unwrap();
        assert!(below.iter().any(|edge| edge.to == "blake3"));
    }
}
