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

use crate::member::{Answer, Member};
use crate::raft::{Change, Role};
use crate::server::engine::subject_of;
use crate::server::forward::Forwarder;
use crate::server::pause::pause;
use crate::server::{Engine, EngineError};
use crate::state::certificates::{Denial, Deny};
use crate::state::members::MemberState;
use crate::state::query::{self, PAGE_ROWS_MAX};
use crate::state::text::Subject;

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(500);
/// How long the group may take to agree on a denial.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Change(Change),
    Deny(Subject),
}

/// Does what is to be done, as long as the member runs.
pub(super) async fn grow(engine: Engine, forwarder: Forwarder, trust_domain: TrustDomain) {
    loop {
        pause(LOOK).await;
        if engine.standing().role != Role::Leader {
            continue;
        }
        let domain = trust_domain.clone();
        match engine.inspect(move |member| next_step(member, &domain)).await {
            Ok(Some(Step::Change(change))) => match engine.change(change.clone(), None).await {
                Ok(Answer::Applied { .. }) => tracing::info!(?change, "the members change"),
                Ok(answer) => tracing::debug!(?change, ?answer, "the members do not change yet"),
                Err(EngineError::Overloaded) => {}
                Err(EngineError::Ended) => return,
            },
            Ok(Some(Step::Deny(subject))) => {
                let denial = Denial::Identity(subject);
                let denied = forwarder.ask_leading(Deny { denial }.into(), PATIENCE).await;
                tracing::info!(?denied, "a removed member is denied");
            }
            Ok(None) | Err(EngineError::Overloaded) => {}
            Err(EngineError::Ended) => return,
        }
    }
}

/// The first step that is missing; one at a time, since the members change one step at a time.
fn next_step(member: &Member, trust_domain: &TrustDomain) -> Option<Step> {
    let (rows, configuration) = (member.machine().rows(), member.machine().configuration());
    if configuration.is_joint() {
        return None;
    }
    let mut after = None;
    loop {
        let page = query::members(rows, after.as_ref(), PAGE_ROWS_MAX).ok()?;
        for (id, row) in &page.rows {
            let Some(details) = &row.details else { continue };
            match row.state {
                MemberState::Registered if !configuration.has(*id) => {
                    return Some(Step::Change(Change::AddLearner(*id)));
                }
                MemberState::Learner if is_close(member, *id) => {
                    return Some(Step::Change(Change::Promote { learner: *id, removes: None }));
                }
                MemberState::Removed => {
                    let name = name_of(trust_domain, details.region.as_str(), *id)?;
                    let denial = Denial::Identity(name.clone());
                    if query::denied_since(rows, &denial).ok()?.is_none() {
                        return Some(Step::Deny(name));
                    }
                }
                _ => {}
            }
        }
        after = page.rows.last().map(|(id, _)| *id).filter(|_| page.has_more);
        after?;
    }
}

/// Whether a learner has been heard of and has the log: one that was never started must not hold up the others.
fn is_close(member: &Member, id: crate::id::MemberId) -> bool {
    member.group().progress().iter().any(|it| it.member == id && it.is_active && it.matched.0 > 0)
}

fn name_of(trust_domain: &TrustDomain, region: &str, member: crate::id::MemberId) -> Option<Subject> {
    let region: Region = region.parse().ok()?;
    let subject = SubjectId(subject_of(member));
    let id = SpiffeId { trust_domain: trust_domain.clone(), region, role: Part::Coordinator, subject };
    Subject::new(&id.to_string()).ok()
}
