//! The turn: how the AI answers.
//!
//! Input guardrails → retrieval → context → model → output guardrails → deltas → one closing append. When something is
//! down the answer steps down and says so: model → smaller model → best passage quoted → handed over to people. A turn
//! runs to its end whichever client leaves; when an operator takes over, the room refuses its next word and it stops.

mod model;

use frontdesk_domain::answer::{Citation, Outcome};
use frontdesk_domain::conversation::{AuthorKind, Message};
use frontdesk_domain::error::{Error, Result};
use frontdesk_domain::guard::{self, InputVerdict};
use frontdesk_domain::id::MessageId;
use frontdesk_domain::quote;
use frontdesk_domain::room::Reply;
use frontdesk_domain::settings::Settings;
use frontdesk_domain::text::{self, Language};
use frontdesk_domain::texts::{self, TextKey};
use frontdesk_ports::Ctx;

use crate::retrieval::{self, Found, Search};
use crate::rooms::TurnRun;
use crate::{settings, usage};

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
    /// It ends before its end.
    incomplete: bool,
    shown: Option<usize>,
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
    let answer = make(run).await?;
    let id = MessageId::new(run.ctx.clock.now(), run.ctx.random.entropy());
    let reply = Reply { id, text: answer.text, citations: answer.citations, incomplete: answer.incomplete };
    Ok(Ending { outcome: answer.outcome, reply: Some(reply), shown: answer.shown })
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
    let reply = Reply { id, text, citations: Vec::new(), incomplete: false };
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
    let turn = Turn { ctx, run, settings: &settings, language: text::detect(&question.text) };

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

    // What the guardrails would not let through now is not let through as history either, nor to an embedding model.
    let earlier: Vec<Message> =
        earlier.into_iter().filter_map(|message| as_history(&settings, message)).collect();
    let before = earlier.iter().rev().find(|message| visitor(message)).map(|message| message.text.as_str());
    let search = Search {
        query: search_text(&for_model, before),
        limit: settings.retrieval.passages,
        mode: settings.retrieval.mode,
        vector_weight: settings.retrieval.vector_weight,
        min_evidence: settings.retrieval.min_evidence,
    };
    let found = retrieval::search(ctx, scope, &search).await?.passages;

    let budget = settings.budget.tokens_per_day > 0;
    let within_budget = !budget || !usage::over_budget(&settings, usage::spent_today(ctx, scope).await?);
    if let Some(endpoint) = ctx.config.model.as_ref().filter(|_| within_budget) {
        if found.is_empty() && settings.guardrails.only_from_evidence {
            return turn.notice(TextKey::NoAnswer, Outcome::NoAnswer).await;
        }
        let asking = model::Asking { endpoint, question: &for_model, earlier: &earlier, found: &found };
        if let Some(answer) = model::ask(&turn, &asking).await? {
            return Ok(answer);
        }
        // No model answered, and nothing of one is shown.
        return match turn.quoted(&question.text, &found).await? {
            Some(answer) => Ok(answer),
            None => turn.notice(TextKey::HandedOff, Outcome::HandedOff).await,
        };
    }
    match turn.quoted(&question.text, &found).await? {
        Some(answer) => Ok(answer),
        None => turn.notice(TextKey::NoAnswer, Outcome::NoAnswer).await,
    }
}

impl Turn<'_> {
    /// Says something that is not from a model.
    async fn say(&self, outcome: Outcome, text: String, citations: Vec<Citation>) -> Result<TurnAnswer> {
        self.run.say(&text).await?;
        Ok(TurnAnswer { outcome, text, citations, incomplete: false, shown: None })
    }

    async fn notice(&self, key: TextKey, outcome: Outcome) -> Result<TurnAnswer> {
        let text = match key {
            TextKey::NoAnswer => texts::fallback(self.settings, self.language.code()),
            _ => texts::text(key, self.language.code()).to_owned(),
        };
        self.say(outcome, text, Vec::new()).await
    }

    /// The best passage, word for word.
    async fn quoted(&self, question: &str, found: &[Found]) -> Result<Option<TurnAnswer>> {
        let sources: Vec<_> = found.iter().map(Found::source).collect();
        match quote::quoted_answer(question, &sources) {
            Some((text, citations)) => self.say(Outcome::Quoted, text, citations).await.map(Some),
            None => Ok(None),
        }
    }
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

/// What to search for: the question; a very short one ("and to Kazan?") together with the one before it.
fn search_text(question: &str, before: Option<&str>) -> String {
    const SHORT: usize = 4;
    match before {
        Some(before) if question.split_whitespace().count() < SHORT => format!("{question}\n{before}"),
        _ => question.to_owned(),
    }
}
