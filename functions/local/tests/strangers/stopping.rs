//! A server that is told to stop ends, whatever is connected to it.

use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_app::chat::{self, PostMessage};
use frontdesk_app::policy::Via;
use frontdesk_local::Overrides;
use frontdesk_local::testing::{World, run};
use frontdesk_ports::{ByteStream, FetchError, FetchLimits, HttpClient};
use tokio::time::timeout;

use crate::client::{Desk, limits};

/// A model that never answers.
struct Silent;

#[async_trait(?Send)]
impl HttpClient for Silent {
    async fn send(
        &self,
        _: http::Request<Bytes>,
        _: FetchLimits,
    ) -> Result<http::Response<ByteStream>, FetchError> {
        std::future::pending().await
    }
}

#[test]
fn a_turn_a_stream_and_a_body_that_never_comes_hold_up_no_stop() {
    run(async {
        let overrides = Overrides { http: Some(Rc::new(Silent)), ..Overrides::default() };
        let model = [
            ("OPENAI_BASE_URL", "https://model.example/v1"),
            ("OPENAI_API_KEY", "sk-test"),
            ("OPENAI_MODEL", "test"),
        ];
        let desk = Desk::of(World::new(&model, overrides).await.unwrap(), limits()).await;
        let ctx = desk.world.ctx().clone();
        let (scope, token) = desk.world.visitor().await.unwrap();
        let conversation = chat::begin(&ctx, &scope, &Via::widget(None)).await.unwrap().id;

        let mut stalled = desk.connect().await;
        stalled.begin_post("/api/v1/auth/login", "application/json", "", 100).await;
        let mut stream = desk.connect().await;
        stream
            .send(format!(
                "GET /api/v1/conversations/{conversation}/events HTTP/1.1\r\nhost: x\r\n\
                 accept: text/event-stream\r\nauthorization: Bearer {token}\r\n\r\n"
            ))
            .await;
        let post = PostMessage {
            conversation,
            client_id: "q".to_owned(),
            text: "How much is delivery?".to_owned(),
            attachments: Vec::new(),
            note: false,
            via: Via::widget(None),
        };
        chat::post_message(&ctx, &scope, post).await.unwrap();
        desk.until(|desk| {
            desk.world.host.rooms.turns_in_progress() == 1 && desk.counted("frontdesk_connections") == 2
        })
        .await;

        // 10 s for what is in progress, and a little.
        timeout(Duration::from_secs(20), desk.stop()).await.expect("the server stops");
    });
}
