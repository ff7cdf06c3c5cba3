//! Guardrails: what a visitor's message must pass before a model sees it, and what an answer must pass before a visitor
//! does.
//!
//! They are rules of thumb in Russian and English and stop the common cases; what really bounds an answer is that it is
//! built from checked passages and that the model holds no secret and can do nothing.

mod disguise;
mod injection;
mod output;
mod personal;
mod topics;
mod words;

use crate::question::{Talk, talk};
use crate::settings::Settings;
use crate::texts::TextKey;

pub use output::OutputFilter;
pub use personal::{PersonalKind, mask};

/// Why a guardrail stepped in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuardReason {
    /// The text is longer than allowed.
    TooLong,
    /// The same text came again and again.
    Flooding,
    /// The organisation does not talk about this.
    BlockedTopic,
    /// The text tries to change or read the assistant's instructions.
    Injection,
    /// The answer repeats the assistant's instructions.
    PromptLeak,
}

impl GuardReason {
    /// The name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Flooding => "flooding",
            Self::BlockedTopic => "blocked_topic",
            Self::Injection => "injection",
            Self::PromptLeak => "prompt_leak",
        }
    }
}

/// What becomes of a visitor's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputVerdict {
    /// It is answered.
    Pass {
        /// The text as the model may see it.
        for_model: String,
    },
    /// It is not; the visitor is told.
    Refuse {
        /// Why.
        reason: GuardReason,
        /// What to say.
        reply_key: TextKey,
    },
}

/// How often the same text may come among the latest messages before it is flooding.
const REPEATS: usize = 3;
/// How many messages back are compared.
const LOOK_BACK: usize = 6;

/// Checks a visitor's message. `history` are the visitor's messages before it, oldest first.
#[must_use]
pub fn check_input(settings: &Settings, text: &str, history: &[&str]) -> InputVerdict {
    let refuse = |reason, reply_key| InputVerdict::Refuse { reason, reply_key };
    let limit = usize::try_from(settings.limits.max_message_chars).unwrap_or(usize::MAX);
    if text.chars().count() > limit {
        return refuse(GuardReason::TooLong, TextKey::TooLong);
    }
    let folded = words::words(text);
    if floods(&folded, history) {
        return refuse(GuardReason::Flooding, TextKey::Flooding);
    }
    if settings.guardrails.block_injections && injection::found(text, &folded) {
        return refuse(GuardReason::Injection, TextKey::Blocked);
    }
    if topics::found(&settings.guardrails.blocked_topics, &folded) {
        return refuse(GuardReason::BlockedTopic, TextKey::Blocked);
    }
    InputVerdict::Pass { for_model: for_model(settings, text) }
}

/// A visitor's text as the model may see it: without invisible characters, and without personal data where the
/// organisation hides it. For messages of the history, too.
#[must_use]
pub fn for_model(settings: &Settings, text: &str) -> String {
    let visible = words::visible(text);
    if settings.guardrails.mask_personal_data { mask(&visible) } else { visible }
}

/// The same text again and again, or one word over and over.
fn floods(folded: &[String], history: &[&str]) -> bool {
    let same = history.iter().rev().take(LOOK_BACK).filter(|before| words::words(before) == folded).count();
    // "Yes" and "thanks" answer what is asked, again and again.
    let answers = matches!(talk(&folded.join(" ")), Some(Talk::Acknowledged | Talk::Thanks))
        || matches!(folded, [word] if matches!(word.as_str(), "да" | "yes" | "нет" | "no"));
    let most = if answers { LOOK_BACK } else { REPEATS };
    if same >= most && !folded.is_empty() {
        return true;
    }
    let mut counts = std::collections::HashMap::<&str, usize>::new();
    for word in folded {
        let count = counts.entry(word).or_default();
        *count = count.saturating_add(1);
    }
    let most = counts.into_values().max().unwrap_or(0);
    most >= 50 && most.saturating_mul(2) > folded.len()
}

#[cfg(test)]
mod tests;
