//! What is worth a line in the log of many complaints about the same: the first, one that says something else, and after that
//! one a minute. The board has the newest of them ([`crate::Health`]).

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How often the same is told again, for as long as it lasts.
const AGAIN: Duration = Duration::from_secs(60);

/// What was last told, and when.
#[derive(Debug, Default)]
pub(crate) struct News(Mutex<Option<(String, Instant)>>);

impl News {
    /// Whether to tell this; it then counts as told.
    pub(crate) fn is_worth_telling(&self, complaint: &impl ToString) -> bool {
        let complaint = complaint.to_string();
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = told.as_ref().is_some_and(|(last, at)| *last == complaint && at.elapsed() < AGAIN);
        if !is_old {
            *told = Some((complaint, Instant::now()));
        }
        !is_old
    }

    /// That it is over; whether there was something to be over.
    pub(crate) fn is_over(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_told_once_and_anew_when_it_comes_again() {
        let news = News::default();
        assert!(!news.is_over(), "nothing was told");
        assert!(news.is_worth_telling(&"refused"));
        assert!(!news.is_worth_telling(&"refused"));
        assert!(news.is_worth_telling(&"timed out"));
        assert!(news.is_over() && !news.is_over());
        assert!(news.is_worth_telling(&"timed out"));
    }

    #[test]
    fn what_lasts_is_told_again_after_a_while() {
        let news = News::default();
        let long_ago = Instant::now().checked_sub(AGAIN).unwrap();
        *news.0.lock().unwrap() = Some(("refused".to_owned(), long_ago));
        assert!(news.is_worth_telling(&"refused"));
    }
}
