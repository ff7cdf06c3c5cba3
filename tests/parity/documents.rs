//! Documents: from upload to answer, and gone everywhere.

use anyhow::{Result, ensure};
use reqwest::Method;
use serde_json::json;

use crate::case::{Case, events, get, message, messages, multipart, post, upload};

const DOCUMENTS: &str = "/api/v1/documents";

const MARKDOWN: &[u8] =
    "# Зоопарк\n\nВо дворе живут семнадцать зебр.\n\n## Кормление\n\nЗебр кормят в полдень.\n".as_bytes();
const HTML: &[u8] =
    b"<!DOCTYPE html><html><head><title>Zebras</title></head><body><nav>Menu</nav><h1>Zebras</h1>\
    <p>Seventeen zebras live in the courtyard.</p><script>alert(1)</script></body></html>";
const CSV: &[u8] = b"Animal,Food\nZebra,hay\nPenguin,fish\n";
const TEXT: &[u8] = b"House rules of the courtyard\n\nPlease do not ride the zebras.\n";
const PDF: &[u8] = include_bytes!("../../functions/local/demo/kettle-manual-en.pdf");
const DOCX: &[u8] = include_bytes!("../../functions/local/demo/warranty-ru.docx");

/// Other bytes with the same content: a comment behind a pdf's end.
fn pdf() -> Vec<u8> {
    [PDF, b"\n% a copy\n"].concat()
}

/// Other bytes with the same content: a zip archive's comment.
fn docx() -> Vec<u8> {
    let mut bytes = DOCX.to_vec();
    let length = bytes.len();
    bytes[length - 2] = 6;
    bytes.extend_from_slice(b"a copy");
    bytes
}

#[tokio::test]
async fn every_kind_of_document_is_read() -> Result<()> {
    let mut case = Case::begin().await?;
    let operator = case.operator().await?;
    let (pdf, docx) = (pdf(), docx());
    for (name, content) in [
        ("../zoo.md", MARKDOWN),
        ("zebras.html", HTML),
        ("food.csv", CSV),
        ("rules.txt", TEXT),
        ("no name of a pdf", &pdf),
        ("warranty.docx", &docx),
    ] {
        case.title(name);
        let created = case.send(upload(&operator, DOCUMENTS, name, content), 202).await?;
        ensure!(created.body["status"] == "queued", "{}", created.body);
        let path = format!("{DOCUMENTS}/{}", created.text("/id")?);
        operator.document_read(&created.text("/id")?).await?;
        let document = case.send(get(&operator, &path), 200).await?;
        ensure!(document.body["status"] == "ready", "{}", document.body);
        case.send(get(&operator, &format!("{path}/passages?limit=1")), 200).await?;
        case.send(operator.request(Method::DELETE, &path), 204).await?;
    }
    case.end("documents_by_type")
}

