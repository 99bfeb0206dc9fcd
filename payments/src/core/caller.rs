//! Callers: who they are, what they may do and how far they reach.

use entities::{ActorType, IntegrationId, NodeId, UserId};
use serde::Serialize;

/// A signed-in caller, whichever way the proof came (bearer token, cookie, command line).
#[derive(Clone, Debug)]
pub struct Caller {
    /// The integration, the user or the operator.
    pub kind: CallerKind,
    /// The node that the caller belongs to.
    pub node_id: NodeId,
    /// That node's path, such as `1.3.6`.
    pub node_path: String,
    /// What they may do; meaningless for admins, who may do everything.
    pub permissions: Vec<Permission>,
    /// Reaches every node and has every permission.
    pub is_admin: bool,
}

/// What a caller is. Operators have no row of their own, hence no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerKind {
    /// A program of a merchant.
    Integration(IntegrationId),
    /// A person.
    User(UserId),
    /// A person who runs the process, at its command line.
    Operator,
}

impl Caller {
    /// Whether the caller has the permission.
    #[must_use]
    pub fn can(&self, permission: Permission) -> bool {
        self.is_admin || self.permissions.contains(&permission)
    }

    /// Whether the caller reaches a node with this path: its own node and all below.
    #[must_use]
    pub fn reaches(&self, path: &str) -> bool {
        self.is_admin || path.strip_prefix(&self.node_path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// The caller as logs name it.
    #[must_use]
    pub fn actor(&self) -> Actor {
        match self.kind {
            CallerKind::Integration(id) => Actor { kind: ActorType::Integration, id: Some(id.to_string()) },
            CallerKind::User(id) => Actor { kind: ActorType::User, id: Some(id.to_string()) },
            CallerKind::Operator => Actor { kind: ActorType::Operator, id: None },
        }
    }

    /// The caller as the one who requests a change, and in which request.
    #[must_use]
    pub fn in_request(&self, request_id: Option<String>) -> RequestedBy {
        RequestedBy { actor: self.actor(), request_id }
    }

    /// The caller as logs of what only operators do name it.
    #[must_use]
    pub fn operator(&self) -> Actor {
        Actor { kind: ActorType::Operator, id: self.actor().id }
    }
}

/// Who has done what a log row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Which kind.
    pub kind: ActorType,
    /// The integration's or user's id, the job's name, the chain's number.
    pub id: Option<String>,
}

impl Actor {
    /// A job of ours, by its name.
    #[must_use]
    pub fn worker(job: &str) -> Self {
        Self { kind: ActorType::Worker, id: Some(job.to_owned()) }
    }

    /// This system by itself.
    #[must_use]
    pub fn system() -> Self {
        Self { kind: ActorType::System, id: None }
    }

    /// A payer, who has not signed in.
    #[must_use]
    pub fn payer() -> Self {
        Self { kind: ActorType::Payer, id: None }
    }

    /// Something that happened on the chain with this number.
    #[must_use]
    pub fn chain(chain_id: u64) -> Self {
        Self { kind: ActorType::Chain, id: Some(chain_id.to_string()) }
    }
}

/// Who requests a change, and in which request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedBy {
    /// The caller, the payer or the part of this system, as logs name them.
    pub actor: Actor,
    /// The request's id; none where no request led to it.
    pub request_id: Option<String>,
}

impl From<Actor> for RequestedBy {
    fn from(actor: Actor) -> Self {
        Self { actor, request_id: None }
    }
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $word:literal),+ $(,)?) => {
        /// What a caller may be allowed to do.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        pub enum Permission {
            $($(#[$doc])* #[serde(rename = $word)] $name),+
        }

        impl Permission {
            /// Every permission.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The word in tables, requests and answers.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$name => $word),+
                }
            }

            /// The permission with this word.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|permission| permission.word() == word)
            }
        }
    };
}

