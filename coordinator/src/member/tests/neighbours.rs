//! Who is taken in, and who is heard.

use strongroom_platform::disk::SimDisk;
use strongroom_proto::peers::v1::envelope::Content;
use strongroom_proto::peers::v1::{Envelope, LogMessage};

use super::world::{Wanted, id, leader, request};
use crate::id::{MemberId, Term};
use crate::member::{Answer, Event, Member, Ticket};
use crate::raft::{Change, Role};
use crate::state::members::{MemberDetails, PutMember};
use crate::state::text::{Address, Name};
use crate::state::{Refusal, Request};

/// The kind of an append, and of its answer, on the wire.
const APPEND: u32 = 1;
const APPEND_ANSWER: u32 = 2;

fn registration(member: MemberId, region: &str) -> Request {
    let name = |text: &str| Name::new(text).unwrap();
    let address = || Address::new("127.0.0.1:7000").unwrap();
    let details =
        MemberDetails { name: name("second"), region: name(region), peer_address: address(), api_address: address() };
    Request { command: PutMember { member, details }.into(), ..request(1) }
}

fn change(member: &mut Member, wanted: &mut Wanted, change: Change, request: Option<Request>) -> Answer {
    let ticket = Ticket(9_999);
    wanted.answers.clear();
    member.handle(Event::Change { ticket, change, request }, wanted).unwrap();
    wanted.ticks(member, 3);
    wanted.answers.iter().find(|(asked, _)| *asked == ticket).map(|(_, answer)| answer.clone()).unwrap()
}

/// What somebody says in a later term than the member is in.
fn say(member: &mut Member, wanted: &mut Wanted, from: MemberId, kind: u32) -> Term {
    let founder = member.identity().founder;
    say_as(member, wanted, from, kind, founder)
}

/// The same, from a group that somebody founded.
fn say_as(member: &mut Member, wanted: &mut Wanted, from: MemberId, kind: u32, founder: MemberId) -> Term {
    let identity = *member.identity();
    let term = member.standing().term.0 + 5;
    let message = LogMessage { kind, term, index: 1, log_term: 1, ..LogMessage::default() };
    let envelope = Envelope {
        cluster: identity.cluster.0.to_vec().into(),
        epoch: identity.epoch.0,
        founder: founder.number(),
        from: from.number(),
        to: identity.member.number(),
        boot: 1,
        content: Some(Content::Log(message)),
    };
    member.handle(Event::Envelope(envelope), wanted).unwrap();
    member.standing().term
}

#[test]
fn a_member_whose_registration_would_be_rejected_is_not_taken_in() {
    let (mut member, mut wanted) = leader(&SimDisk::from_seed(1));
    let (last, before) = (member.standing().last, member.machine().configuration().clone());
    let answer = change(&mut member, &mut wanted, Change::AddLearner(id(2)), Some(registration(id(2), "nowhere")));
    assert!(matches!(answer, Answer::Refused(Refusal::Missing(_))), "{answer:?}");
    assert_eq!(member.standing().last, last, "nothing is proposed");
    assert_eq!(*member.machine().configuration(), before);

    // An id that has left is never taken in again either.
    assert!(matches!(change(&mut member, &mut wanted, Change::AddLearner(id(2)), None), Answer::Applied { .. }));
    assert!(matches!(change(&mut member, &mut wanted, Change::Remove(id(2)), None), Answer::Applied { .. }));
    for request in [None, Some(registration(id(2), "nowhere"))] {
        let answer = change(&mut member, &mut wanted, Change::AddLearner(id(2)), request);
        assert!(matches!(answer, Answer::Refused(Refusal::Retired(_))), "{answer:?}");
    }
}

#[test]
fn a_member_that_has_left_is_not_heard() {
    let (mut member, mut wanted) = leader(&SimDisk::from_seed(1));
    change(&mut member, &mut wanted, Change::AddLearner(id(2)), None);
    change(&mut member, &mut wanted, Change::Remove(id(2)), None);
    let term = member.standing().term;
    assert_eq!(say(&mut member, &mut wanted, id(2), APPEND), term);
    assert_eq!(member.standing().role, Role::Leader);
}

#[test]
fn one_that_is_not_known_is_heard_when_it_leads_and_not_when_it_answers() {
    let (mut member, mut wanted) = leader(&SimDisk::from_seed(1));
    let term = member.standing().term;
    assert_eq!(say(&mut member, &mut wanted, id(3), APPEND_ANSWER), term);
    assert_eq!(member.standing().role, Role::Leader);
    // Entries that this member lacks may have taken it in: its term tells.
    assert_eq!(say(&mut member, &mut wanted, id(3), APPEND), Term(term.0 + 5));
    assert_eq!(member.standing().leader, Some(id(3)));
}

#[test]
fn a_group_that_somebody_else_founded_is_not_heard() {
    let (mut member, mut wanted) = leader(&SimDisk::from_seed(1));
    let term = member.standing().term;
    assert_eq!(say_as(&mut member, &mut wanted, id(3), APPEND, id(9)), term);
    assert_eq!(member.standing().role, Role::Leader);
}
