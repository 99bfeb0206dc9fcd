//! What people may be allowed to do, in the till's words.

use payments::Permission;
use poem_openapi::{OpenApi, payload::Json};

use super::{Declined, Tag, staff::StaffPermission};
use crate::access::{Allowed, PermissionsRead};

/// The till's name of a permission: the word with an underscore, such as `payments_read`.
pub(super) fn till_name(permission: Permission) -> String {
    permission.word().replace('.', "_")
}

/// The permission with this name, in the till's words or in ours.
pub(super) fn named(name: &str) -> Option<Permission> {
    Permission::ALL.iter().copied().find(|permission| permission.word() == name || till_name(*permission) == name)
}

pub(crate) struct Permissions;

#[OpenApi(prefix_path = "/permissions", tag = "Tag::Staff")]
impl Permissions {
    /// List permissions
    ///
    /// All that a role may be given.
    #[oai(path = "/", method = "get", operation_id = "list_permissions")]
    async fn list(&self, _caller: Allowed<PermissionsRead>) -> Result<Json<Vec<StaffPermission>>, Declined> {
        Ok(Json(Permission::ALL.iter().copied().map(StaffPermission::from).collect()))
    }
}
