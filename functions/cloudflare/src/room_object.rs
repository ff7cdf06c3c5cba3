//! A room as a Durable Object: its log is in the object's own SQLite, its turns run here.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use frontdesk_app::rooms::{self, Alarm, Log, LogRooms, OwnLog, RoomAnswer};
use frontdesk_domain::id::WorkerId;
use frontdesk_ports::{Clock, Ctx, Database, DbError, Random};
use futures_util::StreamExt;
use worker::{
    DurableObject, Env, Error, Request, Response, Result, Socket, State, WebSocket, WebSocketIncomingMessage,
    durable_object, wasm_bindgen,
};

use crate::event::in_this_event;
use crate::host;
use crate::object_database::ObjectDatabase;
use crate::objects::SOCKET_HEADER;
use crate::runtime::{AfterResponse, Detached, JsClock, JsRandom};
use crate::sockets::Sockets;

/// When an alarm failed: how soon it is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// The room of one conversation.
#[durable_object]
pub struct RoomObject {
    ctx: Ctx,
    rooms: LogRooms,
    db: Rc<dyn Database>,
    alarm: Rc<ObjectAlarm>,
    sockets: Sockets,
    detached: Rc<Detached>,
    /// Whether the tables are known to be there.
    created: Cell<bool>,
}

impl RoomObject {
    /// Before anything else: the tables, and the sockets from before.
    async fn wake(&self) -> Result<()> {
        if !self.created.get() {
            rooms::create_own_log(self.db.as_ref()).await.map_err(|error| failed(&error))?;
            self.created.set(true);
        }
        self.sockets.resume().await;
        Ok(())
    }

    /// While a user has a socket here, the alarm goes off again and again: it ends when the user is disabled.
    async fn check_sockets(&self) -> Result<()> {
        if let Some(delay) = in_this_event(self.sockets.check()).await {
            self.alarm.within(delay).await.map_err(|error| failed(&error))?;
        }
        Ok(())
    }
}

impl DurableObject for RoomObject {
    fn new(state: State, env: Env) -> Self {
        let state = Rc::new(state);
        let db: Rc<dyn Database> = Rc::new(ObjectDatabase::new(state.clone()));
        let alarm = Rc::new(ObjectAlarm { state: state.clone(), due: Cell::new(None) });
        // An object's id is unique among all deployments.
        let owner = state.id().to_string().into();
        let log = Log::Own(OwnLog { db: db.clone(), alarm: alarm.clone(), owner });
        let worker = WorkerId::new(JsClock.now(), JsRandom.entropy());
        let mut made = None;
        let detached = Rc::new(Detached::new(state.clone(), alarm.clone()));
        let tasks = Rc::new(AfterResponse::Room(detached.clone()));
        let ctx = host::ctx(&env, tasks, |ports| {
            // No other process writes to this object's database.
            let rooms = LogRooms::new(ports, log, worker, true);
            made = Some(rooms.clone());
            Rc::new(rooms)
        });
        let rooms = made.unwrap_or_else(|| LogRooms::new(Default::default(), Log::Main, worker, true));
        let sockets = Sockets::new(ctx.clone(), state);
        Self { ctx, rooms, db, alarm, sockets, detached, created: Cell::new(false) }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        self.wake().await?;
        if let Some(granted) = request.headers().get(SOCKET_HEADER)? {
            let accepted = self.sockets.accept(&granted).await;
            self.check_sockets().await?;
            return accepted;
        }
        let call = request.bytes().await?;
        match in_this_event(rooms::answer(&self.rooms, self.ctx.clock.clone(), &call)).await {
            RoomAnswer::Whole(line) => Response::from_bytes(line.into()),
            RoomAnswer::Open(lines) => {
                Response::from_stream(lines.map(|piece| Ok::<_, Error>(piece.to_vec())))
            }
        }
    }

    async fn alarm(&self) -> Result<Response> {
        self.alarm.due.set(None);
        self.wake().await?;
        self.detached.run();
        let next = match in_this_event(self.rooms.on_alarm()).await {
            Ok(next) => next,
            Err(error) => {
                tracing::warn!(%error, "a room's alarm failed");
                Some(AGAIN)
            }
        };
        if let Some(delay) = next {
            self.alarm.within(delay).await.map_err(|error| failed(&error))?;
        }
        self.check_sockets().await?;
        Response::empty()
    }

    async fn websocket_message(&self, socket: WebSocket, message: WebSocketIncomingMessage) -> Result<()> {
        self.wake().await?;
        in_this_event(self.sockets.on_message(&socket, message)).await;
        Ok(())
    }

    async fn websocket_close(
        &self,
        socket: WebSocket,
        _code: usize,
        _reason: String,
        _was_clean: bool,
    ) -> Result<()> {
        self.sockets.on_close(&socket);
        Ok(())
    }

    async fn websocket_error(&self, socket: WebSocket, _error: Error) -> Result<()> {
        self.sockets.on_close(&socket);
        Ok(())
    }

    async fn connect(&self, _socket: Socket) -> Result<()> {
        Err(Error::from("rooms take no connections"))
    }
}

fn failed(error: &DbError) -> Error {
    Error::from(error.to_string())
}

/// The object's alarm: there is one, and it outlives the object.
struct ObjectAlarm {
    state: Rc<State>,
    /// When it goes off, in milliseconds, as far as is known here.
    due: Cell<Option<i64>>,
}

#[async_trait(?Send)]
impl Alarm for ObjectAlarm {
    async fn within(&self, delay: Duration) -> std::result::Result<(), DbError> {
        let at = JsClock.now().after(delay).millis();
        if self.due.get().is_some_and(|due| due <= at) {
            return Ok(());
        }
        self.due.set(Some(at));
        let set = self.state.storage().set_alarm(delay).await;
        set.map_err(|error| {
            self.due.set(None);
            DbError::Retryable(error.to_string())
        })
    }
}
