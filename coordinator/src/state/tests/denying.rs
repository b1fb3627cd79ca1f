//! The deny-list over time, and what is told of those who ask for what they may not.

use strongroom_core::audit::Decision as Decided;
use strongroom_core::id::{CertificateSerial, ClientSession};

use super::auditing::events;
use super::world::{World, at, dump, member, name, subject};
use crate::state::audit::refused::{KEPT_MAX, PROPOSED_MAX, WINDOW_MS, is_told_enough};
use crate::state::certificates::IssueCertificate;
use crate::state::counters::{Counter, Counters};
use crate::state::denials::{DENIALS_MAX, Denial, Deny};
use crate::state::membership::{AskChange, HandOver, MemberStep};
use crate::state::passing::PassTime;
use crate::state::places::RemoveSite;
use crate::state::request::{Actor, Verdict};
use crate::state::session::OpenSession;
use crate::state::text::Subject;
use crate::state::{Answer, Configuration, Machine, MemoryBase, Outcome, Refusal, Rows, Thing, query};

fn identity(role: &str, number: u8) -> Deny {
    Deny { denial: Denial::Identity(subject(role, number)) }
}

fn serial(number: u8) -> Deny {
    Deny { denial: Denial::Serial(CertificateSerial([number; 16])) }
}

fn listed(world: &World) -> Vec<Denial> {
    let rows = query::denials(world.machine.rows(), None, 100).unwrap().rows;
    rows.into_iter().map(|(_, denial)| denial).collect()
}

/// Lets days pass, a minute with each entry.
fn pass(world: &mut World, days: u64) {
    for _ in 0..days * 24 * 60 {
        world.now_ms += 60_000;
        world.done_without_session(PassTime);
    }
    // The session was idle for too long.
    world.session = ClientSession([u8::try_from(world.sequence % 251).unwrap(); 16]);
    world.done_without_session(OpenSession { session: world.session });
}

#[test]
fn an_entry_leaves_the_list_when_nothing_that_it_shuts_out_could_be_used_and_no_name_comes_back() {
    let mut world = World::installed();
    world.done(identity("agent", 1));
    world.done(identity("issuer", 2));
    world.done(serial(3));
    assert_eq!(world.count(Counter::Denials), 3);
    // A day of life, a week of grace, and a day or two of slack.
    pass(&mut world, 9);
    assert_eq!(listed(&world).len(), 3);
    pass(&mut world, 2);
    let issuers = identity("issuer", 2).denial;
    assert_eq!(listed(&world), [issuers.clone(), serial(3).denial], "a number that nobody knows may be an issuer's");
    assert_eq!((world.count(Counter::Denials), world.count(Counter::DenialsEnded)), (2, 1));
    let issue = IssueCertificate {
        serial: CertificateSerial([9; 16]),
        subject: subject("agent", 1),
        not_after: strongroom_core::time::WallTime(1),
        renews: None,
    };
    assert_eq!(world.refused(issue), Refusal::Denied);
    assert_eq!(world.done(identity("agent", 1)), Answer::DenyVersion(1), "it is denied since the first time");
    pass(&mut world, 90);
    assert_eq!(listed(&world), [issuers]);
    assert_eq!(world.done(identity("agent", 4)), Answer::DenyVersion(4), "the version only grows");
}

#[test]
fn what_names_nobody_is_not_taken_for_denied() {
    let mut world = World::installed();
    for text in ["spiffe://example.org/berlin/agent", "agent-1", "spiffe://example.org/berlin/king/00"] {
        let denial = Denial::Identity(Subject::new(text).unwrap());
        assert_eq!(world.refused(Deny { denial }), Refusal::NotAnIdentity, "{text}");
    }
}

#[test]
fn a_denial_that_does_not_fit_is_refused_and_told() {
    let mut world = World::installed();
    world.done(identity("agent", 1));
    world.flushed();
    let mut layer = crate::state::Layer::default();
    let mut key = vec![<Counters as crate::state::Table>::TAG];
    crate::state::Key::encode(&Counter::Denials, &mut key);
    layer.set(key, Some(postcard::to_stdvec(&DENIALS_MAX).unwrap()));
    world.base.flush(&layer);
    world.machine = Machine::open(std::sync::Arc::<MemoryBase>::clone(&world.base)).unwrap();
    assert_eq!(world.ask(identity("agent", 2)), Outcome::Rejected(Refusal::DenyListFull));
    assert_eq!(listed(&world), [identity("agent", 1).denial]);
    assert_eq!(world.done(identity("agent", 1)), Answer::DenyVersion(1), "what is denied already fits");
    assert!(!dump(&world.base).is_empty());
}

fn deny_as(world: &mut World, number: u8, site: &str) {
    let mut request = world.request(RemoveSite { name: name(site) });
    request.session = None;
    request.actor = Actor::Identity(subject("operator", number));
    request.decision.verdict = Verdict::Denied;
    assert_eq!(world.send(&request), Outcome::Rejected(Refusal::Forbidden));
}

fn told(rows: &Rows, from: usize) -> Vec<(String, String, String, Decided)> {
    let events = events(rows).into_iter().skip(from).map(|(_, event)| event);
    let text = |text: &str| text.to_owned();
    events
        .map(|it| (text(it.actor.as_str()), text(it.action.as_str()), text(it.object.as_str()), it.decision))
        .collect()
}

