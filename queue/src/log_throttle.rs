//! What is worth a line in the log of many complaints about the same: the first, one that says something else, and
//! after that one a minute. The board has the newest of them ([`crate::Health`]).

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How often the same is logged again, for as long as it lasts.
const AGAIN: Duration = Duration::from_secs(60);

/// What was last logged, and when.
#[derive(Debug, Default)]
pub(crate) struct LogThrottle(Mutex<Option<(String, Instant)>>);

impl LogThrottle {
    /// Whether to log this; it then counts as logged.
    pub(crate) fn should_log(&self, complaint: &impl ToString) -> bool {
        let complaint = complaint.to_string();
        let mut last_logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = last_logged.as_ref().is_some_and(|(last, at)| *last == complaint && at.elapsed() < AGAIN);
        if !is_old {
            *last_logged = Some((complaint, Instant::now()));
        }
        !is_old
    }

    /// Forgets what was logged, because it is over; returns whether there was something.
    pub(crate) fn reset(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_logged_once_and_anew_when_it_comes_again() {
        let log_throttle = LogThrottle::default();
        assert!(!log_throttle.reset(), "nothing was told");
        assert!(log_throttle.should_log(&"refused"));
        assert!(!log_throttle.should_log(&"refused"));
        assert!(log_throttle.should_log(&"timed out"));
        assert!(log_throttle.reset() && !log_throttle.reset());
        assert!(log_throttle.should_log(&"timed out"));
    }

    #[test]
    fn what_lasts_is_logged_again_after_a_while() {
        let log_throttle = LogThrottle::default();
        let long_ago = Instant::now().checked_sub(AGAIN).unwrap();
        *log_throttle.0.lock().unwrap() = Some(("refused".to_owned(), long_ago));
        assert!(log_throttle.should_log(&"refused"));
    }
}
