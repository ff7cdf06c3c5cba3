//! Use cases and all SQL of Frontdesk. Knows no runtime: everything outside comes through `frontdesk_ports`.

pub mod chat;
pub mod migrations;
pub mod rooms;
mod store;
pub mod tenancy;
pub mod turn;
pub mod usage;
pub mod widget;
