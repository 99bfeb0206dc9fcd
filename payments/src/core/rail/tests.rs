//! What a payment's life shows of its rail.

use super::*;

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
fn what_is_told_again_changes_nothing() {
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
