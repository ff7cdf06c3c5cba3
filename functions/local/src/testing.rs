//! A whole host in a temporary directory, for tests: the real database, rooms and files; time, randomness and HTTP as
//! the test says. The database is a file, or a server of its own where `FRONTDESK_SQLD` names the program.

mod sqld;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use frontdesk_app::config::HostConfig;
use frontdesk_app::policy::Via;
use frontdesk_app::{auth, migrations, widget};
use frontdesk_clients::hrana::HranaServer;
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::site::Site;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{BoxFuture, Clock, Ctx, Database};

use crate::host::{self, Host, HostOptions, Overrides};
use crate::runtime::SystemClock;
use crate::seed;

pub use sqld::Sqld;

/// The administrator of a [`World`].
pub const ADMIN_EMAIL: &str = "admin@camomile.example";
/// Its password.
pub const ADMIN_PASSWORD: &str = "kettle-orbit-77-lantern";

/// The time of the machine, moved on by the test.
#[derive(Default)]
pub struct MovedClock(Cell<Duration>);

impl MovedClock {
    /// How far ahead of the machine it is from now on. Tasks that sleep are not woken.
    pub fn set_ahead(&self, ahead: Duration) {
        self.0.set(ahead);
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().after(self.0.get())
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        SystemClock.sleep(duration)
    }
}

/// A host in a directory of its own.
pub struct World {
    /// The host.
    pub host: Rc<Host>,
    /// Its directory and database; gone when the world is.
    pub place: Place,
}

/// A data directory with an empty database.
pub struct Place {
    directory: tempfile::TempDir,
    sqld: Option<Sqld>,
}

impl Place {
    /// A new one.
    ///
    /// # Errors
    /// When the directory cannot be made or the server does not start.
    pub fn new() -> anyhow::Result<Self> {
        let program = std::env::var_os("FRONTDESK_SQLD");
        Ok(Self {
            directory: tempfile::tempdir()?,
            sqld: program.map(|program| Sqld::start(program.into())).transpose()?,
        })
    }

    /// The data directory.
    #[must_use]
    pub fn data(&self) -> &Path {
        self.directory.path()
    }

    /// The server of its database, where it has one.
    pub const fn sqld(&mut self) -> Option<&mut Sqld> {
        self.sqld.as_mut()
    }

    /// Its database, opened anew.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn database(&self) -> anyhow::Result<Rc<dyn Database>> {
        let server = self.sqld.as_ref().map(|sqld| HranaServer::new(&sqld.url(), None)).transpose()?;
        host::database(self.data(), server)
    }
}

/// Runs a test on the thread of the core, as the host runs.
///
/// # Panics
/// When no runtime can be made.
#[expect(clippy::expect_used, reason = "for tests")]
pub fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, test)
}

/// Makes the one organisation of a [`World`], Camomile, in the database of this context.
///
/// # Errors
/// When the database refuses.
pub async fn organisation(ctx: &Ctx) -> anyhow::Result<()> {
    seed::organisation(ctx, &seed::Admin { email: ADMIN_EMAIL, password: ADMIN_PASSWORD }).await?;
    Ok(())
}

impl World {
    /// A world with one organisation, Camomile, without documents.
    ///
    /// # Errors
    /// When the directory or the database cannot be made.
    pub async fn new(vars: &[(&str, &str)], overrides: Overrides) -> anyhow::Result<Self> {
        let place = Place::new()?;
        let now = overrides.clock.as_ref().map_or_else(|| SystemClock.now(), |clock| clock.now());
        migrations::up(place.database()?.as_ref(), now).await?;
        let host = Self::open(&place, vars, overrides).await?;
        organisation(&host.ctx).await?;
        Ok(Self { host, place })
    }

    /// A directory of its own beside a database that another process fills and migrates, at `database_url`.
    ///
    /// # Errors
    /// When the directory cannot be made or the database is out of reach.
    pub async fn beside(database_url: &str, overrides: Overrides) -> anyhow::Result<Self> {
        let place = Place { directory: tempfile::tempdir()?, sqld: None };
        let host = Self::open(&place, &[("DATABASE_URL", database_url)], overrides).await?;
        Ok(Self { host, place })
    }

    /// A host on a place whose database is there and migrated.
    ///
    /// # Errors
    /// When the place cannot be opened.
    pub async fn at(place: Place, vars: &[(&str, &str)], overrides: Overrides) -> anyhow::Result<Self> {
        let host = Self::open(&place, vars, overrides).await?;
        Ok(Self { host, place })
    }

    /// The same directory, opened by a new process: what was in memory is gone.
    ///
    /// # Errors
    /// When the directory cannot be opened.
    pub async fn restart(self, vars: &[(&str, &str)], overrides: Overrides) -> anyhow::Result<Self> {
        let Self { host, place } = self;
        drop(host);
        let host = Self::open(&place, vars, overrides).await?;
        Ok(Self { host, place })
    }

    async fn open(place: &Place, vars: &[(&str, &str)], overrides: Overrides) -> anyhow::Result<Rc<Host>> {
        let lookup = |name: &str| {
            let given = vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            given.or_else(|| match name {
                "JWT_SECRET" => Some("b1f4c7a90e3d56820f9a7bc4d1e8356af02c".to_owned()),
                "PUBLIC_URL" => Some("https://desk.example".to_owned()),
                "DATABASE_URL" => place.sqld.as_ref().map(Sqld::url),
                _ => None,
            })
        };
        let mut config =
            HostConfig::from_vars(&lookup).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
        config.core.rate_limits = vars.iter().any(|(name, _)| *name == "RATE_LIMIT_STORE");
        let program = std::env::var_os("CARGO_BIN_EXE_frontdesk")
            .map_or_else(|| PathBuf::from("frontdesk"), PathBuf::from);
        let data = place.data().to_path_buf();
        Host::open(HostOptions { data, web: None, config, program }, overrides).await
    }

    /// Every port.
    #[must_use]
    pub fn ctx(&self) -> &Ctx {
        &self.host.ctx
    }

    /// The organisation's site.
    ///
    /// # Errors
    /// When the database is out of reach.
    pub async fn site(&self) -> anyhow::Result<Site> {
        let site = frontdesk_app::sites::first(self.ctx()).await?;
        site.ok_or_else(|| anyhow::anyhow!("no site"))
    }

    /// A new visitor of the site, with its token.
    ///
    /// # Errors
    /// When the session is refused.
    pub async fn visitor(&self) -> anyhow::Result<(TenantScope, String)> {
        let site_key = self.site().await?.site_key;
        let begin = widget::BeginSession::new(site_key, Via::widget(None));
        let session = widget::begin_session(self.ctx(), begin).await?;
        let scope = auth::verify_visitor_token(self.ctx(), &session.visitor_token)?.scope;
        Ok((scope, session.visitor_token))
    }
}
