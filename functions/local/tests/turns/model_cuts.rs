//! A turn over two models, of which the first thinks, speaks, stalls and breaks off, and the second thinks and speaks: at
//! every line of theirs an operator takes over, and clients come.

use std::rc::Rc;

use frontdesk_app::chat::{self, Change, PostMessage};
use frontdesk_app::policy::Via;
use frontdesk_domain::answer::Outcome;
use frontdesk_domain::conversation::{AuthorKind, Mode};
use frontdesk_domain::event::{Event, EventBody, Frame, Live};
use frontdesk_domain::id::ConversationId;
use frontdesk_domain::scope::{Actor, Role, TenantScope};
use frontdesk_local::Overrides;
use frontdesk_local::testing::{World, run};
use frontdesk_ports::{HttpClient, Subscription};
use futures_util::StreamExt;
use futures_util::future::join_all;

use crate::dictated::{Dictated, Line, answers_without_evidence, until};

/// What the models say: which of them, and what.
const SCRIPT: &[(usize, Line)] = &[
    (0, Line::Words("<think>The visitor ")),
    (0, Line::Words("asks for two</think>")),
    (0, Line::Words("We have ")),
    (0, Line::Words("two of them, ")),
    (0, Line::Words("and more ")),
    (0, Line::Break),
    (1, Line::Words("<think>Hm")),
    (1, Line::Words("</think>There ")),
    (1, Line::Words("are three ")),
    (1, Line::Words("of them.")),
    (1, Line::End),
];
const ANSWER: &str = "There are three of them.";

struct Desk {
    world: World,
    model: Rc<Dictated>,
    scope: TenantScope,
    conversation: ConversationId,
}

impl Desk {
    async fn new() -> Self {
        let model = Dictated::new(2);
        let http = Rc::clone(&model) as Rc<dyn HttpClient>;
        let vars = [
            ("OPENAI_BASE_URL", "http://model.example/v1"),
            ("OPENAI_MODEL", "m"),
            ("OPENAI_FALLBACK_MODEL", "small"),
        ];
        let world = World::new(&vars, Overrides { http: Some(http), ..Overrides::default() }).await.unwrap();
        let (scope, _) = world.visitor().await.unwrap();
        answers_without_evidence(world.ctx(), &scope).await;
        let conversation = chat::begin(world.ctx(), &scope, &Via::widget(None)).await.unwrap().id;
        let post = PostMessage {
            conversation,
            client_id: "a".to_owned(),
            text: "How many are there?".to_owned(),
            attachments: Vec::new(),
            note: false,
            via: Via::widget(None),
        };
        chat::post_message(world.ctx(), &scope, post).await.unwrap();
        let desk = Self { world, model, scope, conversation };
        until(async || (desk.model.asked() == 1).then_some(())).await;
        desk
    }

    /// The models say the next line, and it is read.
    async fn say(&self, at: usize) {
        let (n, line) = SCRIPT[at];
        until(async || (self.model.asked() > n).then_some(())).await;
        self.model.say(n, line);
        let lines = SCRIPT[..=at].iter().filter(|(of, _)| *of == n).count();
        until(async || (self.model.taken(n) == lines).then_some(())).await;
    }

    async fn listen(&self) -> Subscription {
        self.world.ctx().rooms.subscribe(&self.scope, self.conversation, 2).await.unwrap()
    }

    async fn take_over(&self) {
        let user = "user_01h455vb4pex5vsknk084sn02q".parse().unwrap();
        #[expect(clippy::disallowed_methods, reason = "a test makes its own operator")]
        let operator = TenantScope::authenticated(
            self.scope.org(),
            Actor::User { user, name: "Vera".to_owned(), role: Role::Operator },
        );
        let take = Change { mode: Some(Mode::Operator), ..Change::default() };
        chat::change(self.world.ctx(), &operator, &Via::widget(None), self.conversation, 1, take)
            .await
            .unwrap();
    }

    async fn log(&self) -> Vec<Rc<Event>> {
        self.world.ctx().rooms.replay(&self.scope, self.conversation, 0, 500).await.unwrap().events
    }
}

/// What a client shows when the turn is over, how that ended, and whether it was told of a take-over before.
async fn heard(mut listener: Subscription) -> (String, Outcome, bool) {
    let (mut shown, mut taken) = (String::new(), false);
    loop {
        match listener.frames.next().await.expect("the listener was let go") {
            Frame::Live(live) => {
                if let Live::Delta(delta) = live.as_ref() {
                    assert!(!taken, "the AI spoke after the take-over: {delta:?}");
                    let offset = usize::try_from(delta.offset).unwrap();
                    assert!(offset <= shown.len(), "a hole: {} bytes, then {offset}", shown.len());
                    shown.truncate(offset);
                    shown.push_str(&delta.text);
                }
            }
            Frame::Event(event) => match &event.body {
                EventBody::ModeChanged { .. } => taken = true,
                EventBody::MessageCreated { message } if message.author.kind == AuthorKind::Ai => {
                    assert!(message.text.starts_with(&shown), "stored: {}, shown: {shown}", message.text);
                    shown.clone_from(&message.text);
                }
                EventBody::TurnFinished { outcome, .. } => return (shown, *outcome, taken),
                _ => {}
            },
        }
    }
}

fn said(log: &[Rc<Event>]) -> Vec<&str> {
    log.iter()
        .filter_map(|event| match &event.body {
            EventBody::MessageCreated { message } if message.author.kind == AuthorKind::Ai => {
                Some(message.text.as_str())
            }
            _ => None,
        })
        .collect()
}

#[test]
fn an_operator_takes_over_at_any_line_of_any_model_and_nothing_of_the_ai_follows() {
    run(async {
        for lines in 0..SCRIPT.len() {
            let desk = Desk::new().await;
            let mut listeners = vec![desk.listen().await];
            for at in 0..lines {
                desk.say(at).await;
                listeners.push(desk.listen().await);
            }
            let (heard, ()) =
                futures_util::join!(join_all(listeners.into_iter().map(heard)), desk.take_over());
            for (shown, outcome, _) in &heard {
                assert_eq!((shown, *outcome), (&heard[0].0, Outcome::Cancelled), "after {lines} lines");
                let whole = ["We have two of them, and more", ANSWER];
                assert!(
                    whole.iter().any(|whole| whole.starts_with(shown.trim_end())),
                    "after {lines}: {shown}"
                );
            }
            // Whoever speaks just now is hung up on; what it says to the end reaches nobody.
            let last = desk.model.asked() - 1;
            until(async || desk.model.hung_up(last).then_some(())).await;
            let log = desk.log().await;
            assert_eq!(said(&log), [""; 0], "after {lines} lines");
            for (model, line) in &SCRIPT[lines..] {
                desk.model.say(*model, *line);
            }
            assert_eq!(desk.log().await, log, "after {lines} lines");
        }
    });
}

#[test]
fn who_comes_at_any_line_of_any_model_has_the_same_in_the_end() {
    run(async {
        let desk = Desk::new().await;
        let mut listeners = vec![desk.listen().await];
        for at in 0..SCRIPT.len() {
            desk.say(at).await;
            listeners.push(desk.listen().await);
        }
        for (shown, outcome, _) in join_all(listeners.into_iter().map(heard)).await {
            assert_eq!((shown.as_str(), outcome), (ANSWER, Outcome::Answered));
        }
        assert_eq!(said(&desk.log().await), [ANSWER]);
    });
}
