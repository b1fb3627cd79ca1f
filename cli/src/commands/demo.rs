//! `demo`: the whole story on a sample CMDB, in a folder that is gone afterwards.
//!
//! ```text
//!   sample ─► init, backup ─► a day of changes ─► backup ─► diff, history ─► damage ─► drift ─► restore ─► proof
//! ```
//!
//! Every step is an ordinary command, run as an operator would run it. The demonstration fails unless the restored
//! system is shown to be what was backed up: by the restore's verdict, by a comparison of the live system with the
//! snapshot, and by a backup of the restored system that has the roots of the one before the damage.

mod cluster;
mod cmdb;
mod story;

use std::path::{Path, PathBuf};

use strongroom_agent::sample::SampleCounts;
use strongroom_core::error::Code;

use crate::app::App;
use crate::args::Demo;
use crate::failure::{Attempt as _, Exit, Failure};
use cmdb::{Cmdb, PostgresCmdb, SqliteCmdb};
use story::{Summary, Teller};

/// Everything in the sample is a function of this.
const SEED: u64 = 20_261_122;
/// The name of the source.
const NAME: &str = "cmdb";

/// A folder for the demonstration: gone at the end, unless it is to be kept.
enum Folder {
    Temporary(tempfile::TempDir),
    Kept(PathBuf),
}

impl Folder {
    fn new(keep: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = keep else {
            let made = tempfile::Builder::new().prefix("strongroom-demo-").tempdir();
            return made.map(Self::Temporary).attempt(|| "can't make a folder for the demonstration");
        };
        let path = std::path::absolute(path).attempt(|| format!("{} can't be a folder", path.display()))?;
        if path.exists() {
            return Err(Failure::new(Code::RoomExists, format!("{} is there already", path.display()))
                .advise("Choose a folder that does not exist yet."));
        }
        std::fs::create_dir_all(&path).attempt(|| format!("can't make the folder {}", path.display()))?;
        Ok(Self::Kept(path))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Kept(path) => path,
        }
    }
}

/// Runs the demonstration.
pub(super) fn run(options: &Demo, app: &App) -> Result<Exit, Failure> {
    let folder = Folder::new(options.keep.as_deref())?;
    let mut cmdb: Box<dyn Cmdb> = if options.postgres {
        Box::new(PostgresCmdb::start(folder.path(), app)?)
    } else {
        Box::new(SqliteCmdb::new(folder.path()))
    };
    let mut teller = Teller::new(app, folder.path().join("room"));
    let summary = tell(&mut teller, cmdb.as_mut())?;
    teller.end(&summary, matches!(folder, Folder::Kept(_)).then_some(folder.path()));
    if summary.proven {
        return Ok(Exit::Done);
    }
    app.output.found(&Failure::new(Code::VerdictFailed, "the demonstration did not prove what it was to prove"));
    Ok(Exit::Found(Code::VerdictFailed))
}

fn tell(teller: &mut Teller<'_>, cmdb: &mut dyn Cmdb) -> Result<Summary, Failure> {
    teller.chapter("A CMDB to protect");
    let counts = cmdb.make()?;
    let database_bytes = cmdb.bytes()?;
    teller.say(&format!(
        "{}: {} configuration items, {} relations, {} entries of history; {}.",
        cmdb.describe(),
        number(counts.items),
        number(counts.relations),
        number(counts.history),
        crate::render::text::size(database_bytes)
    ));

    teller.chapter("A room, and the first backup");
    teller.command(&["init"])?;
    teller.command(&["source", "add", NAME, &cmdb.url()])?;
    teller.command(&["backup", NAME, "--tag", "first"])?;
    let first = teller.newest()?;

    teller.chapter("A day goes by");
    let changed = cmdb.day(counts.items / 100)?;
    teller.say(&format!("{} items were changed, chosen at random; triggers wrote their history.", number(changed)));
    teller.command(&["backup", NAME, "--tag", "evening"])?;
    let second = teller.newest()?;
    teller.say("Only what changed was stored. A dump would have been written again as a whole.");

    teller.chapter("What changed, and the history of one item");
    teller.command(&["diff", &first.id, &second.id])?;
    let item = teller.changed_item(&first.id, &second.id)?;
    teller.command(&["find", &format!("{NAME}@latest"), &item, "--history"])?;

    teller.chapter("An accident");
    let damage = cmdb.damage()?;
    teller.say(&damage);
    teller.command(&["drift", NAME])?;
    let damaged = !teller.drift_is_equal(NAME)?;

    teller.chapter("Restore, over the damaged one");
    let restored = teller.command(&["restore", &second.id, "--to", &cmdb.url(), "--over", "--yes"])?;

    teller.chapter("Proof");
    teller.command(&["drift", NAME])?;
    let equal = teller.drift_is_equal(NAME)?;
    teller.command(&["backup", NAME, "--tag", "after-restore"])?;
    let third = teller.newest()?;
    let roots_equal = third.class_roots == second.class_roots;
    let verified = teller.command(&["verify"])?;
    teller.say(&format!(
        "  class roots before the accident and after the restore: {}",
        if roots_equal { "equal" } else { "DIFFERENT" }
    ));

    Ok(Summary {
        items: counts.items,
        relations: counts.relations,
        history: counts.history,
        database_bytes,
        first_backup_bytes: first.bytes_stored,
        changed_items: changed,
        day_backup_bytes: second.bytes_stored,
        damaged,
        root_equal: roots_equal,
        proven: damaged && restored == Exit::Done && equal && roots_equal && verified == Exit::Done,
        duration_ms: 0,
    })
}

fn number(count: u64) -> String {
    crate::render::text::count(count)
}

/// Says whether the sample is as large as it is said to be.
fn check_counts(counts: SampleCounts) -> Result<SampleCounts, Failure> {
    if counts.items == 0 {
        return Err(Failure::new(Code::Internal, "the sample CMDB is empty"));
    }
    Ok(counts)
}
