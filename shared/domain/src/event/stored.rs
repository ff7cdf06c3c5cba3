//! Events as JSON, also those of other versions.
//!
//! What was read is written again without loss. An event is parsed once; whether something in it was not understood is
//! seen by writing what was understood and comparing, and only if the two differ it is taken apart. Then what differs is
//! kept beside the event as an overlay: unknown fields at any depth, and values that this version had to replace. Each
//! replacement is the one that does least harm:
//!
//! | unknown | is taken as | because |
//! |---|---|---|
//! | kind, or a known kind in another form | nothing | the log goes on; with a new epoch the AI is silent |
//! | mode | `operator` | the AI must not speak where it may not |
//! | status | `open` | it stays in sight of operators |
//! | outcome | `answered` with a message, else `cancelled` | the turn is over; nothing is apologised for |
//! | thumb | none | it counts for neither side |
//! | kind of author | `system` | it asks nothing, and no model is shown its words |

use std::borrow::Cow;

use serde::de::value::CowStrDeserializer;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::{Event, EventBody, Thumb, Unknown};
use crate::answer::Outcome;
use crate::conversation::{AuthorKind, Epoch, Mode, Seq, Status};
use crate::time::Timestamp;

type Fields = Map<String, Value>;

/// A stored event. Its `seq` was assigned in the transaction that stored it.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Event)]
struct Plain<'a> {
    /// Position in the conversation, dense from 1.
    seq: Seq,
    /// When it was stored; never before the event ahead of it.
    at: Timestamp,
    /// The epoch it was stored in.
    epoch: Epoch,
    /// What happened.
    #[serde(flatten)]
    body: &'a EventBody,
}

impl Event {
    /// The event whose [`Event::stored_body`] is `body`.
    ///
    /// # Errors
    /// When `body` is no JSON object with a `kind`.
    pub fn from_stored(seq: Seq, at: Timestamp, epoch: Epoch, body: &str) -> Result<Self, serde_json::Error> {
        let mut text = serde_json::Deserializer::from_str(body);
        // The derived function, which knows this version's kinds alone.
        if let Ok(known) = EventBody::deserialize(&mut text)
            && text.end().is_ok()
            && serde_json::to_string(&known).is_ok_and(|written| written == body)
        {
            return Ok(Self::new(seq, at, epoch, known));
        }
        let (body, extra) = read(serde_json::from_str(body)?)?;
        Ok(Self { seq, at, epoch, body, extra })
    }

    /// The JSON that is stored of what happened.
    #[must_use]
    pub fn stored_body(&self) -> String {
        let written = match &self.extra {
            None => serde_json::to_string(&self.body),
            Some(extra) => serde_json::to_value(&self.body).and_then(|mut all| {
                lay_over(&mut all, extra);
                serde_json::to_string(&all)
            }),
        };
        written.unwrap_or_default()
    }
}

/// The event that these fields are.
pub(super) fn event(mut fields: Fields) -> Result<Event, serde_json::Error> {
    fn take<T: DeserializeOwned>(fields: &mut Fields, name: &'static str) -> Result<T, serde_json::Error> {
        serde_json::from_value(fields.remove(name).ok_or_else(|| serde_json::Error::missing_field(name))?)
    }
    let (seq, at, epoch) = (take(&mut fields, "seq")?, take(&mut fields, "at")?, take(&mut fields, "epoch")?);
    let (body, extra) = read(fields)?;
    Ok(Event { seq, at, epoch, body, extra })
}