permissions! {
    /// Read payments and their logs.
    PaymentsRead = "payments.read",
    /// Create, release and re-send payments.
    PaymentsCreate = "payments.create",
    /// Cancel payments.
    PaymentsCancel = "payments.cancel",
    /// Correct payments of a till.
    PaymentsUpdate = "payments.update",
    /// Delete payments of a till, and what relates payments to tickets.
    PaymentsDelete = "payments.delete",
    /// Write tickets down.
    TicketsCreate = "tickets.create",
    /// Read tickets.
    TicketsRead = "tickets.read",
    /// Change tickets.
    TicketsUpdate = "tickets.update",
    /// Create users.
    UsersCreate = "users.create",
    /// Read who the users are.
    UsersRead = "users.read",
    /// Change users: their names, PINs and roles.
    UsersUpdate = "users.update",
    /// Delete users.
    UsersDelete = "users.delete",
    /// Create roles.
    RolesCreate = "roles.create",
    /// Read which roles there are and what they may do.
    RolesRead = "roles.read",
    /// Rename roles and say what they may do.
    RolesUpdate = "roles.update",
    /// Delete roles.
    RolesDelete = "roles.delete",
    /// Read which permissions there are.
    PermissionsRead = "permissions.read",
    /// Manage webhook endpoints.
    WebhooksManage = "webhooks.manage",
    /// Manage nodes, integrations, wallets, members and other reference data.
    NodesManage = "nodes.manage",
    /// Read orders and decide on receipts of bank transfers, keep the accounts that customers transfer to.
    ReceiptsManage = "receipts.manage",
    /// Keep a seller's account at the card processor, refund card payments and pay sellers out.
    MarketplaceManage = "marketplace.manage",
    /// Decide on payments in review, read and replay dead letters, read the balances of signers.
    Operations = "operations",
}

impl Permission {
    /// What an integration gets that names none.
    pub const DEFAULT: &[Self] = &[Self::PaymentsRead, Self::PaymentsCreate, Self::PaymentsCancel];
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;

    fn caller(path: &str) -> Caller {
        Caller {
            kind: CallerKind::Operator,
            node_id: NodeId::new(),
            node_path: path.to_owned(),
            permissions: Vec::new(),
            is_admin: false,
        }
    }

    #[test]
    fn reach_is_the_own_node_and_all_below_it() {
        assert!(caller("1.3").reaches("1.3"));
        assert!(caller("1.3").reaches("1.3.6"));
        assert!(!caller("1.3").reaches("1.30"), "a longer number is another node");
        assert!(!caller("1.3").reaches("1"));
        assert!(!caller("1.3").reaches("2.1.3"));
    }

    fn path(numbers: &[u8]) -> String {
        numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(".")
    }

    proptest! {
        #[test]
        fn reach_goes_by_numbers_and_not_by_characters(own in vec(0_u8..30, 1..4), other in vec(0_u8..30, 1..6)) {
            prop_assert_eq!(caller(&path(&own)).reaches(&path(&other)), other.starts_with(&own));
            let admin = Caller { is_admin: true, ..caller(&path(&own)) };
            prop_assert!(admin.reaches(&path(&other)));
        }

        #[test]
        fn a_caller_may_do_what_is_granted_and_an_admin_everything(
            granted in vec(select(Permission::ALL), 0..4), wanted in select(Permission::ALL)
        ) {
            let caller = Caller { permissions: granted.clone(), ..caller("1") };
            prop_assert_eq!(caller.can(wanted), granted.contains(&wanted));
            let admin = Caller { is_admin: true, ..caller };
            prop_assert!(admin.can(wanted));
        }
    }

    #[test]
    fn a_permission_is_known_by_its_word() {
        for permission in Permission::ALL {
            assert_eq!(Permission::from_word(permission.word()), Some(*permission));
            let namesakes = Permission::ALL.iter().filter(|other| other.word() == permission.word()).count();
            assert_eq!(namesakes, 1, "{}", permission.word());
            assert_eq!(serde_json::json!(permission), permission.word(), "the same in JSON");
        }
        assert_eq!(Permission::from_word("payments"), None);
    }

    #[test]
    fn logs_name_the_caller_and_operators_by_what_they_are_to_us() {
        let (integration, user) = (IntegrationId::new(), UserId::new());
        for (kind, as_caller, id) in [
            (CallerKind::Integration(integration), ActorType::Integration, Some(integration.to_string())),
            (CallerKind::User(user), ActorType::User, Some(user.to_string())),
            (CallerKind::Operator, ActorType::Operator, None),
        ] {
            let caller = Caller { kind, ..caller("1") };
            assert_eq!(caller.actor(), Actor { kind: as_caller, id: id.clone() });
            assert_eq!(caller.operator(), Actor { kind: ActorType::Operator, id });
            let requested_by = caller.in_request(Some("r".to_owned()));
            assert_eq!((requested_by.actor, requested_by.request_id.as_deref()), (caller.actor(), Some("r")));
        }
    }
}
