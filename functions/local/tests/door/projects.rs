use frontdesk_local::testing::run;
use serde_json::json;

use crate::client::Desk;
use crate::people::{QUIET, with};

#[test]
fn projects_are_made_renamed_and_removed_and_sites_belong_to_one() {
    run(async {
        let desk = Desk::new(QUIET).await;
        let admin = desk.token().await;
        let first = desk.get("/api/v1/projects", &admin).await.body["items"][0]["id"].clone();
        let made = desk.post("/api/v1/projects", &admin, json!({"name": "  Shop   two "})).await;
        assert_eq!(
            (made.status.as_u16(), made.body["name"].as_str()),
            (201, Some("Shop two")),
            "{}",
            made.text
        );
        let project = made.body["id"].as_str().unwrap();
        let path = format!("/api/v1/projects/{project}");
        let headers = [("authorization", &*format!("Bearer {admin}")), ("if-match", "\"7\"")];
        assert_eq!(desk.call("PATCH", &path, &headers, Some(json!({"name": "Shop"}))).await.status, 412);
        let renamed = with(&desk, "PATCH", &path, &admin, Some(json!({"name": "Shop"}))).await;
        assert_eq!(
            (renamed.body["version"].as_u64(), renamed.header("etag")),
            (Some(2), "\"2\""),
            "{}",
            renamed.text
        );

        let site =
            desk.post("/api/v1/sites", &admin, json!({"name": "A", "origins": [], "project": project})).await;
        assert_eq!(
            (site.status.as_u16(), site.body["project"].as_str()),
            (201, Some(project)),
            "{}",
            site.text
        );
        let elsewhere = desk.post("/api/v1/sites", &admin, json!({"name": "A", "origins": []})).await;
        assert_eq!(elsewhere.body["project"], first);
        let foreign = "proj_01h455vb4pex5vsknk084sn02q";
        let none =
            desk.post("/api/v1/sites", &admin, json!({"name": "A", "origins": [], "project": foreign})).await;
        assert_eq!(
            (none.status.as_u16(), none.body["errors"][0]["pointer"].as_str()),
            (422, Some("/project")),
            "{}",
            none.text
        );
        let site_path = format!("/api/v1/sites/{}", site.body["id"].as_str().unwrap());
        let moved = with(&desk, "PATCH", &site_path, &admin, Some(json!({"project": foreign}))).await;
        assert_eq!(moved.status, 422, "{}", moved.text);

        assert_eq!(with(&desk, "DELETE", &path, &admin, None).await.status, 409, "it has a site");
        let moved = with(&desk, "PATCH", &site_path, &admin, Some(json!({"project": first}))).await;
        assert_eq!(moved.body["project"], first, "{}", moved.text);
        assert_eq!(with(&desk, "DELETE", &path, &admin, None).await.status, 204);
        assert_eq!(desk.get(&path, &admin).await.status, 404);
        let last = format!("/api/v1/projects/{}", first.as_str().unwrap());
        assert_eq!(with(&desk, "DELETE", &last, &admin, None).await.status, 409);
        for wrong in ["", " ", "\u{202e}abc", &"x".repeat(101)] {
            let answer = desk.post("/api/v1/projects", &admin, json!({"name": wrong})).await;
            assert_eq!(
                (answer.status.as_u16(), answer.body["errors"][0]["pointer"].as_str()),
                (422, Some("/name"))
            );
        }
    });
}
