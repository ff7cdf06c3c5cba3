//! Markdown as the rest of the house knows it: headings with `#`, no front matter, and paragraphs whose lines were broken
//! for the eye in one line.

use crate::ReadText;
use crate::kind::is_underline;

/// Front matter longer than this is none, in lines.
const MAX_FRONT: usize = 200;

pub(crate) fn read(markdown: &str) -> ReadText {
    let lines: Vec<&str> = markdown.lines().collect();
    let (front, said, body) = front_matter(&lines);
    let mut writer = Reflowed::default();
    for value in said {
        writer.line(&value);
        writer.line("");
    }
    let mut rest = body;
    while let Some((line, after)) = rest.split_first() {
        rest = after;
        let under = rest.first().copied().unwrap_or("");
        if let Some(level) = writer.underlined(line, under) {
            writer.line(&format!("{level} {}", line.trim()));
            rest = rest.get(1..).unwrap_or_default();
        } else {
            writer.add(line);
        }
    }
    let title = front.or_else(|| writer.title.take());
    ReadText { title, text: writer.text, ..ReadText::default() }
}

/// The title that front matter gives, its values that are sentences, and the lines after it.
fn front_matter<'l, 't>(lines: &'l [&'t str]) -> (Option<String>, Vec<String>, &'l [&'t str]) {
    let Some((first, rest)) = lines.split_first() else { return (None, Vec::new(), lines) };
    let fence = first.trim_end();
    if fence != "---" && fence != "+++" {
        return (None, Vec::new(), lines);
    }
    let Some(end) = rest.iter().take(MAX_FRONT).position(|line| line.trim_end() == fence) else {
        return (None, Vec::new(), lines);
    };
    let (front, after) = rest.split_at(end);
    let is_entry = |line: &&&str| {
        line.trim().is_empty() || line.contains([':', '=']) || line.starts_with([' ', '-', '#', ']', '}'])
    };
    if !front.iter().all(|line| is_entry(&line)) {
        return (None, Vec::new(), lines);
    }
    let title = front.iter().find_map(|line| {
        let value = line.strip_prefix("title")?.trim_start().strip_prefix([':', '='])?;
        let title = value.trim().trim_matches(['"', '\'']);
        (!is_block(title)).then(|| title.to_owned())
    });
    (title, told(front), after.get(1..).unwrap_or_default())
}

/// What front matter says to readers: values of several words, also where they go on over lines or are lists.
fn told(front: &[&str]) -> Vec<String> {
    let mut values: Vec<String> = Vec::new();
    for line in front {
        let trimmed = line.trim();
        if !line.starts_with([' ', '\t', '-']) {
            if let Some((key, value)) = line.split_once([':', '=']) {
                let is_other = key.trim_end() == "title" || trimmed.starts_with('#') || is_block(value);
                values.push(if is_other { String::new() } else { bare(value) });
            }
        } else if let Some(value) = values.last_mut() {
            let item = trimmed.strip_prefix("- ");
            if !value.is_empty() {
                value.push_str(if item.is_some() { ", " } else { " " });
            }
            value.push_str(&bare(item.unwrap_or(trimmed)));
        }
    }
    let is_word = |word: &str| word.chars().filter(|c| c.is_alphabetic()).count() >= 3;
    values.retain(|value| value.split_whitespace().nth(1).is_some() && value.split_whitespace().any(is_word));
    values
}

/// Whether the value itself comes on the next lines.
fn is_block(value: &str) -> bool {
    value.trim().trim_start_matches(['|', '>']).trim_matches(['-', '+']).is_empty()
}

/// A value without its quotes, a list without its brackets.
fn bare(value: &str) -> String {
    let unquoted = |value: &str| value.trim().trim_matches(['"', '\'']).to_owned();
    let list = value.trim().strip_prefix('[').and_then(|value| value.strip_suffix(']'));
    list.map_or_else(|| unquoted(value), |list| list.split(',').map(unquoted).collect::<Vec<_>>().join(", "))
}

/// Markdown with each paragraph in one line.
#[derive(Default)]
struct Reflowed {
    text: String,
    title: Option<String>,
    /// The fence of the code that is open.
    fence: Option<String>,
    /// A paragraph, item or quote that the next line may go on.
    open: bool,
}

