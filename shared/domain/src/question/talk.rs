//! What needs no document: greetings, thanks, insults, and the wish for a person. In Russian and English, spoken and misspelt.

use crate::lexicon::{is_known, term_of};
use crate::question::reading;
use crate::text::{Term, is_stop_word, words};

/// What is said beside questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Talk {
    /// "Good morning".
    Greeting,
    /// "OK, I see".
    Acknowledged,
    /// "Are you a bot?"
    Bot,
    /// "Bye".
    Goodbye,
    /// "Thanks".
    Thanks,
    /// Anger, in words that are no question.
    Insult,
    /// "A person, please".
    Person,
}

const KINDS: &[(Talk, &str)] = &[
    (
        Talk::Greeting,
        "здравствуйте здравствуй здрасьте здрасте здравия приветствую приветик привет хай хелло алло ку салют доброе добрый доброго \
         помогите помоги помощь помочь поможете help \
         hi hello hey hallo heya hiya greetings good morning mornin howdy yo",
    ),
    (
        Talk::Acknowledged,
        "ок окей ok okay ага угу да нет ясно понял поняла понятно хорошо ладно отлично супер класс круто здорово прекрасно беру \
         договорились извините извини простите прости извиняюсь sorry apologies pardon \
         yes yep yeah no nope great cool fine nice perfect understood got alright sure awesome",
    ),
    (Talk::Bot, "бот робот bot robot ai ии нейросеть chatbot"),
    (Talk::Goodbye, "пока свидания прощайте прощай свидос bye goodbye cya"),
    (
        Talk::Thanks,
        "спасибо спасибочки спс благодарю благодарен благодарна пасиб сенкс мерси thanks thank thx ty tnx cheers appreciate",
    ),
    (
        Talk::Insult,
        "тупой тупая тупые тупица дурак дура дебил дебилы идиот идиоты кретин бесполезный бесполезная мошенники жулики издеваетесь \
         издеваешься достал достали бесит хрень чушь фигня гад сволочь уроды урод лохи лохотрон отстой блин черт сука блять бля хуйня \
         нахуй stupid idiot idiots dumb useless junk crap shit bullshit fuck fucking sucks suck moron morons scam scammers \
         garbage trash rubbish hate terrible awful damn asshole",
    ),
];

/// Words that go along with any of these, and say nothing alone: "good evening", "thanks a lot", "you stupid machine".
const BESIDE: &str = "утро утра вечер вечера день дня времени суток afternoon evening day большое огромное всё все lot mate machine piece \
     отвечай отвечайте нормально";

const PEOPLE: &str = "человек человека человеком людей оператор оператора оператору оператором менеджер менеджера менеджеру менеджером \
     сотрудник сотрудника сотруднику сотрудником консультант консультанта консультантом специалист специалиста специалистом живой живого \
     живым администратор администратора администратором библиотекарь библиотекаря библиотекарем продавец продавца поддержка поддержку \
     поддержкой поддержки human person agent operator representative rep manager someone somebody librarian support staff colleague \
     assistant advisor being live real people";

const CALLS: &str = "позовите позови позвать соедините соедини соединить переключите переключи переключить переведите переведи дайте дай \
     пригласите подключите подключи поговорить говорить пообщаться общаться связаться связь свяжите нужен нужна нужно хочу требую можно \
     speak talk chat connect transfer get give put call want need let agent reach pass through wanna";

/// Beginnings of questions about people: "who is your manager?"
const ASKS: &str = "who whom which what is was кто какой какая какие";

/// What turns a wish into its opposite: "I don't need an operator".
const NEGATIONS: &str = "no not don't dont don doesn't won't never without не нет без никакой никаких";

fn is_in(list: &str, word: &str) -> bool {
    list.split_whitespace().any(|known| known == word)
}

/// Whether a word is one of a list, or one letter away from one.
fn is_nearly_in(list: &str, word: &str) -> bool {
    if is_in(list, word) {
        return true;
    }
    if word.chars().nth(5).is_none() || is_known(word) {
        return false;
    }
    // As they are written, not as they are stemmed.
    let terms: Vec<Term> = list.split_whitespace().map(plain).collect();
    reading::nearest_of(&plain(word), terms.iter()).is_some()
}

fn plain(word: &str) -> Term {
    Term { language: term_of(word).language, stem: word.to_owned() }
}

/// What a message is when it asks nothing of the documents; `None` for one that may.
#[must_use]
pub fn talk(text: &str) -> Option<Talk> {
    const LONGEST: usize = 200;
    if text.chars().nth(LONGEST).is_some() {
        return None;
    }
    if words(text).next().is_none() {
        return of_signs(text);
    }
    let clauses =
        text.split(['.', '!', '?', ';', ',', '\n', '…']).filter(|clause| words(clause).next().is_some());
    let (mut all, mut person) = (Some(None::<Talk>), false);
    for clause in clauses {
        let kind = of_clause(clause);
        person |= kind == Some(Some(Talk::Person));
        all = all.and_then(|before| kind.map(|kind| before.max(kind)));
    }
    if person { Some(Talk::Person) } else { all.flatten() }
}

