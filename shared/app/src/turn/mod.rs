//! The turn: how the AI answers.
//!
//! Input guardrails → retrieval → context → model → output guardrails → deltas → one closing append. When something is
//! down the answer steps down and says so: model → smaller model → best passage quoted → handed over to people. A turn
//! runs to its end whichever client leaves; when an operator takes over, the room refuses its next word and it stops.

mod find;
mod model;

use frontdesk_domain::answer::{Citation, Outcome};
use frontdesk_domain::citation;
use frontdesk_domain::conversation::{AuthorKind, Message};
use frontdesk_domain::error::{Error, Result};
use frontdesk_domain::guard::{self, InputVerdict};
use frontdesk_domain::id::{MessageId, VisitorId};
use frontdesk_domain::question::{Question, Talk, talk};
use frontdesk_domain::quote::{self, MAX_OFFERED, Offered};
use frontdesk_domain::room::Reply;
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::settings::Settings;
use frontdesk_domain::text::{self, Language};
use frontdesk_domain::texts::{self, TextKey};
use frontdesk_ports::{Ctx, Rows};

use crate::retrieval::Found;
use crate::rooms::TurnRun;
use crate::{settings, store, usage};

/// How a turn ends.
pub struct Ending {
    /// In a word.
    pub outcome: Outcome,
    /// What it said.
    pub reply: Option<Reply>,
    /// The number of the call to a model whose answer that is.
    pub shown: Option<usize>,
}

/// What a turn says in the end.
struct TurnAnswer {
    outcome: Outcome,
    text: String,
    citations: Vec<Citation>,
    end: AnswerEnd,
    suggestions: Vec<String>,
    shown: Option<usize>,
}

/// Where an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AnswerEnd {
    /// At its end.
    Whole,
    /// At a limit. As much was said as there will ever be.
    Limit,
    /// Wherever the model was when it broke off.
    BrokenOff,
}

/// What everything in a turn needs.
struct Turn<'a> {
    ctx: &'a Ctx,
    run: &'a TurnRun,
    settings: &'a Settings,
    language: Language,
}

/// Makes the answer of a turn; what it says on the way is shown by the run.
///
/// # Errors
/// A conflict when the run is not in progress any more; any other when no answer could be made.
pub async fn answer(run: &TurnRun) -> Result<Ending> {
    let TurnAnswer { outcome, text, citations, suggestions, end, shown } = make(run).await?;
    let incomplete = end != AnswerEnd::Whole;
    let id = MessageId::new(run.ctx.clock.now(), run.ctx.random.entropy());
    let reply = Reply { id, text, citations, suggestions, incomplete };
    Ok(Ending { outcome, reply: Some(reply), shown })
}

/// What is said when no answer can be made: people take over. Asks nothing of anything.
///
/// # Errors
/// A conflict when the run is not in progress any more.
pub async fn hand_over(run: &TurnRun) -> Result<Ending> {
    let asked = run.start.history.iter().rev().map(|(_, message)| message);
    let question = asked.into_iter().find(|message| message.author.kind == AuthorKind::Visitor);
    let language = text::detect(question.map_or("", |message| message.text.as_str()));
    let text = texts::text(TextKey::HandedOff, language.code()).to_owned();
    run.say(&text).await?;
    let id = MessageId::new(run.ctx.clock.now(), run.ctx.random.entropy());
    let reply = Reply { id, text, citations: Vec::new(), suggestions: Vec::new(), incomplete: false };
    Ok(Ending { outcome: Outcome::HandedOff, reply: Some(reply), shown: None })
}

