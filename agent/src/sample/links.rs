//! What ties the items of the sample together, and what happened to them.

use super::draw::Draw;
use super::items::Plan;
use super::rows::{DAYS, HISTORY, RELATION, Take, moment, stamp};
use super::words::{CHANGES, STATES};

impl Plan {
    pub(super) fn relations<E>(&self, draw: &mut Draw, take: &mut Take<'_, E>) -> Result<(), E> {
        let mut relate = |draw: &mut Draw, from: (&str, i64), kind: &str, to: (&str, i64)| {
            let since = moment(draw);
            take(&RELATION, &[from.0.into(), from.1.into(), kind.into(), to.0.into(), to.1.into(), since.into()])
        };
        for id in 1..=self.devices {
            let device = ("device", id);
            let other = |draw: &mut Draw| ("device", draw.id(self.devices));
            let (power, backup, manager) = (other(draw), other(draw), draw.id(self.applications));
            let monitor = draw.id(self.services);
            relate(draw, device, "located in", ("rack", (id - 1) / self.devices_per_rack + 1))?;
            relate(draw, device, "powered by", power)?;
            relate(draw, device, "backed up by", backup)?;
            relate(draw, device, "managed by", ("application", manager))?;
            relate(draw, device, "monitored by", ("service", monitor))?;
            relate(draw, device, "supported by", ("owner", id % self.owners + 1))?;
        }
        for id in (1..self.interfaces).step_by(2) {
            relate(draw, ("interface", id), "connected to", ("interface", id + 1))?;
        }
        for id in 1..=self.services {
            let (host, used) = (draw.id(self.devices), id % self.services + 1);
            let application = draw.id(self.applications);
            relate(draw, ("service", id), "runs on", ("device", host))?;
            relate(draw, ("service", id), "uses", ("service", used))?;
            relate(draw, ("service", id), "part of", ("application", application))?;
        }
        for id in 1..=self.applications {
            relate(draw, ("application", id), "depends on", ("application", id % self.applications + 1))?;
        }
        Ok(())
    }

    pub(super) fn history<E>(&self, draw: &mut Draw, take: &mut Take<'_, E>) -> Result<(), E> {
        let minutes = i64::try_from(DAYS * 24 * 60).unwrap_or(0);
        for id in 1..=self.history {
            let at = usize::try_from(draw.below(CHANGES.len() as u64)).unwrap_or(0);
            let (field, reason) = CHANGES.get(at).copied().unwrap_or_default();
            let (before, after) = (draw.word(STATES), draw.word(STATES));
            let change =
                format!("{{\"{field}\": [\"{before}\", \"{after}\"], \"reason\": \"{reason} {}\"}}", draw.below(400));
            let (class, object) = match draw.below(10) {
                0..6 => ("device", draw.id(self.devices)),
                6..9 => ("interface", draw.id(self.interfaces)),
                _ => ("service", draw.id(self.services)),
            };
            // One entry after another, over all days.
            let minute = u64::try_from(id * minutes / (self.history + 1)).unwrap_or(0);
            let row = [
                id.into(),
                stamp(minute).into(),
                class.into(),
                object.into(),
                format!("owner{}@cmdb.example", draw.id(self.owners)).into(),
                change.into(),
            ];
            take(&HISTORY, &row)?;
        }
        Ok(())
    }
}
