//! The steps of the ladder that ask a model.

mod pace;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use frontdesk_clients::openai::{
    self, ChatEvent, ChatMessage, ChatRequest, ChatRole, Deadline, FinishReason, ModelError, Timeouts,
};
use frontdesk_domain::answer::{Outcome, Usage};
use frontdesk_domain::citation::{CitationFilter, Source};
use frontdesk_domain::conversation::Message;
use frontdesk_domain::error::Result;
use frontdesk_domain::guard::{GuardReason, OutputFilter};
use frontdesk_domain::prompt::{
    ContextParts, ModelContext, OfferedPassage, PromptBlocks, Speaker, build_model_context, estimate,
};
use frontdesk_domain::settings::TimeoutSettings;
use frontdesk_domain::texts::{self, TextKey};
use frontdesk_ports::{Dialect, ModelEndpoint};
use futures_util::{StreamExt, pin_mut};

use super::{AnswerEnd, Turn, TurnAnswer};
use crate::retrieval::Found;
use crate::rooms::TurnRun;
use pace::Pace;

/// How often one model is asked in one turn: with less context, or with more room for its answer.
const TRIES: u32 = 4;
/// Tokens that a model which thinks first may use for it, beside its answer.
const ROOM_TO_THINK: u32 = 4_000;
/// The least context that is worth asking with, in tokens.
const LEAST_CONTEXT: u32 = 300;

/// One answer, or what there is instead of one.
enum Streamed {
    /// The answer is over: complete, cut by a limit, or stopped by a guardrail.
    Over(TurnAnswer),
    /// It broke off; what was shown may be kept.
    Broken(TurnAnswer, ModelError),
    /// Nothing was shown, or it was withdrawn. `stands`: what another model had shown before still is.
    Nothing { error: ModelError, stands: bool },
}

/// What is asked, of whichever model.
pub struct Asking<'a> {
    /// Where.
    pub endpoint: &'a ModelEndpoint,
    /// The question, as the guardrails let it through.
    pub question: &'a str,
    /// Earlier messages, oldest first.
    pub earlier: &'a [Message],
    /// The passages that may be cited.
    pub found: &'a [Found],
}

/// Asks the model, then the smaller one. `None` when neither answered. What one of them began to say is kept, and is
/// incomplete, unless the next one says something.
pub async fn ask(turn: &Turn<'_>, asking: &Asking<'_>) -> Result<Option<TurnAnswer>> {
    let (settings, endpoint) = (turn.settings, asking.endpoint);
    let chosen = settings.model.chat_model.as_ref().or(endpoint.chat_model.as_ref());
    let smaller = settings.model.fallback_model.as_ref().or(endpoint.fallback_model.as_ref());
    let mut kept: Option<TurnAnswer> = None;
    let mut is_shown = false;
    for (step, model) in [("main", chosen), ("smaller", smaller)] {
        let Some(model) = model else { continue };
        match ask_one(turn, asking, step, model, is_shown).await? {
            Streamed::Over(answer) => return Ok(Some(answer)),
            // The visitor has waited for the whole of an answer: another one would take as long.
            Streamed::Broken(answer, ModelError::Timeout(Deadline::Whole)) => return Ok(Some(answer)),
            Streamed::Broken(answer, _) => (kept, is_shown) = (Some(answer), true),
            Streamed::Nothing { stands, .. } => is_shown &= stands,
        }
    }
    if let Some(answer) = &kept {
        if !is_shown {
            turn.run.say(&answer.text).await?;
        }
        tracing::warn!(turn = %turn.run.start.token.turn, length = answer.text.len(), "an answer that broke off is kept");
    }
    Ok(kept)
}