impl Reflowed {
    /// What makes a heading of `line`, should `under` do so.
    fn underlined(&self, line: &str, under: &str) -> Option<&'static str> {
        let is_text = !line.trim().is_empty() && !is_structure(line) && !line.starts_with("    ");
        if self.fence.is_some() || self.open || !is_text || !is_underline(under) {
            return None;
        }
        Some(if under.starts_with('=') { "#" } else { "##" })
    }

    fn line(&mut self, line: &str) {
        if self.title.is_none()
            && self.fence.is_none()
            && let Some(heading) = line.strip_prefix("# ")
        {
            self.title = Some(heading.trim_end_matches('#').to_owned());
        }
        self.text.push_str(line);
        self.text.push('\n');
        self.open = false;
    }

    fn add(&mut self, line: &str) {
        let trimmed = line.trim_start();
        if let Some(fence) = &self.fence {
            if trimmed.starts_with(fence.as_str()) {
                self.fence = None;
            }
            self.text.push_str(line);
            self.text.push('\n');
            return;
        }
        if let Some(fence) = ["```", "~~~"].into_iter().find(|fence| trimmed.starts_with(fence)) {
            self.line(line);
            self.fence = Some(fence.to_owned());
            return;
        }
        let is_item = is_item(trimmed);
        if self.open && !trimmed.is_empty() && !is_item && !is_structure(trimmed) {
            self.text.truncate(self.text.trim_end_matches('\n').len());
            self.text.push(' ');
            self.text.push_str(trimmed.trim_end());
            self.text.push('\n');
        } else {
            self.line(line.trim_end());
        }
        // Code stands apart by its white space, and two spaces at the end of a line or a backslash end it.
        let is_code = line.starts_with("    ") || line.starts_with('\t');
        let is_ended = line.ends_with("  ") || line.ends_with('\\') || trimmed.ends_with('>');
        self.open = !trimmed.is_empty() && !is_structure(trimmed) && !is_ended && (is_item || !is_code);
    }
}

fn is_item(trimmed: &str) -> bool {
    let after = trimmed.trim_start_matches(|c: char| c.is_ascii_digit());
    ["- ", "* ", "+ "].iter().any(|bullet| trimmed.starts_with(bullet))
        || (after.len() < trimmed.len() && (after.starts_with(". ") || after.starts_with(") ")))
}

/// What stands on a line of its own: headings, rows, quotes, rules, tags, definitions.
fn is_structure(line: &str) -> bool {
    let trimmed = line.trim_start();
    trimmed.starts_with(['#', '|', '>', '<', ':'])
        || trimmed.starts_with("[^")
        || is_underline(trimmed)
        || trimmed.contains(" | ")
        || (trimmed.starts_with('[') && trimmed.contains("]:"))
        || trimmed.starts_with("***")
        || trimmed.starts_with("___")
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn headings_front_matter_and_broken_lines_are_known() {
        let text = "---\ntitle: \"Kettle guide\"\ntags: [tea]\nabout: How to use it well\n---\n\nKettle manual\n=============\n\nDelivery\n--------\n\nBy courier,\nwithin two\ndays.\n\n- one\n  and a half\n- two\n\n```\na\nb\n```\n";
        let read = read(text);
        assert_eq!(read.title.as_deref(), Some("Kettle guide"));
        assert_eq!(
            read.text,
            "How to use it well\n\n\n# Kettle manual\n\n## Delivery\n\nBy courier, within two days.\n\n- one and a half\n- two\n\n```\na\nb\n```\n"
        );
    }

    #[test]
    fn what_front_matter_says_in_words_is_read_however_it_is_written() {
        let said = |front: &str| read(&format!("---\n{front}---\n\nTea\n")).text.replace('\n', "|");
        assert_eq!(said("name: Bug report\nlayout: page.njk\ndate: 2026-01-02 10:00\n"), "Bug report|||Tea|");
        assert_eq!(said("about: |\n  How to use it,\n  and how not\n"), "How to use it, and how not|||Tea|");
        assert_eq!(said("tags: [\"tea\", 'green tea']\n"), "tea, green tea|||Tea|");
        assert_eq!(said("tags:\n  - tea\n  - cups\n"), "tea, cups|||Tea|");
        assert_eq!(said("tags:\n- tea\n- cups\ntitle: All of it\n"), "tea, cups|||Tea|");
        let toml = read("+++\ntitle = \"Guide\"\nabout = \"How to use it\"\n+++\n\nTea\n");
        assert_eq!((toml.title.as_deref(), toml.text.as_str()), (Some("Guide"), "How to use it\n\n\nTea\n"));
    }

    #[test]
    fn what_stands_on_lines_of_its_own_stays_there() {
        for text in [
            "| A | B |\n|---|---|\n| 1 | 2 |\n",
            "a\n\n---\n\nb\n",
            "> see you\n> :)\n",
            "Prices are net.[^1]\n[^1]: plus VAT\n",
        ] {
            assert_eq!(read(text).text, text);
        }
        assert_eq!(read("one  \ntwo\n").text, "one\ntwo\n");
    }
}