/// What these fields say, and what of it this version does not know.
fn read(mut fields: Fields) -> Result<(EventBody, Option<Box<Fields>>), serde_json::Error> {
    let all = Value::Object(fields);
    let known = EventBody::deserialize(&all);
    fields = match all {
        Value::Object(fields) => fields,
        _ => Fields::new(),
    };
    let Ok(mut body) = known else {
        let Some(Value::String(kind)) = fields.remove("kind") else {
            return Err(serde_json::Error::missing_field("kind"));
        };
        return Ok((EventBody::Unknown(Unknown { kind, fields }), None));
    };
    let extra = beyond(fields, &serde_json::to_value(&body)?);
    if let (EventBody::TurnFinished { outcome, message_id: Some(_), .. }, Some(extra)) = (&mut body, &extra)
        && extra.contains_key("outcome")
    {
        *outcome = Outcome::Answered;
    }
    Ok((body, extra.map(Box::new)))
}

/// What `all` has beyond `known`, or otherwise than `known` has it.
fn beyond(all: Fields, known: &Value) -> Option<Fields> {
    let extra: Fields = all
        .into_iter()
        .filter_map(|(name, value)| match (value, known.get(&name)) {
            (Value::Object(fields), Some(known @ Value::Object(_))) => {
                beyond(fields, known).map(|extra| (name, Value::Object(extra)))
            }
            // An absent field and a null are the same to every version.
            (Value::Null, None) => None,
            (value, Some(known)) if value == *known => None,
            (value, _) => Some((name, value)),
        })
        .collect();
    (!extra.is_empty()).then_some(extra)
}

/// The opposite of [`beyond`].
fn lay_over(known: &mut Value, extra: &Fields) {
    let Value::Object(known) = known else { return };
    for (name, value) in extra {
        match (known.get_mut(name), value) {
            (Some(inner @ Value::Object(_)), Value::Object(extra)) => lay_over(inner, extra),
            _ => {
                known.insert(name.clone(), value.clone());
            }
        }
    }
}

impl Serialize for EventBody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self::Unknown(unknown) = self else {
            // The derived function.
            return Self::serialize(self, serializer);
        };
        let kind = Value::String(unknown.kind.clone());
        serializer.collect_map(
            std::iter::once(("kind", &kind)).chain(unknown.fields.iter().map(|(k, v)| (k.as_str(), v))),
        )
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let plain = Plain { seq: self.seq, at: self.at, epoch: self.epoch, body: &self.body };
        let Some(extra) = &self.extra else { return plain.serialize(serializer) };
        let mut all = serde_json::to_value(plain).map_err(serde::ser::Error::custom)?;
        lay_over(&mut all, extra);
        all.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        event(Fields::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl utoipa::PartialSchema for Event {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        Plain::schema()
    }
}

impl utoipa::ToSchema for Event {
    fn name() -> Cow<'static, str> {
        Plain::name()
    }

    fn schemas(schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>)>) {
        Plain::schemas(schemas);
    }
}

/// The value of this name, if there is one.
fn named<'de, D: Deserializer<'de>, T: DeserializeOwned>(field: D) -> Result<Option<T>, D::Error> {
    let name = Cow::<'de, str>::deserialize(field)?;
    Ok(T::deserialize(CowStrDeserializer::<serde::de::value::Error>::new(name)).ok())
}

pub(super) fn mode<'de, D: Deserializer<'de>>(field: D) -> Result<Mode, D::Error> {
    Ok(named(field)?.unwrap_or(Mode::Operator))
}

pub(super) fn status<'de, D: Deserializer<'de>>(field: D) -> Result<Status, D::Error> {
    Ok(named(field)?.unwrap_or(Status::Open))
}

pub(super) fn outcome<'de, D: Deserializer<'de>>(field: D) -> Result<Outcome, D::Error> {
    Ok(named(field)?.unwrap_or(Outcome::Cancelled))
}

pub(super) fn thumb<'de, D: Deserializer<'de>>(field: D) -> Result<Option<Thumb>, D::Error> {
    match Option::<Cow<'de, str>>::deserialize(field)? {
        Some(name) => named(CowStrDeserializer::new(name)),
        None => Ok(None),
    }
}

pub(crate) fn author_kind<'de, D: Deserializer<'de>>(field: D) -> Result<AuthorKind, D::Error> {
    Ok(named(field)?.unwrap_or(AuthorKind::System))
}
