//! Rules of the house that no compiler checks: what may be named where.
#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    reason = "a test stops at the first surprise"
)]

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

/// The clone.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every Rust source below these directories, by its path from the clone.
fn sources(directories: &[&str]) -> Vec<(String, String)> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() && name != "target" && name != "node_modules" && name != "build" {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let root = root();
    let mut paths = Vec::new();
    for directory in directories {
        walk(&root.join(directory), &mut paths);
    }
    assert!(paths.len() > 10, "only {} sources found in {directories:?}", paths.len());
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// Lines outside comments that `forbidden` says may not be there, as `file:line: text`.
fn offences(sources: &[(String, String)], forbidden: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for (file, text) in sources {
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if !line.starts_with("//") && forbidden(file, line) {
                found.push(format!("{file}:{}: {line}", index + 1));
            }
        }
    }
    found
}

fn assert_none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

const CORE: [&str; 6] =
    ["shared/domain", "shared/ports", "shared/clients", "shared/extract", "shared/app", "functions/api"];

/// Whether `line` names the path prefix `name`, and not a longer word that ends in it.
fn names(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        !line[..at]
            .chars()
            .next_back()
            .is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '"' || c == '/')
    })
}

#[test]
fn only_hosts_name_an_sdk() {
    const SDKS: [&str; 9] = [
        "worker::",
        "spin_sdk::",
        "wasip3::",
        "axum::",
        "tokio::",
        "hyper::",
        "reqwest::",
        "libsql::",
        "web_sys::",
    ];
    // A test of the core may run on a real host; what is compiled into the core may not.
    let shipped: Vec<_> = sources(&CORE).into_iter().filter(|(file, _)| !file.contains("/tests/")).collect();
    let found = offences(&shipped, |_, line| SDKS.iter().any(|sdk| names(line, sdk)));
    assert_none("an SDK is named outside the host crates", &found);
}

#[test]
fn only_hosts_ask_which_target_they_are_compiled_for() {
    let found = offences(&sources(&CORE), |_, line| {
        line.contains("cfg")
            && ["target_arch", "target_os", "target_family", "target_env"]
                .iter()
                .any(|key| line.contains(key))
    });
    assert_none("a target is asked for outside the host crates", &found);
}

#[test]
fn sql_is_written_in_the_store_alone() {
    const STATEMENTS: [&str; 8] = [
        "\"SELECT ",
        "\"INSERT ",
        "\"UPDATE ",
        "\"DELETE FROM",
        "\"CREATE ",
        "\"WITH ",
        "\"PRAGMA ",
        "\"REPLACE INTO",
    ];
    let found = offences(&sources(&CORE), |file, line| {
        let home = file.starts_with("shared/app/src/store/")
            // Runs the files of migrations/, and reads and writes its own table of them.
            || file.starts_with("shared/app/src/migrations")
            || file.contains("/tests/")
            || file.ends_with("/tests.rs");
        !home
            && (line.contains("Statement::new(")
                || STATEMENTS.iter().any(|statement| line.contains(statement)))
    });
    assert_none("SQL is written outside shared/app/src/store", &found);
}

#[test]
fn the_domain_reads_no_clock_draws_no_numbers_and_awaits_nothing() {
    const FORBIDDEN: [&str; 11] = [
        "SystemTime::now",
        "Instant::now",
        "Timestamp::now",
        "getrandom",
        "async fn",
        ".await",
        "std::fs",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "ToSocketAddrs",
    ];
    let domain: Vec<_> =
        sources(&CORE).into_iter().filter(|(file, _)| file.starts_with("shared/domain/src")).collect();
    let found = offences(&domain, |_, line| FORBIDDEN.iter().any(|name| line.contains(name)));
    assert_none("the domain does more than compute", &found);
}

#[test]
fn every_migration_can_be_taken_back() -> Result<()> {
    let mut ups = Vec::new();
    let mut downs = Vec::new();
    for entry in fs::read_dir(root().join("migrations"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Some(name) = name.strip_suffix(".up.sql") {
            ups.push(name.to_owned());
        } else if let Some(name) = name.strip_suffix(".down.sql") {
            downs.push(name.to_owned());
        }
    }
    ups.sort();
    downs.sort();
    assert_eq!(ups, downs);
    for (index, name) in ups.iter().enumerate() {
        assert!(name.starts_with(&format!("{:04}_", index + 1)), "{name} is out of order");
    }
    Ok(())
}

#[test]
fn no_test_is_left_out_and_nothing_is_left_to_do() {
    let found = offences(&sources(&["shared", "functions", "tests", "xtask"]), |file, line| {
        file != "tests/house.rs"
            && (line.contains("#[ignore") || names(line, "todo!(") || line.contains("unimplemented!("))
    });
    assert_none("left out or left to do", &found);
}

#[test]
fn the_rules_find_what_they_look_for() {
    let source = |text: &str| vec![("shared/app/src/x.rs".to_owned(), text.to_owned())];
    let sdk = |_: &str, line: &str| names(line, "worker::");
    assert_eq!(offences(&source("use worker::Env;\n"), sdk).len(), 1);
    assert_eq!(offences(&source("let x = coworker::y();\n// worker::Env in a comment\n"), sdk).len(), 0);
    assert_eq!(
        offences(&source("a\n#[cfg(target_arch = \"wasm32\")]\n"), |_, line| line.contains("target_arch")),
        ["shared/app/src/x.rs:2: #[cfg(target_arch = \"wasm32\")]"]
    );
}
