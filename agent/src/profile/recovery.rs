//! What a snapshot says of its profile, for those who restore it: what was left out, what to do afterwards, and what
//! must be at hand. The profile as it was when the snapshot was taken counts, not the one that the program has.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use strongroom_core::profile::{ExternalSecret, Profile, RestoreStep};

use super::PROFILE;
use crate::view::{ObjectStore, SnapshotView, ViewError};

/// What a restore needs beside the snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// Secrets that lie outside, and without which the restored copy does not work.
    pub external_secrets: Vec<ExternalSecret>,
    /// What is to be done afterwards, in this order.
    pub after_restore: Vec<RestoreStep>,
    /// Classes that the snapshot left out: they are there and empty after the restore.
    pub left_out: Vec<String>,
}

/// The profile under which a snapshot was taken, if there was one.
pub fn profile_of<S: ObjectStore>(view: &SnapshotView<'_, S>) -> Result<Option<Profile>, ViewError>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    let Some(blob) = view.body().blobs.iter().find(|blob| blob.role == PROFILE) else { return Ok(None) };
    let content = view.blob(blob)?;
    serde_json::from_slice(&content).map(Some).map_err(|error| ViewError::damaged("the profile", error))
}

impl Recovery {
    /// What a snapshot says. Steps that rebuild what was left out come first, unless the profile's own name them.
    pub fn of<S: ObjectStore>(view: &SnapshotView<'_, S>) -> Result<Self, ViewError>
    where
        S::Error: std::error::Error + Send + Sync + 'static,
    {
        let Some(profile) = profile_of(view)? else { return Ok(Self::default()) };
        let entries = &view.body().classes;
        // What the engine itself does not give, such as foreign tables, is not for the profile to speak of.
        let by_profile = |name: &String| profile.facts(name).role.is_left_out();
        let missing = entries.iter().filter(|entry| !entry.captured).map(|entry| entry.name.clone());
        let left_out: Vec<String> = missing.filter(by_profile).collect();
        let named: BTreeSet<&str> = profile.after_restore.iter().map(|step| step.step.as_str()).collect();
        let mut after_restore: Vec<RestoreStep> = Vec::new();
        for class in &left_out {
            let rebuild = profile.facts(class).rebuild.filter(|rebuild| !named.contains(rebuild.as_str()));
            let Some(step) = rebuild.filter(|step| after_restore.iter().all(|known| known.step != *step)) else {
                continue;
            };
            after_restore.push(RestoreStep { step, why: format!("{class} was left out and is empty") });
        }
        after_restore.extend(profile.after_restore);
        Ok(Self { external_secrets: profile.external_secrets, after_restore, left_out })
    }
}
