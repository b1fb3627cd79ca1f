//! Sweeps: what happens to the same columns of nearly every record of a leaf.
//!
//! A column that was dropped, one that was added with a constant default, a date that an application sets in all rows:
//! each is one operation on the whole base, and what is left to say of single records is how they differ from that.
//! Only classes with keys have sweeps; in a keyless class a changed record is another record.

use std::borrow::Cow;
use std::cmp::Reverse;

use crate::codec::Malformed;
use crate::record::{Cell, Cells, ColumnId, KeyError};

use super::Pair;
use super::operations::{self, Change, Operation};
use crate::tree::leaf::{Assembly, Leaf, LeafContext};

/// Records that are looked at for columns which may have changed everywhere.
const SAMPLES: usize = 3;

/// Finds the operations that, done to all of the base, leave less to say of single records. `both` are the records that
/// the base and the leaf have.
pub(super) fn find<'a>(
    context: &LeafContext,
    base: &Leaf,
    leaf: &'a Leaf,
    both: &[Pair],
) -> Result<Vec<Operation<'a>>, Malformed> {
    let differs = |pair: &&Pair| base.digest(pair.0) != leaf.digest(pair.1);
    let changed: Vec<Pair> = both.iter().filter(differs).copied().collect();
    let alike = both.len() - changed.len();
    if changed.len() <= alike.max(1) || context.key_plan.is_none() {
        return Ok(Vec::new());
    }
    let mut votes = candidates(base, leaf, &changed)?;
    for (old, new) in &changed {
        let (mut was, mut is) = (Walk::new(base.record(*old))?, Walk::new(leaf.record(*new))?);
        for vote in &mut votes {
            let column = vote.operation.column;
            vote.count(was.at(column)?, is.at(column)?);
        }
    }
    votes.retain(|vote| vote.helped > 1 && vote.helped > 2 * (vote.hurt + alike));
    votes.sort_by_key(|vote| (vote.operation.column, Reverse(vote.helped)));
    votes.dedup_by_key(|vote| vote.operation.column);
    Ok(votes.into_iter().map(|vote| vote.operation).collect())
}

/// Does the operations to every record of the base.
pub(super) fn apply<'a>(
    context: &LeafContext,
    operations: &[Operation<'_>],
    base: &'a Leaf,
) -> Result<Cow<'a, Leaf>, KeyError> {
    if operations.is_empty() {
        return Ok(Cow::Borrowed(base));
    }
    if context.key_plan.is_none() {
        return Err(Malformed::new("delta leaf: a sweep without keys").into());
    }
    let mut swept = Assembly::new(context, 0, base.room_alike());
    for at in 0..base.len() {
        swept.push_new(&operations::apply(operations, base.record(at))?)?;
    }
    Ok(Cow::Owned(swept.finish()?))
}

/// What became of the columns in which some of the changed records differ, ascending by column.
fn candidates<'a>(base: &Leaf, leaf: &'a Leaf, changed: &[Pair]) -> Result<Vec<Vote<'a>>, Malformed> {
    let mut votes: Vec<Vote<'a>> = Vec::new();
    let mut found = Vec::new();
    for (old, new) in changed.iter().step_by(changed.len().div_ceil(SAMPLES)) {
        operations::between(base.record(*old), leaf.record(*new), &mut found)?;
        let mut is = Walk::new(leaf.record(*new))?;
        for Operation { column, .. } in &found {
            let change = is.at(*column)?.map_or(Change::Unset, |cell| Change::Set(cell.kind, cell.bytes));
            let operation = Operation { column: *column, change };
            if votes.iter().all(|vote| vote.operation != operation) {
                votes.push(Vote { operation, helped: 0, hurt: 0 });
            }
        }
    }
    votes.sort_by_key(|vote| vote.operation.column);
    Ok(votes)
}

/// How many records an operation would make right, and how many it would make wrong.
struct Vote<'a> {
    operation: Operation<'a>,
    helped: usize,
    hurt: usize,
}

impl Vote<'_> {
    fn count(&mut self, was: Option<Cell<'_>>, is: Option<Cell<'_>>) {
        let right = match self.operation.change {
            Change::Set(kind, bytes) => is.is_some_and(|cell| cell.kind == kind && cell.bytes == bytes),
            _ => is.is_none(),
        };
        self.helped += usize::from(right && was != is);
        self.hurt += usize::from(!right && was == is);
    }
}

/// The cells of a record, asked for in ascending order of their columns.
struct Walk<'a> {
    cells: Cells<'a>,
    waiting: Option<Cell<'a>>,
}

impl<'a> Walk<'a> {
    fn new(record: &'a [u8]) -> Result<Self, Malformed> {
        let mut cells = Cells::new(record);
        let waiting = cells.next_cell()?;
        Ok(Self { cells, waiting })
    }

    fn at(&mut self, column: ColumnId) -> Result<Option<Cell<'a>>, Malformed> {
        while self.waiting.is_some_and(|cell| cell.column < column) {
            self.waiting = self.cells.next_cell()?;
        }
        Ok(self.waiting.filter(|cell| cell.column == column))
    }
}
