//! What a message is about, in the words that its headers and its dead letter have for it.
//!
//! A payload names its subject, so that no caller that enqueues it can forget to. Dead letters are found, handed out
//! and redriven by it: one that names no payment and no node belongs to nobody but those who reach everything.

use std::collections::BTreeMap;

use uuid::Uuid;

/// Header that names the row that the job works on.
const ID: &str = "subject_id";
/// Header that names the payment.
const PAYMENT_ID: &str = "payment_id";
/// Header that names the node.
const NODE_ID: &str = "node_id";

/// What a message is about. This crate knows nothing of these rows but their ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subject {
    /// The row that its job works on; together with the kind of message it names a step. None where there are several.
    pub id: Option<Uuid>,
    pub payment_id: Option<Uuid>,
    /// The node concerned: whose operators see the letter.
    pub node_id: Option<Uuid>,
}

impl Subject {
    #[must_use]
    pub fn row(id: Uuid) -> Self {
        Self { id: Some(id), ..Self::default() }
    }

    #[must_use]
    pub fn of_payment(self, id: impl Into<Option<Uuid>>) -> Self {
        Self { payment_id: id.into(), ..self }
    }

    #[must_use]
    pub fn of_node(self, id: impl Into<Option<Uuid>>) -> Self {
        Self { node_id: id.into(), ..self }
    }

    /// What is missing here, as the other one has it.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            id: self.id.or(other.id),
            payment_id: self.payment_id.or(other.payment_id),
            node_id: self.node_id.or(other.node_id),
        }
    }

    /// Whether it leads to nobody: neither a payment nor a node is known.
    #[must_use]
    pub fn is_nobodys(&self) -> bool {
        self.payment_id.is_none() && self.node_id.is_none()
    }

    pub(crate) fn headers(self) -> BTreeMap<String, String> {
        let named = [(ID, self.id), (PAYMENT_ID, self.payment_id), (NODE_ID, self.node_id)];
        named.into_iter().filter_map(|(name, id)| Some((name.to_owned(), id?.to_string()))).collect()
    }

    /// Takes out what headers say of a subject.
    pub(crate) fn strip(headers: &mut BTreeMap<String, String>) {
        headers.retain(|name, _| ![ID, PAYMENT_ID, NODE_ID].contains(&name.as_str()));
    }

    pub(crate) fn in_headers(headers: &BTreeMap<String, String>) -> Self {
        let id_in = |header: &str| headers.get(header).and_then(|value| Uuid::parse_str(value).ok());
        Self { id: id_in(ID), payment_id: id_in(PAYMENT_ID), node_id: id_in(NODE_ID) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_repeat_what_the_payload_said() {
        let subject = Subject::row(Uuid::now_v7()).of_payment(Uuid::now_v7());
        assert_eq!(Subject::in_headers(&subject.headers()), subject);
        assert_eq!(
            Subject::in_headers(&BTreeMap::from([(NODE_ID.to_owned(), "no id".to_owned())])),
            Subject::default()
        );
        assert!(!subject.is_nobodys() && Subject::row(Uuid::now_v7()).is_nobodys());
    }
}
