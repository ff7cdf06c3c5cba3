//! Files are read in a child process that can do no harm.

use std::time::Duration;

use bytes::Bytes;
use frontdesk_domain::document::reasons;
use frontdesk_domain::text::TextPlace;
use frontdesk_extract::Limits;
use frontdesk_local::demo_documents::DOCUMENTS;
use frontdesk_local::extractor::SubprocessExtractor;
use frontdesk_ports::{ExtractFailure, ExtractRequest, Extracted, Extractor, SplitRequest};

const DEADLINE: Duration = Duration::from_secs(60);

fn extractor() -> SubprocessExtractor {
    SubprocessExtractor::new(env!("CARGO_BIN_EXE_frontdesk").into(), Limits::default())
}

async fn read(
    extractor: &SubprocessExtractor,
    bytes: impl Into<Bytes>,
    deadline: Duration,
) -> Result<Extracted, ExtractFailure> {
    let (bytes, name) = (bytes.into(), "tea list.txt".to_owned());
    extractor.extract(ExtractRequest { bytes, name, from: None, typed: false, deadline }).await
}

#[tokio::test(flavor = "current_thread")]
async fn every_demo_document_is_read_as_it_is_in_process() {
    let extractor = extractor();
    for (name, bytes) in DOCUMENTS {
        let (file, name) = ((*bytes).into(), (*name).to_owned());
        let request =
            ExtractRequest { bytes: file, name: name.clone(), from: None, typed: false, deadline: DEADLINE };
        let here = frontdesk_extract::extract(bytes, &name, None, &Limits::default());
        assert!(here.is_ok(), "{name}: {here:?}");
        assert_eq!(extractor.extract(request).await, here, "{name}");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_failure_comes_back_with_its_reason() {
    let failure = read(&extractor(), "", DEADLINE).await.unwrap_err();
    assert_eq!(failure, ExtractFailure::Unreadable { reason: reasons::EMPTY.en.to_owned() });
    let picture: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01";
    assert!(matches!(read(&extractor(), picture, DEADLINE).await, Err(ExtractFailure::Unsupported { .. })));
}

#[tokio::test(flavor = "current_thread")]
async fn a_child_out_of_memory_is_a_failure_of_that_file_alone() {
    let large = "чай и чайник ".repeat(1_000_000);
    let limits = Limits { max_text: 1 << 30, ..Limits::default() };
    // While the file is read, and while its text is made.
    for megabytes in [48_u64, 72] {
        let program = env!("CARGO_BIN_EXE_frontdesk").into();
        let extractor = SubprocessExtractor::new(program, limits).with_max_memory(megabytes << 20);
        let failure = read(&extractor, large.clone(), DEADLINE).await.unwrap_err();
        let expected =
            ExtractFailure::OverLimit { what: "memory in bytes".to_owned(), limit: megabytes << 20 };
        assert_eq!(failure, expected, "{megabytes} MiB");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_child_past_its_deadline_is_killed() {
    // `sleep`-like: a program that reads nothing and says nothing for long.
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("hangs");
    std::fs::write(&program, "#!/bin/sh\nexec /bin/sleep 600\n").unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let extractor = SubprocessExtractor::new(program, Limits::default());
    let failure = read(&extractor, "tea", Duration::from_millis(300)).await;
    assert_eq!(failure, Err(ExtractFailure::OverLimit { what: "seconds".to_owned(), limit: 1 }));
}

#[tokio::test(flavor = "current_thread")]
async fn a_child_that_dies_or_talks_nonsense_is_unreadable() {
    for program in ["/bin/false", "/bin/echo"] {
        let extractor = SubprocessExtractor::new(program.into(), Limits::default());
        let failure = read(&extractor, "tea", DEADLINE).await;
        assert!(matches!(failure, Err(ExtractFailure::Unreadable { .. })), "{program}: {failure:?}");
    }
    // That is nothing of the file's.
    let nobody = SubprocessExtractor::new("/nowhere/at/all".into(), Limits::default());
    assert_eq!(read(&nobody, "tea", DEADLINE).await, Err(ExtractFailure::Unavailable));
}

#[tokio::test(flavor = "current_thread")]
async fn the_type_of_a_long_file_is_told_with_little_memory() {
    let program = env!("CARGO_BIN_EXE_frontdesk").into();
    let extractor = SubprocessExtractor::new(program, Limits::default()).with_max_memory(192 << 20);
    let file = Bytes::from("a;".repeat(19 << 19));
    assert_eq!(extractor.media_type(&file).await.unwrap(), "text/plain");
    let table = Bytes::from("name;price\n".repeat(1 << 20));
    assert_eq!(extractor.media_type(&table).await.unwrap(), "text/csv");
}

#[tokio::test(flavor = "current_thread")]
async fn a_reader_that_dies_says_no_type_and_no_passages() {
    let dead = SubprocessExtractor::new("/bin/false".into(), Limits::default());
    let request = SplitRequest {
        text: "Tea.".to_owned(),
        is_last: true,
        title: "Tea".to_owned(),
        place: TextPlace::default(),
        most: 64,
        deadline: DEADLINE,
    };
    assert_eq!(dead.split(&request).await, Err(ExtractFailure::broken()));
    assert_eq!(dead.media_type(&"Tea.".into()).await, Err(ExtractFailure::broken()));
    let split = extractor().split(&request).await.unwrap();
    assert_eq!(split, frontdesk_domain::text::split(&request.window()));
}
