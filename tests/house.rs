//! Rules of the house that no compiler checks: what may be named where.
#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    reason = "a test stops at the first surprise"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use regex::Regex;

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

/// What is compiled into the product: sources without tests.
fn shipped(directories: &[&str]) -> Vec<(String, String)> {
    let mut shipped = sources(directories);
    shipped.retain(|(file, _)| file.contains("/src/") && !file.ends_with("/tests.rs"));
    // They stand at the end of their file.
    let tests = Regex::new(r"#\[cfg\(test\)\]\n(?:#.*\n)*mod \w+ \{").unwrap();
    for (_, text) in &mut shipped {
        if let Some(end) = tests.find(text).map(|found| found.start()) {
            text.truncate(end);
        }
    }
    shipped
}

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
    let found =
        offences(&shipped(&["shared", "functions/api"]), |_, line| SDKS.iter().any(|sdk| names(line, sdk)));
    assert_none("an SDK is named outside the host crates", &found);
}

#[test]
fn only_hosts_ask_which_target_they_are_compiled_for() {
    let found = offences(&sources(&["shared", "functions/api"]), |_, line| {
        line.contains("cfg")
            && ["target_arch", "target_os", "target_family", "target_env"]
                .iter()
                .any(|key| line.contains(key))
    });
    assert_none("a target is asked for outside the host crates", &found);
}

#[test]
fn hosts_have_no_routes_of_their_own() {
    let hosts = ["functions/local", "functions/cloudflare", "functions/spin"];
    let shipped = shipped(&hosts);
    let found = offences(&shipped, |_, line| {
        ["\"/api", "\"/health", "\"/metrics"].iter().any(|path| line.contains(path))
    });
    assert_none("a path of the API is named in a host", &found);
    for host in hosts {
        let asks = |(file, text): &(String, String)| {
            file.starts_with(host) && text.contains("frontdesk_api::handle(")
        };
        assert!(shipped.iter().any(asks), "{host} does not ask the one entry");
    }
}

#[test]
fn scopes_are_made_where_it_is_known_for_whom() {
    const MAKERS: [&str; 8] = [
        // Of a token; for a job of an organisation; for a job over the documents of all; for a site's new visitor.
        "shared/app/src/auth/",
        "shared/app/src/jobs",
        "shared/app/src/retrieval/catch_up.rs",
        "shared/app/src/widget.rs",
        // A room that goes on with its own turn, and one that is called by another part of the deployment.
        "shared/app/src/rooms/",
        // A socket that goes on where it was.
        "functions/api/src/socket/session.rs",
        // The operator of this machine.
        "shared/app/src/reindex.rs",
        "functions/local/src/seed.rs",
    ];
    let found = offences(&shipped(&["shared", "functions"]), |file, line| {
        line.contains("TenantScope::authenticated(") && !MAKERS.iter().any(|maker| file.starts_with(maker))
    });
    assert_none("a scope is made elsewhere", &found);
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

/// The modules of a crate, each with those that it names.
fn modules(sources: &[(String, String)], krate: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let one = Regex::new(r"crate::(\w+)").unwrap();
    let several = Regex::new(r"(?s)crate::\{(.*?)\};").unwrap();
    let inner = Regex::new(r"\{[^{}]*\}").unwrap();
    let root = format!("{krate}/src/");
    for (file, text) in sources {
        let Some(module) = file.strip_prefix(&root).and_then(|rest| rest.split(['/', '.']).next()) else {
            continue;
        };
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let code = code.join("\n");
        let named = found.entry(module.to_owned()).or_default();
        named.extend(one.captures_iter(&code).map(|found| found[1].to_owned()));
        for list in several.captures_iter(&code) {
            let list = inner.replace_all(&list[1], "");
            let first = |name: &str| name.trim().split("::").next().unwrap_or_default().to_owned();
            named.extend(list.split(',').map(first));
        }
        named.remove(module);
    }
    // The root names all of its modules, and is named for nothing.
    found.remove("lib");
    found.remove("main");
    let known: BTreeSet<String> = found.keys().cloned().collect();
    for named in found.values_mut() {
        named.retain(|name| known.contains(name));
    }
    found
}

/// The modules that reach themselves again.
fn circle(modules: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let reaches_itself = |start: &String| {
        let mut seen: BTreeSet<&String> = BTreeSet::new();
        let mut left: Vec<&String> = modules[start].iter().collect();
        while let Some(next) = left.pop() {
            if seen.insert(next) {
                left.extend(&modules[next]);
            }
        }
        seen.contains(start)
    };
    modules.keys().filter(|module| reaches_itself(module)).cloned().collect()
}

#[test]
fn files_of_the_api_and_of_hosts_name_each_other_in_one_direction() {
    // The server hands a connection to its socket, which counts as long as the socket holds it.
    const KNOWN: [(&str, &[&str]); 1] = [("functions/local", &["server", "socket"])];
    let shipped = shipped(&["functions"]);
    for krate in ["functions/api", "functions/local", "functions/cloudflare", "functions/spin"] {
        let modules = modules(&shipped, krate);
        assert!(modules.len() > 5, "only {} modules found in {krate}", modules.len());
        let mut found = circle(&modules);
        found.retain(|module| !KNOWN.iter().any(|(known, of)| *known == krate && of.contains(&&**module)));
        assert!(found.is_empty(), "{krate}: each of these reaches itself again: {found:?}");
    }
}

/// The types of `shared`, each with the files that define one of that name.
fn types(sources: &[(String, String)]) -> BTreeMap<String, Vec<String>> {
    let definition = Regex::new(r"(?m)^ *(?:pub(?:\([a-z]+\))? )?(?:struct|enum|trait) ([A-Z]\w+)").unwrap();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, text) in sources {
        for name in definition.captures_iter(text) {
            found.entry(name[1].to_owned()).or_default().push(file.clone());
        }
    }
    found
}

#[test]
fn a_name_means_one_thing() {
    let mut taken = types(&shipped(&["shared"]));
    taken.retain(|_, files| files.len() > 1);
    let list: Vec<String> =
        taken.iter().map(|(name, files)| format!("{name}: {}", files.join(", "))).collect();
    assert!(taken.is_empty(), "{} names are taken more than once:\n{}", taken.len(), list.join("\n"));
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
    let crate_of = |files: &[(&str, &str)]| {
        let files: Vec<_> =
            files.iter().map(|(file, text)| (format!("x/src/{file}"), (*text).to_owned())).collect();
        circle(&modules(&files, "x"))
    };
    let there = ("a.rs", "use crate::{b::{self, C}, d};\n");
    assert_eq!(crate_of(&[there, ("b/mod.rs", "fn f() { crate::a::g() }"), ("d.rs", "")]), ["a", "b"]);
    assert_eq!(crate_of(&[there, ("b/mod.rs", "// crate::a\nuse crate::d;"), ("d.rs", "")]), [""; 0]);
    let twice = types(&source("pub struct Ab;\nmod b {\n    struct Ab;\n}\nstruct Abc;\n"));
    assert_eq!((twice["Ab"].len(), twice["Abc"].len()), (2, 1));
}
