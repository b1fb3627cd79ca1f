//! What differs between two snapshots of one source, class by class.

use strongroom_core::id::Hint;
use strongroom_core::tree::diff::{Change, diff_leaves, differing_leaves};
use strongroom_core::tree::reader::{Form, PartSource, TreeReader};

use super::{ClassView, ObjectStore, SnapshotView, ViewError};

/// How one record differs, by the text of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordChange {
    /// Only in the later snapshot.
    Added,
    /// Only in the earlier snapshot.
    Removed,
    /// In both, with other contents.
    Changed,
}

/// What differs in one class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassDifference {
    /// The class.
    pub class: String,
    /// Records only in the later snapshot.
    pub added: u64,
    /// Records only in the earlier one.
    pub removed: u64,
    /// Records in both, with other contents.
    pub changed: u64,
    /// Whether the schemas differ.
    pub schema_changed: bool,
}

/// Gets each differing record: class name, kind, record before and after.
pub type RecordVisit<'v> = dyn FnMut(&str, RecordChange, Option<&[u8]>, Option<&[u8]>) + 'v;

/// Compares two snapshots.
pub fn compare<S: ObjectStore>(
    before: &SnapshotView<'_, S>,
    after: &SnapshotView<'_, S>,
    only: Option<&str>,
    visit: &mut RecordVisit<'_>,
) -> Result<Vec<ClassDifference>, ViewError>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    let mut names: Vec<&str> = before.classes().chain(after.classes()).map(|class| class.name()).collect();
    names.sort_unstable();
    names.dedup();
    if let Some(only) = only {
        names.retain(|name| *name == only);
    }
    let mut differences = Vec::new();
    for name in names {
        let old = before.classes().find(|class| class.name() == name);
        let new = after.classes().find(|class| class.name() == name);
        let same = old.as_ref().map(|class| class.entry().root) == new.as_ref().map(|class| class.entry().root);
        if same {
            continue;
        }
        differences.push(compare_class(name, old.as_ref(), new.as_ref(), visit)?);
    }
    Ok(differences)
}

/// The forms of two snapshots: those of the first, or where it has none of a name, those of the second. What the later
/// snapshot needs is nearly all that the earlier one does.
struct Either<'a, S> {
    first: &'a S,
    second: &'a S,
}

impl<S: PartSource> PartSource for Either<'_, S> {
    type Error = S::Error;

    fn forms(&self, hint: Hint, inner: bool) -> Result<Vec<Form>, S::Error> {
        let forms = self.first.forms(hint, inner)?;
        if forms.is_empty() { self.second.forms(hint, inner) } else { Ok(forms) }
    }
}

fn compare_class<S: ObjectStore>(
    name: &str,
    old: Option<&ClassView<'_, S>>,
    new: Option<&ClassView<'_, S>>,
    visit: &mut RecordVisit<'_>,
) -> Result<ClassDifference, ViewError>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    let Some(any) = new.or(old) else {
        return Err(ViewError::NoClass { name: name.to_owned(), close: Vec::new() });
    };
    if let (Some(old), Some(new)) = (old, new)
        && (old.params() != new.params() || old.schema().key != new.schema().key)
        && old.entry().top.is_some()
        && new.entry().top.is_some()
    {
        return Err(ViewError::OtherLine { class: name.to_owned() });
    }
    let old_top = old.map(ClassView::top).transpose()?.flatten();
    let new_top = new.map(ClassView::top).transpose()?.flatten();
    // Key and id functions are the same on both sides, so one reader does for both; an empty side is never read.
    let keyed_as = old.filter(|_| old_top.is_some()).unwrap_or(any);
    let both = Either { first: new.unwrap_or(any).store(), second: old.unwrap_or(any).store() };
    let mut reader = TreeReader::new(&both, keyed_as.context());
    let failed = |error| ViewError::read::<S>(name, error);
    let leaves = differing_leaves(&reader, old_top, new_top).map_err(failed)?;
    let mut difference = ClassDifference {
        class: name.to_owned(),
        added: 0,
        removed: 0,
        changed: 0,
        schema_changed: old.map(|class| class.entry().schema_digest) != new.map(|class| class.entry().schema_digest),
    };
    let mut count = |_: &[u8], change: Change<'_>| match change {
        Change::Added(record) => {
            difference.added += 1;
            visit(name, RecordChange::Added, None, Some(record));
        }
        Change::Removed(record) => {
            difference.removed += 1;
            visit(name, RecordChange::Removed, Some(record), None);
        }
        Change::Changed(before, after) => {
            difference.changed += 1;
            visit(name, RecordChange::Changed, Some(before), Some(after));
        }
    };
    diff_leaves(&mut reader, &leaves, &mut count).map_err(failed)?;
    Ok(difference)
}
