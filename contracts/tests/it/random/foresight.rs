//! Whether a call has to go through, by what the books say before it.

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::sol_types::SolInterface;

use super::books::{Books, Deal};
use crate::world::{DEPOSITED, Diamond, NONE, OPEN, Terms};

use Diamond::DiamondCalls as Call;

/// Who may do anything but what is expected of an account.
pub(super) struct Hostile {
    pub(super) puppets: [Address; 2],
    pub(super) token: Address,
    /// Who has approved the honest token.
    pub(super) approved: Vec<Address>,
}

impl Books {
    /// `None` where it is for a hostile account or token to say.
    pub(super) fn foresee(
        &self,
        hostile: &Hostile,
        now: u64,
        from: Address,
        data: &Bytes,
        value: U256,
    ) -> Option<bool> {
        let call = Call::abi_decode(data).expect("a call of the ABI");
        let (operates, owns) = (self.operators.contains(&from), self.owner == from);
        let is = |terms: &Terms, states: &[u8]| self.is(terms, states);
        Some(match call {
            Call::createDeal(it) => {
                let valid = !it.dealId.is_zero() && it.expiresAt > now;
                let taken = self.of(it.r#ref).is_some_and(|deal| deal.state != NONE);
                operates && valid && !taken
            }
            Call::createDeals(_) | Call::cancelDeals(_) | Call::closeDeals(_) | Call::releaseDeals(_) => operates,
            Call::deposit(it) => {
                let Diamond::depositCall { dealId, r#ref, payee, token, amount, expiresAt } = it;
                let asked = if token.is_zero() { amount } else { U256::ZERO };
                let terms = Terms { dealId, r#ref, payee, token, amount, expiresAt };
                if !is(&terms, &[OPEN]) || now >= expiresAt || value != asked {
                    return Some(false);
                }
                if token == hostile.token {
                    return None;
                }
                token.is_zero() || hostile.approved.contains(&from)
            }
            Call::releaseDeal(it) => {
                let Diamond::releaseDealCall { dealId, r#ref, payee, token, amount, expiresAt } = it;
                let terms = Terms { dealId, r#ref, payee, token, amount, expiresAt };
                if !operates || !is(&terms, &[DEPOSITED]) {
                    return Some(false);
                }
                return Self::takes(hostile, token, payee);
            }
            // Whatever the payer and the token do.
            Call::cancelDeal(it) => {
                let Diamond::cancelDealCall { dealId, r#ref, payee, token, amount, expiresAt } = it;
                operates && is(&Terms { dealId, r#ref, payee, token, amount, expiresAt }, &[OPEN, DEPOSITED])
            }
            Call::withdraw(it) => {
                if !self.held.contains_key(&(it.token, from)) {
                    return Some(false);
                }
                return Self::takes(hostile, it.token, it.to);
            }
            Call::sweep(it) => {
                if !owns || !self.strays.contains_key(&it.token) {
                    return Some(false);
                }
                return Self::takes(hostile, it.token, it.to);
            }
            Call::setOperator(_) | Call::transferOwnership(_) | Call::proposeCut(_) => owns,
            Call::acceptOwnership(_) => self.offered.is_some_and(|(new, at)| new == from && now >= at),
            Call::withdrawCut(_) => owns && self.proposed.is_some(),
            Call::diamondCut(it) => {
                let announced = |cut: B256| cut == keccak256(&data[4..]);
                let due = self.proposed.is_some_and(|(cut, at)| announced(cut) && now >= at);
                let fits = (it._diamondCut[0].action == 0) != self.has_facet;
                owns && due && fits
            }
            other => panic!("nobody calls {other:?}"),
        })
    }

    fn of(&self, r#ref: B256) -> Option<&Deal> {
        self.deals.iter().find(|deal| deal.terms.r#ref == r#ref)
    }

    fn is(&self, terms: &Terms, states: &[u8]) -> bool {
        self.of(terms.r#ref).is_some_and(|deal| deal.terms == *terms && states.contains(&deal.state))
    }

    fn takes(hostile: &Hostile, token: Address, to: Address) -> Option<bool> {
        let unsure = token == hostile.token || token.is_zero() && hostile.puppets.contains(&to);
        (!unsure).then_some(true)
    }
}
