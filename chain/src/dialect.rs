//! Diamonds that others have written: which of their functions and events do what ours do, as the configuration says.
//!
//! A deal is driven there by its reference, which the contract must keep and must not take twice. Every value that is passed or
//! returned is one word of 32 bytes, so that no more of the ABI is needed than names and order.

mod signature;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use alloy::{
    json_abi,
    primitives::{Address, B256, Bytes, U256},
};
use serde::Deserialize;

use self::signature::{EventSignature, FunctionSignature, Name, Values};
use crate::{
    abi::{self, Deal, DealChange, DealState, Opened, Reason, Terms},
    kind::Kind,
    rpc::{Log, TEXT_MAX, foreign_text},
    table::log,
};

/// What a diamond of somebody else's is driven by. Functions, events and errors are written as in Solidity; their parameters
/// bear the names of what they stand for, whatever the contract calls them: `ref`, `dealId`, `payee`, `token`, `amount`,
/// `expiresAt`, `payer`, `state`, `account`. One whose name begins with `_` is skipped.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DialectConfig {
    /// The network's numeric id.
    pub chain_id: u64,
    /// Where such contracts stand.
    pub diamonds: Vec<Address>,
    /// Opens a deal.
    pub open: String,
    /// Hands the deposit to the payee.
    pub release: String,
    /// Closes a deal, and hands a deposit back to its payer.
    pub cancel: String,
    /// What a payer calls.
    pub deposit: String,
    /// What the contract has of a deal, by its `ref` alone; it returns at least `state`, `payer`, `payee`, `token` and `amount`.
    pub status: String,
    /// Whether an `account` may open, release and cancel; without it no other signer helps out.
    pub is_operator: Option<String>,
    /// The numbers of the states.
    pub states: DialectStates,
    /// The event of a deal that was opened: `ref`, `payee`, `token` and `amount` at least.
    pub opened: String,
    /// Of one that was paid: `ref`, `payer` and `amount` at least.
    pub deposited: String,
    /// Of one whose deposit went to the payee: `ref` at least.
    pub released: String,
    /// Of one that was closed: `ref`, and as `amount` what went back to the payer. A `dealId` is in all four events and in what
    /// `status` returns, or in none of them.
    pub canceled: String,
    /// The contract's errors by what they are called here: `DealExists`, `NotOperator`, `InvalidExpiry`, `WrongState`, or a
    /// name of their own.
    #[serde(default)]
    pub errors: BTreeMap<String, String>,
}

/// The number of each state; any other says that there is no deal.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DialectStates {
    /// Not paid.
    pub open: u8,
    /// Paid.
    pub deposited: u8,
    /// Its payee has the deposit.
    pub released: u8,
    /// Closed.
    pub canceled: u8,
}

/// A configured interface, ready for use.
#[derive(Debug)]
pub(crate) struct Dialect {
    open: FunctionSignature,
    release: FunctionSignature,
    cancel: FunctionSignature,
    deposit: FunctionSignature,
    status: FunctionSignature,
    is_operator: Option<FunctionSignature>,
    states: DialectStates,
    events: [(log::Event, EventSignature); 4],
    errors: Vec<(String, json_abi::Error)>,
}

/// The configured interfaces of a network, by the addresses that they stand at.
#[derive(Debug, Default)]
pub(crate) struct Dialects(HashMap<Address, Arc<Dialect>>);

impl Dialects {
    /// Those of a network. A process with a wrong configuration does not start.
    pub(crate) fn of(chain_id: u64, configs: &[DialectConfig]) -> Self {
        let mut dialects = HashMap::new();
        for config in configs.iter().filter(|config| config.chain_id == chain_id) {
            let Ok(dialect) = Dialect::parse(config) else { continue };
            let dialect = Arc::new(dialect);
            dialects.extend(config.diamonds.iter().map(|diamond| (*diamond, dialect.clone())));
        }
        Self(dialects)
    }

    pub(crate) fn at(&self, diamond: Address) -> Option<&Arc<Dialect>> {
        self.0.get(&diamond)
    }

