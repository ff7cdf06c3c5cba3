//! What others wrote: licences, origins and known faults of crates and npm packages.
//!
//! What could not be asked counts as skipped and says so; a database of faults that is old finds faults, but its silence
//! proves nothing.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde_json::Value;

use crate::run;
use crate::setup::tools;
use crate::test::Session;
use crate::test::count::Counts;
use crate::web;
use crate::workspace::which;

/// Names a copy of the advisory database (a git repository), for machines that do not reach the original.
const COPY: &str = "FRONTDESK_ADVISORY_DB";
/// Where cargo-deny gets the database.
const ADVISORIES: &str = "https://github.com/RustSec/advisory-db";
/// A database whose last entry is older proves nothing by its silence.
const FRESH: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// The workspaces, each with a lock file of its own.
const CRATES: [&str; 2] = ["Cargo.toml", "stand-ins/qdrant/Cargo.toml"];
/// The directories with a lock file of npm.
const NPM: [&str; 5] = ["web", "functions/cloudflare", "bench/edge", "tests/browser", "tests/sqld"];

/// Licences, origins and advisories.
pub fn deny(session: &Session<'_>) -> Result<Counts> {
    let program = tools::cargo_deny().ensure(session.workspace)?;
    let deny = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.current_dir(&session.workspace.root).args(arguments);
        command
    };
    let mut counts = Counts::default();
    for manifest in CRATES {
        let mut check =
            deny(&["--manifest-path", manifest, "--locked", "check", "bans", "licenses", "sources"]);
        counts = counts.add(session.check(&mut check)?);
    }
    let mut fetch = deny(&["fetch", "db"]);
    if let Some(copy) = std::env::var_os(COPY) {
        // Git itself is told to go there instead.
        let key = format!("url.{}.insteadOf", copy.to_string_lossy());
        fetch.envs([("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_VALUE_0", ADVISORIES)]);
        fetch.env("GIT_CONFIG_KEY_0", key);
    }
    fetch.env("GIT_TERMINAL_PROMPT", "0");
    let (fetched, _) = session.run(&mut fetch)?;
    let database = database();
    counts = counts.add(match (&database, fetched) {
        (None, _) => skipped(&format!(
            "faults of crates: {ADVISORIES} was not reached and there is no copy; {COPY} may name one"
        )),
        (Some(database), fetched) => {
            if !fetched {
                run::say("  the advisory database was not reached: its copy is used as it is");
            }
            let mut checked = Counts::default();
            for manifest in CRATES {
                let mut check = deny(&["--manifest-path", manifest, "--offline", "check", "advisories"]);
                checked = checked.add(session.check(&mut check)?);
            }
            match age(database) {
                Some(age) if age <= FRESH => checked,
                _ if checked.failed > 0 => checked,
                _ => skipped("faults of crates: the copy of the advisory database is older than 90 days"),
            }
        }
    });
    for directory in NPM {
        counts = counts.add(npm(session, directory)?);
    }
    Ok(counts)
}

fn skipped(what: &str) -> Counts {
    run::say(&format!("  not checked: {what}"));
    Counts::SKIPPED
}

/// cargo-deny's clone of the advisory database.
fn database() -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")))?;
    let all = std::fs::read_dir(home.join("advisory-dbs")).ok()?.flatten();
    all.map(|entry| entry.path()).find(|path| path.join("crates").is_dir())
}

/// How old the last entry is.
#[expect(clippy::disallowed_methods, reason = "a command of a person, without ports")]
fn age(database: &Path) -> Option<Duration> {
    let told =
        run::output(Command::new("git").arg("-C").arg(database).args(["log", "-1", "--format=%ct"])).ok()?;
    let at = UNIX_EPOCH.checked_add(Duration::from_secs(told.trim().parse().ok()?))?;
    Some(SystemTime::now().duration_since(at).unwrap_or_default())
}

/// Faults of npm packages, as their registry knows them.
fn npm(session: &Session<'_>, directory: &str) -> Result<Counts> {
    if which("npm").is_none() {
        return Ok(skipped(&format!("faults of the npm packages of {directory}: npm is not there")));
    }
    let mut audit = web::npm(&session.workspace.path(directory));
    let (_, text) =
        session.run(audit.args(["audit", "--package-lock-only", "--json", "--loglevel=silent"]))?;
    Ok(match audited(&text) {
        Audit::Found(0) => Counts::one(true),
        Audit::Found(count) => {
            run::say(&format!("  {directory}: {count} npm packages have known faults"));
            Counts::one(false)
        }
        Audit::NotAsked(why) => skipped(&format!("faults of the npm packages of {directory}: {why}")),
    })
}

/// What `npm audit --json` told.
#[derive(Debug, PartialEq)]
enum Audit {
    /// So many packages have known faults.
    Found(usize),
    /// The registry did not say.
    NotAsked(String),
}

fn audited(text: &str) -> Audit {
    // The log says first what was run.
    let report = text.find('{').and_then(|at| text.get(at..)).unwrap_or_default();
    let report: Value = serde_json::from_str(report.trim()).unwrap_or_default();
    match (report.get("vulnerabilities").and_then(Value::as_object), report.get("auditReportVersion")) {
        (Some(found), Some(_)) => Audit::Found(found.len()),
        _ => {
            let why = report.get("message").and_then(Value::as_str).unwrap_or("npm gave no report");
            Audit::NotAsked(why.lines().next().unwrap_or_default().chars().take(200).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_without_faults_is_the_only_one_that_passes() {
        let clean =
            "$ npm audit --json\n{\"auditReportVersion\": 2, \"vulnerabilities\": {}, \"metadata\": {}}\n";
        assert_eq!(audited(clean), Audit::Found(0));
        let faulty = r#"{"auditReportVersion": 2, "vulnerabilities": {"esbuild": {"severity": "moderate"}}}"#;
        assert_eq!(audited(faulty), Audit::Found(1));
        let refused = r#"{"message": "405 Method Not Allowed - POST", "statusCode": 405, "error": {}}"#;
        assert_eq!(audited(refused), Audit::NotAsked("405 Method Not Allowed - POST".to_owned()));
        assert_eq!(audited(""), Audit::NotAsked("npm gave no report".to_owned()));
        assert_eq!(audited("{}"), Audit::NotAsked("npm gave no report".to_owned()));
    }
}
