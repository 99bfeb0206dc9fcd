//! What the fake Stripe knows, and what requests do to it.

use std::collections::BTreeMap;

use chrono::Utc;
use serde_json::{Map, Value, json};

use super::Call;

type Answer = (u16, Value);

/// Objects by id, each as it is answered; what is expanded is put in then.
pub(crate) struct Ledger {
    pub(crate) objects: BTreeMap<String, Value>,
    /// Most objects in a page, whatever was asked for.
    pub(crate) page_max: usize,
    made: u64,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), page_max: 100, made: 0 }
    }
}

pub(crate) fn error(status: u16, kind: &str, code: Option<&str>, message: &str) -> Answer {
    let mut error = json!({"type": kind, "message": message});
    if let Some(code) = code {
        error["code"] = code.into();
    }
    (status, json!({ "error": error }))
}

fn invalid(message: &str) -> Answer {
    error(400, "invalid_request_error", None, message)
}

fn missing() -> Answer {
    error(404, "invalid_request_error", Some("resource_missing"), "No such object.")
}

fn whole(call: &Call, name: &str) -> Option<i64> {
    call.field(name)?.parse().ok()
}

/// The pairs `name[key]` of a form.
fn table(call: &Call, name: &str) -> Value {
    let inner = call.form.iter().filter_map(|(key, value)| {
        let key = key.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')?;
        Some((key.to_owned(), Value::from(value.as_str())))
    });
    Value::Object(inner.collect::<Map<_, _>>())
}

impl Ledger {
    pub(super) fn carry_out(&mut self, call: &Call) -> Answer {
        let path: Vec<&str> = call.path.trim_start_matches("/v1/").split('/').collect();
        match (call.method.as_str(), path.as_slice()) {
            ("POST", ["checkout", "sessions"]) => self.open_session(call),
            ("POST", ["checkout", "sessions", id, "expire"]) => self.change(
                call,
                id,
                "open",
                "Only open sessions can be expired.",
                &[("status", "expired".into()), ("url", Value::Null)],
            ),
            ("POST", ["payment_intents"]) => self.open_intent(call),
            ("POST", ["payment_intents", id, "cancel"]) => {
                self.change(call, id, "requires_", "It cannot be canceled.", &[("status", "canceled".into())])
            }
            ("POST", ["refunds"]) => self.refund(call),
            ("POST", ["accounts"]) => self.put_account(call, None),
            ("POST", ["accounts", id]) => self.put_account(call, Some(id)),
            ("POST", ["accounts", id, "login_links"]) => match self.objects.get(*id) {
                None => missing(),
                Some(account) if account["details_submitted"] == true => {
                    (200, json!({"object": "login_link", "url": format!("https://connect.stripe.test/express/{id}")}))
                }
                Some(_) => invalid("The account has not completed onboarding."),
            },
            ("POST", ["account_links"]) => {
                let id = call.field("account").unwrap_or_default();
                (200, json!({"object": "account_link", "url": format!("https://connect.stripe.test/setup/{id}")}))
            }
            ("POST", ["payouts"]) => self.pay_out(call),
            ("GET", ["checkout", "sessions"]) => self.list(call, "cs_"),
            ("GET", ["payment_intents"]) => self.list(call, "pi_"),
            ("GET", ["disputes"]) => self.list(call, "du_"),
            ("GET", ["refunds"]) => self.list(call, "re_"),
            ("GET", ["accounts"]) => self.list(call, "acct_"),
            ("GET", ["payouts"]) => self.list(call, "po_"),
            ("GET", [.., id]) => self.objects.get(*id).map_or_else(missing, |found| (200, self.expanded(call, found))),
            _ => error(404, "invalid_request_error", None, "Unrecognized request URL."),
        }
    }

    fn make(&mut self, prefix: &str, mut object: Value) -> String {
        self.made += 1;
        let id = format!("{prefix}{:06}", self.made);
        object["id"] = id.as_str().into();
        object["created"] = Utc::now().timestamp().into();
        self.objects.insert(id.clone(), object);
        id
    }

    fn made(&mut self, call: &Call, prefix: &str, object: Value) -> Answer {
        let id = self.make(prefix, object);
        (200, self.expanded(call, &self.objects[&id]))
    }

