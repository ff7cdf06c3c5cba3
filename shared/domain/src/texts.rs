//! What Frontdesk itself says to a visitor. Another language is one more table.

/// The texts of one language. A table without one of them does not compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Texts {
    /// The documents have no answer.
    pub no_answer: &'static str,
    /// A guardrail refused the message.
    pub blocked: &'static str,
    /// The message is too long.
    pub too_long: &'static str,
    /// The same message came again and again.
    pub flooding: &'static str,
    /// The conversation waits for a person.
    pub handed_off: &'static str,
    /// Neither a model nor the documents could answer because of a fault.
    pub failed: &'static str,
    /// The service is closed for maintenance.
    pub maintenance: &'static str,
    /// What stands before a passage that is quoted because no model answered.
    pub quoted: &'static str,
    /// A greeting is answered.
    pub greeting: &'static str,
    /// The visitor has understood, or says yes.
    pub acknowledged: &'static str,
    /// Who answers here.
    pub bot: &'static str,
    /// The visitor goes.
    pub goodbye: &'static str,
    /// The visitor thanks.
    pub thanks: &'static str,
    /// The visitor is angry.
    pub insult: &'static str,
}

/// Which text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextKey {
    /// [`Texts::no_answer`].
    NoAnswer,
    /// [`Texts::blocked`].
    Blocked,
    /// [`Texts::too_long`].
    TooLong,
    /// [`Texts::flooding`].
    Flooding,
    /// [`Texts::handed_off`].
    HandedOff,
    /// [`Texts::failed`].
    Failed,
    /// [`Texts::maintenance`].
    Maintenance,
    /// [`Texts::quoted`].
    Quoted,
    /// [`Texts::greeting`].
    Greeting,
    /// [`Texts::acknowledged`].
    Acknowledged,
    /// [`Texts::bot`].
    Bot,
    /// [`Texts::goodbye`].
    Goodbye,
    /// [`Texts::thanks`].
    Thanks,
    /// [`Texts::insult`].
    Insult,
}

const EN: Texts = Texts {
    no_answer: "I could not find an answer to this in our documents. Please put the question another way, or ask for \
                a colleague.",
    blocked: "I cannot help with this request. Please ask me about our products and services.",
    too_long: "This message is too long for me. Please make it shorter.",
    flooding: "You have sent this several times already. Please wait for the answer, or put the question another way.",
    handed_off: "A colleague will take over this conversation and answer here.",
    failed: "Something went wrong and I cannot answer right now. Please try again in a moment.",
    maintenance: "We are doing maintenance. Please try again in a few minutes.",
    quoted: "This is what our documents say:",
    greeting: "Hello! How can I help you?",
    acknowledged: "All right. If there is anything else, just ask.",
    bot: "I am an automatic assistant and answer from our documents. If you would like a person, say so and I will call one.",
    goodbye: "Goodbye! Come back any time.",
    thanks: "You are welcome! If there is anything else, just ask.",
    insult: "I am sorry that this did not help. Please put your question another way, or ask for a colleague and a person \
             will answer.",
};

const RU: Texts = Texts {
    no_answer: "Я не нашёл ответа в наших документах. Пожалуйста, переформулируйте вопрос или попросите \
                позвать сотрудника.",
    blocked: "С этим запросом я помочь не могу. Спросите меня, пожалуйста, о наших товарах и услугах.",
    too_long: "Это сообщение для меня слишком длинное. Пожалуйста, сократите его.",
    flooding: "Вы уже несколько раз отправили это сообщение. Пожалуйста, дождитесь ответа или переформулируйте вопрос.",
    handed_off: "К разговору подключится сотрудник и ответит здесь.",
    failed: "Что-то пошло не так, и сейчас я не могу ответить. Пожалуйста, попробуйте ещё раз чуть позже.",
    maintenance: "Идут технические работы. Пожалуйста, попробуйте через несколько минут.",
    quoted: "Вот что сказано в наших документах:",
    greeting: "Здравствуйте! Чем могу помочь?",
    acknowledged: "Хорошо. Если будут ещё вопросы, спрашивайте.",
    bot: "Я автоматический помощник и отвечаю по нашим документам. Если нужен человек, напишите об этом, и я его позову.",
    goodbye: "До свидания! Обращайтесь в любое время.",
    thanks: "Пожалуйста! Если будут ещё вопросы, спрашивайте.",
    insult: "Мне жаль, что я не помог. Задайте вопрос иначе или попросите позвать сотрудника: ответит человек.",
};

/// Every table by language (ISO 639-1, with the ISO 639-3 names that language detection gives). The first one serves
/// every language without a table.
const TABLES: &[(&[&str], Texts)] = &[(&["en", "eng"], EN), (&["ru", "rus"], RU)];

/// The texts of a language: `ru`, `ru-RU`, `rus`; English where there is no table.
#[must_use]
pub fn texts(language: &str) -> Texts {
    let wanted = language.split(['-', '_']).next().unwrap_or("");
    TABLES
        .iter()
        .find(|(names, _)| names.iter().any(|name| name.eq_ignore_ascii_case(wanted)))
        .map_or(EN, |(_, texts)| *texts)
}

/// One text of a language.
#[must_use]
pub fn text(key: TextKey, language: &str) -> &'static str {
    let texts = texts(language);
    match key {
        TextKey::NoAnswer => texts.no_answer,
        TextKey::Blocked => texts.blocked,
        TextKey::TooLong => texts.too_long,
        TextKey::Flooding => texts.flooding,
        TextKey::HandedOff => texts.handed_off,
        TextKey::Failed => texts.failed,
        TextKey::Maintenance => texts.maintenance,
        TextKey::Quoted => texts.quoted,
        TextKey::Greeting => texts.greeting,
        TextKey::Acknowledged => texts.acknowledged,
        TextKey::Bot => texts.bot,
        TextKey::Goodbye => texts.goodbye,
        TextKey::Thanks => texts.thanks,
        TextKey::Insult => texts.insult,
    }
}

/// What is said without an answer: the organisation's own text in the language, else the built-in one.
#[must_use]
pub fn fallback(settings: &crate::settings::Settings, language: &str) -> String {
    let own = &settings.guardrails.fallback_text;
    let wanted = language.split(['-', '_']).next().unwrap_or("").to_ascii_lowercase();
    let short = TABLES
        .iter()
        .find(|(names, _)| names.contains(&wanted.as_str()))
        .and_then(|(names, _)| names.first());
    own.get(&wanted)
        .or_else(|| short.and_then(|short| own.get(*short)))
        .cloned()
        .unwrap_or_else(|| text(TextKey::NoAnswer, language).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_found_by_any_of_its_names_and_english_stands_in() {
        assert_eq!(texts("ru-RU"), RU);
        assert_eq!(texts("rus"), RU);
        assert_eq!(texts("EN_us"), EN);
        assert_eq!(texts("de"), EN);
        assert_eq!(texts(""), EN);
    }

    #[test]
    fn the_organisations_own_text_comes_first() {
        let mut settings = crate::settings::Settings::default();
        settings.guardrails.fallback_text.insert("ru".into(), "Позвоните нам.".into());
        assert_eq!(fallback(&settings, "rus"), "Позвоните нам.");
        assert_eq!(fallback(&settings, "ru-RU"), "Позвоните нам.");
        assert_eq!(fallback(&settings, "en"), EN.no_answer);
    }
}
