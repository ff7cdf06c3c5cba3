//! A visitor's question: what it asks for, and of what it was asked before it goes on.

mod forms;
pub mod reading;
mod talk;
mod wants;

pub(crate) use forms::{is_bound, told_apart};
pub use talk::{Talk, talk};
pub use wants::Wants;

use forms::{after_a_person, forms, is_verb, known};
use wants::wants;

use crate::lexicon::{self, Meaning, term_of};
use crate::text::{Language, QueryTerm, Term, detect, is_stop_word, query_terms, words};

/// A word of a question.
#[derive(Debug, Clone)]
pub struct Asked {
    /// With its own terms; synonyms are in `meaning`.
    pub term: QueryTerm,
    /// Its terms as they are compared with those of a statement.
    pub known: Vec<Term>,
    /// What it stands for.
    pub meaning: Meaning,
    /// Its term as it sounds in Russian, where it is written in Latin letters.
    pub sounded: Term,
    /// How many questions ago it was asked; 0 for the question's own.
    pub age: u8,
    /// The number of its clause, from 0.
    pub clause: usize,
    /// It only says what kind of answer is wanted: "how many days?"
    pub asks: bool,
    /// It is said not to be so: "does not switch on".
    pub negated: bool,
    /// It is a part of a joined word: the books of "e-books".
    pub bound: bool,
    /// It may be made of the first letters of others: "MRI".
    pub acronym: bool,
    /// It says what is done, by its ending or its place.
    pub verb: bool,
}

impl Asked {
    fn new(mut term: QueryTerm, clause: usize) -> Self {
        for form in forms(&term.word) {
            if !term.variants.contains(&form) {
                term.variants.push(form);
            }
        }
        // Hours are when it is open; an hour is a length of time.
        let word =
            if is_in("часы hours", &term.word) { "расписание" } else { term.word.as_str() };
        let meaning = lexicon::meaning(&term_of(word)).cloned().unwrap_or_default();
        let sounded = told_apart(term_of(&reading::sounds(&term.word)), &term.word);
        let known = known(&term);
        let verb = is_verb(&term.word);
        let acronym = (3..=5).contains(&term.word.chars().count()) && !lexicon::is_known(&term.word);
        Self {
            term,
            known,
            meaning,
            sounded,
            age: 0,
            clause,
            asks: false,
            negated: false,
            bound: false,
            acronym,
            verb,
        }
    }
}

/// The parts of a message that may be questions of their own: up to a mark, to an "or", or to an "and" behind which a
/// question begins.
fn clauses(text: &str) -> Vec<&str> {
    const BEGIN: &str = "is are do does can could how what where when which who есть можно сколько где как когда какой какая какие куда";
    let mut found = Vec::new();
    for part in text.split(['.', '!', '?', ';', ',', ':', '\n']) {
        let mut from = 0;
        let mut join: Option<(usize, usize, bool)> = None;
        for word in words(part) {
            if let Some((start, end, _)) = join.take().filter(|join| join.2 || is_in(BEGIN, &word.text)) {
                found.push(part.get(from..start).unwrap_or(""));
                from = end;
            }
            let either = is_in("or или", &word.text);
            join = (either || is_in("and и", &word.text)).then_some((word.start, word.end, either));
        }
        found.push(part.get(from..).unwrap_or(""));
    }
    found
}

/// A question.
#[derive(Debug, Clone)]
pub struct Question {
    /// The text that is searched for: as it was meant, with what is carried over.
    pub text: String,
    /// Its language.
    pub language: Language,
    /// Its words, without those that say nothing.
    pub words: Vec<Asked>,
    /// What an answer has to hold.
    pub wants: Wants,
    /// Codes of goods and the like, as [`codes`] gives them.
    pub codes: Vec<String>,
    /// Its numbers, without what groups their digits.
    pub numbers: Vec<String>,
}

