//! `passages`, `passages_fts`, `passage_stats`: what is searched by words.
//!
//! A term in the index is `<organisation>_<language>_<stem>`. As the organisation is a part of the term, counts over a
//! term are the organisation's own, and a query walks only the organisation's posting lists.

use frontdesk_domain::id::{DocumentId, OrgId, PassageId};
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::text::{Language, QueryTerm, Split, Term, Terms};
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::{DbError, Row, Rows, Statement};

use super::documents::{Keep, kept};

/// One passage to be written.
#[derive(Debug, Clone)]
pub struct NewPassage {
    /// Its id.
    pub id: PassageId,
    /// From 0 in the document.
    pub ordinal: usize,
    /// First byte in the extracted text.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
    /// The path of headings above it.
    pub heading: Option<String>,
    /// Its text.
    pub text: String,
    /// The terms of its heading.
    pub heading_terms: Terms,
    /// The terms of its text.
    pub terms: Terms,
}

impl NewPassage {
    /// The passages of a window that begins at byte `from` of the document with passage number `first`.
    pub fn all(
        split: Split,
        window: &str,
        from: usize,
        first: usize,
        id: impl Fn(usize) -> PassageId,
    ) -> Vec<Self> {
        let passages = split.passages.into_iter().zip(first..);
        passages
            .map(|(passage, ordinal)| Self {
                id: id(ordinal),
                ordinal,
                start: from.saturating_add(passage.start),
                end: from.saturating_add(passage.end),
                heading: passage.heading,
                text: window.get(passage.start..passage.end).unwrap_or("").to_owned(),
                heading_terms: passage.heading_terms,
                terms: passage.terms,
            })
            .collect()
    }
}

/// Of which version of which document.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The document.
    pub document: DocumentId,
    /// The version, from 1.
    pub version: u32,
    /// The document's title; indexed with every passage.
    pub title: String,
    /// The terms of the title. They are those of one language, which the document's row must name.
    pub title_terms: Terms,
    /// When the version was made.
    pub created_at: Timestamp,
}

fn key(org: OrgId, term: &Term) -> String {
    format!("{}{}", key_prefix(org, term.language), term.stem)
}

/// What every term of an organisation begins with.
fn owner(org: OrgId) -> String {
    let org = org.to_string();
    org.strip_prefix(OrgId::PREFIX).map_or(org.as_str(), |rest| rest.trim_start_matches('_')).to_owned()
}

fn key_prefix(org: OrgId, language: Language) -> String {
    format!("{}_{}_", owner(org), language.tag())
}

/// Terms as one column of the index holds them, and how many.
fn column(owner: &str, terms: &Terms) -> (String, usize) {
    let mut keys = String::new();
    let mut count: usize = 0;
    for term in terms.iter() {
        if count > 0 {
            keys.push(' ');
        }
        keys.push_str(owner);
        keys.push('_');
        keys.push_str(term);
        count = count.saturating_add(1);
    }
    (keys, count)
}

/// The statements that write passages, a hundred or so: rows and their terms. The organisation's statistics count them
/// once their version is searched ([`count`]).
pub fn insert(scope: &TenantScope, origin: &Origin, passages: &[NewPassage]) -> [Statement; 2] {
    let org = scope.org();
    let owner = owner(org);
    let (title, title_tokens) = column(&owner, &origin.title_terms);
    let rows: Vec<serde_json::Value> = passages
        .iter()
        .map(|passage| {
            let (heading_terms, heading_tokens) = column(&owner, &passage.heading_terms);
            let (body, body_tokens) = column(&owner, &passage.terms);
            let tokens = title_tokens.saturating_add(heading_tokens).saturating_add(body_tokens);
            serde_json::json!({
                "id": passage.id, "ordinal": passage.ordinal, "start": passage.start, "end": passage.end,
                "heading": passage.heading, "text": passage.text, "tokens": tokens,
                "heading_terms": heading_terms, "body": body,
            })
        })
        .collect();
    let rows = serde_json::Value::Array(rows).to_string();
    [
        Statement::new(
            r#"INSERT INTO passages
                   (org_id, id, document_id, version, ordinal, start, "end", heading, text, tokens, created_at)
               SELECT ?1, value ->> 'id', ?2, ?3, value ->> 'ordinal', value ->> 'start', value ->> 'end',
                      value ->> 'heading', value ->> 'text', value ->> 'tokens', ?4
               FROM json_each(?5)"#,
        )
        .bind_id(org)
        .bind_id(origin.document)
        .bind(origin.version)
        .bind(origin.created_at)
        .bind(rows.as_str()),
        Statement::new(
            "INSERT INTO passages_fts (rowid, title, heading, body)
             SELECT p.n, ?2, value ->> 'heading_terms', value ->> 'body'
             FROM json_each(?3) CROSS JOIN passages p ON p.org_id = ?1 AND p.id = value ->> 'id'",
        )
        .bind_id(org)
        .bind(title)
        .bind(rows),
    ]
}

