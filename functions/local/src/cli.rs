//! The command line.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use frontdesk_app::config::{self, ConfigProblem, HostConfig};
use frontdesk_app::migrations::{self, MigrationState};
use frontdesk_app::{health, life, reindex, sites as app_sites};
use frontdesk_clients::hrana::HranaServer;
use frontdesk_clients::qdrant::Qdrant;
use frontdesk_domain::site::Site;
use frontdesk_ports::{Clock, Database, OwnOrigin};
use tokio::net::TcpListener;

use crate::extractor::Confines;
use crate::host::{self, Host, HostOptions, Overrides};
use crate::runtime::{OsRandom, SystemClock};
use crate::server::{self, Limits, descriptors};
use crate::{logs, misspelt, private, secrets, seed, sites};

/// The AI front desk for websites, on one machine.
#[derive(Parser)]
#[command(name = "frontdesk", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves a demonstration: makes the data directory, its secrets, the schema and a demo organisation where they are
    /// missing.
    Dev(Dev),
    /// Serves. Secrets come from the environment or from `secrets.env` in the data directory.
    Serve(Serve),
    /// The schema of the database: of the one that DATABASE_URL names, or of the file in the data directory.
    Migrate {
        #[command(subcommand)]
        step: Migrate,
    },
    /// Adds the demo organisation and its documents where they are missing.
    Seed(Seed),
    /// The sites on whose pages the widget is shown. Works beside a process that serves.
    Site(SiteArgs),
    /// The vectors that documents are searched by.
    Vectors {
        #[command(subcommand)]
        step: Vectors,
    },
    /// Reads one untrusted file from standard input.
    #[command(hide = true)]
    Extract(Confines),
}

#[derive(Args)]
struct Seed {
    #[command(flatten)]
    place: Place,
    /// Only the organisation and its administrator, no documents.
    #[arg(long)]
    empty: bool,
    /// Sends the documents through the API of the deployment at this address, which reads them.
    #[arg(long, value_name = "URL", conflicts_with = "empty")]
    at: Option<String>,
    /// One JSON object on the last line: {site_key, admin_email, admin_password}.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct SiteArgs {
    #[command(flatten)]
    place: Place,
    /// One JSON object a site.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    step: sites::Step,
}

#[derive(Args)]
struct Place {
    /// The data directory.
    #[arg(long, global = true, env = "FRONTDESK_DATA", default_value = ".frontdesk")]
    data: PathBuf,
}

#[derive(Args)]
struct Serve {
    #[command(flatten)]
    place: Place,
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    host: std::net::IpAddr,
    /// The port to listen on; 0 takes any that is free.
    #[arg(long, default_value_t = 8787)]
    port: u16,
    /// The folder of static files (widget and demo page).
    #[arg(long)]
    web: Option<PathBuf>,
    /// No rate limits: for tests and load.
    #[arg(long)]
    no_limits: bool,
    /// How many connections may be open. Without it, what the limit of open files (RLIMIT_NOFILE) allows.
    #[arg(long, value_name = "COUNT")]
    connections: Option<NonZeroUsize>,
    /// How many of them may come from one address, also from this machine's own. Without it a quarter, and this machine's own
    /// are not counted, as they are a proxy's. Behind a proxy on another machine, give as many as `--connections`.
    #[arg(long, value_name = "COUNT")]
    connections_per_address: Option<NonZeroUsize>,
    /// When requests are answered, write {base_url, site_key, snippet, admin_email, admin_password, data_dir} as JSON there.
    #[arg(long)]
    ready: Option<PathBuf>,
}

#[derive(Args)]
struct Dev {
    #[command(flatten)]
    serve: Serve,
    /// No demo documents.
    #[arg(long)]
    empty: bool,
}