/// Asks one model, in other words where it wants them.
async fn ask_one(
    turn: &Turn<'_>,
    asking: &Asking<'_>,
    step: &'static str,
    model: &str,
    mut shown: bool,
) -> Result<Streamed> {
    let ctx = turn.ctx;
    let limits = &turn.settings.model;
    let dialect = openai::dialect(ctx, asking.endpoint, model);
    let mut size = Size::new(limits.context_tokens, limits.max_answer_tokens, &dialect);
    let mut tries = 0_u32;
    let reason = turn.run.reason();
    loop {
        tries = tries.saturating_add(1);
        let context = context(turn, asking, size.context());
        let streamed = stream(turn, asking, step, model, &context, size.answer, shown).await?;
        let error = match &streamed {
            Streamed::Nothing { error, stands } if tries < TRIES => {
                shown = *stands;
                error
            }
            _ => return Ok(streamed),
        };
        let again = match error {
            ModelError::ContextTooLong { limit, .. } => {
                let smaller = size.smaller(*limit);
                // Only what the provider names holds for other conversations, too.
                if let (Some(smaller), Some(_)) = (smaller, limit) {
                    let told = smaller.whole;
                    ctx.caches.dialects.learn(
                        &asking.endpoint.base_url,
                        model,
                        || dialect.clone(),
                        |dialect| {
                            dialect.context_tokens = Some(told);
                        },
                    );
                }
                smaller
            }
            ModelError::Empty { length: true, .. } => size.with_more_room(),
            _ => None,
        };
        let Some(again) = again else { return Ok(streamed) };
        turn.run.note_reason(reason);
        size = again;
    }
}

/// How large context and answer may be, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Size {
    whole: u32,
    answer: u32,
}

impl Size {
    fn new(whole: u32, answer: u32, dialect: &Dialect) -> Self {
        let room = if dialect.reasons { answer.saturating_add(ROOM_TO_THINK) } else { answer };
        match dialect.context_tokens {
            Some(told) if told < whole => Self { whole: told, answer: room.min(told / 4) },
            _ => Self { whole, answer: room.min(whole / 2).max(answer.min(whole)) },
        }
    }

    const fn context(self) -> u32 {
        self.whole.saturating_sub(self.answer)
    }

    /// For a model that takes less; `None` when nothing is left to take away. Our tokens are estimated: a limit that did
    /// not help is halved as one that is not known.
    fn smaller(self, limit: Option<u32>) -> Option<Self> {
        let whole = limit.filter(|limit| *limit < self.whole).unwrap_or(self.whole / 2);
        let smaller = Self { whole, answer: self.answer.min(whole / 4) };
        (smaller.context() >= LEAST_CONTEXT).then_some(smaller)
    }

    /// For a model whose answer ended before it began.
    fn with_more_room(self) -> Option<Self> {
        let answer = self.answer.saturating_mul(4).max(self.answer.saturating_add(ROOM_TO_THINK)).min(16_000);
        (answer > self.answer)
            .then_some(Self { whole: self.whole.saturating_add(answer).saturating_sub(self.answer), answer })
    }
}

fn context(turn: &Turn<'_>, asking: &Asking<'_>, budget: u32) -> ModelContext {
    let offered: Vec<_> =
        asking.found.iter().map(|found| OfferedPassage { title: &found.title, text: &found.text }).collect();
    build_model_context(&ContextParts {
        blocks: &PromptBlocks::default(),
        site: &turn.run.start.site,
        fallback: &texts::fallback(turn.settings, turn.language.code()),
        passages: &offered,
        history: &asking.earlier.iter().collect::<Vec<_>>(),
        question: asking.question,
        budget,
    })
}

/// How long is waited. Models in the same network are loaded when they are asked (and the loading ends with the call), and
/// write slowly: where no other time was chosen, they have more of it.
fn timeouts(settings: &TimeoutSettings, endpoint: &ModelEndpoint) -> Timeouts {
    let defaults = TimeoutSettings::default();
    let near = openai::is_near(&endpoint.base_url);
    let chosen = |value: u32, default: u32, patient: u32| {
        Duration::from_millis(if near && value == default { patient } else { value }.into())
    };
    Timeouts {
        connect: Duration::from_millis(settings.connect_ms.into()),
        first_token: chosen(settings.first_token_ms, defaults.first_token_ms, 60_000),
        gap: chosen(settings.token_gap_ms, defaults.token_gap_ms, 30_000),
        whole: chosen(settings.answer_ms, defaults.answer_ms, 300_000),
    }
}

