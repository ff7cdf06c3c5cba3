//! What kinds of things stand in a statement: an amount, a time, a number. By its words and signs, in Russian and in English.

/// What stands in a statement.
#[derive(Debug, Clone, Copy, Default)]
pub struct Has {
    /// An amount of money, or that there is none to pay.
    pub money: bool,
    /// A time, a date, a day.
    pub time: bool,
    /// How long.
    pub duration: bool,
    /// Any number.
    pub number: bool,
    /// That something is not so.
    pub negative: bool,
    /// An address to write to.
    pub mail: bool,
    /// A number to call.
    pub phone: bool,
    /// From when to when.
    pub hours: bool,
    /// What is allowed.
    pub allows: bool,
    /// Where something is.
    pub place: bool,
    /// It says what not to do.
    pub order: bool,
    /// What is measured.
    pub measures: Measures,
}

/// What is measured in units of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Kilograms.
    Weight,
    /// Litres.
    Volume,
    /// Watts.
    Power,
    /// Degrees.
    Temperature,
}

impl Measure {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Weight, Self::Volume, Self::Power, Self::Temperature];

    /// A word for it, as the lexicon knows it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Weight => "вес",
            Self::Volume => "объем",
            Self::Power => "мощность",
            Self::Temperature => "температура",
        }
    }

    const fn units(self) -> &'static [&'static str] {
        match self {
            Self::Weight => &["кг", "г", "грамм", "граммов", "kg", "g", "grams", "lb", "oz"],
            Self::Volume => &["л", "мл", "литр", "литра", "литров", "l", "ml", "litre", "litres", "liters"],
            Self::Power => &["вт", "квт", "ватт", "w", "kw", "watt", "watts"],
            Self::Temperature => &["c", "с", "f", "градус", "градуса", "градусов", "degrees"],
        }
    }
}

/// Some measures.
#[derive(Debug, Clone, Copy, Default)]
pub struct Measures([bool; 4]);

impl Measures {
    fn of(words: &[&str]) -> Self {
        Self(Measure::ALL.map(|measure| {
            let is_number = |word: &str| word.starts_with(|letter: char| letter.is_ascii_digit());
            words.windows(2).any(
                |pair| matches!(pair, [number, unit] if is_number(number) && measure.units().contains(unit)),
            )
        }))
    }

    /// Whether one is among them.
    pub fn contains(self, measure: &Measure) -> bool {
        Measure::ALL.iter().zip(self.0).any(|(one, there)| one == measure && there)
    }
}

/// What a sentence or a heading begins with, where it speaks of a special case.
#[derive(Debug, Clone, Copy)]
pub enum Opening<'a> {
    /// "If the goods are faulty": the case.
    Case(&'a str),
    /// "After the warranty", "without a card": not what it names.
    Outside,
}

/// Whether a text begins with a condition, and with which.
pub fn opens(text: &str) -> Option<Opening<'_>> {
    const CASES: &[&str] = &["if", "unless", "если", "при"];
    const OUTSIDE: &[&str] = &["after", "without", "except", "после", "без", "кроме"];
    // "If something is wrong" is no case of its own.
    const ANY: &[&str] = &["something", "anything", "что-то", "что-нибудь"];
    let text = text.trim();
    let first = text.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or("").to_lowercase();
    if OUTSIDE.contains(&first.as_str()) {
        return Some(Opening::Outside);
    }
    let case = text.split([',', ':', ';']).next().unwrap_or(text);
    let lower = case.to_lowercase();
    (CASES.contains(&first.as_str()) && !ANY.iter().any(|any| lower.contains(any)))
        .then_some(Opening::Case(case))
}

/// Whether a heading says how something is done.
pub fn says_how(heading: &str) -> bool {
    let lower = heading.trim().to_lowercase();
    lower.starts_with("как ")
        || lower.starts_with("how to")
        || lower.contains("способ")
        || lower.contains("method")
        || lower.starts_with("ways to")
        || lower.split(' ').next().is_some_and(|word| word.ends_with("ing"))
}

/// Beginnings of words that say where.
const PLACES: &[&str] = &[
    "address",
    "street",
    "boulevard",
    "floor",
    "room",
    "metro",
    "shop",
    "reception",
    "desk",
    "stair",
    "app",
    "site",
    "near",
    "адрес",
    "улиц",
    "бульвар",
    "этаж",
    "зал",
    "метро",
    "магазин",
    "регистратур",
    "стойк",
    "лестниц",
    "приложен",
    "сайт",
    "холл",
    "двор",
    "courtyard",
    "hall",
    "entrance",
    "вход",
    "lane",
    "переул",
    "корпус",
    "building",
    "здани",
    "office",
    "офис",
];

