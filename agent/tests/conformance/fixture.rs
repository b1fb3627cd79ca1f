//! What a system must offer so that its source can be put to the test.

use strongroom_agent::source::Source;
use strongroom_agent::target::Target;

/// Records that [`Fixture::fill`] makes.
pub(crate) const FILLED: u64 = 4000;

/// A system with nothing in it yet, of the test's own.
pub(crate) trait Fixture: Sync {
    /// The source, reading in parts as small as it can.
    fn source(&self) -> Box<dyn Source>;

    /// Makes records of the ordinary kind, [`FILLED`] of them in the class that [`Fixture::filled`] names.
    fn fill(&self);

    /// The class that [`Fixture::fill`] fills.
    fn filled(&self) -> String;

    /// Makes whatever this kind of system is known to lose.
    fn make_odd_things(&self);

    /// Changes one record of the filled class.
    fn touch(&self);

    /// An empty place for a restore.
    fn target(&self) -> Box<dyn Target>;

    /// What the source holds, told without the source's own code.
    fn plain(&self) -> Vec<String>;

    /// The same of what was restored into [`Fixture::target`].
    fn plain_of_target(&self) -> Vec<String>;

    /// Something that differs once anybody has written to the system.
    fn trace_of_writes(&self) -> String;

    /// Whether nobody's locks would keep an owner from anything.
    fn is_free(&self) -> bool;
}

/// A system of tables, which speaks SQL.
pub(crate) trait TableFixture: Fixture {
    /// Runs statements, each of which may span several lines.
    fn run(&self, sql: &str);

    /// Runs statements if they need wait for nobody; says whether they took effect.
    fn try_now(&self, sql: &str) -> bool;

    /// What the source calls a table.
    fn class(&self, table: &str) -> String;

    /// The type of columns that hold bytes, and such a value, written in SQL.
    fn bytes(&self, value: &[u8]) -> (&'static str, String);
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
