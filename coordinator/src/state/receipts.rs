//! Receipts: a depot's signed word that it holds packs durably.
//!
//! Owns receipts and what follows from them. The signature was checked by whoever proposed the command; it is kept as
//! evidence. A receipt from a depot that the source's contract does not allow is refused and counts for nothing, and so
//! is one from a depot that counts as lost.

mod signed;

use serde::{Deserialize, Serialize};
use strongroom_core::id::{DepotId, MerkleRoot, PackId, SourceId};

use super::bytes::Signature;
use super::command::{Audited, Effect, ROWS_WRITTEN_MAX, Retry};
use super::context::Context;
use super::outcome::{Answer, Effected, Fault, Refusal, Thing, require};
use super::packs::{PackRow, Packs};
use super::pending::{self, JudgedUnder, Relief};
use super::placement::{CopyRow, Judge, PACK_COPIES_MAX, PackCopies};
use super::snapshots::{HeadRow, Heads};
use super::sources::Sources;
use super::tables::tables;
use super::uploads::Epochs;
pub use signed::ReceiptSigner;

/// Most packs under one receipt.
pub const PACKS_PER_RECEIPT_MAX: usize = 8_192;

tables! {
    /// Receipts by depot and Merkle root.
    Receipts = RECEIPTS: (DepotId, MerkleRoot) => ReceiptRow;
}

/// A receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptRow {
    /// The source that the packs belong to.
    pub source: SourceId,
    /// The epoch of the upload that brought them.
    pub epoch: u64,
    /// The depot's generation.
    pub generation: u32,
    /// Number of packs.
    pub packs: u32,
    /// The depot's signature over root and session.
    pub signature: Signature,
    /// Accrued time at which it was registered.
    pub registered_ms: u64,
}

/// Registers a receipt. The same one again changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterReceipt {
    /// The depot that gave it.
    pub depot: DepotId,
    /// The source that the packs belong to.
    pub source: SourceId,
    /// The epoch of the upload that brought them; it need not be live any more.
    pub epoch: u64,
    /// The Merkle root over the packs.
    pub root: MerkleRoot,
    /// The packs, ascending by id.
    pub packs: Vec<PackId>,
    /// The depot's signature over root and session.
    pub signature: Signature,
}

impl Effect for RegisterReceipt {
    fn audited(&self) -> Option<Audited> {
        Some(Audited::new("receipt.register", &self.root))
    }

    fn rows_written_max(&self) -> usize {
        ROWS_WRITTEN_MAX + 2 * self.packs.len() + pending::ROWS_JUDGED_MAX
    }

    fn retry(&self) -> Retry {
        Retry::ByNature
    }

    fn apply(&self, cx: &mut Context<'_>) -> Effected {
        require((1..=PACKS_PER_RECEIPT_MAX).contains(&self.packs.len()), Refusal::TooMany(Thing::Pack))?;
        require(self.packs.is_sorted_by(|a, b| a < b), Refusal::PackListBroken)?;
        let source = cx.need::<Sources>(&self.source, Thing::Source)?;
        let epochs = cx.change.get::<Epochs>(&self.source)?.unwrap_or_default();
        require((1..=epochs.epoch).contains(&self.epoch), Refusal::Missing(Thing::Upload))?;
        let mut judge = Judge::new(cx, &source.terms)?;
        let generation = judge.require_lawful(cx, self.depot)?.generation;
        if let Some(row) = cx.change.get::<Receipts>(&(self.depot, self.root))? {
            let is_same = row.source == self.source && row.signature == self.signature;
            require(is_same, Refusal::Exists(Thing::Receipt))?;
            if row.generation == generation {
                return Ok(Answer::Protected(is_protected(cx.change.get::<Heads>(&self.source)?.as_ref())));
            }
        }
        let mut head = cx.change.get::<Heads>(&self.source)?;
        if let Some(head) = &mut head {
            let judged = JudgedUnder::now(cx, &source)?;
            if head.judged != judged {
                head.judged = judged;
                pending::judge_anew(cx, &mut judge, self.source, head)?;
            }
        }
        self.count_copies(cx, &mut judge, generation, head.as_mut())?;
        self.store(cx, generation)?;
        if let Some(head) = &head {
            cx.put::<Heads>(&self.source, head)?;
        }
        Ok(Answer::Protected(is_protected(head.as_ref())))
    }
}

impl RegisterReceipt {
    fn count_copies(
        &self,
        cx: &mut Context<'_>,
        judge: &mut Judge,
        generation: u32,
        mut head: Option<&mut HeadRow>,
    ) -> Result<(), Fault> {
        let mut relief = Relief::default();
        for pack in &self.packs {
            let row = cx.change.get::<Packs>(pack)?;
            require(row.is_none_or(|row| row.source == self.source), Refusal::PackListBroken)?;
            let copies = cx.change.list_before::<PackCopies>(pack.as_bytes(), None, PACK_COPIES_MAX)?;
            let others = copies.iter().filter(|((_, depot), _)| *depot != self.depot);
            let mut copies: Vec<_> = others.map(|((_, depot), copy)| (*depot, copy.generation)).collect();
            require(copies.len() < PACK_COPIES_MAX, Refusal::TooMany(Thing::Pack))?;
            copies.push((self.depot, generation));
            cx.put::<PackCopies>(&(*pack, self.depot), &CopyRow { generation, receipt: self.root })?;
            if let Some(row) = row.filter(|row| !row.is_placed)
                && judge.is_enough(cx, &copies)?
            {
                let row = PackRow { is_placed: true, ..row };
                cx.put::<Packs>(pack, &row)?;
                relief.note(&row);
                if let Some(head) = head.as_deref_mut().filter(|_| row.dropped.is_none()) {
                    head.unplaced = head.unplaced.saturating_sub(1);
                }
            }
        }
        match head {
            Some(head) => relief.settle(cx, self.source, head),
            None => Ok(()),
        }
    }

    fn store(&self, cx: &mut Context<'_>, generation: u32) -> Result<(), Fault> {
        let row = ReceiptRow {
            source: self.source,
            epoch: self.epoch,
            generation,
            packs: u32::try_from(self.packs.len()).unwrap_or(u32::MAX),
            signature: self.signature.clone(),
            registered_ms: cx.now_ms,
        };
        cx.put::<Receipts>(&(self.depot, self.root), &row)
    }
}

/// Whether the newest snapshot of a source is protected.
fn is_protected(head: Option<&HeadRow>) -> bool {
    head.is_some_and(|head| head.unplaced == 0)
}