/// What is said by a sign alone.
fn of_signs(text: &str) -> Option<Talk> {
    const KIND: &str = "👍👌🙏❤💛💚💙😊🙂😀😃😄😁😉🤝✅💯🎉🙌👏";
    const ANGRY: &str = "👎😡🤬😠🖕💩";
    let signs = |list: &str| text.chars().any(|sign| list.contains(sign));
    if signs(ANGRY) {
        return Some(Talk::Insult);
    }
    signs(KIND).then_some(Talk::Acknowledged)
}

/// "Who are you?", "are you a real person?"
fn asks_who(words: &[String]) -> bool {
    let has = |list: &str| words.iter().any(|word| is_in(list, word));
    let small = |word: &String| is_stop_word(word) || is_in("real настоящий живой такой такая", word);
    let person = |word: &String| is_in("human person people человек люди оператор", word);
    let of_you = has("you ты вы") && (has("who кто") || words.iter().any(person));
    let begins = words.first().is_some_and(|first| is_in("are who кто ты вы а so это is", first));
    of_you && begins && words.iter().all(|word| small(word) || person(word))
}

/// What a part of a message is: `None` for a question, `Some(None)` for words that say nothing alone.
fn of_clause(clause: &str) -> Option<Option<Talk>> {
    let words: Vec<String> = words(clause).map(|word| word.text).collect();
    if words.len() > 14 {
        return None;
    }
    if asks_who(&words) {
        return Some(Some(Talk::Bot));
    }
    if words.iter().any(|word| is_nearly_in(PEOPLE, word))
        && words.iter().all(|word| is_nearly_in(PEOPLE, word) || is_in(CALLS, word) || is_stop_word(word))
        && !words.first().is_some_and(|first| is_in(ASKS, first))
        && !words.iter().any(|word| is_in(NEGATIONS, word))
    {
        return Some(Some(Talk::Person));
    }
    let mut found = None;
    for word in &words {
        let kinds = KINDS.iter().filter(|(_, list)| is_nearly_in(list, word)).map(|(kind, _)| *kind);
        match kinds.max() {
            Some(kind) => found = found.max(Some(kind)),
            None if is_stop_word(word) || is_in(BESIDE, word) => {}
            None => return None,
        }
    }
    // "когда утро" asks something: words that ask beside a mere greeting.
    let asks =
        words.iter().any(|word| is_in("how when where why which сколько когда где почему зачем", word));
    let questions = matches!(found, None | Some(Talk::Greeting | Talk::Acknowledged | Talk::Bot));
    if asks && questions { None } else { Some(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_no_document_is_known_by_its_words_and_a_question_beside_it_stays_a_question() {
        for (text, kind) in [
            ("Здравствуйте!", Some(Talk::Greeting)),
            ("доброго времени суток", Some(Talk::Greeting)),
            ("Good evening!", Some(Talk::Greeting)),
            ("thanks a lot mate", Some(Talk::Thanks)),
            ("you stupid machine", Some(Talk::Insult)),
            ("ты тупой бот, отвечай нормально!", Some(Talk::Insult)),
            ("help", Some(Talk::Greeting)),
            ("помогите пожалуйста", Some(Talk::Greeting)),
            ("помогите с доставкой", None),
            ("help me choose a kettle", None),
            ("кто ты", Some(Talk::Bot)),
            ("Who are you?", Some(Talk::Bot)),
            ("are you a real person?", Some(Talk::Bot)),
            ("вы человек?", Some(Talk::Bot)),
            ("who is your owner", None),
            ("sorry", Some(Talk::Acknowledged)),
            ("спасибо, всё понятно", Some(Talk::Thanks)),
            ("👍", Some(Talk::Acknowledged)),
            ("👎", Some(Talk::Insult)),
            ("?", None),
            ("31.12", None),
            ("machine?", None),
            ("evening", None),
            ("день", None),
            ("all", None),
            ("спасибо большое", Some(Talk::Thanks)),
            ("thx, bye", Some(Talk::Thanks)),
            ("позовите живого человека", Some(Talk::Person)),
            ("переключите на аператора пожалуста", Some(Talk::Person)),
            ("I want to speak to a real person please", Some(Talk::Person)),
            ("Ничего не понял. Позовите менеджера!", Some(Talk::Person)),
            ("operator", Some(Talk::Person)),
            ("no I don't want a human, just the price of sencha", None),
            ("не нужен оператор, часы работы?", None),
            ("I do not need an operator. opening hours?", None),
            ("don't call a colleague", None),
            ("какой человек вам нужен", None),
            ("нет, позовите оператора", Some(Talk::Person)),
            ("вы идиоты", Some(Talk::Insult)),
            ("you are useless piece of junk", Some(Talk::Insult)),
            ("Hello, how much is delivery?", None),
            ("How many people fit into the room?", None),
            ("What is the manager's salary?", None),
            ("when is good", None),
            ("", None),
        ] {
            assert_eq!(talk(&reading::as_meant(text)), kind, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,220}") {
            let _ = talk(&text);
        }
    }
}
