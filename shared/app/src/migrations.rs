//! The schema's steps: forward files with a down file each, the same on every host.

use frontdesk_domain::error::{Error, Result};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{Database, DbError, Statement};
use sha2::{Digest, Sha256};

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
    9 "0009_heads_and_feed"
}

/// Where a database stands with one step.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum State {
    /// Done, and the file is as it was.
    Applied {
        /// When.
        at: Timestamp,
    },
    /// Done, but the file was edited since.
    Edited,
    /// Not done yet.
    Pending,
    /// Done by a newer Frontdesk: this one does not know it.
    Unknown,
}

/// One line of `migrate status`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Status {
    /// The step.
    pub version: u32,
    /// Its name.
    pub name: String,
    /// Where the database stands.
    #[serde(flatten)]
    pub state: State,
}

/// Where the database stands with every step, known or not.
///
/// # Errors
/// When the database is out of reach.
pub async fn status(db: &dyn Database) -> Result<Vec<Status>> {
    let applied = match crate::store::migrations::applied(db).await {
        Ok(applied) => applied,
        // A database without the table is a new one.
        Err(DbError::Schema(text)) if text.contains("no such table") => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let mut lines: Vec<Status> = ALL
        .iter()
        .map(|step| {
            let state = match applied.iter().find(|done| done.version == step.version) {
                None => State::Pending,
                Some(done) if done.checksum != step.checksum() => State::Edited,
                Some(done) => State::Applied { at: done.at },
            };
            Status { version: step.version, name: step.name.to_owned(), state }
        })
        .collect();
    for done in &applied {
        if !ALL.iter().any(|step| step.version == done.version) {
            lines.push(Status { version: done.version, name: done.name.clone(), state: State::Unknown });
        }
    }
    Ok(lines)
}

/// Takes every pending step; returns the names of those it took.
///
/// # Errors
/// When a step was edited, is unknown, or fails; a step that fails is undone whole.
pub async fn up(db: &dyn Database, now: Timestamp) -> Result<Vec<&'static str>> {
    let lines = status(db).await?;
    refuse_strange(&lines)?;
    db.batch(vec![crate::store::migrations::create()]).await?;
    let mut taken = Vec::new();
    for step in ALL {
        if lines.iter().any(|line| line.version == step.version && line.state != State::Pending) {
            continue;
        }
        let mut batch: Vec<Statement> = statements(step.up).into_iter().map(Statement::new).collect();
        batch.push(crate::store::migrations::insert(step.version, step.name, &step.checksum(), now));
        db.batch(batch).await.map_err(|error| Error::ours(format!("{}: {error}", step.name)))?;
        taken.push(step.name);
    }
    Ok(taken)
}

/// Undoes the last `count` steps; returns their names.
///
/// # Errors
/// When the last step is unknown or fails.
pub async fn down(db: &dyn Database, count: usize) -> Result<Vec<&'static str>> {
    let lines = status(db).await?;
    refuse_strange(&lines)?;
    let mut undone = Vec::new();
    let applied = |step: &&Migration| {
        lines.iter().any(|line| line.version == step.version && matches!(line.state, State::Applied { .. }))
    };
    for step in ALL.iter().rev().filter(applied).take(count) {
        let mut batch: Vec<Statement> = statements(step.down).into_iter().map(Statement::new).collect();
        batch.push(crate::store::migrations::delete(step.version));
        db.batch(batch).await.map_err(|error| Error::ours(format!("{}: {error}", step.name)))?;
        undone.push(step.name);
    }
    Ok(undone)
}

/// Whether a host may run on this database: every step done, none edited, none unknown.
///
/// # Errors
/// When it may not, with the reason.
pub async fn check(db: &dyn Database) -> Result<()> {
    let lines = status(db).await?;
    refuse_strange(&lines)?;
    match lines.iter().find(|line| line.state == State::Pending) {
        Some(line) => Err(Error::ours(format!("migration {} is pending; run `migrate up`", line.name))),
        None => Ok(()),
    }
}

fn refuse_strange(lines: &[Status]) -> Result<()> {
    for line in lines {
        let why = match line.state {
            State::Edited => "was edited after it was applied",
            State::Unknown => "is not known to this version of Frontdesk",
            State::Applied { .. } | State::Pending => continue,
        };
        return Err(Error::ours(format!("migration {} {why}", line.name)));
    }
    Ok(())
}

impl Migration {
    /// SHA-256 of the forward file.
    fn checksum(&self) -> String {
        hex::encode(Sha256::digest(self.up.as_bytes()))
    }
}

/// The statements of a file: each ends with `;` at the end of a line.
fn statements(file: &'static str) -> Vec<&'static str> {
    file.split_inclusive(";\n").map(str::trim).filter(|statement| statement.contains(';')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_dense_and_names_carry_them() {
        for (index, step) in ALL.iter().enumerate() {
            assert_eq!(step.version as usize, index + 1);
            assert!(step.name.starts_with(&format!("{:04}_", step.version)), "{}", step.name);
            assert!(!statements(step.up).is_empty() && !statements(step.down).is_empty());
        }
    }
}