    /// What the logs that are read begin with.
    pub(crate) fn topics(&self) -> Vec<B256> {
        let own = self.0.values().flat_map(|dialect| dialect.topics());
        let mut topics: Vec<B256> = abi::TOPICS.into_iter().chain(own).collect();
        topics.sort_unstable();
        topics.dedup();
        topics
    }

    /// An event of a diamond, of whichever kind that is.
    pub(crate) fn decode(&self, log: &Log) -> Option<abi::Event> {
        match self.at(log.address) {
            Some(dialect) => dialect.decode(log).map(abi::Event::Deal),
            None => abi::Event::decode(log),
        }
    }

    /// What a call of a diamond does to deals.
    pub(crate) fn kind_of(&self, diamond: Address, input: &[u8]) -> Option<Kind> {
        self.at(diamond).map_or_else(|| abi::kind_of(input), |dialect| dialect.kind_of(input))
    }

    /// Puts a revert's data into words.
    pub(crate) fn reason(&self, diamond: Option<Address>, data: &[u8]) -> Reason {
        let dialect = diamond.and_then(|diamond| self.at(diamond));
        dialect.and_then(|dialect| dialect.reason(data)).unwrap_or_else(|| abi::reason(data))
    }
}

/// The names that each event must have, in the order of [`Dialect::events`].
const EVENTS: [(log::Event, &str, &[Name]); 4] = [
    (log::Event::Created, "opened", &[Name::Ref, Name::Payee, Name::Token, Name::Amount]),
    (log::Event::Deposited, "deposited", &[Name::Ref, Name::Payer, Name::Amount]),
    (log::Event::Released, "released", &[Name::Ref]),
    (log::Event::Canceled, "canceled", &[Name::Ref, Name::Amount]),
];

impl Dialect {
    /// # Errors
    /// What is wrong with it, one sentence each.
    pub(crate) fn parse(config: &DialectConfig) -> Result<Self, Vec<String>> {
        let mut mistakes = Vec::new();
        let mut function = |setting: &str, text: &str, needed: &[Name], returned: &[Name]| {
            let parsed = FunctionSignature::parse(text, needed, returned);
            parsed.map_err(|what| mistakes.push(format!("{setting} {what}"))).ok()
        };
        let status = [Name::State, Name::Payer, Name::Payee, Name::Token, Name::Amount];
        let open = function("open", &config.open, &[Name::Ref, Name::Payee, Name::Amount], &[]);
        let release = function("release", &config.release, &[], &[]);
        let cancel = function("cancel", &config.cancel, &[], &[]);
        let deposit = function("deposit", &config.deposit, &[], &[]);
        let status = function("status", &config.status, &[Name::Ref], &status);
        let is_operator = config.is_operator.as_deref().map(|text| {
            // What it returns has no name of ours.
            function("is_operator", text, &[Name::Account], &[])
        });
        let texts = [&config.opened, &config.deposited, &config.released, &config.canceled];
        let mut events = Vec::with_capacity(texts.len());
        for ((kind, setting, needed), text) in EVENTS.into_iter().zip(texts) {
            match EventSignature::parse(text, needed) {
                Ok(event) => events.push((kind, event)),
                Err(what) => mistakes.push(format!("{setting} {what}")),
            }
        }
        let mut errors = Vec::new();
        for (code, text) in &config.errors {
            match json_abi::Error::parse(text) {
                Ok(error) => errors.push((code.clone(), error)),
                Err(_) => mistakes.push(format!("errors.{code} is no error as Solidity writes it")),
            }
        }
        let parsed = (open, release, cancel, deposit, status, <[_; 4]>::try_from(events));
        let (Some(open), Some(release), Some(cancel), Some(deposit), Some(status), Ok(events)) = parsed else {
            return Err(mistakes);
        };
        let is_operator = is_operator.flatten();
        let states = config.states;
        let dialect = Self { open, release, cancel, deposit, status, is_operator, states, events, errors };
        mistakes.extend(dialect.contradictions());
        if mistakes.is_empty() { Ok(dialect) } else { Err(mistakes) }
    }

