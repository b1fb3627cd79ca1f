//! The leader's signature under the audit log.
//!
//! ```text
//!   file audit.key ──► LogSigner ──┬─ unknown to the group ─► RegisterAuditKey
//!                                  └─ applied events without a promise ─► sign ─► KeepCheckpoint ─► shown
//! ```
//!
//! Owns a member's key and the moments at which it signs: every ten seconds if something happened, or after a thousand
//! events. The key is drawn in the member's folder and never leaves it, so that each member has its own; all of them bear
//! the log's name. What is signed is a linearizable read of applied events, so any two checkpoints, of one leader or of
//! two, are of one history. A checkpoint is part of the state before anybody sees it. The key file survives a crash; a
//! signature that was not kept was shown to nobody.

use std::sync::Arc;
use std::time::Duration;

use strongroom_core::audit::{Checkpoint, CheckpointError, KeyFault, KeyName, LogSigner, SignedCheckpoint, TreeHead};
use strongroom_core::entropy::{Entropy, EntropyError, random_array};
use strongroom_core::seal::SealError;
use strongroom_platform::clock::{Clock, MonotonicTime};
use strongroom_platform::disk::{Disk, DiskError, durable_write};
use strongroom_platform::rng::SystemEntropy;

use super::engine::{Engine, EngineError};
use crate::id::{ClusterId, MemberId};
use crate::member::Answer;
use crate::raft::Role;
use crate::state::signing::{AuditKeyRow, KeepCheckpoint, RegisterAuditKey, audit_keys, newest_checkpoint};
use crate::state::{Actor, Command, Decision, Outcome, Request, Rows, Sequence, Stamp, Unreadable, audit};

/// The key's file in the member's folder: 32 random bytes.
const KEY_PATH: &str = "audit.key";
const SEED_LEN: u64 = 32;
/// How often it is looked whether something is to be signed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Longest time for which events lack a promise while somebody leads.
const SIGN_EVERY: Duration = Duration::from_secs(10);
/// Most events that lack a promise for longer than a look.
const UNSIGNED_MAX: u64 = 1_000;

