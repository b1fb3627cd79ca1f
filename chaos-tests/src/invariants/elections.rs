//! At most one leader in a term (Ongaro, "Consensus: Bridging Theory and Practice", 2014, figure 3.2, election safety).

use std::collections::BTreeMap;

use strongroom_coordinator::id::{MemberId, Term};
use strongroom_coordinator::raft::{Role, Standing};

use super::Broken;

#[derive(Default)]
pub(super) struct Elections {
    leaders: BTreeMap<Term, MemberId>,
}

impl Elections {
    pub(super) fn standing(&mut self, id: Option<MemberId>, standing: Standing) -> Result<(), Broken> {
        let Some(id) = id.filter(|_| standing.role == Role::Leader) else { return Ok(()) };
        let first = *self.leaders.entry(standing.term).or_insert(id);
        if first == id {
            return Ok(());
        }
        Err(Broken::new("elections", format!("{first} and {id} both lead in term {}", standing.term)))
    }
}
