//! What of a model's text is its answer.
//!
//! Models write more than they say: thoughts in tags or channels, calls of tools as text, tokens of their own, labels and
//! fences around the answer, a made-up next turn. All of that goes here, while the answer is streamed, whatever the cuts;
//! nothing of it is looked for later.

mod code;
mod letters;
mod marks;

pub use letters::half;

use code::{Code, InCode};
use letters::Letters;
use marks::{MarkFront, SpeechMark};

/// A piece of what a model says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spoken {
    /// What was given before was no answer: it is to be withdrawn, and `text` is the beginning.
    pub anew: bool,
    /// The next piece of the answer.
    pub text: String,
}

/// Labels that models put before an answer; they are left out.
const LABELS: &[&str] = &["assistant:", "ассистент:", "```markdown\n", "```md\n", "```text\n"];
/// How an answer begins that is thoughts first, without a mark: the mark of its beginning is in the model's template.
const THINKING: &[&str] = &[
    "okay, ",
    "okay. ",
    "ok, ",
    "alright, ",
    "hmm",
    "the user ",
    "the visitor ",
    "let me think",
    "let me see",
    "let me check",
    "let me look",
    "we need to ",
    "we are asked",
    "first, i ",
    "i need to ",
    "so the user",
    "so the visitor",
    "so, the user",
    "so, the visitor",
    "хорошо, пользователь",
    "хорошо, посетитель",
    "итак, пользователь",
    "пользователь ",
    "посетитель ",
];
/// How a text begins that is thoughts first, and what ends them.
const NAMED_THOUGHTS: &[(&str, &str)] = &[
    ("here is my thought process:", "here is my response:"),
    ("here's my thought process:", "here's my response:"),
];
/// A channel's name whose marks were taken away on the way, and that of the answer.
const BARE_CHANNEL: (&str, &str) = ("analysis", "assistantfinal");
/// The beginnings of lines with which a model goes on as the visitor.
const NEXT_TURN: &[&str] =
    &["user:", "human:", "пользователь:", "посетитель:", "### user", "### human", "### instruction"];
/// White space between two words at most, in letters.
const MOST_BLANKS: usize = 200;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum SpeechPart {
    #[default]
    Answer,
    /// Up to one of these.
    Hidden(Vec<String>),
    /// The name of a channel.
    Channel,
    Over,
}

/// What of the answer is let go.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Beginning {
    /// Its first letters, until it can be told what they begin.
    Undecided(String),
    /// All of it, because its beginning may be thoughts, or a call of a tool: until the end.
    Held(String),
    /// It is let go as it comes.
    Open,
}

/// Takes a model's text and gives its answer.
#[derive(Debug, Clone)]
pub struct Speech {
    letters: Letters,
    pending: String,
    part: SpeechPart,
    beginning: Beginning,
    fenced: bool,
    code: Code,
    blanks: String,
    /// The beginning of a line that may be the visitor's made-up words.
    line: Option<String>,
    given: bool,
    thoughts: bool,
    unopened: bool,
    calls: bool,
    out: Spoken,
}

impl Speech {
    /// An answer of which nothing came yet. `thinks_first`: this model's answers begin with thoughts whose beginning is
    /// not marked.
    #[must_use]
    pub fn new(thinks_first: bool) -> Self {
        Self {
            letters: Letters::default(),
            pending: String::new(),
            part: SpeechPart::Answer,
            beginning: if thinks_first {
                Beginning::Held(String::new())
            } else {
                Beginning::Undecided(String::new())
            },
            fenced: false,
            code: Code::default(),
            blanks: String::new(),
            line: None,
            given: false,
            thoughts: false,
            unopened: false,
            calls: false,
            out: Spoken::default(),
        }
    }

    /// Whether there were thoughts among the text.
    #[must_use]
    pub const fn thought(&self) -> bool {
        self.thoughts
    }

    /// Whether there were thoughts whose beginning was not marked.
    #[must_use]
    pub const fn thinks_first(&self) -> bool {
        self.unopened
    }

    /// Whether a call of a tool was written as text.
    #[must_use]
    pub const fn called(&self) -> bool {
        self.calls
    }

    /// Takes the next piece.
    pub fn push(&mut self, piece: &str) -> Spoken {
        for letter in piece.chars() {
            if let Some(letter) = self.letters.clean(letter) {
                self.pending.push(letter);
            }
        }
        self.run(false);
        std::mem::take(&mut self.out)
    }

    /// Gives the rest.
    pub fn finish(&mut self) -> Spoken {
        self.run(true);
        if let Some(line) = self.line.take() {
            self.give(&line);
        }
        // The end of the answer may be known by a mark; what came before it is to be given still.
        if self.part == SpeechPart::Over && !matches!(self.beginning, Beginning::Open) {
            self.part = SpeechPart::Answer;
        }
        match std::mem::replace(&mut self.beginning, Beginning::Open) {
            Beginning::Undecided(text) => self.release(text.trim_start()),
            Beginning::Held(text) => self.released(&text),
            Beginning::Open => {}
        }
        std::mem::take(&mut self.out)
    }

