//! Runs the stand-in for a model: `fake-ai --port 8100 --tokens-per-second 50`.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use clap::Parser;
use frontdesk_stand_ins::fake_ai::{Behaviour, MODELS, Options, serve};

/// An OpenAI-compatible server that answers from the passages it is given.
#[derive(Debug, Parser)]
#[command(name = "fake-ai", version)]
struct Arguments {
    /// Address to listen on
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// Port to listen on; 0 is any free one
    #[arg(long, default_value_t = 8100)]
    port: u16,
    /// Milliseconds from the request to the first token
    #[arg(long, default_value_t = 200)]
    first_token_ms: u64,
    /// Tokens per second after the first; 0 is as fast as it goes
    #[arg(long, default_value_t = 50.0)]
    tokens_per_second: f64,
    /// Length of every answer in tokens; without it the answer decides
    #[arg(long)]
    tokens: Option<usize>,
    /// Key that requests have to bring
    #[arg(long, env = "FAKE_AI_KEY", hide_env_values = true)]
    api_key: Option<String>,
    /// Models there are: for chat, as fallback, for embeddings
    #[arg(long = "model", default_values_t = MODELS.map(str::to_owned))]
    models: Vec<String>,
    /// Tokens that context and answer may have together
    #[arg(long, default_value_t = 128_000)]
    context_tokens: usize,
    /// Dimensions of embeddings
    #[arg(long, default_value_t = 256, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=4096))]
    dimensions: usize,
    /// Refuse bodies that come in chunks, without a length, as many servers do
    #[arg(long)]
    strict: bool,
    /// How every answer misbehaves: `cut-after=20`, `status=503`, `stall=2000,crlf`, …
    #[arg(long, default_value = "", value_parser = Behaviour::parse)]
    fault: Behaviour,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let options = Options {
        first_token: Duration::from_millis(arguments.first_token_ms),
        tokens_per_second: (arguments.tokens_per_second > 0.0).then_some(arguments.tokens_per_second),
        tokens: arguments.tokens,
        api_key: arguments.api_key,
        models: arguments.models,
        context_tokens: arguments.context_tokens,
        dimensions: arguments.dimensions,
        strict: arguments.strict,
        behaviour: arguments.fault,
    };
    let (models, keyed) = (options.models.clone(), options.api_key.is_some());
    serve((arguments.host, arguments.port).into(), options, |base_url| {
        #[expect(clippy::print_stdout, reason = "what to set is what the program is started for")]
        {
            println!("{}", variables(base_url, &models, keyed));
        }
    })
    .await?;
    Ok(())
}

/// What to set where Frontdesk is started, as a shell takes it.
fn variables(base_url: &str, models: &[String], keyed: bool) -> String {
    const NAMES: [&str; 3] = ["OPENAI_MODEL", "OPENAI_FALLBACK_MODEL", "OPENAI_EMBEDDING_MODEL"];
    let mut lines = vec![format!("export OPENAI_BASE_URL={base_url}")];
    lines.extend(NAMES.iter().zip(models).map(|(name, model)| format!("export {name}={model}")));
    if keyed {
        lines.push("# and OPENAI_API_KEY: the key that this was started with".to_owned());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_set_is_told_as_a_shell_takes_it() {
        let models = MODELS.map(str::to_owned);
        assert_eq!(
            variables("http://127.0.0.1:8100/v1", &models, false),
            "export OPENAI_BASE_URL=http://127.0.0.1:8100/v1\nexport OPENAI_MODEL=fake-chat\n\
             export OPENAI_FALLBACK_MODEL=fake-chat-small\nexport OPENAI_EMBEDDING_MODEL=fake-embedding"
        );
        assert!(variables("x", &models, true).contains("OPENAI_API_KEY"));
    }
}
