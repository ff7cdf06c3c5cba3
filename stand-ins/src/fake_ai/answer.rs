//! The answer: sentences of the passages in the context that have the most in common with the question.
//!
//! A passage is a line `[n] title` and the lines after it. Words are compared by their first letters, which is close
//! enough to stems in Russian and in English.

use std::collections::{BTreeMap, BTreeSet};

/// Letters of a word that are compared.
const STEM: usize = 5;

/// Words that say nothing about what is asked.
const STOP_WORDS: &[&str] = &[
    "the",
    "and",
    "are",
    "you",
    "your",
    "our",
    "can",
    "how",
    "what",
    "when",
    "where",
    "which",
    "who",
    "why",
    "does",
    "did",
    "will",
    "with",
    "for",
    "from",
    "have",
    "has",
    "was",
    "were",
    "this",
    "that",
    "there",
    "much",
    "many",
    "long",
    "take",
    "как",
    "что",
    "где",
    "когда",
    "какой",
    "какая",
    "какие",
    "какое",
    "кто",
    "это",
    "есть",
    "или",
    "для",
    "при",
    "вас",
    "вам",
    "мне",
    "меня",
    "нас",
    "ваш",
    "ваша",
    "ваши",
    "сколько",
    "можно",
    "если",
    "чтобы",
    "почему",
    "мой",
    "моя",
];

#[derive(Debug, PartialEq, Eq)]
struct Passage {
    n: u32,
    title: String,
    text: String,
}

/// The answer to the last question of `messages` (role and text, in order).
pub(super) fn answer(messages: &[(String, String)]) -> String {
    let last = messages.iter().rfind(|(role, _)| role == "user").map_or("", |(_, text)| text.as_str());
    let question = question(last);
    let passages: Vec<Passage> = messages
        .iter()
        .filter(|(role, _)| role != "assistant")
        .flat_map(|(_, text)| passages(text))
        .collect();
    best_sentences(&passages, question).unwrap_or_else(|| {
        let told =
            messages.iter().filter(|(role, _)| role == "system").find_map(|(_, text)| told_fallback(text));
        told.unwrap_or_else(|| unknown(question)).to_owned()
    })
}

/// What the instructions want to be said without an answer: `say exactly: …`, up to the end of the line.
fn told_fallback(instructions: &str) -> Option<&str> {
    let (_, told) = instructions.split_once("say exactly:")?;
    told.lines().next().map(str::trim).filter(|told| !told.is_empty())
}

fn unknown(question: &str) -> &'static str {
    if is_russian(question) {
        "К сожалению, в документах нет ответа на этот вопрос."
    } else {
        "I am sorry, the documents do not answer this question."
    }
}

fn is_russian(text: &str) -> bool {
    let cyrillic = text.chars().filter(|letter| matches!(letter, 'а'..='я' | 'А'..='Я' | 'ё' | 'Ё')).count();
    let latin = text.chars().filter(char::is_ascii_alphabetic).count();
    cyrillic > latin
}

/// The question in a message that may also carry the passages.
fn question(message: &str) -> &str {
    for mark in ["Question:", "Вопрос:"] {
        if let Some((_, question)) = message.rsplit_once(mark) {
            return question.trim();
        }
    }
    if message.lines().any(|line| header(line).is_some()) {
        return message.trim_end().rsplit("\n\n").next().unwrap_or_default().trim();
    }
    message.trim()
}

/// `[n] title`.
fn header(line: &str) -> Option<(u32, &str)> {
    let (number, title) = line.trim_start().strip_prefix('[')?.split_once(']')?;
    Some((number.parse().ok()?, title.trim()))
}

/// A line that ends the passages: a closing tag, a rule, or the question.
fn is_border(line: &str) -> bool {
    let line = line.trim();
    line.starts_with("</")
        || line.starts_with("Question:")
        || line.starts_with("Вопрос:")
        || (line.len() >= 3 && line.bytes().all(|byte| byte == b'-' || byte == b'='))
}

fn passages(text: &str) -> Vec<Passage> {
    let mut found: Vec<Passage> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        if let Some((n, title)) = header(line) {
            found.push(Passage { n, title: title.to_owned(), text: String::new() });
            open = true;
        } else if is_border(line) {
            open = false;
        } else if open && let Some(passage) = found.last_mut() {
            passage.text.push_str(line);
            passage.text.push('\n');
        }
    }
    for passage in &mut found {
        if passage.text.trim().is_empty() {
            passage.text.clone_from(&passage.title);
        }
    }
    found
}

/// Words as they are compared.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|letter: char| !letter.is_alphanumeric())
        .map(|word| word.to_lowercase().replace('ё', "е"))
        .filter(|word| word.chars().count() >= 3 && !STOP_WORDS.contains(&word.as_str()))
        .map(|word| word.chars().take(STEM).collect())
}

fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut rest = line.trim();
        while !rest.is_empty() {
            let end = rest
                .char_indices()
                .zip(rest.chars().skip(1).chain([' ']))
                .find(|((_, letter), next)| matches!(letter, '.' | '!' | '?' | '…') && next.is_whitespace())
                .map_or(rest.len(), |((at, letter), _)| at.saturating_add(letter.len_utf8()));
            let (sentence, after) = rest.split_at(end);
            found.push(sentence);
            rest = after.trim_start();
        }
    }
    found
}

