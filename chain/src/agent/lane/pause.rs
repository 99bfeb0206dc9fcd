//! Why a lane sends nothing new. The words stand in the database and in [`crate::LaneStatus`].

pub(in crate::agent) const FUNDS: &str = crate::table::lane::NO_FUNDS;
pub(in crate::agent) const FEE_CAP: &str = "fee_cap";
pub(in crate::agent) const NO_KEY: &str = "no_key";
pub(in crate::agent) const KEY_LOCKED: &str = "key_locked";
pub(in crate::agent) const PAUSED: &str = "paused";
pub(in crate::agent) const POLICY: &str = "policy";
pub(in crate::agent) const GAS_PER_DAY: &str = "gas_per_day";
pub(in crate::agent) const SPEND_PER_DAY: &str = "spend_per_day";
pub(in crate::agent) const UNREACHABLE: &str = "signer_unreachable";
pub(in crate::agent) const REFUSED: &str = "signer_refused";

/// Every one that stands in the database.
pub(in crate::agent) const ALL: [&str; 10] =
    [FUNDS, FEE_CAP, NO_KEY, KEY_LOCKED, PAUSED, POLICY, GAS_PER_DAY, SPEND_PER_DAY, UNREACHABLE, REFUSED];

/// A lane that does not get as far as its transactions; only reported.
pub(in crate::agent) const FAILING: &str = "failing";
/// A lane that sends some operations and not others; only reported.
pub(in crate::agent) const HOLDING_BACK: &str = "holding_back";

/// Every one that metrics know.
pub(in crate::agent) fn reported() -> impl Iterator<Item = &'static str> {
    ALL.into_iter().chain([FAILING, HOLDING_BACK])
}

/// Whether it is the key itself that is missing or does not open.
pub(in crate::agent) fn is_of_key(reason: &str) -> bool {
    reason == NO_KEY || reason == KEY_LOCKED
}

/// For health checks: the rest of a sentence about the signer.
pub(in crate::agent) fn sentence(reason: &str) -> &'static str {
    match reason {
        FUNDS => "cannot pay for what it has to send",
        FEE_CAP => "waits until gas costs less than chain.fee_cap_wei and its own cap",
        NO_KEY => "has no key in the keystore",
        KEY_LOCKED => "has a key file that does not open with the keystore's password",
        PAUSED => "was paused by an operator",
        POLICY => "has in flight what its policy does not allow any more",
        GAS_PER_DAY => "has signed as much gas in a day as its policy allows",
        SPEND_PER_DAY => "has signed for as much in a day as its policy allows",
        UNREACHABLE => "has a remote signer that does not answer",
        REFUSED => "has a remote signer that does not sign what it is asked for",
        FAILING => "fails at what it asks of its node or its database, see the log",
        HOLDING_BACK => "holds back operations that its policy or their contract does not allow",
        _ => "is paused",
    }
}
