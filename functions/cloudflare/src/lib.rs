//! The Cloudflare Worker: a thin shell. It turns the runtime's request into the core's, makes the ports of one request,
//! asks [`frontdesk_api::handle`], and turns the answer back. Bodies stream both ways. Rooms and rate limits are Durable
//! Objects: shells, too, over the same core.
#![cfg(all(target_arch = "wasm32", target_os = "unknown"))]

mod blobs;
mod convert;
mod event;
mod extractor;
mod host;
mod http_client;
mod jobs_object;
mod limiter_object;
mod logs;
mod object_database;
mod objects;
mod room_object;
mod runtime;
mod sockets;

use std::rc::Rc;

use frontdesk_api::socket::{SocketGrant, SocketState};
use frontdesk_app::rooms::{RemoteRooms, room_name};
use frontdesk_ports::unconfigured::Unconfigured;
// Named so that their features reach the versions of `getrandom` that the core's dependencies use.
use getrandom_02 as _;
use getrandom_03 as _;
use worker::{Context, Env, ScheduleContext, ScheduledEvent, event, web_sys};

use crate::runtime::AfterResponse;

/// Answers one request.
///
/// # Errors
/// Only when the runtime refuses to make a response; the core's errors are problem documents.
#[event(fetch)]
async fn fetch(request: web_sys::Request, env: Env, context: Context) -> worker::Result<web_sys::Response> {
    let Some((request, peer)) = convert::request(&request) else {
        return convert::refusal();
    };
    let tasks = Rc::new(AfterResponse::Request(context, host::jobs(&env)));
    let ctx = host::ctx(&env, tasks, |ports| match host::rooms(&env) {
        Some(objects) => Rc::new(RemoteRooms::new(ports, Rc::new(objects))),
        None => Rc::new(Unconfigured),
    });
    let mut response = frontdesk_api::handle(ctx, request, peer).await;
    match (response.extensions_mut().remove::<SocketGrant>(), host::rooms(&env)) {
        (Some(grant), Some(rooms)) => {
            let state = SocketState::from(grant);
            let room = room_name(state.org(), state.conversation());
            let text =
                serde_json::to_string(&state).map_err(|error| worker::Error::from(error.to_string()))?;
            rooms.upgrade(&room, &text).await
        }
        _ => worker::response_to_wasm(response),
    }
}

/// Every minute: whatever announced a job and was lost, its job is found.
#[event(scheduled)]
async fn scheduled(_event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    if let Some(jobs) = host::jobs(&env) {
        jobs.announce_jobs().await;
    }
}
