//! Identifiers: [TypeIDs](https://github.com/jetify-com/typeid), a prefix and a UUIDv7 (`conv_01h455vb4pex5vsknk084sn02q`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use type_safe_id::{StaticType, TypeSafeId};

use crate::time::Timestamp;

/// A text that is not an identifier of the expected type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected an identifier like `{prefix}_01h455vb4pex5vsknk084sn02q`")]
pub struct IdError {
    /// The prefix that was expected.
    pub prefix: &'static str,
}

/// Ten random bytes for the random part of a new identifier.
pub type Entropy = [u8; 10];

macro_rules! id_types {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(uuid::Uuid);

        impl $name {
            /// The prefix of the text form.
            pub const PREFIX: &'static str = $prefix;

            /// A new identifier that sorts by `now`.
            #[must_use]
            pub fn new(now: Timestamp, entropy: Entropy) -> Self {
                Self(uuid::Builder::from_unix_timestamp_millis(now.unix_millis(), &entropy).into_uuid())
            }

            /// When it was made, as it says itself.
            #[must_use]
            pub fn made_at(self) -> Option<Timestamp> {
                let (seconds, nanos) = self.0.get_timestamp()?.to_unix();
                let millis = seconds.checked_mul(1000)?.checked_add(u64::from(nanos / 1_000_000))?;
                i64::try_from(millis).ok().map(Timestamp::from_millis)
            }

            /// The UUID.
            #[must_use]
            pub const fn uuid(self) -> uuid::Uuid {
                self.0
            }

            /// The identifier with this UUID.
            #[must_use]
            pub const fn from_uuid(uuid: uuid::Uuid) -> Self {
                Self(uuid)
            }
        }

        const _: () = {
            #[derive(Clone, Copy, Default)]
            struct Tag;

            impl StaticType for Tag {
                const TYPE: &'static str = $prefix;
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    TypeSafeId::<Tag>::from_uuid(self.0).fmt(f)
                }
            }

            impl FromStr for $name {
                type Err = IdError;

                fn from_str(text: &str) -> Result<Self, IdError> {
                    TypeSafeId::<Tag>::from_str(text)
                        .map(|id| Self(id.uuid()))
                        .map_err(|_| IdError { prefix: $prefix })
                }
            }
        };

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .pattern(Some(concat!("^", $prefix, "_[0-7][0-9a-hjkmnp-tv-z]{25}$")))
                    .examples([concat!($prefix, "_01h455vb4pex5vsknk084sn02q")])
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    )*};
}

id_types! {
    /// An organisation: the tenant everything belongs to.
    OrgId = "org";
    /// A website of an organisation, on which the widget is shown.
    SiteId = "site";
    /// A person (a browser) that visits a site.
    VisitorId = "visitor";
    /// An operator or administrator.
    UserId = "user";
    /// A conversation between a visitor, the AI and operators.
    ConversationId = "conv";
    /// A message in a conversation.
    MessageId = "msg";
    /// One attempt of the AI to answer.
    TurnId = "turn";
    /// A document of an organisation.
    DocumentId = "doc";
    /// A passage of one version of a document.
    PassageId = "psg";
    /// A file that was uploaded to be attached to a message.
    UploadId = "upl";
    /// A background job.
    JobId = "job";
    /// One login of a user: the family of its refresh tokens.
    LoginId = "login";
    /// An invitation to an organisation.
    InviteId = "invite";
    /// A project of an organisation: sites and connectors belong to one.
    ProjectId = "proj";
    /// A key with which a program calls the API.
    ApiKeyId = "key";
    /// One HTTP request.
    RequestId = "req";
    /// One entry of the audit log.
    AuditId = "audit";
    /// One process or instance that may hold a lease.
    WorkerId = "worker";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_a_typeid_and_round_trips() {
        let id = ConversationId::new(Timestamp::from_millis(1_700_000_000_000), [7; 10]);
        let text = id.to_string();
        assert!(text.starts_with("conv_"), "{text}");
        assert_eq!(text.parse::<ConversationId>(), Ok(id));
        assert_eq!(serde_json::from_str::<ConversationId>(&serde_json::to_string(&id).unwrap()).unwrap(), id);
    }

    #[test]
    fn another_type_is_refused() {
        let id = ConversationId::new(Timestamp::from_millis(1), [7; 10]).to_string();
        assert_eq!(id.parse::<OrgId>(), Err(IdError { prefix: "org" }));
        assert!("org_".parse::<OrgId>().is_err());
        assert!("".parse::<OrgId>().is_err());
    }

    #[test]
    fn ids_sort_by_time() {
        let early = MessageId::new(Timestamp::from_millis(1_000), [0xff; 10]);
        let late = MessageId::new(Timestamp::from_millis(1_001), [0; 10]);
        assert!(early < late && early.to_string() < late.to_string());
    }
}