    fn open_session(&mut self, call: &Call) -> Answer {
        let price = "line_items[0][price_data]";
        let (Some(amount), Some(quantity)) =
            (whole(call, &format!("{price}[unit_amount]")), whole(call, "line_items[0][quantity]"))
        else {
            return invalid("line_items are missing.");
        };
        if call.field("success_url").is_none() || call.field("mode") != Some("payment") {
            return invalid("success_url and mode are missing.");
        }
        let object = json!({
            "object": "checkout.session", "status": "open", "payment_status": "unpaid",
            "url": format!("https://checkout.stripe.test/c/pay/{}", self.made + 1),
            "payment_intent": null, "amount_total": amount * quantity,
            "currency": call.field(&format!("{price}[currency]")), "metadata": table(call, "metadata"),
            "client_reference_id": call.field("client_reference_id"),
            "of_payment": table(call, "payment_intent_data[metadata]"),
        });
        self.made(call, "cs_test_", object)
    }

    fn open_intent(&mut self, call: &Call) -> Answer {
        let Some(amount) = whole(call, "amount") else { return invalid("amount is missing.") };
        let object = json!({
            "object": "payment_intent", "status": "requires_payment_method", "amount": amount, "amount_received": 0,
            "currency": call.field("currency"), "client_secret": format!("pi_{}_secret_1", self.made + 1),
            "latest_charge": null, "last_payment_error": null, "metadata": table(call, "metadata"),
            "transfer_data": table(call, "transfer_data"),
            "application_fee_amount": whole(call, "application_fee_amount"),
        });
        self.made(call, "pi_", object)
    }

    fn change(&mut self, call: &Call, id: &str, from: &str, otherwise: &str, to: &[(&str, Value)]) -> Answer {
        let Some(object) = self.objects.get_mut(id) else { return missing() };
        if !object["status"].as_str().is_some_and(|status| status.starts_with(from)) {
            return invalid(otherwise);
        }
        for (name, value) in to {
            object[*name] = value.clone();
        }
        (200, self.expanded(call, &self.objects[id]))
    }

    fn refund(&mut self, call: &Call) -> Answer {
        let Some(intent) = call.field("payment_intent").and_then(|id| self.objects.get(id)) else { return missing() };
        let (intent_id, charge) =
            (intent["id"].clone(), intent["latest_charge"].as_str().unwrap_or_default().to_owned());
        let received = intent["amount_received"].as_i64().unwrap();
        let amount = whole(call, "amount").unwrap();
        let Some(charge) = self.objects.get_mut(&charge) else { return invalid("There is no charge to refund.") };
        let refunded = charge["amount_refunded"].as_i64().unwrap() + amount;
        if refunded > received {
            return error(400, "invalid_request_error", Some("charge_already_refunded"), "It is more than is left.");
        }
        charge["amount_refunded"] = refunded.into();
        let object = json!({
            "object": "refund", "status": "succeeded", "amount": amount, "payment_intent": intent_id,
            "metadata": table(call, "metadata"),
        });
        self.made(call, "re_", object)
    }

    fn put_account(&mut self, call: &Call, id: Option<&str>) -> Answer {
        if call.form.keys().any(|name| name.starts_with("tos_acceptance")) {
            return invalid("You cannot accept the Terms of Service on behalf of this account.");
        }
        if let Some(id) = id {
            let Some(account) = self.objects.get_mut(id) else { return missing() };
            account["email"] = call.field("email").into();
            return (200, self.objects[id].clone());
        }
        let object = json!({
            "object": "account", "charges_enabled": false, "payouts_enabled": false, "details_submitted": false,
            "email": call.field("email"), "country": call.field("country"), "metadata": table(call, "metadata"),
            "requirements": {"currently_due": ["tos_acceptance.date"], "past_due": []},
        });
        self.made(call, "acct_", object)
    }

    fn pay_out(&mut self, call: &Call) -> Answer {
        let Some(account) = call.header("stripe-account").filter(|id| self.objects.contains_key(*id)) else {
            return error(403, "invalid_request_error", Some("account_invalid"), "No such account.");
        };
        let amount = whole(call, "amount").unwrap();
        if amount > 100_000 {
            return error(400, "invalid_request_error", Some("balance_insufficient"), "You have insufficient funds.");
        }
        let object = json!({
            "object": "payout", "status": "pending", "amount": amount, "currency": call.field("currency"),
            "arrival_date": 1_700_006_400, "metadata": table(call, "metadata"), "account": account,
        });
        self.made(call, "po_", object)
    }

