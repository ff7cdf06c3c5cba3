//! Runs the stand-in for Qdrant: `fake-qdrant --port 6333 --api-key KEY`.
//!
//! Qdrant's REST interface, as far as Frontdesk uses it, over Qdrant's own engine (`qdrant-edge`): what is stored, filtered,
//! scored and refused by the engine is so here. Around it this program keeps collections and aliases, and refuses what
//! the real server refuses. Where the real one is lenient it is strict: unknown fields are refused everywhere, and so is
//! a filter on a field without an index (a real server does that in its strict mode).
//!
//! `PUT /control {"status": 503, "delay_ms": 500}` makes every later answer late or an error, `PUT /control {}` ends it.

mod rest;
mod server;
mod store;

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;
use tokio::net::TcpListener;

use store::Store;

/// Qdrant's REST interface over Qdrant's own engine.
#[derive(Debug, Parser)]
#[command(name = "fake-qdrant", version)]
struct Arguments {
    /// Address to listen on
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// Port to listen on; 0 is any free one
    #[arg(long, default_value_t = 6333)]
    port: u16,
    /// Key that requests have to bring
    #[arg(long, env = "FAKE_QDRANT_KEY", hide_env_values = true)]
    api_key: Option<String>,
    /// Directory to keep collections in; without it they are gone with the program
    #[arg(long)]
    data: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    // Removed at the end, and not before.
    let temporary = tempfile::tempdir()?;
    let data = arguments.data.unwrap_or_else(|| temporary.path().to_owned());
    let store = Store::open(&data).with_context(|| data.display().to_string())?;
    let listener = TcpListener::bind((arguments.host, arguments.port)).await?;
    #[expect(clippy::print_stdout, reason = "the address is what the program is started for")]
    {
        println!("http://{}", listener.local_addr()?);
    }
    server::run(listener, store, arguments.api_key).await
}
