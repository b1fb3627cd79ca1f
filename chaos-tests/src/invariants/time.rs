//! The group's time never goes back along the log, whoever leads (`DESIGN` §8, accrued cluster time).

use std::collections::BTreeMap;

use strongroom_coordinator::id::LogIndex;
use strongroom_coordinator::member::Member;

use super::Broken;

#[derive(Default)]
pub(super) struct Time {
    accrued_ms: BTreeMap<LogIndex, u64>,
}

impl Time {
    pub(super) fn look_at(&mut self, host: usize, member: &Member) -> Result<(), Broken> {
        let (index, now) = (member.machine().position().index, member.machine().stamp().accrued_ms);
        if self.accrued_ms.insert(index, now) == Some(now) {
            return Ok(());
        }
        let before = self.accrued_ms.range(..index).next_back().map_or(0, |(_, at)| *at);
        let after = self.accrued_ms.range(index.next()..).next().map_or(u64::MAX, |(_, at)| *at);
        if before <= now && now <= after {
            return Ok(());
        }
        Err(Broken::new("time", format!("host {host} is at {now} ms at {index}, between {before} and {after}")))
    }
}
