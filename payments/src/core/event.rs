//! What other systems are notified of: the types of events, and a payment's event as its consumers get it.

use chrono::{DateTime, Utc};
use entities::{
    Amount, ChainId, CurrencyId, EventId, MemberId, NetworkId, NodeId, OrderId, PaymentGroup, PaymentId, PaymentLogId,
    PaymentMethod, PaymentStatus, WalletId, payment, payment_log,
};
use queue::NewMessage;
use serde::{Serialize, Serializer};
use serde_json::{Number, Value};

use crate::{deal, jobs::AnnounceEvents};

/// Events in one announcement.
const ANNOUNCED_TOGETHER: usize = 100;

/// A type of event.
#[derive(Clone, Copy, Debug)]
pub struct EventType {
    /// Such as `payment.paid`.
    pub name: &'static str,
    /// What it means, as a sentence.
    pub means: &'static str,
    /// Whether only endpoints of operators get it.
    pub operators: bool,
}

const fn payment(name: &'static str, means: &'static str) -> EventType {
    EventType { name, means, operators: false }
}

const fn operators(name: &'static str, means: &'static str) -> EventType {
    EventType { name, means, operators: true }
}

/// The type of events that test an endpoint.
pub const TEST: &str = "webhook.test";

/// Every type there is.
pub const EVENT_TYPES: &[EventType] = &[
    payment("payment.created", "A payment was accepted."),
    payment("payment.pending", "A payment is to be put on its rail once more."),
    payment("payment.open", "The payer may pay."),
    payment("payment.submitted", "A payment by the payer is seen, and not final yet."),
    payment("payment.paid", "The payer's money is there with finality."),
    payment("payment.completed", "The payee has the money."),
    payment("payment.canceling", "A cancel was accepted and is being carried out."),
    payment("payment.canceled", "The payment ended without the payer's money."),
    payment("payment.expired", "Nobody paid in time."),
    payment("payment.failed", "The payment is definitely not on its rail."),
    payment("payment.rejected", "The payer's evidence was rejected."),
    payment("payment.refunded", "The payer has the money back."),
    payment(
        "payment.return_held",
        "The payer's account refused the returned deposit: the contract keeps it for the payer, who calls withdraw; \
         `details.held` has payer, token and amount.",
    ),
    payment("payment.needs_review", "The outcome is unknown and an operator has to look."),
    payment(
        "payment.duplicate",
        "Money came although another payment had settled the order; `details.duplicate_of` names it.",
    ),
    payment("payment.updated", "A till has corrected what it had written down; the status stays."),
    payment("payment.reverted", "Something that an earlier event told is no longer true: a block is gone."),
    payment("receipt.reported", "A receipt of a bank transfer was reported; the payment has the status before."),
    payment("receipt.confirmed", "A receipt of a bank transfer was confirmed; the payment has the status before."),
    payment("receipt.rejected", "A receipt of a bank transfer was rejected; the payment has the status before."),
    payment("refund.created", "Money is to go back to the payer; the payment has the status before."),
    payment("refund.succeeded", "Money is on its way back to the payer; the payment has the status before."),
    payment("refund.failed", "Money could not be given back; the payment has the status before."),
    payment("payout.created", "Money is to go from a seller's balance to the seller's bank."),
    payment("payout.paid", "The seller's bank has the money."),
    payment("payout.failed", "The money is on the seller's balance again."),
    payment("account.updated", "What a seller's account at the processor may do has changed."),
    payment("endpoint.disabled", "A webhook endpoint of the node was disabled; its events are held."),
    payment(TEST, "A test that somebody asked for; only the endpoint that is tested gets it."),
    operators("dead_letter.created", "A message was given up and waits for an operator."),
    operators("signer.low_balance", "A signer cannot pay for its transactions; its lane waits for funds."),
    operators("sign_in.blocked", "Sign-ins of an account or from an address are blocked after wrong tries."),
];

/// Whether a list of an endpoint (`payment.paid`, `payment.*`, `*`) holds the type.
#[must_use]
pub fn selects(events: &[String], name: &str) -> bool {
    events.iter().any(|wanted| match wanted.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => wanted == name,
    })
}

