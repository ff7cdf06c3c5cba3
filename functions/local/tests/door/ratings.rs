//! What a visitor may rate.

use frontdesk_app::chat::{self, PostMessage};

use frontdesk_app::policy::Via;
use frontdesk_domain::conversation::AuthorKind;
use frontdesk_domain::event::EventBody;
use frontdesk_domain::id::{ConversationId, MessageId};
use frontdesk_domain::scope::{Actor, Role, TenantScope};
use frontdesk_local::testing::run;
use serde_json::json;

use crate::client::Desk;

async fn post(desk: &Desk, scope: &TenantScope, conversation: ConversationId, note: bool) -> MessageId {
    let post = PostMessage {
        conversation,
        client_id: format!("{note}"),
        text: "Hello".to_owned(),
        attachments: Vec::new(),
        note,
        via: Via::widget(None),
    };
    chat::post_message(desk.world.ctx(), scope, post).await.unwrap().receipt.message.id
}

#[test]
fn only_answers_are_rated_that_the_visitor_sees() {
    run(async {
        let desk = Desk::new(&[]).await;
        let (visitor, token) = desk.world.visitor().await.unwrap();
        let (other, others_token) = desk.world.visitor().await.unwrap();
        let user = "user_01h455vb4pex5vsknk084sn02q".parse().unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test makes its own operator")]
        let operator = TenantScope::authenticated(
            visitor.org(),
            Actor::User { user, name: "Vera".to_owned(), role: Role::Operator },
        );
        let ctx = desk.world.ctx();
        let conversation = chat::begin(ctx, &visitor, &Via::widget(None)).await.unwrap().id;
        let elsewhere = chat::begin(ctx, &other, &Via::widget(None)).await.unwrap().id;
        let own = post(&desk, &visitor, conversation, false).await;
        let foreign = post(&desk, &other, elsewhere, false).await;
        let ai = loop {
            let log = ctx.rooms.replay(&visitor, conversation, 0, 100).await.unwrap().events;
            let answer = log.iter().find_map(|event| match &event.body {
                EventBody::MessageCreated { message } if message.author.kind == AuthorKind::Ai => {
                    Some(message.id)
                }
                _ => None,
            });
            match answer {
                Some(answer) => break answer,
                None => tokio::task::yield_now().await,
            }
        };
        let note = post(&desk, &operator, conversation, true).await;
        let answer = post(&desk, &operator, conversation, false).await;
        for (message, token, status, what) in [
            (ai, &token, 204, "the AI's answer"),
            (answer, &token, 204, "an operator's answer"),
            (own, &token, 422, "its own message"),
            (note, &token, 404, "a note"),
            (foreign, &token, 404, "another visitor's message"),
            (ai, &others_token, 404, "an answer to another visitor"),
            (own, &others_token, 404, "a message of another visitor, to whom it is its own"),
        ] {
            let path = format!("/api/v1/messages/{message}/feedback");
            let headers = [("authorization", &*format!("Bearer {token}"))];
            let rated = desk.call("POST", &path, &headers, Some(json!({ "rating": "up" }))).await;
            assert_eq!(rated.status, status, "{what}: {}", rated.text);
        }
        let log = ctx.rooms.replay(&visitor, conversation, 0, 100).await.unwrap().events;
        let rated = log.iter().filter(|event| matches!(event.body, EventBody::Rated { .. })).count();
        assert_eq!(rated, 2);
    });
}
