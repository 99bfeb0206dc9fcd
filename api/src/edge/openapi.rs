//! From what poem-openapi generates to a valid OpenAPI 3.1 document, a part of it for each contract, and how they are served.

mod example;
mod finish;
mod part;
mod responses;
mod served;

pub(crate) use example::Examples;
pub(crate) use finish::finish;
pub(crate) use part::part;
pub(crate) use served::{Served, ServedResponse};

use serde_json::Value;

/// What the document needs to know of the events in it.
pub(crate) struct Events {
    /// Finishes the operation of an event with this name.
    pub(crate) finish: fn(&str, &mut Value, &Examples<'_>),
    /// Whether only operators' endpoints get events of this name.
    pub(crate) for_operators: fn(&str) -> bool,
}
