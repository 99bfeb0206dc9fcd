//! What the owner of a diamond does, with a key that is not here: encoded and tried, to be signed elsewhere.

mod inspection;

use alloy::{
    json_abi::Param,
    primitives::{Address, B256, Bytes, FixedBytes, hex, keccak256},
    sol_types::{SolCall, SolValue},
};

use crate::{
    abi::owner::{FacetCut, Ownership, function},
    edition::Edition,
};

pub use inspection::{Announced, DiamondReport, Refusal, inspect_diamond, try_call};

/// An act of a diamond's owner; accepting is that of who was offered the ownership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnerAct {
    /// Lets an account open, release and cancel deals, at once.
    AddOperator(Address),
    /// Takes that away, at once.
    RemoveOperator(Address),
    /// Offers the diamond to another owner; in the first edition hands it over at once. The zero address takes an offer
    /// back.
    TransferOwnership(Address),
    /// Takes the diamond over, once the delay is over.
    AcceptOwnership,
    /// Announces a cut, in the place of one that was announced before.
    AnnounceCut(Cut),
    /// Makes the cut that was announced in the very same words, once the delay is over; in the first edition at once.
    ExecuteCut(Cut),
    /// Takes the announcement back.
    CancelCut,
    /// Takes out what belongs to no deal: of a token, or of the network's own coin (zero).
    Sweep {
        /// The token's contract.
        token: Address,
        /// Who gets it.
        to: Address,
    },
}

/// A change of a diamond's functions (EIP-2535).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// What is done, in order.
    pub facets: Vec<FacetChange>,
    /// A contract that is delegate-called afterwards; zero for none.
    pub init: Address,
    /// What it is called with.
    pub calldata: Bytes,
}

/// One instruction of a cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FacetChange {
    /// The facet; zero where selectors are removed.
    pub facet: Address,
    /// What is done with them.
    pub action: CutAction,
    /// The functions.
    pub selectors: Vec<FixedBytes<4>>,
}

/// What a cut does with selectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum CutAction {
    /// Functions that the diamond does not answer yet.
    Add = 0,
    /// Functions that it answers, by another facet.
    Replace = 1,
    /// It does not answer them any more.
    Remove = 2,
}

/// A call of a diamond, ready to be signed by somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerCall {
    /// The function's name.
    pub name: String,
    /// Its parameters, as the compiled contract declares them.
    pub inputs: Vec<Param>,
    /// Their values as text, in the same order; lists and structs as JSON arrays.
    pub values: Vec<String>,
    /// Selector and arguments.
    pub data: Bytes,
}

impl OwnerAct {
    /// The call that does it. `None`: a diamond of this edition has no such function.
    #[must_use]
    pub fn call(&self, edition: Edition) -> Option<OwnerCall> {
        let text = |address: &Address| address.to_checksum(None);
        let (data, values) = match self {
            Self::AddOperator(operator) => set_operator(*operator, true),
            Self::RemoveOperator(operator) => set_operator(*operator, false),
            Self::TransferOwnership(to) => {
                (Ownership::transferOwnershipCall { _newOwner: *to }.abi_encode(), vec![text(to)])
            }
            Self::AcceptOwnership => (Ownership::acceptOwnershipCall {}.abi_encode(), vec![]),
            Self::AnnounceCut(cut) => {
                let (facets, init, calldata) = cut.arguments();
                let call = Ownership::proposeCutCall { _diamondCut: facets, _init: init, _calldata: calldata };
                (call.abi_encode(), cut.values())
            }
            Self::ExecuteCut(cut) => {
                let (facets, init, calldata) = cut.arguments();
                let call = Ownership::diamondCutCall { _diamondCut: facets, _init: init, _calldata: calldata };
                (call.abi_encode(), cut.values())
            }
            Self::CancelCut => (Ownership::withdrawCutCall {}.abi_encode(), vec![]),
            Self::Sweep { token, to } => {
                (Ownership::sweepCall { token: *token, to: *to }.abi_encode(), vec![text(token), text(to)])
            }
        };
        let selector = *data.first_chunk()?;
        let function = function(edition, selector)?;
        Some(OwnerCall { name: function.name.clone(), inputs: function.inputs.clone(), values, data: data.into() })
    }
}

