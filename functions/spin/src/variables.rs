//! Configuration variables, by the names that the documentation uses (`OPENAI_API_KEY`).

/// Whether this component is built for Spin itself.
pub const ON_SPIN: bool = cfg!(feature = "spin-variables");

/// A variable of the application; Spin's names are in lower case.
#[cfg(feature = "spin-variables")]
pub async fn get(name: &str) -> Option<String> {
    let value = spin_sdk::variables::get(name.to_ascii_lowercase()).await.ok()?;
    Some(value).filter(|value| !value.is_empty())
}

/// A variable of the environment.
#[cfg(not(feature = "spin-variables"))]
#[expect(clippy::unused_async, reason = "the same signature as Spin's, which does wait")]
pub async fn get(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
