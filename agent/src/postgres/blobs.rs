//! The blobs of a capture: what restores natively what records do not hold.
//!
//! | role | content |
//! |---|---|
//! | `ddl-before`, `ddl-after` | `pg_dump`'s schema in two sections, of the same snapshot |
//! | `sequences` | the state of every sequence |
//! | `roles` | the roles that own or may do something, without passwords |
//! | `database` | encoding, collation, owner, grants, settings and comment of the database |
//! | `large-objects` | owner, grants and comment of each; the contents are records |
//! | `extensions` | names and versions |
//! | `matviews` | the materialised views, and which of them hold rows |
//! | `fingerprint` | the catalog fingerprint |
//!
//! All but the DDL are JSON lists or objects of [`model`]. Equal states give equal bytes, so an unchanged blob is stored
//! once.

mod dump;
pub(crate) mod model;
mod query;

use serde::Serialize;
use serde::de::DeserializeOwned;
use strongroom_core::error::Code;

use crate::source::{NativeBlob, SourceError};

use super::endpoint::Endpoint;
use super::fingerprint;
use super::options::PostgresOptions;
use super::session::Session;

pub(crate) use dump::find_pg_dump;

/// All blobs of the leader's snapshot.
pub(crate) fn capture(
    leader: &mut Session,
    endpoint: &Endpoint,
    options: &PostgresOptions,
    snapshot: &str,
) -> Result<Vec<NativeBlob>, SourceError> {
    let tool = find_pg_dump(options.pg_dump.as_deref(), leader.version())?;
    let running = dump::start(&tool, endpoint, leader, options.others_wait_max, snapshot)?;
    let catalog = from_catalog(leader);
    let definitions = running.finish();
    let mut blobs = catalog?;
    blobs.extend(definitions?);
    Ok(blobs)
}

/// The blobs of the leader's snapshot that need no tool: all but the definitions.
pub(crate) fn from_catalog(leader: &mut Session) -> Result<Vec<NativeBlob>, SourceError> {
    Ok(vec![
        blob("sequences", &query::sequences(leader)?)?,
        blob("roles", &query::roles(leader)?)?,
        blob("database", &query::database(leader)?)?,
        blob("large-objects", &query::large_objects(leader)?)?,
        blob("extensions", &query::extensions(leader)?)?,
        blob("matviews", &query::materialised_views(leader)?)?,
        NativeBlob { role: "fingerprint".into(), content: fingerprint_blob(leader)? },
    ])
}

/// The state of sequences, and the catalog fingerprint.
pub(crate) fn catalog_and_sequences(leader: &mut Session) -> Result<Vec<NativeBlob>, SourceError> {
    let sequences = blob("sequences", &query::sequences(leader)?)?;
    Ok(vec![sequences, NativeBlob { role: "fingerprint".into(), content: fingerprint_blob(leader)? }])
}

/// The blob `fingerprint` of the session's snapshot.
pub(crate) fn fingerprint_blob(session: &mut Session) -> Result<Vec<u8>, SourceError> {
    let fingerprint = fingerprint::read(session)?;
    fingerprint.to_blob().map_err(|error| unreadable("fingerprint", error))
}

/// The content of a blob in its typed form.
pub(crate) fn parse<T: DeserializeOwned>(blobs: &[NativeBlob], role: &str) -> Result<T, SourceError> {
    let content = find(blobs, role)?;
    serde_json::from_slice(content).map_err(|error| unreadable(role, error))
}

/// The content of a blob.
pub(crate) fn find<'a>(blobs: &'a [NativeBlob], role: &str) -> Result<&'a [u8], SourceError> {
    let blob = blobs.iter().find(|blob| blob.role == role);
    let missing = || SourceError::engine(Code::TargetFailed, role, "the snapshot lacks this blob");
    blob.map(|blob| blob.content.as_slice()).ok_or_else(missing)
}

fn blob(role: &str, content: &impl Serialize) -> Result<NativeBlob, SourceError> {
    let content = serde_json::to_vec(content).map_err(|error| unreadable(role, error))?;
    Ok(NativeBlob { role: role.into(), content })
}

fn unreadable(role: &str, error: impl std::error::Error + Send + Sync + 'static) -> SourceError {
    SourceError::Engine {
        code: Code::UnknownFormat,
        subject: format!("the blob {role}"),
        message: "its content is not of the form that this release knows".into(),
        source: Some(Box::new(error)),
    }
}
