//! Why a document is not read, for the person who added it: what is wrong and what to do, in English and Russian. What is
//! stored and logged is English. All that a document's row can say stands here: it takes a [`Told`], and only a [`Reason`] makes
//! one for documents.

use std::fmt;

/// A reason. `{}` stands for a value: a number, a name, or another reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    /// In English; what is stored.
    pub en: &'static str,
    /// In Russian, with the same values in the same order.
    pub ru: &'static str,
}

/// A reason with its values, in English.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told(String);

/// The longest value of a reason, in characters. A stranger may have written it.
const MAX_VALUE: usize = 200;

macro_rules! reasons {
    ($($name:ident: $en:literal, $ru:literal;)*) => {
        $(#[doc = $en] pub const $name: Reason = Reason { en: $en, ru: $ru };)*

        /// Every reason.
        pub const ALL: &[Reason] = &[$($name,)*];
    };
}

reasons! {
    // The file.
    EMPTY: "the file is empty; upload one that holds something", "файл пуст; загрузите файл, в котором что-то есть";
    NO_TEXT: "the file holds no text; upload one that does", "в файле нет текста; загрузите файл с текстом";
    NOT_TEXT: "this is no text, or in an encoding that is not known; save it anew as UTF-8 and upload it again",
        "это не текст, или его кодировка неизвестна; сохраните файл заново в UTF-8 и загрузите снова";
    UNSUPPORTED: "files of the type {} are not read; save it as pdf, docx, txt, md, html or csv and upload it again",
        "файлы типа {} не читаются; сохраните файл как pdf, docx, txt, md, html или csv и загрузите снова";
    LOCKED: "the file is protected with a password; save it without one and upload it again",
        "файл защищён паролем; сохраните его без пароля и загрузите снова";
    LOCKED_OTHERWISE: "the file is locked in a way that cannot be opened here; save it without protection and upload it again",
        "файл защищён способом, который здесь не поддерживается; сохраните его без защиты и загрузите снова";
    BROKEN: "the file is damaged and cannot be read; save it anew and upload it again",
        "файл повреждён, прочитать его нельзя; сохраните его заново и загрузите снова";
    PAGES_NOT_FOUND: "the pdf is damaged: its list of pages cannot be found; save it anew and upload it again",
        "PDF повреждён: в нём не найти список страниц; сохраните его заново и загрузите снова";
    PAGES_NOT_READ: "the pdf is damaged: none of its pages can be read; save it anew and upload it again",
        "PDF повреждён: ни одну его страницу нельзя прочитать; сохраните его заново и загрузите снова";
    NO_PAGES: "the pdf has no pages; make it anew from the document it was printed from and upload it again",
        "в PDF нет страниц; сделайте его заново из исходного документа и загрузите снова";
    PICTURES: "the pdf holds no text (scanned pages are pictures; they need text recognition first)",
        "в PDF нет текста (отсканированные страницы — это картинки; сначала распознайте в них текст)";
    UNKNOWN_LETTERS: "the pdf does not say which letters its fonts stand for; make it anew from the document it was printed from",
        "в PDF не сказано, какие буквы означают знаки его шрифтов; сделайте его заново из исходного документа";
    MEANINGLESS: "the text of the file comes out as signs without meaning; save it anew as UTF-8, or as another kind of file, and upload it again",
        "вместо текста в файле бессмысленные знаки; сохраните его заново в UTF-8 или в другом формате и загрузите снова";
    BAD_TABLE: "the table cannot be read: it is not valid CSV; save it anew and upload it again",
        "таблицу нельзя прочитать: это неправильный CSV; сохраните её заново и загрузите снова";
    TEXT_PART_MISSING: "the docx is damaged: its text is not there; save it anew and upload it again",
        "docx повреждён: в нём нет текста документа; сохраните его заново и загрузите снова";
    DOCX_DAMAGED: "the docx is damaged: it ends in the middle or is no XML; save it anew and upload it again",
        "docx повреждён: он обрывается или это не XML; сохраните его заново и загрузите снова";
    ARCHIVE_DAMAGED: "the file is damaged: its archive cannot be opened; save it anew and upload it again",
        "файл повреждён: его архив не открывается; сохраните его заново и загрузите снова";
    FILE_GONE: "the file is not there any more; upload it again", "файла больше нет; загрузите его снова";
    FILE_CHANGED: "the file changed while it was read; try again later", "файл изменился во время чтения; попробуйте позже";

    // What there may be too much of.
    OVER_BYTES: "the file is larger than {} bytes; split it and upload its parts",
        "файл больше {} байт; разделите его и загрузите по частям";
    OVER_PAGES: "the file has more than {} pages; split it and upload its parts",
        "страниц в файле больше {}; разделите его и загрузите по частям";
    OVER_UNPACKED: "the file is larger than {} bytes when it is unpacked; save it anew without large pictures, or split it, and upload it again",
        "распакованное содержимое файла больше {} байт; сохраните его без больших картинок или разделите и загрузите снова";
    OVER_TEXT: "the text of the file is longer than {} bytes; split it and upload its parts",
        "текст файла длиннее {} байт; разделите его и загрузите по частям";
    OVER_PASSAGES: "the text gives more than {} passages; split it and upload its parts",
        "отрывков в тексте больше {}; разделите его и загрузите по частям";
    OVER_SECONDS: "reading the file takes more than {} seconds; save it anew in a simpler form, or split it, and upload it again",
        "чтение файла занимает больше {} секунд; сохраните его в более простом виде или разделите и загрузите снова";
    OVER_MEMORY: "reading the file takes more than {} bytes of memory; save it anew in a simpler form, or split it, and upload it again",
        "на чтение файла нужно больше {} байт памяти; сохраните его в более простом виде или разделите и загрузите снова";
    OVER_ENTRIES: "the archive of the file has more than {} entries; save it anew without pictures and upload it again",
        "файлов в архиве документа больше {}; сохраните его без картинок и загрузите снова";
    OVER_DEPTH: "the nesting depth of the file is more than {}; save it anew in a simpler form and upload it again",
        "вложенность содержимого файла больше {}; сохраните его в более простом виде и загрузите снова";
    OVER_COLUMNS: "the table has more than {} columns; split it and upload its parts",
        "столбцов в таблице больше {}; разделите её и загрузите по частям";
    OVER: "{} is over the limit of {}; split the file and upload its parts",
        "{}: больше допустимого ({}); разделите файл и загрузите по частям";

    // The page of an address.
    ADDRESS_TOO_LONG: "the address is longer than {} bytes; give a shorter one", "адрес длиннее {} байт; укажите более короткий";
    NO_ADDRESS: "this is no web address; give one like https://example.org/page",
        "это не веб-адрес; укажите адрес вида https://example.org/page";
    NO_HTTP: "the address must begin with http:// or https://", "адрес должен начинаться с http:// или https://";
    WITH_PASSWORD: "the address must not hold a user name or password", "в адресе не должно быть имени пользователя и пароля";
    OTHER_PORT: "the address must be on port 80 or 443", "порт в адресе должен быть 80 или 443";
    NOT_PUBLIC: "the address is not on the public internet; give one that is", "адрес не из открытого интернета; укажите другой";
    LEADS_ELSEWHERE: "the page leads elsewhere: {}", "страница ведёт в другое место: {}";
    LEADS_ON: "the page leads on more than {} times; give the address where that ends",
        "страница ведёт дальше больше {} раз; укажите адрес, на котором это заканчивается";
    LEADS_NOWHERE: "the page leads to an address that cannot be read; give the address of the page itself",
        "страница ведёт на адрес, который нельзя прочитать; укажите адрес самой страницы";
    FORBIDDEN_TO_ROBOTS: "the site does not allow robots to read this page (robots.txt); allow FrontdeskBot there, or upload the page as a file",
        "сайт запрещает роботам читать эту страницу (robots.txt); разрешите это FrontdeskBot или загрузите страницу файлом";
    ROBOTS_NOT_READ: "the site's robots.txt cannot be read; try again later", "robots.txt сайта не читается; попробуйте позже";
    PAGE_TOO_SLOW: "the page took longer than {} s; try again later, or upload it as a file",
        "страница загружалась дольше {} с; попробуйте позже или загрузите её файлом";
    PAGE_TOO_LARGE: "the page is larger than {} bytes; upload what matters of it as a file",
        "страница больше {} байт; загрузите нужное из неё файлом";
    PAGE_OF_OTHER_TYPE: "the page is of the type {}, which cannot be read; give another address, or upload it as another kind of file",
        "страница имеет тип {}, который не читается; укажите другой адрес или загрузите файл другого типа";
    SAME_PAGE: "the page has the same content as the document \"{}\" ({}); delete one of the two",
        "на странице то же, что в документе «{}» ({}); удалите один из них";
    SITE_ANSWERED: "the site answered {}; open the address in a browser to see whether it is right, and try again later",
        "сайт ответил {}; откройте адрес в браузере, чтобы проверить его, и попробуйте позже";
    SITE_SLOW: "the site answers too slowly; try again later", "сайт отвечает слишком медленно; попробуйте позже";
    SITE_AWAY: "the site cannot be reached; try again later", "сайт недоступен; попробуйте позже";
    SITE_LOST: "the connection to the site was lost; try again later", "связь с сайтом прервалась; попробуйте позже";
    SITE_SILENT: "the site did not answer several times; try again later", "сайт несколько раз не ответил; попробуйте позже";

    // Frontdesk itself.
    READER_AWAY: "the reader of files does not answer; please try again later",
        "сервис чтения файлов не отвечает; попробуйте позже";
    READER_SILENT: "the reader of files gave no answer within {} seconds; try again later, or split the file and upload its parts",
        "сервис чтения файлов не ответил за {} секунд; попробуйте позже или разделите файл и загрузите по частям";
    READER_LOST: "the reader of files broke off; try again later, or save the file anew and upload it again",
        "чтение файла оборвалось; попробуйте позже или сохраните его заново и загрузите снова";
    DATABASE_AWAY: "the database does not answer; try again later", "база данных не отвечает; попробуйте позже";
    FILES_AWAY: "the store of files does not answer, or refuses; try again later", "хранилище файлов не отвечает или отказывает; попробуйте позже";
    SERVICE_AWAY: "the service {} does not answer; try again later", "сервис {} не отвечает; попробуйте позже";
    OUR_FAULT: "a fault of Frontdesk, not of what it worked on; try again later, its log says more",
        "ошибка Frontdesk, а не того, что он обрабатывал; попробуйте позже, подробности в журнале";
    DEFECT: "a defect interrupted it; try again later, it is in the log", "работу прервала ошибка программы; попробуйте позже, она записана в журнале";
    INTERRUPTED: "it was interrupted {} times; try again later, or split the file and upload its parts",
        "работа прерывалась {} раза; попробуйте позже или разделите файл и загрузите по частям";
}

/// What a file may have too much of, by the name that its reader gives.
const LIMITS: [(&str, Reason); 10] = [
    ("bytes", OVER_BYTES),
    ("pages", OVER_PAGES),
    ("unpacked size in bytes", OVER_UNPACKED),
    ("text in bytes", OVER_TEXT),
    ("passages", OVER_PASSAGES),
    ("seconds", OVER_SECONDS),
    ("memory in bytes", OVER_MEMORY),
    ("entries of the archive", OVER_ENTRIES),
    ("nesting depth", OVER_DEPTH),
    ("columns of the table", OVER_COLUMNS),
];

/// How earlier versions, whose rows are there still, said the same.
const EARLIER: [(&str, Reason); 9] = [
    ("the file is empty", EMPTY),
    ("the file holds no text", NO_TEXT),
    ("this is no text", NOT_TEXT),
    ("the pdf has no pages", NO_PAGES),
    ("the table cannot be read: it is not valid CSV", BAD_TABLE),
    ("unsupported file type: {}", UNSUPPORTED),
    ("the address is not on the public internet", NOT_PUBLIC),
    ("the database service does not answer", DATABASE_AWAY),
    ("the blobs service does not answer", FILES_AWAY),
];

/// More of `what` than `limit`.
#[must_use]
pub fn over(what: &str, limit: u64) -> Told {
    match LIMITS.iter().find(|(name, _)| *name == what) {
        Some((_, reason)) => reason.with(&[&limit]),
        None => OVER.with(&[&what, &limit]),
    }
}

impl Reason {
    /// The reason as it stands, without a value.
    #[must_use]
    pub fn told(self) -> Told {
        Told(self.en.to_owned())
    }

    /// The reason with values for its `{}`, in their order.
    #[must_use]
    pub fn with(self, values: &[&dyn fmt::Display]) -> Told {
        let values: Vec<String> =
            values.iter().map(|value| value.to_string().chars().take(MAX_VALUE).collect()).collect();
        Told(filled(self.en, &values))
    }
}

impl Told {
    /// Why a job that is no document's was not done, as its dead letter keeps it: for operators of the machine, in English.
    #[must_use]
    pub fn of_a_job(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What the reader of a file says, which a hostile file may have broken: none of ours is [`BROKEN`].
    #[must_use]
    pub fn by_reader(text: &str) -> Self {
        if in_russian(text).is_some() { Self(text.to_owned()) } else { BROKEN.told() }
    }

    /// The text.
    #[must_use]
    pub fn into_text(self) -> String {
        self.0
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A template with its values.
fn filled(template: &str, values: &[String]) -> String {
    let mut parts = template.split("{}");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for (number, part) in parts.enumerate() {
        text.push_str(values.get(number).map_or("", String::as_str));
        text.push_str(part);
    }
    text
}

/// The values that make `text` of a template: a value ends where what follows it stands for the last time.
fn values(template: &str, text: &str) -> Option<Vec<String>> {
    let mut parts: Vec<&str> = template.split("{}").collect();
    let last = parts.pop()?;
    let mut rest = text.strip_suffix(last)?;
    let mut found = Vec::new();
    while let Some(part) = parts.pop() {
        if parts.is_empty() {
            found.push(rest.strip_prefix(part)?.to_owned());
            break;
        }
        let (before, value) = rest.rsplit_once(part)?;
        found.push(value.to_owned());
        rest = before;
    }
    // Without a value the end is all there is.
    if !template.contains("{}") && !rest.is_empty() {
        return None;
    }
    found.reverse();
    Some(found)
}

/// A stored reason in Russian; `None` where this version does not know it.
#[must_use]
pub fn in_russian(reason: &str) -> Option<String> {
    // Two reasons deep: what a page leads to may have one of its own.
    translated(reason, 2)
}

fn translated(text: &str, depth: u8) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    if let Some((what, limit)) = text.split_once(" is over the limit of ")
        && let Some((_, reason)) = LIMITS.iter().find(|(name, _)| *name == what)
    {
        return Some(filled(reason.ru, &[limit.to_owned()]));
    }
    let known = ALL.iter().map(|reason| (reason.en, *reason)).chain(EARLIER);
    known.into_iter().find_map(|(template, reason)| {
        let values = values(template, text)?;
        let values: Vec<String> =
            values.into_iter().map(|value| translated(&value, depth).unwrap_or(value)).collect();
        Some(filled(reason.ru, &values))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many values as any reason has.
    const VALUES: [&dyn fmt::Display; 2] = [&"23 (a) \"b\"", &"doc_1"];

    fn is_russian(text: &str) -> bool {
        text.chars().any(|c| ('а'..='я').contains(&c))
    }

    #[test]
    fn every_reason_is_told_in_both_languages_with_its_values() {
        for reason in ALL {
            let told = reason.with(&VALUES).into_text();
            let russian = in_russian(&told).unwrap_or_default();
            let count = |text: &str| text.matches("{}").count();
            assert_eq!(count(reason.en), count(reason.ru), "{reason:?}");
            assert!(count(reason.en) <= VALUES.len(), "{reason:?}");
            assert!(is_russian(&russian) && !russian.contains("{}"), "{told}: {russian}");
            for value in VALUES.iter().take(count(reason.en)) {
                assert!(russian.contains(&value.to_string()), "{told}: {russian}");
            }
            assert_eq!(russian, filled(reason.ru, &VALUES.map(ToString::to_string)), "{told}");
        }
    }

    #[test]
    fn every_reason_says_what_to_do() {
        let english = ["upload", "save", "give", "try again", "make it anew", "delete", "must", "need"];
        let russian =
            ["загрузите", "сохраните", "укажите", "попробуйте", "сделайте", "удалите", "долж", "распознайте"];
        for reason in ALL.iter().filter(|reason| **reason != LEADS_ELSEWHERE) {
            assert!(english.iter().any(|word| reason.en.contains(word)), "{}", reason.en);
            assert!(russian.iter().any(|word| reason.ru.contains(word)), "{}", reason.ru);
        }
    }

    #[test]
    fn a_reason_within_a_reason_and_what_earlier_versions_stored_are_translated() {
        let told = LEADS_ELSEWHERE.with(&[&OTHER_PORT.told()]).into_text();
        assert_eq!(
            in_russian(&told).as_deref(),
            Some("страница ведёт в другое место: порт в адресе должен быть 80 или 443")
        );
        for (earlier, reason) in EARLIER {
            let ru = in_russian(&earlier.replace("{}", "image/png"));
            assert_eq!(ru, Some(reason.ru.replace("{}", "image/png")));
        }
        let pages = in_russian("pages is over the limit of 2000");
        assert_eq!(pages, Some(OVER_PAGES.ru.replace("{}", "2000")));
        assert_eq!(in_russian("the moon is made of tea"), None);
        assert_eq!(in_russian(""), None);
    }

    #[test]
    fn a_reader_tells_none_but_these() {
        assert_eq!(Told::by_reader(LOCKED.en), LOCKED.told());
        assert_eq!(Told::by_reader("call this number"), BROKEN.told());
        assert_eq!(
            over("feathers", 3).into_text(),
            "feathers is over the limit of 3; split the file and upload its parts"
        );
        let long = UNSUPPORTED.with(&[&"x".repeat(10_000)]).into_text();
        assert!(long.len() < 400 && in_russian(&long).is_some());
    }
}
