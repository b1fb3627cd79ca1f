//! The checks themselves. None changes anything that outlives it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use strongroom_agent::source::CaptureOptions;
use strongroom_core::time::WallTime;
use strongroom_depot::backend::object::BucketLock;
use strongroom_depot::verify::Finding;
use strongroom_platform::disk::{Disk, DiskError, durable_write};

use super::{Check, group};
use crate::app::App;
use crate::commands::registered;
use crate::failure::Failure;
use crate::render::text;
use crate::room::{Room, paths};

/// The name of the file that is written, synced and removed.
const PROBE: &str = "spool/doctor-probe";
/// Writes of the probe; the median counts.
const PROBES: usize = 5;
/// A sync that is faster than any medium was not one.
const SYNC_MIN: Duration = Duration::from_micros(20);
/// A sync that makes backups slow.
const SYNC_SLOW: Duration = Duration::from_millis(200);
/// Free space below which a backup may not fit.
const FREE_BYTES_LOW: u64 = 1 << 30;
/// The first of January 2026, when this program did not exist yet, in µs.
const EARLIEST: WallTime = WallTime(1_767_225_600_000_000);

/// Runs all checks, as far as there is a room.
pub(super) fn all(app: &App) -> Vec<Check> {
    let room = match app.room() {
        Ok(room) => room,
        Err(failure) => {
            return vec![clock(app), tools(), Check::failed("room", failure.chain().join(": "), failure.next())];
        }
    };
    let mut checks = vec![Check::ok("room", room.root().display().to_string())];
    checks.extend(group::checks(&room));
    checks.extend(volume(app, &room));
    checks.extend([permissions(&room), clock(app), tools()]);
    checks.extend(store(&room));
    checks.extend(depot(&room));
    checks.extend(sources(app, &room));
    checks
}

fn volume(app: &App, room: &Room) -> Vec<Check> {
    let disk = room.disk();
    let mut checks = Vec::new();
    match disk.free_space() {
        Ok(free) if free < FREE_BYTES_LOW => {
            checks.push(Check::warning(
                "free space",
                format!("{} left", text::size(free)),
                "Free space on the room's volume.",
            ));
        }
        Ok(free) => checks.push(Check::ok("free space", format!("{} left", text::size(free)))),
        Err(error) => checks.push(disk_failed("free space", &error)),
    }
    match sync_time(app, disk) {
        Ok(median) if median < SYNC_MIN => checks.push(Check::warning(
            "durable writes",
            format!("a write was synced in {} µs, faster than a medium can be", median.as_micros()),
            "Make sure that the volume honours fsync: a RAM disk or a lying controller loses what is acknowledged.",
        )),
        Ok(median) if median > SYNC_SLOW => checks.push(Check::warning(
            "durable writes",
            format!("a write is synced in {}", text::span(median)),
            "Backups will be slow here: check the volume.",
        )),
        Ok(median) => {
            checks.push(Check::ok("durable writes", format!("a write is synced in {} µs", median.as_micros())));
        }
        Err(error) => checks.push(disk_failed("durable writes", &error)),
    }
    checks
}

fn disk_failed(check: &'static str, error: &DiskError) -> Check {
    Check::failed(check, error.to_string(), "Check the room's volume and who may write to it.")
}

/// The median time of a small durable write.
fn sync_time(app: &App, disk: &Arc<dyn Disk>) -> Result<Duration, DiskError> {
    let mut times = Vec::with_capacity(PROBES);
    for _ in 0..PROBES {
        if disk.exists(PROBE)? {
            disk.remove(PROBE)?;
        }
        let began = app.clock.monotonic();
        durable_write(disk, PROBE, &[0x5a; 4096])?;
        times.push(app.clock.monotonic().since(began));
    }
    disk.remove(PROBE)?;
    times.sort();
    Ok(times.get(PROBES / 2).copied().unwrap_or_default())
}

fn permissions(room: &Room) -> Check {
    let open: Vec<String> = [paths::KEY_FILE, paths::HOST_KEY, paths::DEPOT_KEY]
        .into_iter()
        .filter(|path| {
            let mode = room.root().join(path).metadata().map(|facts| facts.permissions().mode());
            mode.is_ok_and(|mode| mode & 0o077 != 0)
        })
        .map(str::to_owned)
        .collect();
    if open.is_empty() {
        return Check::ok("keys", "the key files are readable by this user alone");
    }
    let message = format!("others may read {}", open.join(" and "));
    Check::failed("keys", message, format!("chmod 600 {}", open.join(" ")))
}

fn clock(app: &App) -> Check {
    let now = app.clock.wall();
    if now < EARLIEST {
        let message = format!("this host believes that it is {}", text::time(now));
        return Check::warning(
            "clock",
            message,
            "Set the clock, and keep it with NTP: snapshots are found by their times.",
        );
    }
    Check::ok("clock", text::time(now))
}

/// Which versions of `pg_dump` are here. Without one, PostgreSQL can't be captured.
fn tools() -> Check {
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|entries| entries.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let mut versions: Vec<String> = folders
        .iter()
        .map(|folder| folder.join("pg_dump"))
        .filter(|path| path.is_file())
        .filter_map(|path| Command::new(path).arg("--version").stdin(Stdio::null()).output().ok())
        .filter_map(|output| {
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            said.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned)
        })
        .collect();
    versions.sort();
    versions.dedup();
    if versions.is_empty() {
        return Check::warning(
            "pg_dump",
            "none is here, so PostgreSQL can't be captured",
            "Install the package postgresql-client of the servers' version or newer.",
        );
    }
    Check::ok("pg_dump", versions.join(", "))
}