/// One model's answer, shown while it is written.
async fn stream(
    turn: &Turn<'_>,
    asking: &Asking<'_>,
    step: &'static str,
    model: &str,
    context: &ModelContext,
    max_tokens: u32,
    shown_before: bool,
) -> Result<Streamed> {
    let (ctx, run) = (turn.ctx, turn.run);
    let settings = turn.settings;
    let messages: Vec<ChatMessage> = context
        .messages
        .iter()
        .map(|message| ChatMessage::new(role(message.speaker), message.content.clone()))
        .collect();
    let request = ChatRequest {
        model: model.to_owned(),
        messages,
        temperature: settings.model.send_temperature.then_some(settings.model.temperature),
        max_tokens: Some(max_tokens),
        tools: None,
        tool_choice: None,
        caller: Some(caller(run)),
    };
    let prompt = request.messages.iter().map(|message| u64::from(estimate(&message.content))).sum();
    let call = NotedCall {
        run,
        number: run.call(Usage { model: model.to_owned(), estimated: true, ..Usage::default() }),
        prompt,
    };
    let events = openai::chat(ctx, asking.endpoint, request, timeouts(&settings.timeouts, asking.endpoint));
    pin_mut!(events);
    let cited = asking.found.get(..context.passages).unwrap_or(asking.found);
    let sources: Vec<_> = cited.iter().map(Found::source).collect();
    let instructions = context.messages.first().map_or("", |message| message.content.as_str());
    let fallback = texts::fallback(settings, turn.language.code());
    // The fallback text stands in the instructions, and is meant to be said.
    let evidence: Vec<&str> = sources.iter().map(|source| source.text).chain([fallback.as_str()]).collect();
    let begin = || Saying {
        citations: CitationFilter::new(&sources),
        guard: OutputFilter::new(settings, &evidence, instructions),
        text: String::new(),
    };
    let mut said = begin();
    let mut pace = Pace::new(turn, shown_before);
    let mut reason = FinishReason::Stop;
    let ended = |result: &'static str| {
        let labels = [("step", step), ("result", result)];
        ctx.metrics.model_calls.get_or_create(&labels).inc();
        if result != "ok" {
            run.note_reason(Some(result));
        }
    };
    let answer = |said: &Saying, end| said.answer(&sources, end, call.number);
    let error = loop {
        let mut end = None;
        match pace.until(events.next()).await? {
            Some(Ok(ChatEvent::Text(piece))) => {
                call.wrote(&piece);
                let shown = said.push(&piece);
                pace.hold(&shown);
            }
            Some(Ok(ChatEvent::Anew)) => {
                pace.withdraw().await?;
                said = begin();
            }
            Some(Ok(ChatEvent::Usage(counted))) => call.counted(&counted),
            Some(Ok(ChatEvent::ToolCall { .. })) => {}
            Some(Ok(ChatEvent::Finished { reason: word })) => reason = word,
            Some(Err(error)) => end = Some(Some(error)),
            None => {
                pace.hold(&if breaks_off(&reason).is_some() { said.break_off() } else { said.finish() });
                end = Some(None);
            }
        }
        match said.guard.tripped() {
            None => {}
            // What is over the limit of an answer is left out; the beginning stands.
            Some(GuardReason::TooLong) if !said.text.trim().is_empty() => {
                pace.show().await?;
                tracing::warn!(turn = %run.start.token.turn, model, "an answer is longer than the limit, and cut");
                ended("too_long");
                return Ok(Streamed::Over(answer(&said, AnswerEnd::Limit)));
            }
            Some(guard) => {
                ended(guard.name());
                return blocked(turn, &mut pace, model, guard).await;
            }
        }
        if let Some(error) = end {
            break error;
        }
    };
    let error = match error {
        Some(error) => error,
        None if said.text.trim().is_empty() => ModelError::Empty {
            detail: "nothing that may be shown".to_owned(),
            length: reason == FinishReason::Length,
        },
        None => {
            pace.show().await?;
            let incomplete = breaks_off(&reason);
            if let Some(reason) = incomplete {
                tracing::warn!(turn = %run.start.token.turn, model, reason, "an answer is incomplete");
            }
            ended(incomplete.unwrap_or("ok"));
            let end = match reason {
                FinishReason::Length => AnswerEnd::Limit,
                _ if incomplete.is_some() => AnswerEnd::BrokenOff,
                _ => AnswerEnd::Whole,
            };
            return Ok(Streamed::Over(answer(&said, end)));
        }
    };
    tracing::warn!(turn = %run.start.token.turn, model, reason = error.name(), %error, "a model did not answer");
    ended(error.name());
    if matches!(error, ModelError::Timeout(Deadline::FirstToken | Deadline::Gap | Deadline::Whole)) {
        call.worked();
    }
    if !matches!(error, ModelError::ContentFilter(_)) {
        pace.hold(&said.break_off());
    }
    if said.text.trim().is_empty() || matches!(error, ModelError::ContentFilter(_)) {
        pace.withdraw_own().await?;
        return Ok(Streamed::Nothing { error, stands: pace.stands() });
    }
    if let Some(guard) = said.guard.tripped().filter(|guard| *guard != GuardReason::TooLong) {
        return blocked(turn, &mut pace, model, guard).await;
    }
    pace.show().await?;
    Ok(Streamed::Broken(answer(&said, AnswerEnd::BrokenOff), error))
}

