//! The filter between a model's words and the visitor.

mod proof;
mod reference;
#[cfg(test)]
mod tests;

pub(super) use proof::missing as missing_numbers;

use std::collections::BTreeSet;
use std::rc::Rc;

use super::{Source, code};
use proof::Proof;
use reference::ReferenceFront;

/// The longest link text and the longest address that are read as one, in bytes. Beyond, a `[` is just a bracket.
const MAX_LABEL: usize = 300;
const MAX_ADDRESS: usize = 2000;
/// How much of what was shown is kept, in characters: the statement that a reference stands behind.
const MAX_STATEMENT: usize = 600;
/// How many references that follow each other are read together.
const MAX_TOGETHER: usize = 20;
/// Headings of a list of sources at the end of an answer, which the citations are already.
const SOURCES: &[&str] = &[
    "sources",
    "source",
    "references",
    "citations",
    "источники",
    "источник",
    "ссылки",
    "список источников",
    "quellen",
    "fuentes",
];

/// Removes from an answer, while it is streamed, references to passages that were not offered or that do not have what is
/// said, and links that are in none of those offered. What it let through is never taken back, so what was streamed is the
/// final text.
///
/// Every usual shape of a reference becomes `[n]`. It holds back only what may still become a reference or a link (`[12`,
/// `https://sho`) and spaces before it; however the text is cut into pieces, the result is the same.
///
/// The widget makes a link of `[label](target)`, of `http://…` and of `https://…`, and of nothing else: so a target goes,
/// whatever stands before it, unless it is known, and no address is left that is not.
#[derive(Debug, Clone)]
pub struct CitationFilter {
    known: Rc<KnownSources>,
    /// What was not decided on yet.
    pending: String,
    /// The last character before `pending`.
    before: Option<char>,
    /// Nothing but white space stands before `pending` in its line.
    line_begins: bool,
    /// The mark that ends the code that `pending` is in, and whether it may be lines away.
    code: Option<(String, bool)>,
    /// The list of sources has begun.
    in_sources: bool,
    /// The last of what was shown.
    statement: String,
    spaces: Spaces,
}

/// What the passages have.
#[derive(Debug)]
struct KnownSources {
    proofs: Vec<Proof>,
    addresses: BTreeSet<String>,
    text: String,
}

/// What the front of the pending text is.
enum FilterStep {
    /// It cannot be told without more text.
    Wait,
    /// So many bytes become this text.
    Replace(usize, String),
    /// So many bytes are gone.
    Remove(usize),
}

/// The last [`MAX_STATEMENT`] characters of a text.
fn last_of(text: &str) -> &str {
    let from = text.char_indices().rev().nth(MAX_STATEMENT.saturating_sub(1)).map_or(0, |(at, _)| at);
    text.get(from..).unwrap_or(text)
}

