//! The typed forms of the JSON blobs. They are part of the repository's format: fields are only ever added.

use serde::{Deserialize, Serialize};

/// The state of one sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SequenceState {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) last_value: i64,
    pub(crate) is_called: bool,
}

/// A role that the database's objects name. It never holds a password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, clippy::struct_field_names, reason = "the attributes are the server's")]
pub(crate) struct Role {
    pub(crate) name: String,
    pub(crate) superuser: bool,
    pub(crate) inherit: bool,
    pub(crate) create_role: bool,
    pub(crate) create_database: bool,
    pub(crate) login: bool,
    pub(crate) replication: bool,
    pub(crate) bypass_row_security: bool,
    pub(crate) connection_limit: i32,
    #[serde(default)]
    pub(crate) member_of: Vec<String>,
    #[serde(default)]
    pub(crate) comment: Option<String>,
}

/// One grant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grant {
    /// The role, or nothing for everybody.
    pub(crate) grantee: Option<String>,
    pub(crate) privilege: String,
    pub(crate) grantable: bool,
}

/// Settings of the database, for everybody in it or for one role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Setting {
    pub(crate) role: Option<String>,
    /// `name=value` each.
    pub(crate) settings: Vec<String>,
}

/// The database itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Database {
    pub(crate) name: String,
    pub(crate) owner: String,
    pub(crate) encoding: String,
    pub(crate) collate: String,
    pub(crate) ctype: String,
    /// `c` for the C library, `i` for ICU, `b` for builtin.
    pub(crate) provider: String,
    #[serde(default)]
    pub(crate) locale: Option<String>,
    #[serde(default)]
    pub(crate) icu_rules: Option<String>,
    pub(crate) connection_limit: i32,
    /// Nothing if the grants are the default.
    #[serde(default)]
    pub(crate) grants: Option<Vec<Grant>>,
    #[serde(default)]
    pub(crate) settings: Vec<Setting>,
    #[serde(default)]
    pub(crate) comment: Option<String>,
    /// The database's own schemas. A new database has `public`, which the source may have dropped.
    #[serde(default)]
    pub(crate) schemas: Vec<String>,
}

/// A large object, without its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LargeObject {
    pub(crate) id: u32,
    pub(crate) owner: String,
    #[serde(default)]
    pub(crate) grants: Option<Vec<Grant>>,
    #[serde(default)]
    pub(crate) comment: Option<String>,
}

/// An extension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Extension {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// A materialised view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MaterialisedView {
    pub(crate) schema: String,
    pub(crate) name: String,
    pub(crate) populated: bool,
}