/// An event as its consumers get it.
#[derive(Clone, Debug, Serialize)]
pub struct Event<D> {
    /// The same however often it is delivered; consumers recognise a repetition by it.
    pub id: EventId,
    /// One of [`EVENT_TYPES`].
    #[serde(rename = "type")]
    pub name: String,
    /// When it happened.
    #[serde(serialize_with = "entities::serialize_time")]
    pub occurred_at: DateTime<Utc>,
    /// Its number among the events of its payment, from 1 without gaps; none where there is no payment.
    pub sequence: Option<i32>,
    /// What happened.
    pub data: D,
}

/// What happened to a payment.
#[derive(Clone, Debug, Serialize)]
pub struct PaymentChanged {
    /// The payment, in the status of this event.
    pub payment: EventPayment,
    /// The status before; none for the first.
    pub previous_status: Option<PaymentStatus>,
    /// What moved it, a word of the state machine; none for the first.
    pub trigger: Option<String>,
    /// The same for people.
    pub message: String,
    /// What is known beyond, such as a transaction's hash; its fields depend on the trigger.
    pub details: Value,
}

/// A payment as events show it. What its rail has given it (`deal_id` and the hashes) is as known when the event was
/// announced.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the fields are those of the API's payment")]
pub struct EventPayment {
    pub id: PaymentId,
    pub external_id: String,
    pub node_id: NodeId,
    pub chain_id: ChainId,
    pub network_id: NetworkId,
    pub wallet_id: Option<WalletId>,
    pub member_id: Option<MemberId>,
    pub order_id: Option<OrderId>,
    pub duplicate_of: Option<PaymentId>,
    pub currency_id: CurrencyId,
    #[serde(serialize_with = "exact")]
    pub price: Amount,
    pub price_text: String,
    #[serde(serialize_with = "exact")]
    pub paid_price: Amount,
    pub paid_price_text: String,
    pub payment_method: PaymentMethod,
    pub payment_group: PaymentGroup,
    pub payment_address: String,
    pub metadata: Option<String>,
    pub status: PaymentStatus,
    pub deal_id: Option<i64>,
    pub diamond_address: Option<String>,
    pub transaction_hash: Option<String>,
    pub cancel_transaction_hash: Option<String>,
    pub return_held: Option<EventReturnHeld>,
    pub failure: Option<EventFailure>,
    #[serde(serialize_with = "entities::serialize_time")]
    pub expires_at: DateTime<Utc>,
    #[serde(serialize_with = "entities::serialize_time")]
    pub created_at: DateTime<Utc>,
}

/// A returned deposit that the contract keeps for its payer, whose account refused it.
#[derive(Clone, Debug, Serialize)]
pub struct EventReturnHeld {
    /// Whom it is kept for: the account that has to call `withdraw`.
    pub payer: String,
    /// The token's contract; none for the network's own coin.
    pub token_address: Option<String>,
    /// How much, in the currency's main unit.
    #[serde(serialize_with = "exact")]
    pub amount: Amount,
    /// The same as text.
    pub amount_text: String,
    /// When the payer took it; none before.
    pub withdrawn_at: Option<DateTime<Utc>>,
}

/// Why a payment failed.
#[derive(Clone, Debug, Serialize)]
pub struct EventFailure {
    /// For programs.
    pub code: String,
    /// For people.
    pub message: String,
    /// Whether sending it again may help.
    pub retryable: bool,
}

/// A JSON number with every digit of the amount.
fn exact<S: Serializer>(amount: &Amount, serializer: S) -> Result<S::Ok, S::Error> {
    let number: Number = amount.to_string().parse().map_err(serde::ser::Error::custom)?;
    number.serialize(serializer)
}

/// What moves a payment stands in its log row under these names; all else there is detail.
const OF_THE_MOVE: [&str; 4] = ["from", "to", "trigger", "request_id"];

