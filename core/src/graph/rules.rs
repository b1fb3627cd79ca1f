//! Rules: what a person who knows the product says about its references, beside what the source declares.
//!
//! Owns the shape of the `[references]` section of a profile, nothing else: it resolves no name and reads no record.
//! Whatever is left out is empty, and what is not known here is refused.
//!
//! ```toml
//! [references.types]                                # the registry: records that name the types of generic references
//! class = "django_content_type"
//! key = "id"
//! name = "{app_label}_{model}"                      # columns of the registry in braces give the class
//! overrides = { "users.user" = "auth_user" }        # by the values of these columns, joined by dots
//!
//! [[references.generic]]
//! class = "dcim_cabletermination"
//! type = "termination_type_id"
//! id = "termination_id"
//!
//! [[references.embedded]]
//! class = "dcim_cablepath"
//! column = "path"
//! path = "[*][*]"
//! holds = "typed"                                   # texts such as `39:1`
//!
//! [[references.embedded]]
//! class = "*"                                       # wherever there is such a column
//! column = "custom_field_data"
//! [references.embedded.holds.fields]
//! class = "extras_customfield"
//! name = "name"
//! kind = "type"
//! kinds = ["object", "multiobject"]
//! type = "related_object_type_id"
//!
//! [[references.conventional]]
//! class = "glpi_*"
//! column = "*_id"                                   # what the star stands for goes into the target's star
//! target = "glpi_*"
//! none = "0"
//! ```
//!
//! Classes are named as on the command line: the schema may be left out where the rest is unique. A `class` may be a
//! pattern in which `*` stands for any text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::types::Template;

/// What is known of the references of one product.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReferenceRules {
    /// The registry of types.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub types: Option<TypeRegistryRule>,
    /// References by type and id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub generic: Vec<GenericRule>,
    /// References within JSON documents and arrays.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub embedded: Vec<EmbeddedRule>,
    /// References that only the names of columns tell of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conventional: Vec<ConventionalRule>,
    /// Which records belong to which others, and are nothing without them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<OwnerRule>,
    /// Classes whose records are edges.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<EdgeRule>,
    /// Classes whose records need a number of ends in another class.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ends: Vec<EndsRule>,
    /// Patterns of classes that keep history: what they refer to may be gone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub may_dangle: Vec<String>,
}

/// The class whose records name the types of generic references.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TypeRegistryRule {
    /// The class. Empty where type columns hold names instead, see [`GenericRule::names`].
    pub class: String,
    /// The column whose value stands in type columns.
    pub key: String,
    /// How a type becomes the name of a class: columns of the registry in braces.
    pub name: String,
    /// Types whose class is called otherwise, by the values of the columns in `name`, joined by dots. An empty class
    /// means that references to the type are not judged.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: BTreeMap<String, String>,
}

impl TypeRegistryRule {
    /// The columns that name a type; none if the template is no template.
    pub fn naming_columns(&self) -> Vec<String> {
        Template::parse(&self.name).map(|name| name.places().map(str::to_owned).collect()).unwrap_or_default()
    }
}

/// A reference by a type column and an id column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GenericRule {
    /// The class, or a pattern of classes.
    pub class: String,
    /// The column that holds the type.
    pub r#type: String,
    /// The column that holds the target's key.
    pub id: String,
    /// What to call the reference; else the columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where type columns hold names and no registry's keys: how such a name becomes that of a class, with `{}` for the
    /// name. The registry's `overrides` apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<String>,
    /// The id that means that there is no target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub none: Option<String>,
}

/// References within a JSON document or an array.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddedRule {
    /// The class, or a pattern of classes; those without the column are passed over.
    pub class: String,
    /// The column that holds the document.
    pub column: String,
    /// The way through the document: `[*]` any element, `[2]` the third, `.name` one member, `.*` any member. Nothing
    /// stands for the document itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// What stands at the end of the way.
    pub holds: Holds,
    /// What to call the reference; else column and path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What stands at the end of a way through a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// The text `type:id`, its type a key of the registry.
    Typed,
    /// The key of a record of this class.
    Key(String),
    /// An object whose members are described by records of another class.
    Fields(FieldsRule),
}

/// A class whose records describe the members of objects: custom fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FieldsRule {
    /// The class.
    pub class: String,
    /// Its column with a member's name.
    pub name: String,
    /// Its column with the kind of member.
    pub kind: String,
    /// The kinds whose values are keys, one or a list of them.
    pub kinds: Vec<String>,
    /// Its column with the type that the keys are of, a key of the registry.
    pub r#type: String,
}

/// A reference that nothing declares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConventionalRule {
    /// The class, or a pattern of classes.
    pub class: String,
    /// The column, or a pattern of columns with one `*`.
    pub column: String,
    /// The class referred to; a `*` is what that of `column` stood for.
    pub target: String,
    /// The column referred to; else the key of the target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_column: Option<String>,
    /// The value that means that there is no target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub none: Option<String>,
}

/// Records that belong to others: restored with them, and orphans without them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OwnerRule {
    /// The class, or a pattern of classes.
    pub class: String,
    /// A column of the reference that leads to the owner.
    pub by: String,
    /// Whether every record has one: then a record whose column is empty is an orphan, too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
}

/// A class whose records are edges between others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EdgeRule {
    /// The class, or a pattern of classes.
    pub class: String,
    /// The columns that tell one edge from all others; two records with the same are duplicates. Empty: not judged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub same: Vec<String>,
    /// The columns that must hold something.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filled: Vec<String>,
}

/// A class whose records have their ends in another class, as cables have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EndsRule {
    /// The class that needs ends.
    pub class: String,
    /// The class of the ends.
    pub of: String,
    /// The column there that leads to the record.
    pub by: String,
    /// The column there that tells one end from the other.
    pub end: String,
    /// How many different ends there must be.
    pub least: u32,
}

/// A rule that can't be followed, whatever the source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// A path has a step that means nothing.
    #[error("the path {path} can't be followed")]
    Path {
        /// The path.
        path: String,
    },
    /// The name of a class has braces that don't close, or lacks them.
    #[error("{template} makes no name of a class: it needs a column, or nothing, in braces")]
    Template {
        /// The template.
        template: String,
    },
    /// A pattern has more than one star where one is allowed, or the target has one and the column has none.
    #[error("{pattern} can't be followed: column and target of a conventional reference may have one star each")]
    Stars {
        /// The pattern.
        pattern: String,
    },
    /// A rule needs the registry of types, and there is none.
    #[error("the rule for {class} needs [references.types]")]
    NoRegistry {
        /// The rule's class.
        class: String,
    },
}
