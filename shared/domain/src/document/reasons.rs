//! Why a file is not read, for the person who uploaded it, in English and Russian. What is stored and logged is English.

/// A reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason {
    /// In English; what is stored.
    pub en: &'static str,
    /// In Russian.
    pub ru: &'static str,
}

macro_rules! reasons {
    ($($name:ident: $en:literal, $ru:literal;)*) => {
        $(#[doc = $en] pub const $name: Reason = Reason { en: $en, ru: $ru };)*

        /// Every reason.
        const ALL: &[Reason] = &[$($name,)*];
    };
}

reasons! {
    EMPTY: "the file is empty", "файл пуст";
    NO_TEXT: "the file holds no text", "в файле нет текста";
    NOT_TEXT: "this is no text", "это не текст";
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
    NO_PAGES: "the pdf has no pages", "в PDF нет страниц";
    PICTURES: "the pdf holds no text (scanned pages are pictures; they need text recognition first)",
        "в PDF нет текста (отсканированные страницы — это картинки; сначала распознайте в них текст)";
    UNKNOWN_LETTERS: "the pdf does not say which letters its fonts stand for; make it anew from the document it was printed from",
        "в PDF не сказано, какие буквы означают знаки его шрифтов; сделайте его заново из исходного документа";
    MEANINGLESS: "the text of the file comes out as signs without meaning; save it anew as UTF-8, or as another kind of file, and upload it again",
        "вместо текста в файле бессмысленные знаки; сохраните его заново в UTF-8 или в другом формате и загрузите снова";
    BAD_TABLE: "the table cannot be read: it is not valid CSV", "таблицу нельзя прочитать: это неправильный CSV";
    TEXT_PART_MISSING: "the docx is damaged: its text is not there; save it anew and upload it again",
        "docx повреждён: в нём нет текста документа; сохраните его заново и загрузите снова";
    DOCX_DAMAGED: "the docx is damaged: it ends in the middle or is no XML; save it anew and upload it again",
        "docx повреждён: он обрывается или это не XML; сохраните его заново и загрузите снова";
    ARCHIVE_DAMAGED: "the file is damaged: its archive cannot be opened; save it anew and upload it again",
        "файл повреждён: его архив не открывается; сохраните его заново и загрузите снова";
    FILE_GONE: "the file is not there any more; upload it again", "файла больше нет; загрузите его снова";
    READER_AWAY: "the reader of files does not answer; please try again later",
        "сервис чтения файлов не отвечает; попробуйте позже";
}

/// What a file may have too much of.
const LIMITED: [(&str, &str); 10] = [
    ("bytes", "размер в байтах"),
    ("pages", "число страниц"),
    ("unpacked size in bytes", "размер после распаковки в байтах"),
    ("text in bytes", "размер текста в байтах"),
    ("passages", "число отрывков"),
    ("seconds", "время чтения в секундах"),
    ("memory in bytes", "память для чтения в байтах"),
    ("entries of the archive", "число файлов в архиве"),
    ("nesting depth", "глубина вложенности"),
    ("columns of the table", "число столбцов таблицы"),
];

/// A stored reason in Russian; `None` for what is not a file's own fault and has no translation.
#[must_use]
pub fn in_russian(reason: &str) -> Option<String> {
    if let Some(known) = ALL.iter().find(|known| known.en == reason) {
        return Some(known.ru.to_owned());
    }
    if let Some(kind) = reason.strip_prefix("unsupported file type: ") {
        return Some(format!("файлы такого типа не читаются: {kind}"));
    }
    let (what, limit) = reason.split_once(" is over the limit of ")?;
    let (_, what) = LIMITED.iter().find(|(en, _)| *en == what)?;
    Some(format!("{what}: больше допустимого ({limit})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_told_in_both_languages() {
        for reason in ALL {
            assert!(
                in_russian(reason.en).is_some_and(|ru| ru.chars().any(|c| ('а'..='я').contains(&c))),
                "{reason:?}"
            );
        }
        assert_eq!(
            in_russian("pages is over the limit of 2000").as_deref(),
            Some("число страниц: больше допустимого (2000)")
        );
        assert_eq!(in_russian("the page answered 404"), None);
    }
}
