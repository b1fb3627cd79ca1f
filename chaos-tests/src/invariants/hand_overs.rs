//! Leadership does not wander: a reign lasts for a while before it is handed over to a preferred region, whatever fails,
//! and few hand-overs are needed once nothing does any more (`coordinator/src/member/preference.rs`).

use std::collections::BTreeMap;

use strongroom_coordinator::id::{MemberId, Term};
use strongroom_coordinator::member::Member;
use strongroom_coordinator::raft::Role;

use super::Broken;

/// Hand-overs that a group may need to come to rest when nothing fails: one for each region that is preferred to the
/// one it is led from, since a better one may have come back last.
const HEALTHY_MAX: u32 = 3;

#[derive(Default)]
pub(super) struct HandOvers {
    /// Hand-overs of each start of a member.
    seen: BTreeMap<(MemberId, u64), u64>,
    /// When each reign began, or was to be handed over last.
    reigns: BTreeMap<Term, u64>,
    /// How many hand-overs there were since nothing fails.
    healthy: u32,
}

impl HandOvers {
    /// Looks at a member at a time. `least` is how long a reign lasts before it is handed over.
    pub(super) fn look_at(&mut self, member: &Member, now: u64, least: u64, is_healing: bool) -> Result<(), Broken> {
        let (identity, standing) = (member.identity(), member.standing());
        if standing.role != Role::Leader {
            return Ok(());
        }
        let began = self.reigns.entry(standing.term).or_insert(now);
        let seen = self.seen.entry((identity.member, identity.boot)).or_default();
        if *seen == member.hand_overs() {
            return Ok(());
        }
        *seen = member.hand_overs();
        let lasted = now - std::mem::replace(began, now);
        self.healthy += u32::from(is_healing);
        if lasted < least {
            return Err(Broken::new("hand-overs", format!("a reign was handed over after {lasted} ns")));
        }
        if self.healthy > HEALTHY_MAX {
            return Err(Broken::new(
                "hand-overs",
                format!("leadership wanders: {} hand-overs in health", self.healthy),
            ));
        }
        Ok(())
    }
}