/// Words that say nothing of what is asked, beside the stop words of the index.
const LIGHT: &str = "перед once twice дважды трижды раза вообще теперь вот короче слушайте уважаемые коллеги добрый доброе день утро вечер девушка ребята интересует вопрос \
     нужен нужна нужно делать сделать быть хотеть купить есть имеется продаете давай давайте реально возможно нормально просто вдруг \
     кстати значит лучше прямо скажем пожалуй какой-нибудь что-нибудь сколько столько мой моя хватит надо придется правда точно очень \
     больше меньше значит прошлый предыдущее сообщение забудьте обращайте внимания спасибо штук штука рублей руб стоит будет была \
     please wondering guys help need want somebody someone anyone actually really maybe possible possibly available something anything \
     stuff thing things much many go goes going come comes use used using work works make makes made do does last message previous \
     ignore forget dear sir madam offer provide take buy sell have long far often happens happen mean means time rouble roubles rubles \
     there's ones one two lot bit still already just since ago now today times see till along bring leave left full total home place inside goes there take idea tell ok \
     ограничение ограничения ограничений ограничениях ограничениям restrictions restriction limit limits идет идут поставить оставить \
     можете скоро собой себя нибудь safe gonna wanna soon положено положен положены самый самая самое самые информация информацию подробнее details info information about хотела хотели живем муж мужем мама мне получить сюда отсюда закажу вообще-то ждать домой grab somewhere when's night-time";

/// The most words of an earlier question that are carried over.
const MOST_CARRIED: usize = 12;
/// How many earlier questions are looked at.
pub const LOOK_BACK: usize = 6;

impl Question {
    /// A question as it was meant; `earlier` are the visitor's questions before it, oldest first.
    #[must_use]
    pub fn new(text: &str, earlier: &[&str]) -> Self {
        let mut question = Self::alone(&reading::as_meant(text));
        let from = earlier.len().saturating_sub(LOOK_BACK);
        let before = earlier.get(from..).unwrap_or_default();
        if let Some((last, rest)) = before.split_last()
            && question.needs_subject()
        {
            // What only thanks or greets is no subject.
            let mut rest = rest;
            let mut last = last;
            while talk(last).is_some() {
                let Some((one, others)) = rest.split_last() else { return question };
                (last, rest) = (one, others);
            }
            let subject = Self::new(last, rest);
            question.carry(subject);
        }
        question
    }

    fn alone(text: &str) -> Self {
        let language = detect(text);
        let mut asked: Vec<Asked> = Vec::new();
        for (clause, part) in clauses(text).into_iter().enumerate() {
            for term in query_terms(part, language) {
                if is_light(&term.word)
                    || (term.word.starts_with(|letter: char| letter.is_numeric())
                        && codes(&term.word).is_empty())
                    || asked.iter().any(|other| other.term.variants.first() == term.variants.first())
                {
                    continue;
                }
                asked.push(Asked::new(term, clause));
                if asked.len() >= crate::text::MAX_QUERY_TERMS {
                    break;
                }
            }
        }
        let mut codes = codes(text);
        if codes.is_empty() {
            codes = code_apart(text).into_iter().collect();
        }
        let mut question = Self {
            text: text.to_owned(),
            language,
            words: asked,
            wants: wants(text),
            codes,
            numbers: numbers(text),
        };
        if question.words.is_empty() && is_about_us(text) {
            let word = if language == Language::Russian { "адрес" } else { "address" };
            question.words.extend(query_terms(word, language).into_iter().map(|term| Asked::new(term, 0)));
        }
        let is_open = |word: &Asked| names(word, "расписание") || names(word, "магазин");
        question.wants.hours |= question.words.iter().any(is_open)
            && question.words.iter().all(|word| is_open(word) || crate::quote::is_date(&word.term.word));
        if question.words.len() <= 2 && !question.wants.permission {
            question.wants.mail = question.words.iter().any(|word| names(word, "email"));
            question.wants.phone = question.words.iter().any(|word| names(word, "phone"));
        }
        let bound: Vec<String> =
            words(text).filter(|word| is_bound(text, word)).map(|word| word.text).collect();
        for word in question.words.iter_mut().filter(|word| bound.contains(&word.term.word)) {
            word.bound = true;
        }
        let done = after_a_person(text);
        for word in question.words.iter_mut().filter(|word| done.contains(&word.term.word)) {
            word.verb = true;
        }
        let negated = negated(text);
        for word in question.words.iter_mut().filter(|word| negated.contains(&word.term.word)) {
            word.negated = true;
        }
        let asks: Vec<bool> = question.words.iter().map(|word| question.only_asks(word)).collect();
        if asks.iter().any(|asks| !asks) || question.needs_subject() {
            for (word, asks) in question.words.iter_mut().zip(asks) {
                word.asks = asks;
            }
        }
        for code in &question.codes {
            // As the index may hold it: in one piece, or letters and digits apart.
            let split = code.find(|letter: char| letter.is_ascii_digit()).unwrap_or(0);
            let (letters, digits) = code.split_at_checked(split).unwrap_or((code, ""));
            let stem = code.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
            question.text.push_str(&format!(" {code} {stem} {letters} {digits}"));
        }
        question
    }

