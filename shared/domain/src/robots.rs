//! What a site lets robots read, as RFC 9309 says. Parsing and matching take time that grows with the file alone.

/// Of a longer file only so much is read (RFC 9309, 2.5, asks for at least 500 KiB).
pub const MAX_ROBOTS_BYTES: usize = 512 << 10;

/// The rules of a `robots.txt` for one robot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Robots {
    rules: Vec<RobotsRule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct RobotsRule {
    allows: bool,
    /// The path, with percent signs as [`normal`] makes them.
    pattern: String,
}

/// For whom the rules of a group are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Audience {
    Others,
    Everyone,
    Named,
}

impl Robots {
    /// Reads a file for the robot with this product token.
    #[must_use]
    pub fn parse(file: &[u8], token: &str) -> Self {
        let file = String::from_utf8_lossy(beginning(file));
        let (mut named, mut everyones) = (None::<Vec<RobotsRule>>, Vec::new());
        let mut audience = Audience::Others;
        let mut in_rules = false;
        for line in file.trim_start_matches('\u{feff}').split(['\r', '\n']) {
            let line = line.split('#').next().unwrap_or("");
            let Some((key, value)) = line.split_once(':') else { continue };
            let (key, value) = (key.trim(), value.trim());
            if key.eq_ignore_ascii_case("user-agent") {
                let whom = audience_of(value, token);
                // Several names in a row begin one group.
                audience = if in_rules { whom } else { audience.max(whom) };
                in_rules = false;
                if whom == Audience::Named {
                    named.get_or_insert_default();
                }
                continue;
            }
            let allows = key.eq_ignore_ascii_case("allow");
            if !allows && !key.eq_ignore_ascii_case("disallow") {
                continue;
            }
            in_rules = true;
            // An empty path forbids nothing.
            let rules = match audience {
                _ if value.is_empty() => continue,
                Audience::Others => continue,
                Audience::Everyone => &mut everyones,
                Audience::Named => named.get_or_insert_default(),
            };
            rules.push(RobotsRule { allows, pattern: normal(value) });
        }
        Self { rules: named.unwrap_or(everyones) }
    }

    /// Whether a path with its query may be read: the longest rule that matches decides, of equal ones the one that allows.
    #[must_use]
    pub fn allow(&self, path: &str) -> bool {
        let path = normal(path);
        if path == "/robots.txt" {
            return true;
        }
        let mut best: Option<(usize, bool)> = None;
        for RobotsRule { allows, pattern } in &self.rules {
            let rank = (pattern.len(), *allows);
            if best.is_none_or(|best| rank > best) && matches(pattern, &path) {
                best = Some(rank);
            }
        }
        best.is_none_or(|(_, allows)| allows)
    }
}

/// The lines that are read: a rule that is cut would say something else.
fn beginning(file: &[u8]) -> &[u8] {
    let Some(head) = file.get(..MAX_ROBOTS_BYTES).filter(|head| head.len() < file.len()) else { return file };
    let end = head.iter().rposition(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(0);
    head.get(..end).unwrap_or(head)
}

/// Whom the value of a `user-agent` line names. What comes after the token, a version say, is left aside.
fn audience_of(value: &str, token: &str) -> Audience {
    let end = value.find(|letter: char| !(letter.is_ascii_alphabetic() || matches!(letter, '_' | '-')));
    match value.get(..end.unwrap_or(value.len())) {
        Some(name) if name.eq_ignore_ascii_case(token) => Audience::Named,
        _ if value.starts_with('*') => Audience::Everyone,
        _ => Audience::Others,
    }
}

/// One form for all spellings of a path: what is beyond ASCII in percents, unreserved characters without.
fn normal(path: &str) -> String {
    let mut normal = String::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        match (byte == b'%').then(|| escaped(bytes.clone())).flatten() {
            Some(code) => {
                bytes.nth(1);
                if code.is_ascii_alphanumeric() || matches!(code, b'-' | b'.' | b'_' | b'~') {
                    normal.push(char::from(code));
                } else {
                    push_escaped(&mut normal, code);
                }
            }
            None if byte.is_ascii_graphic() => normal.push(char::from(byte)),
            None => push_escaped(&mut normal, byte),
        }
    }
    normal
}

fn push_escaped(text: &mut String, byte: u8) {
    text.push('%');
    for half in [byte >> 4, byte & 15] {
        text.extend(char::from_digit(half.into(), 16).map(|digit| digit.to_ascii_uppercase()));
    }
}

/// The byte that the next two hexadecimal digits stand for.
fn escaped(mut ahead: std::str::Bytes<'_>) -> Option<u8> {
    let mut digit = || char::from(ahead.next()?).to_digit(16);
    let (high, low) = (digit()?, digit()?);
    u8::try_from(high.checked_mul(16)?.checked_add(low)?).ok()
}

