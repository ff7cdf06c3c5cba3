//! What the queue asks is answered from indexes: how many jobs wait behind the next one costs nothing.

use frontdesk_domain::id::OrgId;
use frontdesk_domain::scope::Actor;
use frontdesk_local::testing::{Place, run};

use super::*;

const KINDS: &str = r#"{"ingest":120000,"purge":120000}"#;

/// How the database goes about a statement, line by line.
async fn plans(statements: Vec<Statement>) -> Vec<String> {
    let place = Place::new().unwrap();
    let db = place.database().unwrap();
    crate::migrations::up(db.as_ref(), Timestamp::from_millis(1)).await.unwrap();
    let mut lines = Vec::new();
    for statement in statements {
        let sql = Box::leak(format!("EXPLAIN QUERY PLAN {}", statement.sql).into_boxed_str());
        let results = db.query(vec![Statement { sql, params: statement.params }]).await.unwrap();
        lines.extend(results[0].rows.iter().map(|row| row.text(3).unwrap().to_owned()));
    }
    lines
}

fn job() -> Claimed {
    let now = Timestamp::from_millis(1);
    let id = JobId::new(now, [1; 10]);
    let new = Owner::Organisation(OrgId::new(now, [2; 10]));
    Claimed {
        owner: new,
        id,
        kind: "ingest".to_owned(),
        subject: String::new(),
        payload: String::new(),
        attempt: 1,
        created_at: now,
        worker: WorkerId::new(now, [3; 10]),
        every: None,
    }
}

/// Whether a line of a plan reads a whole table or index of jobs.
fn reads_all(line: &str) -> bool {
    ["SCAN jobs", "SCAN j ", "SCAN d", "SCAN j\0"].iter().any(|scan| format!("{line}\0").starts_with(scan))
}

#[test]
fn claiming_seeks_in_the_index_of_owners() {
    run(async {
        let now = Timestamp::from_millis(1);
        let [claim, turns] = claim(job().worker, KINDS, now, 4);
        let lines = plans(vec![claim]).await;
        let whole: Vec<_> = lines.iter().filter(|line| reads_all(line)).collect();
        assert!(whole.is_empty(), "{lines:#?}");
        let skips = lines.iter().filter(|line| line.contains("jobs_by_owner")).count();
        assert!(skips >= 3, "the first owner, the next one, and the first jobs of each: {lines:#?}");
        let lines = plans(vec![turns]).await;
        assert!(lines.iter().any(|line| line.contains("jobs_by_worker")), "{lines:#?}");
    });
}

#[test]
fn nothing_else_reads_all_jobs_either() {
    run(async {
        let now = Timestamp::from_millis(1);
        let job = job();
        #[expect(clippy::disallowed_methods, reason = "tests stand in for authentication")]
        let scope = TenantScope::authenticated(OrgId::new(now, [2; 10]), Actor::System);
        let new = NewRow {
            id: job.id,
            kind: "ingest",
            subject: "",
            payload: "{}",
            priority: 0,
            key: Some("k"),
            run_after: now,
            every: None,
        };
        let mut statements = vec![
            insert(job.owner, &new, 1000, now),
            select_open(job.owner, job.id, "ingest", Some("k")),
            select_next(KINDS),
            fence(&job),
            prolong(&[job.worker], KINDS, Duration::from_secs(20), now),
            select_dead(&scope, 100),
            update_revive(&scope, job.id, now),
        ];
        statements.extend(update_dead(&job, "", 100, now));
        for statement in statements {
            let sql = statement.sql;
            let lines = plans(vec![statement]).await;
            assert!(!lines.iter().any(|line| reads_all(line)), "{sql}\n{lines:#?}");
        }
    });
}
