//! Views: a snapshot opened for reading, class by class and record by record.
//!
//! Owns the resolution of names, keys and values for whoever holds the keys (a custodian, or a rescue). Everything that
//! a view gives was recomputed and compared with the snapshot's roots on the way.

mod class;
mod compare;
mod key_text;
pub(crate) mod side_by_side;
mod value_text;

use std::collections::BTreeMap;

use strongroom_core::blob::{BlobError, BlobLength};
use strongroom_core::codec::Malformed;
use strongroom_core::digest::IdFunctions;
use strongroom_core::error::Code;
use strongroom_core::id::BlobId;
use strongroom_core::limits::SCHEMAS_BYTES_MAX;
use strongroom_core::manifest::{BlobEntry, ManifestBody};
use strongroom_core::record::{ClassSchema, KeyError};
use strongroom_core::tree::reader::ReadError;

pub use class::{ClassView, FoundRecord};
pub use compare::{ClassDifference, RecordChange, RecordVisit, compare, not_compared};
pub use key_text::{KeyTextError, key_text, parse_key};
pub use strongroom_core::objects::ObjectStore;
pub use value_text::{FieldValue, field_values};
pub(crate) use value_text::{cell_value, inline_value};

use crate::source::NativeBlob;

/// A snapshot that can't be read as asked.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The snapshot has no such class.
    #[error("the snapshot has no class {name}")]
    NoClass {
        /// The name that was asked for.
        name: String,
        /// Names that come close.
        close: Vec<String>,
    },
    /// The source has the class, and the snapshot left it out.
    #[error("the snapshot left the class {name} out: {reason}")]
    LeftOut {
        /// The class.
        name: String,
        /// Why.
        reason: String,
    },
    /// A short name fits several classes.
    #[error("{name} may be any of {candidates:?}")]
    AmbiguousClass {
        /// The name that was asked for.
        name: String,
        /// The classes it fits.
        candidates: Vec<String>,
    },
    /// The key is not one of the class.
    #[error(transparent)]
    Key(#[from] KeyTextError),
    /// Parts can't be read.
    #[error("{what} can't be read")]
    Read {
        /// What was read.
        what: String,
        /// The stable code.
        code: Code,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The two snapshots can't be compared.
    #[error("class {class} is of another tree line in the two snapshots")]
    OtherLine {
        /// The class.
        class: String,
    },
}

impl ViewError {
    /// The stable code.
    pub const fn code(&self) -> Code {
        match self {
            Self::NoClass { .. } | Self::LeftOut { .. } => Code::NotFound,
            Self::AmbiguousClass { .. } => Code::Ambiguous,
            Self::Read { code, .. } => *code,
            Self::Key(_) | Self::OtherLine { .. } => Code::Usage,
        }
    }

    pub(crate) fn damaged(what: &str, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Read { what: what.to_owned(), code: Code::Damaged, source: Box::new(source) }
    }

    pub(crate) fn read<S: ObjectStore>(what: &str, error: ReadError<S::Error>) -> Self
    where
        S::Error: std::error::Error + Send + Sync + 'static,
    {
        let code = match &error {
            ReadError::Source(error) => S::code(error),
            _ => Code::Damaged,
        };
        Self::Read { what: what.to_owned(), code, source: Box::new(error) }
    }
}

impl From<Malformed> for ViewError {
    fn from(error: Malformed) -> Self {
        Self::damaged("a record", error)
    }
}

impl From<KeyError> for ViewError {
    fn from(error: KeyError) -> Self {
        Self::damaged("a record", error)
    }
}

impl From<BlobError> for ViewError {
    fn from(error: BlobError) -> Self {
        Self::damaged("a blob", error)
    }
}

/// A snapshot opened for reading.
pub struct SnapshotView<'a, S> {
    store: &'a S,
    ids: &'a IdFunctions,
    body: &'a ManifestBody,
    schemas: BTreeMap<String, ClassSchema>,
}

