//! Documents for programs: every one names its schema and the version of it.
//!
//! The schemas lie in `docs/schemas/`, one file a name. A version changes only when a field goes or changes its meaning;
//! new fields may appear at any time.

use serde::Serialize;

/// What a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schema {
    /// What `init` made.
    Room,
    /// A registered source.
    Source,
    /// A source that was forgotten, or would be.
    SourceRemoval,
    /// What `source inspect` saw.
    Inspection,
    /// A profile.
    Profile,
    /// A line of a backup.
    Backup,
    /// A snapshot in a list.
    Snapshot,
    /// One snapshot with all that its manifest says.
    Manifest,
    /// Classes or records of a snapshot.
    Listing,
    /// Records that were looked up.
    Find,
    /// What differs between two snapshots.
    Diff,
    /// What differs between a source and its newest snapshot.
    Drift,
    /// What a restore would do.
    RestorePlan,
    /// A line of a restore.
    Restore,
    /// A line of a survey of what can be rescued.
    Rescue,
    /// A line of an export.
    Export,
    /// A line of a verification.
    Verify,
    /// Checks with remedies.
    Doctor,
    /// The version.
    Version,
    /// A line of the demonstration.
    Demo,
    /// A failure.
    Error,
    /// The members of a group.
    Members,
    /// What was done to a member of a group.
    Member,
    /// Those who may ask a group for something.
    Operators,
    /// What was done to an operator.
    Operator,
    /// The agents of a group.
    Agents,
    /// A join token.
    Token,
    /// What was taken back.
    Revoked,
    /// An audit log, or one event of it, that holds.
    AuditVerified,
    /// An audit log that was written to a file.
    AuditExported,
    /// The sites of a group.
    Sites,
    /// What was done about a site.
    Site,
    /// A copy of a group's state.
    StateBackup,
    /// What is left of a group, and how it is founded anew.
    Recovery,
}

impl Schema {
    /// The name in documents, and of the file under `docs/schemas/`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Room => "strongroom.room",
            Self::Source => "strongroom.source",
            Self::SourceRemoval => "strongroom.source-removal",
            Self::Inspection => "strongroom.inspection",
            Self::Profile => "strongroom.profile",
            Self::Backup => "strongroom.backup",
            Self::Snapshot => "strongroom.snapshot",
            Self::Manifest => "strongroom.manifest",
            Self::Listing => "strongroom.listing",
            Self::Find => "strongroom.find",
            Self::Diff => "strongroom.diff",
            Self::Drift => "strongroom.drift",
            Self::RestorePlan => "strongroom.restore-plan",
            Self::Restore => "strongroom.restore",
            Self::Rescue => "strongroom.rescue",
            Self::Export => "strongroom.export",
            Self::Verify => "strongroom.verify",
            Self::Doctor => "strongroom.doctor",
            Self::Version => "strongroom.version",
            Self::Demo => "strongroom.demo",
            Self::Error => "strongroom.error",
            Self::Members => "strongroom.members",
            Self::Member => "strongroom.member",
            Self::Operators => "strongroom.operators",
            Self::Operator => "strongroom.operator",
            Self::Agents => "strongroom.agents",
            Self::Token => "strongroom.token",
            Self::Revoked => "strongroom.revoked",
            Self::AuditVerified => "strongroom.audit-verified",
            Self::AuditExported => "strongroom.audit-exported",
            Self::Sites => "strongroom.sites",
            Self::Site => "strongroom.site",
            Self::StateBackup => "strongroom.state-backup",
            Self::Recovery => "strongroom.recovery",
        }
    }
}

/// What a line of a long run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MessageType {
    /// How far it is.
    Status,
    /// Why it failed.
    Error,
    /// How it ended.
    Summary,
}

/// A document with its schema in front.
#[derive(Serialize)]
pub(crate) struct Document<'a, T> {
    #[serde(skip_serializing_if = "Option::is_none")]
    message_type: Option<MessageType>,
    schema: &'static str,
    schema_version: u32,
    #[serde(flatten)]
    body: &'a T,
}

impl<'a, T> Document<'a, T> {
    /// Puts the schema in front.
    pub(crate) const fn new(schema: Schema, message_type: Option<MessageType>, body: &'a T) -> Self {
        Self { message_type, schema: schema.name(), schema_version: 1, body }
    }
}
