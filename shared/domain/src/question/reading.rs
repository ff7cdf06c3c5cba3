//! How a visitor's text is to be read: in the layout that was meant, in the letters that were meant, and with the words that
//! people misspell on purpose as they are in a dictionary.

use crate::lexicon::{is_known, known_terms, known_words};
use crate::text::{Script, Term, words};

/// Texts longer than this are read as they are, in characters.
const LONGEST: usize = 300;

/// What the keys of a Russian keyboard give on an English one, in the same order.
const CYRILLIC_KEYS: &str = "йцукенгшщзхъфывапролджэячсмитьбюё";
const LATIN_KEYS: &str = "qwertyuiop[]asdfghjkl;'zxcvbnm,.`";

/// Spoken forms, as they are written in chats.
const SPOKEN: &[(&str, &str)] = &[
    ("скока", "сколько"),
    ("скоко", "сколько"),
    ("сколко", "сколько"),
    ("скок", "сколько"),
    ("сколька", "сколько"),
    ("чё", "что"),
    ("че", "что"),
    ("чо", "что"),
    ("шо", "что"),
    ("щас", "сейчас"),
    ("ваще", "вообще"),
    ("када", "когда"),
    ("тока", "только"),
    ("чтоль", "ли"),
    ("пжлст", "пожалуйста"),
    ("пж", "пожалуйста"),
    ("пожалуста", "пожалуйста"),
    ("пожалста", "пожалуйста"),
    ("плиз", "пожалуйста"),
    ("wat", "what"),
    ("wht", "what"),
    ("ur", "your"),
    ("u", "you"),
    ("r", "are"),
    ("pls", "please"),
    ("plz", "please"),
    ("wen", "when"),
    ("tel", "phone"),
    ("teh", "the"),
    ("b&w", "black and white"),
];

/// The text as it was meant.
#[must_use]
pub fn as_meant(text: &str) -> String {
    if text.chars().nth(LONGEST).is_some() {
        return text.to_owned();
    }
    let spoken = in_dictionary_form(text);
    // A letter or two are a code, and no word in another layout.
    if !text.split(|letter: char| !letter.is_alphabetic()).any(|word| word.chars().nth(2).is_some()) {
        return spoken;
    }
    let mut best = (known_words(&spoken), spoken);
    for other in [to_cyrillic_keys(text), to_latin_keys(text), from_translit(text)].into_iter().flatten() {
        let other = in_dictionary_form(&other);
        let known = known_words(&other);
        // Half of it has to make sense, and more than as it stands.
        let count = words(&other).count();
        if known > best.0 && known.saturating_mul(2) >= count {
            best = (known, other);
        }
    }
    best.1
}

fn in_dictionary_form(text: &str) -> String {
    let spoken = |word: &str| {
        let bare = word.trim_matches(|letter: char| !letter.is_alphanumeric());
        let found = SPOKEN.iter().find(|(form, _)| bare.to_lowercase() == *form);
        let meant = found.map(|(_, meant)| *meant).or_else(|| misspelt_small(bare));
        meant.map_or_else(|| word.to_owned(), |meant| word.replacen(bare, meant, 1))
    };
    if text.split_whitespace().all(|word| spoken(word) == word) {
        return text.to_owned();
    }
    text.split_whitespace().map(spoken).collect::<Vec<_>>().join(" ")
}

/// The word that asks which was meant by one that is a letter away from it: "mcuh". Other words are compared with those of the
/// documents; these say what is asked, and stand in none.
fn misspelt_small(word: &str) -> Option<&'static str> {
    const SMALL: &[&str] = &[
        "much",
        "many",
        "what",
        "when",
        "where",
        "which",
        "have",
        "сколько",
        "когда",
        "почему",
        "можно",
        "какой",
        "какая",
    ];
    let word = word.to_lowercase();
    let length = word.chars().count();
    if !(3..=8).contains(&length) || SMALL.contains(&word.as_str()) || is_known(&word) {
        return None;
    }
    SMALL.iter().copied().find(|small| {
        let longer = length > small.chars().count();
        let sorted = |text: &str| {
            let mut letters: Vec<char> = text.chars().collect();
            letters.sort_unstable();
            letters
        };
        let alike = longer || sorted(small) == sorted(&word) || small.starts_with(&word);
        alike && small.chars().next() == word.chars().next() && strsim::osa_distance(small, &word) == 1
    })
}

