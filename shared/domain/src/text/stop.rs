//! Words that say nothing about what a question is about.

use std::collections::HashSet;
use std::sync::OnceLock;

use super::language::Script;

/// English function words, and the small talk around a question.
const ENGLISH: &str = "a about above after again against all also am an and any are arent as at be because been before \
being below between both but by can cannot cant could couldnt did didnt do does doesnt doing dont down during each else \
etc few for from further get gets getting give got had has have having he hello her here hers herself hey hi him himself \
his how i id if ill im in into is isnt it its itself ive just know let like many may maybe me might mine more most much must my \
myself need no nor not now of off oh ok okay on once only or other ought our ours ourselves out over own please same say shall \
she should show so some such tell than thank thanks that thats the their theirs them themselves then there theres these they \
theyre this those through to too under until up upon us very want was we were what whats when where which while who whom \
whose why will with wont would yes you your youre yours yourself yourselves";

/// Russian function words, and the small talk around a question.
const RUSSIAN: &str = "а алло без бы был была были было быть в вам вами вас ваш ваша ваше вашего вашей вашему вашем ваши \
ваших вашу во вот все всё всего всей всем всеми всех вы где да даже делать для до добрый день его ее ей ему если есть еще ещё же за \
зачем здравствуйте здрасьте знать и из или им ими их к как какая какие какими каких какого какое какой каком какому какую \
когда кого ком кому который которая которое которые которых котором которую кто куда ли либо лишь меня между мне мной мог \
могла могли могу могут мое моего моей моем моему можем может можете можно моя мы на над надо нам нами нас наш наша наше нашего \
нашей наши наших не него нее ней нельзя нем нему нет неужели ни ним ними них но ну нужен нужна нужно нужны о об однако \
он она они оно от откуда очень по под подскажите пожалуйста почему при привет про расскажите с сам сама сами само свое \
своего своей свои своих свой себе себя сейчас скажите сколько скольки со спасибо так также такая такие таких такое такой там твой те тебе \
тебя тем то тобой того тоже той только том тому тот ту ты у уже узнать хотел хотела хотелось хочется хочу хотим чего чей чем через \
что чтобы чье чья эта эти этих это этого этой этом этому этот эту я является";

fn lists() -> &'static HashSet<&'static str> {
    static LISTS: OnceLock<HashSet<&'static str>> = OnceLock::new();
    LISTS.get_or_init(|| ENGLISH.split_whitespace().chain(RUSSIAN.split_whitespace()).collect())
}

/// Whether a word in the form of [`super::words`] is a stop word of English or Russian. The scripts keep the two lists
/// apart. One letter or an English list in a text of another Latin language does no harm that idf would not do.
#[must_use]
pub fn is_stop_word(word: &str) -> bool {
    if lists().contains(word) {
        return true;
    }
    let mut letters = word.chars();
    let lone = letters.next().filter(|_| letters.next().is_none());
    lone.is_some_and(|letter| matches!(Script::of(letter), Script::Latin | Script::Cyrillic))
}