    /// Whether it says too little to stand alone: it goes on ("and to Kazan?"), points back ("does it …?"), or asks without
    /// naming what ("how much?").
    #[must_use]
    pub fn needs_subject(&self) -> bool {
        let all: Vec<String> = words(&self.text).map(|word| word.text).collect();
        let own = self.words.iter().filter(|word| !self.only_asks(word)).count();
        let joins = self.goes_on();
        let points = all.iter().any(|word| {
            matches!(
                word.as_str(),
                "it" | "its"
                    | "he"
                    | "him"
                    | "his"
                    | "she"
                    | "her"
                    | "they"
                    | "them"
                    | "that"
                    | "those"
                    | "он"
                    | "она"
                    | "оно"
                    | "они"
                    | "его"
                    | "ее"
                    | "их"
                    | "нее"
                    | "него"
                    | "ней"
                    | "ним"
                    | "этот"
                    | "эта"
                    | "это"
                    | "туда"
                    | "там"
            )
        });
        ((joins || points) && own <= 2) || own == 0
    }

    /// "And to Kazan?"
    fn goes_on(&self) -> bool {
        let mut all = words(&self.text).map(|word| word.text);
        let first = all.next().unwrap_or_default();
        let second = all.next().unwrap_or_default();
        matches!(first.as_str(), "а" | "и" | "and" | "или" | "or" | "so" | "тогда")
            || (first == "ok" && second == "and")
            || (matches!(first.as_str(), "what" | "how") && second == "about")
    }

    /// Whether a word only says what kind of answer is wanted.
    fn only_asks(&self, word: &Asked) -> bool {
        self.codes.is_empty()
            && (self.wants.price && names(word, "цена")
                || self.wants.duration && (names(word, "день") || names(word, "срок") || names(word, "год"))
                || (self.wants.price && names(word, "оплата"))
                || (self.wants.cheapest && names(word, "дешевый"))
                || (self.wants.dearest
                    && is_in("expensive dearest priciest дорогой дорогая", &word.term.word))
                || names(word, "правила")
                || names(word, "инструкция")
                || is_in("почему зачем чем куда где when why where почему", &word.term.word))
    }

    fn carry(&mut self, subject: Self) {
        let own = self.words.len();
        let goes_on = self.goes_on() || self.words.iter().all(|word| word.asks);
        for mut word in subject.words.into_iter().take(MOST_CARRIED) {
            let known = self.words.iter().any(|own| own.term.variants.first() == word.term.variants.first());
            let replaced = self.words.iter().take(own).any(|own| own.meaning.is_beside(&word.meaning));
            if known || replaced {
                continue;
            }
            self.text.push(' ');
            self.text.push_str(&word.term.word);
            word.age = word.age.saturating_add(1);
            self.words.push(word);
        }
        if self.codes.is_empty() {
            self.codes = subject.codes;
        }
        let wants = &mut self.wants;
        let asks = wants.price || wants.time || wants.duration || wants.number || wants.place || wants.way;
        if goes_on && !asks {
            *wants = Wants { negative: wants.negative, general: wants.general, ..subject.wants };
        }
        if self.language == Language::Other {
            self.language = subject.language;
        }
    }

