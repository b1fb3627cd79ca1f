//! The pages of errors in `docs/errors`: one for each code, no other, and each says what the program says.

use std::path::{Path, PathBuf};

use strongroom_core::error::Code;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/errors")
}

/// What a page lacks.
fn faults(code: Code, page: &str) -> Vec<String> {
    let example: Vec<&str> = page.split("```text\n").nth(1).unwrap_or_default().lines().collect();
    let wanted = [
        (page.starts_with(&format!("# {code}: {}\n", code.title())), "its title"),
        (page.contains(&format!("\nExit code {}.\n", code.exit())), "its exit code"),
        (page.contains("\n## What happened\n"), "what happened"),
        (page.contains(&format!("\n## What to do\n\n{}\n", code.remedy())), "the remedy that the program prints"),
        (example.first().is_some_and(|line| line.starts_with(&format!("error {code}: "))), "an example"),
        (example.iter().any(|line| line.starts_with("  next: ")), "what comes next in its example"),
        (page.len() < 3000, "brevity"),
    ];
    wanted.into_iter().filter(|(holds, _)| !holds).map(|(_, what)| format!("{code}.md lacks {what}")).collect()
}

#[test]
fn every_code_has_a_page_that_says_what_the_program_says() {
    let found: Vec<String> = Code::ALL
        .iter()
        .flat_map(|code| match std::fs::read_to_string(folder().join(format!("{code}.md"))) {
            Ok(page) => faults(*code, &page),
            Err(_) => vec![format!("docs/errors/{code}.md is missing: {}", code.title())],
        })
        .collect();
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn every_page_has_a_code_and_a_line_in_the_index() {
    let index = std::fs::read_to_string(folder().join("README.md")).unwrap();
    let known: Vec<String> = Code::ALL.iter().map(|code| format!("{code}.md")).collect();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name == "README.md" || known.contains(&name), "docs/errors/{name} is the page of no code");
    }
    for code in Code::ALL {
        let line = format!("| [{code}]({code}.md) | {} | {} |", code.exit(), code.title());
        assert!(index.lines().any(|known| known == line), "docs/errors/README.md lacks: {line}");
    }
}

#[test]
fn a_page_that_says_something_else_is_found() {
    let code = Code::NoRoom;
    let page = std::fs::read_to_string(folder().join(format!("{code}.md"))).unwrap();
    assert_eq!(faults(code, &page), Vec::<String>::new());
    for (from, to) in [("SR0010", "SR0011"), ("Exit code 10", "Exit code 1"), ("Check --room", "Check it")] {
        assert!(!faults(code, &page.replace(from, to)).is_empty(), "{from}");
    }
}
