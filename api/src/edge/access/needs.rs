//! The permissions that operations declare, as types, so that each operation's signature and the document say the same.

use payments::Permission;

use super::cookies;

/// What an operation needs of its caller.
pub(crate) trait Needs: Send + Sync + 'static {
    /// None: being signed in is enough.
    const PERMISSION: Option<Permission>;
    /// The security schemes with the permission behind a colon; [`crate::openapi`] turns the latter into the role
    /// list of the security requirement, which is where the table test finds it.
    const SCHEMES: &'static [&'static str];
    /// The cookies that a browser may send the token in.
    const COOKIES: &'static [&'static str] = &[cookies::ACCESS_TOKEN];
    /// Whether a token of a shop's sign-in opens it.
    const TO_SHOPS: bool = false;
    /// Whether it changes what all nodes share, which only a caller on the root node, or an admin, may do.
    const AT_ROOT: bool = false;
}

macro_rules! needs {
    ($($(#[$doc:meta])* $name:ident = $permission:expr, $word:literal;)+) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl Needs for $name {
            const PERMISSION: Option<Permission> = $permission;
            const SCHEMES: &'static [&'static str] = &[concat!("bearer:", $word), concat!("cookie:", $word)];
        }
    )+

        #[cfg(test)]
        const DECLARED: &[(Option<Permission>, &str)] = &[$(($permission, $word)),+];
    };
}

needs! {
    /// A valid token.
    Nothing = None, "";
    /// Reading payments and the reference data they name.
    PaymentsRead = Some(Permission::PaymentsRead), "payments.read";
    /// Creating, releasing and re-sending payments.
    PaymentsCreate = Some(Permission::PaymentsCreate), "payments.create";
    /// Canceling payments.
    PaymentsCancel = Some(Permission::PaymentsCancel), "payments.cancel";
    /// Correcting payments of a till.
    PaymentsUpdate = Some(Permission::PaymentsUpdate), "payments.update";
    /// Deleting payments of a till, and relations of payments to tickets.
    PaymentsDelete = Some(Permission::PaymentsDelete), "payments.delete";
    /// Writing tickets down.
    TicketsCreate = Some(Permission::TicketsCreate), "tickets.create";
    /// Reading tickets.
    TicketsRead = Some(Permission::TicketsRead), "tickets.read";
    /// Changing tickets.
    TicketsUpdate = Some(Permission::TicketsUpdate), "tickets.update";
    /// Creating users.
    UsersCreate = Some(Permission::UsersCreate), "users.create";
    /// Reading who the users are.
    UsersRead = Some(Permission::UsersRead), "users.read";
    /// Changing users.
    UsersUpdate = Some(Permission::UsersUpdate), "users.update";
    /// Reading which roles there are. All nodes share them, and their names say nothing of anybody's.
    RolesRead = Some(Permission::RolesRead), "roles.read";
    /// Deleting users.
    UsersDelete = Some(Permission::UsersDelete), "users.delete";
    /// Reading which permissions there are.
    PermissionsRead = Some(Permission::PermissionsRead), "permissions.read";
    /// Managing webhook endpoints.
    WebhooksManage = Some(Permission::WebhooksManage), "webhooks.manage";
    /// Changing nodes, integrations and other reference data.
    NodesManage = Some(Permission::NodesManage), "nodes.manage";
    /// Looking at and deciding what only operators do.
    Operations = Some(Permission::Operations), "operations";
}

/// Changing what all nodes share: chains, networks, currencies.
pub(crate) struct SharedDataManage;

impl Needs for SharedDataManage {
    const PERMISSION: Option<Permission> = NodesManage::PERMISSION;
    const SCHEMES: &'static [&'static str] = NodesManage::SCHEMES;
    const AT_ROOT: bool = true;
}

macro_rules! at_root {
    ($($(#[$doc:meta])* $name:ident = $permission:ident, $word:literal;)+) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl Needs for $name {
            const PERMISSION: Option<Permission> = Some(Permission::$permission);
            const SCHEMES: &'static [&'static str] = &[concat!("bearer:", $word), concat!("cookie:", $word)];
            const AT_ROOT: bool = true;
        }
    )+};
}

at_root! {
    /// Creating roles, which all nodes share.
    RolesCreate = RolesCreate, "roles.create";
    /// Renaming roles and saying what they may do.
    RolesUpdate = RolesUpdate, "roles.update";
    /// Deleting roles.
    RolesDelete = RolesDelete, "roles.delete";
}

/// Looking at what is of the installation and of no node: its queues.
pub(crate) struct InstallationOperations;

impl Needs for InstallationOperations {
    const PERMISSION: Option<Permission> = Operations::PERMISSION;
    const SCHEMES: &'static [&'static str] = Operations::SCHEMES;
    const AT_ROOT: bool = true;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_words_are_the_permissions_words() {
        for (permission, word) in DECLARED {
            assert_eq!(permission.map_or("", Permission::word), *word);
        }
    }
}
