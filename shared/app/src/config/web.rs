//! Under which addresses the deployment is reached, and from which pages.

use frontdesk_domain::proxies::TrustedProxies;
use frontdesk_ports::OwnOrigin;

use super::variable::{Variable, variable};
use super::vars::Vars;
use crate::origin;

pub(super) const VARIABLES: &[Variable] = &[
    variable(
        "ALLOWED_ORIGINS",
        "Origins of operators' pages beside the deployment's own. Sites of the widget are not set here.",
        "origins separated by commas, like `https://desk.example.org`",
        "none",
        false,
    ),
    variable(
        "PUBLIC_URL",
        "The address under which this deployment is reached: pages of exactly this scheme, host and port are its own. Without \
         it `Host` is believed only where it is `localhost` or an IP address, over `http`; on Cloudflare, which routes by the \
         address, it is what Cloudflare tells.",
        "`https://` or `http://` address",
        "none",
        false,
    ),
    variable(
        "TRUSTED_PROXIES",
        "The proxies in front of this deployment. From one of them the client's address is taken from `Forwarded` or \
         `X-Forwarded-For`: the rightmost one that is no proxy's. Without it all clients behind a proxy count as one address.",
        "addresses and networks separated by commas, like `10.0.0.0/8, 2001:db8::7`; at most 50",
        "none",
        false,
    ),
];

/// The origin of the deployment's own pages.
pub(super) fn own_origin(vars: &mut Vars<'_>) -> OwnOrigin {
    match vars.url("PUBLIC_URL", &["https", "http"]) {
        Some(url) => OwnOrigin::Known(url.origin().ascii_serialization()),
        None => OwnOrigin::ByAddress,
    }
}

/// The proxies in front of the deployment.
pub(super) fn proxies(vars: &mut Vars<'_>) -> TrustedProxies {
    let Some(text) = vars.text("TRUSTED_PROXIES") else { return TrustedProxies::default() };
    TrustedProxies::parse(&text).unwrap_or_else(|wrong| {
        vars.problem("TRUSTED_PROXIES", wrong);
        TrustedProxies::default()
    })
}

/// Origins of operators' pages.
pub(super) fn origins(vars: &mut Vars<'_>) -> Vec<String> {
    let Some(list) = vars.text("ALLOWED_ORIGINS") else { return Vec::new() };
    let mut origins = Vec::new();
    for (at, text) in list.split(',').map(str::trim).filter(|text| !text.is_empty()).enumerate() {
        match origin::exact(text) {
            Some(origin) => origins.push(origin),
            None => vars.problem(
                "ALLOWED_ORIGINS",
                format!(
                    "entry {}: must be scheme and host alone, like https://desk.example.org",
                    at.saturating_add(1)
                ),
            ),
        }
    }
    origins
}

#[cfg(test)]
mod tests {
    use crate::config::testing::{problems, read as configured};

    #[test]
    fn origins_are_written_as_browsers_write_them() {
        let config =
            configured(&[("ALLOWED_ORIGINS", "https://Desk.Example.org:443/, http://localhost:5173")])
                .unwrap();
        assert_eq!(config.core.allowed_origins, ["https://desk.example.org", "http://localhost:5173"]);
        for wrong in ["*", "https://*.a.example", "desk.example.org", "https://a.example/x", "file:///x"] {
            assert_eq!(problems(&[("ALLOWED_ORIGINS", wrong)]), ["ALLOWED_ORIGINS"], "{wrong}");
        }
    }
}
