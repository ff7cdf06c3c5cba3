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
}

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

/// What stands in a text.
pub fn has(text: &str) -> Has {
    let lower = text.to_lowercase();
    let any = |list: &[&str]| list.iter().any(|part| lower.contains(part));
    let words: Vec<&str> = lower.split(|letter: char| !letter.is_alphanumeric()).collect();
    let word = |list: &[&str]| words.iter().any(|word| list.contains(word));
    let begins = |list: &[&str]| words.iter().any(|word| list.iter().any(|part| word.starts_with(part)));
    let clocks = lower.split(|letter: char| !(letter.is_ascii_digit() || letter == ':')).filter(|token| {
        token.split_once(':').is_some_and(|(hour, minute)| !hour.is_empty() && minute.len() == 2)
    });
    let clocks = clocks.count();
    let digits = lower.chars().filter(char::is_ascii_digit).count();
    Has {
        money: any(MONEY),
        time: clocks > 0 || begins(DATES) || begins(TIMES),
        duration: begins(SPANS),
        number: lower.chars().any(char::is_numeric) || word(NUMBERS),
        negative: word(NEGATIONS) || lower.contains("n't"),
        mail: lower.contains('@'),
        phone: lower.contains('+') && digits >= 7,
        hours: clocks >= 2,
        allows: any(&["можно", "возможен", "возможна", "может"]) || word(&["can", "may"]),
    }
}