/// Counts the passages of the version to keep in the organisation's statistics instead of those of the version that is
/// searched until now. Comes before the document's row names the new one.
pub fn count(scope: &TenantScope, document: DocumentId, keep: Keep) -> Statement {
    Statement::new(concat!(
        "INSERT INTO passage_stats (org_id, documents, passages, tokens)
         SELECT ?1, count(DISTINCT iif(sign = 1, 1, NULL)) - count(DISTINCT iif(sign = -1, 1, NULL)),
                coalesce(sum(sign), 0), coalesce(sum(sign * tokens), 0)
         FROM (SELECT p.tokens, (p.version = new.version) - (p.version = old.version) AS sign
               FROM (SELECT ",
        kept!(),
        " AS version) new
               CROSS JOIN (SELECT version FROM documents WHERE org_id = ?1 AND id = ?2) old
               CROSS JOIN passages p ON p.org_id = ?1 AND p.document_id = ?2
                   AND p.version IN (new.version, old.version)) WHERE true
         ON CONFLICT (org_id) DO UPDATE SET documents = documents + excluded.documents,
             passages = passages + excluded.passages, tokens = tokens + excluded.tokens"
    ))
    .bind_id(scope.org())
    .bind_id(document)
    .bind(keep.version())
}

/// The statements that take a document's passages away, but for the version to keep.
pub fn delete_others(scope: &TenantScope, document: DocumentId, keep: Keep) -> [Statement; 2] {
    let bound = |sql| Statement::new(sql).bind_id(scope.org()).bind_id(document).bind(keep.version());
    [
        bound(concat!(
            "DELETE FROM passages_fts WHERE rowid IN
                 (SELECT n FROM passages WHERE org_id = ?1 AND document_id = ?2 AND version <> ",
            kept!(),
            ")"
        )),
        bound(concat!(
            "DELETE FROM passages WHERE org_id = ?1 AND document_id = ?2 AND version <> ",
            kept!()
        )),
    ]
}

/// BM25's saturation of repeated words.
const K1: f64 = 1.5;
/// BM25's share of length normalisation.
const B: f64 = 0.75;
/// What a word in the title, in a heading, and a related form count of a word in the text.
const TITLE: f64 = 1.0;
const HEADING: f64 = 1.0;
const RELATED: f64 = 0.4;
/// What the document as a whole counts beside the passage: of two similar passages the one from the document that is
/// about the question wins.
const DOCUMENT: f64 = 1.0;

/// The best passages by words, as one statement: BM25 of the passage plus BM25 of its document, both with the
/// organisation's own counts. Rows: the columns of [`Hit`], and in each row the counts of the words.
///
/// A word's variants and related forms are one word: their frequencies are added before saturation, and its document
/// frequency is that of their union. SQLite has no `ln` in this build, so `logs` computes it: halve into 1..2, then the
/// series of the inverse hyperbolic tangent, exact to 1e-6.
pub fn search(scope: &TenantScope, words: &[QueryTerm], limit: u32) -> Statement {
    let org = scope.org();
    let rows: Vec<serde_json::Value> = words
        .iter()
        .enumerate()
        .flat_map(|(number, word)| word.variants.iter().map(move |variant| (number, variant)))
        .map(|(number, variant)| {
            let prefix = key_prefix(org, variant.language);
            let (root, longest) = variant.root();
            let first = format!("{prefix}{root}");
            let exact = key(org, variant);
            let last = if root == variant.stem && longest == root.chars().count() {
                exact.clone()
            } else {
                format!("{first}\u{10ffff}")
            };
            serde_json::json!([number, exact, first, last, prefix.chars().count().saturating_add(longest)])
        })
        .collect();
    Statement::new(SEARCH)
        .bind_id(org)
        .bind(serde_json::Value::Array(rows).to_string())
        .bind(TITLE)
        .bind(HEADING)
        .bind(RELATED)
        .bind(K1)
        .bind(B)
        .bind(DOCUMENT)
        .bind(limit)
}

const SEARCH: &str = r#"
WITH words AS MATERIALIZED (
    SELECT value ->> 0 AS word, value ->> 1 AS exact, value ->> 2 AS first, value ->> 3 AS last, value ->> 4 AS longest
    FROM json_each(?2)
), hits AS MATERIALIZED (
    SELECT t.doc AS n, w.word,
           sum(CASE t.col WHEN 'title' THEN ?3 WHEN 'heading' THEN ?4 ELSE 1.0 END
               * CASE WHEN t.term = w.exact THEN 1.0 ELSE ?5 END) AS tf
    FROM words w CROSS JOIN passages_terms t ON t.term >= w.first AND t.term <= w.last
    WHERE length(t.term) <= w.longest
    GROUP BY t.doc, w.word
), live AS MATERIALIZED (
    SELECT h.n, h.word, h.tf, p.tokens, p.document_id, p.version
    FROM hits h CROSS JOIN passages p ON p.n = h.n AND p.org_id = ?1
    CROSS JOIN documents d ON d.org_id = ?1 AND d.id = p.document_id AND d.version = p.version
), whole AS MATERIALIZED (
    SELECT document_id, word, sum(tf) AS tf, max(version) AS version FROM live GROUP BY document_id, word
), lengths AS MATERIALIZED (
    SELECT w.document_id, (SELECT sum(p.tokens) FROM passages p
        WHERE p.org_id = ?1 AND p.document_id = w.document_id AND p.version = w.version) AS tokens
    FROM (SELECT DISTINCT document_id, version FROM whole) w
), stats AS MATERIALIZED (
    SELECT documents, passages, 1.0 * tokens / max(documents, 1) AS document_tokens,
           1.0 * tokens / max(passages, 1) AS passage_tokens
    FROM passage_stats WHERE org_id = ?1
), ratios AS (
    SELECT 0 AS level, word, count(*) AS df,
           1.0 + (max(s.passages - count(*), 0) + 0.5) / (count(*) + 0.5) AS x
    FROM live, stats s GROUP BY word
    UNION ALL
    SELECT 1, word, count(*), 1.0 + (max(s.documents - count(*), 0) + 0.5) / (count(*) + 0.5)
    FROM whole, stats s GROUP BY word
), halved AS (
    SELECT level, word, df, x, (SELECT max(value) FROM json_each('[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30]')
        WHERE x >= (1 << value)) AS halvings
    FROM ratios
), logs AS (
    SELECT level, word, df, halvings, (x / (1 << halvings) - 1.0) / (x / (1 << halvings) + 1.0) AS y FROM halved
), idf AS MATERIALIZED (
    SELECT level, word, df, halvings * 0.6931471805599453
        + 2.0 * y * (1.0 + y * y * (1.0 / 3 + y * y * (1.0 / 5 + y * y * (1.0 / 7 + y * y / 9)))) AS idf
    FROM logs
), of_passages AS MATERIALIZED (
    SELECT l.n, l.document_id,
           sum(i.idf * l.tf * (?6 + 1.0) / (l.tf + ?6 * (1.0 - ?7 + ?7 * l.tokens / s.passage_tokens))) AS score
    FROM live l, stats s JOIN idf i ON i.level = 0 AND i.word = l.word
    GROUP BY l.n
), of_documents AS MATERIALIZED (
    SELECT w.document_id,
           sum(i.idf * w.tf * (?6 + 1.0) / (w.tf + ?6 * (1.0 - ?7 + ?7 * g.tokens / s.document_tokens))) AS score
    FROM whole w, stats s JOIN lengths g ON g.document_id = w.document_id JOIN idf i ON i.level = 1 AND i.word = w.word
    GROUP BY w.document_id
)
SELECT p.id, p.document_id, p.version, p.start, p."end", p.heading, p.text, d.title, d.url, d.language, f.score,
       (SELECT passages FROM stats), (SELECT json_group_array(json_array(word, df)) FROM idf WHERE level = 0)
FROM (SELECT a.n, a.score + ?8 * b.score AS score
      FROM of_passages a JOIN of_documents b ON b.document_id = a.document_id
      ORDER BY 2 DESC, 1 LIMIT ?9) f
CROSS JOIN passages p ON p.n = f.n
CROSS JOIN documents d ON d.org_id = ?1 AND d.id = p.document_id
ORDER BY f.score DESC, f.n"#;

/// How many different terms are read for a misspelt word at most.
const MOST_TERMS: usize = 3000;

/// The different terms of the organisation that begin as a word does, in the word's language, one column. Each costs a seek,
/// however often it occurs. `None` for a word without letters.
pub fn vocabulary(scope: &TenantScope, word: &Term) -> Option<Statement> {
    let first = word.stem.chars().next().filter(|first| first.is_alphabetic())?;
    let start = format!("{}{first}", key_prefix(scope.org(), word.language));
    Some(
        Statement::new(
            "WITH RECURSIVE found (term) AS (
                 SELECT (SELECT term FROM passages_terms WHERE term >= ?1 AND term <= ?2 ORDER BY term LIMIT 1)
                 UNION ALL
                 SELECT (SELECT t.term FROM passages_terms t WHERE t.term >= found.term || char(1) AND t.term <= ?2
                         ORDER BY t.term LIMIT 1)
                 FROM found WHERE found.term IS NOT NULL
                 LIMIT ?3
             ) SELECT term FROM found WHERE term IS NOT NULL",
        )
        .bind(start.as_str())
        .bind(format!("{start}\u{10ffff}"))
        .bind(MOST_TERMS),
    )
}

/// The terms that [`vocabulary`] gave.
///
/// # Errors
/// When a row is of another shape.
pub fn vocabulary_terms(scope: &TenantScope, rows: &Rows) -> Result<Vec<Term>, DbError> {
    let owner = format!("{}_", owner(scope.org()));
    let term = |key: &str| {
        let (tag, stem) = key.strip_prefix(&owner)?.split_once('_')?;
        let language = Language::all().find(|language| language.tag() == tag)?;
        Some(Term { language, stem: stem.to_owned() })
    };
    rows.rows.iter().filter_map(|row| row.text(0).map(term).transpose()).collect()
}

/// The passages with these ids that are current: for an index of vectors that lives elsewhere. The score is NULL.
pub fn select(scope: &TenantScope, ids: &[PassageId]) -> Statement {
    Statement::new(
        r#"SELECT p.id, p.document_id, p.version, p.start, p."end", p.heading, p.text, d.title, d.url, d.language, NULL
           FROM json_each(?2) wanted
           CROSS JOIN passages p ON p.org_id = ?1 AND p.id = wanted.value
           CROSS JOIN documents d ON d.org_id = ?1 AND d.id = p.document_id AND d.version = p.version"#,
    )
    .bind_id(scope.org())
    .bind(serde_json::json!(ids).to_string())
}

/// A passage that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The passage.
    pub id: PassageId,
    /// Its document.
    pub document: DocumentId,
    /// The document's version.
    pub version: u32,
    /// First byte in the extracted text.
    pub start: u64,
    /// The byte after the last one.
    pub end: u64,
    /// The path of headings above it.
    pub heading: Option<String>,
    /// The text.
    pub text: String,
    /// The document's title.
    pub title: String,
    /// Where the document came from, if it was a web page.
    pub url: Option<String>,
    /// The language it was stemmed in.
    pub language: Language,
    /// The score of the search that found it; `None` for [`select`].
    pub score: Option<f64>,
}