async fn make(run: &TurnRun) -> Result<TurnAnswer> {
    let TurnRun { ctx, scope, start, .. } = run;
    let settings = settings::current(ctx, scope).await?;
    let visitor = |message: &Message| message.author.kind == AuthorKind::Visitor;
    let messages: Vec<&Message> = start.history.iter().map(|(_, message)| message.as_ref()).collect();
    let Some(question) = messages.iter().rev().copied().find(|message| visitor(message)) else {
        return Err(Error::ours("a turn without a question"));
    };
    let earlier: Vec<&Message> =
        messages.iter().copied().filter(|message| message.id != question.id).collect();
    // The language is that of what was meant; a code or a sign alone is of none, and answered in that of the talk before, or,
    // where there is none, of the visitor's page.
    let meant = Question::new(&question.text, &[]);
    let spoken = earlier.iter().rev().map(|message| text::detect(&message.text));
    let language = match meant.language {
        Language::Other => match spoken.into_iter().find(|one| *one != Language::Other) {
            Some(language) => language,
            None => language_of(ctx, scope, question).await?.unwrap_or_default(),
        },
        language => language,
    };
    let turn = Turn { ctx, run, settings: &settings, language };

    let said: Vec<&str> =
        earlier.iter().filter(|message| visitor(message)).map(|message| message.text.as_str()).collect();
    let for_model = match guard::check_input(&settings, &question.text, &said) {
        InputVerdict::Pass { for_model } => for_model,
        InputVerdict::Refuse { reason, reply_key } => {
            let labels = [("guard", reason.name()), ("side", "in")];
            ctx.metrics.guards.get_or_create(&labels).inc();
            return turn.notice(reply_key, Outcome::NoAnswer).await;
        }
    };

    let kind = talk(&meant.text);
    if kind == Some(Talk::Person) {
        return turn.notice(TextKey::HandedOff, Outcome::HandedOff).await;
    }
    // What the guardrails would not let through now is not let through as history either, nor to an embedding model.
    let earlier: Vec<Message> =
        earlier.into_iter().filter_map(|message| as_history(&settings, message)).collect();
    let budget = settings.budget.tokens_per_day > 0;
    let within_budget = !budget || !usage::over_budget(&settings, usage::spent_today(ctx, scope).await?);
    let model = ctx.config.model.as_ref().filter(|_| within_budget);
    if let (None, Some(kind)) = (model, kind) {
        return turn.notice(reply_to(kind), Outcome::Answered).await;
    }
    let before: Vec<&str> =
        earlier.iter().filter(|message| visitor(message)).map(|message| message.text.as_str()).collect();
    let (asked, found) = find::passages(&turn, &for_model, &before).await?;
    // The model decides what of the best passages answers; without one a quote has to answer by itself.
    if let Some(endpoint) = model {
        let most = usize::try_from(settings.retrieval.passages).unwrap_or(usize::MAX);
        let best = found.get(..found.len().min(most)).unwrap_or(&found);
        let asking = model::Asking { endpoint, question: &for_model, earlier: &earlier, found: best };
        if let Some(answer) = model::ask(&turn, &asking).await? {
            return turn.proven(answer, kind, &asked, &found).await;
        }
        // No model answered, and nothing of one is shown.
        if let Some(kind) = kind {
            return turn.notice(reply_to(kind), Outcome::Answered).await;
        }
        return match turn.quoted(&asked, &found).await? {
            Some(answer) => Ok(answer),
            None => turn.notice(TextKey::HandedOff, Outcome::HandedOff).await,
        };
    }
    match turn.quoted(&asked, &found).await? {
        Some(answer) => Ok(answer),
        // A person was called and has not come yet: no more misses.
        None if start.waiting => turn.notice(TextKey::HandedOff, Outcome::HandedOff).await,
        None => turn.missed(&asked, &found).await,
    }
}

/// The language in which the page was shown to who asks; `None` where that is not known.
async fn language_of(ctx: &Ctx, scope: &TenantScope, question: &Message) -> Result<Option<Language>> {
    let id = question.author.id.as_deref();
    let Some(visitor) = id.and_then(|id| id.parse::<VisitorId>().ok()) else { return Ok(None) };
    let answers = ctx.db.query(vec![store::tenancy::locale(scope, visitor)]).await?;
    let Some(row) = answers.first().and_then(Rows::first) else { return Ok(None) };
    let locale = row.text(0)?;
    Ok(Language::all().find(|language| language.tag() == locale))
}

/// What is said to what is no question.
const fn reply_to(kind: Talk) -> TextKey {
    match kind {
        Talk::Greeting => TextKey::Greeting,
        Talk::Acknowledged => TextKey::Acknowledged,
        Talk::Bot => TextKey::Bot,
        Talk::Goodbye => TextKey::Goodbye,
        Talk::Thanks => TextKey::Thanks,
        Talk::Insult => TextKey::Insult,
        Talk::Person => TextKey::HandedOff,
    }
}