/// The event that a numbered row of the payment's log is.
#[must_use]
pub fn of_payment(row: &payment_log::Model, payment: &payment::Model) -> Event<PaymentChanged> {
    let status = |name: &str| serde_json::from_value::<PaymentStatus>(row.data[name].clone()).ok();
    let to = status("to").unwrap_or(payment.status);
    let mut details = row.data.clone();
    if let Some(details) = details.as_object_mut() {
        details.retain(|name, _| !OF_THE_MOVE.contains(&name.as_str()));
    }
    let failure = failed(to, &row.data).or_else(|| (to == payment.status).then(|| known_failure(payment)).flatten());
    Event {
        id: EventId(row.id.0),
        name: row.event_type.clone(),
        occurred_at: row.created_at,
        sequence: row.sequence,
        data: PaymentChanged {
            payment: EventPayment {
                id: payment.id,
                external_id: payment.external_id.clone(),
                node_id: payment.node_id,
                chain_id: payment.chain_id,
                network_id: payment.network_id,
                wallet_id: payment.wallet_id,
                member_id: payment.member_id,
                order_id: payment.order_id,
                duplicate_of: payment.duplicate_of,
                currency_id: payment.currency_id,
                price: payment.price,
                price_text: payment.price.to_string(),
                paid_price: payment.paid_price,
                paid_price_text: payment.paid_price.to_string(),
                payment_method: payment.payment_method,
                payment_group: payment.payment_group,
                payment_address: payment.payment_address.clone(),
                metadata: payment.metadata.clone(),
                status: to,
                deal_id: payment.deal_id.as_deref().and_then(deal::number),
                diamond_address: payment.diamond_address.clone(),
                transaction_hash: payment.transaction_hash.clone(),
                cancel_transaction_hash: payment.cancel_transaction_hash.clone(),
                return_held: return_held(payment),
                failure,
                expires_at: payment.expires_at,
                created_at: payment.created_at,
            },
            previous_status: status("from"),
            trigger: row.data["trigger"].as_str().map(str::to_owned),
            message: row.message.clone(),
            details,
        },
    }
}

/// The failure that the row of the transition names.
fn failed(to: PaymentStatus, data: &Value) -> Option<EventFailure> {
    if to != PaymentStatus::Failed {
        return None;
    }
    Some(EventFailure {
        code: data["code"].as_str()?.to_owned(),
        message: data["message"].as_str().unwrap_or_default().to_owned(),
        retryable: data["retryable"].as_bool().unwrap_or(false),
    })
}

fn return_held(payment: &payment::Model) -> Option<EventReturnHeld> {
    Some(EventReturnHeld {
        payer: payment.return_held_for.clone()?,
        token_address: payment.return_held_token.clone(),
        amount: payment.paid_price,
        amount_text: payment.paid_price.to_string(),
        withdrawn_at: payment.return_withdrawn_at,
    })
}

fn known_failure(payment: &payment::Model) -> Option<EventFailure> {
    Some(EventFailure {
        code: payment.failure_code.clone()?,
        message: payment.failure_message.clone().unwrap_or_default(),
        retryable: payment.failure_retryable.unwrap_or(false),
    })
}

