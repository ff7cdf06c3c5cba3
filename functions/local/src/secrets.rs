//! Secrets of a data directory: made once, readable by their owner alone.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result, bail};
use frontdesk_ports::Random;

/// The file in the data directory: `NAME=value` lines.
pub const FILE: &str = "secrets.env";

/// The variables that are made when they are set nowhere, with their length in random bytes.
const GENERATED: [(&str, usize); 3] = [("JWT_SECRET", 32), ("METRICS_TOKEN", 24), ("ADMIN_PASSWORD", 15)];

/// Reads the secrets of a data directory; an absent file is an empty one.
///
/// # Errors
/// When the file is readable by others, or is not `NAME=value` lines.
pub fn read(data: &Path) -> Result<BTreeMap<String, String>> {
    let path = data.join(FILE);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error).context(path.display().to_string()),
    };
    let mode = std::fs::metadata(&path)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        bail!("{} has mode {mode:o}: others can read it; `chmod 600` it", path.display());
    }
    text.lines()
        .enumerate()
        .map(|(number, line)| (number, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| {
            assignment(line).with_context(|| {
                format!("{}: line {} is not NAME=value", path.display(), number.saturating_add(1))
            })
        })
        .collect()
}

/// A line as a shell reads it, for the file may be given to one: with or without `export`, quoted or not.
fn assignment(line: &str) -> Option<(String, String)> {
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || !name.bytes().all(plain) {
        return None;
    }
    let value = value.trim();
    let value = match value.chars().next() {
        Some(quote @ ('"' | '\'')) => quoted(value.get(1..)?, quote)?,
        _ => value.split(" #").next().unwrap_or_default().trim_end().to_owned(),
    };
    Some((name.to_owned(), value))
}

/// What stands before the closing quote, after which only a comment may come. Between double quotes a backslash takes the
/// meaning from the characters that have one there.
fn quoted(text: &str, quote: char) -> Option<String> {
    let mut value = String::new();
    let mut letters = text.chars();
    loop {
        match letters.next()? {
            letter if letter == quote => break,
            '\\' if quote == '"' => match letters.next()? {
                escaped @ ('"' | '\\' | '$' | '`') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            letter => value.push(letter),
        }
    }
    let rest = letters.as_str().trim();
    (rest.is_empty() || rest.starts_with('#')).then_some(value)
}

/// A value as [`assignment`] and a shell read it.
fn written(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:@%+,=".contains(&byte);
    if value.bytes().all(plain) {
        return value.to_owned();
    }
    let mut text = String::from('"');
    for letter in value.chars() {
        if matches!(letter, '"' | '\\' | '$' | '`') {
            text.push('\\');
        }
        text.push(letter);
    }
    text.push('"');
    text
}

/// Makes the secrets that are missing and returns all that are kept. What is `set` elsewhere is neither made nor kept.
///
/// # Errors
/// As [`read`], and when the file cannot be written.
pub fn ensure(
    data: &Path,
    random: &dyn Random,
    set: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, String>> {
    let mut all = read(data)?;
    let missing: Vec<_> =
        GENERATED.iter().filter(|(name, _)| !all.contains_key(*name) && !set(name)).collect();
    if missing.is_empty() {
        return Ok(all);
    }
    for (name, length) in missing {
        let mut bytes = vec![0_u8; *length];
        random.fill(&mut bytes);
        all.insert((*name).to_owned(), hex(&bytes));
    }
    let mut text = String::from("# Secrets of this data directory. Made on the first start; keep them.\n");
    for (name, value) in &all {
        text.push_str(&format!("{name}={}\n", written(value)));
    }
    let path = data.join(FILE);
    let new = data.join("secrets.env.new");
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, &path)?;
    Ok(all)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::OsRandom;

    #[test]
    fn secrets_are_made_once_and_only_their_owner_reads_them() {
        let data = tempfile::tempdir().unwrap();
        let first = ensure(data.path(), &OsRandom, |_| false).unwrap();
        assert_eq!(ensure(data.path(), &OsRandom, |_| false).unwrap(), first);
        assert!(first.get("JWT_SECRET").unwrap().len() >= 64);
        let path = data.path().join(FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read(data.path()).unwrap_err().to_string().contains("chmod 600"));
    }

    #[test]
    fn what_is_set_elsewhere_is_neither_made_nor_kept() {
        let data = tempfile::tempdir().unwrap();
        let kept = ensure(data.path(), &OsRandom, |name| name == "ADMIN_PASSWORD").unwrap();
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["JWT_SECRET", "METRICS_TOKEN"]);
        let text = std::fs::read_to_string(data.path().join(FILE)).unwrap();
        assert!(!text.contains("ADMIN_PASSWORD"), "{text}");
        let later = ensure(data.path(), &OsRandom, |_| false).unwrap();
        assert!(later.contains_key("ADMIN_PASSWORD") && later.get("JWT_SECRET") == kept.get("JWT_SECRET"));
    }

    #[test]
    fn a_line_is_read_as_a_shell_reads_it() {
        for (line, value) in [
            ("NAME=plain", Some("plain")),
            ("NAME=\"quoted\"", Some("quoted")),
            ("NAME='single'", Some("single")),
            ("export NAME=\"a b\"  # a comment", Some("a b")),
            ("NAME=a#b", Some("a#b")),
            ("NAME=a # a comment", Some("a")),
            (r#"NAME="a \"b\" \$c \\ \d""#, Some(r#"a "b" $c \ \d"#)),
            (r"NAME='a\b'", Some(r"a\b")),
            ("NAME=", Some("")),
            ("NAME=\"\"", Some("")),
            ("NAME=key==", Some("key==")),
            ("NAME=\"open", None),
            ("NAME=\"closed\" and more", None),
            ("NAME", None),
            ("=value", None),
            ("TWO NAMES=value", None),
        ] {
            let read = assignment(line);
            assert_eq!(read.as_ref().map(|(_, value)| value.as_str()), value, "{line}");
            assert!(read.is_none_or(|(name, _)| name == "NAME"), "{line}");
        }
    }

    #[test]
    fn what_is_in_the_file_stays_the_same_when_it_is_written_anew() {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join(FILE);
        let value = r#"it's "$5" \ `x` # all"#;
        std::fs::write(&path, format!("OPENAI_API_KEY={}\n", written(value))).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        for _ in 0..2 {
            assert_eq!(
                ensure(data.path(), &OsRandom, |_| false).unwrap().get("OPENAI_API_KEY").unwrap(),
                value
            );
        }
    }
}
