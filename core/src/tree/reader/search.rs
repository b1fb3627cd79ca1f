//! The search for one part among the forms that lie under its short name.
//!
//! Owns the bounds of a search. It walks depth first: a form is opened, then the base that it names is searched in the
//! same way, and whatever comes of it is handed up and given up before the next form is opened.
//!
//! ```text
//!   id ──► places ──► form ── full ─────────────────────────────► part ──► its id? ──► found
//!                       └─── delta ──► places of its base ──► … ──► part ──apply──┘
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use crate::codec::Reader;
use crate::digest::IdFunctions;
use crate::id::{Hint, LeafId};
use crate::limits::{CHAIN_FORMS_MAX, FRAME_BYTES_TARGET, PART_FORMS_MAX, PART_OPENED_BYTES_MAX};
use crate::record::KeyError;

use super::{Form, PartSource, ReadError};
use crate::tree::delta::{DeltaHead, apply_delta};
use crate::tree::leaf::{Leaf, LeafContext};
use crate::tree::lineage::base_generation;
use crate::tree::node::Node;
use crate::tree::params::PartId;

/// A kind of part that has forms.
pub(super) trait Part: Sized {
    /// Whether it is a node above the leaves.
    const INNER: bool;
    /// The word for it.
    const WORD: &'static str;

    fn of_full(context: &LeafContext, body: &[u8]) -> Result<Self, KeyError>;
    fn of_delta(context: &LeafContext, base: &Self, body: &[u8]) -> Result<Self, KeyError>;
    fn part_id(&self, ids: &IdFunctions) -> PartId;
    /// One that is at hand and has this short name.
    fn at_hand(recent: &VecDeque<(LeafId, Arc<Leaf>)>, hint: Hint) -> Option<Arc<Self>>;
}

impl Part for Leaf {
    const INNER: bool = false;
    const WORD: &'static str = "leaf";

    fn of_full(context: &LeafContext, body: &[u8]) -> Result<Self, KeyError> {
        Self::read_full(context, body)
    }

    fn of_delta(context: &LeafContext, base: &Self, body: &[u8]) -> Result<Self, KeyError> {
        apply_delta(context, base, body)
    }

    fn part_id(&self, ids: &IdFunctions) -> PartId {
        self.id(ids).into()
    }

    fn at_hand(recent: &VecDeque<(LeafId, Arc<Self>)>, hint: Hint) -> Option<Arc<Self>> {
        let found = recent.iter().find(|(id, _)| PartId::from(*id).hint() == hint);
        found.map(|(_, leaf)| Arc::clone(leaf))
    }
}

impl Part for Node {
    const INNER: bool = true;
    const WORD: &'static str = "node";

    fn of_full(_: &LeafContext, body: &[u8]) -> Result<Self, KeyError> {
        Ok(Self::read_full(body)?)
    }

    fn of_delta(_: &LeafContext, base: &Self, body: &[u8]) -> Result<Self, KeyError> {
        Ok(Self::apply_delta(base, body)?)
    }

    fn part_id(&self, ids: &IdFunctions) -> PartId {
        self.id(ids).into()
    }

    fn at_hand(_: &VecDeque<(LeafId, Arc<Leaf>)>, _: Hint) -> Option<Arc<Self>> {
        None
    }
}

/// Takes a part that a form yields. True ends the search; otherwise the part is given up, and the next form is tried.
type Visit<'v, E, P> = &'v mut dyn FnMut(&mut Bounds<E>, Arc<P>) -> bool;

/// The search for one part.
pub(super) struct Search<'s, S: PartSource> {
    source: &'s S,
    context: &'s LeafContext,
    recent: &'s VecDeque<(LeafId, Arc<Leaf>)>,
}

/// What a search has used up, and why nothing was found so far.
struct Bounds<E> {
    reason: String,
    failed: Option<E>,
    applied: usize,
    opened_bytes: u64,
}

impl<'s, S: PartSource> Search<'s, S> {
    pub(super) const fn new(
        source: &'s S,
        context: &'s LeafContext,
        recent: &'s VecDeque<(LeafId, Arc<Leaf>)>,
    ) -> Self {
        Self { source, context, recent }
    }