/// A key that can't be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyUnusable {
    /// The disk refuses.
    #[error("the file {KEY_PATH} can't be read or written")]
    Disk(#[source] DiskError),
    /// The file is not as long as a key.
    #[error("the file {KEY_PATH} has {bytes} bytes and is no key")]
    Length {
        /// Its length.
        bytes: usize,
    },
    /// No chance to be had.
    #[error("no key can be drawn")]
    Entropy(#[source] EntropyError),
    /// The bytes make no key.
    #[error("the key can't be used")]
    Key(#[source] SealError),
    /// The log's name is none.
    #[error("the log's name is none")]
    Name(#[source] KeyFault),
}

impl From<DiskError> for KeyUnusable {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

impl From<EntropyError> for KeyUnusable {
    fn from(error: EntropyError) -> Self {
        Self::Entropy(error)
    }
}

impl From<SealError> for KeyUnusable {
    fn from(error: SealError) -> Self {
        Self::Key(error)
    }
}

impl From<KeyFault> for KeyUnusable {
    fn from(error: KeyFault) -> Self {
        Self::Name(error)
    }
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum NotSigned {
    /// The member's thread does not answer.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// This member does not lead, or leads no more.
    #[error("this member does not lead")]
    NotLeader,
    /// The rows can't be read.
    #[error(transparent)]
    Rows(#[from] Unreadable),
    /// The checkpoint can't be signed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The group refuses it.
    #[error("the group refuses what was signed: {code}")]
    Refused {
        /// The refusal's code.
        code: &'static str,
    },
}

/// The name of a group's audit log.
pub(super) fn origin_text(cluster: ClusterId) -> String {
    format!("strongroom/{cluster}/audit")
}

/// A member's key.
pub struct CheckpointSigner {
    member: MemberId,
    key: LogSigner,
}

/// What the rows say about signatures.
struct Signed {
    head: TreeHead,
    newest: Option<SignedCheckpoint>,
    keys: Vec<AuditKeyRow>,
}

impl Signed {
    fn of(rows: &Rows) -> Result<Self, Unreadable> {
        Ok(Self { head: audit::head(rows)?, newest: newest_checkpoint(rows)?, keys: audit_keys(rows)? })
    }

    /// Events that no checkpoint promises.
    fn unsigned(&self) -> u64 {
        let promised = self.newest.as_ref().map_or(0, |newest| newest.unverified().head().size.0);
        self.head.size.0.saturating_sub(promised)
    }
}

impl CheckpointSigner {
    /// The key in a member's folder, drawn if there is none yet.
    pub fn open(
        disk: &Arc<dyn Disk>,
        cluster: ClusterId,
        member: MemberId,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeyUnusable> {
        let seed = match disk.read(KEY_PATH, SEED_LEN) {
            Ok(bytes) => {
                <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| KeyUnusable::Length { bytes: bytes.len() })?
            }
            Err(DiskError::NotFound { .. }) => {
                let seed: [u8; 32] = random_array(entropy)?;
                durable_write(disk, KEY_PATH, &seed)?;
                seed
            }
            Err(error) => return Err(error.into()),
        };
        let key = LogSigner::from_seed(KeyName::new(&origin_text(cluster))?, &seed)?;
        Ok(Self { member, key })
    }

    /// Signs what is applied, if this member leads and there is something that no checkpoint promises. Says whether there
    /// was.
    pub async fn sign(&self, engine: &Engine) -> Result<bool, NotSigned> {
        let signed = look(engine).await?;
        if signed.unsigned() == 0 {
            return Ok(false);
        }
        self.sign_seen(engine, signed).await.map(|()| true)
    }

    /// What a member that is alone has to ask for, so that what is in these rows is signed: its key first, if nobody
    /// knows it, or a checkpoint of what no other promises.
    pub(super) fn due(&self, rows: &Rows) -> Result<Vec<Command>, NotSigned> {
        let signed = Signed::of(rows)?;
        let key = self.key.verifier_key();
        if !signed.keys.iter().any(|row| row.key == *key) {
            return Ok(vec![RegisterAuditKey { member: self.member, key: key.clone() }.into()]);
        }
        if signed.unsigned() == 0 {
            return Ok(Vec::new());
        }
        let checkpoint = Checkpoint::new(key.name().clone(), signed.head).sign(&self.key)?;
        Ok(vec![KeepCheckpoint { checkpoint }.into()])
    }

    async fn sign_seen(&self, engine: &Engine, mut signed: Signed) -> Result<(), NotSigned> {
        let key = self.key.verifier_key();
        if !signed.keys.iter().any(|row| row.key == *key) {
            ask(engine, RegisterAuditKey { member: self.member, key: key.clone() }.into()).await?;
            // The registration is an event itself, and is to be promised with the others.
            signed = look(engine).await?;
        }
        let checkpoint = Checkpoint::new(key.name().clone(), signed.head).sign(&self.key)?;
        ask(engine, KeepCheckpoint { checkpoint }.into()).await
    }
}

async fn look(engine: &Engine) -> Result<Signed, NotSigned> {
    let looked = engine.read(Signed::of).await?;
    Ok(looked.map_err(|_| NotSigned::NotLeader)??)
}

async fn ask(engine: &Engine, command: Command) -> Result<(), NotSigned> {
    let request = Request {
        session: None,
        acknowledged_below: Sequence(0),
        actor: Actor::System,
        decision: Decision::default(),
        stamp: Stamp::default(),
        command,
    };
    match engine.submit(request).await? {
        Answer::Applied { outcome: Outcome::Done(_), .. } => Ok(()),
        Answer::Applied { outcome: Outcome::Rejected(refusal), .. } => Err(NotSigned::Refused { code: refusal.code() }),
        _ => Err(NotSigned::NotLeader),
    }
}

/// Signs for as long as the member runs, whenever it leads.
pub(super) async fn keep(engine: Engine, disk: Arc<dyn Disk>, clock: Arc<dyn Clock>) {
    let identity = engine.inspect(|member| *member.identity()).await;
    let Ok(identity) = identity else { return };
    let signer = match CheckpointSigner::open(&disk, identity.cluster, identity.member, &SystemEntropy) {
        Ok(signer) => signer,
        Err(error) => {
            tracing::error!(%error, "this member can't sign the audit log");
            return;
        }
    };
    let mut signed_at: Option<MonotonicTime> = None;
    let mut interval = tokio::time::interval(LOOK_EVERY);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        if engine.standing().role != Role::Leader {
            continue;
        }
        let now = clock.monotonic();
        let is_time = signed_at.is_none_or(|at| now.since(at) >= SIGN_EVERY);
        match sign_if_due(&signer, &engine, is_time).await {
            Ok(true) => signed_at = Some(now),
            Err(NotSigned::Engine(EngineError::Ended)) => return,
            Ok(false) | Err(NotSigned::NotLeader | NotSigned::Engine(EngineError::Overloaded)) => {}
            Err(error) => tracing::warn!(%error, "the audit log was not signed"),
        }
    }
}

async fn sign_if_due(signer: &CheckpointSigner, engine: &Engine, is_time: bool) -> Result<bool, NotSigned> {
    let seen = look(engine).await?;
    let unsigned = seen.unsigned();
    if unsigned == 0 || (!is_time && unsigned < UNSIGNED_MAX) {
        return Ok(false);
    }
    signer.sign_seen(engine, seen).await.map(|()| true)
}
