//! Who is asking, and for which organisation. Nothing is read or written without a [`TenantScope`].

use serde::{Deserialize, Serialize};

use crate::conversation::{Author, AuthorKind};
use crate::id::{ApiKeyId, LoginId, OrgId, SiteId, UserId, VisitorId};
use crate::permission::Permission;

/// What a user may do. Each role may do what the ones after it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Talks to visitors.
    Operator,
    /// Changes documents, settings and members.
    Admin,
    /// Everything, incl. the organisation itself.
    Owner,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Admin, Self::Owner];

    /// Whether it allows this.
    #[must_use]
    pub fn allows(self, permission: Permission) -> bool {
        self >= permission.least_role()
    }

    /// The name in the database and the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

/// A text that names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be viewer, operator, admin or owner")]
pub struct NoRole;

impl std::str::FromStr for Role {
    type Err = NoRole;

    fn from_str(name: &str) -> Result<Self, NoRole> {
        Self::ALL.into_iter().find(|role| role.name() == name).ok_or(NoRole)
    }
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Actor {
    /// A visitor of one site.
    Visitor {
        /// The site its token is for.
        site: SiteId,
        /// Who it is.
        visitor: VisitorId,
    },
    /// An operator or administrator.
    User {
        /// Who it is.
        user: UserId,
        /// The name that others see.
        name: String,
        /// What it may do.
        role: Role,
    },
    /// Frontdesk itself: a turn, a job, a start-up step.
    System,
}

impl Actor {
    /// How it appears in a conversation.
    #[must_use]
    pub fn author(&self) -> Author {
        match self {
            Self::Visitor { visitor, .. } => {
                Author { kind: AuthorKind::Visitor, id: Some(visitor.to_string()), name: None }
            }
            Self::User { user, name, .. } => {
                Author { kind: AuthorKind::Operator, id: Some(user.to_string()), name: Some(name.clone()) }
            }
            Self::System => Author::SYSTEM,
        }
    }
}

/// With what a user shows who it is: what is taken away when the user is to be let in no more by this way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    /// A login, by an access token.
    Login(LoginId),
    /// A key for programs.
    Key(ApiKeyId),
}

/// The proof that a caller was authenticated for one organisation. Every use case, row, blob key, room and vector
/// filter is built from one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantScope {
    org: OrgId,
    actor: Actor,
    credential: Option<Credential>,
}

impl TenantScope {
    /// For authentication and for the job queue alone; `clippy.toml` refuses any other caller.
    #[must_use]
    pub const fn authenticated(org: OrgId, actor: Actor) -> Self {
        Self { org, actor, credential: None }
    }

    /// As shown with this credential.
    #[must_use]
    pub const fn by(mut self, credential: Option<Credential>) -> Self {
        self.credential = credential;
        self
    }

    /// With what the actor showed who it is; only a user's is known.
    #[must_use]
    pub const fn credential(&self) -> Option<Credential> {
        self.credential
    }

    /// The organisation.
    #[must_use]
    pub const fn org(&self) -> OrgId {
        self.org
    }

    /// Who acts.
    #[must_use]
    pub const fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The same organisation, acted for by Frontdesk itself (a turn that goes on after the visitor left).
    #[must_use]
    pub const fn as_system(&self) -> Self {
        Self { org: self.org, actor: Actor::System, credential: None }
    }

    /// Whether the actor is a user whose role allows this, or a key that may do it.
    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        matches!(&self.actor, Actor::User { role, .. } if role.allows(permission))
            && (permission.for_keys() || !self.is_key())
    }

    /// Whether it is no person who acts, but a program by a key.
    #[must_use]
    pub const fn is_key(&self) -> bool {
        matches!(self.credential, Some(Credential::Key(_)))
    }
}
