//! What a signer may sign, decided on the very transaction before it is signed.

use alloy::primitives::{Address, U256};
use sea_orm::{ConnectionTrait, QueryFilter, entity::prelude::*};

use crate::{
    abi::second,
    dialect::Dialects,
    error::Error,
    kind::Kind,
    table::{Place, signer},
    transaction::Draft,
    violation::Violation,
};

/// The limits of a signer; the default has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    /// Of the row that it was read from; 0 where there is none.
    pub(crate) revision: i64,
    pub(crate) paused: bool,
    /// What it may do; `None`: everything.
    pub(crate) actions: Option<Vec<Kind>>,
    /// The diamonds that it may act on; `None`: all.
    pub(crate) diamonds: Option<Vec<Address>>,
    /// Of the fee per gas, in wei.
    pub(crate) fee_cap_wei: Option<u64>,
    /// Gas limits in 24 hours, in all.
    pub(crate) gas_per_day: Option<u64>,
    /// What that may cost, in wei.
    pub(crate) spend_per_day: Option<U256>,
}

impl Policy {
    /// The policy of an address as it stands now. A key that nobody has registered has no limits.
    pub(crate) async fn read(db: &impl ConnectionTrait, address: Address) -> Result<Self, Error> {
        let row = signer::Entity::find().filter(signer::Column::Address.eq(Place(address))).one(db).await?;
        row.map_or_else(|| Ok(Self::default()), Self::of_row)
    }

    fn of_row(row: signer::Model) -> Result<Self, Error> {
        let unreadable = |what: &str| Error::Stored(format!("{what} of signer {}", row.address.0));
        let actions = row.actions.clone().map(|list| {
            let words: Vec<String> = serde_json::from_value(list).map_err(|_| unreadable("actions"))?;
            let kind = |word: &String| Kind::try_from_value(word).map_err(|_| unreadable("actions"));
            words.iter().map(kind).collect::<Result<Vec<_>, _>>()
        });
        let diamonds =
            row.diamonds.clone().map(|list| serde_json::from_value(list).map_err(|_| unreadable("diamonds")));
        let positive = |limit: Option<i64>| limit.map(|limit| u64::try_from(limit).unwrap_or(0));
        Ok(Self {
            revision: row.revision,
            paused: row.paused_at.is_some(),
            actions: actions.transpose()?,
            diamonds: diamonds.transpose()?,
            fee_cap_wei: positive(row.fee_cap_wei),
            gas_per_day: positive(row.gas_per_day),
            spend_per_day: row.spend_per_day_wei.map(|wei| wei.0),
        })
    }

    /// Whether an operation may be sent at all, whatever it costs.
    pub(crate) fn permits(&self, kind: Kind, diamond: Option<Address>) -> Result<(), Violation> {
        if self.actions.as_ref().is_some_and(|actions| !actions.contains(&kind)) {
            return Err(Violation::Action);
        }
        match diamond {
            Some(diamond) if self.diamonds.as_ref().is_some_and(|diamonds| !diamonds.contains(&diamond)) => {
                Err(Violation::Diamond)
            }
            _ => Ok(()),
        }
    }

