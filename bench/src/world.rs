//! A host of its own in a temporary directory: the same database, vectors and model client as the product's.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Result, anyhow};
use frontdesk_app::config::HostConfig;
use frontdesk_app::migrations;
use frontdesk_local::database::LibsqlDatabase;
use frontdesk_local::host::{Host, HostOptions, Overrides, database_path};
use frontdesk_local::runtime::{OsRandom, SystemClock};
use frontdesk_local::secrets;
use frontdesk_ports::Clock;

/// The variables of the machine that the bench looks at; everything else is as a fresh installation has it.
const SEEN: [&str; 3] = ["OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_EMBEDDING_MODEL"];

/// A host in an empty directory.
///
/// # Errors
/// When a variable of the model is wrong or the database cannot be made.
pub async fn open(directory: &Path) -> Result<Rc<Host>> {
    let database = LibsqlDatabase::open(&database_path(directory))?;
    migrations::up(&database, SystemClock.now()).await?;
    let made = secrets::ensure(directory, &OsRandom)?;
    let lookup = |name: &str| {
        let seen = SEEN.contains(&name).then(|| std::env::var(name).ok()).flatten();
        seen.or_else(|| made.get(name).cloned())
    };
    let config = HostConfig::from_vars(&lookup).map_err(|problems| anyhow!("{problems:?}"))?;
    let options =
        HostOptions { data: directory.to_path_buf(), web: None, config, program: PathBuf::from("frontdesk") };
    Host::open(options, Overrides::default()).await
}