impl CitationFilter {
    /// For an answer from these passages.
    #[must_use]
    pub fn new(sources: &[Source<'_>]) -> Self {
        let mut addresses = BTreeSet::new();
        let mut text = String::new();
        for source in sources {
            addresses.extend(source.url.map(canonical));
            addresses.extend(addresses_in(source.text));
            text.push_str(source.text);
            text.push('\n');
        }
        Self::over(Rc::new(KnownSources { proofs: sources.iter().map(Proof::of).collect(), addresses, text }))
    }

    fn over(known: Rc<KnownSources>) -> Self {
        Self {
            known,
            pending: String::new(),
            before: None,
            line_begins: true,
            code: None,
            in_sources: false,
            statement: String::new(),
            spaces: Spaces::default(),
        }
    }

    /// Takes a piece of the answer; gives what can be shown.
    pub fn push(&mut self, piece: &str) -> String {
        self.pending.push_str(piece);
        self.run(false)
    }

    /// Ends the answer; gives the rest.
    pub fn finish(&mut self) -> String {
        let mut shown = self.run(true);
        self.spaces.end(&mut shown);
        shown
    }

    fn run(&mut self, ended: bool) -> String {
        let pending = std::mem::take(&mut self.pending);
        let mut rest = pending.as_str();
        let mut shown = String::new();
        while let Some(first) = rest.chars().next() {
            let step = match self.step(rest, first, ended) {
                FilterStep::Wait if ended => FilterStep::Replace(first.len_utf8(), first.to_string()),
                step => step,
            };
            let used = match step {
                FilterStep::Wait => break,
                FilterStep::Replace(used, text) => {
                    text.chars().for_each(|letter| self.spaces.push(letter, &mut shown));
                    self.remember(&text);
                    used
                }
                FilterStep::Remove(used) => {
                    self.spaces.gap();
                    used
                }
            };
            let (done, left) = rest.split_at_checked(used.max(1)).unwrap_or((rest, ""));
            self.before = done.chars().last();
            for letter in done.chars() {
                self.line_begins = letter == '\n' || (self.line_begins && letter.is_whitespace());
            }
            rest = left;
        }
        rest.clone_into(&mut self.pending);
        shown
    }

    /// Keeps the last of what was shown.
    fn remember(&mut self, shown: &str) {
        self.statement.push_str(shown);
        if self.statement.len() > MAX_STATEMENT.saturating_mul(16) {
            self.statement = last_of(&self.statement).to_owned();
        }
    }

    fn step(&mut self, rest: &str, first: char, ended: bool) -> FilterStep {
        let as_it_is = FilterStep::Replace(first.len_utf8(), first.to_string());
        if let Some((mark, lines)) = &self.code {
            if let Some(after) = rest.strip_prefix(mark.as_str()) {
                if after.is_empty() && !ended {
                    return FilterStep::Wait;
                }
                let (mark, _) = std::mem::take(&mut self.code).unwrap_or_default();
                return FilterStep::Replace(mark.len(), mark);
            }
            // Code in a line ends with it; in code, too, an address is made a link by nobody, but read by people.
            if mark.starts_with(rest) && !ended {
                return FilterStep::Wait;
            }
            if first == '\n' && !lines {
                self.code = None;
            }
            // What is code here may be none for the widget, in a table say.
            return match first {
                'h' | 'H' => self.address(rest, ended),
                ']' => self.target(rest, ended),
                _ => as_it_is,
            };
        }
        if self.line_begins && !first.is_whitespace() {
            match self.line(rest, ended) {
                Some(step) => return step,
                None => self.in_sources = false,
            }
        }
        match first {
            '`' => {
                let ticks = rest.bytes().take_while(|byte| *byte == b'`').count();
                if ticks == rest.len() && !ended {
                    return FilterStep::Wait;
                }
                let mark = "`".repeat(ticks.min(code::MAX_TICKS));
                let fence = ticks >= 3 && self.line_begins;
                // Code in a line ends in it, soon; what does not is held to the rules of any text.
                let inside: String = rest
                    .chars()
                    .skip(ticks)
                    .take(code::MAX_INLINE)
                    .take_while(|letter| *letter != '\n')
                    .collect();
                let is_cut = rest.len() == ticks.saturating_add(inside.len())
                    && inside.chars().count() < code::MAX_INLINE;
                if fence || inside.contains(&mark) {
                    self.code = Some((mark, fence));
                } else if is_cut && !ended {
                    return FilterStep::Wait;
                }
                FilterStep::Replace(ticks, rest.get(..ticks).unwrap_or("").to_owned())
            }
            '[' | '【' | '［' | '\\' | '(' | '（' | '<' | '⁰'..='⁹' | '¹' | '²' | '³' => {
                self.mark(rest, first, ended)
            }
            ']' => self.target(rest, ended),
            '!' => match rest.as_bytes().get(1) {
                None if !ended => FilterStep::Wait,
                Some(b'[') => match self.bracket(rest.get(1..).unwrap_or(""), ended) {
                    // An image that no passage has is only its description.
                    FilterStep::Replace(used, text) if !text.starts_with('[') => {
                        FilterStep::Replace(used.saturating_add(1), text)
                    }
                    FilterStep::Wait if !ended => FilterStep::Wait,
                    _ => FilterStep::Replace(1, "!".to_owned()),
                },
                _ => as_it_is,
            },
            'h' | 'H' => self.address(rest, ended),
            'w' | 'W' if !self.before.is_some_and(char::is_alphanumeric) => self.address(rest, ended),
            ':' if !ended && "://".starts_with(rest) => FilterStep::Wait,
            // What is left of an address of another kind.
            ':' if rest.starts_with("://") => {
                let length = rest.find(ends_address).unwrap_or(rest.len());
                if length == rest.len() && !ended && length <= MAX_ADDRESS {
                    return FilterStep::Wait;
                }
                let address = rest.get(..length).unwrap_or("").trim_end_matches(AROUND);
                if self.known.text.contains(address) {
                    FilterStep::Replace(address.len(), address.to_owned())
                } else {
                    FilterStep::Remove(address.len().max(3))
                }
            }
            _ => as_it_is,
        }
    }

    /// What is decided at the beginning of a line: a definition of a reference, and the list of sources, are no text.
    fn line(&mut self, rest: &str, ended: bool) -> Option<FilterStep> {
        let end = rest.find('\n');
        let line = rest.get(..end.unwrap_or(rest.len())).unwrap_or("");
        let whole = end.is_some() || ended;
        let gone = |line: &str| FilterStep::Remove(line.len().saturating_add(usize::from(end.is_some())));
        if self.in_sources {
            let item = line.trim_start_matches(['-', '*', '•', ' ']);
            let is_item = item.starts_with(['[', '【', '［', '^', '('])
                || item.starts_with(|letter: char| letter.is_ascii_digit());
            if is_item || (item.is_empty() && !whole) {
                return Some(if whole { gone(line) } else { FilterStep::Wait });
            }
        }
        // `[1]: Title`, `[^1]: Title`
        if line.starts_with('[') && line.len() <= MAX_LABEL.saturating_mul(2) {
            match line.find(']') {
                Some(at) if line.get(at..).is_some_and(|after| after.starts_with("]:")) => {
                    return Some(if whole { gone(line) } else { FilterStep::Wait });
                }
                Some(at) if at.saturating_add(1) == line.len() && !whole => return Some(FilterStep::Wait),
                Some(_) => {}
                // The bracket itself says how long is waited.
                None => {}
            }
        }
        let name = line.trim_matches(|letter: char| "*_#: ".contains(letter)).to_lowercase();
        let is_heading =
            SOURCES.contains(&name.as_str()) && (line.contains(':') || line.contains(['*', '#']));
        if !whole {
            let may = SOURCES.iter().any(|heading| heading.starts_with(&name)) && line.len() <= 60;
            return may.then_some(FilterStep::Wait);
        }
        if !is_heading {
            return None;
        }
        // Only where items follow.
        let after = rest.get(line.len()..).unwrap_or("").trim_start();
        let next = after.trim_start_matches(['-', '*', '•', ' ']);
        if next.is_empty() && !ended {
            return Some(FilterStep::Wait);
        }
        if next.starts_with(['[', '【', '［', '^'])
            || next.starts_with(|letter: char| letter.is_ascii_digit())
        {
            self.in_sources = true;
            return Some(gone(line));
        }
        None
    }

    /// What may be a reference, a link, or a mark.
    fn mark(&self, rest: &str, first: char, ended: bool) -> FilterStep {
        let as_it_is = || FilterStep::Replace(first.len_utf8(), first.to_string());
        let mut used = 0_usize;
        let mut numbers: Vec<usize> = Vec::new();
        loop {
            let at = rest.get(used..).unwrap_or("");
            let before = if used == 0 { self.before } else { Some(']') };
            // References that follow each other belong to one statement.
            let gap = if used > 0 && at.starts_with(' ') { 1 } else { 0 };
            let next = at.get(gap..).unwrap_or("");
            if used > 0 && next.is_empty() && !ended {
                return FilterStep::Wait;
            }
            if used > 0 && next.starts_with(['(', '（']) {
                break;
            }
            match reference::front(next, before, ended) {
                ReferenceFront::Unknown => return FilterStep::Wait,
                ReferenceFront::None => break,
                ReferenceFront::Numbers(length, found) => {
                    let end = used.saturating_add(gap).saturating_add(length);
                    // `a[0]` is no reference, `[1](…)` is a link.
                    let links = rest.get(end..).unwrap_or("");
                    if links.is_empty() && !ended {
                        return FilterStep::Wait;
                    }
                    let index = used == 0
                        && first == '['
                        && found == [0]
                        && self.before.is_some_and(|letter| {
                            letter.is_ascii_alphanumeric() || matches!(letter, '_' | ')' | ']')
                        });
                    if index {
                        return FilterStep::Replace(length, rest.get(..length).unwrap_or("").to_owned());
                    }
                    let link = if links.starts_with('(')
                        && matches!(first, '[' | '\\')
                        && !is_number_in_parentheses(links)
                    {
                        match target(links, ended) {
                            Target::Unknown => return FilterStep::Wait,
                            Target::None => 0,
                            Target::Found(length, _) => length,
                        }
                    } else {
                        0
                    };
                    used = end.saturating_add(link);
                    numbers.extend(found);
                    if numbers.len() >= MAX_TOGETHER {
                        break;
                    }
                }
            }
        }
        if used > 0 {
            return self.references(
                used,
                &numbers,
                matches!(first, '(' | '（' | '⁰'..='⁹' | '¹' | '²' | '³'),
                rest,
            );
        }
        match first {
            '[' => self.bracket(rest, ended),
            '<' => self.angle(rest, ended),
            // An escaped mark begins no code.
            '\\' if rest.starts_with("\\`") => FilterStep::Replace(2, "\\`".to_owned()),
            _ => as_it_is(),
        }
    }

    /// The references that stand behind what was said last.
    fn references(&self, used: usize, numbers: &[usize], unsure: bool, rest: &str) -> FilterStep {
        let mut known: Vec<usize> = Vec::new();
        for number in numbers {
            if (1..=self.known.proofs.len()).contains(number) && !known.contains(number) {
                known.push(*number);
            }
        }
        // Not every number in parentheses is a reference, and behind a letter or two it is an area, or a power.
        let word = self.statement.chars().rev().take(3).take_while(|letter| letter.is_alphabetic()).count();
        let proofs: Vec<&Proof> =
            known.iter().filter_map(|number| self.known.proofs.get(number.checked_sub(1)?)).collect();
        let is_proven = !known.is_empty() && proof::holds(last_of(&self.statement), &proofs);
        if unsure && (!is_proven || (1..3).contains(&word) && !rest.starts_with(['(', '（'])) {
            return FilterStep::Replace(used, rest.get(..used).unwrap_or("").to_owned());
        }
        if !is_proven {
            return FilterStep::Remove(used);
        }
        FilterStep::Replace(used, known.iter().map(|number| format!("[{number}]")).collect())
    }

    /// `<https://…>` and tags: an address alone is left of the one, nothing of the other.
    fn angle(&self, rest: &str, ended: bool) -> FilterStep {
        let inside = rest.get(1..).unwrap_or("");
        let as_it_is = || FilterStep::Replace(1, "<".to_owned());
        let Some(next) = inside.chars().next() else { return FilterStep::Wait };
        if !next.is_ascii_alphabetic() && next != '/' {
            return as_it_is();
        }
        let Some(end) = inside.find(['>', '<', '\n']) else {
            return if ended || inside.len() > MAX_LABEL { as_it_is() } else { FilterStep::Wait };
        };
        if inside.as_bytes().get(end) != Some(&b'>') {
            return as_it_is();
        }
        let used = end.saturating_add(2);
        let inside = inside.get(..end).unwrap_or("");
        if let Address::Found(length) = address_at(inside, true) {
            let address = inside.get(..length).unwrap_or("");
            return if self.is_known(address) {
                FilterStep::Replace(used, address.to_owned())
            } else {
                FilterStep::Remove(used)
            };
        }
        let name =
            inside.trim_start_matches('/').split([' ', '/', '\t']).next().unwrap_or("").to_ascii_lowercase();
        match name.as_str() {
            "br" => FilterStep::Replace(used, "\n".to_owned()),
            name if TAGS.contains(&name) => FilterStep::Replace(used, String::new()),
            _ => as_it_is(),
        }
    }

    /// `[…` at the front, no reference: a link, or a bracket.
    fn bracket(&self, rest: &str, ended: bool) -> FilterStep {
        let bare = || FilterStep::Replace(1, "[".to_owned());
        let inside = rest.get(1..).unwrap_or("");
        let Some(length) = inside.find([']', '[', '\n']) else {
            return if inside.len() > MAX_LABEL || ended { bare() } else { FilterStep::Wait };
        };
        let label = inside.get(..length).unwrap_or("");
        if length > MAX_LABEL || inside.as_bytes().get(length) != Some(&b']') {
            return bare();
        }
        let after = inside.get(length.saturating_add(1)..).unwrap_or("");
        let used = length.saturating_add(2);
        let (link, target) = match after.chars().next() {
            None if !ended => return FilterStep::Wait,
            Some('(') => match target(after, ended) {
                Target::Unknown => return FilterStep::Wait,
                Target::None => return bare(),
                Target::Found(length, target) => (length, target),
            },
            // `[label][id]`: what the id stands for is gone.
            Some('[') if !label.trim().is_empty() => {
                return match after.find([']', '\n']) {
                    Some(end)
                        if after.as_bytes().get(end) == Some(&b']')
                            && reference::numbers(after.get(1..end).unwrap_or("")).is_none() =>
                    {
                        FilterStep::Replace(used.saturating_add(end).saturating_add(1), self.label(label))
                    }
                    None if !ended && after.len() <= MAX_LABEL => FilterStep::Wait,
                    _ => bare(),
                };
            }
            _ => return bare(),
        };
        let all = used.saturating_add(link);
        if self.is_linkable(&target) {
            // As it was read here: whatever else stood in it is no part of the link.
            return FilterStep::Replace(all, format!("[{}]({target})", self.label(label)));
        }
        let kept = self.label(label);
        if kept.trim().is_empty() { FilterStep::Remove(all) } else { FilterStep::Replace(all, kept) }
    }

    /// The text of a link, which is held to the same rules: what is no link for a reader may be one for another.
    fn label(&self, label: &str) -> String {
        let mut inner = Self { line_begins: false, before: Some(' '), ..Self::over(Rc::clone(&self.known)) };
        let mut shown = inner.push(label);
        shown.push_str(&inner.finish());
        shown
    }

    /// `](…` wherever it stands: the label before it may be longer, or written otherwise, than [`Self::bracket`] reads it.
    fn target(&self, rest: &str, ended: bool) -> FilterStep {
        let after = rest.get(1..).unwrap_or("");
        match after.chars().next() {
            None if !ended => FilterStep::Wait,
            Some('(') => match target(after, ended) {
                Target::Unknown => FilterStep::Wait,
                // Apart they are no link.
                Target::None => FilterStep::Replace(1, "] ".to_owned()),
                Target::Found(length, target) if self.is_linkable(&target) => {
                    FilterStep::Replace(length.saturating_add(1), format!("]({target})"))
                }
                Target::Found(length, _) => FilterStep::Replace(length.saturating_add(1), "]".to_owned()),
            },
            _ => FilterStep::Replace(1, "]".to_owned()),
        }
    }

    /// Whether a target is known, and reads the same wherever it is read.
    fn is_linkable(&self, target: &str) -> bool {
        !target.contains(['(', ')', '<', '>', '"', '\\', '\'']) && self.is_known(target)
    }

    /// A word with `h` or `w` at the front: an address, or a word.
    fn address(&self, rest: &str, ended: bool) -> FilterStep {
        match address_at(rest, ended) {
            Address::Unknown => FilterStep::Wait,
            Address::None => FilterStep::Replace(1, rest.get(..1).unwrap_or("").to_owned()),
            Address::Found(length) => {
                let address = rest.get(..length).unwrap_or("");
                if self.is_known(address) {
                    FilterStep::Replace(length, address.to_owned())
                } else {
                    FilterStep::Remove(length)
                }
            }
        }
    }

    /// Whether an address is in an offered passage.
    fn is_known(&self, target: &str) -> bool {
        let lower = target.to_ascii_lowercase();
        if PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) {
            return self.known.addresses.contains(&canonical(target));
        }
        if lower.starts_with("javascript:") || lower.starts_with("data:") || lower.starts_with("//") {
            return false;
        }
        let bare =
            ["mailto:", "tel:"].into_iter().find_map(|scheme| target.strip_prefix(scheme)).unwrap_or(target);
        !bare.is_empty() && self.known.text.contains(bare)
    }
}

