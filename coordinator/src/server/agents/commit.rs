//! A commit, out of the head that its source signed.
//!
//! Owns the checks on the way: the source's key decides whether a head is believed, and its home domain must be the
//! source's. What a head then comes to, [`CommitSnapshot::of_head`] says.

use strongroom_core::digest::Profile;
use strongroom_core::id::{SourceId, UploadId};
use strongroom_core::manifest::SignedHead;
use strongroom_core::seal::VerifyingKey;
use strongroom_proto::agents::v1::CommitSnapshotRequest;
use strongroom_proto::common::v1::Failure;

use crate::server::asking::fixed;
use crate::server::failure::rejected;
use crate::state::bytes::PublicKey;
use crate::state::request::REQUEST_BYTES_MAX;
use crate::state::snapshots::{Bringing, CommitSnapshot};
use crate::state::sources::SourceRow;

/// Longest signed head: the entry made of it is about as long, and the log takes no longer one.
const SIGNED_HEAD_BYTES_MAX: usize = REQUEST_BYTES_MAX;

/// The source that a head claims to be of. Nothing of it is believed yet.
pub(super) fn claimed_source(signed_head: &[u8]) -> Result<SourceId, Failure> {
    if signed_head.len() > SIGNED_HEAD_BYTES_MAX {
        return Err(rejected("too-long", "the head is longer than the log takes"));
    }
    let claimed = SignedHead::claimed_source(signed_head);
    claimed.map_err(|error| rejected("bad-head", &error.to_string()))
}

/// The command that a signed head comes to.
pub(super) fn command(
    asked: &CommitSnapshotRequest,
    source: SourceId,
    row: &SourceRow,
) -> Result<CommitSnapshot, Failure> {
    let bad = |message: &str| rejected("bad-head", message);
    let (_, key) = key_of(&row.facts.signer).ok_or_else(|| bad("the source's key is none"))?;
    let signed = SignedHead::verify(&asked.signed_head, &key).map_err(|error| bad(&error.to_string()))?;
    let head = signed.head();
    if head.source != source || head.scope.domain != row.facts.domain {
        return Err(bad("the head is of another source or another home domain"));
    }
    let by = Bringing { source, upload: UploadId(fixed(&asked.upload, "an upload's id")?), epoch: asked.epoch };
    Ok(CommitSnapshot::of_head(head, signed.manifest_bytes(), by, asked.cut_age_ms))
}

/// The key that belongs to these bytes; its length says of which profile it is.
pub(in crate::server) fn key_of(bytes: &PublicKey) -> Option<(Profile, VerifyingKey)> {
    let profile = if bytes.as_bytes().len() == 32 { Profile::Blake3 } else { Profile::Fips };
    Some((profile, VerifyingKey::new(profile, bytes.as_bytes().to_vec()).ok()?))
}
