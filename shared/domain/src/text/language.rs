//! Which language a text is in, as far as stemming and stop words need it.

use std::fmt;
use std::str::FromStr;

use frostem::{Algorithm, Stemmer};
use serde::{Deserialize, Serialize};

use super::word::MAX_WORD_CHARS;

/// A language that has a Snowball stemmer, or none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Language {
    /// العربية
    Arabic,
    /// Dansk
    Danish,
    /// Nederlands
    Dutch,
    /// English
    English,
    /// Suomi
    Finnish,
    /// Français
    French,
    /// Deutsch
    German,
    /// Ελληνικά
    Greek,
    /// Magyar
    Hungarian,
    /// Italiano
    Italian,
    /// Norsk bokmål
    Norwegian,
    /// Português
    Portuguese,
    /// Română
    Romanian,
    /// Русский, and the language whose stemmer serves every Cyrillic text.
    Russian,
    /// Español
    Spanish,
    /// Svenska
    Swedish,
    /// தமிழ்
    Tamil,
    /// Türkçe
    Turkish,
    /// Anything else: words are indexed as they are written.
    #[default]
    Other,
}

/// A row per language: ISO 639-3, ISO 639-1 (also the mark in index terms), script, stemmer, detector's name. Dutch has
/// the stemmer that the first indexes were made with; Snowball's newer one gives nearly every second word another stem.
type Row = (Language, &'static str, &'static str, Script, Option<Algorithm>, Option<whatlang::Lang>);

use Script::{Arabic, Cyrillic, Greek, Latin, Tamil};

const TABLE: [Row; 19] = [
    (Language::Arabic, "arb", "ar", Arabic, Some(Algorithm::Arabic), Some(whatlang::Lang::Ara)),
    (Language::Danish, "dan", "da", Latin, Some(Algorithm::Danish), Some(whatlang::Lang::Dan)),
    (Language::Dutch, "nld", "nl", Latin, Some(Algorithm::DutchPorter), Some(whatlang::Lang::Nld)),
    (Language::English, "eng", "en", Latin, Some(Algorithm::English), Some(whatlang::Lang::Eng)),
    (Language::Finnish, "fin", "fi", Latin, Some(Algorithm::Finnish), Some(whatlang::Lang::Fin)),
    (Language::French, "fra", "fr", Latin, Some(Algorithm::French), Some(whatlang::Lang::Fra)),
    (Language::German, "deu", "de", Latin, Some(Algorithm::German), Some(whatlang::Lang::Deu)),
    (Language::Greek, "ell", "el", Greek, Some(Algorithm::Greek), Some(whatlang::Lang::Ell)),
    (Language::Hungarian, "hun", "hu", Latin, Some(Algorithm::Hungarian), Some(whatlang::Lang::Hun)),
    (Language::Italian, "ita", "it", Latin, Some(Algorithm::Italian), Some(whatlang::Lang::Ita)),
    (Language::Norwegian, "nob", "no", Latin, Some(Algorithm::Norwegian), Some(whatlang::Lang::Nob)),
    (Language::Portuguese, "por", "pt", Latin, Some(Algorithm::Portuguese), Some(whatlang::Lang::Por)),
    (Language::Romanian, "ron", "ro", Latin, Some(Algorithm::Romanian), Some(whatlang::Lang::Ron)),
    (Language::Russian, "rus", "ru", Cyrillic, Some(Algorithm::Russian), Some(whatlang::Lang::Rus)),
    (Language::Spanish, "spa", "es", Latin, Some(Algorithm::Spanish), Some(whatlang::Lang::Spa)),
    (Language::Swedish, "swe", "sv", Latin, Some(Algorithm::Swedish), Some(whatlang::Lang::Swe)),
    (Language::Tamil, "tam", "ta", Tamil, Some(Algorithm::Tamil), Some(whatlang::Lang::Tam)),
    (Language::Turkish, "tur", "tr", Latin, Some(Algorithm::Turkish), Some(whatlang::Lang::Tur)),
    (Language::Other, "und", "x", Script::Other, None, None),
];

impl Language {
    /// Every language, in the order of the enum.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    fn row(self) -> Option<&'static Row> {
        TABLE.iter().find(|row| row.0 == self)
    }

    /// ISO 639-3, as the database stores it; `und` for [`Language::Other`].
    #[must_use]
    pub fn code(self) -> &'static str {
        self.row().map_or("und", |row| row.1)
    }

    /// ISO 639-1, as locales and index terms have it; `x` for [`Language::Other`].
    #[must_use]
    pub fn tag(self) -> &'static str {
        self.row().map_or("x", |row| row.2)
    }

    /// The script it is written in.
    #[must_use]
    pub fn script(self) -> Script {
        self.row().map_or(Script::Other, |row| row.3)
    }

    /// The language to answer a question in: what [`detect`] says.
    #[must_use]
    pub fn of_question(question: &str) -> Self {
        detect(question)
    }

    /// The Snowball stem of a word that is already in the form of [`super::words`]. What is longer than
    /// [`MAX_WORD_CHARS`] is no word of a language and stays as it is.
    #[must_use]
    pub fn stem(self, word: &str) -> String {
        match self.row().and_then(|row| row.4) {
            Some(algorithm) if word.chars().nth(MAX_WORD_CHARS).is_none() => {
                Stemmer::new(algorithm).stem(word).into_owned()
            }
            _ => word.to_owned(),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// A text that is no ISO 639-3 code of a known language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a known language code")]
pub struct UnknownLanguage;

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(code: &str) -> Result<Self, UnknownLanguage> {
        TABLE.iter().find(|row| row.1 == code).map(|row| row.0).ok_or(UnknownLanguage)
    }
}

impl TryFrom<String> for Language {
    type Error = UnknownLanguage;

    fn try_from(code: String) -> Result<Self, UnknownLanguage> {
        code.parse()
    }
}

impl From<Language> for String {
    fn from(language: Language) -> Self {
        language.code().to_owned()
    }
}

/// A writing system, as far as it decides on a stemmer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Script {
    /// Latin.
    Latin,
    /// Cyrillic.
    Cyrillic,
    /// Greek.
    Greek,
    /// Arabic.
    Arabic,
    /// Tamil.
    Tamil,
    /// Anything else, also digits.
    Other,
}

