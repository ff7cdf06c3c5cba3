//! Configuration variables, by the names that the documentation uses (`OPENAI_API_KEY`).

use std::collections::BTreeMap;

use frontdesk_app::config;
use url::Url;

/// Whether this component is built for Spin itself.
const ON_SPIN: bool = cfg!(feature = "spin-variables");

/// The header with the client's address. Spin does not remove one that the client sent itself, but puts its own last. Other
/// hosts set none, so there it says nothing.
pub const CLIENT_ADDRESS: Option<&str> = if ON_SPIN { Some("spin-client-addr") } else { None };

/// Every variable that is set.
pub async fn all() -> BTreeMap<&'static str, String> {
    let mut all = BTreeMap::new();
    for variable in config::variables() {
        if let Some(value) = get(variable.name).await {
            all.insert(variable.name, value);
        }
    }
    all
}

/// A variable of the application; Spin's names are in lower case.
#[cfg(feature = "spin-variables")]
async fn get(name: &str) -> Option<String> {
    let value = spin_sdk::variables::get(name.to_ascii_lowercase()).await.ok()?;
    Some(value).filter(|value| !value.is_empty())
}

/// A variable of the environment.
#[cfg(not(feature = "spin-variables"))]
#[expect(clippy::unused_async, reason = "the same signature as Spin's, which does wait")]
async fn get(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The component that reads files beside this one, where the application has it in the same manifest.
pub fn default_reader() -> Option<Url> {
    ON_SPIN.then(|| Url::parse("http://reader.spin.internal").ok()).flatten()
}
