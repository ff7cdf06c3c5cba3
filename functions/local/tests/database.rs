//! The database, embedded or behind a server, keeps the contract, and the schema goes up and down.

use frontdesk_app::migrations::{self, MigrationState};
use frontdesk_domain::time::Timestamp;
use frontdesk_local::testing::{Place, run};
use frontdesk_ports::Statement;
use frontdesk_testkit::database_contract;

#[test]
fn the_database_keeps_the_contract() {
    let place = Place::new().unwrap();
    run(async { database_contract(place.database().unwrap().as_ref()).await });
}

#[test]
fn batches_at_the_same_time_fail_alone() {
    let place = Place::new().unwrap();
    run(async {
        let db = place.database().unwrap();
        db.batch(vec![Statement::new("CREATE TABLE t (id INTEGER PRIMARY KEY)")]).await.unwrap();
        let insert = |id: i64| Statement::new("INSERT INTO t (id) VALUES (?1)").bind(id);
        // All at once, so that they meet in one group commit; of every three the last repeats an id of the second.
        let batches = (0..60_i64).map(|number| {
            let db = std::rc::Rc::clone(&db);
            let id = if number % 3 == 2 { number - 1 } else { number };
            async move { db.batch(vec![insert(1000 + number), insert(id)]).await }
        });
        let results = futures_util::future::join_all(batches).await;
        for three in results.chunks(3) {
            let [alone, one, other] = three else { panic!("{three:?}") };
            assert!(alone.is_ok() && one.is_ok() != other.is_ok(), "{three:?}");
        }
        let count = db.query(vec![Statement::new("SELECT count(*) FROM t")]).await.unwrap();
        assert_eq!(count[0].rows[0].int(0), Ok(80));
    });
}

#[test]
fn the_schema_goes_up_down_and_up_again() {
    let place = Place::new().unwrap();
    let now = Timestamp::from_millis(1_700_000_000_000);
    run(async {
        let db = place.database().unwrap();
        assert!(migrations::check(db.as_ref()).await.is_err(), "an empty database is not up to date");
        let taken = migrations::up(db.as_ref(), now).await.unwrap();
        assert_eq!(taken.len(), migrations::ALL.len());
        assert!(migrations::up(db.as_ref(), now).await.unwrap().is_empty());
        migrations::check(db.as_ref()).await.unwrap();
        let undone = migrations::down(db.as_ref(), taken.len()).await.unwrap();
        assert_eq!(undone.len(), taken.len());
        let left = "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' AND name <> 'schema_migrations'";
        let left = db.query(vec![Statement::new(left)]).await.unwrap();
        assert_eq!(left[0].rows[0].int(0), Ok(0), "a down file leaves something behind");
        assert_eq!(migrations::up(db.as_ref(), now).await.unwrap().len(), taken.len());
    });
}

#[test]
fn a_schema_that_is_not_this_versions_is_refused() {
    let place = Place::new().unwrap();
    let now = Timestamp::from_millis(1_700_000_000_000);
    run(async {
        let db = place.database().unwrap();
        migrations::up(db.as_ref(), now).await.unwrap();
        let edit = "UPDATE schema_migrations SET checksum = 'other' WHERE version = 1";
        db.batch(vec![Statement::new(edit)]).await.unwrap();
        assert!(matches!(migrations::status(db.as_ref()).await.unwrap()[0].state, MigrationState::Edited));
        assert!(migrations::check(db.as_ref()).await.unwrap_err().to_string().contains("edited"));
        let undo = "DELETE FROM schema_migrations WHERE version = 1";
        db.batch(vec![Statement::new(undo)]).await.unwrap();
        assert!(migrations::check(db.as_ref()).await.unwrap_err().to_string().contains("pending"));
    });
}