fn best_sentences(passages: &[Passage], question: &str) -> Option<String> {
    let asked: BTreeSet<String> = words(question).collect();
    let contents: Vec<BTreeSet<String>> =
        passages.iter().map(|passage| words(&passage.title).chain(words(&passage.text)).collect()).collect();
    // A word that few passages have says more.
    let weight: BTreeMap<&str, f64> = asked
        .iter()
        .map(|word| {
            let with = contents.iter().filter(|content| content.contains(word)).count();
            #[expect(clippy::cast_precision_loss, reason = "a handful of passages")]
            let weight = (1.0 + contents.len() as f64 / (with as f64 + 0.5)).ln();
            (word.as_str(), weight)
        })
        .collect();
    let score = |content: &BTreeSet<String>| -> f64 {
        content.iter().filter_map(|word| weight.get(word.as_str())).sum()
    };
    let mut ranked: Vec<(f64, &Passage)> =
        contents.iter().zip(passages).map(|(content, passage)| (score(content), passage)).collect();
    ranked.sort_by(|(a, first), (b, second)| b.total_cmp(a).then(first.n.cmp(&second.n)));
    let (best, _) = *ranked.first().filter(|(score, _)| *score > 0.0)?;
    let mut answer: Vec<String> = Vec::new();
    for (rank, (_, passage)) in ranked.iter().filter(|(score, _)| *score >= best * 0.6).take(2).enumerate() {
        let mut by_score: Vec<(f64, usize, &str)> = sentences(&passage.text)
            .into_iter()
            .enumerate()
            .map(|(position, sentence)| (score(&words(sentence).collect()), position, sentence))
            .filter(|(_, _, sentence)| sentence.trim() != question)
            .collect();
        by_score.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        by_score.truncate(if rank == 0 { 2 } else { 1 });
        let top = by_score.first().map_or(0.0, |(score, _, _)| *score);
        by_score.retain(|(score, _, _)| *score > top * 0.5);
        by_score.sort_by_key(|(_, position, _)| *position);
        answer.extend(by_score.into_iter().map(|(_, _, sentence)| format!("{sentence} [{}]", passage.n)));
    }
    (!answer.is_empty()).then(|| answer.join(" "))
}

/// Cuts a text into tokens: a piece of a word with the white space before it.
pub(super) fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut letters = 0_u32;
        let end = rest
            .char_indices()
            .find(|(_, letter)| {
                let ends = letters > 0 && (letter.is_whitespace() || letters >= 6);
                letters = letters.saturating_add(u32::from(!letter.is_whitespace()));
                ends
            })
            .map_or(rest.len(), |(at, _)| at);
        let (token, after) = rest.split_at(end);
        found.push(token);
        rest = after;
    }
    found
}

/// The text in exactly `count` tokens: cut, or said again.
pub(super) fn with_length(text: &str, count: usize) -> String {
    let tokens = tokens(text);
    let mut made = String::new();
    for (position, token) in tokens.iter().cycle().take(count).enumerate() {
        let again = tokens.len() > 1 && position > 0 && position.checked_rem(tokens.len()) == Some(0);
        if again && !token.starts_with(char::is_whitespace) {
            made.push(' ');
        }
        made.push_str(token);
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: &str = "Answer from these passages.\n\n[1] Доставка\nДоставка по Москве занимает два дня. Курьер звонит за час.\n\n[2] Opening hours\nWe are open from 9 to 18 on weekdays. On Sunday the shop is closed.\n\n[3] Возврат\nТовар можно вернуть в течение 14 дней.\n";

    fn ask(context: &str, question: &str) -> String {
        answer(&[("system".into(), context.into()), ("user".into(), question.into())])
    }

    #[test]
    fn answers_from_the_passage_that_fits() {
        assert_eq!(
            ask(CONTEXT, "Сколько дней занимает доставка в Москву?"),
            "Доставка по Москве занимает два дня. [1]"
        );
        assert_eq!(ask(CONTEXT, "Is the shop open on Sunday?"), "On Sunday the shop is closed. [2]");
        assert_eq!(ask(CONTEXT, "Как вернуть товар?"), "Товар можно вернуть в течение 14 дней. [3]");
    }

    #[test]
    fn does_not_know_what_no_passage_says() {
        assert_eq!(
            ask(CONTEXT, "Do you sell bicycles?"),
            "I am sorry, the documents do not answer this question."
        );
        assert_eq!(
            ask("", "Есть ли у вас велосипеды?"),
            "К сожалению, в документах нет ответа на этот вопрос."
        );
    }

    #[test]
    fn says_what_the_instructions_want_said_without_an_answer() {
        let told = "If the documents do not answer it, say exactly: Ask our team.\n\nDocuments: none";
        assert_eq!(ask(told, "Do you sell bicycles?"), "Ask our team.");
    }

    #[test]
    fn passages_and_question_may_share_a_message() {
        let message = "[1] Hours\nWe open at nine.\n\nQuestion: When do you open?";
        assert_eq!(answer(&[("user".into(), message.into())]), "We open at nine. [1]");
        let tagged = "<passages>\n[1] Hours\nWe open at nine.\n</passages>\n\nWhen do you open?";
        assert_eq!(answer(&[("user".into(), tagged.into())]), "We open at nine. [1]");
    }

    #[test]
    fn tokens_are_the_whole_text() {
        for text in ["", " ", "We open at nine.", "Достопримечательности  и \n👋 ещё", "  a"]
        {
            assert_eq!(tokens(text).concat(), text);
        }
        assert_eq!(tokens("We open. "), ["We", " open.", " "]);
    }

    #[test]
    fn a_length_is_kept_exactly() {
        for count in [1, 3, 4, 100, 401] {
            assert_eq!(tokens(&with_length("We open at nine.", count)).len(), count);
        }
    }
}