/// Whether a path begins with a pattern, where `*` is anything and a `$` at the end is the end.
fn matches(pattern: &str, path: &str) -> bool {
    let (pattern, to_end) = pattern.strip_suffix('$').map_or((pattern, false), |pattern| (pattern, true));
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| path.strip_prefix(first)) else { return false };
    let Some(last) = pieces.next_back() else { return !to_end || rest.is_empty() };
    // The earliest place of each piece leaves most room for those after it: nothing has to be tried twice.
    for piece in pieces {
        let Some((_, after)) = rest.split_once(piece) else { return false };
        rest = after;
    }
    if to_end { rest.ends_with(last) } else { rest.contains(last) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn allowed(file: &str, path: &str) -> bool {
        Robots::parse(file.as_bytes(), "ExampleBot").allow(path)
    }

    /// RFC 9309, 5.1.
    const SIMPLE: &str = "User-Agent: *\nDisallow: *.gif$\nDisallow: /example/\nAllow: /publications/\n\n\
                          User-Agent: foobot\nDisallow:/\nAllow:/example/page.html\nAllow:/example/allowed.gif\n\n\
                          User-Agent: barbot\nUser-Agent: bazbot\nDisallow: /example/page.html\n\n\
                          User-Agent: quxbot\n";

    #[test]
    fn the_example_of_the_standard_is_read_as_it_says() {
        let of = |token: &str, path: &str| Robots::parse(SIMPLE.as_bytes(), token).allow(path);
        for (token, path, allowed) in [
            ("otherbot", "/x/pic.gif", false),
            ("otherbot", "/x/pic.gif?a", true),
            ("otherbot", "/example/a", false),
            ("otherbot", "/publications/", true),
            ("otherbot", "/", true),
            ("FooBot", "/", false),
            ("foobot", "/example/page.html", true),
            ("foobot", "/example/allowed.gif", true),
            ("foobot", "/example/other.gif", false),
            ("barbot", "/example/page.html", false),
            ("bazbot", "/example/page.html", false),
            ("bazbot", "/example/allowed.gif", true),
            // A group without rules forbids nothing.
            ("quxbot", "/example/", true),
        ] {
            assert_eq!(of(token, path), allowed, "{token} {path}");
        }
    }

    #[test]
    fn the_longest_match_decides() {
        // RFC 9309, 5.2.
        let file = "User-Agent: foobot\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif\n";
        let robots = Robots::parse(file.as_bytes(), "foobot");
        assert!(!robots.allow("/example/page/disallowed.gif"));
        assert!(robots.allow("/example/page/other.gif"));
        assert!(allowed("user-agent: *\ndisallow: /a\nallow: /a", "/a"), "of equal ones the one that allows");
        assert!(!allowed("user-agent: *\nallow: /\ndisallow: /a", "/ab"));
    }

    #[test]
    fn groups_of_one_name_are_one_group() {
        let file = "User-agent: ExampleBot\nDisallow: /a\n\nUser-agent: *\nDisallow: /b\n\n\
                    User-agent: examplebot/2.1\nDisallow: /c\n";
        let found: Vec<bool> = ["/a", "/b", "/c"].into_iter().map(|path| allowed(file, path)).collect();
        assert_eq!(found, [false, true, false]);
    }

    #[test]
    fn spellings_of_one_path_are_equal() {
        // RFC 9309, 2.2.2.
        for (rule, path) in [
            ("/foo/bar?baz=quz", "/foo/bar?baz=quz"),
            ("/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https://foo.bar"),
            ("/foo/bar/\u{30C4}", "/foo/bar/%E3%83%84"),
            ("/foo/bar/%e3%83%84", "/foo/bar/%E3%83%84"),
            ("/foo/bar/%62%61%7A", "/foo/bar/baz"),
        ] {
            assert!(!allowed(&format!("user-agent: *\ndisallow: {rule}"), path), "{rule}");
        }
        assert!(allowed("user-agent: *\ndisallow: /a%2fb", "/a/b"), "a reserved character stays what it is");
    }

    #[test]
    fn lines_that_are_no_rules_change_nothing() {
        let file = "\u{feff}Sitemap: https://example.com/\nnonsense\nUser-agent : *  # all\r\
                    Crawl-delay: 5\r\nDisallow\t: /a # and below\n";
        assert!(!allowed(file, "/a/b"));
        assert!(allowed(file, "/"));
        assert!(allowed("disallow: /", "/"), "a rule without a group");
        assert!(allowed("user-agent: *\ndisallow:", "/"));
        assert!(allowed("user-agent: *\ndisallow: /", "/robots.txt"));
        assert!(allowed("", "/"));
        assert!(allowed("user-agent: *\ndisallow: /*/x$", "/a/x/y"));
        assert!(!allowed("user-agent: *\ndisallow: /*/x$", "/a/x/x"));
    }

    #[test]
    fn of_a_long_file_the_beginning_counts() {
        let file = format!("user-agent: *\ndisallow: /a\n#{}\ndisallow: /b", "x".repeat(MAX_ROBOTS_BYTES));
        assert!(!allowed(&file, "/a") && allowed(&file, "/b"));
    }

    proptest! {
        #[test]
        fn no_file_makes_it_panic(file in any::<Vec<u8>>(), path in any::<String>()) {
            let _ = Robots::parse(&file, "ExampleBot").allow(&path);
        }

        #[test]
        fn a_pattern_matches_what_a_slow_search_says(pattern in "/[ab*]{0,8}\\$?", path in "/[ab]{0,10}") {
            fn slow(pattern: &[u8], path: &[u8]) -> bool {
                match pattern {
                    [] => true,
                    [b'$'] => path.is_empty(),
                    [b'*', rest @ ..] => (0..=path.len()).any(|skip| slow(rest, &path[skip..])),
                    [one, rest @ ..] => path.first() == Some(one) && slow(rest, &path[1..]),
                }
            }
            prop_assert_eq!(matches(&pattern, &path), slow(pattern.as_bytes(), path.as_bytes()), "{} {}", pattern, path);
        }
    }
}