impl<'a, S: ObjectStore> SnapshotView<'a, S>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    /// Opens a snapshot whose manifest's body is at hand.
    pub fn new(store: &'a S, ids: &'a IdFunctions, body: &'a ManifestBody) -> Result<Self, ViewError> {
        let content =
            Self::fetch(store, ids, body.schemas, BlobLength::AtMost(SCHEMAS_BYTES_MAX), "the class schemas")?;
        let schemas: Vec<ClassSchema> =
            serde_json::from_slice(&content).map_err(|error| ViewError::damaged("the class schemas", error))?;
        for schema in &schemas {
            schema.validate().map_err(|error| ViewError::damaged("the class schemas", error))?;
        }
        let schemas: BTreeMap<String, ClassSchema> =
            schemas.into_iter().map(|schema| (schema.name.clone(), schema)).collect();
        if let Some(entry) = body.classes.iter().find(|entry| entry.captured && !schemas.contains_key(&entry.name)) {
            return Err(ViewError::damaged(&entry.name, Malformed::new("class without a schema")));
        }
        Ok(Self { store, ids, body, schemas })
    }

    /// The manifest's body.
    pub const fn body(&self) -> &ManifestBody {
        self.body
    }

    /// The id functions of the source.
    pub const fn ids(&self) -> &'a IdFunctions {
        self.ids
    }

    /// Where parts come from.
    pub const fn store(&self) -> &'a S {
        self.store
    }

    /// All classes that were captured, in the order of the manifest.
    pub fn classes(&self) -> impl Iterator<Item = ClassView<'_, S>> {
        self.body.classes.iter().filter(|entry| entry.captured).filter_map(|entry| {
            let schema = self.schemas.get(&entry.name)?;
            Some(ClassView::new(self.store, self.ids, entry, schema))
        })
    }

    /// The class with a name; in SQL the schema may be left out where that is unique.
    pub fn class(&self, name: &str) -> Result<ClassView<'_, S>, ViewError> {
        if let Some(class) = self.classes().find(|class| class.name() == name) {
            return Ok(class);
        }
        let suffix = format!(".{name}");
        let mut fitting: Vec<_> = self.classes().filter(|class| class.name().ends_with(&suffix)).collect();
        match (fitting.pop(), fitting.is_empty()) {
            (Some(class), true) => Ok(class),
            (Some(class), false) => {
                let mut candidates: Vec<_> = fitting.iter().map(|other| other.name().to_owned()).collect();
                candidates.push(class.name().to_owned());
                candidates.sort();
                Err(ViewError::AmbiguousClass { name: name.to_owned(), candidates })
            }
            (None, _) => Err(self.left_out_or_unknown(name)),
        }
    }

    /// Whether the source has a class that the snapshot left out.
    pub fn leaves_out(&self, class: &str) -> bool {
        self.body.classes.iter().any(|entry| entry.name == class && !entry.captured)
    }

    fn left_out_or_unknown(&self, name: &str) -> ViewError {
        let suffix = format!(".{name}");
        let mut left_out = self.body.classes.iter().filter(|entry| !entry.captured);
        match left_out.find(|entry| entry.name == name || entry.name.ends_with(&suffix)) {
            Some(entry) => ViewError::LeftOut {
                name: entry.name.clone(),
                reason: entry.reason.clone().unwrap_or_else(|| "no reason was noted".to_owned()),
            },
            None => ViewError::NoClass { name: name.to_owned(), close: self.close_names(name) },
        }
    }

    /// The native blobs.
    pub fn native_blobs(&self) -> Result<Vec<NativeBlob>, ViewError> {
        self.body
            .blobs
            .iter()
            .map(|blob| {
                let content = self.blob(blob)?;
                Ok(NativeBlob { role: blob.role.clone(), content })
            })
            .collect()
    }

    /// One blob's content, as long as the manifest says.
    pub fn blob(&self, blob: &BlobEntry) -> Result<Vec<u8>, ViewError> {
        Self::fetch(self.store, self.ids, blob.id, BlobLength::Exactly(blob.bytes), &blob.role)
    }

    fn fetch(store: &S, ids: &IdFunctions, id: BlobId, expected: BlobLength, what: &str) -> Result<Vec<u8>, ViewError> {
        store.blob(ids, id, expected).map_err(|error| ViewError::Read {
            what: what.to_owned(),
            code: S::code(&error),
            source: Box::new(error),
        })
    }

    fn close_names(&self, name: &str) -> Vec<String> {
        let wanted = name.rsplit('.').next().unwrap_or(name).to_lowercase();
        let names = self.body.classes.iter().map(|class| &class.name);
        let close = names.filter(|known| {
            let known = known.to_lowercase();
            known.contains(&wanted) || wanted.contains(known.rsplit('.').next().unwrap_or(&known))
        });
        close.take(5).cloned().collect()
    }
}
