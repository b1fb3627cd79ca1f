//! Every action against every kind of caller.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::state::operators::OperatorRole;

/// Who may do what: o an operator, a an auditor, m a member, g an agent, d a depot.
const TABLE: &[(&str, &[&str])] = &[
    ("oamgd", &["session.open"]),
    (
        "o",
        &[
            "jurisdiction.put",
            "jurisdiction.remove",
            "region.put",
            "region.remove",
            "site.put",
            "site.remove",
            "token.mint",
            "token.revoke",
            "certificate.revoke",
            "identity.revoke",
            "agent.retire",
            "depot.activate",
            "depot.drain",
            "depot.lose",
            "source.register",
            "source.change",
            "contract.set",
            "source.pause",
            "source.resume",
            "source.retire",
            "source.disable",
            "source.enable",
            "run.request",
            "host-group.cap",
            "upload.fence",
            "operator.add",
            "operator.change",
            "operator.remove",
            "group.backup",
        ],
    ),
    ("om", &["member.put", "member.retire", "member.change", "member.transfer"]),
    (
        "m",
        &[
            "member.boot",
            "audit.key",
            "audit.sign",
            "token.spend",
            "certificate.issue",
            "certificate.renew",
            "run.queue",
            "run.start",
        ],
    ),
    ("og", &["run.finish"]),
    ("g", &["agent.report", "run.report", "upload.open", "upload.close", "snapshot.commit"]),
    ("d", &["depot.change", "receipt.register"]),
    ("", &["group.refound"]),
    (
        "oam",
        &[
            "status.show",
            "count.list",
            "jurisdiction.list",
            "region.list",
            "site.list",
            "token.list",
            "agent.list",
            "depot.list",
            "source.list",
            "source.show",
            "snapshot.list",
            "run.list",
            "run.watch",
            "operator.list",
            "denial.list",
            "denial.watch",
            "host-group.list",
            "audit.list",
            "audit.prove",
            "audit.checkpoint",
        ],
    ),
];

fn policy() -> Policy {
    Policy::load().unwrap()
}

fn kinds() -> [(char, CallerKind); 5] {
    let holder = |role| CallerKind::Operator(BTreeSet::from([role]));
    [
        ('o', holder(OperatorRole::Operator)),
        ('a', holder(OperatorRole::Auditor)),
        ('m', CallerKind::Member),
        ('g', CallerKind::Agent),
        ('d', CallerKind::Depot),
    ]
}

fn caller(kind: CallerKind) -> Caller {
    Caller { kind, is_founding: false, is_denied: false }
}

fn is_allowed(policy: &Policy, caller: &Caller, action: &'static str) -> bool {
    policy.decide(caller, action).verdict == Verdict::Allowed
}

fn table() -> BTreeMap<&'static str, &'static str> {
    TABLE.iter().flat_map(|(who, actions)| actions.iter().map(move |action| (*action, *who))).collect()
}

#[test]
fn every_action_has_a_rule_and_every_rule_an_action() {
    let policy = policy();
    let declared: BTreeSet<&str> = policy.actions().collect();
    assert_eq!(declared, table().into_keys().collect());
}

#[test]
fn each_caller_may_do_what_the_table_says_and_nothing_else() {
    let policy = policy();
    for (action, who) in table() {
        for (letter, kind) in kinds() {
            let expected = who.contains(letter);
            assert_eq!(is_allowed(&policy, &caller(kind.clone()), action), expected, "{kind:?} {action}");
        }
    }
}

#[test]
fn roles_add_up() {
    let policy = policy();
    let both = caller(CallerKind::Operator(BTreeSet::from([OperatorRole::Operator, OperatorRole::Auditor])));
    for (action, who) in table() {
        assert_eq!(is_allowed(&policy, &both, action), who.contains(['o', 'a']), "{action}");
    }
}

#[test]
fn whoever_is_not_registered_may_nothing() {
    let policy = policy();
    for action in table().into_keys() {
        for is_founding in [false, true] {
            for kind in [CallerKind::Operator(BTreeSet::new()), CallerKind::Nobody] {
                let stranger = Caller { is_founding, ..caller(kind) };
                assert!(!is_allowed(&policy, &stranger, action), "{action}");
            }
        }
    }
}

#[test]
fn a_member_adds_the_first_operator_and_no_other() {
    let policy = policy();
    let member = caller(CallerKind::Member);
    let founding = Caller { is_founding: true, ..member.clone() };
    for action in table().into_keys() {
        let expected = is_allowed(&policy, &member, action) || action == "operator.add";
        assert_eq!(is_allowed(&policy, &founding, action), expected, "{action}");
    }
}

#[test]
fn the_deny_list_wins_over_every_role() {
    let policy = policy();
    for action in table().into_keys() {
        for (_, kind) in kinds() {
            let denied = Caller { is_denied: true, is_founding: true, ..caller(kind) };
            assert!(!is_allowed(&policy, &denied, action), "{action}");
        }
    }
}

#[test]
fn an_action_that_nobody_declared_is_denied() {
    let policy = policy();
    for (_, kind) in kinds() {
        for action in ["", "unnamed", "source.forget", "Action::\"read\""] {
            assert!(!is_allowed(&policy, &caller(kind.clone()), action), "{action}");
        }
    }
}

#[test]
fn the_hash_is_over_all_texts_and_goes_into_the_decision() {
    let policy = policy();
    assert_ne!(policy.hash(), PolicyHash([0; PolicyHash::LEN]));
    assert_eq!(policy.decide(&caller(CallerKind::Nobody), "source.list").policy_hash, policy.hash());
    assert_eq!(
        decide(&caller(CallerKind::Member), "source.list"),
        policy.decide(&caller(CallerKind::Member), "source.list")
    );
}

#[test]
fn every_command_has_an_action_that_the_policies_know() {
    let policy = policy();
    let declared: BTreeSet<&str> = policy.actions().collect();
    for command in crate::state::sample_commands() {
        // What has no name of its own is permitted to nobody.
        let is_known = declared.contains(command.action()) || command.action() == "unnamed";
        assert!(is_known, "{command:?}");
    }
}