#[derive(Subcommand)]
enum Migrate {
    /// Takes every pending step.
    Up(Place),
    /// Undoes the last step, or the last few, and with them what they hold. Refuses while a host uses the database.
    Down {
        #[command(flatten)]
        place: Place,
        /// How many steps.
        #[arg(long, default_value_t = 1)]
        steps: usize,
        /// Does not ask: for scripts.
        #[arg(long)]
        yes: bool,
    },
    /// Lists every step and where the database stands.
    Status {
        #[command(flatten)]
        place: Place,
        /// One JSON object on the last line.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
enum Vectors {
    /// Makes all of them anew in Qdrant, from the documents' passages, while searches go on: after a change of
    /// OPENAI_EMBEDDING_MODEL, QDRANT_URL or QDRANT_VECTORS, or when the server lost them.
    Rebuild(Place),
}

/// Runs the command line.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::Extract(confines) = cli.command {
        return crate::extractor::run_child(confines);
    }
    private::begin();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    let tasks = tokio::task::LocalSet::new();
    let result = tasks.block_on(&runtime, run(cli.command));
    // Whatever still runs (a file that is being read) is not waited for.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

#[expect(clippy::print_stderr, reason = "the command line speaks to a person")]
fn warn(text: &str) {
    eprintln!("frontdesk: {text}");
}

fn fail(error: &anyhow::Error) -> ExitCode {
    warn(&format!("{error:#}"));
    ExitCode::FAILURE
}

#[expect(clippy::print_stdout, reason = "the command line speaks to a person")]
fn say(text: &str) {
    println!("{text}");
}

async fn run(command: Command) -> Result<()> {
    match command {
        Command::Dev(dev) => {
            // Before anything is made.
            let listener = listen(&dev.serve).await?;
            prepare(&dev.serve.place.data, &mut |text| say(text)).await?;
            serve(dev.serve, listener, Some(Demo { documents: !dev.empty })).await
        }
        Command::Serve(options) => {
            let listener = listen(&options).await?;
            serve(options, listener, None).await
        }
        Command::Migrate { step } => migrate(step).await,
        Command::Site(args) => site(args).await,
        Command::Vectors { step: Vectors::Rebuild(place) } => rebuild_vectors(&place.data).await,
        Command::Seed(options) => seed(options).await,
        Command::Extract(_) => Ok(()),
    }
}

async fn seed(options: Seed) -> Result<()> {
    let data = &options.place.data;
    prepare(data, &mut |text| say(text)).await?;
    for misspelt in misspelt::find(names(data)?) {
        warn(&misspelt.to_string());
    }
    let host = open(data, None, true).await?;
    fill(&host, data, !options.empty && options.at.is_none()).await?;
    let (email, password) = admin(data)?;
    if let Some(url) = &options.at {
        let admin = seed::Admin { email: &email, password: &password };
        let count = seed::through_the_api(url, &admin, |line| say(&format!("  {line}"))).await?;
        say(&format!("read {count} documents"));
    }
    if options.json {
        let site_key = app_sites::first(&host.ctx).await?.map(|site| site.site_key);
        let told =
            serde_json::json!({ "site_key": site_key, "admin_email": email, "admin_password": password });
        say(&told.to_string());
    }
    Ok(())
}

async fn site(args: SiteArgs) -> Result<()> {
    let SiteArgs { place, json, step } = args;
    let data = &place.data;
    if !data.is_dir() {
        bail!("{} is no directory; `frontdesk dev` makes one", data.display());
    }
    if let sites::Step::Remove { site, yes: false } = &step {
        say(&format!("removing {site}: its pages show no widget any more, and the key does not come back"));
        if !confirmed()? {
            bail!("nothing was removed");
        }
    }
    let host = beside(data).await?;
    say(&sites::run(&host.ctx, step, json).await?);
    Ok(())
}

/// What `dev` adds to a new data directory.
struct Demo {
    documents: bool,
}

/// Makes what is missing: the directory, its secrets, the schema.
async fn prepare(data: &Path, say: &mut dyn FnMut(&str)) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    if !data.exists() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data)
            .with_context(|| data.display().to_string())?;
        say(&format!("made the data directory {}", data.display()));
    }
    private::keep(data)?;
    secrets::ensure(data, &OsRandom, |name| from_environment(name).is_some())?;
    let database = host::database(data, database_server(data)?)?;
    for name in migrations::up(database.as_ref(), SystemClock.now()).await? {
        say(&format!("migrated {name}"));
    }
    Ok(())
}

