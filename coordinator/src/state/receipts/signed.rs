//! A receipt, on its way from a depot's signature to the command that registers it.
//!
//! Owns the check that comes first: the key with which the depot joined must have signed exactly these packs.

use strongroom_core::digest::Profile;
use strongroom_core::id::{DepotId, MerkleRoot, PackId, SourceId};
use strongroom_core::receipt::Receipt;
use strongroom_core::seal::VerifyingKey;

use super::RegisterReceipt;
use crate::state::bytes::Signature;

/// A depot, and the key that the group knows it by.
#[derive(Clone, Copy, Debug)]
pub struct ReceiptSigner<'a> {
    /// The depot.
    pub depot: DepotId,
    /// The profile of its key.
    pub profile: Profile,
    /// Its key.
    pub key: &'a VerifyingKey,
}

impl RegisterReceipt {
    /// The command that a receipt for packs, ascending by id, comes to; nothing if the depot's key did not sign it.
    pub fn signed(
        by: ReceiptSigner<'_>,
        source: SourceId,
        epoch: u64,
        packs: &[(PackId, MerkleRoot)],
        signature: Signature,
    ) -> Option<Self> {
        let ReceiptSigner { depot, profile, key } = by;
        let receipt = Receipt::over(profile, depot, source, epoch, packs);
        receipt.is_signed_by(key, signature.as_bytes()).then(|| {
            let (root, packs) = (receipt.root, packs.iter().map(|(pack, _)| *pack).collect());
            Self { depot, source, epoch, root, packs, signature }
        })
    }
}
