//! A tree of files through the program: registered, backed up, searched, compared and restored.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::Command;

use crate::harness::{Place, Ran, files_below};
use crate::not_run::not_run;

#[test]
fn a_tree_is_backed_up_searched_compared_and_restored() {
    let place = Place::empty();
    place.run(&["init"]).done();
    let tree = place.path("media");
    std::fs::create_dir_all(tree.join("images")).unwrap();
    let picture: Vec<u8> = (0..2_000_000_u32).map(|n| n.wrapping_mul(2_654_435_769).to_be_bytes()[0]).collect();
    std::fs::write(tree.join("images/rack.jpg"), &picture).unwrap();
    std::fs::write(tree.join("app.conf"), "level = 1\n").unwrap();
    std::os::unix::fs::symlink("app.conf", tree.join("link")).unwrap();
    place.run(&["source", "add", "media", "file:media"]).done();
    assert_eq!(place.json(&["source", "inspect", "media"])["engine"], "files");
    let first = place.json(&["backup", "media"]);
    assert_eq!(first["complete"], true);

    assert_eq!(place.json(&["drift", "media"])["equal"], true);
    std::fs::write(tree.join("app.conf"), "level = 2\n").unwrap();
    let drifted = place.json(&["drift", "media"]);
    assert_eq!((&drifted["classes"][0]["changed"], &drifted["classes"][0]["added"]), (&1.into(), &0.into()));
    let second = place.json(&["backup", "media"]);
    assert_eq!((&second["changed"], &second["added"]), (&1.into(), &0.into()));
    assert!(second["bytes_stored"].as_u64().unwrap() * 10 < first["bytes_stored"].as_u64().unwrap());

    let snapshots = place.snapshots();
    let difference = place.json(&["diff", &snapshots[0], &snapshots[1], "--records"]);
    assert_eq!(difference["records"][0]["key"], "app.conf,0");
    let listed = place.json(&["ls", "latest", "files", "--limit", "2"]);
    assert_eq!(listed["records"].as_array().unwrap().len(), 2);
    let found = place.json(&["find", "latest", "files:app.conf,0"]);
    assert_eq!(found["records"][0]["fields"]["kind"], "file");
    let lines = place.run(&["export", "latest", "--format", "jsonl"]).done().out;
    assert!(lines.lines().any(|line| line.contains("images/rack.jpg")));

    let restored = place.json(&["restore", &snapshots[0], "--to", "file:restored"]);
    assert_eq!((&restored["root_equal"], &restored["published"]), (&true.into(), &true.into()));
    assert!(std::fs::read(place.path("restored/images/rack.jpg")).unwrap() == picture);
    assert_eq!(std::fs::read_to_string(place.path("restored/link")).unwrap(), "level = 1\n");
    place.run(&["restore", "latest", "--to", "file:restored"]).ended_with(2);
    place.run(&["verify", "--read-data"]).done();
}

#[test]
fn a_verdict_does_not_claim_owners_that_could_not_be_given() {
    const NOBODY: &str = "65534";
    let place = Place::empty();
    place.run(&["init"]).done();
    let tree = place.path("plugins");
    std::fs::create_dir_all(&tree).unwrap();
    std::fs::write(tree.join("helper"), "#!").unwrap();
    std::fs::set_permissions(tree.join("helper"), std::fs::Permissions::from_mode(0o4755)).unwrap();
    place.run(&["backup", "file:plugins"]).done();
    // The room goes to somebody else, who restores what was root's.
    let own = format!("{NOBODY}:{NOBODY}");
    let given = Command::new("chown").args(["-R", &own]).arg(place.path("")).status();
    let user = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--"];
    if !given.is_ok_and(|given| given.success()) || Command::new(user[0]).arg("--version").output().is_err() {
        return not_run("a_verdict_does_not_claim_owners_that_could_not_be_given", "root, and setpriv");
    }
    let restore = |arguments: &[&str]| {
        let all = [&["restore", "latest", "--to"], arguments].concat();
        Ran::from(place.command_under(&user, &all).output().unwrap()).done()
    };
    // What is restored belongs to nobody by now, but the snapshot says root.
    let restored = restore(&["file:restored", "--json"]).documents().pop().unwrap();
    let told = |name: &str| restored[name].as_bool().unwrap();
    assert_eq!((told("published"), told("root_equal"), told("verdict_equal")), (true, false, false), "{restored}");
    assert_eq!((&restored["classes"][0]["equal"], &restored["classes"][0]["allowed"]), (&false.into(), &2.into()));
    let mode = place.path("restored/helper").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o755, "what ran as root does not run as somebody else");
    let text = restore(&["file:again"]).out;
    assert!(text.contains("not equal") && !text.contains("every class has the snapshot's root"), "{text}");
}

#[test]
fn a_room_within_its_tree_does_not_back_itself_up() {
    let place = Place::empty();
    place.run(&["init"]).done();
    std::fs::write(place.path("app.conf"), "level = 1\n").unwrap();
    let _listener = UnixListener::bind(place.path("socket")).unwrap();
    let url = format!("file:{}", place.path("").display());
    let backup = place.json(&["backup", &url]);
    assert_eq!((&backup["complete"], &backup["records"]), (&true.into(), &2.into()));
    let subjects: Vec<&str> =
        backup["findings"].as_array().unwrap().iter().map(|finding| finding["subject"].as_str().unwrap()).collect();
    assert_eq!(subjects, ["room", "socket"]);
    let spool = place.room().join("spool");
    assert_eq!(files_below(&spool).len(), 0, "nothing is left on the spool");
    place.run(&["backup", &format!("file:{}", place.room().join("depot").display())]).ended_with(2);
}
