//! Files of SQL, cut into statements. By hand, after the rules of `sqlite3_complete()`: the kept libraries parse all of SQL,
//! and take a parser generator in C and hundreds of kilobytes for it.

/// A piece of SQL that is no space and no comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Token<'a> {
    text: &'a str,
    /// Where it ends in the file, in bytes.
    end: usize,
}

impl Token<'_> {
    fn is(self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }
}

/// The statements of a file, each with the comments ahead of it. Texts, comments and triggers may contain semicolons.
#[must_use]
pub fn statements(file: &str) -> Vec<&str> {
    let mut all = Vec::new();
    let mut begin = 0;
    // The tokens of the statement so far, and whether it is a trigger.
    let (mut count, mut trigger) = (0_usize, false);
    let mut before = ["", ""];
    for token in tokens(file) {
        let ends =
            token.text == ";" && (!trigger || (before[0] == ";" && before[1].eq_ignore_ascii_case("END")));
        count = count.saturating_add(1);
        trigger |= count <= 3 && token.is("TRIGGER");
        before = [before[1], token.text];
        if ends {
            // A semicolon alone is no statement.
            if count > 1 {
                all.extend(file.get(begin..token.end).map(str::trim));
            }
            begin = token.end;
            (count, trigger, before) = (0, false, ["", ""]);
        }
    }
    if count > 0 {
        all.extend(file.get(begin..).map(str::trim));
    }
    all
}

/// Why a program that does not know of this statement could not go on beside it; `None` when it can: it only adds.
/// `added` is what the same file makes.
#[must_use]
pub fn contracts(statement: &str, added: &Made<'_>) -> Option<&'static str> {
    let words: Vec<&str> = tokens(statement).map(|token| token.text).collect();
    let at = |n: usize| words.get(n).copied().unwrap_or_default();
    let has = |wanted: &[&str]| {
        words
            .windows(wanted.len())
            .any(|words| words.iter().zip(wanted).all(|(a, b)| a.eq_ignore_ascii_case(b)))
    };
    let begins =
        |wanted: &[&str]| wanted.iter().enumerate().all(|(n, word)| at(n).eq_ignore_ascii_case(word));
    if begins(&["CREATE", "TABLE"]) || begins(&["CREATE", "VIRTUAL", "TABLE"]) || begins(&["CREATE", "INDEX"])
    {
        None
    } else if begins(&["CREATE", "UNIQUE", "INDEX"]) {
        let on =
            words.iter().position(|word| word.eq_ignore_ascii_case("ON")).map(|n| at(n.saturating_add(1)));
        // Rows of older programs leave a new column empty, so an index of those that do not is nothing to them.
        let filled = |column: &str| has(&["WHERE", column, "IS", "NOT", "NULL"]);
        let new = on.is_some_and(|table| {
            let columns = added.columns.iter().filter(|(of, _)| *of == table);
            added.tables.contains(&table) || columns.into_iter().any(|(_, column)| filled(column))
        });
        (!new).then_some("a unique index on a table that is there refuses what older programs write")
    } else if begins(&["ALTER", "TABLE"]) && at(3).eq_ignore_ascii_case("ADD") {
        let demands = has(&["NOT", "NULL"]) && !has(&["DEFAULT"]);
        demands.then_some("a new column needs a default, or older programs cannot write")
    } else if begins(&["INSERT"]) || begins(&["UPDATE"]) {
        None
    } else {
        Some("it takes away or changes what older programs use")
    }
}

/// What a file makes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Made<'a> {
    /// Tables.
    pub tables: Vec<&'a str>,
    /// Columns of tables that may be there: the table, the column.
    pub columns: Vec<(&'a str, &'a str)>,
}

/// What a file makes.
#[cfg(test)]
pub(super) fn made(file: &str) -> Made<'_> {
    let mut made = Made::default();
    for statement in statements(file) {
        let words: Vec<&str> = tokens(statement).map(|token| token.text).collect();
        let is = |n: usize, word: &str| words.get(n).is_some_and(|found| found.eq_ignore_ascii_case(word));
        match words.as_slice() {
            [_, _, name, ..] if is(0, "CREATE") && is(1, "TABLE") => made.tables.push(name),
            [_, _, _, name, ..] if is(0, "CREATE") && is(2, "TABLE") => made.tables.push(name),
            [_, _, table, _, _, column, ..] if is(0, "ALTER") && is(3, "ADD") && is(4, "COLUMN") => {
                made.columns.push((table, column));
            }
            _ => {}
        }
    }
    made
}

/// What is gone for good after this statement, in words; `None` when nothing is.
pub(super) fn loses(statement: &str) -> Option<String> {
    let words: Vec<&str> = tokens(statement).map(|token| token.text).collect();
    match words.as_slice() {
        [drop, table, name, ..]
            if drop.eq_ignore_ascii_case("DROP") && table.eq_ignore_ascii_case("TABLE") =>
        {
            Some(format!("the table {name}"))
        }
        [alter, _, table, drop, rest @ ..]
            if alter.eq_ignore_ascii_case("ALTER") && drop.eq_ignore_ascii_case("DROP") =>
        {
            rest.iter().rfind(|word| **word != ";").map(|column| format!("{column} of the table {table}"))
        }
        [delete, ..] if delete.eq_ignore_ascii_case("DELETE") => Some("rows".to_owned()),
        _ => None,
    }
}

