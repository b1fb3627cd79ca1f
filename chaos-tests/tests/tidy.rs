//! Holds the source tree to the project's habits: `docs/style.md` says why each of them exists.
//!
//! A habit is a function from files to findings, with a sample beside it that shows that it finds what it looks for.
//! This file runs all of them over the tree; a finding says where it is and what to do.

mod tidy {
    pub(crate) mod dependencies;
    pub(crate) mod errors;
    pub(crate) mod prose;
    pub(crate) mod shape;
    pub(crate) mod source;
}

use tidy::source::{Finding, Tree};
use tidy::{dependencies, errors, prose, shape};

/// Fails with every finding of one habit, so that all of them can be put right at once.
fn assert_none(findings: &[Finding]) {
    let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}

#[test]
fn every_module_says_what_it_owns() {
    assert_none(&shape::without_module_doc(&Tree::load().unwrap().rust));
}

#[test]
fn main_only_starts_and_lib_only_maps() {
    let rust = Tree::load().unwrap().rust;
    assert_none(&shape::long_mains(&rust));
    assert_none(&shape::libs_with_functions(&rust));
}

#[test]
fn modules_lie_beside_their_folders() {
    assert_none(&shape::mod_files(&Tree::load().unwrap().rust));
}

#[test]
fn a_module_has_one_idea() {
    assert_none(&shape::long_modules(&Tree::load().unwrap().rust));
}

#[test]
fn lints_live_in_the_workspace_alone() {
    let tree = Tree::load().unwrap();
    assert_none(&shape::silenced_lints(&tree.rust));
    assert_none(&shape::packages_without_workspace_lints(&tree.manifests));
}

#[test]
fn tests_wait_for_conditions_and_are_never_ignored() {
    assert_none(&shape::sleeping_or_ignored_tests(&Tree::load().unwrap().rust));
}

#[test]
fn errors_are_facts() {
    assert_none(&errors::catch_alls(&Tree::load().unwrap().rust));
}

#[test]
fn errors_leave_their_source_to_the_chain_printer() {
    assert_none(&errors::displayed_sources(&Tree::load().unwrap().rust));
}

#[test]
fn prose_is_finished() {
    let tree = Tree::load().unwrap();
    assert_none(&prose::unfinished(tree.texts()));
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let tree = Tree::load().unwrap();
    assert_none(&prose::machine_paths(tree.texts()));
}

#[test]
fn links_between_documents_lead_somewhere() {
    let tree = Tree::load().unwrap();
    assert_none(&prose::broken_links(&tree.documents, &tree.root));
}

#[test]
fn dependencies_point_one_way() {
    assert_none(&dependencies::against_the_arrows(&dependencies::of_workspace().unwrap()));
}

#[test]
fn the_core_is_built_without_the_world() {
    assert_none(&dependencies::worldly(&dependencies::below("strongroom-core").unwrap()));
    assert_none(&dependencies::worldly_imports(&Tree::load().unwrap().rust));
}

#[test]
fn nothing_that_is_shipped_has_mutants() {
    for package in ["strongroom", "strongroom-agent", "strongroom-depot", "strongroom-coordinator"] {
        assert_none(&dependencies::mutated(&dependencies::features(package).unwrap()));
    }
}
