//! What whoever keeps a seller's account may do.

use payments::Permission;

use crate::access::{Needs, cookies};

/// Keeping a seller's account, refunding and paying out. Browsers of whichever sign-in may.
pub(crate) struct MarketplaceManage;

impl Needs for MarketplaceManage {
    const PERMISSION: Option<Permission> = Some(Permission::MarketplaceManage);
    const SCHEMES: &'static [&'static str] =
        &["bearer:marketplace.manage", "cookie:marketplace.manage", "store_cookie:marketplace.manage"];
    const COOKIES: &'static [&'static str] = &[cookies::STORE_TOKEN, cookies::ACCESS_TOKEN];
    const TO_SHOPS: bool = true;
}