/// How an address in running text begins.
const PREFIXES: [&str; 3] = ["https:", "http:", "www."];
/// Tags that models write for a page; a visitor would see them as text.
const TAGS: &[&str] = &[
    "a", "img", "script", "style", "iframe", "b", "i", "u", "p", "div", "span", "font", "center", "strong",
    "em", "sup", "sub", "h1", "h2", "h3", "h4", "ul", "ol", "li", "table", "tr", "td", "th", "tbody",
    "thead", "form", "input", "button", "link", "meta", "svg", "video", "audio", "source", "object", "embed",
];
/// Punctuation of the sentence around an address.
const AROUND: [char; 13] = ['.', ',', ';', ':', '!', '?', '\'', '*', '_', '…', '’', '‘', '。'];

fn ends_address(letter: char) -> bool {
    letter.is_whitespace() || letter.is_control() || "<>\"`»«”“()[]{}|\\^".contains(letter)
}

/// `(2)` behind a reference is another one.
fn is_number_in_parentheses(text: &str) -> bool {
    text.strip_prefix('(').is_some_and(|inside| {
        let end = inside.trim_start_matches(|letter: char| letter.is_ascii_digit());
        end.len() < inside.len() && end.starts_with(')')
    })
}

enum Address {
    Unknown,
    None,
    Found(usize),
}

