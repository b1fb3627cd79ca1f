//! A depot into which somebody has written who should not, and an operator with a gigabyte of address space.
//!
//! Owns the claim that neither a stolen agent nor the owner of the storage can make the program restore anything that
//! was not backed up, nor use memory without end: each run gives back what is right, or an error with its code.

#[path = "hostile/stolen.rs"]
mod stolen;

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use strongroom_core::frame::ObjectKind;
use strongroom_core::id::{BlobId, LeafId, ObjectId};
use strongroom_core::manifest::BlobEntry;
use strongroom_core::tree::lineage::base_generation;

use crate::copy_dir::copy_dir;
use crate::harness::{Place, Ran, files_below};
use crate::outcome::{Outcomes, side_by_side};
use crate::world::{DOMAIN, Installation, SOURCE};
use stolen::{Stolen, delta, frame, repeated};

/// A gigabyte, and one arena: threads reserve address space that they never use.
const BOUNDED: [&str; 4] =
    ["sh", "-c", "ulimit -v 1048576; export MALLOC_ARENA_MAX=1; exec timeout 120 \"$@\"", "bounded"];
const MIB: usize = 1 << 20;
const ROWS: u32 = 400;

/// What is done to a depot.
type Deed = Box<dyn Fn(&Path, &Path) + Sync>;

struct Poison {
    name: String,
    deed: Deed,
    /// Whether it is the newest snapshot itself that is not what anybody took.
    is_forged: bool,
}

fn poison(name: impl Into<String>, deed: impl Fn(&Path) + Sync + 'static) -> Poison {
    Poison { name: name.into(), deed: Box::new(move |depot, _| deed(depot)), is_forged: false }
}

/// What somebody does who has the keys of the agent; the newest snapshot is still the one that was taken.
fn sealed(name: &str, deed: impl Fn(&Stolen) + Sync + 'static) -> Poison {
    let deed = move |depot: &Path, keys: &Path| deed(&Stolen::open(depot, keys));
    Poison { name: name.to_owned(), deed: Box::new(deed), is_forged: false }
}

/// The same, with a newest snapshot that can't be restored.
fn forged(name: &str, deed: impl Fn(&Stolen) + Sync + 'static) -> Poison {
    Poison { is_forged: true, ..sealed(name, deed) }
}

fn bombs() -> Vec<Poison> {
    vec![
        sealed("bombs under parts", |stolen| {
            let zeros = vec![0; 60 * MIB];
            let frames: Vec<_> = stolen.tops().iter().map(|(id, full, _)| frame(*id, *full, &zeros)).collect();
            stolen.sign_again(vec![stolen.put(&frames, 20)]);
        }),
        sealed("deltas without end under parts", |stolen| {
            let tops = stolen.tops().into_iter();
            let of = |(id, _, kind): (ObjectId, _, _)| frame(id, kind, &delta(1, id.hint(), 60 * MIB));
            stolen.sign_again(vec![stolen.put(&tops.map(of).collect::<Vec<_>>(), 20)]);
        }),
        sealed("bombs under a blob", |stolen| {
            let id = ObjectId::Blob(stolen.body.schemas);
            stolen.sign_again(vec![stolen.put(&[frame(id, ObjectKind::WholeBlob, &vec![b' '; 60 * MIB])], 40)]);
        }),
        sealed("a list of 475 GB under a blob", |stolen| {
            let (_, frames) = repeated(&stolen.ids, stolen.body.schemas, 1_900_000);
            stolen.sign_again(vec![stolen.put(&frames, 1)]);
        }),
        sealed("a list of 60 MB under a blob", |stolen| {
            let (_, frames) = repeated(&stolen.ids, stolen.body.schemas, 240);
            stolen.sign_again(vec![stolen.put(&frames, 1)]);
        }),
    ]
}

