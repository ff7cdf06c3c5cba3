//! `corpus DIR`: reads every file of a directory and compares what comes out with independent readers: `pdftotext` and
//! MuPDF for pdf, Python's libraries for the rest. Nothing of a corpus belongs into the repository.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use unicode_normalization::UnicodeNormalization as _;

use crate::run;
use crate::setup::{debian, python};
use crate::workspace::{Workspace, which};

/// Packages of the reference readers.
const PACKAGES: [&str; 3] = ["beautifulsoup4==4.13.4", "charset-normalizer==3.4.2", "python-docx==1.2.0"];

/// What is read, by the end of the name; in the table's order.
const KINDS: [(&str, &[&str]); 6] = [
    ("pdf", &["pdf"]),
    ("docx", &["docx"]),
    ("html", &["html", "htm", "xhtml"]),
    ("md", &["md", "markdown"]),
    ("csv", &["csv"]),
    ("txt", &["txt"]),
];

/// Files with fewer words tell nothing.
const MIN_WORDS: usize = 20;

/// How long one file may take.
const READ_WITHIN: Duration = Duration::from_secs(60);

/// Where the corpus is.
#[derive(clap::Args)]
pub struct CorpusArgs {
    /// A directory of files; those within it are read, too.
    directory: PathBuf,
    /// How many of the worst files of each kind are named.
    #[arg(long, default_value_t = 0)]
    worst: usize,
}

/// One file, as it was read.
struct File {
    path: PathBuf,
    kind: usize,
    /// Words of the reference.
    words: usize,
    failure: Option<String>,
    unread: bool,
    died: bool,
    own: Score,
    other: Option<Score>,
    /// Whether words are missing, as far as the references agree on it.
    lacks: bool,
    cpu_us: u64,
    peak_kib: u64,
}

/// How much of the reference's words, and of its triples of words, came out.
#[derive(Clone, Copy)]
struct Score {
    words: f64,
    order: f64,
}