    /// The newest first, as Stripe lists.
    fn list(&self, call: &Call, prefix: &str) -> Answer {
        let since = whole(call, "created[gte]").unwrap_or(i64::MIN);
        let same = |object: &Value, name: &str| call.field(name).is_none_or(|wanted| object[name] == wanted);
        let account = call.header("stripe-account");
        let fits = |object: &&Value| {
            object["id"].as_str().is_some_and(|id| id.starts_with(prefix))
                && object["created"].as_i64().is_some_and(|created| created >= since)
                && same(object, "payment_intent")
                && same(object, "charge")
                && account.is_none_or(|account| object["account"] == account)
        };
        let mut found: Vec<&Value> = self.objects.values().filter(fits).collect();
        found.reverse();
        if let Some(after) = call.field("starting_after") {
            let position = found.iter().position(|object| object["id"] == after).unwrap();
            found.drain(..=position);
        }
        let limit = usize::try_from(whole(call, "limit").unwrap_or(10)).unwrap().min(self.page_max);
        let data: Vec<&Value> = found.iter().take(limit).copied().collect();
        (200, json!({"object": "list", "data": data, "has_more": found.len() > limit}))
    }

    /// With the objects in place of the ids that were asked for, such as `payment_intent.latest_charge`.
    fn expanded(&self, call: &Call, object: &Value) -> Value {
        let mut object = object.clone();
        let wanted = call.form.iter().filter(|(name, _)| name.starts_with("expand["));
        for (_, path) in wanted {
            let mut at = &mut object;
            for name in path.split('.') {
                if let Some(inner) = at[name].as_str().and_then(|id| self.objects.get(id)) {
                    at[name] = inner.clone();
                }
                if !at[name].is_object() {
                    break;
                }
                at = &mut at[name];
            }
        }
        object
    }
}

/// What payers, banks and clerks do.
impl Ledger {
    pub(crate) fn ids(&self, prefix: &str) -> Vec<String> {
        self.objects.keys().filter(|id| id.starts_with(prefix)).cloned().collect()
    }

    pub(crate) fn set(&mut self, id: &str, name: &str, value: impl Into<Value>) {
        self.objects.get_mut(id).unwrap()[name] = value.into();
    }

    /// The payer tries to pay in a session or an intent; the intent has this status then. Its id is returned.
    pub(crate) fn attempt(&mut self, id: &str, status: &str) -> String {
        let object = self.objects[id].clone();
        let intent = if id.starts_with("pi_") {
            id.to_owned()
        } else {
            let amount = object["amount_total"].clone();
            let intent = self.make(
                "pi_",
                json!({
                    "object": "payment_intent", "amount": amount, "amount_received": 0, "currency": object["currency"],
                    "latest_charge": null, "last_payment_error": null, "metadata": object["of_payment"],
                }),
            );
            self.set(id, "payment_intent", intent.as_str());
            intent
        };
        self.set(&intent, "status", status);
        if status == "requires_payment_method" {
            let error = json!({"code": "card_declined", "type": "card_error", "message": "Your card was declined."});
            self.set(&intent, "last_payment_error", error);
        }
        intent
    }

    /// The payer pays. The ids of the intent and of the charge are returned.
    pub(crate) fn pay(&mut self, id: &str) -> (String, String) {
        let intent = self.attempt(id, "succeeded");
        let amount = self.objects[&intent]["amount"].clone();
        let charge = json!({
            "object": "charge", "amount": amount, "amount_refunded": 0, "disputed": false,
            "payment_intent": intent, "metadata": self.objects[&intent]["metadata"],
        });
        let charge = self.make("ch_", charge);
        self.set(&intent, "amount_received", amount);
        self.set(&intent, "latest_charge", charge.as_str());
        if id != intent {
            self.set(id, "status", "complete");
            self.set(id, "payment_status", "paid");
            self.set(id, "url", Value::Null);
        }
        (intent, charge)
    }

    pub(crate) fn dispute(&mut self, charge: &str, amount: i64, status: &str) -> String {
        self.set(charge, "disputed", true);
        let intent = self.objects[charge]["payment_intent"].clone();
        let dispute = json!({
            "object": "dispute", "amount": amount, "status": status, "charge": charge, "payment_intent": intent,
            "metadata": {},
        });
        self.make("du_", dispute)
    }
}