/// The address at the front of a text, without the punctuation of the sentence around it.
fn address_at(rest: &str, ended: bool) -> Address {
    let head: String = rest.chars().take(8).collect::<String>().to_ascii_lowercase();
    if !PREFIXES.iter().any(|prefix| head.starts_with(prefix)) {
        let may_become = !ended && PREFIXES.iter().any(|prefix| prefix.starts_with(&head));
        return if may_become && rest.len() < 8 { Address::Unknown } else { Address::None };
    }
    let length = match rest.find(ends_address) {
        Some(length) => length,
        None if !ended && rest.len() <= MAX_ADDRESS => return Address::Unknown,
        None => rest.len(),
    };
    let address = rest.get(..length).unwrap_or("").trim_end_matches(AROUND);
    // "http: the protocol" is no address.
    let bare = PREFIXES.iter().any(|prefix| address.len() <= prefix.len() && !prefix.starts_with('w'));
    if bare { Address::None } else { Address::Found(address.len()) }
}

/// Every address in a passage.
fn addresses_in(text: &str) -> impl Iterator<Item = String> {
    text.match_indices(['h', 'H', 'w', 'W']).filter_map(|(at, _)| {
        let rest = text.get(at..)?;
        match address_at(rest, true) {
            Address::Found(length) => rest.get(..length).map(canonical),
            Address::Unknown | Address::None => None,
        }
    })
}

