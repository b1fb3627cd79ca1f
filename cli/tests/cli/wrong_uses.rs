//! `docs/wrong-uses.md`: the commands of that page are run here, in its order, and must print what it shows.
//!
//! What differs from run to run is made the same on both sides: the folder becomes `/srv`, and names of keys `…`.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use crate::harness::{Place, files_below};

/// A command of the page and what it shows behind it.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    command: String,
    printed: String,
}

/// The blocks of the page that are consoles.
fn shown_in(page: &str) -> Vec<Shown> {
    let blocks = page.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks
        .map(|block| {
            let (command, printed) = block.strip_prefix("$ ").unwrap().split_once('\n').unwrap();
            Shown { command: command.to_owned(), printed: printed.to_owned() }
        })
        .collect()
}

/// Runs a command of a shell in a place, with the built program first on the path.
fn run(place: &Place, command: &str) -> Shown {
    let program = Path::new(env!("CARGO_BIN_EXE_strongroom")).parent().unwrap();
    let mut shell = Command::new("sh");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("STRONGROOM_")) {
        shell.env_remove(name);
    }
    let path = std::env::join_paths(
        std::iter::once(program.to_owned()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    shell.args(["-c", &format!("exec 2>&1; {command}")]).current_dir(place.path(""));
    shell.env("PATH", path.unwrap()).env("STRONGROOM_ROOM", place.room()).env("LC_ALL", "C");
    let output = shell.stdin(std::process::Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let code = output.status.code().unwrap();
    Shown { command: command.to_owned(), printed: format!("{}[exit code {code}]\n", normal(place, &text)) }
}

/// A text without what differs from run to run.
fn normal(place: &Place, text: &str) -> String {
    let text = place.normal(text).replace("PLACE", "/srv");
    let is_name = |word: &str| word.len() == 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let words = text.split_inclusive([' ', '\n']);
    words
        .map(|word| if is_name(word.trim_end()) { word.replacen(word.trim_end(), "…", 1) } else { word.into() })
        .collect()
}

/// What the page says was there before: a room with a passphrase, a source and a snapshot; and another room's key.
fn prepare(place: &Place) {
    let quietly = |command: &str| {
        let ran = run(place, command);
        assert!(ran.printed.ends_with("[exit code 0]\n"), "{ran:#?}");
    };
    quietly("STRONGROOM_PASSPHRASE=right strongroom init");
    rusqlite::Connection::open(place.path("cmdb.db"))
        .unwrap()
        .execute_batch(
            "CREATE TABLE site (id INTEGER PRIMARY KEY, name TEXT);
             CREATE TABLE device (id INTEGER PRIMARY KEY, site INTEGER REFERENCES site, name TEXT);
             INSERT INTO site VALUES (1, 'Berlin'); INSERT INTO device VALUES (17, 1, 'core-1');",
        )
        .unwrap();
    quietly("strongroom source add cmdb sqlite:cmdb.db");
    quietly("strongroom backup cmdb");
    quietly("strongroom --room other init");
    std::fs::rename(place.path("other/keys/room.key"), place.path("other.key")).unwrap();
}

#[test]
fn the_page_of_wrong_uses_shows_what_is_printed() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/wrong-uses.md")).unwrap();
    let shown = shown_in(&page);
    assert!(shown.len() >= 10, "the page shows ten wrong uses or more");
    let place = Place::empty();
    let mut ran = Vec::new();
    for (number, Shown { command, .. }) in shown.iter().enumerate() {
        if number == 1 {
            prepare(&place);
        }
        // Only as long as the command runs that meets another run.
        let lock = command.contains("# another backup of it runs").then(|| lock_of_source(&place));
        ran.push(run(&place, command));
        drop(lock);
    }
    assert!(ran.iter().all(|ran| ran.printed.contains("error SR") && ran.printed.contains("  next: ")), "{ran:#?}");
    let printed: Vec<String> = ran.iter().map(|ran| format!("$ {}\n{}", ran.command, ran.printed)).collect();
    assert!(ran == shown, "docs/wrong-uses.md shows something else than what is printed:\n{}", printed.join("\n"));
}

/// The lock that a backup of the one source holds.
fn lock_of_source(place: &Place) -> File {
    let files = files_below(&place.room().join("state/agent"));
    let path = files.iter().find(|path| path.ends_with("lock")).unwrap();
    let file = File::open(path).unwrap();
    file.lock().unwrap();
    file
}
