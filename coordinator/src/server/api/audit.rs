//! Events of the audit log, their proofs, and what the log promises.
//!
//! Owns the reading; what an event, a proof and a checkpoint are is [`strongroom_core::audit`]'s to say.

use strongroom_core::audit::{LeafIndex, SignedCheckpoint};
use strongroom_proto::common::v1::{Class, Failure};
use strongroom_proto::operators::v1::{AuditStanding, Events, ListEventsRequest};

use super::listings::limit;
use crate::server::failure::{failure, rejected, unreadable};
use crate::state::audit::proofs::{EventUnproven, prove_event};
use crate::state::signing::{audit_keys, newest_checkpoint};
use crate::state::{Rows, audit, query};

/// Events from a place on.
pub(super) fn events(rows: &Rows, request: ListEventsRequest) -> Result<Events, Failure> {
    let page = query::audit_events(rows, LeafIndex(request.from), limit(request.limit));
    let page = page.map_err(|error| unreadable(&error))?;
    let events = page.rows.into_iter().map(|(_, (bytes, _))| bytes).collect();
    Ok(Events { from: request.from, events, has_more: page.has_more })
}

/// The proof of an event against the newest checkpoint.
pub(super) fn proof(rows: &Rows, leaf: u64) -> Result<String, Failure> {
    let checkpoint = newest(rows)?.ok_or_else(not_signed)?;
    if leaf >= checkpoint.unverified().head().size.0 {
        let events = audit::head(rows).map_err(|error| unreadable(&error))?.size.0;
        return Err(if leaf < events { not_signed() } else { rejected("missing", "there is no such event") });
    }
    let proof = prove_event(rows, LeafIndex(leaf), checkpoint).map_err(|error| unproven(&error))?;
    proof.to_text().map_err(|error| rejected("too-long", &error.to_string()))
}

/// Who signs, and the newest promise.
pub(super) fn standing(rows: &Rows, origin: String) -> Result<AuditStanding, Failure> {
    let keys = audit_keys(rows).map_err(|error| unreadable(&error))?;
    Ok(AuditStanding {
        origin,
        keys: keys.iter().map(|row| row.key.to_string()).collect(),
        checkpoint: newest(rows)?.map(|checkpoint| checkpoint.to_string()).unwrap_or_default(),
        events: audit::head(rows).map_err(|error| unreadable(&error))?.size.0,
    })
}

fn newest(rows: &Rows) -> Result<Option<SignedCheckpoint>, Failure> {
    newest_checkpoint(rows).map_err(|error| unreadable(&error))
}

fn not_signed() -> Failure {
    failure(Class::Retry, "not-signed", "no checkpoint covers the event yet", "Ask again in some seconds.")
}

fn unproven(error: &EventUnproven) -> Failure {
    match error {
        EventUnproven::Rows(error) => unreadable(error),
        EventUnproven::NoEvent(_) => rejected("missing", &error.to_string()),
        EventUnproven::Path(_) => failure(Class::Fatal, "unproven", &error.to_string(), "Ask another member."),
    }
}
