//! The schema's steps: forward files with a down file each, the same on every host.
//!
//! Releases are rolled back more often than data is, so a release must be able to run on the schema of the next one. From
//! step 9 on a step therefore only adds ([`contracts`] says what that is). What it makes superfluous is taken away a release
//! later, by a step named `…_contract_…`: programs that do not know it must not run beside it, while an unknown step that
//! only adds does them no harm.

mod sql;

use frontdesk_domain::error::{Error, Result};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Database, DbError, Statement};
use sha2::{Digest, Sha256};

pub use sql::{Made, contracts, statements};

/// One step of the schema.
pub struct Migration {
    /// Its number, dense from 1.
    pub version: u32,
    /// Its name.
    pub name: &'static str,
    up: &'static str,
    down: &'static str,
}

macro_rules! migrations {
    ($($version:literal $name:literal)*) => {
        /// Every step, in order.
        pub const ALL: &[Migration] = &[$(Migration {
            version: $version,
            name: $name,
            up: include_str!(concat!("../../../migrations/", $name, ".up.sql")),
            down: include_str!(concat!("../../../migrations/", $name, ".down.sql")),
        },)*];
    };
}

migrations! {
    1 "0001_tenants_and_rooms"
    2 "0002_users_settings_usage"
    3 "0003_documents"
    4 "0004_passages"
    5 "0005_uploads"
    6 "0006_ingest_steps"
    7 "0007_live_answers"
    8 "0008_blobs"
    9 "0009_hosts"
    10 "0010_jobs"
    11 "0011_access"
    12 "0012_heads_and_feed"
    13 "0013_sites"
    14 "0014_rounds_and_text_parts"
    15 "0015_document_warnings"
    16 "0016_document_vectors"
    17 "0017_snoozed"
    18 "0018_people"
    19 "0019_api_keys"
}

/// Where a database stands with one step.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum MigrationState {
    /// Done, and the file is as it was.
    Applied {
        /// When.
        at: Timestamp,
    },
    /// Done, but the file was edited since.
    Edited,
    /// Not done yet.
    Pending,
    /// Done by a newer Frontdesk: this one does not know it. It only added, so both can run on this schema.
    Newer,
    /// Done by a newer Frontdesk, and it took away what this one needs.
    Contracted,
}

/// One line of `migrate status`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct MigrationStatus {
    /// The step.
    pub version: u32,
    /// Its name.
    pub name: String,
    /// Where the database stands.
    #[serde(flatten)]
    pub state: MigrationState,
}

/// Where the database stands with every step, known or not.
///
/// # Errors
/// When the database is out of reach.
pub async fn status(db: &dyn Database) -> Result<Vec<MigrationStatus>> {
    let applied = match crate::store::migrations::applied(db).await {
        Ok(applied) => applied,
        // A database without the table is a new one.
        Err(DbError::Schema(text)) if text.contains("no such table") => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let mut lines: Vec<MigrationStatus> = ALL
        .iter()
        .map(|step| {
            let state = match applied.iter().find(|done| done.version == step.version) {
                None => MigrationState::Pending,
                Some(done) if done.checksum != step.checksum() => MigrationState::Edited,
                Some(done) => MigrationState::Applied { at: done.at },
            };
            MigrationStatus { version: step.version, name: step.name.to_owned(), state }
        })
        .collect();
    for done in &applied {
        if !ALL.iter().any(|step| step.version == done.version) {
            let state =
                if takes_away(&done.name) { MigrationState::Contracted } else { MigrationState::Newer };
            lines.push(MigrationStatus { version: done.version, name: done.name.clone(), state });
        }
    }
    Ok(lines)
}

/// Takes every pending step; returns the names of those it took.
///
/// # Errors
/// When a step was edited, a newer Frontdesk's stands in the way, or one fails; a step that fails is undone whole.
pub async fn up(db: &dyn Database, now: Timestamp) -> Result<Vec<&'static str>> {
    let lines = status(db).await?;
    refuse_strange(&lines)?;
    let pending = || lines.iter().filter(|line| line.state == MigrationState::Pending);
    if let (Some(next), Some(newer)) =
        (pending().next(), lines.iter().find(|line| line.state == MigrationState::Newer))
    {
        return Err(Error::ours(format!(
            "migration {} is pending, but {} is there already",
            next.name, newer.name
        )));
    }
    db.batch(vec![crate::store::migrations::create()]).await?;
    let mut taken = Vec::new();
    for step in ALL {
        if !pending().any(|line| line.version == step.version) {
            continue;
        }
        let mut batch: Vec<Statement> = statements(step.up).into_iter().map(Statement::new).collect();
        batch.push(crate::store::migrations::insert(step.version, step.name, &step.checksum(), now));
        db.batch(batch).await.map_err(|error| Error::ours(format!("{}: {error}", step.name)))?;
        taken.push(step.name);
    }
    Ok(taken)
}

/// What undoing the last `count` steps means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undo {
    /// The step's name.
    pub name: &'static str,
    /// What is gone for good, in words.
    pub loses: Vec<String>,
}

/// Which steps [`down`] would undo, the last one first.
///
/// # Errors
/// When the last step is unknown or was edited, or the database is out of reach.
pub async fn plan_down(db: &dyn Database, count: usize) -> Result<Vec<Undo>> {
    let undo = |step: &Migration| Undo {
        name: step.name,
        loses: statements(step.down).into_iter().filter_map(sql::loses).collect(),
    };
    Ok(last_steps(db, count).await?.into_iter().map(undo).collect())
}

