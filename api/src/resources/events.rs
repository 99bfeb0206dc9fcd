//! The events that this server sends, as the document's `webhooks`: one entry for each type of the catalogue. These
//! types are never read or written here; a test compares them with real bodies.

use payments::event::{EVENT_TYPES, EventType};
use poem::http::Method as HttpMethod;
use poem_openapi::{
    Object, Tags, Webhook,
    registry::{
        MetaMediaType, MetaOperation, MetaOperationParam, MetaParamIn, MetaRequest, MetaResponse, MetaResponses,
        MetaSchema, MetaSchemaRef, MetaWebhook, Registry,
    },
    types::{Any, ParseFromJSON, ToJSON, Type},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Tag,
    payments::{Failure, Group, Method, ReturnHeld, Status},
};
use crate::{
    money::Money,
    openapi::{Events, Examples},
    time::Time,
};

/// Something that happened. Fields may be added; ignore those that you do not know.
#[derive(Object)]
struct Event<T: ParseFromJSON + ToJSON> {
    /// The same with each attempt and as the header `webhook-id`: what a repetition is recognised by.
    id: Uuid,
    /// What happened.
    #[oai(rename = "type")]
    name: String,
    /// When it happened.
    occurred_at: Time,
    /// Its number among the events of its payment, from 1 without gaps; null where there is no payment. Events may arrive
    /// in another order.
    sequence: Option<i32>,
    data: T,
}

/// What happened to a payment.
#[derive(Object)]
struct PaymentChanged {
    /// The payment, in the status that this event tells.
    payment: PaymentTold,
    /// The status before; null for the first event.
    previous_status: Option<Status>,
    /// What moved it, a word of the state machine; null for the first event.
    trigger: Option<String>,
    /// The same for people.
    message: String,
    /// What is known beyond, such as a transaction's hash; its fields depend on the trigger.
    details: Any<Value>,
}

/// A payment as events tell it. What its rail has given it (`deal_id` and the hashes) is as known when the event was
/// first told.
#[derive(Object)]
struct PaymentTold {
    id: Uuid,
    /// The merchant's own id of the payment.
    external_id: String,
    node_id: Uuid,
    chain_id: Uuid,
    network_id: Uuid,
    wallet_id: Option<Uuid>,
    member_id: Option<Uuid>,
    order_id: Option<Uuid>,
    duplicate_of: Option<Uuid>,
    currency_id: Uuid,
    /// The merchant's price, in the currency's main unit.
    price: Money,
    /// The same as text.
    price_text: String,
    /// What the payer is charged, in the currency's main unit.
    paid_price: Money,
    /// The same as text.
    paid_price_text: String,
    payment_method: Method,
    payment_group: Group,
    /// Whom it pays out to.
    payment_address: String,
    metadata: Option<String>,
    status: Status,
    /// The deal on chain, a number that counts up; null until it is known, and for a deal of a diamond of the first
    /// edition, whose ids are hashes.
    deal_id: Option<i64>,
    /// The contract that holds the deal; null until it is known.
    diamond_address: Option<String>,
    /// The transaction that opened the deal; null until it is known.
    transaction_hash: Option<String>,
    /// The transaction that closed the deal; null unless there was one.
    cancel_transaction_hash: Option<String>,
    /// A returned deposit that the contract keeps for the payer, whose account refused it; null unless it does.
    return_held: Option<ReturnHeld>,
    /// Why it failed; null unless it did.
    failure: Option<Failure>,
    expires_at: Time,
    created_at: Time,
}

/// A webhook endpoint that was disabled.
#[derive(Object)]
struct EndpointDisabled {
    endpoint_id: Uuid,
    node_id: Uuid,
    url: String,
    /// Why, for people.
    reason: String,
}

/// A test of the endpoint that gets it.
#[derive(Object)]
struct EndpointTested {
    endpoint_id: Uuid,
    /// The same for people.
    message: String,
}

/// A payout of a seller's balance.
#[derive(Object)]
struct PayoutChanged {
    payout_id: Uuid,
    /// The seller's node.
    node_id: Uuid,
    /// In cents.
    amount: i64,
    currency: String,
    /// `pending`, `paid` or `failed`.
    status: String,
    /// When the bank should have it; null until the processor has told.
    arrival_date: Option<String>,
    /// Why it failed, the processor's word; null unless it did.
    failure_code: Option<String>,
    /// The same for people.
    failure_message: Option<String>,
}

/// What a seller's account at the card processor may do.
#[derive(Object)]
struct AccountUpdated {
    /// The seller's node.
    node_id: Uuid,
    /// The processor's id.
    account_id: Option<String>,
    /// `pending`, `restricted` or `active`.
    status: String,
    charges_enabled: bool,
    payouts_enabled: bool,
    /// What the processor still wants to know, in its words.
    requirements_due: Vec<String>,
}

/// What operators hear of. Its fields depend on the type.
type OperatorsNotice = Any<Value>;

/// What the document has to be told of them.
pub(crate) const EVENTS: Events = Events { finish, for_operators };

/// Every event as an operation of whoever receives it.
pub(crate) struct Announced;

impl Webhook for Announced {
    fn meta() -> Vec<MetaWebhook> {
        EVENT_TYPES.iter().map(|known| MetaWebhook { name: known.name, operation: operation(known) }).collect()
    }

