//! Hooks that make the next calls misbehave the way networks and providers do.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// What goes wrong with a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is executed at once, but answered only after this time.
    Delay(Duration),
    /// It never arrives: nothing is executed, nothing is answered.
    LoseRequest,
    /// It is executed, but its answer is lost with the connection.
    LoseAnswer,
    /// It is not executed, and answered with a JSON-RPC error.
    Error {
        /// The error's code, such as -32005 for a provider's limit.
        code: i64,
        /// The error's text.
        message: String,
    },
    /// It is not executed, and answered with a bare HTTP status, such as 429 or 503.
    Status(u16),
}

/// The faults that are armed. They are consumed in the order in which they were armed.
#[derive(Debug, Default)]
pub struct Faults {
    armed: Mutex<VecDeque<Armed>>,
}

#[derive(Debug)]
struct Armed {
    method: String,
    fault: Fault,
    calls: u32,
}

impl Faults {
    /// Makes the next calls of a method (`*` for any) misbehave.
    pub fn arm(&self, method: &str, fault: Fault, calls: u32) {
        if calls > 0 {
            self.lock().push_back(Armed { method: method.to_owned(), fault, calls });
        }
    }

    /// Disarms everything that has not been consumed.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// How many calls are still going to misbehave.
    pub fn remaining(&self) -> u32 {
        self.lock().iter().map(|armed| armed.calls).sum()
    }

    /// The fault of this call, if there is one.
    pub(crate) fn take(&self, method: &str) -> Option<Fault> {
        let mut armed = self.lock();
        let index = armed.iter().position(|one| one.method == "*" || one.method == method)?;
        let one = armed.get_mut(index)?;
        one.calls -= 1;
        let fault = one.fault.clone();
        if one.calls == 0 {
            armed.remove(index);
        }
        Some(fault)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Armed>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