    /// Whether this may be signed: what it does is read from its bytes, and not from what somebody says that it does.
    pub(crate) fn check(&self, draft: &Draft, signer: Address, dialects: &Dialects) -> Result<(), Violation> {
        if self.paused {
            return Err(Violation::Paused);
        }
        if self.fee_cap_wei.is_some_and(|cap| draft.fees.max_fee > u128::from(cap)) {
            return Err(Violation::FeeCap);
        }
        if !draft.value.is_zero() {
            return Err(Violation::Call);
        }
        if draft.is_noop_of(signer) {
            return Ok(());
        }
        match draft.to {
            None if second::is_diamond_creation(&draft.input) => self.permits(Kind::Deploy, None),
            None => Err(Violation::Call),
            Some(diamond) => {
                let kind = dialects.kind_of(diamond, &draft.input).ok_or(Violation::Call)?;
                self.permits(kind, Some(diamond))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{B256, Bytes};

    use super::*;
    use crate::{
        abi::{self, Terms},
        edition::Deployment,
        fees::Fees,
    };

    const DIAMOND: Address = Address::repeat_byte(7);
    const SIGNER: Address = Address::repeat_byte(9);

    fn draft(to: Option<Address>, input: Bytes) -> Draft {
        let fees = Fees::dynamic(30, 2);
        Draft { chain_id: 1, nonce: 3, to, value: U256::ZERO, input, gas_limit: 90_000, fees }
    }

    fn second(kind: Kind, count: usize) -> Bytes {
        let terms = vec![second::DealTerms::new(U256::ONE, &Terms::default()); count];
        match kind {
            Kind::Deploy => {
                second::diamond_creation(&Deployment { owner: SIGNER, operators: vec![], delay_s: 0 }).unwrap()
            }
            Kind::Open => second::create(terms),
            Kind::Release => second::release(terms),
            Kind::Cancel => second::cancel(terms, count > 2),
        }
    }

    fn first(kind: Kind, count: usize) -> Bytes {
        match kind {
            Kind::Deploy => second(kind, count),
            Kind::Open => abi::create(vec![Terms::default(); count]),
            Kind::Release => abi::release(vec![U256::ONE; count]),
            Kind::Cancel => abi::cancel(vec![U256::ONE; count]),
        }
    }

    #[test]
    fn every_call_of_a_lane_is_known_by_its_bytes_and_allowed_by_its_kind_alone() {
        let kinds = [Kind::Deploy, Kind::Open, Kind::Release, Kind::Cancel];
        for (kind, count) in kinds.into_iter().flat_map(|kind| [1, 2, 3].map(|count| (kind, count))) {
            let to = (kind != Kind::Deploy).then_some(DIAMOND);
            for input in [first(kind, count), second(kind, count)] {
                let draft = draft(to, input);
                for allowed in kinds {
                    let policy = Policy { actions: Some(vec![allowed]), ..Policy::default() };
                    let expected = if allowed == kind { Ok(()) } else { Err(Violation::Action) };
                    assert_eq!(
                        policy.check(&draft, SIGNER, &Dialects::default()),
                        expected,
                        "{kind:?} of {count} where {allowed:?} is allowed"
                    );
                }
            }
        }
    }

    #[test]
    fn nothing_else_is_signed_whatever_the_policy_allows() {
        let policy = Policy::default();
        let transfer = [&[0xa9, 0x05, 0x9c, 0xbb][..], &[0; 64]].concat();
        let cut = [&[0x1f, 0x93, 0x1c, 0x1c][..], &[0; 96]].concat();
        for input in [transfer, cut, vec![], vec![1, 2, 3]] {
            assert_eq!(
                policy.check(&draft(Some(DIAMOND), input.into()), SIGNER, &Dialects::default()),
                Err(Violation::Call)
            );
        }
        assert_eq!(
            policy.check(&draft(None, Bytes::from_static(&[0x60, 0x80])), SIGNER, &Dialects::default()),
            Err(Violation::Call)
        );
        let paying = Draft { value: U256::ONE, ..draft(Some(DIAMOND), second(Kind::Open, 1)) };
        assert_eq!(policy.check(&paying, SIGNER, &Dialects::default()), Err(Violation::Call));
        let noop = draft(None, Bytes::new()).noop(SIGNER, Fees::dynamic(1, 1));
        assert_eq!(policy.check(&noop, SIGNER, &Dialects::default()), Ok(()));
        assert_eq!(
            policy.check(&Draft { value: U256::ONE, ..noop }, SIGNER, &Dialects::default()),
            Err(Violation::Call)
        );
    }

    #[test]
    fn a_pause_a_fee_and_a_diamond_are_refused_each_for_itself() {
        let open = draft(Some(DIAMOND), second(Kind::Open, 1));
        let paused = Policy { paused: true, ..Policy::default() };
        assert_eq!(paused.check(&open, SIGNER, &Dialects::default()), Err(Violation::Paused));
        let capped = |cap| Policy { fee_cap_wei: Some(cap), ..Policy::default() };
        assert_eq!(
            [29, 30].map(|cap| capped(cap).check(&open, SIGNER, &Dialects::default())),
            [Err(Violation::FeeCap), Ok(())]
        );
        let on = |diamond| Policy { diamonds: Some(vec![diamond]), ..Policy::default() };
        assert_eq!(
            [DIAMOND, SIGNER].map(|diamond| on(diamond).check(&open, SIGNER, &Dialects::default())),
            [Ok(()), Err(Violation::Diamond)]
        );
    }

    #[test]
    fn a_row_is_read_whole_and_nonsense_in_it_allows_nothing() {
        let row = signer::Model {
            id: Uuid::nil(),
            node_id: Uuid::nil(),
            address: Place(SIGNER),
            actions: Some(serde_json::json!(["open", "cancel"])),
            diamonds: Some(serde_json::json!([DIAMOND])),
            fee_cap_wei: Some(5),
            gas_per_day: Some(6),
            spend_per_day_wei: Some(crate::table::Amount(U256::from(7))),
            paused_at: None,
            revision: 8,
        };
        let policy = Policy::of_row(row.clone()).expect("readable");
        assert_eq!(policy.permits(Kind::Open, Some(DIAMOND)), Ok(()));
        assert_eq!(policy.permits(Kind::Release, Some(DIAMOND)), Err(Violation::Action));
        assert_eq!(
            (policy.fee_cap_wei, policy.gas_per_day, policy.spend_per_day),
            (Some(5), Some(6), Some(U256::from(7)))
        );
        assert_eq!((policy.revision, policy.paused), (8, false));
        assert!(Policy::of_row(signer::Model { actions: Some(serde_json::json!(["steal"])), ..row.clone() }).is_err());
        assert!(Policy::of_row(signer::Model { diamonds: Some(serde_json::json!(B256::ZERO)), ..row }).is_err());
    }
}
