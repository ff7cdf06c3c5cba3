//! What kind of answer a question wants.

use super::is_in;
use crate::lexicon::{self, term_of};
use crate::text::words;

/// What kind of thing an answer has to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wants {
    /// An amount of money, or that there is none to pay.
    pub price: bool,
    /// A time, a date, a day.
    pub time: bool,
    /// How long.
    pub duration: bool,
    /// Any number.
    pub number: bool,
    /// What is not so.
    pub negative: bool,
    /// What is so, in general: "what can I return?"
    pub general: bool,
    /// An address for letters.
    pub mail: bool,
    /// A number to call.
    pub phone: bool,
    /// When it is open, and nothing else.
    pub hours: bool,
    /// Whether something is there to be had.
    pub goods: bool,
    /// How something is done.
    pub way: bool,
    /// Where.
    pub place: bool,
    /// Whether something may be done.
    pub permission: bool,
    /// What is so after or without something.
    pub outside: bool,
    /// It asks "what", "how" or "why".
    pub open: bool,
    /// Nothing is asked: the visitor tells what happened.
    pub told: bool,
    /// The one that costs least of its kind.
    pub cheapest: bool,
    /// The one that costs most of its kind.
    pub dearest: bool,
}

impl Wants {
    /// Whether what is asked may be a field of a row.
    #[must_use]
    pub const fn a_field(&self) -> bool {
        self.price || self.time || self.duration || self.number || self.goods || self.cheapest || self.dearest
    }
}

/// What kind of answer a text asks for, by its words.
pub(super) fn wants(text: &str) -> Wants {
    let all: Vec<String> = words(text).map(|word| word.text).collect();
    let first = |list: &str| all.first().is_some_and(|word| is_in(list, word));
    let has = |list: &str| all.iter().any(|word| is_in(list, word));
    let pair = |one: &str, two: &str| {
        all.windows(2).any(|pair| matches!(pair, [first, second] if first == one && is_in(two, second)))
    };
    let told = is_told(text, &all);
    let priced = !told
        && all.iter().filter(|word| *word != "почему").any(|word| {
            lexicon::concept("цена").is_some_and(|price| {
                lexicon::meaning(&term_of(word)).is_some_and(|meaning| meaning.names.contains(&price))
            })
        });
    let duration = pair("how", "long")
        || has("срок долго длится")
        || pair(
            "сколько",
            "дней времени лет идет ждать хранится длится действует часов месяцев сгорают едет",
        )
        || pair("many", "days");
    let price = !duration
        && (priced
            || pair("how", "much")
            || (first("do does must is") && pair("i", "pay"))
            || (has("сколько") && has("за будет выйдет сдерете")));
    let time = !duration
        && (has("когда when часы расписание скольки")
            || pair("what", "time")
            || pair("во", "сколько")
            || has("hours"));
    let number = !price && (has("сколько скольки") || pair("how", "many often hot"));
    let negative = has("нельзя cannot cant can't not won't wont doesn't doesnt didn't didnt nothing")
        || (has("don't dont") && !has("you"))
        || (pair("there", "no") && !first("is are"))
        || (has("нет") && !pair("нет", "ли"))
        || (has("restrictions limits exceptions ограничения ограничений исключения исключений")
            && !has("many much сколько"))
        || (has("не") && !pair("не", "подскажете подскажешь могли могла мог хотите"));
    let goods =
        (has("have sell есть продаете наличии available stock") && has("do you у ли в is")) || has("наличии");
    let general = has("что чего what which какие какой") && has("можно can could могу");
    let measured =
        pair("how", "much many long often hot far soon old big") || pair("как", "долго часто скоро много");
    let way = has("how как") && !measured && !price && !time && !duration && !number;
    let place = has("where где") || (has("куда") && !has("написать писать звонить"));
    let permission = first("can may could можно нельзя") || (has("можно могу ли") && !general);
    let cheapest =
        has("cheapest дешевле дешевый дешевая дешевое дешевые недорогой недорогая") && !has("than чем");
    let dearest = has("dearest priciest")
        || pair("most", "expensive")
        || pair("самый", "дорогой")
        || pair("самая", "дорогая");
    let open = first("what how why что как чем почему зачем");
    let outside = has("after without except besides после без кроме");
    let hours = pair("до", "скольки") || pair("со", "скольки") || pair("с", "скольки");
    Wants {
        price,
        time,
        duration,
        number,
        negative,
        general,
        goods,
        way,
        place,
        permission,
        outside,
        hours,
        open,
        told,
        cheapest,
        dearest,
        ..Wants::default()
    }
}

/// "I was charged twice": in the first person, with no word that asks or wishes.
fn is_told(text: &str, words: &[String]) -> bool {
    const SELF: &str = "i i'm i've my we our мне меня мой моя мое мои мною я мы нам нас наш наша";
    const ASKS: &str = "how what when where why which who can could may do does is are will would сколько как когда где куда почему зачем \
         можно ли что какой какая какие чем кто want need like looking wish хочу хотел хотела хотели нужен нужна нужно ищу надо";
    let own = words.iter().take(2).any(|word| is_in(SELF, word));
    own && !text.contains('?') && !words.iter().any(|word| is_in(ASKS, word))
}
