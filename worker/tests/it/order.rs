//! Random payments on a rail that is played: wishes, jobs, messages that come twice and late, deposits that vanish, final
//! things that break, verdicts. At every step the payment must say what is true on the rail, and in the end nothing may
//! be left undone.

mod play;

use std::collections::BTreeSet;

use entities::PaymentStatus;
use fixtures::{TestDatabase, on_both};
use proptest::{
    strategy::{Just, Strategy, ValueTree},
    test_runner::TestRunner,
};
use sea_orm::DatabaseBackend;

use self::play::Play;
use crate::Worker;

/// Something that may happen next; what makes no sense then does nothing.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The merchant's wishes.
    Cancel,
    Release,
    Retry,
    /// The jobs that are due run.
    Work,
    /// A message comes again, from long ago or too early.
    Again(usize),
    /// The sender takes what is asked for.
    Take,
    /// What was taken is mined, or definitely fails.
    Mine {
        success: bool,
        retryable: bool,
    },
    /// The payer deposits; the deposit's block becomes final, or is gone.
    Deposit,
    Finalise,
    Vanish,
    /// The chain tells all of it again.
    RecordAgain,
    /// The last final thing is undone.
    Break,
    /// Nobody knows what became of an opening or a cancel.
    Lose,
    /// The time to pay is over and the chain was read beyond it.
    TimeOver,
    /// An operator decides.
    Decide(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let mine = (proptest::bool::weighted(0.8), proptest::bool::ANY);
    let mine = mine.prop_map(|(success, retryable)| Step::Mine { success, retryable });
    let step = proptest::prop_oneof![
        2 => Just(Step::Cancel),
        2 => Just(Step::Release),
        1 => Just(Step::Retry),
        5 => Just(Step::Work),
        3 => (0..4_usize).prop_map(Step::Again),
        5 => Just(Step::Take),
        6 => mine,
        4 => Just(Step::Deposit),
        3 => Just(Step::Finalise),
        1 => Just(Step::Vanish),
        2 => Just(Step::RecordAgain),
        2 => Just(Step::Break),
        1 => Just(Step::Lose),
        1 => Just(Step::TimeOver),
        3 => (0..3_usize).prop_map(Step::Decide),
    ];
    // Somewhere on the way of a payment that ends well, or is canceled before or after it was paid.
    let mined = Step::Mine { success: true, retryable: false };
    let (opened, paid) = ([Step::Work, Step::Take, mined], [Step::Deposit, Step::Finalise]);
    let wish = proptest::sample::select(vec![Step::Release, Step::Cancel]);
    let way = (wish, proptest::bool::ANY, 0..9_usize).prop_map(move |(wish, pays, length)| {
        let paid = paid.into_iter().filter(move |_| pays);
        let way = opened.into_iter().chain(paid).chain([wish]).chain(opened);
        way.take(length).collect::<Vec<_>>()
    });
    (way, proptest::collection::vec(step, 3..40)).prop_map(|(way, rest)| way.into_iter().chain(rest).collect())
}

on_both!(whatever_happens_the_payment_says_what_is_true, async |database: TestDatabase| {
    let worker = Worker::on(database).await;
    let mut runner = TestRunner::deterministic();
    let usual = if worker.db().get_database_backend() == DatabaseBackend::Sqlite { 80 } else { 12 };
    // More of the same by proptest's own variable.
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual);
    let (mut ends, mut broken) = (BTreeSet::new(), BTreeSet::new());
    for case in 0..cases {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        let mut play = Play::begin(&worker, &format!("case-{case}")).await;
        for step in steps {
            play.step(step).await;
            play.check().await;
        }
        broken.extend(play.broken.iter().copied());
        ends.insert(play.end().await);
    }
    use PaymentStatus::{Canceled, Canceling, Completed, Open, Paid, Refunded};
    let tame = [Open, Paid, Completed, Canceling, Canceled, Refunded].into_iter().find(|at| !broken.contains(at));
    assert!(
        cases < 50 || (tame.is_none() && ends.len() >= 5),
        "too tame: nothing broke at {tame:?}, ends are {ends:?}"
    );
});
