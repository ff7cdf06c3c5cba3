//! Reading variables, and collecting what is wrong with them.

use secrecy::SecretString;
use url::Url;

use super::ConfigProblem;
use super::variable::NAME_RANGE;

pub(super) struct Vars<'a> {
    get: &'a dyn Fn(&str) -> Option<String>,
    pub(super) problems: Vec<ConfigProblem>,
}

impl<'a> Vars<'a> {
    pub(super) fn new(get: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { get, problems: Vec::new() }
    }

    pub(super) fn problem(&mut self, variable: &'static str, detail: impl Into<String>) {
        self.problems.push(ConfigProblem { variable, detail: detail.into() });
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        (self.get)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    pub(super) fn secret(&self, name: &str) -> Option<SecretString> {
        self.text(name).map(SecretString::from)
    }

    pub(super) fn url(&mut self, name: &'static str, schemes: &[&str]) -> Option<Url> {
        let text = self.text(name)?;
        match Url::parse(&text) {
            Ok(url) if schemes.contains(&url.scheme()) && url.has_host() => Some(url),
            _ => {
                let wanted: Vec<String> = schemes.iter().map(|scheme| format!("{scheme}://")).collect();
                self.problem(name, format!("must be an address that begins with {}", wanted.join(" or ")));
                None
            }
        }
    }

    pub(super) fn name(&mut self, name: &'static str) -> Option<String> {
        let text = self.text(name)?;
        if text.chars().count() > 200 || text.chars().any(char::is_control) {
            self.problem(name, format!("must be {NAME_RANGE}"));
            return None;
        }
        Some(text)
    }
}
