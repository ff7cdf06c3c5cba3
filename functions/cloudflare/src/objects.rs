//! Calls from the Worker to its objects.

use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_app::remote::Transport;
use frontdesk_clients::bounded;
use frontdesk_ports::{ByteStream, Clock, Egress, FetchError, FetchLimits};
use futures_util::{StreamExt, TryStreamExt};
use worker::{Method, ObjectNamespace, Request, RequestInit};

use crate::convert;

/// An object answers within this, or not at all: one that was taken down by the fault of another request never does.
const LIMITS: FetchLimits = FetchLimits {
    connect: Duration::from_secs(10),
    head: Duration::from_secs(20),
    // Longer than a subscription's signs of life.
    gap: Duration::from_secs(45),
    total: Duration::from_secs(24 * 60 * 60),
    max_bytes: u64::MAX,
    egress: Egress::Configured,
};

/// Says which socket a request to a room object is to become: a session's state as JSON. Only the Worker in front can send
/// it: objects are reached through their binding alone.
pub const SOCKET_HEADER: &str = "x-frontdesk-socket";

/// The objects of one class.
#[derive(Clone)]
pub struct Objects {
    namespace: ObjectNamespace,
    clock: Rc<dyn Clock>,
}

impl Objects {
    /// The objects of this binding.
    pub fn new(namespace: ObjectNamespace, clock: Rc<dyn Clock>) -> Self {
        Self { namespace, clock }
    }

    async fn fetch(&self, name: &str, call: &str) -> Result<ByteStream, FetchError> {
        let unreachable = |error: worker::Error| FetchError::Connect(error.to_string());
        let mut init = RequestInit::new();
        init.with_method(Method::Post).with_body(Some(call.into()));
        let request = Request::new_with_init("https://object/", &init).map_err(unreachable)?;
        let stub = self.namespace.get_by_name(name).map_err(unreachable)?;
        let started = self.clock.now();
        let response = bounded::head(self.clock.as_ref(), LIMITS, stub.fetch_with_request(request))
            .await?
            .map_err(unreachable)?;
        let response = worker::web_sys::Response::from(response);
        if response.status() != 200 {
            return Err(FetchError::Lost(format!("the object answered {}", response.status())));
        }
        let headers = convert::headers(&response.headers());
        let body = convert::response_body(&response, &headers).map_err(FetchError::Lost).boxed_local();
        Ok(bounded::body(self.clock.clone(), LIMITS, started, body))
    }

    /// Makes a socket of the object of this name, with a session that begins from `state` (JSON).
    pub async fn upgrade(&self, name: &str, state: &str) -> worker::Result<worker::web_sys::Response> {
        let request = Request::new("https://object/", Method::Get)?;
        request.headers().set("upgrade", "websocket")?;
        request.headers().set(SOCKET_HEADER, state)?;
        let stub = self.namespace.get_by_name(name)?;
        let upgraded = bounded::head(self.clock.as_ref(), LIMITS, stub.fetch_with_request(request)).await;
        Ok(upgraded.map_err(|error| worker::Error::from(error.to_string()))??.into())
    }

    /// Tells the object that works through the queue that there is something to do. When this fails, the next minute's
    /// cron event does it.
    pub async fn announce_jobs(self) {
        if let Err(error) = self.fetch("jobs", "").await {
            tracing::warn!(%error, "the queue's object is out of reach");
        }
    }
}

#[async_trait(?Send)]
impl Transport for Objects {
    async fn send(&self, name: &str, call: String) -> Result<ByteStream, FetchError> {
        self.fetch(name, &call).await
    }
}