/// Undoes the last `count` steps; returns their names. That no host runs is for the caller to see to: [`crate::life::alive`].
///
/// # Errors
/// When the last step is unknown, was edited, or fails.
pub async fn down(db: &dyn Database, count: usize) -> Result<Vec<&'static str>> {
    let mut undone = Vec::new();
    for step in last_steps(db, count).await? {
        let mut batch: Vec<Statement> = statements(step.down).into_iter().map(Statement::new).collect();
        batch.push(crate::store::migrations::delete(step.version));
        db.batch(batch).await.map_err(|error| Error::ours(format!("{}: {error}", step.name)))?;
        undone.push(step.name);
    }
    Ok(undone)
}

async fn last_steps(db: &dyn Database, count: usize) -> Result<Vec<&'static Migration>> {
    let lines = status(db).await?;
    refuse_strange(&lines)?;
    if let Some(line) = lines.iter().find(|line| line.state == MigrationState::Newer) {
        return Err(Error::ours(format!(
            "migration {} is a newer Frontdesk's; undo it with that one",
            line.name
        )));
    }
    let applied = |step: &&Migration| {
        lines
            .iter()
            .any(|line| line.version == step.version && matches!(line.state, MigrationState::Applied { .. }))
    };
    Ok(ALL.iter().rev().filter(applied).take(count).collect())
}

/// Whether a host may run on this database: every step done, none edited, none unknown that takes something away.
///
/// # Errors
/// When it may not, with the reason.
pub async fn check(db: &dyn Database) -> Result<()> {
    unfit(db).await?.map_or(Ok(()), |reason| Err(Error::Ours(reason)))
}

/// Why a host must not run on this database; `None` when it may.
///
/// # Errors
/// When the database is out of reach.
pub async fn unfit(db: &dyn Database) -> Result<Option<String>> {
    let lines = status(db).await?;
    if let Err(Error::Ours(reason)) = refuse_strange(&lines) {
        return Ok(Some(reason));
    }
    let pending = lines.iter().find(|line| line.state == MigrationState::Pending);
    Ok(pending.map(|line| format!("migration {} is pending; run `frontdesk migrate up`", line.name)))
}

fn refuse_strange(lines: &[MigrationStatus]) -> Result<()> {
    for line in lines {
        let why = match line.state {
            MigrationState::Edited => "was edited after it was applied",
            MigrationState::Contracted => "is a newer Frontdesk's and took away what this version needs",
            MigrationState::Applied { .. } | MigrationState::Pending | MigrationState::Newer => continue,
        };
        return Err(Error::ours(format!("migration {} {why}", line.name)));
    }
    Ok(())
}

/// Whether the step of this name takes away what the release before it used.
fn takes_away(name: &str) -> bool {
    name.contains("_contract_")
}

impl Migration {
    /// SHA-256 of the forward file.
    fn checksum(&self) -> String {
        hex::encode(Sha256::digest(self.up.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last step of each release.
    const RELEASES: [(&str, u32); 1] = [("0.1", 8)];

    #[test]
    fn versions_are_dense_and_names_carry_them() {
        for (index, step) in ALL.iter().enumerate() {
            assert_eq!(step.version as usize, index + 1);
            assert!(step.name.starts_with(&format!("{:04}_", step.version)), "{}", step.name);
            assert!(!statements(step.up).is_empty() && !statements(step.down).is_empty());
        }
    }

    /// What is wrong with a step after the rule at the top.
    fn breaks_the_rule(name: &str, up: &str) -> Option<String> {
        if takes_away(name) {
            let Some((step, release)) = up
                .lines()
                .next()
                .and_then(|line| line.strip_prefix("-- What ")?.split_once(" expanded in release "))
            else {
                return Some("begins with: -- What NNNN_name expanded in release X.Y".to_owned());
            };
            let expanded: u32 = step.get(..4).and_then(|number| number.parse().ok()).unwrap_or(u32::MAX);
            let released = RELEASES.iter().any(|(name, last)| *name == release && expanded <= *last);
            return (!released).then(|| format!("release {release} does not have the step {step}"));
        }
        let added = sql::made(up);
        statements(up)
            .into_iter()
            .find_map(|statement| Some(format!("{}: {statement}", contracts(statement, &added)?)))
    }

    #[test]
    fn steps_add_first_and_take_away_a_release_later() {
        for step in ALL.iter().filter(|step| step.version > 8) {
            assert_eq!(breaks_the_rule(step.name, step.up), None, "{}", step.name);
        }
        let takes_away = "-- What 0008_blobs expanded in release 0.1\nDROP TABLE blob_parts;";
        for (name, up, keeps) in [
            ("0010_more", "CREATE TABLE a (x TEXT);\nCREATE UNIQUE INDEX i ON a (x);", true),
            ("0010_less", "ALTER TABLE a ADD COLUMN y TEXT;\nALTER TABLE a DROP COLUMN x;", false),
            ("0010_contract_blobs", takes_away, true),
            ("0010_contract_blobs", "DROP TABLE blob_parts;", false),
            ("0010_contract_hosts", "-- What 0009_hosts expanded in release 0.1\nDROP TABLE hosts;", false),
        ] {
            assert_eq!(breaks_the_rule(name, up).is_none(), keeps, "{name}: {up}");
        }
    }
}
