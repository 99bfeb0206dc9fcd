//! What a request to a public route costs a stranger.

/// What a route costs whoever has not signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// The route asks for a token itself, before it does anything.
    SignedIn,
    /// Whoever watches over this process asks often, and must not find it dead because strangers are many.
    Watched,
    /// What gateways tell, checked by its signature; on its own, so that no crowd of payers keeps money from being seen.
    Callback,
    /// A page, a file, one row.
    Cheap,
    /// Some rows, or a token.
    Write,
    /// Hashing, a file, a new order, or something that a gateway is asked for.
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