fn set_operator(operator: Address, allowed: bool) -> (Vec<u8>, Vec<String>) {
    let call = Ownership::setOperatorCall { operator, allowed };
    (call.abi_encode(), vec![operator.to_checksum(None), allowed.to_string()])
}

impl Cut {
    /// By which a diamond of the second edition knows it while it is announced.
    #[must_use]
    pub fn hash(&self) -> B256 {
        keccak256(self.arguments().abi_encode_params())
    }

    fn arguments(&self) -> (Vec<FacetCut>, Address, Bytes) {
        let facets = self.facets.iter().map(|change| FacetCut {
            facetAddress: change.facet,
            action: change.action as u8,
            functionSelectors: change.selectors.clone(),
        });
        (facets.collect(), self.init, self.calldata.clone())
    }

    fn values(&self) -> Vec<String> {
        let facets = self.facets.iter().map(|change| {
            let selectors: Vec<String> = change.selectors.iter().map(hex::encode_prefixed).collect();
            serde_json::json!([change.facet.to_checksum(None), change.action as u8, selectors])
        });
        let facets = serde_json::Value::Array(facets.collect());
        vec![facets.to_string(), self.init.to_checksum(None), self.calldata.to_string()]
    }
}

#[cfg(test)]
mod tests {
    use alloy::dyn_abi::{DynSolType, DynSolValue, Specifier};
    use serde_json::Value;

    use super::*;

    fn cut() -> Cut {
        let change = |facet, action| FacetChange {
            facet,
            action,
            selectors: vec![FixedBytes([1, 2, 3, 4]), FixedBytes([5, 6, 7, 8])],
        };
        Cut {
            facets: vec![change(Address::repeat_byte(0xfa), CutAction::Add), change(Address::ZERO, CutAction::Remove)],
            init: Address::repeat_byte(0x11),
            calldata: Bytes::from_static(&[1, 2, 3]),
        }
    }

    fn acts() -> Vec<OwnerAct> {
        let [one, two] = [0x0a, 0x0b].map(Address::repeat_byte);
        vec![
            OwnerAct::AddOperator(one),
            OwnerAct::RemoveOperator(one),
            OwnerAct::TransferOwnership(one),
            OwnerAct::AcceptOwnership,
            OwnerAct::AnnounceCut(cut()),
            OwnerAct::ExecuteCut(cut()),
            OwnerAct::CancelCut,
            OwnerAct::Sweep { token: one, to: two },
        ]
    }

    /// Who reads the values instead of the bytes signs the same.
    #[test]
    fn the_values_say_what_the_bytes_say() {
        for act in acts() {
            let call = act.call(Edition::Second).expect("the second edition has all of it");
            assert_eq!(call.inputs.len(), call.values.len(), "{act:?}");
            let values = call.inputs.iter().zip(&call.values).map(|(input, text)| {
                let value = serde_json::from_str(text).ok().filter(Value::is_array);
                parsed(&input.resolve().expect("a type"), &value.unwrap_or_else(|| text.as_str().into()))
            });
            let encoded = DynSolValue::Tuple(values.collect()).abi_encode_params();
            assert_eq!(encoded, call.data[4..], "{act:?}");
        }
    }

    fn parsed(kind: &DynSolType, value: &Value) -> DynSolValue {
        let items = || value.as_array().expect("a list").iter();
        match kind {
            DynSolType::Array(kind) => DynSolValue::Array(items().map(|item| parsed(kind, item)).collect()),
            DynSolType::Tuple(kinds) => {
                DynSolValue::Tuple(kinds.iter().zip(items()).map(|(kind, item)| parsed(kind, item)).collect())
            }
            _ => {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                kind.coerce_str(&text).expect("a value")
            }
        }
    }

    #[test]
    fn the_first_edition_lacks_the_second_steps() {
        let lacking = acts().into_iter().filter(|act| act.call(Edition::First).is_none()).collect::<Vec<_>>();
        let [.., sweep] = &acts()[..] else { panic!("no acts") };
        let expected = [OwnerAct::AcceptOwnership, OwnerAct::AnnounceCut(cut()), OwnerAct::CancelCut, sweep.clone()];
        assert_eq!(lacking, expected);
    }
}
