//! What is offered per gas. Whole wei throughout.

/// The two caps of an EIP-1559 transaction, or the one price of those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fees {
    pub(crate) max_fee: u128,
    pub(crate) tip: u128,
    /// Of a network whose blocks have no base fee: both caps are the price.
    pub(crate) legacy: bool,
}

impl Fees {
    pub(crate) const fn dynamic(max_fee: u128, tip: u128) -> Self {
        Self { max_fee, tip, legacy: false }
    }

    pub(crate) const fn legacy(price: u128) -> Self {
        Self { max_fee: price, tip: price, legacy: true }
    }
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
/// allows, as long as that is enough for the next block, whose base fee may be an eighth higher. Where blocks have no base
/// fee, `tip` is the node's price, and what is offered.
pub(crate) fn quote(base_fee: Option<u128>, tip: u128, cap: Option<u64>) -> Quote {
    let Some(base_fee) = base_fee else {
        let affordable = cap.is_none_or(|cap| tip <= cap.into());
        return if affordable { Quote::Offer(Fees::legacy(tip)) } else { Quote::OverCap { needed: tip } };
    };
    let wanted = Fees::dynamic(base_fee.saturating_mul(2).saturating_add(tip), tip);
    let needed = base_fee.saturating_add(base_fee.div_ceil(8)).saturating_add(tip);
    match cap.map(u128::from) {
        Some(cap) if needed > cap => Quote::OverCap { needed },
        Some(cap) => Quote::Offer(Fees { max_fee: wanted.max_fee.min(cap), ..wanted }),
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
    let raised = if market.legacy { Fees::legacy(max_fee) } else { Fees::dynamic(max_fee, tip) };
    allowed.then_some(raised)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GWEI: u128 = 1_000_000_000;

    #[test]
    fn quotes() {
        let offer = |max_fee, tip| Quote::Offer(Fees::dynamic(max_fee, tip));
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
            assert_eq!(quote(Some(base), tip, cap), expected, "{base} {tip} {cap:?}");
        }
    }

    #[test]
    fn where_blocks_have_no_base_fee_the_nodes_price_is_offered() {
        assert_eq!(quote(None, 7 * GWEI, None), Quote::Offer(Fees::legacy(7 * GWEI)));
        assert_eq!(quote(None, 7, Some(7)), Quote::Offer(Fees::legacy(7)));
        assert_eq!(quote(None, 8, Some(7)), Quote::OverCap { needed: 8 });
        assert_eq!(bump(Fees::legacy(80), Fees::legacy(10), None), Some(Fees::legacy(91)));
        assert_eq!(bump(Fees::legacy(80), Fees::legacy(200), None), Some(Fees::legacy(200)));
        assert_eq!(bump(Fees::legacy(80), Fees::legacy(10), Some(90)), None);
        // The network has come to have base fees since.
        assert_eq!(bump(Fees::legacy(80), Fees::dynamic(100, 3), None), Some(Fees::dynamic(100, 91)));
    }

    #[test]
    fn bumps() {
        let fees = Fees::dynamic;
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
            let old = Fees::dynamic(max_fee.into(), tip.into());
            let new = bump(old, Fees::dynamic(market.into(), 0), None).expect("no cap");
            prop_assert!(new.tip * 10 >= old.tip * 11 && new.max_fee * 10 >= old.max_fee * 11);
            prop_assert!(new.tip <= new.max_fee && new.tip > old.tip);
        }

        #[test]
        fn an_offer_keeps_to_its_cap(base in 0..u64::MAX, tip in 0..u64::MAX, cap in 0..u64::MAX) {
            if let Quote::Offer(fees) = quote(Some(base.into()), tip.into(), Some(cap)) {
                prop_assert!(fees.max_fee <= cap.into() && fees.max_fee >= u128::from(base) + u128::from(tip));
            }
        }
    }
}
