//! Every byte of a small depot and of its key file: turned over, zeroed, cut off.

use std::collections::BTreeMap;

use strongroom_core::id::SnapshotId;

use crate::outcome::{Outcomes, side_by_side};
use crate::rescue::{Contents, rescue};
use crate::world::{Files, Installation, handle, volume};

#[derive(Clone, Copy)]
enum Damage {
    /// One bit, another one from byte to byte.
    Flip,
    /// All bits of the byte.
    Invert,
    Zero,
    Truncate,
}

const ALL: [Damage; 4] = [Damage::Flip, Damage::Invert, Damage::Zero, Damage::Truncate];

impl Damage {
    /// Damages a file at a byte, and says whether that changed anything.
    fn strike(self, bytes: &mut Vec<u8>, at: usize) -> bool {
        let before = bytes[at];
        match self {
            Self::Flip => bytes[at] ^= 1 << (at % 8),
            Self::Invert => bytes[at] = !before,
            Self::Zero => bytes[at] = 0,
            Self::Truncate => {
                bytes.truncate(at);
                return true;
            }
        }
        bytes[at] != before
    }
}

/// One byte of one file.
struct Point<'a> {
    path: &'a str,
    at: usize,
    in_keys: bool,
}

fn points(files: &Files, in_keys: bool) -> impl Iterator<Item = Point<'_>> {
    files.iter().flat_map(move |(path, bytes)| (0..bytes.len()).map(move |at| Point { path, at, in_keys }))
}

#[test]
fn no_damaged_byte_yields_a_wrong_record() {
    let installation = small();
    let truth: BTreeMap<SnapshotId, Contents> =
        installation.rescue().snapshots.into_iter().map(|(id, contents)| (id, contents.unwrap())).collect();
    assert_eq!(truth.len(), 2);
    let points: Vec<Point<'_>> = points(&installation.depot, false).chain(points(&installation.keys, true)).collect();
    let outcomes = Outcomes::default();
    side_by_side(&points, |point| {
        for damage in ALL {
            outcomes.add(judge(&installation, &truth, point, damage));
        }
    });
    outcomes.report("bytes");
    assert_eq!((outcomes.of("wrong"), outcomes.of("lost in silence")), (0, 0));
    assert!(outcomes.of("detected") > outcomes.of("harmless"));
}

/// Two snapshots of a few rows, the second with deltas.
fn small() -> Installation {
    let installation = Installation::new(12);
    let world = installation.start(1);
    world.backup_in_peace().unwrap();
    world.edit(2);
    world.backup_in_peace().unwrap();
    world.stop(&installation.keys)
}

fn judge(
    installation: &Installation,
    truth: &BTreeMap<SnapshotId, Contents>,
    point: &Point<'_>,
    damage: Damage,
) -> &'static str {
    let (mut depot, mut keys) = (installation.depot.clone(), installation.keys.clone());
    let files = if point.in_keys { &mut keys } else { &mut depot };
    if !damage.strike(files.get_mut(point.path).unwrap(), point.at) {
        return "already so";
    }
    let Ok(rescued) = rescue(&handle(&volume(&depot, 0)), &handle(&volume(&keys, 0))) else { return "detected" };
    let is_wrong = |(id, contents): (&SnapshotId, &Result<Contents, String>)| {
        contents.as_ref().is_ok_and(|contents| truth.get(id) != Some(contents))
    };
    let is_whole = truth.keys().all(|id| rescued.contents(*id).is_some());
    let is_told = rescued.findings > 0 || rescued.snapshots.values().any(Result::is_err);
    match (rescued.snapshots.iter().any(is_wrong), is_whole, is_told) {
        (true, ..) => "wrong",
        (false, true, _) => "harmless",
        (false, false, true) => "detected",
        (false, false, false) => "lost in silence",
    }
}