/// Words, texts and single signs, without spaces and comments.
fn tokens(sql: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = sql;
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start();
            let skipped = if rest.starts_with("--") {
                Some(rest.find('\n').unwrap_or(rest.len()))
            } else if rest.starts_with("/*") {
                Some(rest.find("*/").map_or(rest.len(), |end| end.saturating_add(2)))
            } else {
                None
            };
            let Some(skipped) = skipped else { break };
            rest = rest.get(skipped..).unwrap_or_default();
        }
        let first = rest.chars().next()?;
        let quoted = match first {
            '\'' | '"' | '`' => Some(first),
            '[' => Some(']'),
            _ => None,
        };
        let is_word = |sign: char| sign.is_alphanumeric() || sign == '_' || sign == '$';
        let length = match quoted {
            // A doubled quote within is two texts side by side here, which is the same where semicolons are sought.
            Some(end) => {
                let inside = rest.get(first.len_utf8()..).unwrap_or_default();
                inside.find(end).map_or(rest.len(), |at| at.saturating_add(2))
            }
            None if is_word(first) => rest.find(|sign| !is_word(sign)).unwrap_or(rest.len()),
            None => first.len_utf8(),
        };
        let (text, after) = rest.split_at_checked(length)?;
        rest = after;
        Some(Token { text, end: sql.len().saturating_sub(after.len()) })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_comments_and_triggers_may_contain_semicolons() {
        let file = "-- One; with; semicolons;\nCREATE TABLE a (x TEXT DEFAULT 'a;\nb; it''s'); /* ; */\n\
            CREATE TRIGGER t AFTER INSERT ON a BEGIN\n  UPDATE a SET x = CASE WHEN 1 THEN ';' END;\n  DELETE FROM a;\nEND;\n\
            ;\nINSERT INTO a (\"x;y\", [z;], `w;`) VALUES (1, 2, 3); SELECT 1;\n-- the end;\n";
        let found = statements(file);
        assert_eq!(found.len(), 4, "{found:#?}");
        assert!(found[0].starts_with("-- One") && found[0].ends_with("it''s');"));
        assert!(found[1].ends_with("END;") && found[1].contains("DELETE FROM a;"));
        assert!(found[2].starts_with("INSERT") && found[2].ends_with("3);"));
        assert_eq!(found[3], "SELECT 1;");
        assert_eq!(statements("SELECT 1"), ["SELECT 1"], "the last one may lack its end");
        assert_eq!(statements(" -- nothing\n/* at all"), Vec::<&str>::new());
        assert_eq!(statements("SELECT 'open"), ["SELECT 'open"]);
    }

    #[test]
    fn what_only_adds_is_told_from_what_takes_away() {
        for (statement, only_adds) in [
            ("CREATE TABLE a (x TEXT NOT NULL) STRICT;", true),
            ("CREATE INDEX i ON a (x);", true),
            ("CREATE UNIQUE INDEX i ON new (x);", true),
            ("CREATE UNIQUE INDEX i ON old (x);", false),
            ("CREATE UNIQUE INDEX i ON old (x, y) WHERE y IS NOT NULL AND x = 'a';", true),
            ("CREATE UNIQUE INDEX i ON old (x, y);", false),
            ("CREATE UNIQUE INDEX i ON old (x) WHERE x IS NOT NULL;", false),
            ("CREATE UNIQUE INDEX i ON other (y) WHERE y IS NOT NULL;", false),
            ("ALTER TABLE a ADD COLUMN y TEXT;", true),
            ("-- why\nalter table a add column y INTEGER NOT NULL DEFAULT 0;", true),
            ("ALTER TABLE a ADD COLUMN y INTEGER NOT NULL;", false),
            ("UPDATE a SET y = x;", true),
            ("INSERT INTO a SELECT * FROM b;", true),
            ("ALTER TABLE a DROP COLUMN y;", false),
            ("ALTER TABLE a RENAME COLUMN x TO y;", false),
            ("ALTER TABLE a RENAME TO b;", false),
            ("DROP TABLE a;", false),
            ("DROP INDEX i;", false),
            ("DELETE FROM a;", false),
            ("CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM a; END;", false),
        ] {
            let added = Made { tables: vec!["new"], columns: vec![("old", "y")] };
            assert_eq!(contracts(statement, &added).is_none(), only_adds, "{statement}");
        }
    }

    #[test]
    fn what_is_lost_is_named() {
        assert_eq!(loses("-- x\nDROP TABLE hosts;").as_deref(), Some("the table hosts"));
        assert_eq!(loses("ALTER TABLE a DROP COLUMN b;").as_deref(), Some("b of the table a"));
        assert_eq!(loses("DROP INDEX i;"), None);
        let file = "CREATE TABLE a (x);\nCREATE VIRTUAL TABLE b USING fts5 (x);\nDROP TABLE c;\n\
            ALTER TABLE c ADD COLUMN d TEXT;";
        assert_eq!(made(file), Made { tables: vec!["a", "b"], columns: vec![("c", "d")] });
    }
}