    fn run(&mut self, ended: bool) {
        let pending = std::mem::take(&mut self.pending);
        let mut rest = pending.as_str();
        while !rest.is_empty() {
            let used = match &self.part {
                SpeechPart::Over => rest.len(),
                SpeechPart::Answer => self.answer(rest, ended),
                SpeechPart::Channel => match marks::find_end(near(rest), marks::CHANNEL_ENDS) {
                    Some((at, length)) if at <= marks::LONGEST => {
                        let mark = marks::channel(rest.get(..at).unwrap_or(""));
                        self.part = SpeechPart::Answer;
                        self.mark(mark);
                        at.saturating_add(length)
                    }
                    // A name is short; what is not followed by its end is none.
                    found if ended || found.is_some() || rest.len() > marks::LONGEST.saturating_mul(2) => {
                        self.part = SpeechPart::Answer;
                        continue;
                    }
                    _ => 0,
                },
                SpeechPart::Hidden(ends) => {
                    let ends: Vec<&str> = ends.iter().map(String::as_str).collect();
                    match marks::find_end(rest, &ends) {
                        Some((at, length)) => {
                            // A channel's end may begin the next one.
                            let again = rest
                                .get(at..)
                                .is_some_and(|end| end.starts_with("<|") && !end.starts_with("<|end"));
                            self.part = SpeechPart::Answer;
                            if again { at } else { at.saturating_add(length) }
                        }
                        None => rest.len().saturating_sub(if ended { 0 } else { tail(rest, &ends) }),
                    }
                }
            };
            if used == 0 {
                break;
            }
            rest = rest.get(used..).unwrap_or("");
        }
        rest.clone_into(&mut self.pending);
    }

    /// Goes on with the answer; how many bytes are done, 0 when more text is needed.
    fn answer(&mut self, rest: &str, ended: bool) -> usize {
        match marks::front(rest, ended) {
            MarkFront::Unknown => 0,
            MarkFront::Mark(length, mark) => match self.code.at_mark(rest, length, mark, ended) {
                InCode::Unknown => 0,
                InCode::Text => self.letters(rest.get(..length).unwrap_or("")),
                InCode::Mark => {
                    self.mark(mark);
                    length
                }
            },
            MarkFront::Text => {
                let mut letters = rest.char_indices();
                letters.next();
                let end = letters
                    .find(|(_, letter)| matches!(letter, '<' | '[' | '◁'))
                    .map_or(rest.len(), |(at, _)| at);
                self.letters(rest.get(..end).unwrap_or(""))
            }
        }
    }

    /// Takes letters of the answer, until one of them ends it; how many bytes that were.
    fn letters(&mut self, text: &str) -> usize {
        let mut used = 0_usize;
        for letter in text.chars() {
            self.code.letter(letter);
            self.letter(letter);
            used = used.saturating_add(letter.len_utf8());
            if self.part != SpeechPart::Answer {
                break;
            }
        }
        used
    }

    fn mark(&mut self, mark: SpeechMark) {
        match mark {
            SpeechMark::Empty => {}
            SpeechMark::Channel => {
                self.part = SpeechPart::Channel;
            }
            SpeechMark::Stop => {
                let said = self.given
                    || !matches!(&self.beginning, Beginning::Undecided(text) if text.trim().is_empty());
                if said {
                    self.part = SpeechPart::Over;
                }
            }
            SpeechMark::Hides(ends) => {
                let calls = ends.is_empty() || ends.contains(&"</tool_call>");
                self.calls |= calls;
                self.thoughts |= !calls;
                self.part = SpeechPart::Hidden(ends.iter().map(|end| (*end).to_owned()).collect());
            }
            SpeechMark::EndsThoughts => self.begin_anew(),
        }
    }

    /// All that came so far were thoughts.
    fn begin_anew(&mut self) {
        self.thoughts = true;
        self.unopened = true;
        self.out.anew |= self.given;
        self.out.text.clear();
        self.given = false;
        self.blanks.clear();
        self.line = None;
        self.fenced = false;
        self.code = Code::default();
        self.beginning = Beginning::Open;
    }

    fn letter(&mut self, letter: char) {
        if self.part == SpeechPart::Over {
            return;
        }
        match &mut self.beginning {
            Beginning::Open => self.give_letter(letter),
            Beginning::Held(text) => text.push(letter),
            // White space begins nothing, however much of it there is.
            Beginning::Undecided(text) if text.is_empty() && letter.is_whitespace() => {}
            Beginning::Undecided(text) => {
                text.push(letter);
                let text = text.clone();
                self.decide(&text);
            }
        }
    }

