//! The sockets of a room object. They outlive it: after an idle while the runtime takes the object out of memory and
//! keeps the connections, each with its session's state attached; the next request finds them going on.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use frontdesk_api::socket::{Outgoing, PROTOCOL, Session, SocketState};
use frontdesk_domain::id::RequestId;
use frontdesk_ports::Ctx;
use futures_util::future::{AbortHandle, abortable};
use worker::wasm_bindgen_futures::spawn_local;
use worker::{
    Error, Response, Result, State, WebSocket, WebSocketIncomingMessage, WebSocketPair,
    WebSocketRequestResponsePair,
};

/// The most sockets of one room.
const MAX_SOCKETS: usize = 512;
/// How the object answers a socket that it has no room for; the Worker says it to the client.
pub const FULL: u16 = 503;
/// What clients send to keep a connection, and the answer, which the runtime gives without waking the object.
const PING: (&str, &str) = (r#"{"t":"ping"}"#, r#"{"t":"pong"}"#);
/// Closed normally (RFC 6455, 7.4.1).
const NORMAL: u16 = 1000;

/// The sockets of one room, by their tag.
pub struct Sockets {
    ctx: Ctx,
    state: Rc<State>,
    sessions: RefCell<HashMap<String, Running>>,
    /// Whether sockets that are older than this memory were taken up.
    resumed: Cell<bool>,
}

/// A session in memory, and what sends its frames.
struct Running {
    session: Rc<Session>,
    pump: AbortHandle,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

impl Sockets {
    /// Of the object with this state; those it had before are found by [`Sockets::resume`].
    pub fn new(ctx: Ctx, state: Rc<State>) -> Self {
        if let Ok(pair) = WebSocketRequestResponsePair::new(PING.0, PING.1) {
            state.set_websocket_auto_response(&pair);
        }
        Self { ctx, state, sessions: RefCell::default(), resumed: Cell::new(false) }
    }

    /// Goes on with the sockets that the object had before its memory was lost, before anything else happens in it.
    pub async fn resume(&self) {
        if self.resumed.replace(true) {
            return;
        }
        for socket in self.state.get_websockets() {
            if let Some(tag) = self.tag(&socket) {
                self.session(&tag, &socket).await;
            }
        }
    }

    /// Makes a socket of a request that the Worker let in.
    pub async fn accept(&self, granted: &str) -> Result<Response> {
        let state: SocketState = serde_json::from_str(granted)?;
        if self.state.get_websockets().len() >= MAX_SOCKETS {
            return Response::empty().map(|full| full.with_status(FULL));
        }
        let pair = WebSocketPair::new()?;
        let tag = RequestId::new(self.ctx.clock.now(), self.ctx.random.entropy()).to_string();
        self.state.accept_websocket_with_tags(&pair.server, &[&tag]);
        attach(&pair.server, &state)?;
        self.session(&tag, &pair.server).await;
        let response = Response::from_websocket(pair.client)?;
        response.headers().set("sec-websocket-protocol", PROTOCOL)?;
        Ok(response)
    }

    /// Closes the sockets that have to end; gives when to check again, if at all.
    pub async fn check(&self) -> Option<Duration> {
        let sessions: Vec<_> =
            self.sessions.borrow().values().map(|running| running.session.clone()).collect();
        let sessions: Vec<&Session> = sessions.iter().map(|session| &**session).collect();
        Session::check_all(&sessions).await
    }

    /// A frame of the client.
    pub async fn on_message(&self, socket: &WebSocket, message: WebSocketIncomingMessage) {
        let Some(tag) = self.tag(socket) else { return };
        let Some(session) = self.session(&tag, socket).await else { return };
        match message {
            WebSocketIncomingMessage::String(text) => session.on_text(&text).await,
            WebSocketIncomingMessage::Binary(_) => session.on_binary(),
        }
        // What the frame used of the client's allowance stays used.
        let _ = attach(socket, &session.state());
    }

    /// The client has gone.
    pub fn on_close(&self, socket: &WebSocket) {
        if let Some(tag) = self.tag(socket) {
            self.sessions.borrow_mut().remove(&tag);
        }
        let _ = socket.close(Some(NORMAL), Some(""));
    }

    fn tag(&self, socket: &WebSocket) -> Option<String> {
        self.state.get_tags(socket).into_iter().next()
    }

    /// The session of a socket; made of what is attached to it when it is not in memory.
    async fn session(&self, tag: &str, socket: &WebSocket) -> Option<Rc<Session>> {
        if let Some(running) = self.sessions.borrow().get(tag) {
            return Some(running.session.clone());
        }
        let attached: Option<String> = socket.deserialize_attachment().ok().flatten();
        let Some(state) = attached.and_then(|text| serde_json::from_str::<SocketState>(&text).ok()) else {
            let _ = socket.close(Some(NORMAL), Some("come back"));
            return None;
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "the object alone writes what is attached to its sockets"
        )]
        let session = Session::resume(self.ctx.clone(), state).await;
        let session = Rc::new(session);
        let (pump, handle) = abortable(pump(session.clone(), socket.clone()));
        let running = Running { session: session.clone(), pump: handle };
        self.sessions.borrow_mut().insert(tag.to_owned(), running);
        spawn_local(async move {
            // Aborted when the client has gone.
            let _ = pump.await;
        });
        Some(session)
    }
}

/// Sends what the session gives, noting after each frame how far it got.
async fn pump(session: Rc<Session>, socket: WebSocket) {
    let mut attached = None;
    while let Some(outgoing) = session.next().await {
        let sent = match outgoing {
            Outgoing::Text(text) => socket.send_with_str(text),
            Outgoing::Close(close) => socket.close(Some(close.code), Some(close.reason)),
        };
        let state = session.state();
        if sent.is_err() {
            return;
        }
        if attached.as_ref() != Some(&state) {
            let _ = attach(&socket, &state);
            attached = Some(state);
        }
    }
}

fn attach(socket: &WebSocket, state: &SocketState) -> Result<()> {
    let text = serde_json::to_string(state).map_err(|error| Error::from(error.to_string()))?;
    socket.serialize_attachment(text)
}