#[tokio::test]
async fn a_document_lives_from_its_upload_to_its_deletion() -> Result<()> {
    let mut case = Case::begin().await?;
    let (operator, visitor) = (case.operator().await?, case.visitor("visitor").await?);
    let question = "Zebras?";

    case.title("Nobody knows");
    let before = visitor.begin().await?;
    case.send(post(&visitor, &messages(&before), &message("a", question)), 202).await?;
    let log = case.answered(&visitor, &before, 1).await?;
    ensure!(log[3]["outcome"] == "no_answer", "{log:?}");

    case.title("A text");
    let text =
        json!({ "title": "Courtyard", "text": "# Courtyard\n\nSeventeen zebras live in the courtyard.\n" });
    let created = case.send(post(&operator, DOCUMENTS, &text), 202).await?;
    let id = created.text("/id")?;
    let path = format!("{DOCUMENTS}/{id}");
    operator.document_read(&id).await?;
    case.send(get(&operator, &path), 200).await?;
    case.title("The same again is the same document");
    let again = case.send(post(&operator, DOCUMENTS, &text), 200).await?;
    ensure!(again.body["duplicate_of"] == id.as_str(), "{}", again.body);

    case.title("The newest ones");
    let list = case.send(get(&operator, &format!("{DOCUMENTS}?limit=2")), 200).await?;
    case.send(get(&operator, &format!("{DOCUMENTS}?limit=1&cursor={}", list.text("/next_cursor")?)), 200)
        .await?;
    case.title("Somebody knows");
    let after = visitor.begin().await?;
    case.streamed(post(&visitor, &messages(&after), &message("a", question)), &["hold=0"]).await?;

    case.title("Read again: the next version");
    case.send(operator.request(Method::POST, &format!("{path}/sync")), 202).await?;
    let synced = operator.document_read(&id).await?;
    ensure!(synced["version"] == 2, "{synced}");
    case.send(get(&operator, &format!("{path}/passages")), 200).await?;

    case.title("Deleted, and gone");
    case.send(operator.request(Method::DELETE, &path), 204).await?;
    case.send(operator.request(Method::DELETE, &path), 404).await?;
    case.send(get(&operator, &path), 404).await?;
    case.send(get(&operator, &format!("{path}/passages")), 404).await?;
    case.send(operator.request(Method::POST, &format!("{path}/sync")), 404).await?;
    case.title("Nobody knows any more");
    let after = visitor.begin().await?;
    case.send(post(&visitor, &messages(&after), &message("a", question)), 202).await?;
    case.answered(&visitor, &after, 1).await?;
    case.send(get(&visitor, &events(&after, "after=2")), 200).await?;
    case.end("document")
}

#[tokio::test]
async fn what_is_no_document_is_refused_with_a_reason() -> Result<()> {
    let mut case = Case::begin().await?;
    let (operator, visitor) = (case.operator().await?, case.visitor("visitor").await?);
    for body in [
        json!({}),
        json!({ "title": "Tea" }),
        json!({ "text": "Tea" }),
        json!({ "title": "", "text": "Tea" }),
        json!({ "title": "Tea", "text": "" }),
        json!({ "title": "Tea", "text": "Tea", "url": "https://camomile.example/" }),
        json!({ "title": "Tea", "text": "Tea", "colour": "green" }),
        json!({ "url": "http://127.0.0.1/" }),
        json!({ "url": "http://169.254.169.254/latest/meta-data" }),
        json!({ "url": "ftp://camomile.example/" }),
    ] {
        case.title(&body.to_string());
        case.send(post(&operator, DOCUMENTS, &body), 422).await?;
    }
    case.title("An empty file");
    case.send(upload(&operator, DOCUMENTS, "empty.txt", b""), 422).await?;
    case.title("Two files");
    case.send(multipart(&operator, DOCUMENTS, &[("file", "a", TEXT), ("file", "b", CSV)]), 422).await?;
    case.title("Another field");
    case.send(multipart(&operator, DOCUMENTS, &[("picture", "a", TEXT)]), 422).await?;
    case.title("Bytes that are nothing");
    let noise: Vec<u8> = (0..5_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    case.send(upload(&operator, DOCUMENTS, "noise.txt", &noise), 415).await?;
    case.title("A visitor");
    case.send(post(&visitor, DOCUMENTS, &json!({ "title": "Tea", "text": "Tea" })), 401).await?;

    case.title("A pdf that is broken is told when it is read");
    let broken = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog";
    let created = case.send(upload(&operator, DOCUMENTS, "broken.pdf", broken), 202).await?;
    let path = format!("{DOCUMENTS}/{}", created.text("/id")?);
    operator.document_read(&created.text("/id")?).await?;
    let failed = case.send(get(&operator, &path), 200).await?;
    ensure!(failed.body["status"] == "failed", "{}", failed.body);
    case.send(operator.request(Method::DELETE, &path), 204).await?;
    case.title("Pages of a list that there are not");
    for query in ["limit=0", "limit=101", "cursor=nonsense", "colour=red"] {
        case.send(get(&operator, &format!("{DOCUMENTS}?{query}")), 422).await?;
    }
    case.end("documents_refused")
}