fn all_letters_are(text: &str, script: Script) -> bool {
    let mut letters = text.chars().filter(|letter| letter.is_alphabetic()).peekable();
    letters.peek().is_some() && letters.all(|letter| Script::of(letter) == script)
}

fn keys(text: &str, from: &str, to: &str) -> String {
    let lower = text.to_lowercase();
    let swap = |letter: char| {
        let key = from.chars().position(|key| key == letter);
        key.and_then(|key| to.chars().nth(key)).unwrap_or(letter)
    };
    lower.chars().map(swap).collect()
}

fn to_cyrillic_keys(text: &str) -> Option<String> {
    all_letters_are(text, Script::Latin).then(|| keys(text, LATIN_KEYS, CYRILLIC_KEYS))
}

fn to_latin_keys(text: &str) -> Option<String> {
    all_letters_are(text, Script::Cyrillic).then(|| keys(text, CYRILLIC_KEYS, LATIN_KEYS))
}

/// Russian sounds in Latin letters, longer ones first.
const TRANSLIT: &[(&str, &str)] = &[
    ("shch", "щ"),
    ("sch", "щ"),
    ("yo", "ё"),
    ("jo", "ё"),
    ("zh", "ж"),
    ("kh", "х"),
    ("ts", "ц"),
    ("ch", "ч"),
    ("sh", "ш"),
    ("yu", "ю"),
    ("ju", "ю"),
    ("ya", "я"),
    ("ja", "я"),
    ("a", "а"),
    ("b", "б"),
    ("v", "в"),
    ("w", "в"),
    ("g", "г"),
    ("d", "д"),
    ("e", "е"),
    ("z", "з"),
    ("i", "и"),
    ("j", "й"),
    ("k", "к"),
    ("l", "л"),
    ("m", "м"),
    ("n", "н"),
    ("o", "о"),
    ("p", "п"),
    ("r", "р"),
    ("s", "с"),
    ("t", "т"),
    ("u", "у"),
    ("f", "ф"),
    ("h", "х"),
    ("c", "ц"),
    ("y", "ы"),
    ("'", "ь"),
    ("x", "кс"),
    ("q", "к"),
];

/// A word in Latin letters as it sounds in Russian.
#[must_use]
pub fn sounds(word: &str) -> String {
    let lower = word.to_lowercase();
    let mut rest = lower.as_str();
    let mut sounded = String::new();
    while let Some(first) = rest.chars().next() {
        match TRANSLIT.iter().find(|(latin, _)| rest.starts_with(latin)) {
            Some((latin, cyrillic)) => {
                sounded.push_str(cyrillic);
                rest = rest.get(latin.len()..).unwrap_or("");
            }
            None => {
                sounded.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or("");
            }
        }
    }
    sounded
}

fn from_translit(text: &str) -> Option<String> {
    all_letters_are(text, Script::Latin).then(|| sounds(text))
}

/// The known term that is nearest to a misspelt one, of a front desk's words and of `others`; `None` when none is near or the
/// term is too short to tell.
#[must_use]
pub fn nearest<'a>(term: &Term, others: impl Iterator<Item = &'a Term>) -> Option<Term> {
    let own = known_terms().map(|term| (term, 1_usize));
    nearest_among(term, others.map(|term| (term, 0)).chain(own))
}

/// The same, of `others` alone.
#[must_use]
pub fn nearest_of<'a>(term: &Term, others: impl Iterator<Item = &'a Term>) -> Option<Term> {
    nearest_among(term, others.map(|term| (term, 0)))
}

/// Whether a term is long enough to tell what it was meant to be.
#[must_use]
pub fn may_be_misspelt(term: &Term) -> bool {
    most_changes(term).is_some()
}

/// Whether two words of one length differ in one consonant for another that neither sounds like it nor stands beside it on a
/// keyboard. That is seldom a slip: "залипает" is not "закипает".
fn is_another_letter(one: &str, two: &str) -> bool {
    const ALIKE: &[&str] = &[
        "бп", "вф", "гк", "дт", "жш", "зс", "шщ", "чщ", "цс", "мн", "bp", "vf", "gk", "dt", "zs", "ck", "cs",
        "qk", "mn", "vw",
    ];
    const ROWS: &[&str] = &["йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю", "qwertyuiop", "asdfghjkl", "zxcvbnm"];
    let mut differ = one.chars().zip(two.chars()).filter(|(one, two)| one != two);
    let (Some((one_letter, two_letter)), None) = (differ.next(), differ.next()) else { return false };
    if one.chars().count() != two.chars().count() {
        return false;
    }
    let consonant = |letter: char| !skeleton(&letter.to_string()).is_empty();
    let alike = ALIKE.iter().any(|pair| pair.contains(one_letter) && pair.contains(two_letter));
    let beside = ROWS.iter().any(|row| {
        let at = |letter: char| row.chars().position(|key| key == letter);
        at(one_letter).zip(at(two_letter)).is_some_and(|(one, two)| one.abs_diff(two) == 1)
    });
    consonant(one_letter) && consonant(two_letter) && !alike && !beside
}

