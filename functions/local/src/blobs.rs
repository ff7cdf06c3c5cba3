//! Files on disk: `<directory>/<org>/<kind>/<id>`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use frontdesk_ports::{BlobError, BlobKey, Blobs};
use tokio::fs;
use tokio::io::AsyncWriteExt;

/// Files in one directory. A file is written beside its place, flushed to the disk and renamed, so that it is whole or
/// not there, also after a power failure.
pub struct DiskBlobs {
    directory: PathBuf,
    counter: std::cell::Cell<u64>,
}

impl DiskBlobs {
    /// Files under `directory`, which is made when the first file comes.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, counter: std::cell::Cell::new(0) }
    }

    fn path(&self, key: &BlobKey) -> Result<PathBuf, BlobError> {
        Ok(self.directory.join(key.checked()?))
    }

    /// A name that no other writer has: two processes, or two writes of one key at once.
    fn beside(&self, path: &Path) -> PathBuf {
        let number = self.counter.get().wrapping_add(1);
        self.counter.set(number);
        path.with_extension(format!("{}-{number}.tmp", std::process::id()))
    }
}

fn failed(what: &str, error: &std::io::Error) -> BlobError {
    BlobError::Failed(format!("{what}: {error}"))
}

#[async_trait(?Send)]
impl Blobs for DiskBlobs {
    async fn put(&self, key: &BlobKey, bytes: Bytes) -> Result<(), BlobError> {
        let path = self.path(key)?;
        let directory = path.parent().unwrap_or(&self.directory).to_owned();
        let beside = self.beside(&path);
        let write = async {
            // A delete may tidy the empty directory away between both steps; then once more.
            let mut new = fs::OpenOptions::new();
            new.write(true).create_new(true).mode(0o600);
            let mut file = match new.open(&beside).await {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory).await?;
                    new.open(&beside).await?
                }
                other => other?,
            };
            file.write_all(&bytes).await?;
            file.sync_all().await?;
            drop(file);
            fs::rename(&beside, &path).await?;
            // The rename itself is only durable with its directory.
            fs::File::open(&directory).await?.sync_all().await
        };
        match write.await {
            Ok(()) => Ok(()),
            Err(error) => {
                let _ = fs::remove_file(&beside).await;
                Err(failed("a file cannot be written", &error))
            }
        }
    }

    async fn get(&self, key: &BlobKey) -> Result<Option<Bytes>, BlobError> {
        match fs::read(self.path(key)?).await {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("a file cannot be read", &error)),
        }
    }

    async fn delete(&self, key: &BlobKey) -> Result<(), BlobError> {
        let path = self.path(key)?;
        match fs::remove_file(&path).await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed("a file cannot be deleted", &error)),
        }
        // Directories that are empty now go too; the first one that is not ends it.
        let mut parent = path.parent();
        while let Some(directory) = parent.filter(|directory| *directory != self.directory) {
            if fs::remove_dir(directory).await.is_err() {
                break;
            }
            parent = directory.parent();
        }
        Ok(())
    }
}
