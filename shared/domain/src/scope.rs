//! Who is asking, and for which organisation. Nothing is read or written without a [`TenantScope`].

use serde::{Deserialize, Serialize};

use crate::conversation::{Author, AuthorKind};
use crate::id::{OrgId, SiteId, UserId, VisitorId};

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

    /// The role with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Viewer, Self::Operator, Self::Admin, Self::Owner].into_iter().find(|role| role.name() == name)
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

/// The proof that a caller was authenticated for one organisation. Every use case, row, blob key, room and vector
/// filter is built from one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantScope {
    org: OrgId,
    actor: Actor,
}

impl TenantScope {
    /// For authentication and for the job queue alone; `clippy.toml` refuses any other caller.
    #[must_use]
    pub const fn authenticated(org: OrgId, actor: Actor) -> Self {
        Self { org, actor }
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
        Self { org: self.org, actor: Actor::System }
    }

    /// Whether the actor is a user with at least this role.
    #[must_use]
    pub fn has_role(&self, least: Role) -> bool {
        matches!(&self.actor, Actor::User { role, .. } if *role >= least)
    }
}
