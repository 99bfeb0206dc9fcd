//! Callbacks that only the gateway itself can vouch for. Anybody can have us ask, with a merchant's credentials: so it is
//! asked about what it could have sent, about payments that are there, once for each callback, and not too often.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Mutex, PoisonError},
};

use gateways::{Callback, CallbackSubject, Notification, Source};
use payments::sessions;
use queue::Database;
use sha2::{Digest, Sha256};

use crate::{
    edge::{Allowance, HttpConfig},
    problem::{Code, Problem},
};

/// Callbacks that are remembered as refused; each takes some hundred bytes.
const REFUSED_MAX: usize = 4_096;

/// A callback as it was sent, whole: whoever repeats a part of another one's is somebody else.
pub(super) type Fingerprint = [u8; 32];

/// What is to be done with a callback.
pub(super) enum InquiryDecision {
    /// The gateway is asked.
    Inquire(Fingerprint),
    /// Nothing: it says nothing that is not known, or is about nothing that is here.
    Skip,
}

/// What limits the inquiries of this process.
pub(crate) struct Inquiries {
    per_address: Allowance,
    in_all: Allowance,
    refused: Mutex<RefusedCallbacks>,
}

/// The last that were refused.
#[derive(Default)]
struct RefusedCallbacks {
    known: HashSet<Fingerprint>,
    order: VecDeque<Fingerprint>,
}

impl Inquiries {
    pub(crate) fn new(config: &HttpConfig) -> Self {
        Self {
            per_address: Allowance::per_minute(config.callback_checks_per_address),
            in_all: Allowance::per_minute(config.callback_checks_in_all),
            refused: Mutex::default(),
        }
    }

    /// Forgets addresses that have not called back for a while.
    pub(crate) fn forget_idle(&self) {
        self.per_address.forget_idle();
    }

    /// Decides whether the gateway is asked about what somebody claims in its name.
    pub(super) async fn decide(
        &self,
        db: &Database,
        source: Source,
        claimed: &Notification,
        callback: &Callback<'_>,
        address: &str,
    ) -> Result<InquiryDecision, Problem> {
        let fingerprint = fingerprint(callback);
        if self.is_refused(&fingerprint) {
            return Err(Problem::new(Code::Unauthorized).detail(gateways::CallbackRefused::Forged.to_string()));
        }
        let CallbackSubject::Payment { reference, gateway_id } = &claimed.about else {
            return Ok(InquiryDecision::Skip);
        };
        let (event_id, gateway_id) = (claimed.event_id.as_deref(), gateway_id.as_deref());
        if !sessions::has_news(&**db, source.code(), event_id, *reference, gateway_id).await? {
            return Ok(InquiryDecision::Skip);
        }
        let admitted = self.per_address.take(address).and_then(|()| self.in_all.take(""));
        admitted.inspect_err(|_| metrics::counter!("quittance_callback_checks_refused_total").increment(1))?;
        Ok(InquiryDecision::Inquire(fingerprint))
    }

    /// Remembers that the gateway does not vouch for it.
    pub(super) fn refuse(&self, fingerprint: Fingerprint) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.known.insert(fingerprint) {
            refused.order.push_back(fingerprint);
        }
        if refused.order.len() > REFUSED_MAX
            && let Some(oldest) = refused.order.pop_front()
        {
            refused.known.remove(&oldest);
        }
    }

    fn is_refused(&self, fingerprint: &Fingerprint) -> bool {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).known.contains(fingerprint)
    }
}

/// Over everything that the signature is about, and the signature.
fn fingerprint(callback: &Callback<'_>) -> Fingerprint {
    let mut digest = Sha256::new();
    for (name, value) in callback.headers.iter().filter(|(name, _)| name.starts_with("paypal-")) {
        for part in [name.as_bytes(), value.as_bytes()] {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
    }
    digest.update(callback.body);
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_refusals_are_remembered() {
        let inquiries = Inquiries::new(&HttpConfig::default());
        let number = |number: usize| {
            let mut fingerprint = [0; 32];
            fingerprint[..8].copy_from_slice(&number.to_be_bytes());
            fingerprint
        };
        for refused in 0..=REFUSED_MAX {
            inquiries.refuse(number(refused));
            inquiries.refuse(number(refused));
        }
        assert!(!inquiries.is_refused(&number(0)), "the oldest is forgotten");
        assert!(inquiries.is_refused(&number(1)) && inquiries.is_refused(&number(REFUSED_MAX)));
        let refused = inquiries.refused.lock().unwrap();
        assert_eq!((refused.known.len(), refused.order.len()), (REFUSED_MAX, REFUSED_MAX));
    }
}
