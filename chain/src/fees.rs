//! What is offered per gas. Whole wei throughout.

/// The two caps of an EIP-1559 transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fees {
    pub(crate) max_fee: u128,
    pub(crate) tip: u128,
}

/// A first offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quote {
    Offer(Fees),
    /// Getting into the next block would cost more than the cap allows.
    OverCap {
        needed: u128,
    },
}

/// Twice the base fee and the tip: stays valid through six full blocks in a row. Under a cap it offers what the cap
/// allows, as long as that is enough for the next block, whose base fee may be an eighth higher.
pub(crate) fn quote(base_fee: u128, tip: u128, cap: Option<u64>) -> Quote {
    let wanted = Fees { max_fee: base_fee.saturating_mul(2).saturating_add(tip), tip };
    let needed = base_fee.saturating_add(base_fee.div_ceil(8)).saturating_add(tip);
    match cap.map(u128::from) {
        Some(cap) if needed > cap => Quote::OverCap { needed },
        Some(cap) => Quote::Offer(Fees { max_fee: wanted.max_fee.min(cap), tip }),
        None => Quote::Offer(wanted),
    }
}

/// The fees of a replacement: both caps at least an eighth higher (nodes want a tenth), and what the market asks for
/// now. `None` when the cap forbids it: the old attempt has to wait.
pub(crate) fn bump(old: Fees, market: Fees, cap: Option<u64>) -> Option<Fees> {
    let raised = |fee: u128| fee.saturating_add(fee.div_ceil(8)).saturating_add(1);
    let tip = raised(old.tip).max(market.tip);
    let max_fee = raised(old.max_fee).max(market.max_fee).max(tip);
    let allowed = cap.is_none_or(|cap| max_fee <= u128::from(cap));
    allowed.then_some(Fees { max_fee, tip })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GWEI: u128 = 1_000_000_000;

    #[test]
    fn quotes() {
        let offer = |max_fee, tip| Quote::Offer(Fees { max_fee, tip });
        let table = [
            (10 * GWEI, GWEI, None, offer(21 * GWEI, GWEI)),
            (0, GWEI, None, offer(GWEI, GWEI)),
            (10 * GWEI, GWEI, Some(30 * GWEI), offer(21 * GWEI, GWEI)),
            // The cap cuts the reserve for rising prices, and only then the send.
            (10 * GWEI, GWEI, Some(15 * GWEI), offer(15 * GWEI, GWEI)),
            (8 * GWEI, GWEI, Some(10 * GWEI), offer(10 * GWEI, GWEI)),
            (8 * GWEI, GWEI, Some(10 * GWEI - 1), Quote::OverCap { needed: 10 * GWEI }),
        ];
        for (base, tip, cap, expected) in table {
            let cap = cap.map(|cap| u64::try_from(cap).expect("fits"));
            assert_eq!(quote(base, tip, cap), expected, "{base} {tip} {cap:?}");
        }
    }

    #[test]
    fn bumps() {
        let fees = |max_fee, tip| Fees { max_fee, tip };
        assert_eq!(bump(fees(80, 8), fees(10, 1), None), Some(fees(91, 10)));
        assert_eq!(bump(fees(80, 8), fees(200, 50), None), Some(fees(200, 50)));
        assert_eq!(bump(fees(80, 8), fees(10, 1), Some(91)), Some(fees(91, 10)));
        assert_eq!(bump(fees(80, 8), fees(10, 1), Some(90)), None);
        assert_eq!(bump(fees(0, 0), fees(0, 0), None), Some(fees(1, 1)));
    }

    proptest! {
        #[test]
        fn a_bump_is_always_enough_for_a_node(max_fee in 0..u64::MAX, tip in 0..u64::MAX, market in 0..u64::MAX) {
            let tip = tip.min(max_fee);
            let old = Fees { max_fee: max_fee.into(), tip: tip.into() };
            let new = bump(old, Fees { max_fee: market.into(), tip: 0 }, None).expect("no cap");
            prop_assert!(new.tip * 10 >= old.tip * 11 && new.max_fee * 10 >= old.max_fee * 11);
            prop_assert!(new.tip <= new.max_fee && new.tip > old.tip);
        }

        #[test]
        fn an_offer_keeps_to_its_cap(base in 0..u64::MAX, tip in 0..u64::MAX, cap in 0..u64::MAX) {
            if let Quote::Offer(fees) = quote(base.into(), tip.into(), Some(cap)) {
                prop_assert!(fees.max_fee <= cap.into() && fees.max_fee >= u128::from(base) + u128::from(tip));
            }
        }
    }
}
