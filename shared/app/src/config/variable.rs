//! What there is to know about a variable.

/// One variable: everything there is to know about it.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What it may be.
    pub range: &'static str,
    /// What it is when it is not set.
    pub default: &'static str,
    /// Whether it must not be seen by others.
    pub secret: bool,
}

pub(super) const fn variable(
    name: &'static str,
    meaning: &'static str,
    range: &'static str,
    default: &'static str,
    secret: bool,
) -> Variable {
    Variable { name, meaning, range, default, secret }
}

pub(super) const SECRET_RANGE: &str = "at least 32 bytes of randomness, for example `openssl rand -hex 32`";
pub(super) const NAME_RANGE: &str = "1 to 200 characters";
