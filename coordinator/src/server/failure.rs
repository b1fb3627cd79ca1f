//! Why something was not done, as all services say it.
//!
//! Owns the forms of failures and the words of those that any request may meet. A failure says whether asking again may
//! do: a write whose fate is not known is never called failed.

use strongroom_proto::common::v1::{Class, Failure};

use super::engine::{Engine, EngineError};
use crate::id::MemberId;
use crate::member::Answer;
use crate::raft::Unchanged;
use crate::state::members::MemberRow;
use crate::state::{Rows, Unreadable, query};

/// A failure of some class.
pub(super) fn failure(class: Class, code: &str, message: &str, remedy: &str) -> Failure {
    Failure {
        code: code.to_owned(),
        class: class.into(),
        message: message.to_owned(),
        remedy: remedy.to_owned(),
        ..Failure::default()
    }
}

/// It was decided against.
pub(super) fn rejected(code: &str, message: &str) -> Failure {
    failure(Class::Rejected, code, message, "Ask for something else.")
}

/// The member's thread did not take it.
pub(super) fn not_asked(error: EngineError) -> Failure {
    match error {
        EngineError::Overloaded => failure(Class::Retry, "overloaded", &error.to_string(), "Ask again in a moment."),
        EngineError::Ended => {
            failure(Class::Unknown, "ended", &error.to_string(), "Send the same request to another member.")
        }
    }
}

/// The state can't be read here.
pub(super) fn unreadable(error: &Unreadable) -> Failure {
    failure(Class::Fatal, "unreadable", &error.to_string(), "Ask another member.")
}

/// Why an answer is none, and where to ask instead.
pub(super) async fn not_applied(engine: &Engine, answer: &Answer) -> Failure {
    match answer {
        Answer::NotLeader { leader } => not_leader(engine, *leader).await,
        Answer::Busy => {
            failure(Class::Retry, "busy", "the leader takes no more at the moment", "Ask again in a moment.")
        }
        Answer::Refused(refusal) => rejected(refusal.code(), &refusal.to_string()),
        Answer::TooLong(error) => rejected("too-long", &error.to_string()),
        Answer::Unchanged(error @ Unchanged::UnderWay) => {
            failure(Class::Retry, "under-way", &error.to_string(), "Ask again when the members are settled.")
        }
        Answer::Unchanged(error) => rejected("unchanged", &error.to_string()),
        Answer::Unknown | Answer::Applied { .. } => failure(
            Class::Unknown,
            "unknown",
            "leadership was lost before the outcome was known",
            "Send the same request again, in the same session and with the same number.",
        ),
    }
}

/// Another member leads, or none.
pub(super) async fn not_leader(engine: &Engine, leader: Option<MemberId>) -> Failure {
    let again = "Ask the leader, or any member again in a moment.";
    let mut failure = failure(Class::Retry, "not-leader", "this member does not lead", again);
    failure.leader = address_of(engine, leader).await.unwrap_or_default();
    failure.leader_id = leader.map(|id| id.to_string()).unwrap_or_default();
    failure
}

async fn address_of(engine: &Engine, leader: Option<MemberId>) -> Option<String> {
    let leader = leader?;
    let row = engine.inspect(move |member| member_row(member.machine().rows(), leader)).await.ok()??;
    row.details.map(|details| details.api_address.to_string())
}

/// What the registry says of a member; a row that can't be read says nothing, and ends the member elsewhere.
pub(super) fn member_row(rows: &Rows, id: MemberId) -> Option<MemberRow> {
    query::member(rows, &id).ok().flatten()
}