/// The variables: the environment, and for what it does not name the data directory's secrets.
fn variables(data: &Path) -> Result<impl Fn(&str) -> Option<String>> {
    let kept = secrets::read(data)?;
    Ok(move |name: &str| from_environment(name).or_else(|| kept.get(name).cloned()))
}

/// A variable of the environment; an empty one is not set.
fn from_environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The names of all variables there are, also of those that mean nothing.
fn names(data: &Path) -> Result<Vec<String>> {
    let environment = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    Ok(environment.chain(secrets::read(data)?.into_keys()).collect())
}

fn not_complete(problems: &[ConfigProblem]) -> anyhow::Error {
    let lines: Vec<String> = problems.iter().map(|problem| format!("  {problem}")).collect();
    anyhow::anyhow!("the configuration is not complete:\n{}", lines.join("\n"))
}

/// The database server, where there is one; the rest of the configuration may be missing.
fn database_server(data: &Path) -> Result<Option<HranaServer>> {
    config::database_from_vars(&variables(data)?).map_err(|problems| not_complete(&problems))
}

fn configure(data: &Path, no_limits: bool) -> Result<HostConfig> {
    let mut config = HostConfig::from_vars(&variables(data)?).map_err(|problems| not_complete(&problems))?;
    if no_limits {
        config.core.rate_limits = false;
    }
    Ok(config)
}

async fn open(data: &Path, web: Option<PathBuf>, no_limits: bool) -> Result<Rc<Host>> {
    let config = configure(data, no_limits)?;
    let program = std::env::current_exe().context("the path of this program")?;
    Host::open(HostOptions { data: data.to_path_buf(), web, config, program }, Overrides::default()).await
}

/// For a command that may run while a process serves from the directory.
async fn beside(data: &Path) -> Result<Rc<Host>> {
    let config = configure(data, true)?;
    let program = std::env::current_exe().context("the path of this program")?;
    Host::beside(HostOptions { data: data.to_path_buf(), web: None, config, program }).await
}

/// Makes the demo organisation and its documents where they are missing.
async fn fill(host: &Host, data: &Path, documents: bool) -> Result<()> {
    let (email, password) = admin(data)?;
    if seed::organisation(&host.ctx, &seed::Admin { email: &email, password: &password }).await? {
        say("made the organisation Camomile and its administrator");
        if documents {
            let count = seed::demo_documents(&host.ctx, |name| say(&format!("  reading {name}"))).await?;
            say(&format!("read {count} documents"));
        }
    }
    Ok(())
}

fn admin(data: &Path) -> Result<(String, String)> {
    let get = variables(data)?;
    let email = get("ADMIN_EMAIL").unwrap_or_else(|| config::DEFAULT_ADMIN_EMAIL.to_owned());
    let password = get("ADMIN_PASSWORD").context("ADMIN_PASSWORD is missing")?;
    Ok((email, password))
}

async fn listen(options: &Serve) -> Result<TcpListener> {
    let address = (options.host, options.port);
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => anyhow::anyhow!(
            "another program listens on {}:{}; end it, or name another port with --port (0 takes any that is free)",
            options.host,
            options.port
        ),
        _ => anyhow::Error::new(error).context(format!("cannot listen on {}:{}", options.host, options.port)),
    })
}

