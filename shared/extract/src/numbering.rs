//! Numbers of items in Word: a list says how its levels count, and the text does not hold the numbers.

use std::collections::HashMap;

use frontdesk_ports::ExtractFailure;

use crate::Limits;
use crate::docx::{Node, attribute, walk};

/// Word's own number of levels.
const LEVELS: usize = 9;

/// More lists are not told apart.
const MAX_LISTS: usize = 10_000;

/// How one level counts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ListLevel {
    start: u32,
    format: String,
    /// `%1.%2.`: the numbers of levels with what stands around them.
    text: String,
}

/// The lists of a document, and where each is.
#[derive(Debug, Default)]
pub(crate) struct Numbering {
    abstracts: HashMap<String, Vec<ListLevel>>,
    lists: HashMap<String, String>,
    counts: HashMap<String, [Option<u32>; LEVELS]>,
}

impl Numbering {
    pub(crate) fn read(xml: &str, limits: &Limits) -> Result<Self, ExtractFailure> {
        let mut numbering = Self::default();
        let (mut of, mut list) = (None::<String>, None::<String>);
        walk(xml, limits, |node| {
            let Node::Open(name, tag) = node else { return Ok(()) };
            let value = || attribute(tag, "val").unwrap_or_default();
            match *name {
                "abstractNum" if numbering.abstracts.len() < MAX_LISTS => {
                    of = attribute(tag, "abstractNumId");
                    list = None;
                }
                "num" if numbering.lists.len() < MAX_LISTS => {
                    list = attribute(tag, "numId");
                    of = None;
                }
                "abstractNumId" => {
                    if let Some(list) = &list {
                        numbering.lists.insert(list.clone(), value());
                    }
                }
                "lvl" => {
                    if let Some(of) = &of {
                        let levels = numbering.abstracts.entry(of.clone()).or_default();
                        if levels.len() < LEVELS {
                            levels.push(ListLevel { start: 1, format: String::new(), text: String::new() });
                        }
                    }
                }
                "start" | "numFmt" | "lvlText" => {
                    let level = of.as_ref().and_then(|of| numbering.abstracts.get_mut(of)?.last_mut());
                    match (*name, level) {
                        ("start", Some(level)) => level.start = value().parse().unwrap_or(1),
                        ("numFmt", Some(level)) => level.format = value(),
                        (_, Some(level)) => level.text = value().chars().take(40).collect(),
                        (_, None) => {}
                    }
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(numbering)
    }

    /// What stands before the next item of a list; `-` where it has no numbers.
    pub(crate) fn next(&mut self, list: &str, level: u8) -> String {
        let bullet = || "-".to_owned();
        let Some(of) = self.lists.get(list) else { return bullet() };
        let Some(levels) = self.abstracts.get(of) else { return bullet() };
        let depth = usize::from(level).min(LEVELS.saturating_sub(1));
        let Some(own) = levels.get(depth) else { return bullet() };
        if self.counts.len() >= MAX_LISTS && !self.counts.contains_key(of) {
            return bullet();
        }
        // Lists of one kind go on from each other, as they do in Word.
        let counts = self.counts.entry(of.clone()).or_default();
        for (index, count) in counts.iter_mut().enumerate() {
            if index == depth {
                *count = Some(count.map_or(own.start, |before| before.saturating_add(1)));
            } else if index > depth {
                *count = None;
            }
        }
        if matches!(own.format.as_str(), "bullet" | "none" | "") || own.text.is_empty() {
            return bullet();
        }
        let mut shown = own.text.clone();
        for (index, count) in counts.iter().enumerate().take(depth.saturating_add(1)) {
            let Some(level) = levels.get(index) else { continue };
            let number = formatted(count.unwrap_or(level.start), &level.format);
            shown = shown.replace(&format!("%{}", index.saturating_add(1)), &number);
        }
        let shown = shown.trim();
        if shown.is_empty() { bullet() } else { shown.to_owned() }
    }
}

fn formatted(number: u32, format: &str) -> String {
    const LATIN: &str = "abcdefghijklmnopqrstuvwxyz";
    const RUSSIAN: &str = "абвгдежзиклмнопрстуфхцчшщэюя";
    let letter = |alphabet: &str| {
        let index = usize::try_from(number.saturating_sub(1)).unwrap_or(0);
        alphabet
            .chars()
            .nth(index.checked_rem(alphabet.chars().count()).unwrap_or(0))
            .unwrap_or('?')
            .to_string()
    };
    match format {
        "lowerLetter" => letter(LATIN),
        "upperLetter" => letter(LATIN).to_uppercase(),
        "russianLower" => letter(RUSSIAN),
        "russianUpper" => letter(RUSSIAN).to_uppercase(),
        "lowerRoman" => roman(number),
        "upperRoman" => roman(number).to_uppercase(),
        "decimalZero" => format!("{number:02}"),
        _ => number.to_string(),
    }
}

fn roman(number: u32) -> String {
    const SIGNS: [(u32, &str); 13] = [
        (1000, "m"),
        (900, "cm"),
        (500, "d"),
        (400, "cd"),
        (100, "c"),
        (90, "xc"),
        (50, "l"),
        (40, "xl"),
        (10, "x"),
        (9, "ix"),
        (5, "v"),
        (4, "iv"),
        (1, "i"),
    ];
    if number == 0 || number > 3999 {
        return number.to_string();
    }
    let (mut rest, mut shown) = (number, String::new());
    for (value, sign) in SIGNS {
        while rest >= value {
            shown.push_str(sign);
            rest = rest.saturating_sub(value);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_count_by_level_as_word_does() {
        let xml = "<w:numbering xmlns:w='w'><w:abstractNum w:abstractNumId='7'><w:lvl><w:start w:val='1'/><w:numFmt w:val='decimal'/><w:lvlText w:val='%1.'/></w:lvl><w:lvl><w:start w:val='1'/><w:numFmt w:val='lowerLetter'/><w:lvlText w:val='%1.%2)'/></w:lvl></w:abstractNum><w:num w:numId='3'><w:abstractNumId w:val='7'/></w:num></w:numbering>";
        let mut numbering = Numbering::read(xml, &Limits::default()).unwrap();
        let items: Vec<String> =
            [0, 0, 1, 1, 0, 1].into_iter().map(|level| numbering.next("3", level)).collect();
        assert_eq!(items, ["1.", "2.", "2.a)", "2.b)", "3.", "3.a)"]);
        assert_eq!(numbering.next("9", 0), "-");
        assert_eq!((roman(4), roman(1999)), ("iv".to_owned(), "mcmxcix".to_owned()));
    }
}
