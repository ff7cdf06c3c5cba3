//! The contract suites of rooms and limits, on the objects of a host that has some.

use std::rc::Rc;

use anyhow::Result;
use frontdesk_app::limits::RemoteLimiter;
use frontdesk_app::rooms::RemoteRooms;
use frontdesk_domain::scope::{Actor, Role, TenantScope};
use frontdesk_domain::time::Timestamp;
use frontdesk_local::Overrides;
use frontdesk_local::testing::{World, run};
use frontdesk_testkit::{Callers, limiter_contract, rooms_contract, with_rooms};
use frontdesk_tests::door::Door;

use crate::case::host;

#[test]
fn rooms_that_are_objects_keep_the_contract() -> Result<()> {
    run(async {
        let host = host()?;
        let (Some(door), Some(database)) = (&host.door, &host.database_url) else { return Ok(()) };
        let world = World::beside(database, Overrides::default()).await?;
        let objects = Rc::new(Door::at(door)?.objects("ROOMS"));
        let rooms = RemoteRooms::new(Rc::downgrade(world.ctx().shared()), objects);
        let ((visitor, _), (other, _)) = (world.visitor().await?, world.visitor().await?);
        let user = "user_01h455vb4pex5vsknk084sn02q".parse()?;
        let operator = Actor::User { user, name: "Vera".to_owned(), role: Role::Operator };
        #[expect(clippy::disallowed_methods, reason = "a test makes its own operator")]
        let operator = TenantScope::authenticated(visitor.org(), operator);
        let callers = Callers { visitor, other, operator };
        rooms_contract(&with_rooms(world.ctx(), Rc::new(rooms)), &callers).await;
        Ok(())
    })
}

#[test]
fn limits_that_objects_count_keep_the_contract() -> Result<()> {
    run(async {
        let Some(door) = host()?.door else { return Ok(()) };
        let door = Door::at(&door)?;
        let now = Timestamp::from_millis(4_000_000_000_000);
        frontdesk_testkit::SetClock::set(&door, now).await;
        let limiter = RemoteLimiter(Rc::new(door.objects("LIMITERS")));
        limiter_contract(&limiter, &door, now).await;
        door.let_time_go_on().await
    })
}
