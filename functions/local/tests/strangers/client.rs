//! A server on loopback, and connections to it that say exactly what a test says.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use frontdesk_local::Overrides;
use frontdesk_local::server::{Limits, serve};
use frontdesk_local::testing::World;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long a test waits for what must come.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A host that serves.
pub struct Desk {
    pub world: World,
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    stopped: JoinHandle<()>,
}

/// Limits that a test changes.
pub fn limits() -> Limits {
    Limits::of(4096)
}

impl Desk {
    pub async fn serving(limits: Limits) -> Self {
        Self::of(World::new(&[], Overrides::default()).await.unwrap(), limits).await
    }

    pub async fn of(world: World, limits: Limits) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, told) = oneshot::channel::<()>();
        let host = world.host.clone();
        let stopped = tokio::task::spawn_local(async move {
            let told = async move {
                let _ = told.await;
            };
            serve(host, listener, limits, told).await.unwrap();
        });
        Self { world, address, stop, stopped }
    }

    /// Tells the server to stop, and waits until it has.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        self.stopped.await.unwrap();
    }

    pub async fn connect(&self) -> Connection {
        self.connect_from(Ipv4Addr::LOCALHOST).await
    }

    /// From another address of this machine.
    pub async fn connect_from(&self, ip: Ipv4Addr) -> Connection {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((IpAddr::V4(ip), 0).into()).unwrap();
        Connection { stream: socket.connect(self.address).await.unwrap(), read: Vec::new() }
    }

    /// One that takes only so many bytes before it reads.
    pub async fn connect_narrow(&self, bytes: u32) -> Connection {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(bytes).unwrap();
        Connection { stream: socket.connect(self.address).await.unwrap(), read: Vec::new() }
    }

    /// What is counted under this name and label.
    pub fn counted(&self, line: &str) -> u64 {
        let text = self.world.ctx().metrics.text();
        let found = text.lines().find_map(|known| known.strip_prefix(line));
        found.map_or(0, |count| count.trim().parse().unwrap())
    }

    pub fn cut(&self, reason: &str) -> u64 {
        self.counted(&format!("frontdesk_connections_cut_total{{reason=\"{reason}\"}}"))
    }

    /// Waits until it is so.
    pub async fn until(&self, mut so: impl FnMut(&Self) -> bool) {
        let waiting = async {
            while !so(self) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(DEADLINE, waiting).await.expect("it never was so");
    }
}

/// A connection.
pub struct Connection {
    pub stream: TcpStream,
    read: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

impl Connection {
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// The head of a POST that announces a body of so many bytes.
    pub async fn begin_post(&mut self, path: &str, kind: &str, token: &str, length: usize) {
        let auth =
            if token.is_empty() { String::new() } else { format!("authorization: Bearer {token}\r\n") };
        self.send(format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {kind}\r\n{auth}content-length: {length}\r\n\r\n"
        ))
        .await;
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await;
        self.answer().await
    }

    /// Reads one answer with a length.
    pub async fn answer(&mut self) -> Answer {
        self.try_answer().await.expect("an answer")
    }

    /// The same; `None` when the connection ends.
    pub async fn try_answer(&mut self) -> Option<Answer> {
        timeout(DEADLINE, async {
            let end = loop {
                if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                    break at + 4;
                }
                self.more().await?;
            };
            let head = String::from_utf8(self.read.drain(..end).collect()).unwrap();
            let status = head.split(' ').nth(1)?.parse().unwrap();
            let mut answer = Answer { status, head, body: Value::Null };
            let length: usize = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
            while self.read.len() < length {
                self.more().await?;
            }
            let body: Vec<u8> = self.read.drain(..length).collect();
            answer.body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            Some(answer)
        })
        .await
        .expect("an answer or an end")
    }

    async fn more(&mut self) -> Option<()> {
        let mut piece = [0; 4096];
        // A reset is an end, too.
        let length = self.stream.read(&mut piece).await.unwrap_or(0);
        self.read.extend_from_slice(&piece[..length]);
        (length > 0).then_some(())
    }

    /// Waits until the server has ended it.
    pub async fn ended(&mut self) {
        timeout(DEADLINE, async { while self.more().await.is_some() {} }).await.expect("it goes on");
    }
}
