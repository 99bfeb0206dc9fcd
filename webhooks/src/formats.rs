//! The formats that endpoints may have events in, each as one value. Another one is a word in `entities`, a file here with
//! its value, and what it says of an event, in [`Outgoing::others`].

mod checkout_v1;
mod standard;

use entities::{NodeId, WebhookFormat};

use crate::Outgoing;

/// How an event is written for an endpoint.
pub(crate) struct Format {
    /// What the event is called; none where the format has no such event.
    pub(crate) name: fn(&Outgoing) -> Option<&str>,
    /// The body of the event in this format.
    pub(crate) body: fn(&Outgoing) -> String,
    /// A signature beside that of Standard Webhooks.
    pub(crate) signature: Option<Signature>,
}

/// A signature of a format's own: the hexadecimal HMAC-SHA-256 of a text.
pub(crate) struct Signature {
    /// The header that it stands in, in lower case.
    pub(crate) header: &'static str,
    /// What is signed of a body, and of the node whose payment it is about.
    pub(crate) text: fn(&str, Option<NodeId>) -> String,
}

/// The format of this word.
pub(crate) fn of(format: WebhookFormat) -> &'static Format {
    match format {
        WebhookFormat::Standard => &standard::FORMAT,
        WebhookFormat::CheckoutV1 => &checkout_v1::FORMAT,
    }
}

/// The headers that signatures of formats stand in.
pub(crate) fn signature_headers() -> impl Iterator<Item = &'static str> {
    WebhookFormat::ALL.iter().filter_map(|format| of(*format).signature.as_ref()).map(|signature| signature.header)
}
