//! What a request to a public route costs a stranger.

/// What a route costs a stranger: a caller who has not signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// The route needs a token, which it checks before it does anything.
    SignedIn,
    /// Monitoring calls the route often, and must not find the process dead because strangers are many.
    Watched,
    /// Callbacks of gateways, checked by their signatures; on their own, so that no crowd of payers keeps money from being
    /// recorded.
    Callback,
    /// A page, a file, one row.
    Cheap,
    /// Some rows, or a token.
    Write,
    /// Hashing, a file, a new order, or something that is requested of a gateway.
    Dear,
}

impl Class {
    /// Points of one request.
    pub(crate) fn points(self) -> u32 {
        match self {
            Self::SignedIn | Self::Watched => 0,
            Self::Callback | Self::Cheap => 1,
            Self::Write => 5,
            Self::Dear => 20,
        }
    }

    /// What its budget is called.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::SignedIn => "signed_in",
            Self::Watched => "watched",
            Self::Callback => "callback",
            Self::Cheap => "cheap",
            Self::Write => "write",
            Self::Dear => "dear",
        }
    }
}
