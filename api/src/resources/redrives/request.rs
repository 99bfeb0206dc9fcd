//! What operators ask for about redrive runs.

use poem_openapi::{Object, types::Example};
use queue::redrive::NewRun;

use crate::resources::dead_letters::filter::LetterFilter;

/// A look at what a run would do.
#[derive(Clone, Debug, Object)]
#[oai(example)]
pub(crate) struct DryRun {
    /// Which letters; of these, those that are `dead`.
    pub(crate) filter: LetterFilter,
    /// Letters that the run would take at most, the oldest ones; all that match when left out.
    #[oai(validator(minimum(value = "1"), maximum(value = "1000000000")))]
    pub(crate) limit: Option<u32>,
}

impl Example for DryRun {
    fn example() -> Self {
        let filter = LetterFilter { fingerprint: Some("5d8f0c1f2a3b4c5d".to_owned()), ..LetterFilter::default() };
        Self { filter, limit: Some(100) }
    }
}

/// A redrive run to be made.
#[derive(Clone, Debug, Object)]
#[oai(example)]
pub(crate) struct NewRedrive {
    /// Which letters; of these, those that are `dead`. Letters that arrive later do not belong to the run.
    pub(crate) filter: LetterFilter,
    /// Why, for whoever looks at the run, its letters or the audit log later.
    #[oai(validator(min_length = 3, max_length = 1000))]
    pub(crate) reason: String,
    /// Letters that it takes at most, the oldest ones; all that match when left out.
    #[oai(validator(minimum(value = "1"), maximum(value = "1000000000")))]
    pub(crate) limit: Option<u32>,
    /// Replays a second; 20 when left out.
    #[oai(validator(minimum(value = "1"), maximum(value = "10000")))]
    pub(crate) rate_per_second: Option<u32>,
    /// Letters that are replayed first and have to end well before the rest follows; 5 when left out, 0 for none.
    #[oai(validator(minimum(value = "0"), maximum(value = "1000")))]
    pub(crate) canary: Option<u32>,
    /// It stops by itself when more than so many percent of its newest 50 outcomes are deaths; 20 when left out, 100 never
    /// stops.
    #[oai(validator(minimum(value = "0"), maximum(value = "100")))]
    pub(crate) stop_percent: Option<u32>,
}

impl NewRedrive {
    /// With its defaults, for this actor.
    pub(crate) fn run(self, filter: queue::dead_letters::Filter, actor: String) -> NewRun {
        let mut run = NewRun::new(filter, actor, self.reason);
        run.letters_max = self.limit.map(u64::from);
        run.rate_per_second = self.rate_per_second.unwrap_or(run.rate_per_second);
        run.canary = self.canary.unwrap_or(run.canary);
        run.stop_percent = self.stop_percent.unwrap_or(run.stop_percent);
        run
    }
}

impl Example for NewRedrive {
    fn example() -> Self {
        let DryRun { filter, limit } = DryRun::example();
        let reason = "The node is back since 14:05".to_owned();
        Self { filter, reason, limit, rate_per_second: Some(20), canary: Some(5), stop_percent: Some(20) }
    }
}
