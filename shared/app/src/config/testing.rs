//! A configuration that is complete but for what a test is about.

use super::{ConfigProblem, HostConfig};

pub(super) const JWT: &str = "b1f4c7a90e3d56820f9a7bc4d1e8356af02c";

pub(super) fn read(vars: &[(&str, &str)]) -> Result<HostConfig, Vec<ConfigProblem>> {
    let all: Vec<(&str, &str)> = vars.iter().copied().chain([("JWT_SECRET", JWT)]).collect();
    HostConfig::from_vars(&|name| {
        all.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    })
}

pub(super) fn problems(vars: &[(&str, &str)]) -> Vec<&'static str> {
    read(vars)
        .map(|_| Vec::new())
        .unwrap_or_else(|problems| problems.iter().map(|problem| problem.variable).collect())
}
