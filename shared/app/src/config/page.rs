//! `docs/CONFIGURATION.md`.

use frontdesk_domain::settings;

use super::variable::Variable;
use super::variables;

/// `docs/CONFIGURATION.md`.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from(
        "# Configuration\n\n\
         This page is made from the code; a test fails when it is not up to date (`UPDATE_DOCS=1 cargo test -p \
         frontdesk-app configuration` writes it anew).\n\n\
         ## Variables of a deployment\n\n\
         Read once at the start. Everything that is missing, weak or wrong is told at once, and Frontdesk does not start; \
         on Cloudflare and Spin the log tells it with the first request, and only `/health/live` works. No secret has a default: \
         `cargo xtask dev` makes the ones it needs and keeps them in the data directory \
         (`secrets.env`, readable by its owner alone). A variable of the environment comes before that file. An empty variable \
         counts as one that is not set.\n\n\
         | variable | what it means | allowed | default |\n|---|---|---|---|\n",
    );
    for Variable { name, meaning, range, default, secret } in variables() {
        let secret = if *secret { " *(secret)*" } else { "" };
        text.push_str(&format!("| `{name}`{secret} | {meaning} | {range} | {default} |\n"));
    }
    text.push_str(
        "\n## Settings of an organisation\n\n\
         Changed while Frontdesk runs, by an administrator: `GET` and `PATCH /api/v1/settings`. A change is in the audit log and \
         is in force at once in the process that made it. Elsewhere it is within 5 seconds where the organisation is being \
         served, and after 60 seconds in any case while the database answers. `null` brings a default back.\n\n",
    );
    text.push_str(&settings::markdown());
    text.push_str(
        "\nBesides its own range, `timeouts.answer_ms` must be at least `timeouts.first_token_ms`, that at least \
         `timeouts.connect_ms`, and `model.context_tokens` more than `model.max_answer_tokens`.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_page_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/CONFIGURATION.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == markdown(), "docs/CONFIGURATION.md is not up to date; run with UPDATE_DOCS=1");
    }
}
