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
use std::time::Duration;

use frontdesk_api::socket::{SocketGrant, SocketState};
use frontdesk_app::rooms::room_name;
use frontdesk_domain::error::{CallerError, Error};
// Named so that their features reach the versions of `getrandom` that the core's dependencies use.
use getrandom_02 as _;
use getrandom_03 as _;
use worker::{Context, Env, ScheduleContext, ScheduledEvent, event, web_sys};

use crate::runtime::AfterResponse;

/// Why a room takes no further socket.
const CROWDED: &str = "too many listen to this conversation; please try again";
/// When to come back then.
const COME_BACK: Duration = Duration::from_secs(30);

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
    let ctx = host::ctx(&env, tasks, |ports| host::all_rooms(&env, ports));
    let asks_for_socket = request.headers().contains_key(http::header::UPGRADE).then(|| head_of(&request));
    let mut response = frontdesk_api::handle(ctx.clone(), request, peer).await;
    match (response.extensions_mut().remove::<SocketGrant>(), host::rooms(&env)) {
        (Some(grant), Some(rooms)) => {
            let state = SocketState::from(grant);
            let room = room_name(state.org(), state.conversation());
            let text =
                serde_json::to_string(&state).map_err(|error| worker::Error::from(error.to_string()))?;
            let upgraded = rooms.upgrade(&room, &text).await?;
            match asks_for_socket {
                Some(head) if upgraded.status() == sockets::FULL => {
                    let error =
                        Error::from(CallerError::Unavailable { reason: CROWDED, retry_after: COME_BACK });
                    worker::response_to_wasm(frontdesk_api::refuse(&ctx, &head, &error))
                }
                _ => Ok(upgraded),
            }
        }
        _ => worker::response_to_wasm(response),
    }
}

/// A request's head, which stays when the request is gone.
fn head_of<T>(request: &http::Request<T>) -> http::Request<()> {
    let mut head = http::Request::new(());
    head.method_mut().clone_from(request.method());
    head.uri_mut().clone_from(request.uri());
    head.headers_mut().clone_from(request.headers());
    head
}

/// Every minute: whatever announced a job and was lost, its job is found.
#[event(scheduled)]
async fn scheduled(_event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    if let Some(jobs) = host::jobs(&env) {
        jobs.announce_jobs().await;
    }
}