    /// What does not fit together.
    fn contradictions(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut topics = self.topics();
        topics.sort_unstable();
        if topics.windows(2).any(|pair| pair[0] == pair[1]) {
            mistakes.push("two of the four events are the same".to_owned());
        }
        let mut selectors = [&self.open, &self.release, &self.cancel].map(FunctionSignature::selector);
        selectors.sort_unstable();
        if selectors.windows(2).any(|pair| pair[0] == pair[1]) {
            mistakes.push("open, release and cancel must be three functions".to_owned());
        }
        let DialectStates { open, deposited, released, canceled } = self.states;
        let mut states = [open, deposited, released, canceled];
        states.sort_unstable();
        if states.windows(2).any(|pair| pair[0] == pair[1]) {
            mistakes.push("states must be four numbers".to_owned());
        }
        if self.status.names().count() > 1 {
            mistakes.push("status must take `ref` alone".to_owned());
        }
        let with_ids = self.events.iter().filter(|(_, event)| event.has(Name::DealId)).count();
        let with_ids = with_ids + usize::from(self.status.returns(Name::DealId));
        if !matches!(with_ids, 0 | 5) {
            mistakes.push("all four events and status must have `dealId`, or none of them".to_owned());
        }
        for (setting, function) in [("release", &self.release), ("cancel", &self.cancel), ("deposit", &self.deposit)] {
            if !function.takes(Name::Ref) && !function.takes(Name::DealId) {
                mistakes.push(format!("{setting} must take `ref` or `dealId`"));
            }
            if function.takes(Name::DealId) && with_ids == 0 {
                mistakes.push(format!("{setting} takes a `dealId`, which no event has"));
            }
        }
        if self.takes_ids() && with_ids == 0 {
            mistakes.push("open takes a `dealId`, which no event has".to_owned());
        }
        let calls = [&self.open, &self.release, &self.cancel, &self.deposit];
        let strange = |name: Name| matches!(name, Name::Payer | Name::State | Name::Account);
        if calls.iter().any(|function| function.names().any(strange)) {
            mistakes.push("open, release, cancel and deposit cannot take `payer`, `state` or `account`".to_owned());
        }
        mistakes
    }

    /// What the logs of its four events begin with.
    pub(crate) fn topics(&self) -> [B256; 4] {
        self.events.each_ref().map(|(_, event)| event.topic)
    }

    pub(crate) fn takes_ids(&self) -> bool {
        self.open.takes(Name::DealId)
    }