/// What the object store keeps of what a depot relies upon, if the depot lies in one.
fn store(room: &Room) -> Vec<Check> {
    let Some(store) = room.store() else { return Vec::new() };
    let facts = match store.facts() {
        Ok(facts) => facts,
        Err(error) => return vec![Check::failed("object store", error.to_string(), error.code().remedy())],
    };
    let conditional = if facts.conditional_puts {
        Check::ok("object store", format!("{} refuses what another writer has put", room.depot_name()))
    } else {
        Check::failed(
            "object store",
            format!("{} replaces objects that were to be new", room.depot_name()),
            "Move the depot to a store that honours If-None-Match: here two writers lose each other's snapshots.",
        )
    };
    vec![conditional, object_lock(store.retention().is_some(), facts.lock)]
}

fn object_lock(is_wanted: bool, lock: BucketLock) -> Check {
    const NAME: &str = "object lock";
    match lock {
        BucketLock::On { .. } if is_wanted => Check::ok(NAME, "packs and manifests are put with a retention"),
        BucketLock::On { default: Some(default) } => Check::ok(
            NAME,
            format!("the bucket keeps versions for {} by default", text::plural(default.days.into(), "day", "days")),
        ),
        BucketLock::On { default: None } => Check::warning(
            NAME,
            "the bucket could lock what is put into it, and nothing asks it to",
            "Give the bucket a default retention, or the depot's URL lock and lock_days.",
        ),
        BucketLock::Off if is_wanted => Check::failed(
            NAME,
            "the bucket has no Object Lock, and the depot's URL asks for it",
            "Make a bucket with Object Lock, or leave lock and lock_days out of the URL.",
        ),
        BucketLock::Off => Check::warning(
            NAME,
            "none: whoever has these credentials can delete the depot",
            "Keep a depot that has to survive an intruder in a bucket with Object Lock.",
        ),
        BucketLock::Unknown => Check::warning(
            NAME,
            "whether the bucket locks what is put into it can't be asked",
            "Look at the bucket's retention in the store's own console.",
        ),
    }
}

fn depot(room: &Room) -> Vec<Check> {
    let signers = match room.signers() {
        Ok(signers) => signers,
        Err(failure) => return vec![failed("depot", &failure)],
    };
    let report = match strongroom_depot::verify::verify(room.depot(), &|source| signers.of(source), None) {
        Ok(report) => report,
        Err(error) => return vec![Check::failed("depot", error.to_string(), error.code().remedy())],
    };
    let mut checks = Vec::new();
    let faults: Vec<String> =
        report.findings.iter().filter(|finding| finding.is_fault()).map(ToString::to_string).collect();
    if faults.is_empty() {
        let found = format!(
            "{} and {}, {}",
            report.manifests,
            text::plural(report.packs as u64, "pack", "packs"),
            text::size(report.bytes)
        );
        checks.push(Check::ok("depot", format!("manifests: {found}")));
    } else {
        checks.push(Check::failed(
            "depot",
            faults.join("; "),
            "Run `strongroom verify`, and restore the files from a copy.",
        ));
    }
    let orphans: Vec<u64> = report
        .findings
        .iter()
        .filter_map(|finding| if let Finding::OrphanPack { bytes, .. } = finding { Some(*bytes) } else { None })
        .collect();
    let foreign = report.findings.iter().filter(|finding| matches!(finding, Finding::ForeignFile { .. })).count();
    if orphans.is_empty() && foreign == 0 {
        checks.push(Check::ok("strays", "none"));
    } else {
        let message = format!(
            "{} that no snapshot needs ({}), {}",
            text::plural(orphans.len() as u64, "pack", "packs"),
            text::size(orphans.iter().sum()),
            text::plural(foreign as u64, "foreign file", "foreign files"),
        );
        checks.push(Check::warning(
            "strays",
            message,
            "They take room and do no harm: runs that were cut off left them.",
        ));
    }
    checks
}

fn sources(app: &App, room: &Room) -> Vec<Check> {
    let known = match registered::all(room) {
        Ok(known) => known,
        Err(failure) => return vec![failed("sources", &failure)],
    };
    let mut checks = Vec::new();
    for listed in known {
        let source = match listed.kept {
            Ok(source) => source,
            Err(failure) => {
                checks.push(failed("source", &failure));
                continue;
            }
        };
        let password = source.secrets.password.as_ref().map(|text| text.as_str());
        let options = CaptureOptions { readers: 1, records_only: true, ..CaptureOptions::default() };
        let opened = crate::sources::source(&source.secrets.url, password, &app.clock).and_then(|engine| {
            crate::failure::Attempt::attempt(engine.open(&options), || format!("can't read {}", source.name))
        });
        checks.push(match opened {
            Ok(cut) => {
                let facts = cut.facts();
                Check::ok("source", format!("{}: {} {}", source.name, facts.engine, facts.engine_version))
            }
            Err(failure) => failed("source", &failure),
        });
    }
    if checks.is_empty() {
        checks.push(Check::warning("sources", "none is registered", "strongroom source add NAME URL"));
    }
    checks
}

pub(super) fn failed(check: &'static str, failure: &Failure) -> Check {
    Check::failed(check, failure.chain().join(": "), failure.next())
}