async fn serve(options: Serve, listener: TcpListener, demo: Option<Demo>) -> Result<()> {
    let data = options.place.data.clone();
    if !data.is_dir() {
        bail!("{} is no directory; `frontdesk dev` makes one", data.display());
    }
    let misspelt = misspelt::find(names(&data)?);
    let config = configure(&data, options.no_limits).map_err(|error| {
        let lines = misspelt.iter().map(|misspelt| format!("\n  {misspelt}"));
        anyhow::anyhow!("{error:#}{}", lines.collect::<String>())
    })?;
    logs::start(&config.log_level);
    for misspelt in misspelt {
        tracing::warn!("{misspelt}");
    }
    let server = config.database;
    let limits = limits(&options);
    let mut host = open(&data, options.web.clone(), options.no_limits).await?;
    if let Some(demo) = &demo {
        fill(&host, &data, demo.documents).await?;
        // Opened anew: the demo page knows the site now.
        drop(host);
        host = open(&data, options.web, options.no_limits).await?;
    }
    host.begin_work();
    let address = listener.local_addr()?;
    let base_url = format!("http://{address}");
    if demo.is_some() {
        let (email, password) = admin(&data)?;
        say(&format!("\n  Demo page      {base_url}/demo/"));
        say(&format!("  Console login  {email} / {password}"));
        say(&format!("  Data           {}", data.display()));
        if let Some(site) = app_sites::first(&host.ctx).await? {
            say(&format!("  Site key       {}", site.site_key));
            say(&format!("  Snippet        {}", snippet(&host, &site, &base_url)));
            say(&format!(
                "  Other origins  frontdesk site --data {} set {} --origin https://shop.example   (or cargo xtask site …)",
                data.display(),
                site.site_key
            ));
        }
        if let Some(server) = &server {
            say(&format!("  Database       {server}"));
        }
        let model = host.ctx.config.model.as_ref();
        say(&match model {
            Some(model) => format!("  Model          {}", model.base_url),
            None => "  Model          none: answers are quoted from the documents (set OPENAI_API_KEY or OPENAI_BASE_URL)".to_owned(),
        });
    } else {
        tracing::info!(%address, "serving");
    }
    if let Some(ready) = &options.ready {
        write_ready(ready, &host, &base_url, &data).await?;
    }
    if demo.is_some() {
        say("\n  Stop with Ctrl-C.\n");
        let ctx = host.ctx.clone();
        host.ctx.tasks.spawn_detached(
            "model_check",
            Box::pin(async move {
                if let Some(trouble) = health::try_model(&ctx).await {
                    say(&format!("  The model does not answer: {trouble}.\n  Until it does, answers are quoted from the documents.\n"));
                }
            }),
        );
    }
    let served = server::serve(Rc::clone(&host), listener, limits, stop_signal()).await;
    host.end_work().await;
    served
}

/// As many connections as the process may have, or as it was told.
fn limits(options: &Serve) -> Limits {
    let possible = Limits::of(descriptors::raise());
    let most = options.connections.map_or(possible.most, NonZeroUsize::get);
    if most > possible.most {
        tracing::warn!(
            wanted = most,
            possible = possible.most,
            "the limit of open files (RLIMIT_NOFILE) is too low"
        );
    }
    let most = most.min(possible.most);
    let per_address = options.connections_per_address;
    Limits {
        most,
        per_address: per_address.map_or(possible.per_address.min(most), NonZeroUsize::get),
        counts_loopback: per_address.is_some(),
        ..possible
    }
}

async fn write_ready(path: &Path, host: &Host, base_url: &str, data: &Path) -> Result<()> {
    let site = app_sites::first(&host.ctx).await?;
    let (email, password) = admin(data)?;
    let ready = serde_json::json!({
        "base_url": base_url,
        "site_key": site.as_ref().map(|site| &site.site_key),
        "snippet": site.as_ref().map(|site| snippet(host, site, base_url)),
        "admin_email": email,
        "admin_password": password,
        "data_dir": std::path::absolute(data)?,
    });
    private::write(path, &ready.to_string())
}

/// What a page has to hold to show the widget of a host that answers at `base_url`.
fn snippet(host: &Host, site: &Site, base_url: &str) -> String {
    match &host.ctx.config.own_origin {
        OwnOrigin::Known(origin) => site.snippet(origin),
        OwnOrigin::ByAddress | OwnOrigin::Routed => site.snippet(base_url),
    }
}

