//! Who signs the audit log, and the newest promise that was signed.
//!
//! ```text
//!   a member's key ──RegisterAuditKey──► known to all, and an event of the log itself
//!   head of applied events ──the leader signs──► KeepCheckpoint ──► the newest checkpoint, shown to all
//! ```
//!
//! Owns the keys that ever signed, and the rule that a checkpoint is kept by the group before anybody sees it: signed by
//! a registered key, of no more events than there are, and larger than the one before. Each member has a key of its own,
//! so that none ever travels, and all keys bear the log's one name. The checkpoint is not audited, or the log would never
//! come to rest.
//!
//! A key that nobody signs with any more is retired when its place is needed: the oldest that is not the newest key of a
//! voter and has not signed the newest checkpoint. It signs nothing from then on. What it signed stays provable: the
//! registration of every key is an event of the log for ever, under the signatures of those that came after it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use strongroom_core::audit::{Frontier, NoteKeyId, SignatureKind, SignedCheckpoint, TrustedKeys, VerifierKey};

use super::audit::AuditFrontier;
use super::command::{Audited, Effect, Retry};
use super::context::Context;
use super::outcome::{Answer, Effected, Fault, Refusal, Thing, require};
use super::rows::{Key, Rows, Unreadable};
use super::tables::{self, tables};
use crate::id::MemberId;

/// Most keys that sign: what the header of an export names.
pub const AUDIT_KEYS_MAX: usize = 64;

tables! {
    /// Keys that sign the audit log, by their short names.
    AuditKeys = AUDIT_KEYS: NoteKeyId => AuditKeyRow;
    /// Keys that signed once and never will again.
    RetiredAuditKeys = AUDIT_KEYS_RETIRED: NoteKeyId => AuditKeyRow;
    /// The newest checkpoint.
    AuditCheckpoint = AUDIT_CHECKPOINT: () => SignedCheckpoint;
}

/// A key that signs the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditKeyRow {
    /// Whose it is.
    pub member: MemberId,
    /// Its public half, and the log's name.
    pub key: VerifierKey,
    /// Accrued time at which it was registered.
    pub registered_ms: u64,
}

/// Registers the key with which a member signs the audit log when it leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterAuditKey {
    /// The member; it votes.
    pub member: MemberId,
    /// The key; all keys have the same name.
    pub key: VerifierKey,
}

/// Keeps a checkpoint that the leader signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeepCheckpoint {
    /// The checkpoint.
    pub checkpoint: SignedCheckpoint,
}

impl Key for NoteKeyId {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl Effect for RegisterAuditKey {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("audit.key", &self.key))
    }

    fn retry(&self) -> Retry {
        Retry::ByNature
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let id = self.key.id();
        if let Some(known) = cx.change.get::<AuditKeys>(&id)? {
            require(known.key == self.key && known.member == self.member, Refusal::Exists(Thing::AuditKey))?;
            return Ok(Answer::Applied);
        }
        let is_retired = cx.change.get::<RetiredAuditKeys>(&id)?.is_some();
        require(!is_retired, Refusal::Retired(Thing::AuditKey))?;
        require(cx.configuration.voters.contains(&self.member), Refusal::Missing(Thing::Member))?;
        require(self.key.kind() == SignatureKind::Note, Refusal::Changed(Thing::AuditKey))?;
        let known = known_keys(cx)?;
        let is_of_this_log = known.first().is_none_or(|other| other.name() == self.key.name());
        require(is_of_this_log, Refusal::Changed(Thing::AuditKey))?;
        if known.len() >= AUDIT_KEYS_MAX {
            retire(cx, self.member)?;
        }
        let row = AuditKeyRow { member: self.member, key: self.key.clone(), registered_ms: cx.now_ms };
        cx.put::<AuditKeys>(&id, &row)?;
        Ok(Answer::Applied)
    }
}

impl Effect for KeepCheckpoint {
    fn audited(&self) -> Option<Audited> {
        None
    }

    fn retry(&self) -> Retry {
        Retry::ByNature
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        let newest = cx.change.get::<AuditCheckpoint>(&())?;
        if newest.as_ref() == Some(&self.checkpoint) {
            return Ok(Answer::Applied);
        }
        let stale = Refusal::Changed(Thing::Checkpoint);
        // Two keys of one name and one id can't be registered.
        let trusted = TrustedKeys::new(known_keys(cx)?).map_err(|_| stale)?;
        let verified = self.checkpoint.verify(&trusted).map_err(|_| Refusal::Missing(Thing::AuditKey))?;
        let head = verified.checkpoint().head();
        let events = match cx.change.get::<AuditFrontier>(&())? {
            Some(bytes) => Frontier::decode(&bytes),
            None => Ok(Frontier::new()),
        };
        let events = events.map_err(|_| Unreadable::Malformed { table: tables::AUDIT_FRONTIER })?.head();
        let is_larger = newest.is_none_or(|newest| newest.unverified().head().size < head.size);
        let is_no_promise = head.size > events.size || (head.size == events.size && head.root != events.root);
        require(is_larger && !is_no_promise, stale)?;
        cx.put::<AuditCheckpoint>(&(), &self.checkpoint)?;
        Ok(Answer::Applied)
    }
}

/// Retires the oldest key that nobody signs with any more, now that a member brings a new one.
fn retire(cx: &mut Context<'_>, brings: MemberId) -> Result<(), Fault> {
    let keys = cx.change.list_before::<AuditKeys>(&[], None, AUDIT_KEYS_MAX)?;
    let mut newest: BTreeMap<MemberId, (u64, NoteKeyId)> = BTreeMap::new();
    for (id, row) in &keys {
        let held = newest.entry(row.member).or_insert((row.registered_ms, *id));
        *held = (*held).max((row.registered_ms, *id));
    }
    let checkpoint = cx.change.get::<AuditCheckpoint>(&())?;
    let has_signed = |key: &VerifierKey| {
        let trusted = TrustedKeys::new([key.clone()]);
        checkpoint.as_ref().zip(trusted.ok()).is_some_and(|(checkpoint, trusted)| checkpoint.verify(&trusted).is_ok())
    };
    let is_in_use = |id: &NoteKeyId, row: &AuditKeyRow| {
        let is_newest = newest.get(&row.member).is_some_and(|(_, newest)| newest == id);
        let is_voters = row.member != brings && cx.configuration.voters.contains(&row.member);
        (is_newest && is_voters) || has_signed(&row.key)
    };
    let unused = keys.iter().filter(|(id, row)| !is_in_use(id, row));
    let oldest = unused.min_by_key(|(id, row)| (row.registered_ms, *id)).cloned();
    let (id, row) = oldest.ok_or(Refusal::TooMany(Thing::AuditKey))?;
    cx.change.remove::<AuditKeys>(&id);
    cx.put::<RetiredAuditKeys>(&id, &row)
}

fn known_keys(cx: &Context<'_>) -> Result<Vec<VerifierKey>, Fault> {
    let rows = cx.change.list_before::<AuditKeys>(&[], None, AUDIT_KEYS_MAX)?;
    Ok(rows.into_iter().map(|(_, row)| row.key).collect())
}

/// All keys that sign, with their members.
pub fn audit_keys(rows: &Rows) -> Result<Vec<AuditKeyRow>, Unreadable> {
    Ok(rows.list::<AuditKeys>(&[], None, AUDIT_KEYS_MAX)?.into_iter().map(|(_, row)| row).collect())
}

/// The newest checkpoint.
pub fn newest_checkpoint(rows: &Rows) -> Result<Option<SignedCheckpoint>, Unreadable> {
    rows.get::<AuditCheckpoint>(&())
}
