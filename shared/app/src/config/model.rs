//! The model: an OpenAI-compatible endpoint.

use frontdesk_ports::ModelEndpoint;

use super::variable::{NAME_RANGE, Variable, variable};
use super::vars::Vars;

const OPENAI: &str = "https://api.openai.com/v1";
const OPENAI_MODEL: &str = "gpt-4o-mini";

pub(super) const VARIABLES: &[Variable] = &[
    variable(
        "OPENAI_API_KEY",
        "The key for the model's endpoint. Without it and `OPENAI_BASE_URL`, answers are quotes from the documents.",
        "any",
        "none",
        true,
    ),
    variable(
        "OPENAI_BASE_URL",
        "An OpenAI-compatible endpoint: OpenRouter, Azure, Ollama, ….",
        "`https://` or `http://` address",
        "`https://api.openai.com/v1`",
        false,
    ),
    variable(
        "OPENAI_MODEL",
        "The chat model. Needed with `OPENAI_BASE_URL`, unless only `OPENAI_EMBEDDING_MODEL` is used.",
        NAME_RANGE,
        "`gpt-4o-mini` at OpenAI",
        false,
    ),
    variable(
        "OPENAI_FALLBACK_MODEL",
        "A smaller model at the same endpoint, asked when the first one fails.",
        NAME_RANGE,
        "none",
        false,
    ),
    variable(
        "OPENAI_EMBEDDING_MODEL",
        "The embedding model. Without it, and while it does not answer, search is by words alone.",
        NAME_RANGE,
        "none",
        false,
    ),
];

pub(super) fn read(vars: &mut Vars<'_>) -> Option<ModelEndpoint> {
    let api_key = vars.secret("OPENAI_API_KEY");
    let own_url = vars.text("OPENAI_BASE_URL").is_some();
    let url = vars.url("OPENAI_BASE_URL", &["https", "http"]);
    let chat_model = vars.name("OPENAI_MODEL");
    let fallback_model = vars.name("OPENAI_FALLBACK_MODEL");
    let embedding_model = vars.name("OPENAI_EMBEDDING_MODEL");
    if api_key.is_none() && !own_url {
        for (name, set) in [
            ("OPENAI_MODEL", chat_model.is_some()),
            ("OPENAI_FALLBACK_MODEL", fallback_model.is_some()),
            ("OPENAI_EMBEDDING_MODEL", embedding_model.is_some()),
        ] {
            if set {
                vars.problem(name, "is set without OPENAI_API_KEY or OPENAI_BASE_URL");
            }
        }
        return None;
    }
    if own_url && chat_model.is_none() && embedding_model.is_none() {
        vars.problem("OPENAI_MODEL", "is missing; with OPENAI_BASE_URL it must name the chat model");
    }
    if chat_model.is_none() && own_url && fallback_model.is_some() {
        vars.problem("OPENAI_FALLBACK_MODEL", "is set without OPENAI_MODEL");
    }
    let chat_model = chat_model.or_else(|| (!own_url).then(|| OPENAI_MODEL.to_owned()));
    let base_url = url.map_or_else(|| OPENAI.to_owned(), |url| url.as_str().trim_end_matches('/').to_owned());
    Some(ModelEndpoint { base_url, api_key, chat_model, fallback_model, embedding_model })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::{problems, read as configured};

    #[test]
    fn a_model_is_configured_by_key_or_by_address() {
        let model = configured(&[("OPENAI_API_KEY", "k")]).unwrap().core.model.unwrap();
        assert_eq!((model.base_url.as_str(), model.chat_model.as_deref()), (OPENAI, Some(OPENAI_MODEL)));
        let model =
            configured(&[("OPENAI_BASE_URL", "http://localhost:11434/v1/"), ("OPENAI_MODEL", "llama")])
                .unwrap()
                .core
                .model
                .unwrap();
        assert_eq!(model.base_url, "http://localhost:11434/v1");
        assert!(model.api_key.is_none());
        assert_eq!(problems(&[("OPENAI_BASE_URL", "http://localhost:11434/v1/")]), ["OPENAI_MODEL"]);
        assert_eq!(problems(&[("OPENAI_MODEL", "llama")]), ["OPENAI_MODEL"]);
        let model = configured(&[("OPENAI_BASE_URL", "http://e/v1"), ("OPENAI_EMBEDDING_MODEL", "bge")])
            .unwrap()
            .core
            .model
            .unwrap();
        assert_eq!(model.chat_model, None);
    }
}