/// How many columns a [`Hit`] takes.
const HIT_COLUMNS: usize = 11;

/// A row of [`search`], [`select`] or `vectors::search`.
///
/// # Errors
/// When the row is of another shape.
pub fn hit(row: &Row) -> Result<Hit, DbError> {
    Ok(Hit {
        id: row.parse(0)?,
        document: row.parse(1)?,
        version: u32::try_from(row.int(2)?).map_err(|_| DbError::Schema("version".to_owned()))?,
        start: row.count(3)?,
        end: row.count(4)?,
        heading: row.opt_text(5)?.map(str::to_owned),
        text: row.text(6)?.to_owned(),
        title: row.text(7)?.to_owned(),
        url: row.opt_text(8)?.map(str::to_owned),
        language: row.opt_text(9)?.and_then(|code| code.parse().ok()).unwrap_or_default(),
        score: if row.0.get(10) == Some(&frontdesk_ports::Value::Null) { None } else { Some(row.real(10)?) },
    })
}

/// How often the words of a question occur in an organisation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    /// Passages of the organisation.
    pub passages: u64,
    /// Number of the word in the question, and in how many passages it stands. Words that stand nowhere are left out.
    pub words: Vec<(usize, u64)>,
}

/// The counts that every row of [`search`] carries.
///
/// # Errors
/// When the row is of another shape.
pub fn counts(row: &Row) -> Result<Counts, DbError> {
    Ok(Counts { passages: row.count(HIT_COLUMNS)?, words: row.json(HIT_COLUMNS.saturating_add(1))? })
}