impl Script {
    /// The script of a letter.
    #[must_use]
    pub fn of(letter: char) -> Self {
        match letter {
            'a'..='z' | 'A'..='Z' | 'ª' | 'º' | 'À'..='ʯ' | 'Ḁ'..='ỿ' if letter.is_alphabetic() => {
                Self::Latin
            }
            'Ѐ'..='ԯ' | 'ᲀ'..='\u{1c8f}' | 'Ꙁ'..='ꚟ' if letter.is_alphabetic() => Self::Cyrillic,
            'Ͱ'..='Ͽ' | 'ἀ'..='῾' if letter.is_alphabetic() => Self::Greek,
            '\u{600}'..='\u{6ff}' | '\u{750}'..='\u{77f}' if letter.is_alphabetic() => Self::Arabic,
            '\u{b80}'..='\u{bff}' => Self::Tamil,
            _ => Self::Other,
        }
    }

    /// The script of most letters of a word; the earlier one in a tie.
    #[must_use]
    pub fn of_word(word: &str) -> Self {
        let first = word.chars().find(|letter| letter.is_alphabetic());
        first.map_or(Self::Other, Self::of)
    }
}

/// Below this many letters a guess among languages of one script is worth nothing: the script alone decides.
const ENOUGH_LETTERS: usize = 40;

/// As much text as the detector needs; more only takes time. In characters.
const SAMPLE_CHARS: usize = 4000;

/// A guess below this confidence (0 to 1) is not taken. Lower than whatlang's own 0.9, which close relatives such as
/// Spanish and Portuguese reach only on long texts; a wrong guess among Latin languages costs a stem, not a document.
const SURE_ENOUGH: f64 = 0.3;

/// The language of a text or of a question.
///
/// The script comes first: brand names in Latin letters do not make a Russian question English, so a text of which at
/// least three letters in ten are Cyrillic is Russian. Among the languages of the Latin script `whatlang` decides once
/// there are [`ENOUGH_LETTERS`]; before that, or when it is not sure, the text counts as English.
#[must_use]
pub fn detect(text: &str) -> Language {
    let sample: String = text.chars().take(SAMPLE_CHARS).collect();
    let count = |script| {
        sample.chars().filter(|letter| letter.is_alphabetic() && Script::of(*letter) == script).count()
    };
    let letters = sample.chars().filter(|letter| letter.is_alphabetic()).count();
    if letters == 0 {
        return Language::Other;
    }
    let share = |script| count(script).saturating_mul(10) >= letters.saturating_mul(3);
    let other_scripts = [
        (Cyrillic, Language::Russian),
        (Greek, Language::Greek),
        (Arabic, Language::Arabic),
        (Tamil, Language::Tamil),
    ];
    if let Some((_, language)) = other_scripts.into_iter().find(|(script, _)| share(*script)) {
        return language;
    }
    if !share(Latin) {
        return Language::Other;
    }
    if letters < ENOUGH_LETTERS {
        return Language::English;
    }
    let allowed = TABLE.iter().filter(|row| row.3 == Latin).filter_map(|row| row.5).collect();
    whatlang::Detector::with_allowlist(allowed)
        .detect(&sample)
        .filter(|found| found.confidence() >= SURE_ENOUGH)
        .and_then(|found| TABLE.iter().find(|row| row.5 == Some(found.lang())))
        .map_or(Language::English, |row| row.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_decides_on_short_questions() {
        for (text, language) in [
            ("Как вернуть iPhone 15 Pro Max?", Language::Russian),
            ("доставка", Language::Russian),
            ("warranty?", Language::English),
            ("Wi-Fi", Language::English),
            ("Πόσο κοστίζει;", Language::Greek),
            ("12345", Language::Other),
            ("", Language::Other),
            ("你好", Language::Other),
        ] {
            assert_eq!(detect(text), language, "{text}");
        }
    }

    #[test]
    fn longer_latin_texts_are_told_apart() {
        for (text, language) in [
            (
                "You may return any item within thirty days of delivery, provided that it is unused.",
                Language::English,
            ),
            (
                "Sie können die Ware innerhalb von dreißig Tagen zurückgeben, wenn sie unbenutzt ist.",
                Language::German,
            ),
            (
                "Vous pouvez retourner les articles dans les trente jours suivant la livraison.",
                Language::French,
            ),
            (
                "Puede devolver los artículos dentro de los treinta días posteriores a la entrega.",
                Language::Spanish,
            ),
        ] {
            assert_eq!(detect(text), language, "{text}");
        }
    }

    #[test]
    fn codes_round_trip() {
        for language in Language::all() {
            assert_eq!(language.code().parse(), Ok(language));
        }
        assert!("xyz".parse::<Language>().is_err());
    }
}