    fn register(registry: &mut Registry) {
        Tag::Events.register(registry);
        Event::<PaymentChanged>::register(registry);
        Event::<EndpointDisabled>::register(registry);
        Event::<EndpointTested>::register(registry);
        Event::<PayoutChanged>::register(registry);
        Event::<AccountUpdated>::register(registry);
        Event::<OperatorsNotice>::register(registry);
    }
}

fn schema_of(name: &str) -> MetaSchemaRef {
    match name {
        "endpoint.disabled" => Event::<EndpointDisabled>::schema_ref(),
        payments::event::TEST => Event::<EndpointTested>::schema_ref(),
        "account.updated" => Event::<AccountUpdated>::schema_ref(),
        name if name.starts_with("payout.") => Event::<PayoutChanged>::schema_ref(),
        name if ["payment.", "receipt.", "refund."].iter().any(|group| name.starts_with(group)) => {
            Event::<PaymentChanged>::schema_ref()
        }
        _ => Event::<OperatorsNotice>::schema_ref(),
    }
}

fn operation(known: &EventType) -> MetaOperation {
    let content = vec![MetaMediaType { content_type: "application/json", schema: schema_of(known.name) }];
    MetaOperation {
        tags: vec![Tag::Events.name()],
        method: HttpMethod::POST,
        summary: Some(known.name),
        description: Some(known.means),
        external_docs: None,
        params: HEADERS.iter().map(|(name, description)| header(name, description)).collect(),
        request: Some(MetaRequest { description: None, content, required: true }),
        responses: MetaResponses {
            responses: vec![
                response(None, Some("2XX"), "The event was taken; it is not sent again."),
                response(Some(410), None, "There is nobody here any more: the endpoint is disabled at once."),
            ],
        },
        deprecated: false,
        security: Vec::new(),
        operation_id: None,
        code_samples: Vec::new(),
    }
}

/// What each request carries beside its body, as Standard Webhooks have it.
const HEADERS: [(&str, &str); 3] = [
    ("webhook-id", "The event's id, the same with each attempt."),
    ("webhook-timestamp", "When this attempt was made, in seconds since 1970. Refuse what is older than five minutes."),
    (
        "webhook-signature",
        "`v1,` and the base64 of an HMAC-SHA256 of `{webhook-id}.{webhook-timestamp}.{body}` by the secret's bytes. While \
         a secret is rotated there are two, separated by a blank, and either is enough.",
    ),
];

fn header(name: &str, description: &str) -> MetaOperationParam {
    MetaOperationParam {
        name: name.to_owned(),
        schema: MetaSchemaRef::Inline(Box::new(MetaSchema::new("string"))),
        in_type: MetaParamIn::Header,
        description: Some(description.to_owned()),
        required: true,
        deprecated: false,
        explode: false,
        style: None,
    }
}

fn response(status: Option<u16>, range: Option<&str>, description: &'static str) -> MetaResponse {
    MetaResponse {
        description,
        status,
        status_range: range.map(str::to_owned),
        content: Vec::new(),
        headers: Vec::new(),
    }
}

/// What poem-openapi cannot say: each type's own word, an example of it, and that nobody signs in.
fn finish(name: &str, operation: &mut Value, examples: &Examples<'_>) {
    operation["operationId"] = json!(format!("on_{}", name.replace('.', "_")));
    operation["security"] = json!([]);
    // Nothing that a client calls. openapi-generator would make calls of them, which do not compile in several languages;
    // the bodies' types are generated all the same.
    operation["x-internal"] = json!(true);
    if for_operators(name) {
        operation["description"] = json!(format!(
            "{} Only for endpoints of operators.",
            operation["description"].as_str().unwrap_or_default()
        ));
    }
    for parameter in operation["parameters"].as_array_mut().into_iter().flatten() {
        if let Some(object) = parameter.as_object_mut() {
            object.retain(|field, value| field != "explode" && *value != Value::Bool(false));
        }
    }
    let media = &mut operation["requestBody"]["content"];
    let Some(schema) = media.as_object().and_then(|media| media.values().next()).map(|media| media["schema"].clone())
    else {
        return;
    };
    let own = json!({ "type": "object", "properties": { "type": { "const": name } }, "required": ["type"] });
    let example = example(name, &schema, examples);
    *media = json!({ "application/json": { "schema": { "allOf": [schema, own] }, "example": example } });
}

/// Whether only operators' endpoints get events of this type.
fn for_operators(name: &str) -> bool {
    EVENT_TYPES.iter().any(|known| known.name == name && known.operators)
}

fn example(name: &str, schema: &Value, examples: &Examples<'_>) -> Value {
    let mut event = examples.of(schema, "event");
    event["type"] = json!(name);
    let status = name.strip_prefix("payment.");
    if let Some(status) = status {
        let known =
            examples.schemas["PaymentStatus"]["enum"].as_array().is_some_and(|words| words.contains(&json!(status)));
        // The first event's payment is pending, and what is reverted goes back to where it was.
        let now = if known {
            status
        } else if status == "created" {
            "pending"
        } else {
            "open"
        };
        event["data"]["payment"]["status"] = json!(now);
    }
    if name.starts_with("receipt.") {
        let before = if name == "receipt.reported" { "open" } else { "submitted" };
        event["data"]["payment"]["status"] = json!(before);
    }
    if name.starts_with("refund.") {
        event["data"]["payment"]["status"] = json!("paid");
    }
    if let Some(step) = name.strip_prefix("payout.") {
        event["data"]["status"] = json!(if step == "created" { "pending" } else { step });
    }
    event
}