async fn migrate(step: Migrate) -> Result<()> {
    let open = |place: &Place| -> Result<Rc<dyn Database>> {
        let server = database_server(&place.data)?;
        if server.is_none() && !place.data.is_dir() {
            bail!("{} is no directory, and DATABASE_URL is not set", place.data.display());
        }
        if place.data.is_dir() {
            private::keep(&place.data)?;
        }
        host::database(&place.data, server)
    };
    match step {
        Migrate::Up(place) => {
            let taken = migrations::up(open(&place)?.as_ref(), SystemClock.now()).await?;
            if taken.is_empty() {
                say("nothing to do: every step is taken");
            }
            for name in taken {
                say(&format!("migrated {name}"));
            }
        }
        Migrate::Down { place, steps, yes } => {
            let database = open(&place)?;
            // A file is one process's own; for the moment this one's.
            let lock =
                database_server(&place.data)?.is_none().then(|| host::lock(&place.data)).transpose()?;
            undo(database.as_ref(), steps, yes).await?;
            drop(lock);
        }
        Migrate::Status { place, json } => {
            let lines = migrations::status(open(&place)?.as_ref()).await?;
            for line in &lines {
                let state = match &line.state {
                    MigrationState::Applied { at } => format!("applied {at}"),
                    MigrationState::Edited => "EDITED after it was applied".to_owned(),
                    MigrationState::Pending => "pending".to_owned(),
                    MigrationState::Newer => "of a newer version; this one runs beside it".to_owned(),
                    MigrationState::Contracted => {
                        "OF A NEWER VERSION; this one cannot run beside it".to_owned()
                    }
                };
                say(&format!("{:<32} {state}", line.name));
            }
            if json {
                say(&serde_json::json!({ "migrations": lines }).to_string());
            }
        }
    }
    Ok(())
}

/// Undoes steps of the schema when no host runs and a person, or a script, said so.
async fn undo(database: &dyn Database, steps: usize, yes: bool) -> Result<()> {
    let alive = life::alive(database, SystemClock.now()).await?;
    if !alive.is_empty() {
        let lines = alive.iter().map(|host| {
            let life::Alive { id, kind, version, seen_at, alive_until } = host;
            format!("\n  {kind} {id}, version {version}: seen at {seen_at}; if it was killed, it counts until {alive_until}")
        });
        bail!("hosts use this database; stop them first:{}", lines.collect::<String>());
    }
    let plan = migrations::plan_down(database, steps).await?;
    if plan.is_empty() {
        say("nothing to undo");
        return Ok(());
    }
    for undo in &plan {
        let lost = if undo.loses.is_empty() { "nothing".to_owned() } else { undo.loses.join(", ") };
        say(&format!("undoing {} loses for good: {lost}", undo.name));
    }
    if !yes && !confirmed()? {
        bail!("nothing was undone");
    }
    for name in migrations::down(database, steps).await? {
        say(&format!("undid {name}"));
    }
    Ok(())
}

/// Whether the person at the terminal says yes.
#[expect(clippy::print_stdout, reason = "the command line speaks to a person")]
fn confirmed() -> Result<bool> {
    use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        bail!("there is no terminal to ask on; --yes says that it is meant");
    }
    print!("Go on? [yes/no] ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    stdin.lock().take(64).read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}

async fn rebuild_vectors(data: &Path) -> Result<()> {
    let config = configure(data, true)?;
    let Some(server) = config.qdrant.clone() else {
        bail!(
            "QDRANT_URL is not set: vectors are in the database, and a host that runs makes those that are missing by \
             itself; /health/vector says how many documents wait for theirs"
        );
    };
    let host = beside(data).await?;
    let qdrant = Qdrant::new(Rc::downgrade(host.ctx.shared()), server);
    let mut shown = None;
    let done = reindex::rebuild(&host.ctx, &qdrant, &mut |at| {
        let per_cent = at.documents.saturating_mul(100).checked_div(at.of);
        if shown != per_cent {
            shown = per_cent;
            say(&format!("{} of {} documents, {} passages", at.documents, at.of, at.passages));
        }
    })
    .await?;
    say(&format!("the vectors of {} documents are new", done.documents));
    Ok(())
}

/// Ends at SIGTERM or Ctrl-C.
async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(error) => {
            tracing::error!(%error, "SIGTERM cannot be heard");
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}
