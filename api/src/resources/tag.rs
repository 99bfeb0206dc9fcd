//! The groups of the document.

use poem_openapi::Tags;

/// What a route of the resources belongs to.
#[derive(Tags)]
pub(crate) enum Tag {
    /// How programs and people sign in.
    Authentication,
    /// Payments and what may be asked of them.
    Payments,
    /// What the payer's browser may see of one payment.
    Widget,
    /// Payments whose outcome is unknown or was broken, and an operator's verdict on them.
    Reviews,
    /// Messages that nobody will try again by themselves, and replaying them.
    #[oai(rename = "Dead letters")]
    DeadLetters,
    /// The queues, and who works them.
    Queues,
    /// Programs that sign in with an API key.
    Integrations,
    /// The tree of tenants: whoever stands on a node acts on it and on every node below.
    Nodes,
    /// Chains, networks and currencies, which all nodes share.
    #[oai(rename = "Reference data")]
    ReferenceData,
    /// What a node signs with on a chain, and its diamonds.
    Wallets,
    /// Keys: whose they are, what they may sign, and stopping them.
    Signers,
    /// Where events are sent, what became of them, and sending again what was missed. The events themselves stand under
    /// *Events*.
    Webhooks,
    /// The events to read in their order, page by page or as a stream.
    #[oai(rename = "Event feed")]
    EventFeed,
    /// What this server sends to webhook endpoints: one entry for each type of event.
    Events,
    /// A node's customers.
    Members,
    /// Health, metrics and this document.
    Operations,
}