    /// Puts what was meant in the place of words that are misspelt.
    pub fn correct(&mut self, corrected: &[(String, Term)]) {
        for (word, term) in corrected {
            for asked in self.words.iter_mut().filter(|asked| asked.term.word == *word) {
                asked.term.variants = vec![term.clone()];
                asked.known = vec![term.clone()];
                asked.meaning = lexicon::meaning(term).cloned().unwrap_or_default();
                self.text.push(' ');
                self.text.push_str(&term.stem);
            }
        }
    }

    /// The words to search for, each with other words for the same thing.
    #[must_use]
    pub fn search_terms(&self) -> Vec<QueryTerm> {
        let own = self.words.iter().map(|asked| asked.term.clone());
        let codes = query_terms(&self.text, self.language).into_iter().filter(|term| {
            term.word.contains(|letter: char| letter.is_numeric())
                || self.codes.iter().any(|code| code.starts_with(&term.word))
        });
        let mut terms: Vec<QueryTerm> = own.collect();
        for term in codes {
            if !terms.iter().any(|other| other.word == term.word) {
                terms.push(term);
            }
        }
        for term in &mut terms {
            // A brand in the letters of the other script.
            let sounded = term_of(&reading::sounds(&term.word));
            if !term.variants.contains(&sounded) {
                term.variants.push(sounded);
            }
        }
        lexicon::widened(terms)
    }
}

/// Whether a word names what another one of the lexicon names.
#[must_use]
pub fn names(word: &Asked, what: &str) -> bool {
    lexicon::concept(what).is_some_and(|concept| word.meaning.names.contains(&concept))
}

/// "Where are you?"
fn is_about_us(text: &str) -> bool {
    let all: Vec<String> = words(text).map(|word| word.text).collect();
    let has = |list: &str| all.iter().any(|word| is_in(list, word));
    has("where где куда") && has("you your вы вас вам")
}

fn is_in(list: &str, word: &str) -> bool {
    list.split_whitespace().any(|known| known == word)
}

fn is_light(word: &str) -> bool {
    is_in(LIGHT, word) || is_stop_word(word)
}

/// The words that stand behind a "not", with nothing but empty words between.
fn negated(text: &str) -> Vec<String> {
    let all: Vec<String> = words(text).map(|word| word.text).collect();
    let mut found = Vec::new();
    for (at, word) in all.iter().enumerate() {
        if is_in("не not cannot can't cant don't dont doesn't doesnt didn't didnt won't wont never", word) {
            let behind = all.iter().skip(at.saturating_add(1)).take(3);
            found.extend(behind.filter(|word| !is_light(word)).take(1).cloned());
        }
    }
    found
}