impl Turn<'_> {
    /// Says something that is not from a model.
    async fn say(&self, outcome: Outcome, text: String, citations: Vec<Citation>) -> Result<TurnAnswer> {
        self.run.say(&text).await?;
        Ok(TurnAnswer {
            outcome,
            text,
            citations,
            suggestions: Vec::new(),
            end: AnswerEnd::Whole,
            shown: None,
        })
    }

    async fn notice(&self, key: TextKey, outcome: Outcome) -> Result<TurnAnswer> {
        let text = match key {
            TextKey::NoAnswer => texts::fallback(self.settings, self.language.code()),
            _ => texts::text(key, self.language.code()).to_owned(),
        };
        self.say(outcome, text, Vec::new()).await
    }

    /// The statement of the passages that answers, word for word.
    async fn quoted(&self, asked: &Question, found: &[Found]) -> Result<Option<TurnAnswer>> {
        let least = self.settings.retrieval.min_evidence;
        match quote::quoted_answer(asked, &offered(found), least) {
            Some((text, citations)) => self.say(Outcome::Quoted, text, citations).await.map(Some),
            None => Ok(None),
        }
    }

    /// The honest miss, with the two nearest topics.
    async fn missed(&self, asked: &Question, found: &[Found]) -> Result<TurnAnswer> {
        let suggestions = quote::topics(asked, &offered(found), MOST_TOPICS);
        let answer = self.notice(TextKey::NoAnswer, Outcome::NoAnswer).await?;
        Ok(TurnAnswer { suggestions, ..answer })
    }

    /// An answer of a model as the organisation wants it. Where only what is proven may be said, an answer that cites nothing
    /// is no answer, unless it asks back or is a word in return.
    async fn proven(
        &self,
        answer: TurnAnswer,
        kind: Option<Talk>,
        asked: &Question,
        found: &[Found],
    ) -> Result<TurnAnswer> {
        // What broke off may have been about to cite. It was shown, so it is kept: as incomplete, and without a citation. What
        // reached a limit had all the room that it was given, and is judged as a whole.
        let free = !self.settings.guardrails.only_from_evidence
            || kind.is_some()
            || answer.end == AnswerEnd::BrokenOff;
        let cites = !answer.citations.is_empty() && citation::says_something(&answer.text);
        let cites = cites || answer.outcome != Outcome::Answered;
        let asks_back = only_asks(&answer.text);
        if free || cites || asks_back {
            return Ok(answer);
        }
        let suggestions = quote::topics(asked, &offered(found), MOST_TOPICS);
        let quotes = |letter: char| letter.is_whitespace() || matches!(letter, '"' | '“' | '”' | '«' | '»');
        let turn = &self.run.start.token.turn;
        if answer.text.trim_matches(quotes) == texts::fallback(self.settings, self.language.code()).trim() {
            self.run.note_reason(Some(NOT_FOUND));
            tracing::info!(%turn, reason = NOT_FOUND, "a model found no answer in the passages");
            return Ok(TurnAnswer { outcome: Outcome::NoAnswer, suggestions, ..answer });
        }
        // Nothing of it goes unsaid in silence: an operator sees why, and it is counted.
        self.run.note_reason(Some(UNCITED));
        self.ctx.metrics.guards.get_or_create(&[("guard", UNCITED), ("side", "out")]).inc();
        tracing::warn!(%turn, guard = UNCITED, "an answer is withdrawn");
        self.run.unsay().await?;
        let miss = self.notice(TextKey::NoAnswer, Outcome::NoAnswer).await?;
        // The model was asked all the same, and what it used counts as that of the answer.
        Ok(TurnAnswer { suggestions, shown: answer.shown, ..miss })
    }
}

/// Why an answer is withdrawn that refers to no passage, or to none that has its numbers and names.
const UNCITED: &str = "uncited";
/// Why there is no answer when a model says itself that the passages have none.
const NOT_FOUND: &str = "not_found";

/// How many topics a miss offers.
const MOST_TOPICS: usize = 2;

/// Whether a text asks, and says nothing else but a word or two: "Sure! Which kettle do you mean?"
fn only_asks(text: &str) -> bool {
    let mut asks = false;
    for sentence in text
        .split_inclusive(['.', '!', '?', '？', '…', '\n'])
        .filter(|part| text::words(part).next().is_some())
    {
        let is_question = sentence.trim_end().ends_with(['?', '？']);
        asks |= is_question;
        let digits = sentence.contains(|letter: char| letter.is_numeric());
        if !is_question && (digits || text::words(sentence).nth(MOST_WORDS_BESIDE).is_some()) {
            return false;
        }
    }
    asks
}

/// How many words a sentence beside a question may have that says nothing.
const MOST_WORDS_BESIDE: usize = 3;

fn offered(found: &[Found]) -> Vec<Offered<'_>> {
    found
        .iter()
        .take(MAX_OFFERED)
        .map(|found| Offered { source: found.source(), language: found.language })
        .collect()
}

/// An earlier message as a model may see it.
fn as_history(settings: &Settings, message: &Message) -> Option<Message> {
    if message.author.kind != AuthorKind::Visitor {
        return Some(message.clone());
    }
    match guard::check_input(settings, &message.text, &[]) {
        InputVerdict::Pass { for_model } => Some(Message { text: for_model, ..message.clone() }),
        InputVerdict::Refuse { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::only_asks;

    #[test]
    fn a_question_at_the_end_proves_nothing_that_was_said_before() {
        for text in ["Which kettle do you mean?", "Sure! Which city?", "Какой чайник вы имеете в виду?"]
        {
            assert!(only_asks(text), "{text}");
        }
        for text in [
            "It costs 500. Anything else?",
            "Delivery is always free for everybody. Shall I help you further?",
            "Доставка бесплатна для всех заказов. Что-нибудь ещё?",
            "All is well.",
            "",
        ] {
            assert!(!only_asks(text), "{text}");
        }
    }
}
