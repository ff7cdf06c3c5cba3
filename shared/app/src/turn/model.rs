//! The steps of the ladder that ask a model.

use std::time::Duration;

use frontdesk_clients::openai::{
    self, ChatEvent, ChatMessage, ChatRequest, ChatRole, Deadline, ModelError, Timeouts,
};
use frontdesk_domain::answer::{Outcome, Usage};
use frontdesk_domain::citation::CitationFilter;
use frontdesk_domain::conversation::Message;
use frontdesk_domain::error::Result;
use frontdesk_domain::guard::OutputFilter;
use frontdesk_domain::prompt::{
    ContextParts, OfferedPassage, PromptBlocks, Speaker, build_model_context, estimate,
};
use frontdesk_domain::texts::{self, TextKey};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::ModelEndpoint;
use futures_util::future::{Either, select};
use futures_util::{StreamExt, pin_mut};

use super::{Turn, TurnAnswer};
use crate::retrieval::Found;
use crate::rooms::TurnRun;

/// Words of a quick model are shown together, at most so often; what comes after a pause is shown at once.
const SHOWN_EVERY: Duration = Duration::from_millis(40);

/// Asks the model, then the smaller one. `None` when neither answered; what one of them began to say is withdrawn.
pub async fn ask(
    turn: &Turn<'_>,
    endpoint: &ModelEndpoint,
    question: &str,
    earlier: &[Message],
    found: &[Found],
) -> Result<Option<TurnAnswer>> {
    let settings = turn.settings;
    let chosen = settings.model.chat_model.as_ref().or(endpoint.chat_model.as_ref());
    let smaller = settings.model.fallback_model.as_ref().or(endpoint.fallback_model.as_ref());
    let fallback = texts::fallback(settings, turn.language.code());
    let offered: Vec<_> =
        found.iter().map(|found| OfferedPassage { title: &found.title, text: &found.text }).collect();
    let context = build_model_context(&ContextParts {
        blocks: &PromptBlocks::default(),
        site: &turn.run.start.site,
        fallback: &fallback,
        passages: &offered,
        history: &earlier.iter().collect::<Vec<_>>(),
        question,
        budget: settings.model.context_tokens.saturating_sub(settings.model.max_answer_tokens),
    });
    let instructions = context.messages.first().map(|message| message.content.clone()).unwrap_or_default();
    let messages: Vec<ChatMessage> = context
        .messages
        .into_iter()
        .map(|message| ChatMessage::new(role(message.speaker), message.content))
        .collect();
    let cited = found.get(..context.passages).unwrap_or(found);
    for model in [chosen, smaller].into_iter().flatten() {
        let request = ChatRequest {
            model: model.clone(),
            messages: messages.clone(),
            temperature: Some(settings.model.temperature),
            max_tokens: Some(settings.model.max_answer_tokens),
            tools: None,
            tool_choice: None,
        };
        if let Some(answer) = stream(turn, endpoint, request, cited, [&instructions, &fallback]).await? {
            return Ok(Some(answer));
        }
    }
    Ok(None)
}

