//! The id that ties an answer to its lines in the logs, its messages and the payment's log.

use std::{fmt, sync::Arc};

use poem::{FromRequest, Request, RequestBody, Result};
use uuid::Uuid;

/// The caller's `x-request-id` when it sent a well-formed one, else a new one.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(Arc<str>);

impl RequestId {
    pub(crate) fn of(request: &Request) -> Self {
        let sent = request.header("x-request-id").filter(|sent| well_formed(sent));
        sent.map_or_else(Self::fresh, |sent| Self(sent.into()))
    }

    /// One for a request that sent none that can be read.
    pub(crate) fn fresh() -> Self {
        Self(Uuid::now_v7().to_string().into())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// An id goes into logs and message headers, so only harmless characters and a bounded length are taken.
pub(crate) fn well_formed(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:+/=".contains(&byte))
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'a> FromRequest<'a> for RequestId {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        Ok(request.data::<Self>().cloned().unwrap_or_else(|| Self::of(request)))
    }
}

#[cfg(test)]
mod tests {
    use super::well_formed;

    #[test]
    fn takes_ids_that_are_safe_to_log() {
        for good in ["a", "0197f7a3-3c5e-7d3e-9c7a-5d8f0c1f2a3b", "trace:1/2+3=", &"x".repeat(128)] {
            assert!(well_formed(good), "{good}");
        }
        for bad in ["", "a b", "a\nb", "ü", "\"", "<script>", &"x".repeat(129)] {
            assert!(!well_formed(bad), "{bad}");
        }
    }
}
