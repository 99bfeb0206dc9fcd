//! What the back office may do.

use payments::Permission;

use crate::access::{Needs, cookies};

/// What the receipts contract calls its ADMIN. Its browsers carry a cookie of their own.
pub(crate) struct ReceiptsManage;

impl Needs for ReceiptsManage {
    const PERMISSION: Option<Permission> = Some(Permission::ReceiptsManage);
    const SCHEMES: &'static [&'static str] = &["bearer:receipts.manage", "store_cookie:receipts.manage"];
    const COOKIES: &'static [&'static str] = &[cookies::STORE_TOKEN];
    const TO_SHOPS: bool = true;
}