/// One model's answer, shown while it is written. `None` when it did not come whole.
async fn stream(
    turn: &Turn<'_>,
    endpoint: &ModelEndpoint,
    request: ChatRequest,
    found: &[Found],
    [instructions, fallback]: [&str; 2],
) -> Result<Option<TurnAnswer>> {
    let (ctx, run) = (turn.ctx, turn.run);
    let began = ctx.clock.now();
    let timeouts = &turn.settings.timeouts;
    let prompt = request.messages.iter().map(|message| u64::from(estimate(&message.content))).sum();
    let model = request.model.clone();
    let call = NotedCall {
        run,
        number: run.call(Usage { model: model.clone(), estimated: true, ..Usage::default() }),
        prompt,
    };
    let events = openai::chat(
        ctx,
        endpoint,
        request,
        Timeouts {
            connect: Duration::from_millis(timeouts.connect_ms.into()),
            first_token: Duration::from_millis(timeouts.first_token_ms.into()),
            gap: Duration::from_millis(timeouts.token_gap_ms.into()),
            whole: Duration::from_millis(timeouts.answer_ms.into()),
        },
    );
    pin_mut!(events);
    let sources: Vec<_> = found.iter().map(Found::source).collect();
    let mut citations = CitationFilter::new(&sources);
    // The fallback text stands in the instructions, and is meant to be said.
    let evidence: Vec<&str> = sources.iter().map(|source| source.text).chain([fallback]).collect();
    let mut guard = OutputFilter::new(turn.settings, &evidence, instructions);
    let mut text = String::new();
    let mut pace = Pace { turn, held: String::new(), next: began };
    loop {
        let shown = match pace.until(events.next()).await? {
            Some(Ok(ChatEvent::Text(piece))) => {
                call.wrote(&piece);
                guard.push(&citations.push(&piece))
            }
            Some(Ok(ChatEvent::Usage(counted))) => {
                call.counted(&counted);
                continue;
            }
            Some(Ok(ChatEvent::ToolCall { .. } | ChatEvent::Finished { .. })) => continue,
            Some(Err(error)) => {
                tracing::warn!(turn = %run.start.token.turn, model, %error, "a model did not answer");
                if matches!(
                    error,
                    ModelError::Timeout(Deadline::FirstToken | Deadline::Gap | Deadline::Whole)
                ) {
                    call.worked();
                }
                if !text.is_empty() {
                    run.unsay().await?;
                }
                return Ok(None);
            }
            None => {
                let rest = citations.finish();
                let mut last = guard.push(&rest);
                last.push_str(&guard.finish());
                text.push_str(&last);
                pace.held.push_str(&last);
                pace.show().await?;
                break;
            }
        };
        if let Some(reason) = guard.tripped() {
            let labels = [("guard", reason.name()), ("side", "out")];
            ctx.metrics.guards.get_or_create(&labels).inc();
            run.unsay().await?;
            return turn.notice(TextKey::Blocked, Outcome::NoAnswer).await.map(Some);
        }
        if shown.is_empty() {
            continue;
        }
        text.push_str(&shown);
        pace.held.push_str(&shown);
    }
    if text.trim().is_empty() {
        if !text.is_empty() {
            run.unsay().await?;
        }
        return Ok(None);
    }
    let citations = frontdesk_domain::citation::cited(&text, &sources);
    let (outcome, suggestions) = (Outcome::Answered, Vec::new());
    Ok(Some(TurnAnswer { outcome, text, citations, suggestions, shown: Some(call.number) }))
}

/// A call to a model, as the run notes it. Where the provider does not count, the tokens are estimated: those of the context
/// from the first sign that the model worked on it, those of the answer as they come.
struct NotedCall<'a> {
    run: &'a TurnRun,
    number: usize,
    /// How many tokens the context is estimated to have.
    prompt: u64,
}

impl NotedCall<'_> {
    /// The model has worked on the context.
    fn worked(&self) {
        self.run.note_call(self.number, |usage| {
            if usage.estimated {
                usage.prompt_tokens = self.prompt;
            }
        });
    }

    fn wrote(&self, piece: &str) {
        self.worked();
        self.run.note_call(self.number, |usage| {
            if usage.estimated {
                let more = u64::from(estimate(piece));
                usage.completion_tokens = usage.completion_tokens.saturating_add(more);
            }
        });
    }

    /// The provider's own word.
    fn counted(&self, counted: &Usage) {
        self.run.note_call(self.number, |usage| {
            usage.prompt_tokens = counted.prompt_tokens;
            usage.completion_tokens = counted.completion_tokens;
            usage.estimated = false;
        });
    }
}

/// What is to be shown, and when it may be.
struct Pace<'a> {
    turn: &'a Turn<'a>,
    held: String,
    next: Timestamp,
}

impl Pace<'_> {
    /// Waits for `coming`; meanwhile what is held is shown as soon as it may be.
    async fn until<T>(&mut self, coming: impl Future<Output = T>) -> Result<T> {
        pin_mut!(coming);
        let clock = &self.turn.ctx.clock;
        if !self.held.is_empty() {
            // A clock that goes back holds nothing up.
            let wait = self.next.since(clock.now()).min(SHOWN_EVERY);
            if !wait.is_zero()
                && let Either::Left((come, _)) = select(coming.as_mut(), clock.sleep(wait)).await
            {
                return Ok(come);
            }
            self.show().await?;
        }
        Ok(coming.await)
    }

    async fn show(&mut self) -> Result<()> {
        if !self.held.is_empty() {
            self.turn.run.say(&self.held).await?;
            self.held.clear();
            self.next = self.turn.ctx.clock.now().after(SHOWN_EVERY);
        }
        Ok(())
    }
}

const fn role(speaker: Speaker) -> ChatRole {
    match speaker {
        Speaker::System => ChatRole::System,
        Speaker::User => ChatRole::User,
        Speaker::Assistant => ChatRole::Assistant,
    }
}
