//! `document_text_parts`: the texts of documents, in parts, as a database server may refuse a row of several megabytes. Texts of
//! earlier versions of Frontdesk are whole, in `document_texts`; where a version has both, that one comes before its parts.

use frontdesk_domain::id::DocumentId;
use frontdesk_domain::scope::TenantScope;
use frontdesk_ports::{DbError, Rows, Statement};

use super::documents::{Keep, kept};

/// The most bytes of a part.
const PART: usize = 256 * 1024;

/// The statements that add to the text of a version that is being made. A text has a part, though it be empty.
pub fn append(scope: &TenantScope, id: DocumentId, version: u32, text: &str) -> Vec<Statement> {
    let mut statements = Vec::new();
    let mut rest = text;
    loop {
        let (part, more) = rest.split_at_checked(rest.floor_char_boundary(PART)).unwrap_or((rest, ""));
        statements.push(append_part(scope, id, version, part));
        if more.is_empty() {
            return statements;
        }
        rest = more;
    }
}

/// A part goes after the last one; where that is empty, in its place.
fn append_part(scope: &TenantScope, id: DocumentId, version: u32, text: &str) -> Statement {
    Statement::new(
        "INSERT INTO document_text_parts (org_id, document_id, version, start, bytes, text)
         SELECT ?1, ?2, ?3, coalesce(
            (SELECT start + bytes FROM document_text_parts
             WHERE org_id = ?1 AND document_id = ?2 AND version = ?3 ORDER BY start DESC LIMIT 1),
            (SELECT length(CAST(text AS BLOB)) FROM document_texts
             WHERE org_id = ?1 AND document_id = ?2 AND version = ?3),
            0), ?4, ?5
         WHERE true
         ON CONFLICT (org_id, document_id, version, start) DO UPDATE SET bytes = excluded.bytes, text = excluded.text",
    )
    .bind_id(scope.org())
    .bind_id(id)
    .bind(version)
    .bind(text.len())
    .bind(text)
}

/// How long the text of a version is, and up to `limit` bytes of it from byte `from` on: for [`window`].
pub fn select_window(
    scope: &TenantScope,
    id: DocumentId,
    version: u32,
    from: usize,
    limit: usize,
) -> Vec<Statement> {
    let of_version = |sql| Statement::new(sql).bind_id(scope.org()).bind_id(id).bind(version);
    vec![
        of_version(
            "SELECT max(bytes) FROM (
                SELECT start + bytes AS bytes FROM document_text_parts
                WHERE org_id = ?1 AND document_id = ?2 AND version = ?3
                UNION ALL
                SELECT length(CAST(text AS BLOB)) FROM document_texts
                WHERE org_id = ?1 AND document_id = ?2 AND version = ?3)",
        ),
        of_version(
            "SELECT substr(CAST(text AS BLOB), max(?4 - start, 0) + 1, ?4 + ?5 - max(?4, start)) FROM (
                SELECT start, bytes, text FROM document_text_parts
                WHERE org_id = ?1 AND document_id = ?2 AND version = ?3
                UNION ALL
                SELECT 0, length(CAST(text AS BLOB)), text FROM document_texts
                WHERE org_id = ?1 AND document_id = ?2 AND version = ?3)
             WHERE start < ?4 + ?5 AND start + bytes > ?4 ORDER BY start",
        )
        .bind(from)
        .bind(limit),
    ]
}

/// What [`select_window`] gave: the window without a character that its end cuts, and how many bytes the whole text has.
/// `None` when there is no text.
///
/// # Errors
/// When the rows are of another shape.
pub fn window(results: &[Rows]) -> Result<Option<(String, usize)>, DbError> {
    let length = results.first().and_then(Rows::first).map(|row| row.opt_int(0)).transpose()?.flatten();
    let Some(length) = length else { return Ok(None) };
    let length = usize::try_from(length).map_err(|error| DbError::Schema(error.to_string()))?;
    let mut bytes = Vec::new();
    for row in results.get(1).map_or(&[][..], |rows| &rows.rows) {
        bytes.extend_from_slice(row.blob(0)?);
    }
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let cut = error.utf8_error();
            let whole = error.as_bytes().get(..cut.valid_up_to()).filter(|_| cut.error_len().is_none());
            whole
                .and_then(|bytes| std::str::from_utf8(bytes).ok())
                .ok_or_else(|| DbError::Schema("a text is no UTF-8".to_owned()))?
                .to_owned()
        }
    };
    Ok(Some((text, length)))
}

/// Takes the texts of a document away, but for the version to keep.
pub fn delete_others(scope: &TenantScope, id: DocumentId, keep: Keep) -> [Statement; 2] {
    let bound = |sql| Statement::new(sql).bind_id(scope.org()).bind_id(id).bind(keep.version());
    [
        bound(concat!(
            "DELETE FROM document_text_parts WHERE org_id = ?1 AND document_id = ?2 AND version <> ",
            kept!()
        )),
        bound(concat!(
            "DELETE FROM document_texts WHERE org_id = ?1 AND document_id = ?2 AND version <> ",
            kept!()
        )),
    ]
}
