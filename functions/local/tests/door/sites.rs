//! Sites: made, changed and removed while visitors use them.

use frontdesk_local::testing::run;
use serde_json::{Value, json};

use crate::client::{Answer, Desk};

const SITES: &str = "/api/v1/sites";

impl Desk {
    async fn site(
        &self,
        method: &str,
        path: &str,
        token: &str,
        if_match: Option<u64>,
        body: Option<Value>,
    ) -> Answer {
        let (token, tag) = (format!("Bearer {token}"), if_match.map(|version| format!("\"{version}\"")));
        let mut headers = vec![("authorization", token.as_str())];
        headers.extend(tag.as_deref().map(|tag| ("if-match", tag)));
        self.call(method, &format!("{SITES}{path}"), &headers, body).await
    }

    /// A visitor's session from a page of this origin.
    async fn session(&self, key: &str, origin: &str) -> Answer {
        let headers = [("origin", origin)];
        self.call("POST", "/api/v1/widget/sessions", &headers, Some(json!({ "site_key": key }))).await
    }
}

fn text<'a>(answer: &'a Answer, field: &str) -> &'a str {
    answer.body[field].as_str().unwrap_or_else(|| panic!("no {field} in {}", answer.text))
}

#[test]
fn a_page_gets_a_session_as_soon_as_its_origin_is_the_sites_and_no_longer() {
    run(async {
        let desk = Desk::new(&[]).await;
        let token = desk.token().await;
        let new = json!({ "name": "Tea", "origins": ["https://Tea.example:443/"], "locale": "ru" });
        let site = desk.site("POST", "", &token, None, Some(new)).await;
        assert_eq!(site.status, 201, "{}", site.text);
        assert_eq!(site.body["origins"], json!(["https://tea.example"]));
        let (key, path) = (text(&site, "site_key"), format!("/{}", text(&site, "id")));
        let snippet =
            format!(r#"<script async src="https://desk.example/widget.js" data-site-key="{key}"></script>"#);
        assert_eq!(text(&site, "snippet"), snippet);

        let session = desk.session(key, "https://tea.example").await;
        assert_eq!(session.status, 201, "{}", session.text);
        assert_eq!(
            (session.body["site"]["name"].as_str(), session.body["site"]["locale"].as_str()),
            (Some("Tea"), Some("ru"))
        );
        for other in ["https://www.tea.example", "http://tea.example", "https://tea.example:8443", "null"] {
            assert_eq!(desk.session(key, other).await.status, 403, "{other}");
        }

        let moved = json!({ "origins": ["https://www.tea.example"] });
        assert_eq!(desk.site("PATCH", &path, &token, None, Some(moved)).await.status, 200);
        assert_eq!(desk.session(key, "https://tea.example").await.status, 403);
        assert_eq!(desk.session(key, "https://www.tea.example").await.status, 201);
    });
}

#[test]
fn a_page_whose_origin_was_taken_away_calls_no_more() {
    run(async {
        let desk = Desk::new(&[]).await;
        let token = desk.token().await;
        let origins = |origins: &[&str]| Some(json!({ "name": "Tea", "origins": origins }));
        let site = desk.site("POST", "", &token, None, origins(&["https://tea.example"])).await;
        let path = format!("/{}", text(&site, "id"));
        let session = desk.session(text(&site, "site_key"), "https://tea.example").await;
        let visitor = format!("Bearer {}", text(&session, "visitor_token"));
        let from = async |origin: Option<&str>| {
            let mut headers = vec![("authorization", visitor.as_str())];
            headers.extend(origin.map(|origin| ("origin", origin)));
            desk.call("POST", "/api/v1/conversations", &headers, Some(json!({}))).await
        };
        assert_eq!(from(Some("https://tea.example")).await.status, 201);
        let other = from(Some("https://cafe.example")).await;
        assert_eq!(other.status, 403, "{}", other.text);
        assert_eq!(
            desk.site("PATCH", &path, &token, None, origins(&["https://cafe.example"])).await.status,
            200
        );
        assert_eq!(from(Some("https://tea.example")).await.status, 403, "at once in this process");
        assert_eq!(from(Some("https://cafe.example")).await.status, 201);
        for own in [Some("https://desk.example"), None] {
            assert_eq!(from(own).await.status, 201, "{own:?}");
        }

        // Another process takes it away.
        let sql = "UPDATE sites SET origins = '[]'";
        desk.world.ctx().db.batch(vec![frontdesk_ports::Statement::new(sql)]).await.unwrap();
        desk.clock.advance(std::time::Duration::from_secs(61));
        assert_eq!(from(Some("https://cafe.example")).await.status, 403);
    });
}

#[test]
fn a_name_shows_something_and_is_what_it_seems() {
    run(async {
        let desk = Desk::new(&[]).await;
        let token = desk.token().await;
        for name in ["\u{feff}", "\u{200b}", "\u{202e}", "\u{1b}", "\u{202e}aeT", "T\u{1b}[2J", "\u{3164}"] {
            let new = json!({ "name": name, "origins": [] });
            let refused = desk.site("POST", "", &token, None, Some(new)).await;
            let pointer = refused.body["errors"][0]["pointer"].as_str();
            assert_eq!(
                (refused.status.as_u16(), pointer),
                (422, Some("/name")),
                "{name:?}: {}",
                refused.text
            );
        }
        let new = json!({ "name": " Чай\tи 👨\u{200d}👩 ", "origins": [] });
        let site = desk.site("POST", "", &token, None, Some(new)).await;
        assert_eq!((site.status.as_u16(), text(&site, "name")), (201, "Чай и 👨\u{200d}👩"));
    });
}

#[test]
fn a_removed_site_lets_no_visitor_in_and_keeps_what_was_said() {
    run(async {
        let desk = Desk::new(&[]).await;
        let token = desk.token().await;
        let new = json!({ "name": "Tea", "origins": ["https://tea.example"] });
        let site = desk.site("POST", "", &token, None, Some(new)).await;
        let (key, path) = (text(&site, "site_key"), format!("/{}", text(&site, "id")));
        let session = desk.session(key, "https://tea.example").await;
        let visitor = text(&session, "visitor_token").to_owned();
        let conversation = desk.begin(&visitor).await;
        assert_eq!(conversation.status, 201);

        assert_eq!(desk.site("DELETE", &path, &token, None, None).await.status, 204);
        assert_eq!(desk.session(key, "https://tea.example").await.status, 422);
        let refused = desk.begin(&visitor).await;
        assert_eq!(refused.status, 401, "{}", refused.text);
        assert!(refused.text.contains("removed"), "{}", refused.text);
        let events = format!("/api/v1/conversations/{}/events?after=0", text(&conversation, "id"));
        assert_eq!(desk.get(&events, &visitor).await.status, 401);
        assert_eq!(desk.get(&events, &token).await.status, 200, "what was said is the organisation's");

        for (method, body) in [("GET", None), ("PATCH", Some(json!({ "name": "x" }))), ("DELETE", None)] {
            assert_eq!(desk.site(method, &path, &token, None, body).await.status, 404, "{method}");
        }
        let list = desk.get(SITES, &token).await;
        assert_eq!(list.body["items"].as_array().unwrap().len(), 1, "{}", list.text);
        let demo =
            desk.session(list.body["items"][0]["site_key"].as_str().unwrap(), "https://desk.example").await;
        assert_eq!(desk.begin(text(&demo, "visitor_token")).await.status, 201, "other sites go on");
    });
}

#[test]
fn another_process_learns_of_a_removal_with_the_settings() {
    run(async {
        let desk = Desk::new(&[]).await;
        let site = desk.world.site().await.unwrap();
        let visitor = desk.session(&site.site_key, "https://desk.example").await;
        let visitor = text(&visitor, "visitor_token").to_owned();
        assert_eq!(desk.begin(&visitor).await.status, 201);
        let sql = "UPDATE sites SET deleted_at = 1700000000000, site_key = 'gone'";
        desk.world.ctx().db.batch(vec![frontdesk_ports::Statement::new(sql)]).await.unwrap();
        assert_eq!(desk.begin(&visitor).await.status, 201, "what was read is remembered");
        desk.clock.advance(std::time::Duration::from_secs(61));
        assert_eq!(desk.begin(&visitor).await.status, 401);
    });
}

#[test]
fn of_two_changes_from_one_version_the_second_is_told() {
    run(async {
        let desk = Desk::new(&[]).await;
        let token = desk.token().await;
        let path = format!("/{}", desk.world.site().await.unwrap().id);
        let name = |name: &str| Some(json!({ "name": name }));
        let first = desk.site("PATCH", &path, &token, Some(1), name("One")).await;
        assert_eq!((first.status.as_u16(), first.header("etag")), (200, "\"2\""), "{}", first.text);
        let second = desk.site("PATCH", &path, &token, Some(1), name("Two")).await;
        assert_eq!(second.status, 412);
        assert_eq!(desk.site("DELETE", &path, &token, Some(1), None).await.status, 412);
        // Who names no version changes what is there.
        let third =
            desk.site("PATCH", &path, &token, None, Some(json!({ "theme": { "scheme": "dark" } }))).await;
        assert_eq!((text(&third, "name"), &third.body["theme"]["scheme"]), ("One", &json!("dark")));
        let same = desk.site("PATCH", &path, &token, Some(3), name("One")).await;
        assert_eq!(same.header("etag"), "\"3\"", "a change that changes nothing is none");
        let audit = desk
            .rows("SELECT detail FROM audit WHERE action = 'site.changed' ORDER BY detail ->> 'version'")
            .await;
        assert_eq!(audit.len(), 2);
        let detail: Value = audit[0].json(0).unwrap();
        assert_eq!(
            detail,
            json!({ "version": 2, "changes": [{ "field": "/name", "old": "Camomile · Ромашка", "new": "One" }] })
        );
    });
}

#[test]
fn sites_are_for_administrators_of_the_organisation_alone() {
    run(async {
        let desk = Desk::new(&[]).await;
        let viewer = desk.viewer().await;
        let path = format!("/{}", desk.world.site().await.unwrap().id);
        let new = json!({ "name": "Tea", "origins": [] });
        for (method, path, body) in [
            ("GET", "", None),
            ("POST", "", Some(new)),
            ("GET", path.as_str(), None),
            ("PATCH", &path, Some(json!({}))),
            ("DELETE", &path, None),
        ] {
            assert_eq!(desk.site(method, path, &viewer, None, body).await.status, 403, "{method} {path}");
        }
        let admin = desk.token().await;
        let other = "UPDATE sites SET org_id = 'org_01h455vb4pex5vsknk084sn02q'";
        let organisation = "INSERT INTO organisations (id, name, created_at) VALUES ('org_01h455vb4pex5vsknk084sn02q', 'Other', 1)";
        for sql in [organisation, other] {
            desk.world.ctx().db.batch(vec![frontdesk_ports::Statement::new(sql)]).await.unwrap();
        }
        for (method, body) in [("GET", None), ("PATCH", Some(json!({ "name": "x" }))), ("DELETE", None)] {
            assert_eq!(desk.site(method, &path, &admin, None, body).await.status, 404, "{method}");
        }
        assert_eq!(desk.get(SITES, &admin).await.body["items"], json!([]));
    });
}

#[test]
fn an_organisation_has_a_bounded_number_of_sites_in_pages() {
    run(async {
        let desk = Desk::new(&[]).await;
        let token = desk.token().await;
        let fill = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 199)
             INSERT INTO sites (org_id, id, site_key, name, origins, theme, greeting, locale, created_at)
             SELECT org_id, 'site_01h455vb4pex5vsknk084s' || printf('%04d', i), 'pk_' || i, 'Site ' || i, '[]', '{}', '{}', 'en', 1
             FROM sites, n";
        desk.world.ctx().db.batch(vec![frontdesk_ports::Statement::new(fill)]).await.unwrap();
        let new = json!({ "name": "One too many", "origins": [] });
        let refused = desk.site("POST", "", &token, None, Some(new)).await;
        assert_eq!(refused.status, 409, "{}", refused.text);
        assert!(refused.text.contains("200"), "{}", refused.text);
        let (mut seen, mut cursor) = (0, String::new());
        loop {
            let page = desk.get(&format!("{SITES}?limit=90{cursor}"), &token).await;
            assert_eq!(page.status, 200, "{}", page.text);
            seen += page.body["items"].as_array().unwrap().len();
            match page.body["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, 200);
    });
}
