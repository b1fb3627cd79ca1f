//! Checks of the room's coordinator: whether it opens, is what it counts itself to be, and agrees with the depot.

use super::Check;
use super::checks::failed;
use crate::failure::{Attempt as _, Failure};
use crate::render::text;
use crate::room::Room;
use crate::room::heads::Agreement;
use crate::room::runs::lost;

const NAME: &str = "coordinator";
const CATALOGUE: &str = "catalogue";

/// Runs the checks.
pub(super) fn checks(room: &Room) -> Vec<Check> {
    checked(room).unwrap_or_else(|failure| vec![failed(NAME, &failure)])
}

fn checked(room: &Room) -> Result<Vec<Check>, Failure> {
    let group = room.look()?;
    let member = group.member();
    if !member.is_digest_right().attempt(|| "can't read the coordinator's state")? {
        return Ok(vec![Check::failed(
            NAME,
            "its rows are not those that it counts",
            "Move ROOM/state/coordinator elsewhere: the next command builds it anew.",
        )]);
    }
    let sources = group.sources()?;
    let mut checks = vec![Check::ok(
        NAME,
        format!("member {}, opened {}", member.member(), text::plural(member.boot(), "time", "times")),
    )];
    for (name, (id, _)) in &sources {
        match group.agreement(*id) {
            Ok(Agreement::Same) => {}
            Ok(Agreement::DepotAhead) => checks.push(Check::warning(
                CATALOGUE,
                format!("the depot holds snapshots of {name} that are not committed"),
                format!("Run `strongroom backup {name}`: it commits them first."),
            )),
            Ok(Agreement::DepotLacks(snapshot)) => checks.push(failed(CATALOGUE, &lost(name, snapshot))),
            Ok(Agreement::Gap(gap)) => checks.push(failed(CATALOGUE, &gap.told(name))),
            Err(failure) => checks.push(failed(CATALOGUE, &failure)),
        }
    }
    if checks.len() == 1 {
        let agreed = text::plural(sources.len() as u64, "source", "sources");
        checks.push(Check::ok(CATALOGUE, format!("it agrees with the depot on {agreed}")));
    }
    Ok(checks)
}
