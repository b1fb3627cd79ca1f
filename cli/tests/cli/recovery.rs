//! Groups of processes that lost most of their members, or all, and go on by the commands of
//! `docs/runbooks/lost-quorum.md`.

#[path = "recovery/daemons.rs"]
mod daemons;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::harness::{Place, files_below};
use daemons::Daemons;

/// Writes that a load must have seen acknowledged before members are lost: fewer prove nothing.
const WRITTEN_MIN: usize = 8;

/// Registers auditors, one after the other, until it is told to stop. Gives those that were acknowledged.
fn load(daemons: &Daemons, is_over: &AtomicBool) -> Vec<String> {
    let mut written = Vec::new();
    for number in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let name = format!("w{number}");
        let ran = daemons.ask(&["operator", "add", &name, &auditor(number), "--role", "auditor"]);
        if ran.code == Some(0) {
            written.push(name);
        }
    }
    written
}

fn auditor(number: usize) -> String {
    format!("spiffe://chaos.example/here/operator/{number:032x}")
}

fn operators(daemons: &Daemons) -> Vec<String> {
    let listed = daemons.json(&["operator", "ls"]);
    let listed = listed["operators"].as_array().unwrap().iter();
    listed.map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

/// Waits until so many events of an action stand in the signed audit log.
fn wait_for_events(daemons: &Daemons, place: &Place, action: &str, number: usize) {
    let file = place.path("audit.log");
    let path = file.display().to_string();
    daemons.wait_for(action, |it| {
        drop(std::fs::remove_file(&file));
        let is_exported = it.ask(&["audit", "export", "--output", &path]).code == Some(0);
        is_exported && std::fs::read_to_string(&file).unwrap().matches(action).count() >= number
    });
}

/// The contents of all files below a folder.
fn contents(folder: &std::path::Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    files_below(folder).into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

fn voters(status: &Value) -> usize {
    status["members"].as_array().unwrap().iter().filter(|it| it["part"] == "voter").count()
}

#[test]
fn a_group_that_lost_two_of_three_goes_on_with_all_that_the_third_has() {
    let place = Arc::new(Place::empty());
    let mut daemons = Daemons::found(Arc::clone(&place), "m0");
    for name in ["m1", "m2"] {
        daemons.join(name);
    }
    daemons.wait_for("three voters", |it| voters(&it.json(&["coordinator", "members"])) == 3);
    let is_over = AtomicBool::new(false);
    let written = std::thread::scope(|scope| {
        let asking = scope.spawn(|| load(&daemons, &is_over));
        daemons.wait_for("a load", |it| operators(it).len() > WRITTEN_MIN);
        is_over.store(true, Ordering::Relaxed);
        asking.join().unwrap()
    });
    assert!(written.len() >= WRITTEN_MIN, "{written:?}");
    daemons.kill("m1");
    daemons.kill("m2");
    // Whatever is asked now is not decided.
    let late = ["operator", "add", "late", &auditor(9_999), "--role", "auditor", "--patience", "3"];
    let undecided = daemons.ask(&late);
    assert!(matches!(undecided.code, Some(1 | 27)), "{undecided:#?}");

    let (survivor, anew) = (daemons.folder("m0"), daemons.folder("anew"));
    let survivor_text = survivor.display().to_string();
    let running = place.run(&["coordinator", "recover", "--plan", "--survivor", &survivor_text]).ended_with(11);
    assert!(running.err.contains("runs"), "{}", running.err);
    daemons.kill("m0");
    let before = contents(&survivor);

    // Two of three could go on by themselves.
    let other = daemons.folder("m1").display().to_string();
    let enough = ["coordinator", "recover", "--plan", "--survivor", &survivor_text, "--survivor", &other];
    assert!(place.run(&enough).ended_with(20).err.contains("SR0087"));

    let shown = place.json(&["coordinator", "recover", "--plan", "--survivor", &survivor_text]);
    assert_eq!((&shown["done"], &shown["survivors"][0]["sound"]), (&false.into(), &true.into()));
    assert_eq!(shown["plan"]["absent"].as_array().unwrap().len(), 2);
    assert_eq!(shown["plan"]["epoch"], 2);
    let digest = shown["digest"].as_str().unwrap().to_owned();

    let recover = daemons.recovery("anew", &["--survivor", &survivor_text]);
    let recover: Vec<&str> = recover.iter().map(String::as_str).collect();
    assert!(place.run(&recover).ended_with(23).err.contains("SR0089"));
    let other = [recover.as_slice(), &["--yes", "00ff"]].concat();
    assert!(place.run(&other).ended_with(23).err.contains(&digest));
    assert!(!anew.exists(), "nothing is written without consent");
    let done = place.json(&[recover.as_slice(), &["--yes", &digest]].concat());
    assert_eq!((&done["done"], &done["digest"]), (&true.into(), &digest.clone().into()));
    assert_eq!(contents(&survivor), before, "the survivor's folder is as it was");

    daemons.use_identity(&anew.join("operator"));
    daemons.start("anew");
    daemons.wait_for("a leader", |it| it.ask(&["coordinator", "members"]).code == Some(0));
    let found = operators(&daemons);
    assert!(written.iter().all(|name| found.contains(name)), "{written:?} in {found:?}");
    let members = daemons.json(&["coordinator", "members"]);
    assert_eq!((&members["epoch"], members["members"].as_array().unwrap().len()), (&2.into(), 1));
    wait_for_events(&daemons, &place, "group.refound", 1);

    // One of the old group comes back by mistake: nobody listens to it, and it gets no say.
    let stranger = daemons.member_of("m1");
    daemons.start("m1");
    daemons.join("m3");
    daemons.wait_for("two voters", |it| voters(&it.json(&["coordinator", "members"])) == 2);
    daemons.ask(&["operator", "add", "after", &auditor(8_888), "--role", "auditor"]).done();
    let members = daemons.json(&["coordinator", "members"]);
    let ids: Vec<&str> =
        members["members"].as_array().unwrap().iter().map(|it| it["member"].as_str().unwrap()).collect();
    assert!(!ids.contains(&stranger.as_str()) && members["leader"] != stranger.as_str(), "{members}");
    let alone = daemons.ask_at("m1", &["operator", "ls", "--patience", "3"]);
    assert!(alone.code != Some(0), "{alone:#?}");
}

#[test]
fn a_group_whose_members_are_all_gone_comes_back_from_its_backup() {
    let place = Arc::new(Place::empty());
    place.run(&["init"]).done();
    let mut daemons = Daemons::found(Arc::clone(&place), "m0");
    for number in 0..4 {
        let name = format!("w{number}");
        daemons.ask(&["operator", "add", &name, &auditor(number), "--role", "auditor"]).done();
    }
    let file = place.path("group.state").display().to_string();
    let kept = daemons.json(&["coordinator", "backup", "--out", &file]);
    assert_eq!((kept["file"].as_str().unwrap(), &kept["epoch"]), (file.as_str(), &1.into()));
    daemons.ask(&["coordinator", "backup", "--out", &file]).ended_with(2);
    let room = place.room().display().to_string();
    let state = daemons.json(&["coordinator", "backup", "--depot", &room]);
    assert!(state["index"].as_u64() >= kept["index"].as_u64(), "{state} {kept}");
    wait_for_events(&daemons, &place, "group.backup", 2);
    daemons.kill("m0");
    std::fs::remove_dir_all(daemons.folder("m0")).unwrap();

    // A backup that was spoilt is refused.
    let mut bytes = std::fs::read(&file).unwrap();
    let last = bytes.len() - 1;
    bytes.truncate(last);
    let spoilt = place.path("spoilt.state");
    std::fs::write(&spoilt, bytes).unwrap();
    let spoilt = spoilt.display().to_string();
    assert!(place.run(&["coordinator", "recover", "--plan", "--backup", &spoilt]).ended_with(1).err.contains("SR0088"));

    for (name, from) in [("from-file", ["--backup", &file]), ("from-depot", ["--depot", &room])] {
        let shown = place.json(&[&["coordinator", "recover", "--plan"][..], &from].concat());
        assert_eq!((&shown["plan"]["epoch"], &shown["plan"]["absent"]), (&2.into(), &Value::Array(Vec::new())));
        let digest = shown["digest"].as_str().unwrap();
        let recover = daemons.recovery(name, &from);
        let recover: Vec<&str> = recover.iter().map(String::as_str).collect();
        place.json(&[recover.as_slice(), &["--yes", digest]].concat());
        daemons.use_identity(&daemons.folder(name).join("operator"));
        daemons.start(name);
        daemons.wait_for("a leader", |it| it.ask(&["coordinator", "members"]).code == Some(0));
        let found = operators(&daemons);
        assert!((0..4).all(|number| found.contains(&format!("w{number}"))), "{found:?}");
        daemons.ask(&["operator", "add", "after", &auditor(77), "--role", "auditor"]).done();
        daemons.kill(name);
    }
}
