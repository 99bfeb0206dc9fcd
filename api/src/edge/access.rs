//! Authentication: tokens in, a [`payments::Caller`] out, whichever way the proof came.

mod allowed;
mod caller_loader;
pub(crate) mod cookies;
mod hs256;
mod needs;
mod pin;
pub(crate) mod precis;
mod refresh;
mod secret;
pub(crate) mod sign_ins;
mod token;
mod visitor;

pub(crate) use allowed::{
    Allowed, at_root, authenticate, bearer_token, from_allowed_origin, require_same_origin, signed_in,
};
pub(crate) use caller_loader::{CallerLoader, granted};
pub(crate) use needs::*;
pub use pin::hash_pin;
pub(crate) use pin::{NOBODYS, hash_in_turn, verify_pin};
pub(crate) use refresh::{Pair, find as find_refresh, new_family, refresh, revoke_family, revoke_others, start_family};
pub use secret::{NewSecret, hash_secret};
pub(crate) use secret::{secret_matches, unguessable};
pub(crate) use sign_ins::{Account, SignInOutcome, SignIns};
pub(crate) use token::{CUSTOMER, Claims, TokenIssuer};
pub(crate) use visitor::Visitor;