fn forgeries() -> Vec<Poison> {
    let id = LeafId([5; 32]);
    let blob = |times: usize| {
        move |stolen: &Stolen| {
            let id = BlobId([6; 32]);
            let (bytes, frames) = repeated(&stolen.ids, id, times);
            let mut body = stolen.body.clone();
            body.blobs.push(BlobEntry { role: "ddl-before".into(), id, bytes });
            stolen.sign(&body, vec![stolen.put(&frames, 1)]);
        }
    };
    let top = |level: u8, records: u64| {
        move |stolen: &Stolen| {
            let top = stolen.body.classes.iter().find_map(|class| class.top).unwrap();
            stolen.sign(&stolen.with_top(level, top.id, records), Vec::new());
        }
    };
    vec![
        forged("a value of 475 GB", blob(1_900_000)),
        forged("a value of 1.9 GB", blob(7_600)),
        forged("a blob that is longer than it is", |stolen| {
            let mut body = stolen.body.clone();
            body.blobs[0].bytes += 1;
            stolen.sign(&body, Vec::new());
        }),
        forged("more records than there are", top(0, u64::MAX)),
        forged("more levels than there are", top(u8::MAX, 400)),
        forged("a leaf that is nowhere", move |stolen| stolen.sign(&stolen.with_top(0, id.0, 400), Vec::new())),
        forged("bases that are themselves", move |stolen| {
            let id = ObjectId::Leaf(id);
            let forms: Vec<_> = (1..200).map(|n| frame(id, ObjectKind::DeltaLeaf, &delta(n, id.hint(), 20))).collect();
            stolen.sign(&stolen.with_top(0, [5; 32], 400), vec![stolen.put(&forms, 1)]);
        }),
        forged("a chain of large deltas", move |stolen| {
            let (mut forms, mut generation) = (Vec::new(), u32::MAX);
            // As long as a chain can get: 48 forms, by the rule of bases.
            while let Some(below) = base_generation(generation) {
                let leaf = ObjectId::Leaf(id);
                forms.push(frame(leaf, ObjectKind::DeltaLeaf, &delta(generation, leaf.hint(), 60 * MIB)));
                generation = below;
            }
            assert_eq!(forms.len(), 48);
            stolen.sign(&stolen.with_top(0, id.0, 400), vec![stolen.put(&forms, 1)]);
        }),
    ]
}

fn packs(depot: &Path) -> Vec<PathBuf> {
    files_below(&depot.join("packs"))
}

/// What the owner of a storage does, who has no key.
fn tampering(depot: &Path) -> Vec<Poison> {
    let mut all = Vec::new();
    let strike = |path: PathBuf, depot: &Path, how: &str, change: fn(&mut Vec<u8>)| {
        let path = path.strip_prefix(depot).unwrap().to_owned();
        poison(format!("{how} {}", path.display()), move |depot| {
            let mut bytes = fs::read(depot.join(&path)).unwrap();
            change(&mut bytes);
            fs::write(depot.join(&path), bytes).unwrap();
        })
    };
    for path in files_below(depot) {
        all.push(strike(path.clone(), depot, "emptied", Vec::clear));
        all.push(strike(path.clone(), depot, "halved", |bytes| bytes.truncate(bytes.len() / 2)));
        all.push(strike(path.clone(), depot, "one byte less", |bytes| bytes.truncate(bytes.len() - 1)));
        all.push(strike(path.clone(), depot, "one byte more", |bytes| bytes.push(0)));
        all.push(strike(path.clone(), depot, "a megabyte more", |bytes| bytes.resize(bytes.len() + MIB, 0)));
        let gone = path.strip_prefix(depot).unwrap().to_owned();
        all.push(poison(format!("gone {}", gone.display()), move |depot| fs::remove_file(depot.join(&gone)).unwrap()));
    }
    all.push(poison("packs that changed places", |depot| {
        let packs = packs(depot);
        let bytes: Vec<_> = packs.iter().map(|pack| fs::read(pack).unwrap()).collect();
        packs.iter().zip(bytes.iter().cycle().skip(1)).for_each(|(pack, bytes)| fs::write(pack, bytes).unwrap());
    }));
    all.push(poison("all packs one and the same", |depot| {
        let first = fs::read(&packs(depot)[0]).unwrap();
        for pack in packs(depot) {
            fs::write(pack, &first).unwrap();
        }
    }));
    all.push(poison("manifests under another source", |depot| {
        let from = depot.join("manifests").join(SOURCE.to_string());
        fs::rename(&from, from.with_file_name("07".repeat(16))).unwrap();
    }));
    all.push(poison("manifests that changed places", |depot| {
        let manifests = files_below(&depot.join("manifests"));
        let bytes: Vec<_> = manifests.iter().map(|path| fs::read(path).unwrap()).collect();
        manifests.iter().zip(bytes.iter().rev()).for_each(|(path, bytes)| fs::write(path, bytes).unwrap());
    }));
    all.push(poison("the keyring of another epoch", |depot| {
        let other = Installation::new(1).depot;
        let (path, bytes) = other.iter().find(|(path, _)| path.contains(&DOMAIN.to_string())).unwrap();
        fs::write(depot.join(path), bytes).unwrap();
    }));
    all
}