/// One form for one address: without scheme, `www.`, case of the host, and a slash at the end.
fn canonical(address: &str) -> String {
    let lower = address.to_ascii_lowercase();
    let start = ["https://", "http://", "https:", "http:"]
        .into_iter()
        .find(|scheme| lower.starts_with(scheme))
        .map_or(0, str::len);
    let rest = address.get(start..).unwrap_or("");
    let rest = if lower.get(start..).is_some_and(|rest| rest.starts_with("www.")) {
        rest.get(4..).unwrap_or("")
    } else {
        rest
    };
    let rest = rest.trim_end_matches('/');
    match rest.split_once('/') {
        Some((host, path)) => format!("{}/{path}", host.to_lowercase()),
        None => rest.to_lowercase(),
    }
}

enum Target {
    Unknown,
    None,
    Found(usize, String),
}

/// The target of `(target "title")` at the front, and how long the whole is.
fn target(rest: &str, ended: bool) -> Target {
    let mut depth = 0_u32;
    for (at, letter) in rest.char_indices() {
        if at > MAX_ADDRESS {
            return Target::None;
        }
        match letter {
            '(' => depth = depth.saturating_add(1),
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            let inside = rest.get(1..at).unwrap_or("").trim();
            let target = inside.split_whitespace().next().unwrap_or("");
            return Target::Found(at.saturating_add(1), target.trim_matches(['<', '>']).to_owned());
        }
    }
    if ended { Target::None } else { Target::Unknown }
}

/// Spaces around what was removed: `the policy [9].` becomes `the policy.`.
#[derive(Debug, Clone, Default)]
struct Spaces {
    held: usize,
    after_gap: bool,
}

impl Spaces {
    fn gap(&mut self) {
        self.after_gap = true;
    }

    fn push(&mut self, letter: char, shown: &mut String) {
        if letter == ' ' {
            if !(self.after_gap && self.held > 0) {
                self.held = self.held.saturating_add(1);
            }
            return;
        }
        if !(self.after_gap && ".,;:!?)»\n".contains(letter)) {
            self.release(shown);
        }
        *self = Self::default();
        shown.push(letter);
    }

    fn end(&mut self, shown: &mut String) {
        if !self.after_gap {
            self.release(shown);
        }
        *self = Self::default();
    }

    fn release(&self, shown: &mut String) {
        shown.extend(std::iter::repeat_n(' ', self.held));
    }
}
