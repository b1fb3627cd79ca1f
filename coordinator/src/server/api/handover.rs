//! Handing leadership over on request, and waiting until it is known who leads.
//!
//! Owns the wait. The one who asked is told that the other leads, that nothing came of it, or that it can't be told yet;
//! never that it is done when it is only asked for.

use std::time::Duration;

use strongroom_proto::common::v1::{Class, Failure};

use crate::id::{LogIndex, MemberId};
use crate::member::Event;
use crate::raft::{Role, Standing};
use crate::server::engine::Engine;
use crate::server::failure::{failure, not_asked, not_leader, rejected};

/// How long a hand-over is waited for. A leader gives one up after an election timeout, which is a second in a near group
/// and four in a far one; clients wait for five.
const PATIENCE: Duration = Duration::from_millis(4_500);

/// Hands leadership over to a voter, and gives an index that the new leader has.
pub(super) async fn transfer(engine: &Engine, to: MemberId) -> Result<u64, Failure> {
    let before = engine.standing();
    if before.role != Role::Leader {
        return Err(not_leader(engine, before.leader).await);
    }
    let is_voter = engine.inspect(move |member| member.machine().configuration().has_voter(to)).await;
    if !is_voter.map_err(not_asked)? {
        return Err(rejected("no-voter", "the member does not vote, and so can't lead"));
    }
    if before.leader == Some(to) {
        return Ok(before.committed.0);
    }
    let mut standings = engine.watch();
    engine.event(Event::Transfer { to }).map_err(not_asked)?;
    let is_settled = |now: &Standing| now.leader.is_some() && (now.term, now.leader) != (before.term, before.leader);
    let settled = tokio::time::timeout(PATIENCE, standings.wait_for(is_settled)).await;
    let now = match settled {
        Ok(Ok(now)) => *now,
        Ok(Err(_)) => return Err(unknown("the member has ended")),
        Err(_) => engine.standing(),
    };
    outcome(before, now, to)
}

/// What became of it, by what this member was before and is now.
fn outcome(before: Standing, now: Standing, to: MemberId) -> Result<u64, Failure> {
    let LogIndex(committed) = now.committed;
    match now.leader {
        Some(leader) if leader == to => Ok(committed),
        Some(leader) if now.term == before.term && Some(leader) == before.leader => {
            let remedy = "Look with `strongroom coordinator members` whether the other follows closely, and ask again.";
            Err(failure(Class::Retry, "not-handed-over", "the other did not take over in time", remedy))
        }
        Some(_) => {
            let remedy = "Look with `strongroom coordinator members` who leads, and ask again.";
            Err(failure(Class::Retry, "not-handed-over", "a third member was elected", remedy))
        }
        None => Err(unknown("leadership was given up, and it is not known yet who leads")),
    }
}

fn unknown(what: &str) -> Failure {
    failure(Class::Unknown, "unknown", what, "Look with `strongroom coordinator members` who leads.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Term;

    fn id(number: u64) -> MemberId {
        MemberId::from_number(number).unwrap()
    }

    fn standing(term: u64, leader: Option<u64>) -> Standing {
        let role = if leader == Some(1) { Role::Leader } else { Role::Follower };
        let committed = LogIndex(7);
        Standing { role, term: Term(term), leader: leader.map(id), committed, last: committed }
    }

    #[test]
    fn it_is_done_when_the_other_leads_and_not_before() {
        let before = standing(3, Some(1));
        assert_eq!(outcome(before, standing(4, Some(2)), id(2)), Ok(7));
        let class = |now| outcome(before, now, id(2)).unwrap_err().class();
        assert_eq!(class(standing(3, Some(1))), Class::Retry);
        assert_eq!(class(standing(4, Some(3))), Class::Retry);
        assert_eq!(class(standing(5, Some(1))), Class::Retry);
        assert_eq!(class(standing(4, None)), Class::Unknown);
    }
}