    /// The call that does this to a deal.
    ///
    /// # Errors
    /// The name of a value that is not known, or does not fit the type that the contract has for it.
    pub(crate) fn input(&self, kind: Kind, deal_id: Option<U256>, terms: &Terms) -> Result<Bytes, &'static str> {
        let function = match kind {
            Kind::Open => &self.open,
            Kind::Release => &self.release,
            Kind::Cancel => &self.cancel,
            Kind::Deploy => return Err("diamond"),
        };
        function.encode(&values(deal_id, terms)).map_err(Name::text)
    }

    fn kind_of(&self, input: &[u8]) -> Option<Kind> {
        let selector = input.first_chunk::<4>()?;
        let kinds = [(&self.open, Kind::Open), (&self.release, Kind::Release), (&self.cancel, Kind::Cancel)];
        kinds.into_iter().find(|(function, _)| function.selector() == *selector).map(|(_, kind)| kind)
    }

    pub(crate) fn status_of(&self, reference: B256) -> Bytes {
        let values = Values::default().with(Name::Ref, reference.into());
        self.status.encode(&values).unwrap_or_default()
    }

    /// A deal as `status` returns it; what it does not return is as it was requested.
    pub(crate) fn deal_of(&self, answer: &[u8], terms: &Terms) -> Option<Deal> {
        let status = self.status.decode(answer)?;
        let state = self.state(status.get(Name::State)?);
        let address = |name| status.get(name).map(address_of);
        let expires_at = status.get(Name::ExpiresAt).map(|at| at.saturating_to());
        Some(Deal {
            id: status.get(Name::DealId).unwrap_or_else(|| terms.r#ref.into()),
            r#ref: terms.r#ref,
            payee: address(Name::Payee)?,
            token: address(Name::Token)?,
            amount: status.get(Name::Amount)?,
            expiresAt: expires_at.unwrap_or(terms.expiresAt),
            state,
            payer: address(Name::Payer)?,
        })
    }

    fn state(&self, number: U256) -> DealState {
        let DialectStates { open, deposited, released, canceled } = self.states;
        let states = [
            (open, DealState::Open),
            (deposited, DealState::Deposited),
            (released, DealState::Released),
            (canceled, DealState::Canceled),
        ];
        let known = states.into_iter().find(|(own, _)| U256::from(*own) == number);
        known.map_or(DealState::None, |(_, state)| state)
    }

    /// `None` for a log that is none of the four.
    fn decode(&self, log: &Log) -> Option<DealChange> {
        let (kind, event) = self.events.iter().find(|(_, event)| log.topics.first() == Some(&event.topic))?;
        let values = event.decode(&log.topics, &log.data)?;
        let reference = B256::from(values.get(Name::Ref)?);
        let opened = (*kind == log::Event::Created).then_some(()).and_then(|()| {
            let expires_at = values.get(Name::ExpiresAt).map(|at| at.saturating_to());
            Some(Opened {
                payee: address_of(values.get(Name::Payee)?),
                token: address_of(values.get(Name::Token)?),
                expires_at,
            })
        });
        Some(DealChange {
            kind: *kind,
            reference,
            deal_id: values.get(Name::DealId).unwrap_or_else(|| reference.into()),
            payer: values.get(Name::Payer).map(address_of),
            amount: values.get(Name::Amount),
            opened,
        })
    }

    /// The call that returns whether an account may act; `None` where the contract has none.
    pub(crate) fn permission_of(&self, account: Address) -> Option<Bytes> {
        let values = Values::default().with(Name::Account, account.into_word().into());
        self.is_operator.as_ref()?.encode(&values).ok()
    }

    fn reason(&self, data: &[u8]) -> Option<Reason> {
        let (code, error) = self.errors.iter().find(|(_, error)| data.get(..4) == Some(error.selector().as_slice()))?;
        let Reason { message, .. } = abi::custom_reason(error, data)?;
        Some(Reason { code: code.clone(), message: foreign_text(&message, TEXT_MAX) })
    }
}

fn values(deal_id: Option<U256>, terms: &Terms) -> Values {
    let known = Values::default()
        .with(Name::Ref, terms.r#ref.into())
        .with(Name::Payee, terms.payee.into_word().into())
        .with(Name::Token, terms.token.into_word().into())
        .with(Name::Amount, terms.amount)
        .with(Name::ExpiresAt, U256::from(terms.expiresAt));
    match deal_id {
        Some(deal_id) => known.with(Name::DealId, deal_id),
        None => known,
    }
}

/// Its type has been checked.
fn address_of(word: U256) -> Address {
    Address::from_word(B256::from(word))
}

impl DialectConfig {
    /// The name of the function that pays, and the JSON ABI of it and of the contract's errors. `None` where [`crate::Config`]
    /// has said what is wrong.
    #[must_use]
    pub fn deposit_abi(&self) -> Option<(String, Vec<serde_json::Value>)> {
        let dialect = Dialect::parse(self).ok()?;
        let function = dialect.deposit.function;
        let errors = dialect.errors.iter().map(|(_, error)| serde_json::to_value(error));
        let entries = std::iter::once(serde_json::to_value(&function)).chain(errors);
        Some((function.name, entries.collect::<Result<_, _>>().ok()?))
    }

    /// What is wrong with it, one sentence each.
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Dialect::parse(self).err().unwrap_or_default();
        if self.diamonds.is_empty() {
            mistakes.push("diamonds must name an address".to_owned());
        }
        mistakes
    }
}
