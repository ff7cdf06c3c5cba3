//! The schema and those who use it: a host serves from a schema that is its own or only grew, says what is wrong with
//! another, and gives signs of life; `migrate down` takes nothing from under it.

use std::process::{Command, Output, Stdio};
use std::rc::Rc;
use std::time::Duration;

use frontdesk_api::{Body, Peer, handle};
use frontdesk_app::life::{self, Sign};
use frontdesk_app::migrations::{self, MigrationState};
use frontdesk_domain::time::Timestamp;
use frontdesk_local::Overrides;
use frontdesk_local::testing::{Place, World, run};
use frontdesk_ports::{Clock, Ctx, Database, Ports, Statement};
use frontdesk_testkit::ManualClock;
use serde_json::Value;

/// The context of a process or isolate that has asked nothing yet.
fn fresh(ctx: &Ctx) -> Ctx {
    Ctx::new(Rc::new(Ports { caches: Rc::default(), ..frontdesk_testkit::ports(ctx) }))
}

async fn get(ctx: &Ctx, path: &str) -> (u16, Value, String) {
    let request = http::Request::get(path).body(Body::empty()).unwrap();
    let (parts, body) = handle(ctx.clone(), request, Peer::default()).await.into_parts();
    let retry = parts.headers.get("retry-after").map_or("", |value| value.to_str().unwrap()).to_owned();
    let body = body.collect(1 << 20).await.unwrap().unwrap();
    (parts.status.as_u16(), serde_json::from_slice(&body).unwrap(), retry)
}

async fn execute(db: &dyn Database, sql: &'static str) {
    db.batch(vec![Statement::new(sql)]).await.unwrap();
}

#[test]
fn a_host_at_the_edge_refuses_what_it_cannot_serve_and_says_why_until_it_is_mended() {
    run(async {
        let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
        let overrides = Overrides { clock: Some(Rc::new(clock.clone())), ..Overrides::default() };
        let world = World::new(&[], overrides).await.unwrap();
        let db = world.ctx().db.clone();
        let limits = format!("/api/v1/settings/limits?site_key={}", world.site().await.unwrap().site_key);

        let ctx = fresh(world.ctx());
        assert_eq!(get(&ctx, &limits).await.0, 200);

        migrations::down(db.as_ref(), 1).await.unwrap();
        let ctx = fresh(world.ctx());
        let (status, problem, retry) = get(&ctx, &limits).await;
        assert_eq!((status, retry.as_str()), (503, "10"), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains("schema"), "{problem}");
        let (status, health, _) = get(&ctx, "/health/db").await;
        assert_eq!((status, &health["status"]), (503, &Value::from("down")));
        let last = migrations::ALL.last().unwrap().name;
        let detail = health["detail"].as_str().unwrap();
        assert!(detail.contains(last) && detail.contains("pending"), "{detail}");
        assert_eq!(get(&ctx, "/health/live").await.0, 200);
        assert_eq!(get(&ctx, "/health").await.0, 503);

        migrations::up(db.as_ref(), clock.now()).await.unwrap();
        assert_eq!(get(&ctx, &limits).await.0, 503, "not asked again at once");
        clock.advance(Duration::from_secs(5));
        assert_eq!(get(&ctx, &limits).await.0, 200, "mended, and served without a restart");
        assert_eq!(get(&ctx, "/health/db").await.0, 200);
    });
}

#[test]
fn the_schema_is_asked_for_once() {
    run(async {
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let limits = format!("/api/v1/settings/limits?site_key={}", world.site().await.unwrap().site_key);
        let asked = |ctx: &Ctx| {
            let text = ctx.metrics.text();
            let line = text
                .lines()
                .find(|line| line.contains("database_round_trips") && line.contains("query"))
                .unwrap();
            line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
        };
        let ctx = world.ctx();
        get(ctx, &limits).await;
        let warm = asked(ctx);
        for _ in 0..5 {
            get(ctx, &limits).await;
        }
        let each = (asked(ctx) - warm) / 5;
        let ctx = fresh(ctx);
        let before = asked(&ctx);
        get(&ctx, "/metrics").await;
        assert_eq!(asked(&ctx), before, "who needs no schema does not ask for it");
        frontdesk_app::schema::ready(&ctx).await.unwrap();
        assert_eq!(asked(&ctx), before + 1);
        for _ in 0..5 {
            frontdesk_app::schema::ready(&ctx).await.unwrap();
        }
        assert_eq!(asked(&ctx), before + 1, "each request costs {each} and no more");
    });
}

#[test]
fn an_older_host_runs_beside_a_step_that_only_added_and_not_beside_one_that_took_away() {
    run(async {
        let place = Place::new().unwrap();
        let db = place.database().unwrap();
        let now = Timestamp::from_millis(1_700_000_000_000);
        migrations::up(db.as_ref(), now).await.unwrap();
        execute(db.as_ref(), "INSERT INTO schema_migrations VALUES (9998, '9998_more', 'x', 1)").await;
        migrations::check(db.as_ref()).await.expect("it only added");
        assert!(migrations::up(db.as_ref(), now).await.unwrap().is_empty());
        assert_eq!(
            migrations::status(db.as_ref()).await.unwrap().last().unwrap().state,
            MigrationState::Newer
        );
        let down = migrations::down(db.as_ref(), 1).await.unwrap_err().to_string();
        assert!(down.contains("9998_more"), "{down}");

        execute(db.as_ref(), "INSERT INTO schema_migrations VALUES (9999, '9999_contract_more', 'x', 1)")
            .await;
        let refused = migrations::check(db.as_ref()).await.unwrap_err().to_string();
        assert!(refused.contains("9999_contract_more") && refused.contains("took away"), "{refused}");
        assert!(migrations::up(db.as_ref(), now).await.is_err());
        drop(db);
        let opened = World::at(place, &[], Overrides::default()).await;
        assert!(opened.err().unwrap().to_string().contains("9999_contract_more"));
    });
}

