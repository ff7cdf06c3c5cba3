//! Where a bucket is, what opens it, and the requests that it takes.

use std::time::Duration;

use bytes::Bytes;
use frontdesk_domain::time::Timestamp;
use http::{Method, Request, header};
use rusty_s3::{Bucket, Credentials, S3Action as _, UrlStyle};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::error::S3Error;

/// How long a signature is good for. Each attempt is signed anew.
const SIGNED_FOR: Duration = Duration::from_secs(60);
const MAX_NAME: usize = 255;

/// How a bucket is addressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Addressing {
    /// `https://endpoint/bucket/key`; nearly every server takes it.
    #[default]
    Path,
    /// `https://bucket.endpoint/key`.
    Virtual,
}

/// The key to a bucket.
#[derive(Debug, Clone)]
pub struct AccessKey {
    /// Its id, which is no secret.
    pub id: String,
    /// Its secret.
    pub secret: SecretString,
}

/// A bucket: its address and the key to it.
#[derive(Debug, Clone)]
pub struct S3Server {
    bucket: Bucket,
    /// `Debug` does not print the secret.
    key: Credentials,
}

/// What is wrong with an address or a name; never repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum S3ServerError {
    /// The endpoint, and what it must be.
    #[error("{0}")]
    Endpoint(&'static str),
    /// The bucket's name, and what it must be.
    #[error("{0}")]
    Bucket(&'static str),
    /// The region's name, and what it must be.
    #[error("{0}")]
    Region(&'static str),
}

/// What is asked of an object.
#[derive(Debug, Clone)]
pub(super) enum ObjectCall {
    Get,
    Put(Bytes),
    Delete,
}

impl S3Server {
    /// Reads an endpoint (`https://` or `http://`; a path is kept) and the names of a bucket and its region.
    ///
    /// # Errors
    /// Whatever cannot be used.
    pub fn new(
        endpoint: &str,
        addressing: Addressing,
        bucket: &str,
        region: &str,
        key: AccessKey,
    ) -> Result<Self, Vec<S3ServerError>> {
        let mut wrong = Vec::new();
        let endpoint = read_endpoint(endpoint).map_err(|error| wrong.push(error));
        if bucket.len() < 3 || !is_name(bucket) {
            wrong
                .push(S3ServerError::Bucket("must be 3 to 255 letters, digits, dots, dashes or underscores"));
        }
        if region.is_empty() || !is_name(region) {
            wrong
                .push(S3ServerError::Region("must be 1 to 255 letters, digits, dots, dashes or underscores"));
        }
        let (Ok(endpoint), true) = (endpoint, wrong.is_empty()) else { return Err(wrong) };
        let style = match addressing {
            Addressing::Path => UrlStyle::Path,
            Addressing::Virtual => UrlStyle::VirtualHost,
        };
        let bucket = Bucket::new(endpoint, style, bucket.to_owned(), region.to_owned())
            .map_err(|_| vec![S3ServerError::Bucket("cannot be part of the endpoint's host name")])?;
        Ok(Self { bucket, key: Credentials::new(key.id, key.secret.expose_secret()) })
    }

    /// The bucket's address.
    pub(super) fn address(&self) -> &str {
        self.bucket.base_url().as_str()
    }

    /// The request for an object, signed at `now`. Its address holds the signature: it must not be logged.
    pub(super) fn request(
        &self,
        ask: ObjectCall,
        object: &str,
        now: Timestamp,
    ) -> Result<Request<Bytes>, S3Error> {
        let now = jiff::Timestamp::from_millisecond(now.millis())
            .map_err(|_| S3Error::NotTaken("the clock is out of range".to_owned()))?;
        let key = Some(&self.key);
        let (method, url, body) = match ask {
            ObjectCall::Get => {
                let get = self.bucket.get_object(key, object);
                (Method::GET, get.sign_with_time(SIGNED_FOR, &now), Bytes::new())
            }
            ObjectCall::Put(body) => {
                let put = self.bucket.put_object(key, object);
                (Method::PUT, put.sign_with_time(SIGNED_FOR, &now), body)
            }
            ObjectCall::Delete => {
                let delete = self.bucket.delete_object(key, object);
                (Method::DELETE, delete.sign_with_time(SIGNED_FOR, &now), Bytes::new())
            }
        };
        let mut request = Request::builder().method(method.clone()).uri(url.as_str());
        if method == Method::PUT {
            // S3 takes no body without it, and some hosts would send one in chunks.
            request = request.header(header::CONTENT_LENGTH, body.len());
        }
        request.body(body).map_err(|_| S3Error::NotTaken("the address is no URL".to_owned()))
    }
}

fn read_endpoint(text: &str) -> Result<Url, S3ServerError> {
    const FORM: S3ServerError =
        S3ServerError::Endpoint("must be an address that begins with https:// or http://");
    let url = Url::parse(text).map_err(|_| FORM)?;
    if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
        return Err(FORM);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(S3ServerError::Endpoint("must not hold a login; the key has variables of its own"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(S3ServerError::Endpoint("must not have a query or a fragment"));
    }
    Ok(url)
}

/// Whether it stands in an address and in a signature as it is.
fn is_name(text: &str) -> bool {
    text.len() <= MAX_NAME && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(endpoint: &str, addressing: Addressing, bucket: &str) -> Result<S3Server, Vec<S3ServerError>> {
        let key = AccessKey { id: "AKIAIOSFODNN7EXAMPLE".to_owned(), secret: "SENTINEL".into() };
        S3Server::new(endpoint, addressing, bucket, "us-east-1", key)
    }

    #[test]
    fn buckets_are_addressed_by_path_or_by_host() {
        use Addressing::{Path, Virtual};
        for (endpoint, addressing, address) in [
            ("https://s3.example", Path, "https://s3.example/desk/"),
            ("http://127.0.0.1:9000/", Path, "http://127.0.0.1:9000/desk/"),
            ("https://s3.example/files", Path, "https://s3.example/files/desk/"),
            ("https://s3.eu-central-1.amazonaws.com", Virtual, "https://desk.s3.eu-central-1.amazonaws.com/"),
        ] {
            assert_eq!(server(endpoint, addressing, "desk").unwrap().address(), address);
        }
        let wrong = server("https://127.0.0.1", Virtual, "desk").unwrap_err();
        assert!(matches!(wrong.as_slice(), [S3ServerError::Bucket(_)]));
    }

    #[test]
    fn what_cannot_be_used_is_refused_and_not_repeated() {
        for endpoint in [
            "",
            "SENTINEL",
            "ftp://SENTINEL",
            "s3://SENTINEL",
            "https://user:SENTINEL@s3.example",
            "https://s3.example?SENTINEL",
            "https://s3.example#SENTINEL",
        ] {
            let wrong = server(endpoint, Addressing::Path, "desk").unwrap_err();
            assert!(matches!(wrong.as_slice(), [S3ServerError::Endpoint(_)]), "{endpoint}: {wrong:?}");
            assert!(!format!("{wrong:?}").contains("SENTINEL"), "{endpoint}: {wrong:?}");
        }
        for bucket in ["", "ab", "a/b", "../SENTINEL", "a b", "a%2fb", &"a".repeat(256)] {
            let wrong = server("https://s3.example", Addressing::Path, bucket).unwrap_err();
            assert!(matches!(wrong.as_slice(), [S3ServerError::Bucket(_)]), "{bucket}: {wrong:?}");
        }
    }

    #[test]
    fn the_secret_is_not_printed_and_not_sent() {
        let server = server("https://s3.example", Addressing::Path, "desk").unwrap();
        let now = Timestamp::from_millis(1_700_000_000_000);
        let request =
            server.request(ObjectCall::Put(Bytes::from_static(b"x")), "org_1/document/doc_1", now).unwrap();
        assert!(!format!("{server:?} {request:?}").contains("SENTINEL"));
    }

    #[test]
    fn a_request_is_signed_for_a_minute_and_a_body_has_its_length() {
        let server = server("https://s3.example", Addressing::Path, "desk").unwrap();
        for (ask, length) in
            [(ObjectCall::Get, None), (ObjectCall::Put(Bytes::new()), Some("0")), (ObjectCall::Delete, None)]
        {
            let now = Timestamp::from_millis(1_369_353_600_000);
            let request = server.request(ask, "org_1/document/doc_1", now).unwrap();
            let query = request.uri().query().unwrap();
            assert_eq!(request.uri().path(), "/desk/org_1/document/doc_1");
            assert!(query.contains("X-Amz-Date=20130524T000000Z&X-Amz-Expires=60&"), "{query}");
            let sent = request.headers().get(header::CONTENT_LENGTH).map(|value| value.to_str().unwrap());
            assert_eq!(sent, length);
        }
    }
}
