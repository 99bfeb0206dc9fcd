//! What a payment's life shows of its rail.

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;

/// Whatever a row may tell of a rail.
fn steps() -> impl Strategy<Value = (Trigger, Option<Lost>)> {
    use Trigger::*;
    let plain = [
        Opened,
        PaymentSeen,
        PaymentGone,
        PaymentFinal,
        PaidTwice,
        Released,
        Returned,
        ReturnHeld,
        Closed,
        EvidenceWithdrawn,
        SendFailed,
        OutcomeUnknown,
        CancelRequested,
        Expired,
    ];
    let plain = plain.map(|trigger| (trigger, None));
    let losses = Lost::ALL.iter().map(|lost| (FinalityBroken, Some(*lost)));
    select(plain.into_iter().chain(losses).collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn what_is_applied_twice_shows_what_it_shows_applied_once(life in vec(steps(), 0..20), last in steps()) {
        let once = rail(&[life.as_slice(), &[last]].concat());
        let twice = rail(&[life.as_slice(), &[last, last]].concat());
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn what_was_lost_is_missed_until_it_is_observed_again(life in vec(steps(), 0..20), lost in select(Lost::ALL)) {
        let life = [life.as_slice(), &[(Trigger::FinalityBroken, Some(lost))]].concat();
        let after = rail(&life);
        if lost == Lost::Return {
            prop_assert_eq!((after.shown(), after.lost()), (Shown::DepositFinal, None));
            return Ok(());
        }
        prop_assert_eq!(after.lost(), Some(lost));
        let found = match lost {
            Lost::DealCreated => Trigger::Opened,
            Lost::DealDeposited | Lost::Capture | Lost::Transfer => Trigger::PaymentFinal,
            Lost::DealReleased => Trigger::Released,
            Lost::DealCanceled | Lost::Return => Trigger::Closed,
        };
        prop_assert_eq!(rail(&[life.as_slice(), &[(found, None)]].concat()).lost(), None);
    }

    #[test]
    fn money_that_is_final_shows_unless_the_rail_has_come_to_an_end(life in vec(steps(), 0..20)) {
        let after = rail(&[life.as_slice(), &[(Trigger::PaymentFinal, None)]].concat());
        let ends = [Shown::Released, Shown::Returned, Shown::ReturnHeld];
        prop_assert!(after.shown() == Shown::DepositFinal || ends.contains(&after.shown()), "{:?}", after);
    }
}

#[test]
fn every_loss_is_known_by_its_word() {
    for lost in Lost::ALL {
        assert_eq!(Lost::of(&serde_json::json!({ "lost": lost.word() })), Some(*lost));
    }
    assert_eq!(Lost::of(&serde_json::json!({ "lost": "memory" })), None);
    assert_eq!(Lost::of(&serde_json::json!({})), None);
}

fn rail(life: &[(Trigger, Option<Lost>)]) -> Rail {
    let mut rail = Rail::default();
    for (trigger, lost) in life {
        rail.take(*trigger, *lost);
    }
    rail
}

fn shown(life: &[Trigger]) -> Shown {
    rail(&life.iter().map(|trigger| (*trigger, None)).collect::<Vec<_>>()).shown()
}

#[test]
fn a_life_shows_how_far_it_has_come() {
    use Trigger::*;
    assert_eq!(shown(&[]), Shown::Nothing);
    assert_eq!(shown(&[OutcomeUnknown, SendFailed, CancelRequested]), Shown::Nothing);
    assert_eq!(shown(&[Opened]), Shown::DealOpen);
    assert_eq!(shown(&[Opened, PaymentSeen]), Shown::DepositSeen);
    assert_eq!(shown(&[Opened, PaymentSeen, PaymentGone]), Shown::DealOpen);
    assert_eq!(shown(&[Opened, PaymentSeen, PaymentFinal]), Shown::DepositFinal);
    assert_eq!(shown(&[Opened, PaymentSeen, PaymentFinal, Released]), Shown::Released);
    assert_eq!(shown(&[Opened, PaymentSeen, PaymentFinal, Returned]), Shown::Returned);
    assert_eq!(shown(&[Opened, Closed]), Shown::Closed);
}

#[test]
fn what_is_applied_again_changes_nothing() {
    use Trigger::*;
    assert_eq!(shown(&[Opened, PaymentSeen, PaymentFinal, PaymentSeen]), Shown::DepositFinal);
    assert_eq!(shown(&[Opened, PaymentFinal, PaymentGone]), Shown::DepositFinal);
    assert_eq!(shown(&[Opened, PaymentFinal, Released, PaymentSeen, PaymentFinal]), Shown::Released);
}

#[test]
fn money_that_comes_after_a_closing_is_there() {
    use Trigger::*;
    assert_eq!(shown(&[Opened, CancelRequested, Closed, PaymentFinal]), Shown::DepositFinal);
    assert_eq!(shown(&[Opened, CancelRequested, Closed, PaidTwice]), Shown::DepositFinal);
}

#[test]
fn what_a_bank_gives_again_is_there() {
    use Trigger::*;
    let ended = [(PaymentFinal, None), (FinalityBroken, Some(Lost::Capture)), (Returned, None)];
    assert_eq!(rail(&ended).shown(), Shown::Returned);
    let again = rail(&[ended.as_slice(), &[(FinalityBroken, Some(Lost::Return))]].concat());
    assert_eq!((again.shown(), again.lost()), (Shown::DepositFinal, None));
}

#[test]
fn an_opening_begins_anew() {
    use Trigger::*;
    // A cancel before anything was sent also closes; a deal that opens all the same is open.
    assert_eq!(shown(&[CancelRequested, Closed, Opened]), Shown::DealOpen);
}

#[test]
fn what_is_lost_takes_with_it_what_came_of_it() {
    use Trigger::*;
    let paid = [(Opened, None), (PaymentSeen, None), (PaymentFinal, None)];
    for (event, left) in [(Lost::DealCreated, Shown::Nothing), (Lost::DealDeposited, Shown::DealOpen)] {
        for end in [Released, Returned, FinalityBroken] {
            let mut life = paid.to_vec();
            life.extend([(end, Some(Lost::DealReleased)), (FinalityBroken, Some(event))]);
            let rail = rail(&life);
            assert_eq!((rail.shown(), rail.lost()), (left, Some(event)), "{life:?}");
        }
    }
    let mut life = paid.to_vec();
    life.extend([(Released, None), (FinalityBroken, Some(Lost::DealReleased))]);
    assert_eq!(rail(&life).shown(), Shown::DepositFinal);
    life.push((Released, None));
    assert_eq!((rail(&life).shown(), rail(&life).lost()), (Shown::Released, None));
    let canceled = [(Opened, None), (Closed, None), (FinalityBroken, Some(Lost::DealCanceled))];
    assert_eq!(rail(&canceled).shown(), Shown::DealOpen);
}
