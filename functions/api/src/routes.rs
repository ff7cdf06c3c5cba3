//! The table of the API: one row for each call, with all that is decided of it before its handler runs. The router, the
//! description, cross-origin answers and the hosts' static files all go by it.

use frontdesk_app::policy::LimitClass;
use frontdesk_domain::error::Result;
use frontdesk_domain::permission::Permission;
use frontdesk_ports::BoxFuture;
use http::{Method, Response};

use crate::body::Body;
use crate::call::Call;
use crate::{
    account, api_keys, auth, chat, description, documents, health, members, metrics, projects, rooms, search,
    settings, sites, socket, upload, usage, widget,
};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Every caller.
    Public,
    /// A machine that shows a token of the deployment itself; its handler compares it.
    Machine,
    /// A visitor, or a user who may do this.
    VisitorOr(Permission),
    /// A visitor.
    Visitor,
    /// A user who may do this.
    User(Permission),
}

/// Which pages may read the answer in a browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pages {
    /// Of any site: the widget is embedded anywhere.
    Any,
    /// Of the origins that the deployment names.
    Named,
}

/// What a call of a route counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Nothing.
    Unlimited,
    /// The handler's command counts it, and knows when the organisation is closed.
    Inside,
    /// A read.
    Read,
    /// A write.
    Write,
    /// A login.
    Login,
}

impl Limit {
    /// What the router counts it as.
    pub const fn class(self) -> Option<LimitClass> {
        match self {
            Self::Unlimited | Self::Inside => None,
            Self::Read => Some(LimitClass::Read),
            Self::Write => Some(LimitClass::Write),
            Self::Login => Some(LimitClass::Login),
        }
    }
}

/// What runs for a route.
pub type Handler = fn(Call) -> BoxFuture<'static, Result<Response<Body>>>;

/// One row of the API.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with `{name}` for parameters.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// Which pages may read the answer.
    pub pages: Pages,
    /// What it counts as.
    pub limit: Limit,
    /// What runs.
    pub handler: Handler,
}

/// Makes the table, and gathers the handlers' descriptions from the same rows.
macro_rules! routes {
    ($($method:ident $path:literal, $access:expr, $pages:ident, $limit:ident, $module:ident :: $handler:ident;)*) => {
        /// Every row of the API.
        pub static ROUTES: &[Route] = &[$(Route {
            method: Method::$method,
            path: $path,
            access: $access,
            pages: Pages::$pages,
            limit: Limit::$limit,
            handler: |call| Box::pin($module::$handler(call)),
        },)*];

        /// What each row's handler says of itself.
        #[derive(utoipa::OpenApi)]
        #[openapi(paths($($module::$handler),*))]
        pub struct Operations;
    };
}