/// What of a short word is seldom misspelt: its consonants, doubled ones once. "Gren" is green, and "rent" no cent.
fn skeleton(stem: &str) -> String {
    let mut kept = String::new();
    for letter in stem.chars().filter(|letter| !"aeiouyаеёиоуыэюяьъй".contains(*letter)) {
        if !kept.ends_with(letter) {
            kept.push(letter);
        }
    }
    kept
}

/// In how many letters a term may differ from what was meant.
fn most_changes(term: &Term) -> Option<usize> {
    match term.stem.chars().count() {
        0..=3 => None,
        4..=7 => Some(1),
        _ => Some(2),
    }
}

fn nearest_among<'a>(term: &Term, others: impl Iterator<Item = (&'a Term, usize)>) -> Option<Term> {
    let most = most_changes(term)?;
    let length = term.stem.chars().count();
    others
        .filter(|(other, _)| other.language == term.language && other.stem != term.stem)
        .filter_map(|(other, rank)| {
            if length.abs_diff(other.stem.chars().count()) > most {
                return None;
            }
            let far = strsim::osa_distance(&term.stem, &other.stem);
            // Short words differ by a letter and are others: the first letter is seldom the wrong one.
            let first = |stem: &str| stem.chars().next();
            let vowel =
                |stem: &str| first(stem).is_some_and(|letter| skeleton(&letter.to_string()).is_empty());
            let same_first =
                first(&other.stem) == first(&term.stem) || (vowel(&other.stem) && vowel(&term.stem));
            if is_another_letter(&term.stem, &other.stem) {
                return None;
            }
            let like = length > 4 || skeleton(&term.stem) == skeleton(&other.stem);
            (far <= most && like && (same_first || length > 5))
                .then_some(((far, !same_first, rank, other.stem.as_str()), other))
        })
        .min_by(|one, two| one.0.cmp(&two.0))
        .map(|(_, other)| other.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexicon::term_of;

    #[test]
    fn a_wrong_layout_and_latin_letters_are_read_as_meant() {
        assert_eq!(as_meant("ljcnfdrf gj vjcrdt"), "доставка по москве");
        assert_eq!(as_meant("skolko stoit dostavka"), "сколько стоит доставка");
        assert_eq!(as_meant("руддщ"), "hello");
        assert_eq!(as_meant("How much is delivery?"), "How much is delivery?");
        assert_eq!(as_meant("Сколько стоит Sencha"), "Сколько стоит Sencha");
        assert_eq!(as_meant("скока стоит"), "сколько стоит");
    }

    #[test]
    fn a_misspelt_word_is_near_to_what_was_meant_and_another_word_is_not() {
        let near = |word: &str| nearest(&term_of(word), std::iter::empty()).map(|term| term.stem);
        assert_eq!(near("даставка").as_deref(), Some("доставк"));
        assert_eq!(near("waranty").as_deref(), Some("warranti"));
        assert_eq!(near("пианино"), None);
        assert_eq!(near("dog"), None);
    }

    #[test]
    fn a_slip_of_the_keys_or_the_ear_is_undone_and_another_consonant_is_another_word() {
        let near = |word: &str, known: &str| nearest_of(&term_of(word), [term_of(known)].iter()).is_some();
        for (word, known) in
            [("gren", "green"), ("vidoe", "video"), ("библеотеки", "библиотеки"), ("аператор", "оператор")]
        {
            assert!(near(word, known), "{word}");
        }
        for (word, known) in [("залипает", "закипает"), ("rent", "cent"), ("кость", "гость")]
        {
            assert!(!near(word, known), "{word}");
        }
        assert_eq!(as_meant("how mutch is it"), "how much is it");
        assert_eq!(as_meant("how mcuh is it"), "how much is it");
        assert_eq!(as_meant("a watch for him"), "a watch for him");
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,80}") {
            let _ = as_meant(&text);
            let _ = nearest(&term_of(&text), std::iter::empty());
        }
    }
}
