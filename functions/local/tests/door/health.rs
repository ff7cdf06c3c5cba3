use std::time::Duration;

use frontdesk_local::testing::run;
use frontdesk_ports::Statement;

use crate::client::Desk;

#[test]
fn a_deployment_without_a_model_is_well() {
    run(async {
        let desk = Desk::new(&[]).await;
        let health = desk.call("GET", "/health", &[], None).await;
        assert_eq!(health.status, 200, "{}", health.text);
        assert_eq!(health.body["status"], "ok");
        assert_eq!(health.body["database"]["status"], "ok");
        assert_eq!(health.body["ai"]["status"], "off");
        assert_eq!(desk.call("GET", "/health/live", &[], None).await.body["status"], "ok");
    });
}

#[test]
fn a_model_that_does_not_answer_is_down_and_the_deployment_degraded() {
    run(async {
        // Nothing listens on the discard port.
        let vars = [
            ("OPENAI_BASE_URL", "http://127.0.0.1:9/v1"),
            ("OPENAI_MODEL", "m"),
            ("OPENAI_API_KEY", "sk-SENTINEL"),
        ];
        let desk = Desk::new(&vars).await;
        let ai = desk.call("GET", "/health/ai", &[], None).await;
        assert_eq!((ai.status.as_u16(), ai.body["status"].as_str()), (503, Some("down")));
        assert!(!ai.text.contains("SENTINEL") && !ai.text.contains("127.0.0.1"), "{}", ai.text);
        let all = desk.call("GET", "/health", &[], None).await;
        assert_eq!((all.status.as_u16(), all.body["status"].as_str()), (200, Some("degraded")));
    });
}

#[test]
fn a_flood_of_questions_is_one_question_to_the_database() {
    run(async {
        let desk = Desk::new(&[]).await;
        let asked = || {
            let text = desk.world.ctx().metrics.text();
            let line = text
                .lines()
                .find(|line| line.contains("database_round_trips") && line.contains("kind=\"batch\""));
            line.and_then(|line| line.rsplit(' ').next())
                .and_then(|count| count.parse::<u64>().ok())
                .unwrap_or(0)
        };
        desk.call("GET", "/health/db", &[], None).await;
        let before = asked();
        futures_util::future::join_all((0..100).map(|_| desk.call("GET", "/health/db", &[], None))).await;
        assert_eq!(asked(), before);
        desk.clock.advance(Duration::from_secs(2));
        let answers =
            futures_util::future::join_all((0..100).map(|_| desk.call("GET", "/health/db", &[], None))).await;
        assert!(answers.iter().all(|answer| answer.body["status"] == "ok"));
        assert_eq!(asked(), before + 1);
    });
}

#[test]
fn metrics_are_for_the_token_alone_and_not_there_without_one() {
    run(async {
        let closed = Desk::new(&[]).await;
        assert_eq!(closed.get("/metrics", "").await.status, 404);
        let desk = Desk::new(&[("METRICS_TOKEN", "0f8a61c2d94be57308a1")]).await;
        assert_eq!(desk.get("/metrics", "0f8a61c2d94be57308a2").await.status, 401);
        assert_eq!(desk.call("GET", "/metrics", &[], None).await.status, 401);
        let open = desk.get("/metrics", "0f8a61c2d94be57308a1").await;
        assert_eq!(open.status, 200);
        assert!(open.text.contains("frontdesk_http_requests_total"), "{}", open.text);
    });
}

#[test]
fn a_method_that_nobody_knows_is_counted_without_its_name() {
    run(async {
        let desk = Desk::new(&[]).await;
        for method in ["BREW", "WHEN", "PROPFIND"] {
            assert_eq!(desk.call(method, "/api/v1/me", &[], None).await.status, 405);
        }
        let text = desk.world.ctx().metrics.text();
        assert!(text.contains("route=\"/api/v1/me\",method=\"other\",status=\"405\"} 3"), "{text}");
        assert!(!text.contains("BREW"), "{text}");
    });
}

#[test]
fn without_its_table_a_setting_is_an_error_of_ours_and_says_nothing() {
    run(async {
        let desk = Desk::new(&[]).await;
        let token = desk.token().await;
        desk.world.ctx().db.batch(vec![Statement::new("DROP TABLE settings")]).await.unwrap();
        let answer = desk.get("/api/v1/settings", &token).await;
        assert_eq!(answer.status, 500);
        assert!(
            !answer.text.contains("settings WHERE") && !answer.text.contains("no such table"),
            "{}",
            answer.text
        );
    });
}