/// The messages that have these transitions announced, in the transaction that writes them.
pub(crate) fn announcements(transitions: &[(PaymentId, PaymentLogId)]) -> impl Iterator<Item = NewMessage> {
    transitions.chunks(ANNOUNCED_TOGETHER).map(|chunk| {
        let of_one = match chunk {
            [(payment_id, _), rest @ ..] if rest.iter().all(|(other, _)| other == payment_id) => Some(*payment_id),
            _ => None,
        };
        NewMessage::of(&AnnounceEvents::new(chunk.iter().map(|(_, id)| *id).collect(), of_one))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use entities::{ActorType, now};
    use proptest::{collection::vec, prelude::*};
    use serde_json::json;

    use super::*;
    use crate::samples;

    fn row(of: &payment::Model, data: Value) -> payment_log::Model {
        payment_log::Model {
            id: PaymentLogId::new(),
            payment_id: of.id,
            sequence: Some(3),
            event_type: "payment.failed".to_owned(),
            message: "why".to_owned(),
            actor_type: ActorType::Worker,
            actor_id: None,
            data,
            created_at: now(),
            announced_at: None,
        }
    }

    #[test]
    fn an_event_shows_the_state_that_it_led_to_whatever_came_after() {
        let mut payment = samples::payment(PaymentMethod::Web3, PaymentStatus::Open);
        (payment.failure_code, payment.failure_retryable) = (Some("later".to_owned()), Some(true));
        let failed = json!({ "from": "pending", "to": "failed", "trigger": "send_failed", "request_id": "r",
            "code": "reverted", "message": "no", "retryable": false, "attempt": 2 });
        let event = of_payment(&row(&payment, failed), &payment);
        let changed = event.data;
        assert_eq!(
            (changed.payment.status, changed.previous_status),
            (PaymentStatus::Failed, Some(PaymentStatus::Pending))
        );
        assert_eq!(changed.payment.failure.unwrap().code, "reverted");
        assert_eq!((changed.trigger.as_deref(), event.sequence), (Some("send_failed"), Some(3)));
        let details = json!({ "code": "reverted", "message": "no", "retryable": false, "attempt": 2 });
        assert_eq!(changed.details, details, "without what moves the payment");
        let opened = row(&payment, json!({ "from": "failed", "to": "open", "trigger": "opened" }));
        assert_eq!(of_payment(&opened, &payment).data.payment.failure.unwrap().code, "later", "it is there still");
        let earlier = row(&payment, json!({ "from": "pending", "to": "submitted" }));
        assert!(of_payment(&earlier, &payment).data.payment.failure.is_none(), "it was not known then");
    }

    #[test]
    fn amounts_are_written_as_exact_numbers_and_as_texts() {
        let mut payment = samples::payment(PaymentMethod::Web3, PaymentStatus::Canceled);
        payment.paid_price = Amount("79228162514.264337593543950335".parse().unwrap());
        payment.return_held_for = Some("0xp".to_owned());
        let event = of_payment(&row(&payment, json!({ "to": "canceled" })), &payment);
        let text = serde_json::to_string(&event).unwrap();
        assert!(text.contains(r#""price":10.5,"price_text":"10.5""#), "{text}");
        let exact = r#""amount":79228162514.264337593543950335,"amount_text":"79228162514.264337593543950335""#;
        assert!(text.contains(exact), "{text}");
    }

    proptest! {
        #[test]
        fn every_transition_is_announced_once_and_under_its_payment_where_it_is_one(
            lengths in vec(1_usize..150, 1..4)
        ) {
            let of = |length: &usize| {
                let id = PaymentId::new();
                (0..*length).map(move |_| (id, PaymentLogId::new()))
            };
            let transitions: Vec<_> = lengths.iter().flat_map(of).collect();
            let messages: Vec<_> = announcements(&transitions).map(|message| format!("{message:?}")).collect();
            prop_assert_eq!(messages.len(), transitions.len().div_ceil(ANNOUNCED_TOGETHER));
            for (message, chunk) in messages.iter().zip(transitions.chunks(ANNOUNCED_TOGETHER)) {
                let of: BTreeSet<PaymentId> = chunk.iter().map(|(payment_id, _)| *payment_id).collect();
                prop_assert!(chunk.iter().all(|(_, id)| message.contains(&id.to_string())));
                let named = of.iter().filter(|id| message.contains(&id.to_string())).count();
                prop_assert_eq!(named, if of.len() == 1 { 1 } else { 0 });
            }
        }
    }

    #[test]
    fn a_list_selects_types_groups_and_all() {
        let list = |events: &[&str]| events.iter().map(|&event| event.to_owned()).collect::<Vec<_>>();
        assert!(selects(&list(&["payment.paid"]), "payment.paid"));
        assert!(!selects(&list(&["payment.paid"]), "payment.paid_twice"));
        assert!(selects(&list(&["refund.*", "payment.*"]), "payment.open"));
        assert!(!selects(&list(&["payment.*"]), "payments.open"));
        assert!(selects(&list(&["*"]), "endpoint.disabled"));
        assert!(!selects(&[], "payment.open"));
    }

    #[test]
    fn every_transition_has_its_type() {
        let mut moves: Vec<&str> = PaymentStatus::ALL.iter().map(|to| crate::observation::event_type(*to)).collect();
        use crate::observation::{
            REVERTED,
            at_till::UPDATED,
            refund::{REFUND_CREATED, REFUND_FAILED, REFUND_SUCCEEDED},
            transfer::{RECEIPT_CONFIRMED, RECEIPT_REJECTED, RECEIPT_REPORTED},
        };
        moves.extend(["payment.created", REVERTED, UPDATED, RECEIPT_REPORTED, RECEIPT_CONFIRMED, RECEIPT_REJECTED]);
        moves.extend([REFUND_CREATED, REFUND_SUCCEEDED, REFUND_FAILED]);
        for name in moves {
            assert!(EVENT_TYPES.iter().any(|known| known.name == name && !known.operators), "{name} is not listed");
        }
    }
}
