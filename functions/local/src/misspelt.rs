//! Names in the environment, or among the secrets, that were probably meant for Frontdesk and mean nothing to it.

use std::fmt;

use frontdesk_app::config;

/// What names that are probably meant begin with, and how like another one they must be then. `FRONTDESK_` is what tests call
/// their variables, too.
const PREFIXES: [(&str, f64); 2] = [("OPENAI_", 0.6), ("FRONTDESK_", 0.75)];
/// What others call what Frontdesk has under another name.
const ELSEWHERE: [(&str, &str); 2] =
    [("OPENAI_API_BASE", "OPENAI_BASE_URL"), ("OPENAI_API_URL", "OPENAI_BASE_URL")];
/// Names of the program itself beside those of the configuration.
const OWN: [&str; 1] = ["FRONTDESK_DATA"];
/// How many letters a slip of the hand changes.
const SLIP: usize = 2;
/// How many are told.
const MOST: usize = 20;
/// The longest name that is compared, in bytes.
const LONGEST: usize = 64;

/// A name that means nothing.
#[derive(Debug, PartialEq, Eq)]
pub struct Misspelt {
    /// As it stands there.
    pub name: String,
    /// What was probably meant.
    pub meant: Option<&'static str>,
}

impl fmt::Display for Misspelt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is no variable of Frontdesk and does nothing", self.name)?;
        self.meant.map_or(Ok(()), |meant| write!(f, "; {meant} is one"))
    }
}

/// Those among `names`, at most 20.
pub fn find(names: impl IntoIterator<Item = String>) -> Vec<Misspelt> {
    let known: Vec<&'static str> = config::variables().map(|variable| variable.name).chain(OWN).collect();
    let mut found: Vec<Misspelt> = names
        .into_iter()
        .filter(|name| name.len() <= LONGEST && !known.contains(&name.as_str()))
        .filter_map(|name| {
            let meant = meant(&name, &known);
            (meant.is_some() || name.starts_with("OPENAI_")).then_some(Misspelt { name, meant })
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found.truncate(MOST);
    found
}

/// The known name that another one was probably meant to be.
fn meant(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let name = name.to_ascii_uppercase();
    if let Some((_, meant)) = ELSEWHERE.iter().find(|(other, _)| *other == name) {
        return Some(*meant);
    }
    let distance = |known: &&'static str| strsim::damerau_levenshtein(known, &name);
    let nearest = known.iter().copied().min_by_key(|known| distance(known))?;
    let slip = distance(&nearest) <= SLIP && name.len() > 3 * SLIP;
    let alike = PREFIXES.iter().any(|(prefix, least)| {
        name.starts_with(prefix)
            && nearest.starts_with(prefix)
            && strsim::normalized_damerau_levenshtein(nearest, &name) >= *least
    });
    (slip || alike).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(names: &[&str]) -> Vec<String> {
        find(names.iter().map(|name| (*name).to_owned())).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_slip_of_the_hand_is_told_with_what_was_meant() {
        for (name, meant) in [
            ("OPENAI_API_KEI", "OPENAI_API_KEY"),
            ("OPEN_AI_API_KEY", "OPENAI_API_KEY"),
            ("OPENAI_BASEURL", "OPENAI_BASE_URL"),
            ("OPENAI_API_BASE", "OPENAI_BASE_URL"),
            ("openai_model", "OPENAI_MODEL"),
            ("DATABSE_URL", "DATABASE_URL"),
            ("JWT_SERCET", "JWT_SECRET"),
            ("FRONTDESK_DATE", "FRONTDESK_DATA"),
            ("FRONTDESK_DATA_DIR", "FRONTDESK_DATA"),
        ] {
            let told = told(&[name]);
            assert_eq!(told.len(), 1, "{name}");
            assert!(told[0].starts_with(name) && told[0].contains(meant), "{told:?}");
        }
    }

    #[test]
    fn what_is_right_or_of_others_is_not_told() {
        let others = [
            "PATH",
            "HOME",
            "LANG",
            "EDITOR",
            "PORT",
            "LOGNAME",
            "FRONTDESK_SQLD",
            "FRONTDESK_READY",
            "CARGO_HOME",
        ];
        assert_eq!(told(&others), Vec::<String>::new());
        let known: Vec<&str> = config::variables().map(|variable| variable.name).collect();
        assert_eq!(told(&known), Vec::<String>::new());
    }

    #[test]
    fn a_stranger_among_the_names_of_the_model_is_told_too_and_few_are_told() {
        assert_eq!(told(&["OPENAI_ORG_ID"]), ["OPENAI_ORG_ID is no variable of Frontdesk and does nothing"]);
        let many: Vec<String> = (0..100).map(|number| format!("OPENAI_{number}")).collect();
        assert_eq!(find(many).len(), MOST);
    }
}