routes! {
    GET "/health", Access::Public, Named, Unlimited, health::overall;
    GET "/health/live", Access::Public, Named, Unlimited, health::live;
    GET "/health/db", Access::Public, Named, Unlimited, health::database;
    GET "/health/vector", Access::Public, Named, Unlimited, health::vector;
    GET "/health/ai", Access::Public, Named, Unlimited, health::ai;
    GET "/health/services", Access::Public, Named, Unlimited, health::services;
    GET "/metrics", Access::Machine, Named, Unlimited, metrics::text;
    POST "/api/v1/rooms/call", Access::Machine, Named, Unlimited, rooms::call;
    POST "/api/v1/auth/login", Access::Public, Named, Login, auth::login;
    POST "/api/v1/auth/refresh", Access::Public, Named, Write, auth::refresh;
    POST "/api/v1/auth/logout", Access::Public, Named, Write, auth::logout;
    POST "/api/v1/auth/switch", Access::Public, Named, Write, auth::switch;
    POST "/api/v1/auth/register", Access::Public, Named, Login, auth::register;
    POST "/api/v1/auth/invites/accept", Access::Public, Named, Login, auth::accept;
    POST "/api/v1/auth/password", Access::User(Permission::OwnAccount), Named, Write, account::password;
    GET "/api/v1/me", Access::User(Permission::OwnAccount), Named, Read, account::me;
    PATCH "/api/v1/me", Access::User(Permission::OwnAccount), Named, Write, account::change;
    GET "/api/v1/me/sessions", Access::User(Permission::OwnAccount), Named, Read, account::sessions;
    DELETE "/api/v1/me/sessions/{id}", Access::User(Permission::OwnAccount), Named, Write, account::end_session;
    GET "/api/v1/members", Access::User(Permission::ReadMembers), Named, Read, members::list;
    PATCH "/api/v1/members/{id}", Access::User(Permission::ManageMembers), Named, Write, members::change;
    DELETE "/api/v1/members/{id}", Access::User(Permission::ManageMembers), Named, Write, members::remove;
    GET "/api/v1/members/invites", Access::User(Permission::ManageMembers), Named, Read, members::invites;
    POST "/api/v1/members/invites", Access::User(Permission::ManageMembers), Named, Write, members::invite;
    DELETE "/api/v1/members/invites/{id}", Access::User(Permission::ManageMembers), Named, Write, members::revoke;
    GET "/api/v1/api-keys", Access::User(Permission::ManageKeys), Named, Read, api_keys::list;
    POST "/api/v1/api-keys", Access::User(Permission::ManageKeys), Named, Write, api_keys::create;
    DELETE "/api/v1/api-keys/{id}", Access::User(Permission::ManageKeys), Named, Write, api_keys::remove;
    GET "/api/v1/projects", Access::User(Permission::ReadProjects), Named, Read, projects::list;
    POST "/api/v1/projects", Access::User(Permission::ManageProjects), Named, Write, projects::create;
    GET "/api/v1/projects/{id}", Access::User(Permission::ReadProjects), Named, Read, projects::get;
    PATCH "/api/v1/projects/{id}", Access::User(Permission::ManageProjects), Named, Write, projects::change;
    DELETE "/api/v1/projects/{id}", Access::User(Permission::ManageProjects), Named, Write, projects::remove;
    GET "/api/v1/settings", Access::User(Permission::ReadSettings), Named, Read, settings::read;
    PATCH "/api/v1/settings", Access::User(Permission::ManageSettings), Named, Write, settings::change;
    GET "/api/v1/settings/limits", Access::Public, Any, Read, settings::limits;
    GET "/api/v1/sites", Access::User(Permission::ManageSites), Named, Read, sites::list;
    POST "/api/v1/sites", Access::User(Permission::ManageSites), Named, Write, sites::create;
    GET "/api/v1/sites/{id}", Access::User(Permission::ManageSites), Named, Read, sites::get;
    PATCH "/api/v1/sites/{id}", Access::User(Permission::ManageSites), Named, Write, sites::change;
    DELETE "/api/v1/sites/{id}", Access::User(Permission::ManageSites), Named, Write, sites::remove;
    GET "/api/v1/usage", Access::User(Permission::ReadUsage), Named, Read, usage::list;
    GET "/api/v1/openapi.json", Access::Public, Named, Read, description::document;
    POST "/api/v1/widget/sessions", Access::Public, Any, Write, widget::begin;
    POST "/api/v1/conversations", Access::Visitor, Any, Inside, chat::begin;
    PATCH "/api/v1/conversations/{id}", Access::User(Permission::Converse), Any, Inside, chat::change;
    POST "/api/v1/conversations/{id}/messages", Access::VisitorOr(Permission::Converse), Any, Inside, chat::post_message;
    GET "/api/v1/conversations/{id}/events", Access::VisitorOr(Permission::ReadConversations), Any, Read, chat::events;
    GET "/api/v1/conversations/{id}/socket", Access::VisitorOr(Permission::ReadConversations), Any, Read, socket::open;
    POST "/api/v1/conversations/{id}/read", Access::VisitorOr(Permission::Converse), Any, Inside, chat::read;
    POST "/api/v1/conversations/{id}/rating", Access::Visitor, Any, Inside, chat::rate;
    POST "/api/v1/messages/{id}/feedback", Access::Visitor, Any, Inside, chat::feedback;
    POST "/api/v1/uploads", Access::VisitorOr(Permission::Converse), Any, Write, upload::create;
    GET "/api/v1/uploads/{id}", Access::VisitorOr(Permission::ReadConversations), Any, Read, upload::fetch;
    GET "/api/v1/documents", Access::User(Permission::ReadDocuments), Named, Read, documents::list;
    POST "/api/v1/documents", Access::User(Permission::ManageDocuments), Named, Write, documents::create;
    GET "/api/v1/documents/{id}", Access::User(Permission::ReadDocuments), Named, Read, documents::get;
    DELETE "/api/v1/documents/{id}", Access::User(Permission::ManageDocuments), Named, Write, documents::delete;
    GET "/api/v1/documents/{id}/passages", Access::User(Permission::ReadDocuments), Named, Read, documents::passages;
    POST "/api/v1/documents/{id}/sync", Access::User(Permission::ManageDocuments), Named, Write, documents::sync;
    POST "/api/v1/search", Access::User(Permission::ReadDocuments), Named, Read, search::search;
}

/// Whether a path is the API's, also where it has no such page: what is not may be a file.
#[must_use]
pub fn is_of_the_api(path: &str) -> bool {
    let first = first_segment(path);
    ROUTES.iter().any(|route| first_segment(route.path) == first)
}

/// Whether a path asks how this deployment is.
#[must_use]
pub fn is_of_health(path: &str) -> bool {
    first_segment(path) == "health"
}

fn first_segment(path: &str) -> &str {
    path.strip_prefix('/').and_then(|rest| rest.split('/').next()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_visitors_call_can_be_read_on_any_site() {
        for route in ROUTES {
            if matches!(route.access, Access::Visitor | Access::VisitorOr(_)) {
                assert_eq!(route.pages, Pages::Any, "{} {}", route.method, route.path);
            }
            if route.access == Access::Machine {
                assert_eq!(route.pages, Pages::Named, "{} {}", route.method, route.path);
            }
        }
    }

    #[test]
    fn each_method_of_a_path_is_one_row() {
        let mut seen = std::collections::BTreeSet::new();
        for route in ROUTES {
            assert!(
                seen.insert((route.path, route.method.as_str())),
                "{} {} is there twice",
                route.method,
                route.path
            );
        }
    }

    #[test]
    fn files_are_served_where_the_api_is_not() {
        for api in [
            "/api/v1/me",
            "/api/v1/no-such-page",
            "/api",
            "/health",
            "/health/live",
            "/health/no",
            "/metrics",
        ] {
            assert!(is_of_the_api(api), "{api}");
        }
        for file in ["/", "", "/widget.js", "/demo/", "/healthy.html", "/demo/api/v1", "//api/v1/me", "*"] {
            assert!(!is_of_the_api(file), "{file}");
        }
    }
}
