//! What callers send about signers.

use entities::{now, signer};
use payments::evm_address;
use poem_openapi::{
    Enum, Object,
    types::{Example, MaybeUndefined},
};
use sea_orm::{ActiveValue::Set, IntoActiveModel};
use serde_json::json;
use uuid::Uuid;

use crate::problem::{Format, Problem, Wrong};

/// The most wei that a contract's number holds has 78 digits.
const WEI_DIGITS_MAX: usize = 78;

/// A key that is handed to a node. The key itself is not sent: it lies in the workers' keystore or with a remote signer.
#[derive(Object)]
#[oai(example)]
pub(crate) struct NewSigner {
    /// Whose key it is: wallets of this node and of those below it may name it.
    pub(crate) node_id: Uuid,
    /// Its address, lower case or with its checksum.
    #[oai(validator(min_length = 1, max_length = 255))]
    pub(crate) address: String,
    /// Its name.
    #[oai(validator(min_length = 1, max_length = 255))]
    pub(crate) name: String,
}

impl Example for NewSigner {
    fn example() -> Self {
        Self {
            node_id: Uuid::nil(),
            address: "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266".to_owned(),
            name: "Hot key 1".to_owned(),
        }
    }
}

/// What a signer may be asked to do.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum SignerAction {
    /// Deploy diamonds.
    Deploy,
    /// Open deals.
    Open,
    /// Release deposits to payees.
    Release,
    /// Cancel deals, which returns deposits.
    Cancel,
}

impl SignerAction {
    fn word(self) -> &'static str {
        match self {
            Self::Deploy => "deploy",
            Self::Open => "open",
            Self::Release => "release",
            Self::Cancel => "cancel",
        }
    }
}

/// What may be changed of a signer; what is left out stays as it is, null takes a limit away.
#[derive(Object)]
#[oai(example)]
pub(crate) struct SignerChange {
    /// Its name.
    #[oai(validator(min_length = 1, max_length = 255))]
    name: Option<String>,
    /// What it may do.
    #[oai(validator(max_items = 4))]
    actions: MaybeUndefined<Vec<SignerAction>>,
    /// The diamonds that it may act on, addresses.
    #[oai(validator(max_items = 1000))]
    diamonds: MaybeUndefined<Vec<String>>,
    /// The highest fee per gas that it offers, in wei.
    #[oai(validator(minimum(value = "1")))]
    fee_cap_wei: MaybeUndefined<i64>,
    /// Gas limits of what it signs in any 24 hours on a network, in all.
    #[oai(validator(minimum(value = "1")))]
    gas_per_day: MaybeUndefined<i64>,
    /// The most that what it signs in any 24 hours on a network may cost, in wei, decimal digits.
    #[oai(validator(min_length = 1, max_length = 78))]
    spend_per_day_wei: MaybeUndefined<String>,
}

impl Example for SignerChange {
    fn example() -> Self {
        Self {
            name: None,
            actions: MaybeUndefined::Value(vec![SignerAction::Open, SignerAction::Release, SignerAction::Cancel]),
            diamonds: MaybeUndefined::Undefined,
            fee_cap_wei: MaybeUndefined::Value(50_000_000_000),
            gas_per_day: MaybeUndefined::Value(30_000_000),
            spend_per_day_wei: MaybeUndefined::Value("500000000000000000".to_owned()),
        }
    }
}

impl SignerChange {
    /// The row with the changes, whose policy is another one from now on.
    pub(crate) fn apply(self, signer: signer::Model) -> Result<signer::ActiveModel, Problem> {
        let revision = signer.revision + 1;
        let mut row = signer.into_active_model();
        if let Some(name) = self.name {
            row.name = Set(name);
        }
        if let Some(actions) = defined(self.actions) {
            let words =
                |actions: Vec<SignerAction>| json!(actions.into_iter().map(SignerAction::word).collect::<Vec<_>>());
            row.actions = Set(actions.map(words));
        }
        if let Some(diamonds) = defined(self.diamonds) {
            row.diamonds = Set(diamonds.map(lower).transpose()?.map(|diamonds| json!(diamonds)));
        }
        if let Some(cap) = defined(self.fee_cap_wei) {
            row.fee_cap_wei = Set(cap);
        }
        if let Some(gas) = defined(self.gas_per_day) {
            row.gas_per_day = Set(gas);
        }
        if let Some(spend) = defined(self.spend_per_day_wei) {
            if spend.as_deref().is_some_and(|wei| !is_wei(wei)) {
                let rule = Wrong::Rule("must be a number of wei in decimal digits, without a leading zero");
                return Err(Problem::invalid("/spend_per_day_wei", rule));
            }
            row.spend_per_day_wei = Set(spend);
        }
        row.revision = Set(revision);
        row.updated_at = Set(now());
        Ok(row)
    }
}

/// `None`: left out. `Some(None)`: taken away.
fn defined<T>(value: MaybeUndefined<T>) -> Option<Option<T>> {
    match value {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(value) => Some(Some(value)),
    }
}

fn lower(diamonds: Vec<String>) -> Result<Vec<String>, Problem> {
    if let Some(index) = diamonds.iter().position(|address| !evm_address::is_valid(address)) {
        return Err(Problem::invalid(&format!("/diamonds/{index}"), Format::EvmAddress));
    }
    Ok(diamonds.iter().map(|address| address.to_lowercase()).collect())
}

/// The comparison of texts of 78 digits is that of the numbers: 2²⁵⁶ − 1 begins with 115.
fn is_wei(digits: &str) -> bool {
    const MAX: &str = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    let canonical = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    canonical && (digits.len() < WEI_DIGITS_MAX || digits.len() == WEI_DIGITS_MAX && digits <= MAX)
}

/// Why signing stops.
#[derive(Object)]
#[oai(example)]
pub(crate) struct SignerPause {
    /// For those who find it paused.
    #[oai(validator(min_length = 1, max_length = 1000))]
    pub(crate) reason: String,
}

impl Example for SignerPause {
    fn example() -> Self {
        Self { reason: "the host was broken into".to_owned() }
    }
}

/// Who signs from now on.
#[derive(Object)]
#[oai(example)]
pub(crate) struct SignerRotation {
    /// The address of another signer of the same node.
    #[oai(validator(min_length = 1, max_length = 255))]
    pub(crate) to: String,
}

impl Example for SignerRotation {
    fn example() -> Self {
        Self { to: "0x70997970c51812dc3a010c7d01b50e0d17dc79c8".to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::is_wei;

    #[test]
    fn wei_are_whole_numbers_that_a_contract_can_hold() {
        let most = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
        let more = "115792089237316195423570985008687907853269984665640564039457584007913129639936";
        for (digits, is) in [("1", true), (most, true), (more, false), ("0", false), ("01", false), ("1.5", false)] {
            assert_eq!(is_wei(digits), is, "{digits}");
        }
    }
}
