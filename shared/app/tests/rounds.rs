//! What one of many processes does once in a while.

use std::rc::Rc;
use std::time::Duration;

use frontdesk_app::rounds;
use frontdesk_domain::time::Timestamp;
use frontdesk_local::Overrides;
use frontdesk_local::testing::{World, run};
use frontdesk_testkit::ManualClock;
use futures_util::future::join_all;

const EVERY: Duration = Duration::from_secs(10);

async fn world() -> (World, ManualClock) {
    let clock = ManualClock::at(Timestamp::from_millis(1_800_000_000_000));
    let overrides = Overrides { clock: Some(Rc::new(clock.clone())), ..Overrides::default() };
    (World::new(&[], overrides).await.unwrap(), clock)
}

#[test]
fn of_many_that_ask_at_once_one_is_to_do_it() {
    run(async {
        let (world, _) = world().await;
        let asked = join_all((0..20).map(|_| rounds::claim(world.ctx(), "sweep", EVERY))).await;
        assert_eq!(asked.into_iter().filter(|mine| *mine == Ok(true)).count(), 1);
        assert_eq!(
            rounds::claim(world.ctx(), "other", EVERY).await,
            Ok(true),
            "another one is another matter"
        );
    });
}

#[test]
fn it_is_done_again_when_its_time_has_come() {
    run(async {
        let (world, clock) = world().await;
        assert_eq!(rounds::claim(world.ctx(), "sweep", EVERY).await, Ok(true));
        clock.advance(EVERY - Duration::from_millis(1));
        assert_eq!(rounds::claim(world.ctx(), "sweep", EVERY).await, Ok(false));
        clock.advance(Duration::from_millis(1));
        assert_eq!(rounds::claim(world.ctx(), "sweep", EVERY).await, Ok(true));
    });
}

#[test]
fn a_clock_that_was_wrong_once_does_not_stop_it() {
    run(async {
        let (world, clock) = world().await;
        clock.advance(Duration::from_secs(86_400));
        assert_eq!(rounds::claim(world.ctx(), "sweep", EVERY).await, Ok(true));
        clock.set(Timestamp::from_millis(1_800_000_000_000));
        assert_eq!(rounds::claim(world.ctx(), "sweep", EVERY).await, Ok(true));
        assert_eq!(rounds::claim(world.ctx(), "sweep", EVERY).await, Ok(false));
    });
}
