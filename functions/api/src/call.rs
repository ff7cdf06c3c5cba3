//! One request on its way: what a handler gets.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use frontdesk_app::policy::Via;
use frontdesk_domain::error::{CallerError, Error, Result};
use frontdesk_domain::id::RequestId;
use frontdesk_domain::scope::TenantScope;
use frontdesk_domain::time::Timestamp;
use frontdesk_ports::Ctx;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::accept::weight;
use crate::body::{Body, Pace};

/// Who is at the other end of the connection, as the host knows it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Peer {
    /// The client's address; never taken from a header that the client itself can set.
    pub ip: Option<IpAddr>,
    /// Whether the host can make a WebSocket of this connection.
    pub upgrades: bool,
    /// How slowly a body may come.
    pub pace: Pace,
}

impl Peer {
    /// The client's address, as the one in front of the host tells it in the header `name`, with or without a port. Of
    /// several the last counts: a client may send the header, too, and the one in front comes after it. `None` when the
    /// last one is no address.
    #[must_use]
    pub fn address_in(headers: &HeaderMap, name: &str) -> Option<IpAddr> {
        let told = headers.get_all(name).iter().next_back()?.to_str().ok()?;
        told.parse::<SocketAddr>().map(|address| address.ip()).or_else(|_| told.parse()).ok()
    }
}

/// The largest JSON body, in bytes.
pub const MAX_JSON_BYTES: usize = 256 * 1024;

/// A request on its way to its handler.
pub struct Call {
    /// The ports.
    pub ctx: Ctx,
    /// Its id.
    pub request_id: RequestId,
    /// Who asks; absent for public routes.
    pub scope: Option<TenantScope>,
    /// Until when its token is valid.
    pub expires: Option<Timestamp>,
    /// The other end.
    pub peer: Peer,
    /// By which way it comes.
    pub via: Via,
    /// The origin of this deployment's own pages, as far as it is certain.
    pub own_origin: Option<String>,
    /// The headers.
    pub headers: HeaderMap,
    /// Path parameters by name.
    pub params: Vec<(String, String)>,
    /// The query string, without `?`.
    pub query: String,
    /// The body.
    pub body: Body,
}

impl Call {
    /// Who asks.
    ///
    /// # Errors
    /// 401 when the caller was not authenticated (the route is public).
    pub fn scope(&self) -> Result<&TenantScope> {
        self.scope.as_ref().ok_or_else(|| CallerError::Unauthenticated("a token is needed").into())
    }

    /// An identifier from the path. One that does not parse names nothing: 404.
    ///
    /// # Errors
    /// 404.
    pub fn id<T: std::str::FromStr>(&self, name: &str, what: &'static str) -> Result<T> {
        self.params
            .iter()
            .find(|(key, _)| key == name)
            .and_then(|(_, value)| value.parse().ok())
            .ok_or_else(|| Error::not_found(what))
    }

    /// The query parameters.
    ///
    /// # Errors
    /// 422 naming the parameter (`?limit`).
    pub fn query<T: DeserializeOwned>(&self) -> Result<T> {
        for (name, value) in form_urlencoded::parse(self.query.as_bytes()) {
            if name.contains('\0') || value.contains('\0') {
                return Err(Error::invalid(format!("?{}", name.replace('\0', "")), NUL));
            }
        }
        let parsed = serde_urlencoded::Deserializer::new(form_urlencoded::parse(self.query.as_bytes()));
        serde_path_to_error::deserialize(parsed).map_err(|error| {
            let name = error.path().to_string();
            let pointer = if name == "." { "?".to_owned() } else { format!("?{name}") };
            Error::invalid(pointer, error.into_inner().to_string())
        })
    }

    /// A header as text.
    #[must_use]
    pub fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The `Origin`, unless it is the one on which this deployment itself is reached. One that is no text is foreign.
    #[must_use]
    pub fn foreign_origin(&self) -> Option<&str> {
        let origin = self.headers.get(header::ORIGIN)?.to_str().unwrap_or("null");
        (self.own_origin.as_deref() != Some(origin)).then_some(origin)
    }

    /// Whether the client takes an event stream, and not less gladly than JSON.
    #[must_use]
    pub fn wants_events(&self) -> bool {
        let accept = self.header(header::ACCEPT).unwrap_or("");
        let events = weight(accept, "text/event-stream").unwrap_or(0);
        events > 0 && events >= weight(accept, "application/json").unwrap_or(0)
    }

    /// The number in `If-Match: "7"`. A proxy that compresses may have made `W/"7"` of the tag that it names.
    ///
    /// # Errors
    /// 422 when it is missing or no number.
    pub fn if_match(&self) -> Result<u64> {
        let told = self.header(header::IF_MATCH).map(str::trim);
        let tag = told.map(|tag| tag.strip_prefix("W/").unwrap_or(tag));
        tag.and_then(|tag| tag.trim_matches('"').parse().ok()).ok_or_else(|| {
            Error::invalid(
                "If-Match",
                match told {
                    None => "the header If-Match: \"<version>\" is needed",
                    Some("*") => {
                        "must name the version that was read, like \"7\": with * one would overwrite what others changed"
                    }
                    Some(_) => "must name one version, like \"7\"",
                },
            )
        })
    }

