//! `ls`: the classes of a snapshot, or the records of a class.

use serde::Serialize;
use strongroom_agent::view::{ClassView, ViewError};
use strongroom_core::id::{RecordDigest, SnapshotId};
use strongroom_depot::store::DepotStore;

use super::find::class_failure;
use super::shapes::{Fields, key_of, shown_value};
use crate::app::App;
use crate::args::Ls;
use crate::failure::{Attempt as _, Exit, Failure};
use crate::render::json::Schema;
use crate::render::table::Table;
use crate::render::text;
use crate::room::custodian::Custodian;

/// Fields that a line for people shows.
const FIELDS_SHOWN: usize = 6;

#[derive(Serialize)]
struct Listing {
    snapshot: SnapshotId,
    #[serde(skip_serializing_if = "Option::is_none")]
    classes: Option<Vec<ListedClass>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<Vec<ListedRecord>>,
    truncated: bool,
}

#[derive(Serialize)]
struct ListedClass {
    class: String,
    records: u64,
    captured: bool,
}

#[derive(Serialize)]
struct ListedRecord {
    key: Option<String>,
    digest: Option<RecordDigest>,
    fields: Fields,
}

/// Why a walk ended before the end.
enum Stop {
    Enough,
    Failed(ViewError),
}

impl From<ViewError> for Stop {
    fn from(error: ViewError) -> Self {
        Self::Failed(error)
    }
}

/// Lists classes or records.
pub(super) fn run(options: &Ls, app: &App) -> Result<Exit, Failure> {
    let room = app.room()?;
    let manifests = room.manifests()?;
    let manifest = manifests.select(&options.snapshot)?;
    let custodian = Custodian::open(&room, app)?;
    let snapshot = custodian.snapshot(&manifests, manifest)?;
    let mut listing =
        Listing { snapshot: manifest.head().snapshot, classes: None, class: None, records: None, truncated: false };
    match &options.class {
        None => {
            let listed = |entry: &strongroom_core::manifest::ClassEntry| ListedClass {
                class: entry.name.clone(),
                records: entry.records,
                captured: entry.captured,
            };
            let classes: Vec<_> = snapshot.body.classes.iter().map(listed).collect();
            let mut table = Table::new(&["class", "#records"]);
            for class in &classes {
                let records = if class.captured { text::count(class.records) } else { "not captured".to_owned() };
                table.row([class.class.clone(), records]);
            }
            app.output.table(&table);
            listing.classes = Some(classes);
        }
        Some(name) => {
            let view = snapshot.view()?;
            let class = class_failure(view.class(name))?;
            let (records, truncated) =
                records(&class, options.limit).attempt(|| format!("can't list {}", class.name()))?;
            for record in &records {
                app.output.result(line(record));
            }
            if truncated {
                app.output.note(format!("Only the first {} are shown; --limit 0 shows all.", options.limit));
            }
            listing.class = Some(class.name().to_owned());
            (listing.records, listing.truncated) = (Some(records), truncated);
        }
    }
    app.output.document(Schema::Listing, &listing);
    Ok(Exit::Done)
}

fn records(class: &ClassView<'_, DepotStore>, limit: u64) -> Result<(Vec<ListedRecord>, bool), ViewError> {
    let mut records = Vec::new();
    let walked = class.for_each_leaf(|leaf| {
        for at in 0..leaf.len() {
            if limit > 0 && records.len() as u64 == limit {
                return Err(Stop::Enough);
            }
            let record = leaf.record(at);
            let large = class.large_values(record)?;
            records.push(ListedRecord {
                key: key_of(class.schema(), record)?,
                digest: leaf.digest(at),
                fields: Fields::new(class.schema(), record, &large)?,
            });
        }
        Ok(())
    });
    match walked {
        Ok(()) => Ok((records, false)),
        Err(Stop::Enough) => Ok((records, true)),
        Err(Stop::Failed(error)) => Err(error),
    }
}

fn line(record: &ListedRecord) -> String {
    let field = |(name, value): (&str, &strongroom_agent::view::FieldValue)| {
        let value: String = shown_value(value).chars().take(40).collect();
        format!("{}={value}", text::shown(name))
    };
    let fields: Vec<String> = record.fields.iter().take(FIELDS_SHOWN).map(field).collect();
    format!("{}  {}", text::shown(record.key.as_deref().unwrap_or("(no key)")), fields.join(" "))
}
