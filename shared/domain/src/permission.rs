//! What the members of an organisation may do: the one table of permissions. Routes name a permission, never a role, and
//! `docs/SECURITY.md` shows this table.

use crate::scope::Role;

macro_rules! permissions {
    ($($(#[doc = $doc:literal])+ $name:ident = $role:ident;)*) => {
        /// What a member may do.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Permission {
            $($(#[doc = $doc])+ $name,)*
        }

        impl Permission {
            /// Every one, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The least role that has it; each role has what the ones before it have.
            #[must_use]
            pub const fn least_role(self) -> Role {
                match self {
                    $(Self::$name => Role::$role,)*
                }
            }

            /// What it allows, in words.
            #[must_use]
            pub const fn words(self) -> &'static str {
                match self {
                    $(Self::$name => concat!($($doc),+),)*
                }
            }
        }
    };
}

impl Permission {
    /// Whether a key for programs has it, where its role does. A key is no person, so it has no account; and it lets no one in,
    /// so that one which was stolen leaves nothing behind once it is deleted.
    #[must_use]
    pub const fn for_keys(self) -> bool {
        !matches!(self, Self::OwnAccount | Self::ManageMembers | Self::ManageKeys)
    }
}

permissions! {
    /// See oneself, choose an organisation, change one's own name and password, end one's own logins.
    OwnAccount = Viewer;
    /// Read conversations with their visitors and files.
    ReadConversations = Viewer;
    /// Answer visitors, take over, assign, label, close and put aside conversations.
    Converse = Operator;
    /// Read documents and their passages, and search them.
    ReadDocuments = Viewer;
    /// Add, read anew and delete documents.
    ManageDocuments = Admin;
    /// Read the organisation's settings.
    ReadSettings = Viewer;
    /// Change the organisation's settings, and work on during maintenance.
    ManageSettings = Admin;
    /// See how much was used.
    ReadUsage = Viewer;
    /// Read, make, change and remove sites.
    ManageSites = Admin;
    /// Read projects.
    ReadProjects = Viewer;
    /// Make, change and remove projects.
    ManageProjects = Admin;
    /// See who the members are.
    ReadMembers = Operator;
    /// Invite members, change their roles up to one's own, disable and remove them.
    ManageMembers = Admin;
    /// See, make and delete keys for programs, with roles up to one's own.
    ManageKeys = Admin;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_has_what_the_ones_before_it_have() {
        for permission in Permission::ALL {
            let having: Vec<bool> = Role::ALL.iter().map(|role| role.allows(*permission)).collect();
            assert!(having.is_sorted(), "{permission:?}: {having:?}");
            assert!(Role::Owner.allows(*permission), "{permission:?}");
        }
    }
}
