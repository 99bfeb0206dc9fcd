//! Who is asking: tokens in, a [`payments::Caller`] out, whichever way the proof came.

mod allowed;
mod caller_loader;
pub(crate) mod cookies;
mod hs256;
mod needs;
mod payment_token;
mod pin;
pub(crate) mod precis;
mod refresh;
mod secret;
pub(crate) mod sign_ins;
mod token;

#[cfg(any(test, fuzzing))]
pub(crate) use allowed::bearer_token;
pub(crate) use allowed::{Allowed, at_root, authenticate, from_allowed_origin, require_same_origin, signed_in};
pub(crate) use caller_loader::{CallerLoader, granted};
pub(crate) use cookies::StaffCookies;
pub(crate) use needs::*;
pub(crate) use payment_token::{OF_A_PAYMENT, PaymentToken};
pub use pin::hash_pin;
pub(crate) use pin::{NOBODYS, hash_in_turn, verify_pin};
pub(crate) use refresh::{Pair, find as find_refresh, new_family, refresh, revoke_family, revoke_others, start_family};
pub use secret::{NewSecret, hash_secret};
pub(crate) use secret::{secret_matches, unguessable};
pub(crate) use sign_ins::{Account, SignIns, Verdict};
pub(crate) use token::{CUSTOMER, Claims, TokenIssuer};
