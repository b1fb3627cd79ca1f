//! What differs between two snapshots of one source, class by class.

use strongroom_core::id::Hint;
use strongroom_core::tree::diff::{Change, Differing, Stretch, diff_stretch, differing_leaves};
use strongroom_core::tree::leaf::LeafContext;
use strongroom_core::tree::reader::{Form, PartSource, ReadError, TreeReader};

use super::side_by_side::in_order;
use super::{ClassView, ObjectStore, SnapshotView, ViewError};

/// Leaves that are compared in one go. What differs in them waits in memory for its turn.
const STRETCH_LEAVES: usize = 64;

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

/// Compares two snapshots, and shows each differing record to `visit` if there is one, by class and key.
pub fn compare<S: ObjectStore>(
    before: &SnapshotView<'_, S>,
    after: &SnapshotView<'_, S>,
    only: Option<&str>,
    mut visit: Option<&mut RecordVisit<'_>>,
) -> Result<Vec<ClassDifference>, ViewError>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    let is_comparable = |name: &&str| !before.leaves_out(name) && !after.leaves_out(name);
    let names = class_names(before, after).into_iter().filter(is_comparable);
    let names = names.filter(|name| only.is_none_or(|only| only == *name));
    let mut differences = Vec::new();
    for name in names {
        let old = before.classes().find(|class| class.name() == name);
        let new = after.classes().find(|class| class.name() == name);
        let same = old.as_ref().map(|class| class.entry().root) == new.as_ref().map(|class| class.entry().root);
        if same {
            continue;
        }
        differences.push(compare_class(name, old.as_ref(), new.as_ref(), visit.as_deref_mut())?);
    }
    Ok(differences)
}

/// Classes that only one of two snapshots has because the other left them out: nothing can be said of their records.
pub fn not_compared<S: ObjectStore>(before: &SnapshotView<'_, S>, after: &SnapshotView<'_, S>) -> Vec<String>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    let names = class_names(before, after).into_iter();
    names.filter(|name| before.leaves_out(name) || after.leaves_out(name)).map(str::to_owned).collect()
}

/// The classes that either snapshot has, in the order of their names.
fn class_names<'v, S: ObjectStore>(before: &'v SnapshotView<'_, S>, after: &'v SnapshotView<'_, S>) -> Vec<&'v str>
where
    S::Error: std::error::Error + Send + Sync + 'static,
{
    let mut names: Vec<&str> = before.classes().chain(after.classes()).map(|class| class.name()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The forms of two snapshots: those of the first, or where it has none of a name, those of the second. What the later
/// snapshot needs is nearly all that the earlier one does.
struct Either<'a, S> {
    first: &'a S,
    second: &'a S,
}

impl<S: PartSource> PartSource for Either<'_, S> {
    type Error = S::Error;
    type Place = (bool, S::Place);

    fn places(&self, hint: Hint, inner: bool) -> Result<Vec<Self::Place>, S::Error> {
        let of = |of_second: bool, places: Vec<S::Place>| places.into_iter().map(|place| (of_second, place)).collect();
        let first = self.first.places(hint, inner)?;
        Ok(if first.is_empty() { of(true, self.second.places(hint, inner)?) } else { of(false, first) })
    }

    fn form(&self, (of_second, place): &Self::Place, inner: bool) -> Result<Option<Form>, S::Error> {
        if *of_second { self.second.form(place, inner) } else { self.first.form(place, inner) }
    }
}

fn compare_class<S: ObjectStore>(
    name: &str,
    old: Option<&ClassView<'_, S>>,
    new: Option<&ClassView<'_, S>>,
    visit: Option<&mut RecordVisit<'_>>,
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
    let context = keyed_as.context();
    let leaves = differing_leaves(&TreeReader::new(&both, context.clone()), old_top, new_top);
    let counts = leaves.and_then(|leaves| changes(&both, &context, &leaves, name, visit));
    let (added, removed, changed) = counts.map_err(|error| ViewError::read::<S>(name, error))?;
    let schema_changed = old.map(|class| class.entry().schema_digest) != new.map(|class| class.entry().schema_digest);
    Ok(ClassDifference { class: name.to_owned(), added, removed, changed, schema_changed })
}

/// Compares what differs, stretch by stretch and side by side. Gives how many were added, removed and changed.
fn changes<S: PartSource + Sync>(
    source: &S,
    context: &LeafContext,
    leaves: &Differing,
    class: &str,
    mut visit: Option<&mut RecordVisit<'_>>,
) -> Result<(u64, u64, u64), ReadError<S::Error>>
where
    S::Error: Send,
{
    let is_shown = visit.is_some();
    let compare = || {
        let mut reader = TreeReader::new(source, context.clone());
        move |stretch: &Stretch<'_>| Changes::of(&mut reader, stretch, is_shown)
    };
    let mut sum = (0, 0, 0);
    in_order(&leaves.stretches(STRETCH_LEAVES), compare, |changes| {
        let Changes { added, removed, changed, records } = changes?;
        sum = (sum.0 + added, sum.1 + removed, sum.2 + changed);
        for (change, before, after) in &records {
            if let Some(visit) = &mut visit {
                visit(class, *change, before.as_deref(), after.as_deref());
            }
        }
        Ok(())
    })?;
    Ok(sum)
}

/// A record as it waits to be shown: kind, before and after.
type Shown = (RecordChange, Option<Vec<u8>>, Option<Vec<u8>>);

/// What differs in one stretch.
#[derive(Default)]
struct Changes {
    added: u64,
    removed: u64,
    changed: u64,
    records: Vec<Shown>,
}

impl Changes {
    fn of<S: PartSource>(
        reader: &mut TreeReader<'_, S>,
        stretch: &Stretch<'_>,
        keep: bool,
    ) -> Result<Self, ReadError<S::Error>> {
        let mut all = Self::default();
        diff_stretch(reader, stretch, &mut |change| {
            let (kind, before, after) = match change {
                Change::Added(after) => (RecordChange::Added, None, Some(after)),
                Change::Removed(before) => (RecordChange::Removed, Some(before), None),
                Change::Changed(before, after) => (RecordChange::Changed, Some(before), Some(after)),
            };
            *match kind {
                RecordChange::Added => &mut all.added,
                RecordChange::Removed => &mut all.removed,
                RecordChange::Changed => &mut all.changed,
            } += 1;
            if keep {
                all.records.push((kind, before.map(<[u8]>::to_vec), after.map(<[u8]>::to_vec)));
            }
        })?;
        Ok(all)
    }
}