/// The codes in a text: letters and digits in one piece or joined by a hyphen or a space, in Latin capitals without what joins
/// them. `К-17`, `k17` and `K 17` are one; so are `TE05` and `TE-05`.
#[must_use]
pub fn codes(text: &str) -> Vec<String> {
    const LONGEST: usize = 12;
    let mut found: Vec<String> = Vec::new();
    let mut pieces: Vec<String> = Vec::new();
    let flush = |pieces: &mut Vec<String>, found: &mut Vec<String>| {
        let code = pieces.concat();
        let letters = code.chars().filter(char::is_ascii_alphabetic).count();
        let digits = code.chars().filter(char::is_ascii_digit).count();
        if (1..=4).contains(&letters)
            && digits > 0
            && code.len() <= LONGEST
            && code.is_ascii()
            && !found.contains(&code)
        {
            found.push(code);
        }
        pieces.clear();
    };
    for token in text.split(|letter: char| letter.is_whitespace() || ",;:()«»\"?!|/".contains(letter)) {
        let folded: String =
            token.trim_matches('.').chars().flat_map(char::to_uppercase).map(latin).collect();
        let parts: Vec<&str> = folded.split(['-', '‑', '–']).collect();
        let fits =
            |part: &&str| !part.is_empty() && part.chars().all(|letter| letter.is_ascii_alphanumeric());
        if !parts.iter().all(fits) || folded.len() > LONGEST {
            flush(&mut pieces, &mut found);
            continue;
        }
        let short = folded.chars().filter(char::is_ascii_alphabetic).count() <= 3;
        let digits = folded.chars().any(|letter| letter.is_ascii_digit());
        let all_digits = folded.chars().all(|letter| letter.is_ascii_digit());
        // "TE 05", "K17 B": what is written apart. A lone word or number is none.
        let upper = token.chars().all(|letter| !letter.is_lowercase());
        if pieces.is_empty() {
            if short && !all_digits && (digits || upper) {
                pieces.push(parts.concat());
            }
            continue;
        }
        let joined = pieces.concat();
        let has_digits = joined.chars().any(|letter| letter.is_ascii_digit());
        if (!has_digits && all_digits && folded.len() <= 4)
            || (has_digits && upper && folded.len() == 1 && !all_digits)
        {
            pieces.push(parts.concat());
        } else {
            flush(&mut pieces, &mut found);
            if short && !all_digits && (digits || upper) {
                pieces.push(parts.concat());
            }
        }
    }
    flush(&mut pieces, &mut found);
    let ordinal = |code: &str| {
        ["ST", "ND", "RD", "TH"].iter().any(|end| {
            code.strip_suffix(end).is_some_and(|rest| rest.chars().all(|letter| letter.is_ascii_digit()))
        })
    };
    found.retain(|code| !ordinal(code) && code.chars().any(|letter| letter.is_ascii_alphabetic()));
    found
}

/// A code that is typed in small letters with a blank, as all of a message or behind what is asked of it: "к 17", "price of c 25".
/// In the middle of a sentence these are words.
fn code_apart(text: &str) -> Option<String> {
    let wants = wants(text);
    let tokens: Vec<&str> = text.trim_end_matches(['?', '.', '!', ' ']).split_whitespace().collect();
    let [before @ .., letters, digits] = tokens.as_slice() else { return None };
    let fits = letters.chars().count() <= 2
        && letters.chars().all(char::is_alphabetic)
        && (1..=4).contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && (before.is_empty() || (wants.price && !wants.duration));
    fits.then(|| codes(&format!("{letters}{digits}"))).and_then(|codes| codes.into_iter().next())
}

/// The numbers in a text, without spaces, commas and points that group their digits: `5 000` and `5,000` are `5000`.
#[must_use]
pub fn numbers(text: &str) -> Vec<String> {
    const MOST: usize = 40;
    let mut found: Vec<String> = Vec::new();
    let mut current = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter.is_ascii_digit() {
            current.push(letter);
        } else if !current.is_empty() {
            let groups = matches!(letter, ' ' | ',' | '\u{a0}' | '\u{202f}') && current.len() <= 3;
            let three = letters.clone().take(3).filter(char::is_ascii_digit).count() == 3
                && letters.clone().nth(3).is_none_or(|after| !after.is_ascii_digit());
            if !(groups && three) {
                found.push(std::mem::take(&mut current));
            }
        }
        if found.len() >= MOST {
            return found;
        }
    }
    if !current.is_empty() {
        found.push(current);
    }
    found
}

/// Cyrillic capitals that are typed for Latin ones in a code.
const fn latin(letter: char) -> char {
    match letter {
        'А' => 'A',
        'В' | 'Б' => 'B',
        'С' => 'C',
        'Д' => 'D',
        'Е' => 'E',
        'Н' => 'H',
        'К' => 'K',
        'Л' => 'L',
        'М' => 'M',
        'О' => 'O',
        'Р' => 'P',
        'Т' => 'T',
        'У' => 'Y',
        'Х' => 'X',
        other => other,
    }
}

#[cfg(test)]
mod tests;
