//! Who is taken into the group, and who is shut out of it, by the member that leads.
//!
//! Owns no state: it looks at registry and configuration, and does the next step that is missing. So a leader that ends
//! half-way leaves nothing behind that the next one does not go on with.
//!
//! ```text
//!   registered by a token ──► learner ──► caught up ──► voter        removed ──► its name is denied
//! ```

use std::time::Duration;

use strongroom_platform::tls::{Region, Role as Part, SpiffeId, SubjectId, TrustDomain};

use crate::id::MemberId;
use crate::member::{Answer, Member};
use crate::raft::{Change, Role};
use crate::server::engine::subject_of;
use crate::server::forward::Forwarder;
use crate::server::pause::pause;
use crate::server::{Engine, EngineError};
use crate::state::Rows;
use crate::state::certificates::{Denial, Deny};
use crate::state::members::{MemberRow, MemberState};
use crate::state::query::{self, PAGE_ROWS_MAX};
use crate::state::text::Subject;

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(500);
/// How long the group may take to agree on a denial.
const PATIENCE: Duration = Duration::from_secs(10);

/// Does what is to be done, as long as the member runs. Neither part waits for the other: a member that is slow to come is
/// no reason to let one in that is gone.
pub(super) async fn grow(engine: Engine, forwarder: Forwarder, trust_domain: TrustDomain) {
    tokio::select! {
        () = take_in(&engine) => {}
        () = shut_out(&engine, &forwarder, &trust_domain) => {}
    }
}

/// Brings the members in line with the registry; ends with the engine.
async fn take_in(engine: &Engine) {
    loop {
        pause(LOOK).await;
        if engine.standing().role != Role::Leader {
            continue;
        }
        match engine.inspect(next_change).await {
            Ok(Some(change)) => match engine.change(change.clone(), None).await {
                Ok(Answer::Applied { .. }) => tracing::info!(?change, "the members change"),
                Ok(answer) => tracing::debug!(?change, ?answer, "the members do not change yet"),
                Err(EngineError::Overloaded) => {}
                Err(EngineError::Ended) => return,
            },
            Ok(None) | Err(EngineError::Overloaded) => {}
            Err(EngineError::Ended) => return,
        }
    }
}

/// Denies the names of members that were removed; ends with the engine.
async fn shut_out(engine: &Engine, forwarder: &Forwarder, trust_domain: &TrustDomain) {
    loop {
        pause(LOOK).await;
        if engine.standing().role != Role::Leader {
            continue;
        }
        let domain = trust_domain.clone();
        match engine.inspect(move |member| next_denial(member.machine().rows(), &domain)).await {
            Ok(Some(subject)) => {
                let denial = Denial::Identity(subject);
                let denied = forwarder.ask_leading(Deny { denial }.into(), PATIENCE).await;
                tracing::info!(?denied, "a removed member is denied");
            }
            Ok(None) | Err(EngineError::Overloaded) => {}
            Err(EngineError::Ended) => return,
        }
    }
}

/// The first change that is missing and can be made; one at a time, since the members change one step at a time. Who is
/// close gets its vote before somebody else is taken in: each learner costs the leader a copy of the log.
fn next_change(member: &Member) -> Option<Change> {
    let (rows, configuration) = (member.machine().rows(), member.machine().configuration());
    if configuration.is_joint() {
        return None;
    }
    let mut joining = None;
    for_each_row(rows, |id, row| {
        if row.state == MemberState::Learner && is_close(member, id) {
            return Some(Change::Promote { learner: id, removes: None });
        }
        if row.state == MemberState::Registered && row.details.is_some() && !configuration.has(id) {
            joining.get_or_insert(Change::AddLearner(id));
        }
        None
    })
    .or(joining)
}

/// The first name of a removed member that is not denied.
fn next_denial(rows: &Rows, trust_domain: &TrustDomain) -> Option<Subject> {
    for_each_row(rows, |id, row| {
        let details = row.details.as_ref().filter(|_| row.state == MemberState::Removed)?;
        let name = name_of(trust_domain, details.region.as_str(), id)?;
        let is_denied = query::denied_since(rows, &Denial::Identity(name.clone())).ok()?.is_some();
        (!is_denied).then_some(name)
    })
}

/// Looks at members until one look gives something.
fn for_each_row<T>(rows: &Rows, mut look: impl FnMut(MemberId, &MemberRow) -> Option<T>) -> Option<T> {
    let mut after = None;
    loop {
        let page = query::members(rows, after.as_ref(), PAGE_ROWS_MAX).ok()?;
        for (id, row) in &page.rows {
            if let Some(found) = look(*id, row) {
                return Some(found);
            }
        }
        after = page.rows.last().map(|(id, _)| *id).filter(|_| page.has_more);
        after?;
    }
}

/// Whether a learner has been heard of and has the log: one that was never started must not hold up the others.
fn is_close(member: &Member, id: MemberId) -> bool {
    member.group().progress().iter().any(|it| it.member == id && it.is_active && it.matched.0 > 0)
}

fn name_of(trust_domain: &TrustDomain, region: &str, member: MemberId) -> Option<Subject> {
    let region: Region = region.parse().ok()?;
    let subject = SubjectId(subject_of(member));
    let id = SpiffeId { trust_domain: trust_domain.clone(), region, role: Part::Coordinator, subject };
    Subject::new(&id.to_string()).ok()
}
