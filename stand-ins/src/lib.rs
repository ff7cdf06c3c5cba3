//! Stand-ins for services that Frontdesk calls. They behave as the real ones do, faults included, and need no network,
//! no key and no account.

pub mod fake_ai;
