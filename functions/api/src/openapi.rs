//! The API's description, gathered from the route table and the Rust types. What generates it takes a tenth of a Worker,
//! so no host does: served is `docs/openapi.json`, and a test fails when that is not up to date.

use frontdesk_domain::event::{Event, Live};
use utoipa::OpenApi;
use utoipa::openapi::Components;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::routes::Operations;
use crate::{problem, socket};

/// All but the calls.
#[derive(OpenApi)]
#[openapi(
    info(title = "Frontdesk", description = "The AI front desk for websites.", license(name = "Apache-2.0")),
    modifiers(&Security),
    components(schemas(problem::Problem, Event, Live, socket::ClientFrame, socket::ServerFrame))
)]
struct Api;

/// The bearer tokens.
struct Security;

impl utoipa::Modify for Security {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(
                "An access token of a user, a key (`fdk_…`) of a program, or the token of a visitor",
            ))
            .build();
        let components = api.components.get_or_insert_with(Components::default);
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The whole description.
#[must_use]
pub fn generated() -> utoipa::openapi::OpenApi {
    Api::openapi().merge_from(Operations::openapi())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description::DOCUMENT;
    use crate::routes::{Access, ROUTES};

    #[test]
    fn the_description_is_up_to_date() {
        let mut generated = generated().to_pretty_json().unwrap();
        generated.push('\n');
        if std::env::var_os("UPDATE_DOCS").is_some() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
            std::fs::write(path, &generated).unwrap();
            return;
        }
        assert!(
            DOCUMENT == generated,
            "docs/openapi.json is not up to date: UPDATE_DOCS=1 cargo test -p frontdesk-api openapi writes it anew"
        );
    }

    #[test]
    fn every_row_is_described_as_what_it_is() {
        let described = serde_json::to_value(generated()).unwrap();
        let paths = described["paths"].as_object().unwrap();
        let operations = paths.values().map(|methods| methods.as_object().unwrap().len());
        assert_eq!(operations.sum::<usize>(), ROUTES.len());
        for route in ROUTES {
            let name = format!("{} {}", route.method, route.path);
            let operation = &paths[route.path][route.method.as_str().to_ascii_lowercase()];
            assert!(operation.is_object(), "{name} is described under another method or path");
            let token = operation["security"].is_array();
            assert_eq!(token, route.access != Access::Public, "{name}: whether a token is needed");
            let told = operation["responses"]["401"].is_object();
            assert!(told || !token, "{name}: what a call without its token is answered");
        }
    }

    #[test]
    fn no_two_types_have_one_name() {
        // The other one would be dropped without a word.
        let named = |api: utoipa::openapi::OpenApi| api.components.unwrap_or_default().schemas;
        let operations = named(Operations::openapi());
        for (name, schema) in named(Api::openapi()) {
            if let Some(other) = operations.get(&name) {
                assert_eq!(
                    serde_json::to_value(&schema).unwrap(),
                    serde_json::to_value(other).unwrap(),
                    "{name}"
                );
            }
        }
    }

    /// The table of who may do what, between its marks in the page.
    fn permissions() -> String {
        use frontdesk_domain::permission::Permission;
        use frontdesk_domain::scope::Role;
        let mut text = String::from(
            "| what | viewer | operator | admin | owner | key with the role | calls |\n|---|---|---|---|---|---|---|\n",
        );
        for permission in Permission::ALL {
            let calls: Vec<String> = ROUTES
                .iter()
                .filter(|route| match route.access {
                    Access::User(needed) | Access::VisitorOr(needed) => needed == *permission,
                    Access::Public | Access::Machine | Access::Visitor => false,
                })
                .map(|route| format!("`{} {}`", route.method, route.path.trim_start_matches("/api/v1")))
                .collect();
            assert!(!calls.is_empty(), "no call needs {permission:?}");
            let having = Role::ALL.map(|role| if role.allows(*permission) { "yes" } else { "" }).join(" | ");
            let key = if permission.for_keys() { "yes" } else { "" };
            text.push_str(&format!(
                "| {} | {having} | {key} | {} |\n",
                permission.words().trim(),
                calls.join(", ")
            ));
        }
        text
    }

    #[test]
    fn who_may_only_read_changes_nothing_but_itself() {
        use frontdesk_domain::permission::Permission;
        use frontdesk_domain::scope::Role;
        for route in ROUTES {
            let (Access::User(needed) | Access::VisitorOr(needed)) = route.access else { continue };
            let reads = route.method == http::Method::GET || route.path == "/api/v1/search";
            let allowed = Role::Viewer.allows(needed) && needed != Permission::OwnAccount;
            assert!(reads || !allowed, "{} {}", route.method, route.path);
        }
    }

    #[test]
    fn the_page_of_security_shows_who_may_do_what() {
        const BEGIN: &str = "<!-- permissions -->\n";
        const END: &str = "<!-- /permissions -->";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/SECURITY.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (before, rest) = page.split_once(BEGIN).unwrap();
        let (shown, after) = rest.split_once(END).unwrap();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, format!("{before}{BEGIN}{}{END}{after}", permissions())).unwrap();
            return;
        }
        assert!(
            shown == permissions(),
            "docs/SECURITY.md is not up to date: UPDATE_DOCS=1 cargo test -p frontdesk-api openapi writes it anew"
        );
    }
}