    /// Takes the JSON body.
    ///
    /// # Errors
    /// 415 when it is not JSON by its type, 413 when it is too large, 400 when it cannot be read, 422 naming the field
    /// when a field is unknown, missing or of the wrong type.
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T> {
        self.json_up_to(MAX_JSON_BYTES).await
    }

    /// As [`Call::json`], with another limit in bytes.
    ///
    /// # Errors
    /// As [`Call::json`].
    pub async fn json_up_to<T: DeserializeOwned>(&mut self, limit: usize) -> Result<T> {
        let kind =
            self.header(header::CONTENT_TYPE).unwrap_or("").split(';').next().unwrap_or("").trim().to_owned();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(CallerError::UnsupportedMedia {
                detail: format!("the body's type is \"{kind}\""),
                accepted: "application/json".to_owned(),
            }
            .into());
        }
        let bytes = self.bytes(limit).await?;
        parse_object(&bytes)
    }

    /// Takes the body as bytes.
    ///
    /// # Errors
    /// 413 when it is longer than `limit`, 400 when it was cut, 408 when it came too slowly, 503 when too many come at once.
    pub async fn bytes(&mut self, limit: usize) -> Result<Bytes> {
        let too_large = || {
            Error::from(CallerError::TooLarge {
                field: "body",
                limit: u64::try_from(limit).unwrap_or(u64::MAX),
            })
        };
        let announced = self.header(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
        if announced.is_some_and(|length| length > u64::try_from(limit).unwrap_or(u64::MAX)) {
            return Err(too_large());
        }
        let mut pieces = match std::mem::take(&mut self.body) {
            Body::Full(bytes) if bytes.len() > limit => return Err(too_large()),
            Body::Full(bytes) => return Ok(bytes),
            Body::Stream(pieces) => pieces,
        };
        let mut left = limit;
        let mut spooled = self.ctx.spool.begin().await?;
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            left = left.checked_sub(piece.len()).ok_or_else(too_large)?;
            spooled.add(piece).await?;
        }
        Ok(spooled.whole().await?)
    }
}

/// Parses JSON with a pointer to what is wrong.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        CallerError::Unreadable(format!("the body is not UTF-8 after byte {}", error.valid_up_to()))
    })?;
    let mut parser = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut parser).map_err(|error| misread::<T>(text, error))?;
    parser.end().map_err(not_json)?;
    without_nul(text)?;
    Ok(value)
}

/// Parses a JSON object. Where one is wanted, an array of its values in their order is none.
fn parse_object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    if first == Some(&b'[') {
        return Err(Error::invalid("", "must be an object"));
    }
    parse_json(bytes)
}

/// What is said of a text with U+0000. SQLite ends a text there, so none is let in, whichever field it is in.
const NUL: &str = "must not contain NUL";

/// Refuses JSON with U+0000 in a text or a name, which JSON writes in one way only.
fn without_nul(text: &str) -> Result<()> {
    if !text.contains("\\u0000") {
        return Ok(());
    }
    // The same six characters after a backslash are no NUL.
    let value: serde_json::Value = serde_json::from_str(text).map_err(not_json)?;
    match path_to_nul(&value) {
        Some(path) => Err(Error::invalid(path, NUL)),
        None => Ok(()),
    }
}

/// The JSON pointer to the first text with a NUL; to the object, when a name in it has one.
fn path_to_nul(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => text.contains('\0').then(String::new),
        serde_json::Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| path_to_nul(item).map(|rest| format!("/{index}{rest}"))),
        serde_json::Value::Object(fields) => fields.iter().find_map(|(name, field)| {
            if name.contains('\0') {
                return Some(String::new());
            }
            path_to_nul(field).map(|rest| format!("/{}{rest}", escaped(name)))
        }),
        _ => None,
    }
}

/// A name as it stands in a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Why a text could not be read as `T`. Where an enum is wanted, serde_json says of a number that it is no JSON; whether it
/// is, only a reader of any JSON can tell.
fn misread<T: DeserializeOwned>(text: &str, error: serde_path_to_error::Error<serde_json::Error>) -> Error {
    if error.inner().is_data() {
        return unfit(error);
    }
    match serde_json::from_str::<serde_json::Value>(text) {
        Err(broken) => not_json(broken),
        Ok(value) => match serde_path_to_error::deserialize::<_, T>(value) {
            Err(unfitting) => unfit(unfitting),
            Ok(_) => Error::invalid(pointer_of(error.path()), "is not of the type that is wanted"),
        },
    }
}

