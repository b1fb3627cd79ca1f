//! References that lead nowhere, within one snapshot.
//!
//! Values are compared by what they say, whatever form they are held in. A source may well hold such references (a
//! constraint that is not enforced), so they are worth a warning and no more. References to classes that were not
//! captured can't be judged.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use strongroom_agent::capture::Progress;
use strongroom_agent::view::{ClassView, FieldValue, SnapshotView, ViewError, field_values};
use strongroom_core::manifest::VerifiedManifest;
use strongroom_core::record::{ClassSchema, Reference};

use crate::failure::{Attempt as _, Failure};
use crate::room::custodian::Custodian;
use crate::room::manifests::Manifests;
use crate::room::store::DepotStore;

/// The columns of a class whose values others refer to.
type Referred = (String, Vec<String>);

/// Counts the references of a snapshot that lead nowhere, by class and reference; those without are left out.
pub(super) fn broken(
    custodian: &Custodian,
    manifests: &Manifests,
    manifest: &VerifiedManifest,
    progress: &Arc<Progress>,
) -> Result<Vec<(String, u64)>, Failure> {
    let mut snapshot = custodian.snapshot(manifests, manifest)?;
    snapshot.store.heed(Arc::clone(progress));
    let view = snapshot.view()?;
    count(&view).attempt(|| format!("can't check the references of snapshot {}", manifest.head().snapshot))
}

fn count(view: &SnapshotView<'_, DepotStore>) -> Result<Vec<(String, u64)>, ViewError> {
    let hasher = RandomState::new();
    let mut values: BTreeMap<Referred, HashSet<u64>> = BTreeMap::new();
    let mut broken = Vec::new();
    for class in view.classes() {
        for reference in &class.schema().references {
            let Some(target) = view.classes().find(|other| other.name() == reference.class) else { continue };
            let referred = (reference.class.clone(), reference.target_columns.clone());
            let known = match values.entry(referred) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    let names: Vec<&str> = reference.target_columns.iter().map(String::as_str).collect();
                    let mut known = HashSet::new();
                    for_each_tuple(&target, &names, |tuple| {
                        known.insert(hasher.hash_one(tuple));
                    })?;
                    entry.insert(known)
                }
            };
            let mut missing = 0;
            let names = referring_columns(class.schema(), reference);
            for_each_tuple(&class, &names, |tuple| missing += u64::from(!known.contains(&hasher.hash_one(tuple))))?;
            if missing > 0 {
                broken.push((format!("{}, {}", class.name(), reference.name), missing));
            }
        }
    }
    Ok(broken)
}

fn referring_columns<'s>(schema: &'s ClassSchema, reference: &Reference) -> Vec<&'s str> {
    reference.columns.iter().filter_map(|id| schema.column(*id)).map(|column| column.name.as_str()).collect()
}

/// Gives the values of some columns, record by record; records with NULL among them refer to nothing.
fn for_each_tuple(
    class: &ClassView<'_, DepotStore>,
    names: &[&str],
    mut visit: impl FnMut(&[String]),
) -> Result<(), ViewError> {
    class.for_each_leaf(|leaf| {
        for at in 0..leaf.len() {
            let record = leaf.record(at);
            let large = class.large_values(record)?;
            let fields = field_values(class.schema(), record, &large)?;
            let value = |name: &&str| fields.iter().find(|(known, _)| known == name).and_then(|(_, value)| said(value));
            if let Some(tuple) = names.iter().map(value).collect::<Option<Vec<String>>>() {
                visit(&tuple);
            }
        }
        Ok(())
    })
}

/// What a value says, whatever its storage class: `5`, `5.0` and `'5'` are one key to an engine that converts them.
fn said(value: &FieldValue) -> Option<String> {
    match value {
        FieldValue::Null => None,
        FieldValue::Real(number) if number.fract() == 0.0 && number.abs() < 1e15 => Some(format!("{number:.0}")),
        FieldValue::Real(number) => Some(format!("{number:?}")),
        FieldValue::Integer(number) => Some(number.to_string()),
        FieldValue::Text(text) => Some(text.clone()),
        FieldValue::Bytes(bytes) => Some(hex::encode(bytes)),
    }
}
