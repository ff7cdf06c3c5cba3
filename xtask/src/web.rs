//! npm packages and the web part.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run;
use crate::stamp::Stamp;
use crate::workspace::{Workspace, which};

/// The oldest Node that the web part is built with.
const NODE_MAJOR: u32 = 20;

/// `npm` in a directory of the clone.
pub fn npm(directory: &Path) -> Command {
    let mut npm = Command::new("npm");
    npm.current_dir(directory).env("NO_UPDATE_NOTIFIER", "1");
    npm
}

/// Checks that Node and npm are there and new enough.
///
/// # Errors
/// Says what is missing and where it comes from.
pub fn need_node() -> Result<()> {
    for program in ["node", "npm"] {
        if which(program).is_none() {
            bail!(
                "{program} is not on the PATH. Frontdesk needs Node {NODE_MAJOR} or later with npm to build its web \
                 pages: install it with your system's package manager or from nodejs.org, then run this again"
            );
        }
    }
    let version = run::output(Command::new("node").arg("--version"))?;
    let major: u32 = version
        .trim()
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|major| major.parse().ok())
        .with_context(|| format!("node --version said {version:?}"))?;
    if major < NODE_MAJOR {
        bail!("node is version {major}; Frontdesk needs Node {NODE_MAJOR} or later to build its web pages");
    }
    Ok(())
}

/// `npm ci` where packages are missing or the lock file changed.
pub fn packages(workspace: &Workspace, directory: &str) -> Result<()> {
    let path = workspace.path(directory);
    if !path.join("package.json").is_file() {
        bail!("{directory}/package.json is not there");
    }
    let inputs = [path.join("package.json"), path.join("package-lock.json")];
    // Inside node_modules: deleting that directory deletes the stamp with it.
    let stamp = Stamp::new(path.join("node_modules/.frontdesk-stamp"), &inputs)?;
    if stamp.is_fresh() {
        run::skip(&format!("npm packages of {directory} are there"));
        return Ok(());
    }
    need_node()?;
    run::step(&format!("installing the npm packages of {directory} (up to a minute)"));
    let log = workspace.state("logs").join(format!("npm-{}.log", directory.replace('/', "-")));
    run::run_logged(npm(&path).args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]), &log)?;
    stamp.write()
}

/// The web pages in `web/dist`, built where a source changed.
pub fn build(workspace: &Workspace) -> Result<()> {
    let web = workspace.path("web");
    let stamp = Stamp::new(web.join("dist/.frontdesk-stamp"), std::slice::from_ref(&web))?;
    if stamp.is_fresh() {
        run::skip("the web pages are built");
        return Ok(());
    }
    packages(workspace, "web")?;
    run::step("building the web pages");
    run::run_logged(
        npm(&web).args(["run", "--silent", "build"]),
        &workspace.state("logs").join("web-build.log"),
    )?;
    stamp.write()
}