/// The caller's error for JSON that does not fit its type: 422 with a pointer, or 400 when it is no JSON.
pub fn unfit(error: serde_path_to_error::Error<serde_json::Error>) -> Error {
    let pointer = pointer_of(error.path());
    let inner = error.into_inner();
    match inner.classify() {
        serde_json::error::Category::Data => Error::invalid(pointer, without_position(&inner)),
        _ => not_json(inner),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn not_json(error: serde_json::Error) -> Error {
    CallerError::Unreadable(format!("the body is not JSON: {error}")).into()
}

/// serde's path as a JSON pointer.
fn pointer_of(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", escaped(key)),
            Segment::Enum { variant } => format!("/{variant}"),
            Segment::Unknown => "/?".to_owned(),
        })
        .collect()
}

/// The message without serde_json's "at line 1 column 9": the pointer says where.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(message, _)| message.to_owned())
}

/// A JSON response.
pub fn json(status: StatusCode, value: &impl Serialize) -> Result<Response<Body>> {
    let bytes = serde_json::to_vec(value).map_err(|error| Error::ours(format!("response: {error}")))?;
    let mut response = Response::new(Body::full(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// 204.
#[must_use]
pub fn no_content() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nul_is_refused_where_it_is() {
        let refused = |text: &str| match parse_json::<serde_json::Value>(text.as_bytes()) {
            Ok(_) => None,
            Err(Error::Caller(CallerError::Invalid(fields))) => Some(fields[0].pointer.clone()),
            Err(error) => panic!("{error}"),
        };
        for (text, pointer) in [
            (r#"{"a": "tea\u0000"}"#, Some("/a")),
            (r#"{"a": ["x", {"b/c~d": "\u0000"}]}"#, Some("/a/1/b~1c~0d")),
            (r#"{"a\u0000": 1}"#, Some("")),
            (r#""\u0000""#, Some("")),
            (r#"{"a": "\\u0000"}"#, None),
            (r#"{"a": "u0000 \u0001"}"#, None),
        ] {
            assert_eq!(refused(text).as_deref(), pointer, "{text}");
        }
    }

    #[test]
    fn a_wrong_type_is_told_by_its_field_and_what_is_no_json_as_that() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Colour {
            Red,
        }
        #[derive(Debug, serde::Deserialize)]
        struct Cup {
            #[serde(rename = "colour")]
            _colour: Option<Colour>,
            #[serde(rename = "parts", default)]
            _parts: Vec<Cup>,
        }
        let refused = |text: &str| match parse_json::<Cup>(text.as_bytes()) {
            Err(Error::Caller(CallerError::Invalid(fields))) => Some(fields[0].pointer.clone()),
            Err(Error::Caller(CallerError::Unreadable(_))) => None,
            other => panic!("{text}: {other:?}"),
        };
        for wrong in
            ["5", "-1.5", "true", "false", "[]", "[\"red\"]", "{}", "{\"red\": 1, \"x\": 2}", "\"blue\""]
        {
            let pointer = refused(&format!("{{\"colour\": {wrong}}}")).unwrap_or_default();
            assert!(pointer.starts_with("/colour"), "{wrong}: {pointer}");
            let pointer =
                refused(&format!("{{\"parts\": [{{}}, {{\"colour\": {wrong}}}]}}")).unwrap_or_default();
            assert!(pointer.starts_with("/parts/1/colour"), "{wrong}: {pointer}");
        }
        for broken in
            ["{\"colour\": 5", "{\"colour\": tru}", "{\"colour\": 5} x", "{\"colour\": }", "", "{colour: 5}"]
        {
            assert_eq!(refused(broken), None, "{broken}");
        }
        assert!(parse_json::<Cup>(br#"{"colour": "red"}"#).is_ok());
    }

    #[test]
    fn an_array_is_no_object() {
        #[derive(serde::Deserialize)]
        struct Named {
            _name: String,
        }
        for text in [r#"["x"]"#, " \n[]", "[[[["] {
            match parse_object::<Named>(text.as_bytes()) {
                Err(Error::Caller(CallerError::Invalid(fields))) => {
                    assert_eq!(fields[0].pointer, "", "{text}");
                }
                other => panic!("{text}: {:?}", other.err()),
            }
        }
        assert!(parse_object::<Named>(br#" {"_name": "x"}"#).is_ok());
    }

    #[test]
    fn of_addresses_in_a_header_the_last_counts() {
        let told = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-client", value.parse().unwrap());
            }
            Peer::address_in(&headers, "x-client").map(|address| address.to_string())
        };
        for (values, address) in [
            (&["203.0.113.9:4711"][..], Some("203.0.113.9")),
            (&["203.0.113.9"], Some("203.0.113.9")),
            (&["[2001:db8::7]:4711"], Some("2001:db8::7")),
            (&["2001:db8::7"], Some("2001:db8::7")),
            // The first one is the client's own.
            (&["198.51.100.1:1", "203.0.113.9:4711"], Some("203.0.113.9")),
            (&["203.0.113.9:4711", "nonsense"], None),
            (&["198.51.100.1, 203.0.113.9"], None),
            (&[""], None),
            (&[], None),
        ] {
            assert_eq!(told(values).as_deref(), address, "{values:?}");
        }
    }
}