    /// The part with an id. A form that can't be had does not keep the next one from being tried; its error is given
    /// if none yields the part.
    pub(super) fn part<P: Part>(&self, id: PartId) -> Result<Arc<P>, ReadError<S::Error>> {
        let mut bounds = Bounds { reason: "there is none".to_owned(), failed: None, applied: 0, opened_bytes: 0 };
        let mut found = None;
        let mut check = |bounds: &mut Bounds<S::Error>, part: Arc<P>| {
            if part.part_id(&self.context.ids) == id {
                found = Some(part);
                return true;
            }
            format!("another {} has the same short name", P::WORD).clone_into(&mut bounds.reason);
            false
        };
        self.under(id.hint(), None, 0, &mut bounds, &mut check);
        match (found, bounds.failed) {
            (Some(part), _) => Ok(part),
            (None, Some(error)) => Err(ReadError::Source(error)),
            (None, None) => {
                let id = LeafId(id.0).to_string();
                Err(ReadError::Missing { kind: P::WORD, id, reason: bounds.reason })
            }
        }
    }

    /// Visits what the forms under a short name yield: all of them, or as a base those of one generation and full ones.
    fn under<P: Part>(
        &self,
        hint: Hint,
        generation: Option<u32>,
        depth: usize,
        bounds: &mut Bounds<S::Error>,
        visit: Visit<'_, S::Error, P>,
    ) -> bool {
        match self.source.places(hint, P::INNER) {
            Ok(places) => places.iter().any(|place| self.at(place, generation, depth, bounds, visit)),
            Err(error) => {
                bounds.failed.get_or_insert(error);
                false
            }
        }
    }

    /// Visits what the form at a place yields.
    fn at<P: Part>(
        &self,
        place: &S::Place,
        generation: Option<u32>,
        depth: usize,
        bounds: &mut Bounds<S::Error>,
        visit: Visit<'_, S::Error, P>,
    ) -> bool {
        let Some(form) = self.open::<P>(place, bounds) else { return false };
        if !form.delta {
            let Some(part) = bounds.keep(P::of_full(self.context, &form.body)) else { return false };
            drop(form);
            return visit(bounds, part);
        }
        let Some(head) = bounds.head_of(&form, depth) else { return false };
        let Some(below) = base_generation(head.generation) else { return false };
        if generation.is_some_and(|wanted| wanted != head.generation) {
            return false;
        }
        // A form of the usual size waits for its base; a large one is opened again, since a chain may have many.
        let mut waiting = Some(form).filter(|form| form.body.len() <= FRAME_BYTES_TARGET);
        let mut apply = |bounds: &mut Bounds<S::Error>, base: Arc<P>| {
            let Some(form) = waiting.take().or_else(|| self.open::<P>(place, bounds)) else { return false };
            let part = bounds.keep(P::of_delta(self.context, &base, &form.body));
            drop(base);
            waiting = Some(form).filter(|form| form.body.len() <= FRAME_BYTES_TARGET);
            part.is_some_and(|part| visit(bounds, part))
        };
        if let Some(base) = P::at_hand(self.recent, head.base)
            && apply(bounds, base)
        {
            return true;
        }
        self.under(head.base, Some(below), depth + 1, bounds, &mut apply)
    }

    /// Opens the form at a place, within what one search may open.
    fn open<P: Part>(&self, place: &S::Place, bounds: &mut Bounds<S::Error>) -> Option<Form> {
        if bounds.opened_bytes >= PART_OPENED_BYTES_MAX || bounds.applied >= PART_FORMS_MAX {
            "too many forms lie under its short name".clone_into(&mut bounds.reason);
            return None;
        }
        match self.source.form(place, P::INNER) {
            Ok(form) => {
                let opened = form.as_ref().map_or(0, |form| form.body.len()).max(FRAME_BYTES_TARGET);
                bounds.opened_bytes += opened as u64;
                form
            }
            Err(error) => {
                bounds.opened_bytes += FRAME_BYTES_TARGET as u64;
                bounds.failed.get_or_insert(error);
                None
            }
        }
    }
}

impl<E> Bounds<E> {
    fn keep<P>(&mut self, part: Result<P, KeyError>) -> Option<Arc<P>> {
        self.applied += 1;
        part.map(Arc::new).map_err(|error| self.reason = error.to_string()).ok()
    }

    /// A delta's head, unless its chain has grown too long.
    fn head_of(&mut self, form: &Form, depth: usize) -> Option<DeltaHead> {
        if depth >= CHAIN_FORMS_MAX {
            "its chain of deltas is too long".clone_into(&mut self.reason);
            return None;
        }
        let head = DeltaHead::read(&mut Reader::new(&form.body, "delta form"));
        head.map_err(|error| self.reason = error.to_string()).ok()
    }
}