    /// What the first letters begin, once that can be told.
    fn decide(&mut self, text: &str) {
        let lower = text.to_lowercase();
        if lower.is_empty() {
            return;
        }
        if let Some(label) = LABELS.iter().find(|label| lower.starts_with(**label)) {
            self.fenced |= label.starts_with('`');
            // A fence around the whole answer makes no code of it.
            self.code = Code::default();
            self.beginning = Beginning::Undecided(String::new());
            return;
        }
        for (begin, end) in NAMED_THOUGHTS {
            if lower.starts_with(begin) {
                self.beginning = Beginning::Undecided(String::new());
                self.thoughts = true;
                self.part = SpeechPart::Hidden(vec![(*end).to_owned()]);
                return;
            }
        }
        let (channel, answer) = BARE_CHANNEL;
        if let Some(after) = text.strip_prefix(channel)
            && after.chars().next().is_some_and(char::is_uppercase)
        {
            self.beginning = Beginning::Undecided(String::new());
            self.thoughts = true;
            self.part = SpeechPart::Hidden(vec![answer.to_owned()]);
            return;
        }
        if text.starts_with('{') || THINKING.iter().any(|begin| lower.starts_with(begin)) {
            self.beginning = Beginning::Held(text.to_owned());
            return;
        }
        let mut may_become =
            LABELS.iter().chain(THINKING).copied().chain(NAMED_THOUGHTS.iter().map(|(begin, _)| *begin));
        if may_become.any(|begin| begin.starts_with(&lower)) || channel.starts_with(text) || text == channel {
            return;
        }
        self.release(text);
    }

    fn release(&mut self, text: &str) {
        self.beginning = Beginning::Open;
        text.chars().for_each(|letter| self.give_letter(letter));
    }

    /// What was held to the end.
    fn released(&mut self, text: &str) {
        let json = text.trim();
        if json.starts_with('{')
            && let Ok(serde_json::Value::Object(fields)) = serde_json::from_str(json)
        {
            if fields.contains_key("name")
                && (fields.contains_key("parameters") || fields.contains_key("arguments"))
            {
                self.calls = true;
                return;
            }
            let said =
                ["answer", "response", "content", "text"].iter().find_map(|name| fields.get(*name)?.as_str());
            if let Some(said) = said {
                self.release(said.trim_start());
                self.end_line();
                return;
            }
        }
        self.release(text.trim_start());
        self.end_line();
    }

    fn end_line(&mut self) {
        if let Some(line) = self.line.take() {
            self.give(&line);
        }
    }

    fn give_letter(&mut self, letter: char) {
        if self.part == SpeechPart::Over {
            return;
        }
        if letter == '\n' {
            self.end_line();
            self.blank(letter);
            self.line = Some(String::new());
            return;
        }
        let Some(line) = &mut self.line else {
            self.give(letter.encode_utf8(&mut [0; 4]));
            return;
        };
        line.push(letter);
        let lower = line.trim_start().to_lowercase();
        let in_code = self.code.is_fenced();
        if self.given && !in_code && NEXT_TURN.iter().any(|begin| lower.starts_with(begin)) {
            self.line = None;
            self.blanks.clear();
            self.part = SpeechPart::Over;
            return;
        }
        let may_become = NEXT_TURN.iter().any(|begin| begin.starts_with(&lower))
            || (self.fenced && "```".starts_with(&lower));
        if !may_become || line.chars().count() > MOST_BLANKS {
            let line = self.line.take().unwrap_or_default();
            self.give(&line);
        }
    }

    /// Lets a text without line breaks go; white space waits for what follows it.
    fn give(&mut self, text: &str) {
        if self.fenced && text.trim() == "```" {
            self.fenced = false;
            return;
        }
        for letter in text.chars() {
            if letter.is_whitespace() {
                self.blank(letter);
            } else {
                if self.given {
                    self.out.text.push_str(&self.blanks);
                }
                self.blanks.clear();
                self.out.text.push(letter);
                self.given = true;
            }
        }
    }

    fn blank(&mut self, letter: char) {
        if self.blanks.chars().count() < MOST_BLANKS {
            self.blanks.push(letter);
        }
    }
}

/// How many bytes at the end may be the beginning of one of `ends`.
fn tail(text: &str, ends: &[&str]) -> usize {
    let lower = text.to_ascii_lowercase();
    text.char_indices()
        .rev()
        .take(marks::LONGEST)
        .map(|(at, _)| at)
        .filter(|at| {
            let end = lower.get(*at..).unwrap_or("");
            ends.iter().any(|whole| whole.to_ascii_lowercase().starts_with(end))
        })
        .last()
        .map_or(0, |at| text.len().saturating_sub(at))
}

/// As much of a text as a channel's name and the mark behind it may have.
fn near(text: &str) -> &str {
    text.get(..text.floor_char_boundary(marks::LONGEST.saturating_mul(2))).unwrap_or(text)
}

#[cfg(test)]
mod tests;