pub fn run(workspace: &Workspace, args: &CorpusArgs) -> Result<ExitCode> {
    let mut paths = Vec::new();
    walk(&args.directory, &mut paths)?;
    paths.sort();
    if paths.is_empty() {
        bail!("{} holds no file of a kind that is read", args.directory.display());
    }
    if which("pdftotext").is_none() || which("mutool").is_none() {
        debian::install(&["poppler-utils", "mupdf-tools"]).context("they are the reference for pdf")?;
    }
    let python = python::environment("corpus", &PACKAGES)?;
    run::run(workspace.cargo().args([
        "build",
        "--quiet",
        "--release",
        "--package",
        "frontdesk-extract",
        "--example",
        "read_file",
    ]))?;
    let reader = workspace.target().join("release/examples/read_file");
    let texts = texts(&python, &paths)?;
    let next = AtomicUsize::new(0);
    let files = Mutex::new(Vec::with_capacity(paths.len()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, std::num::NonZero::get) {
            scope.spawn(|| {
                while let Some((path, kind)) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let file = measure(&reader, path, *kind, texts.get(path));
                    files.lock().unwrap_or_else(PoisonError::into_inner).push(file);
                }
            });
        }
    });
    let mut files = files.into_inner().unwrap_or_else(PoisonError::into_inner);
    files.sort_by(|a, b| a.own.words.total_cmp(&b.own.words).then_with(|| a.path.cmp(&b.path)));
    run::print(&table(&files));
    for (kind, (name, _)) in KINDS.iter().enumerate() {
        for file in files.iter().filter(|file| file.kind == kind && file.words >= MIN_WORDS).take(args.worst)
        {
            let why = file.failure.as_deref().unwrap_or(if file.unread { "warned" } else { "" });
            run::print(&format!(
                "{name} {:.2} {:.2} {} {why}",
                file.own.words,
                file.own.order,
                file.path.display()
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn kind_of(path: &Path) -> Option<usize> {
    let end = path.extension()?.to_str()?.to_ascii_lowercase();
    KINDS.iter().position(|(_, ends)| ends.contains(&end.as_str()))
}

fn walk(directory: &Path, paths: &mut Vec<(PathBuf, usize)>) -> Result<()> {
    for entry in std::fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, paths)?;
        } else if let Some(kind) = kind_of(&path) {
            paths.push((path, kind));
        }
    }
    Ok(())
}

/// What Python's libraries read of the files that are no pdf.
fn texts(python: &Path, paths: &[(PathBuf, usize)]) -> Result<HashMap<PathBuf, String>> {
    let mut child = Command::new(python)
        .args(["-c", include_str!("corpus/reference.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut stdin = child.stdin.take().context("a pipe")?;
    let names: Vec<String> =
        paths.iter().filter(|(_, kind)| *kind > 0).map(|(path, _)| format!("{}\n", path.display())).collect();
    let writer = std::thread::spawn(move || {
        for name in names {
            if stdin.write_all(name.as_bytes()).is_err() {
                break;
            }
        }
    });
    let mut texts = HashMap::new();
    for line in BufReader::new(child.stdout.take().context("a pipe")?).lines() {
        let value: Value = serde_json::from_str(&line?)?;
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        texts.insert(PathBuf::from(text("path")), text("text"));
    }
    let _ = writer.join();
    if !child.wait()?.success() {
        bail!("the reference readers failed");
    }
    Ok(texts)
}

/// The words of a text, as they are compared: letters of formulas, full width letters and ligatures are the letters that
/// they are, whichever reader gave them.
fn words(text: &str) -> Vec<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let text: String = text.nfkc().collect();
    text.to_lowercase().split(|c| !is_word(c)).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Whether a reference has its letters apart: it tells nothing of words then, and has no score.
fn is_apart(words: &[String]) -> bool {
    let is_letter = |word: &String| matches!(word.as_bytes(), [b'a'..=b'z']);
    words.iter().filter(|word| is_letter(word)).count().saturating_mul(2) > words.len()
}

fn score(reference: &[String], read: &[String]) -> Score {
    Score { words: share(reference, read, 1), order: share(reference, read, 3) }
}

/// How many of the runs of `length` words of the reference are in what was read, each as often as it is there.
fn share(reference: &[String], read: &[String], length: usize) -> f64 {
    let mut there: HashMap<&[String], usize> = HashMap::new();
    for run in read.windows(length) {
        let count = there.entry(run).or_default();
        *count = count.saturating_add(1);
    }
    let (mut all, mut found) = (0_u32, 0_u32);
    for run in reference.windows(length) {
        all = all.saturating_add(1);
        if let Some(count) = there.get_mut(run).filter(|count| **count > 0) {
            *count = count.saturating_sub(1);
            found = found.saturating_add(1);
        }
    }
    if all == 0 { 1.0 } else { f64::from(found) / f64::from(all) }
}

fn output(command: &mut Command) -> String {
    let output = command.stderr(Stdio::null()).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default()
}

fn measure(reader: &Path, path: &Path, kind: usize, text: Option<&String>) -> File {
    let (reference, other) = if kind == 0 {
        let poppler =
            output(Command::new("timeout").args(["30", "pdftotext", "-enc", "UTF-8"]).arg(path).arg("-"));
        let mupdf =
            output(Command::new("timeout").args(["30", "mutool", "draw", "-q", "-F", "txt"]).arg(path));
        (words(&poppler), Some(words(&mupdf)))
    } else {
        (words(text.map_or("", String::as_str)), None)
    };
    let (answer, died) = read(reader, path);
    let own_words = words(&with_title(kind, &answer));
    let own = score(&reference, &own_words);
    let lacks = |reference: &[String]| share(reference, &own_words, 1) < 0.9;
    let lacks = lacks(&reference) && other.as_deref().is_none_or(lacks);
    let string = |key: &str| answer.get(key).and_then(Value::as_str).map(str::to_owned);
    let number = |key: &str| answer.get(key).and_then(Value::as_u64).unwrap_or(0);
    File {
        path: path.to_owned(),
        kind,
        words: if is_apart(&reference) { 0 } else { reference.len() },
        failure: if died { Some("the reader died".to_owned()) } else { string("failure") },
        unread: answer.get("unread").and_then(Value::as_array).is_some_and(|all| !all.is_empty()),
        died,
        own,
        lacks,
        other: other.map(|other| score(&reference, &other)),
        cpu_us: number("cpu_us"),
        peak_kib: number("peak_kib"),
    }
}

/// What was read: a page's title, or that of front matter, is no part of the text, and one of the reference's.
fn with_title(kind: usize, answer: &Value) -> String {
    let string = |key: &str| answer.get(key).and_then(Value::as_str).unwrap_or_default();
    let (title, text) = (string("title"), string("text"));
    let has_title = KINDS.get(kind).is_some_and(|(name, _)| matches!(*name, "html" | "md"));
    if has_title && !text.contains(title) { format!("{title}\n{text}") } else { text.to_owned() }
}

/// What the reader says of a file, and whether it died or did not end.
fn read(reader: &Path, path: &Path) -> (Value, bool) {
    let begun = Instant::now();
    let limit = READ_WITHIN.as_secs().to_string();
    let output = Command::new("timeout").arg(limit).arg(reader).arg(path).stderr(Stdio::piped()).output();
    let Ok(output) = output else { return (Value::Null, true) };
    let panicked = String::from_utf8_lossy(&output.stderr).contains("panicked at");
    let value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    let died = panicked || !output.status.success() || begun.elapsed() >= READ_WITHIN;
    (value, died)
}

/// The table, as Markdown.
fn table(files: &[File]) -> String {
    let mut rows = vec![
        "| | files | with text | refused | died | words, median | ≥ 0.9 | < 0.9 unsaid | < 0.5 | order | CPU s | most MB |".to_owned(),
        "|---|---|---|---|---|---|---|---|---|---|---|---|".to_owned(),
    ];
    for (kind, (name, _)) in KINDS.iter().enumerate() {
        let of: Vec<&File> = files.iter().filter(|file| file.kind == kind).collect();
        if of.is_empty() {
            continue;
        }
        let rated: Vec<&File> = of.iter().copied().filter(|file| file.words >= MIN_WORDS).collect();
        let own: Vec<Score> = rated.iter().map(|file| file.own).collect();
        let unsaid: Vec<&&File> = rated
            .iter()
            .filter(|file| file.own.words < 0.9 && file.failure.is_none() && !file.unread)
            .collect();
        let agreed = unsaid.iter().filter(|file| file.lacks).count();
        let unsaid = match unsaid.len() {
            all if all == agreed => all.to_string(),
            all => format!("{all} ({agreed})"),
        };
        rows.push(format!(
            "| {name} | {} | {} | {} | {} | {} | {unsaid} | {} | {} | {:.1} | {:.0} |",
            of.len(),
            rated.len(),
            rated.iter().filter(|file| file.failure.is_some()).count(),
            of.iter().filter(|file| file.died).count(),
            median_and_good(&own),
            own.iter().filter(|score| score.words < 0.5).count(),
            order(&own),
            of.iter().map(|file| as_f64(file.cpu_us)).sum::<f64>() / 1e6,
            of.iter().map(|file| file.peak_kib).max().map_or(0.0, as_f64) / 1024.0,
        ));
        let other: Vec<Score> = rated.iter().filter_map(|file| file.other).collect();
        if !other.is_empty() {
            rows.push(format!(
                "| {name}, MuPDF | {} | {} | | | {} | | {} | {} | | |",
                of.len(),
                other.len(),
                median_and_good(&other),
                other.iter().filter(|score| score.words < 0.5).count(),
                order(&other),
            ));
        }
    }
    rows.join("\n")
}

fn median_and_good(scores: &[Score]) -> String {
    let mut words: Vec<f64> = scores.iter().map(|score| score.words).collect();
    words.sort_by(f64::total_cmp);
    let median = words.get(words.len() / 2).copied().unwrap_or(1.0);
    format!("{median:.3} | {}", words.iter().filter(|share| **share >= 0.9).count())
}

fn order(scores: &[Score]) -> String {
    let sum: f64 = scores.iter().map(|score| score.order).sum();
    format!("{:.3}", sum / as_f64(u64::try_from(scores.len().max(1)).unwrap_or(1)))
}

#[expect(clippy::cast_precision_loss, reason = "counts and times, far below 2^52")]
fn as_f64(number: u64) -> f64 {
    number as f64
}