/// Why an answer that the provider ended is none up to its end.
const fn breaks_off(reason: &FinishReason) -> Option<&'static str> {
    match reason {
        FinishReason::Length => Some("length"),
        FinishReason::Interrupted(_) => Some("interrupted"),
        FinishReason::Stop | FinishReason::ToolCalls | FinishReason::Other(_) => None,
    }
}

/// What a guardrail stopped is withdrawn, and something else is said.
async fn blocked(turn: &Turn<'_>, pace: &mut Pace<'_>, model: &str, guard: GuardReason) -> Result<Streamed> {
    let labels = [("guard", guard.name()), ("side", "out")];
    turn.ctx.metrics.guards.get_or_create(&labels).inc();
    tracing::warn!(turn = %turn.run.start.token.turn, model, guard = guard.name(), "an answer is withdrawn");
    pace.withdraw().await?;
    turn.notice(TextKey::Blocked, Outcome::NoAnswer).await.map(Streamed::Over)
}

/// What a model says, on its way to the visitor.
struct Saying {
    citations: CitationFilter,
    guard: OutputFilter,
    text: String,
}

impl Saying {
    /// What of the next piece may be shown.
    fn push(&mut self, piece: &str) -> String {
        let shown = self.guard.push(&self.citations.push(piece));
        self.text.push_str(&shown);
        shown
    }

    /// What of the rest may be shown.
    fn finish(&mut self) -> String {
        let mut shown = self.guard.push(&self.citations.finish());
        shown.push_str(&self.guard.finish());
        self.text.push_str(&shown);
        shown
    }

    /// What of the rest may be shown when nothing follows that should have. The last word may be half of one, and half of a
    /// number is another number; it was held until now.
    fn break_off(&mut self) -> String {
        let mut rest = self.guard.push(&self.citations.finish());
        rest.push_str(&self.guard.finish());
        let shown = without_half_a_word(&rest);
        self.text.push_str(shown);
        shown.to_owned()
    }

    fn answer(&self, sources: &[Source<'_>], end: AnswerEnd, call: usize) -> TurnAnswer {
        TurnAnswer {
            outcome: Outcome::Answered,
            text: self.text.clone(),
            citations: frontdesk_domain::citation::cited(&self.text, sources),
            suggestions: Vec::new(),
            end,
            shown: Some(call),
        }
    }
}

/// A text up to its last word that is known to be whole.
fn without_half_a_word(text: &str) -> &str {
    if !text.ends_with(char::is_alphanumeric) {
        return text;
    }
    let end = text.char_indices().rev().find(|(_, letter)| letter.is_whitespace()).map_or(0, |(at, _)| at);
    text.get(..end).unwrap_or("")
}

/// Whose words these are, for the circuit breaker: the conversation's.
fn caller(run: &TurnRun) -> u64 {
    let mut hasher = DefaultHasher::new();
    run.start.conversation.to_string().hash(&mut hasher);
    hasher.finish()
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

const fn role(speaker: Speaker) -> ChatRole {
    match speaker {
        Speaker::System => ChatRole::System,
        Speaker::User => ChatRole::User,
        Speaker::Assistant => ChatRole::Assistant,
    }
}

#[cfg(test)]
mod tests {
    use super::without_half_a_word;

    #[test]
    fn the_last_word_of_what_broke_off_is_left_out_unless_it_is_whole() {
        for (text, kept) in [
            ("It costs 30", "It costs"),
            ("It costs 300 roub", "It costs 300"),
            ("It costs 300.", "It costs 300."),
            ("It costs 300 [1]", "It costs 300 [1]"),
            ("Открыто с 9:0", "Открыто с"),
            ("Desc", ""),
            ("", ""),
        ] {
            assert_eq!(without_half_a_word(text), kept, "{text}");
        }
    }
}