#[test]
fn every_step_undoes_what_it_did() {
    run(async {
        let place = Place::new().unwrap();
        let db = place.database().unwrap();
        let now = Timestamp::from_millis(1_700_000_000_000);
        let shape = || async {
            let sql =
                "SELECT type, name, sql FROM sqlite_schema WHERE name <> 'schema_migrations' ORDER BY 1, 2";
            let rows = db.query(vec![Statement::new(sql)]).await.unwrap().remove(0).rows;
            rows.into_iter().map(|row| format!("{row:?}")).collect::<Vec<_>>()
        };
        migrations::up(db.as_ref(), now).await.unwrap();
        let whole = shape().await;
        for steps in 1..=migrations::ALL.len() - 8 {
            let before: Vec<_> = {
                migrations::down(db.as_ref(), steps).await.unwrap();
                shape().await
            };
            assert_ne!(before, whole);
            migrations::up(db.as_ref(), now).await.unwrap();
            assert_eq!(shape().await, whole, "up again after {steps} down");
        }
    });
}

#[test]
fn a_host_that_works_is_seen_and_one_that_left_is_not() {
    run(async {
        let world = World::new(&[], Overrides::default()).await.unwrap();
        let (ctx, db) = (world.ctx(), world.ctx().db.clone());
        assert!(life::alive(db.as_ref(), ctx.clock.now()).await.unwrap().is_empty());
        world.host.begin_work();
        let seen = async {
            loop {
                let alive = life::alive(db.as_ref(), ctx.clock.now()).await.unwrap();
                if !alive.is_empty() {
                    return alive;
                }
                tokio::task::yield_now().await;
            }
        };
        let alive = tokio::time::timeout(Duration::from_secs(10), seen).await.expect("a sign of life");
        assert_eq!((alive.len(), alive[0].kind.as_str()), (1, "local"));
        let later = alive[0].alive_until.after(Duration::from_millis(1));
        assert!(life::alive(db.as_ref(), later).await.unwrap().is_empty(), "a sign has an end");
        world.host.end_work().await;
        assert!(life::alive(db.as_ref(), ctx.clock.now()).await.unwrap().is_empty());
    });
}

/// The program, on the database of `place`.
fn frontdesk(place: &mut Place, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_frontdesk"));
    command.args(arguments).arg("--data").arg(place.data()).env_remove("DATABASE_URL").stdin(Stdio::null());
    if let Some(sqld) = place.sqld() {
        command.env("DATABASE_URL", sqld.url());
    }
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.as_slice(), &output.stderr].concat()).into_owned()
}

#[test]
fn migrate_down_refuses_while_a_host_runs_asks_and_says_what_is_lost() {
    let place = Place::new().unwrap();
    let sign = Sign { id: "spin".to_owned(), kind: "spin", lasts: Duration::from_secs(60) };
    let last = migrations::ALL.last().unwrap().name;
    run(async {
        let db = place.database().unwrap();
        migrations::up(db.as_ref(), Timestamp::from_millis(1)).await.unwrap();
    });
    let (world, mut place) = run(async {
        let world = World::at(place, &[], Overrides::default()).await.unwrap();
        life::sign(world.ctx(), &sign).await;
        let World { host, place } = world;
        (host, place)
    });
    let down = &["migrate", "down", "--yes"][..];
    let on_a_file = place.sqld().is_none();
    if on_a_file {
        let refused = frontdesk(&mut place, down);
        assert!(
            !refused.status.success() && said(&refused).contains("in use by another process"),
            "{}",
            said(&refused)
        );
    }
    let ctx = world.ctx.clone();
    drop(world);
    let refused = frontdesk(&mut place, down);
    assert!(!refused.status.success(), "{}", said(&refused));
    assert!(
        said(&refused).contains("hosts use this database") && said(&refused).contains("spin"),
        "{}",
        said(&refused)
    );

    // A sign that cannot be taken back in time stays until its time is over: nothing but a busy machine makes it so here.
    run(async {
        for _ in 0..100 {
            life::leave(&ctx, &sign).await;
            if life::alive(ctx.db.as_ref(), ctx.clock.now()).await.is_ok_and(|alive| alive.is_empty()) {
                break;
            }
        }
    });
    let unasked = frontdesk(&mut place, &["migrate", "down"]);
    assert!(!unasked.status.success() && said(&unasked).contains("--yes"), "{}", said(&unasked));
    assert!(said(&unasked).contains(last) && said(&unasked).contains("loses for good"), "{}", said(&unasked));
    let done = frontdesk(&mut place, down);
    assert!(done.status.success() && said(&done).contains(&format!("undid {last}")), "{}", said(&done));
    let status = said(&frontdesk(&mut place, &["migrate", "status"]));
    assert!(status.lines().any(|line| line.starts_with(last) && line.ends_with("pending")), "{status}");
}