/// A room whose depot holds two snapshots of an agent whose keys are known here.
fn room() -> Place {
    let installation = Installation::new(ROWS);
    let world = installation.start(1);
    world.backup_in_peace().unwrap();
    world.edit(1);
    world.backup_in_peace().unwrap();
    let installation = world.stop(&installation.keys);
    let place = Place::empty();
    place.run(&["init"]).done();
    let room = place.room();
    for (folder, files) in [("depot", &installation.depot), ("keys", &installation.keys)] {
        fs::remove_dir_all(room.join(folder)).unwrap();
        for (path, bytes) in files {
            let path = room.join(folder).join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }
    let keyring = installation.depot.iter().find(|(path, _)| path.contains(&DOMAIN.to_string())).unwrap().1;
    let epoch = strongroom_core::seal::Keyring::from_json(keyring).unwrap().newest_epoch().unwrap().clone();
    let key = hex::encode(epoch.as_bytes());
    let settings = fs::read_to_string(room.join("state/room.toml")).unwrap();
    let changed = settings.lines().map(|line| match line.split(" = ").next().unwrap_or_default() {
        "domain" => format!("domain = \"{DOMAIN}\""),
        "environment" => "environment = \"test\"".to_owned(),
        "jurisdiction" => "jurisdiction = \"local\"".to_owned(),
        "public_key" => format!("public_key = \"{key}\""),
        _ => line.to_owned(),
    });
    fs::write(room.join("state/room.toml"), changed.collect::<Vec<_>>().join("\n")).unwrap();
    place
}

/// All rows of a restored database.
fn rows(path: &Path) -> Vec<String> {
    let database = Connection::open(path).unwrap();
    let mut rows = Vec::new();
    for sql in ["SELECT id, name, state, load, hex(note) FROM device", "SELECT device, kind, 0, 0, 0 FROM link"] {
        let mut statement = database.prepare(sql).unwrap();
        let row = |row: &rusqlite::Row<'_>| -> rusqlite::Result<String> {
            let values: Vec<_> = (0..5).map(|at| row.get_ref(at).unwrap()).collect();
            Ok(format!("{values:?}"))
        };
        rows.extend(statement.query_map([], row).unwrap().map(Result::unwrap));
    }
    rows.sort();
    rows
}

fn bounded(place: &Place, arguments: &[&str]) -> Ran {
    place.command_under(&BOUNDED, arguments).output().unwrap().into()
}

/// The code of the error with which a run ended, which must be one that says what to do.
fn refused(ran: &Ran, point: &str) -> String {
    let code = ran.err.lines().find_map(|line| line.strip_prefix("error ")?.split(':').next().map(str::to_owned));
    let code = code.unwrap_or_else(|| panic!("{point}: no clean error: {ran:#?}"));
    assert!(code.starts_with("SR") && code != "SR0099", "{point}: {ran:#?}");
    code
}

#[test]
fn no_hostile_depot_yields_a_wrong_restore_or_takes_all_memory() {
    let room = room();
    let rescue = ["rescue", "--depot", "room/depot", "--key", "room/keys/room.key", "--to", "sqlite:out.db"];
    bounded(&room, &rescue).done();
    bounded(&room, &["verify", "--read-data"]).done();
    let newest = rows(&room.path("out.db"));
    fs::remove_file(room.path("out.db")).unwrap();
    room.run(&[&rescue[..], &["--snapshot", &room.snapshots()[0]]].concat()).done();
    let first = rows(&room.path("out.db"));
    fs::remove_file(room.path("out.db")).unwrap();
    assert!(newest != first && first.len() == 800);
    let (restores, verifies) = (Outcomes::default(), Outcomes::default());
    let poisons: Vec<Poison> =
        bombs().into_iter().chain(forgeries()).chain(tampering(&room.room().join("depot"))).collect();
    side_by_side(&poisons, |poison| {
        let place = Place::empty();
        copy_dir(&room.path(""), &place.path(""));
        (poison.deed)(&place.room().join("depot"), &place.room().join("keys"));
        let (name, ran) = (&poison.name, bounded(&place, &rescue));
        if ran.code == Some(0) {
            assert!(!poison.is_forged, "{name}: {ran:#?}");
            let found = rows(&place.path("out.db"));
            // Where the newest manifest is gone or can't be used, the one before is the newest that there is.
            let is_first = found == first && name.contains("manifests");
            assert!(found == newest || is_first, "{name}: a wrong restore");
            assert!(!is_first || ran.err.contains("warning") || name.starts_with("gone"), "{name}: {ran:#?}");
            restores.add(if is_first { "restored the snapshot before" } else { "restored" });
        } else {
            let code = refused(&ran, name);
            assert!(!place.path("out.db").exists(), "{name}: something was left under the target's name");
            restores.add(format!("refused with {code}"));
        }
        let ran = bounded(&place, &["verify", "--read-data"]);
        verifies.add(match ran.code {
            Some(0) if !poison.is_forged => "nothing wrong for the snapshots".to_owned(),
            Some(26) => "findings".to_owned(),
            _ => format!("refused with {}", refused(&ran, name)),
        });
    });
    restores.report("hostile depots, rescue");
    verifies.report("hostile depots, verify --read-data");
    assert!(restores.of("restored") >= 5 && restores.of("refused with SR0028") == 1);
}
