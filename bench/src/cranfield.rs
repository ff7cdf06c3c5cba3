//! The Cranfield format: `cran.all.1400`, `cran.qry`, `cranqrel` in one directory.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// A document of a collection.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its number in the judgements.
    pub id: String,
    /// `.T`
    pub title: String,
    /// `.W`
    pub text: String,
}

/// A collection.
#[derive(Debug, Default)]
pub struct Collection {
    /// The documents.
    pub documents: Vec<Document>,
    /// The questions, in order: the position from 1 is the number in the judgements.
    pub questions: Vec<String>,
    /// The documents that are relevant to each question that has any.
    pub relevant: HashMap<usize, HashSet<String>>,
}

/// Reads a collection.
///
/// # Errors
/// When a file is missing, is not UTF-8, or holds nothing.
pub fn load(directory: &Path) -> Result<Collection> {
    let read = |name: &str| {
        let path = directory.join(name);
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let documents = records(&read("cran.all.1400")?)
        .into_iter()
        .map(|mut record| Document {
            id: record.number,
            title: record.fields.remove(&'T').unwrap_or_default().trim().to_owned(),
            text: record.fields.remove(&'W').unwrap_or_default(),
        })
        .collect::<Vec<_>>();
    let questions = records(&read("cran.qry")?)
        .into_iter()
        .map(|mut record| record.fields.remove(&'W').unwrap_or_default())
        .collect::<Vec<_>>();
    let mut relevant: HashMap<usize, HashSet<String>> = HashMap::new();
    for (number, line) in read("cranqrel")?.lines().enumerate() {
        let mut columns = line.split_whitespace();
        let (Some(question), Some(document), Some(code)) = (columns.next(), columns.next(), columns.next())
        else {
            continue;
        };
        let question: usize = question
            .parse()
            .with_context(|| format!("cranqrel, line {}: no number", number.saturating_add(1)))?;
        // 5 is "of no interest"; every other code is a degree of relevance.
        if code != "5" {
            relevant.entry(question).or_default().insert(document.to_owned());
        }
    }
    ensure!(
        !documents.is_empty() && !questions.is_empty() && !relevant.is_empty(),
        "the collection is empty"
    );
    Ok(Collection { documents, questions, relevant })
}

struct Record {
    number: String,
    fields: HashMap<char, String>,
}

fn records(text: &str) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    let mut field = None;
    for line in text.lines() {
        if let Some(number) = line.strip_prefix(".I ") {
            records.push(Record { number: number.trim().to_owned(), fields: HashMap::new() });
            field = None;
        } else if let Some(name) = line.strip_prefix('.').map(str::trim_end).filter(|name| name.len() == 1) {
            field = name.chars().next();
        } else if let (Some(record), Some(field)) = (records.last_mut(), field) {
            let value = record.fields.entry(field).or_default();
            value.push_str(line);
            value.push('\n');
        }
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixture_collection_is_read() {
        let collection = load(Path::new("fixtures/shop")).unwrap();
        assert_eq!(collection.documents.len(), 20);
        assert!(collection.questions.len() >= 20);
        assert!(
            collection.relevant.keys().all(|question| (1..=collection.questions.len()).contains(question))
        );
        let ids: HashSet<_> = collection.documents.iter().map(|document| document.id.clone()).collect();
        assert!(collection.relevant.values().flatten().all(|id| ids.contains(id)));
    }
}