const MONEY: &[&str] = &["₽", "€", "$", "£", "руб", "бесплатн", "rouble", "euro", "free"];

/// Beginnings of the words for days, weeks and months.
const DATES: &[&str] = &[
    "понедельн",
    "вторник",
    "среду",
    "среда",
    "среды",
    "четверг",
    "пятниц",
    "суббот",
    "воскресен",
    "недел",
    "январ",
    "феврал",
    "март",
    "апрел",
    "июн",
    "июл",
    "август",
    "сентябр",
    "октябр",
    "ноябр",
    "декабр",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "weekend",
    "week",
    "day",
    "januar",
    "februar",
    "march",
    "april",
    "june",
    "july",
    "august",
    "septem",
    "october",
    "novem",
    "decem",
];

/// Beginnings of the words for a length of time.
const SPANS: &[&str] = &[
    "день",
    "дня",
    "дней",
    "дни",
    "час",
    "минут",
    "месяц",
    "год",
    "лет",
    "недел",
    "day",
    "hour",
    "minute",
    "month",
    "year",
    "week",
];

/// The same, as they are written in tables.
const SHORT_SPANS: &[&str] = &["мин", "сут", "мес", "нед", "сек", "min", "mins", "hrs", "hr", "sec"];

/// Beginnings of what tells a time as well as a length of it.
const TIMES: &[&str] = &["дня", "дней", "час", "год", "year"];

const NUMBERS: &[&str] = &[
    "один",
    "одна",
    "одно",
    "два",
    "две",
    "три",
    "четыре",
    "пять",
    "шесть",
    "семь",
    "восемь",
    "девять",
    "десять",
    "одиннадцать",
    "двенадцать",
    "дважды",
    "трижды",
    "раза",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "once",
    "twice",
];

const NEGATIONS: &[&str] = &["не", "нельзя", "нет", "cannot", "not", "never", "no", "nothing"];

/// Whether a word names a day, a month or a season.
pub fn is_date(word: &str) -> bool {
    DATES.iter().any(|part| word.starts_with(part))
        || word.starts_with("праздник")
        || word.starts_with("holiday")
}

/// Whether a word is a length of time and nothing else: "four days".
pub fn is_span(word: &str) -> bool {
    SPANS.iter().any(|part| word.starts_with(part)) && word.chars().count() <= 7
}

/// What stands behind a "not" in "not later than", which denies nothing.
const BOUNDS: &[&str] = &[
    "позднее",
    "позже",
    "раньше",
    "меньше",
    "менее",
    "больше",
    "более",
    "старше",
    "младше",
    "later",
    "more",
    "less",
    "older",
    "younger",
    "only",
];

/// What stands in a text.
pub fn has(text: &str) -> Has {
    let lower = text.to_lowercase();
    let any = |list: &[&str]| list.iter().any(|part| lower.contains(part));
    let words: Vec<&str> =
        lower.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let word = |list: &[&str]| words.iter().any(|word| list.contains(word));
    let begins = |list: &[&str]| words.iter().any(|word| list.iter().any(|part| word.starts_with(part)));
    let clocks = lower.split(|letter: char| !(letter.is_ascii_digit() || letter == ':')).filter(|token| {
        token.split_once(':').is_some_and(|(hour, minute)| !hour.is_empty() && minute.len() == 2)
    });
    let clocks = clocks.count();
    let digits = lower.chars().filter(char::is_ascii_digit).count();
    Has {
        measures: Measures::of(&words),
        money: any(MONEY),
        time: clocks > 0 || begins(DATES) || begins(TIMES),
        duration: begins(SPANS) || word(SHORT_SPANS),
        number: lower.chars().any(char::is_numeric) || word(NUMBERS),
        negative: lower.contains("n't")
            || words.iter().enumerate().any(|(at, word)| {
                let next = words.get(at.saturating_add(1)).copied().unwrap_or("");
                NEGATIONS.contains(word) && !BOUNDS.contains(&next)
            }),
        order: words.windows(2).any(|pair| {
            matches!(pair, ["do", "not"] | ["don", "t"] | ["never", _])
                || matches!(pair, ["не", verb] if verb.ends_with("те"))
        }),
        mail: lower.contains('@'),
        phone: lower.contains('+') && digits >= 7,
        hours: clocks >= 2 || begins(&["закрыт", "closed"]),
        place: begins(PLACES),
        allows: any(&["можно", "возможен", "возможна", "может"])
            || word(&["can", "may", "allowed", "welcome"]),
    }
}
