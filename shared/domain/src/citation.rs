//! Citations: what of an answer may be shown, and what each `[n]` in it stands for.

mod code;
mod filter;

pub use filter::CitationFilter;

use crate::answer::Citation;
use crate::id::{DocumentId, PassageId};
use crate::quote;

/// A passage that an answer may cite. Its number is its position among those offered, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source<'a> {
    /// The passage.
    pub passage_id: PassageId,
    /// Its document.
    pub document_id: DocumentId,
    /// The document's title.
    pub title: &'a str,
    /// The document's version.
    pub version: u32,
    /// Where the document came from, if it was a web page.
    pub url: Option<&'a str>,
    /// The path of headings above the passage.
    pub heading: Option<&'a str>,
    /// First byte of `text` in the extracted text of that version.
    pub start: u64,
    /// The passage.
    pub text: &'a str,
}

impl Source<'_> {
    /// The citation of a part of the passage; `None` when the bytes are none of its text.
    #[must_use]
    pub fn cite(&self, n: u32, part: std::ops::Range<usize>) -> Option<Citation> {
        let offset = |at: usize| self.start.saturating_add(u64::try_from(at).unwrap_or(u64::MAX));
        Some(Citation {
            n,
            document_id: self.document_id,
            title: self.title.to_owned(),
            version: self.version,
            passage_id: self.passage_id,
            start: offset(part.start),
            end: offset(part.end),
            quote: self.text.get(part)?.to_owned(),
            url: self.url.map(str::to_owned),
        })
    }
}

/// Whether a quote is exactly the bytes it names of the extracted text.
#[must_use]
pub fn is_exact(citation: &Citation, extracted: &str) -> bool {
    let (Ok(start), Ok(end)) = (usize::try_from(citation.start), usize::try_from(citation.end)) else {
        return false;
    };
    extracted.get(start..end) == Some(citation.quote.as_str())
}