#[test]
fn who_repeats_what_is_denied_is_told_once_and_counted() {
    let mut world = World::installed();
    let before = events(world.machine.rows()).len();
    for _ in 0..50 {
        deny_as(&mut world, 7, "berlin-1");
    }
    deny_as(&mut world, 8, "berlin-1");
    let who = |number| subject("operator", number).to_string();
    let first = |number| (who(number), "site.remove".to_owned(), "berlin-1".to_owned(), Decided::Denied);
    assert_eq!(told(world.machine.rows(), before), [first(7), first(8)]);
    for _ in 0..=WINDOW_MS / 60_000 {
        world.now_ms += 60_000;
        world.done_without_session(PassTime);
    }
    let counted = (who(7), "site.remove".to_owned(), "repeated 49 times".to_owned(), Decided::Denied);
    assert_eq!(told(world.machine.rows(), before), [first(7), first(8), counted], "a single attempt needs no count");
    assert_eq!(world.count(Counter::RefusalsKept), 0);
    deny_as(&mut world, 7, "berlin-1");
    assert_eq!(told(world.machine.rows(), before).len(), 4, "the next hour begins with an event");
}

#[test]
fn callers_beyond_those_that_are_kept_apart_are_counted_together() {
    let mut world = World::installed();
    let before = events(world.machine.rows()).len();
    let kept = u8::try_from(KEPT_MAX - 1).unwrap();
    for number in 0..=kept {
        deny_as(&mut world, number, "berlin-1");
    }
    let mut request = world.request(RemoveSite { name: name("berlin-1") });
    request.session = None;
    request.decision.verdict = Verdict::Denied;
    for number in 0..3 {
        request.actor = Actor::Identity(subject("agent", number));
        world.send(&request);
    }
    assert_eq!(told(world.machine.rows(), before).len(), usize::from(kept) + 1);
    for _ in 0..=WINDOW_MS / 60_000 * 4 {
        world.now_ms += 60_000;
        world.done_without_session(PassTime);
    }
    let all = told(world.machine.rows(), before);
    let others = ("system".to_owned(), "request.deny".to_owned(), "repeated 3 times".to_owned(), Decided::System);
    assert_eq!(all.len(), usize::from(kept) + 2);
    assert_eq!(all.last(), Some(&others));
}

#[test]
fn what_was_denied_very_often_is_not_proposed_any_more() {
    let mut world = World::installed();
    let actor = Actor::Identity(subject("operator", 7));
    let is_enough = |world: &World| is_told_enough(world.machine.rows(), &actor, "site.remove", world.now_ms).unwrap();
    for _ in 0..PROPOSED_MAX {
        deny_as(&mut world, 7, "berlin-1");
    }
    assert!(!is_enough(&world));
    deny_as(&mut world, 7, "berlin-1");
    assert!(is_enough(&world));
    world.now_ms += WINDOW_MS;
    assert!(!is_enough(&world));
}

#[test]
fn a_change_of_the_members_tells_who_asked_and_what_it_led_to() {
    let mut world = World::installed();
    let of = |voters: &[u64], outgoing: &[u64]| Configuration {
        voters: voters.iter().copied().map(member).collect(),
        voters_outgoing: outgoing.iter().copied().map(member).collect(),
        auto_leave: !outgoing.is_empty(),
        ..Configuration::default()
    };
    world.index += 1;
    world.machine.apply_configuration(at(world.index), of(&[1, 2], &[]), &[]).unwrap();
    let before = events(world.machine.rows()).len();
    let mut request = world.request(AskChange { step: MemberStep::Remove(member(2)) });
    request.actor = Actor::Identity(subject("coordinator", 1));
    world.index += 1;
    let (joint, single) = (of(&[1], &[1, 2]), of(&[1], &[]));
    let bytes = request.encode().unwrap();
    let outcome = world.machine.apply_configuration(at(world.index), joint.clone(), &bytes).unwrap();
    assert!(matches!(outcome, Outcome::Done(_)));
    world.index += 1;
    world.machine.apply_configuration(at(world.index), single.clone(), &[]).unwrap();
    let told = told(world.machine.rows(), before);
    let (two, system) = (of(&[1, 2], &[]), "system".to_owned());
    let configured = |from: &Configuration, to: &Configuration| {
        let object = format!("{} > {}", from.summary(), to.summary());
        (system.clone(), "member.configured".to_owned(), object, Decided::System)
    };
    let asked = (
        subject("coordinator", 1).to_string(),
        "member.change".to_owned(),
        format!("remove {}", member(2)),
        Decided::Allowed,
    );
    assert_eq!(told, [asked, configured(&two, &joint), configured(&joint, &single)]);
    let indices: Vec<u64> = events(world.machine.rows()).iter().skip(before).map(|(_, it)| it.index.0).collect();
    assert_eq!(indices.first(), indices.get(1), "what was asked for and what came of it share an entry");
    assert!(joint.summary().starts_with("1 voters, 0 learners, 2 outgoing ["), "{}", joint.summary());
}

#[test]
fn leadership_is_handed_to_one_that_votes() {
    let mut world = World::installed();
    world.index += 1;
    world.machine.apply_configuration(at(world.index), Configuration::single(member(1)), &[]).unwrap();
    let before = events(world.machine.rows()).len();
    assert_eq!(world.refused(HandOver { from: member(1), to: member(2) }), Refusal::Missing(Thing::Member));
    world.done(HandOver { from: member(1), to: member(1) });
    let objects: Vec<String> = told(world.machine.rows(), before).into_iter().map(|(_, _, object, _)| object).collect();
    let (one, two) = (member(1), member(2));
    assert_eq!(objects, [format!("from {one} to {two}"), format!("from {one} to {one}")]);
}
