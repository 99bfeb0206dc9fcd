//! Who is asking: tokens in, a [`payments::Caller`] out, whichever way the proof came.

mod allowed;
mod caller_loader;
pub(crate) mod cookies;
mod needs;
mod payment_token;
mod pin;
mod refresh;
mod secret;
pub(crate) mod sign_ins;
mod token;

#[cfg(any(test, fuzzing))]
pub(crate) use allowed::bearer_token;
pub(crate) use allowed::{Allowed, at_root, authenticate, require_same_origin};
pub(crate) use caller_loader::{CallerLoader, granted};
pub(crate) use needs::*;
pub(crate) use payment_token::PaymentToken;
pub use pin::hash_pin;
pub(crate) use pin::{NOBODYS, hash_in_turn, verify_pin};
pub(crate) use refresh::{Pair, find as find_refresh, new_family, refresh, revoke_family, start_family};
pub use secret::{NewSecret, hash_secret};
pub(crate) use secret::{secret_matches, unguessable};
pub(crate) use sign_ins::SignIns;
pub(crate) use token::{Claims, TokenIssuer};