/// The citations of an answer that [`CitationFilter`] let through, in the order in which they first appear. Each quotes
/// the sentences of its passage that are nearest to what the answer says with it.
#[must_use]
pub fn cited(answer: &str, sources: &[Source<'_>]) -> Vec<Citation> {
    let mut claims: Vec<(usize, String)> = Vec::new();
    let mut claim = "";
    let mut from = 0;
    for (start, end, n) in references(answer) {
        // Several numbers after one statement belong to the same statement.
        let before = answer.get(from..start).unwrap_or("").trim();
        if before.chars().any(char::is_alphanumeric) {
            claim = quote::last_statement(before);
        }
        from = end;
        match claims.iter_mut().find(|(other, _)| *other == n) {
            Some((_, text)) => {
                text.push(' ');
                text.push_str(claim);
            }
            None => claims.push((n, claim.to_owned())),
        }
    }
    claims
        .into_iter()
        .filter_map(|(n, claim)| {
            let source = sources.get(n.checked_sub(1)?)?;
            let part = quote::nearest(&claim, source.text)?;
            source.cite(u32::try_from(n).ok()?, with_numbers(&claim, source.text, part))
        })
        .collect()
}

/// Whether an answer says anything beside its references: `[1]` alone is no answer, whatever stands behind the reference.
#[must_use]
pub fn says_something(answer: &str) -> bool {
    let mut from = 0;
    let mut said = |upto: usize, next: usize| {
        let text = answer.get(from..upto).unwrap_or("");
        from = next;
        text.contains(char::is_alphanumeric)
    };
    references(answer).any(|(start, end, _)| said(start, end)) || said(answer.len(), answer.len())
}

/// The part of a passage together with where the numbers of the claim stand that it lacks: a reader is to see them.
fn with_numbers(claim: &str, passage: &str, part: std::ops::Range<usize>) -> std::ops::Range<usize> {
    let quoted = passage.get(part.clone()).unwrap_or("");
    let mut wide = part.clone();
    for number in filter::missing_numbers(claim, quoted) {
        if let Some(other) = quote::nearest(&number, passage)
            && passage.get(other.clone()).is_some_and(|text| text.contains(&number))
        {
            wide = wide.start.min(other.start)..wide.end.max(other.end);
        }
    }
    let fits = passage
        .get(wide.clone())
        .is_some_and(|text| text.chars().count() <= quote::MAX_QUOTE_CHARS.saturating_mul(2));
    if fits { wide } else { part }
}

/// The longest number of a reference, in digits: four are a year.
const MAX_DIGITS: usize = 3;

/// Every `[n]` in a text, but for those in code: first byte, byte after the last one, number.
fn references(text: &str) -> impl Iterator<Item = (usize, usize, usize)> {
    let mut codes = code::ranges(text).into_iter().peekable();
    text.match_indices('[').filter_map(move |(start, _)| {
        while codes.next_if(|code| code.end <= start).is_some() {}
        if codes.peek().is_some_and(|code| code.contains(&start)) {
            return None;
        }
        let from = start.checked_add(1)?;
        let digits =
            text.as_bytes().get(from..)?.iter().take(MAX_DIGITS).take_while(|byte| byte.is_ascii_digit());
        let end = from.checked_add(digits.count())?;
        let number = text.get(from..end)?.parse().ok()?;
        (text.as_bytes().get(end) == Some(&b']'))
            .then(|| Some((start, end.checked_add(1)?, number)))
            .flatten()
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::time::Timestamp;

    pub(crate) fn source(text: &str, start: u64) -> Source<'_> {
        Source {
            passage_id: PassageId::new(Timestamp::from_millis(1), [1; 10]),
            document_id: DocumentId::new(Timestamp::from_millis(1), [2; 10]),
            title: "Delivery",
            version: 3,
            url: Some("https://shop.example/delivery"),
            heading: None,
            start,
            text,
        }
    }

    const TEXT: &str =
        "Преамбула. We ship every weekday. Courier delivery in Moscow costs 300 roubles. Pickup is free.";

    #[test]
    fn a_citation_quotes_the_sentence_that_the_answer_used() {
        let start = "Преамбула. ".len();
        let source = source(&TEXT[start..], start as u64);
        let citations =
            cited("The courier in Moscow costs 300 roubles [1]. You may pick up for free [1].", &[source]);
        assert_eq!(citations.len(), 1);
        assert!(is_exact(&citations[0], TEXT));
        assert!(citations[0].quote.contains("300 roubles"), "{}", citations[0].quote);
        assert!(!citations[0].quote.contains("weekday"), "{}", citations[0].quote);
    }

    #[test]
    fn numbers_after_one_statement_share_it() {
        let one = source("Courier delivery costs 300 roubles. Other things.", 0);
        let two = source("We have no shoes. The courier charges 300 roubles everywhere.", 0);
        let citations = cited("A courier costs 300 roubles [1][2].", &[one, two]);
        assert_eq!(citations.iter().map(|citation| citation.n).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(citations[1].quote, "The courier charges 300 roubles everywhere.");
    }

    #[test]
    fn brackets_without_end_take_no_longer_than_other_text() {
        // Ten minutes when the end of each is looked for.
        assert_eq!(references(&"[".repeat(2 << 20)).count(), 0);
        assert_eq!(references(&"[1".repeat(1 << 20)).count(), 0);
        assert_eq!(
            references("[1][23] [12345][] [x][4]").map(|found| found.2).collect::<Vec<_>>(),
            [1, 23, 4]
        );
    }

    #[test]
    fn references_alone_say_nothing() {
        for (answer, is) in [
            ("[1]", false),
            (" [1][2]. ", false),
            ("**[1]**", false),
            ("", false),
            ("[1] yes", true),
            ("Да [1]", true),
        ] {
            assert_eq!(says_something(answer), is, "{answer}");
        }
    }

    #[test]
    fn a_number_without_a_passage_is_no_citation() {
        assert!(cited("So it is [2] [0] [x] [].", &[source("Text.", 0)]).is_empty());
    }

    #[test]
    fn a_quote_that_is_not_in_the_text_is_noticed() {
        let mut citation = source("Pickup is free.", 0).cite(1, 0..15).unwrap();
        assert!(is_exact(&citation, "Pickup is free."));
        citation.start = 1;
        assert!(!is_exact(&citation, "Pickup is free."));
        assert!(source("Ё", 0).cite(1, 0..1).is_none());
    }
}
