//! Profiles: what is known of one product, as data, and what follows from it for the classes of one source.
//!
//! Everything here is pure: a profile comes as an already parsed document, a source as the schemas of its classes.
//! Nothing is left out of a capture unless a rule says so by name or pattern, and a class that a kept class refers to by
//! a declared key is always kept.
//!
//! ```text
//!  document ──► Profile ──check──► usable      schemas ──► fit ──► Scope ─┐
//!                  └──────────────────────────────────────────────────────┴─► Selection: per class its facts, and
//!                                                                             whether it is kept, and why
//! ```

mod check;
mod facts;
mod fit;
mod model;
mod pattern;
mod select;
mod span;

pub use check::ProfileFault;
pub use facts::ClassFacts;
pub use fit::Scope;
pub use model::{ClassRule, ExternalSecret, Integration, Profile, Recognition, RestoreStep, Role, Tier, VersionTable};
pub use pattern::{is_pattern, unqualified};
pub use select::{Fate, Selected, Selection};
pub use span::Span;
