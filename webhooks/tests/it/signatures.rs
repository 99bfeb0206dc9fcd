//! What is sent is what Standard Webhooks say, in the judgement of their own libraries.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use chrono::TimeDelta;
use entities::{DeliveryStatus, now, payment_log, webhook_endpoint};
use fixtures::{TestDatabase, on_both};
use payments::Acceptor;
use sea_orm::{ActiveValue::Set, EntityTrait, QueryFilter, prelude::*};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::{
    receiver::{Received, Receiver, Reply},
    rig::{Rig, event},
};

/// Reads `{secret, id, timestamp, signature, body}` and fails unless the signature is right.
const PYTHON: &str = "
import json, sys
from standardwebhooks.webhooks import Webhook
told = json.load(sys.stdin)
headers = {'webhook-' + name: told[name] for name in ('id', 'timestamp', 'signature')}
print(json.dumps(Webhook(told['secret']).verify(told['body'], headers)))
";

/// The same.
const JAVASCRIPT: &str = "
const { Webhook } = require(process.argv[1]);
const told = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const headers = Object.fromEntries(['id', 'timestamp', 'signature'].map(name => ['webhook-' + name, told[name]]));
console.log(JSON.stringify(new Webhook(told.secret).verify(told.body, headers)));
";

fn tool(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set; scripts/test sets it"))
}

/// Runs a verifier; its answer is the event, if the signature was right.
fn verified(mut command: Command, secret: &str, received: &Received) -> Option<serde_json::Value> {
    let told = json!({
        "secret": secret,
        "id": received.id(),
        "timestamp": received.header("webhook-timestamp"),
        "signature": received.header("webhook-signature"),
        "body": received.body,
    });
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(told.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        assert!(complaint.contains("WebhookVerificationError"), "not a matter of the signature: {complaint}");
        return None;
    }
    serde_json::from_slice(&output.stdout).ok()
}

fn python(secret: &str, received: &Received) -> bool {
    let mut command = Command::new(tool("QUITTANCE_TEST_WEBHOOKS_PYTHON"));
    command.args(["-c", PYTHON]);
    verified(command, secret, received).is_some()
}

fn javascript(secret: &str, received: &Received) -> bool {
    let mut command = Command::new("node");
    command.args(["-e", JAVASCRIPT, &tool("QUITTANCE_TEST_WEBHOOKS_JAVASCRIPT")]);
    verified(command, secret, received).is_some()
}

fn rust(secret: &str, received: &Received) -> bool {
    let headers = received.headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    let headers: reqwest::header::HeaderMap = headers.collect();
    standardwebhooks::Webhook::new(secret).unwrap().verify(received.body.as_bytes(), &headers).is_ok()
}

on_both!(official_libraries_verify_it_also_while_a_secret_rotates, async |database: TestDatabase| {
    let rig = Rig::on(database).await;
    let receiver = Receiver::always(Reply::Status(200)).await;
    let id = rig.endpoint(&receiver.url()).await;
    let process = rig.start();
    rig.announce(&rig.events(1)).await;
    rig.until_delivered(id, 1).await;
    let secret = |version| rig.secrets().shown(id, version).expose_secret().to_owned();
    let rotated = |until: Option<TimeDelta>| webhook_endpoint::ActiveModel {
        id: Set(id),
        secret_version: Set(2),
        secret_check: Set(rig.secrets().check(id, 2)),
        previous_secret_until: Set(until.map(|until| now() + until)),
        ..Default::default()
    };
    rig.change(rotated(Some(TimeDelta::hours(24)))).await;
    rig.announce(&rig.events(1)).await;
    rig.until_delivered(id, 2).await;
    rig.change(rotated(Some(TimeDelta::seconds(-1)))).await;
    rig.announce(&rig.events(1)).await;
    rig.until_delivered(id, 3).await;
    process.stop().await;
    let received = receiver.all();
    let valid = [[true, false], [true, true], [false, true]];
    for (received, valid) in received.iter().zip(valid) {
        for (version, valid) in (1..).zip(valid) {
            let secret = secret(version);
            assert_eq!(rust(&secret, received), valid, "rust, secret {version}: {received:?}");
            assert_eq!(python(&secret, received), valid, "python, secret {version}: {received:?}");
            assert_eq!(javascript(&secret, received), valid, "javascript, secret {version}: {received:?}");
        }
    }
    let altered = Received { body: received[0].body.replace("1.50", "1.51"), ..received[0].clone() };
    assert!(!rust(&secret(1), &altered) && !python(&secret(1), &altered) && !javascript(&secret(1), &altered));
});

on_both!(a_request_is_what_it_should_be_and_leaves_its_traces, async |database: TestDatabase| {
    let rig = Rig::on(database).await;
    let receiver = Receiver::always(Reply::Status(204)).await;
    let id = rig
        .endpoint_as(&receiver.url(), |row| {
            row.headers = json!({
                "Authorization": "Bearer theirs", "Webhook-Id": "theirs", "User-Agent": "theirs",
                "Content-Type": "text/theirs", "Host": "theirs", "Content-Length": "3",
            });
        })
        .await;
    let acceptor = Acceptor::start(rig.db().clone());
    let accepted = acceptor.accept(&rig.merchant.caller(), rig.merchant.payment("one")).await.unwrap();
    let process = rig.start();
    let event = event(rig.merchant.node_id, Some(accepted.payment.id), 0);
    rig.announce(std::slice::from_ref(&event)).await;
    rig.until_delivered(id, 1).await;
    process.stop().await;
    let received = receiver.all();
    assert_eq!(received.len(), 1);
    let received = &received[0];
    assert_eq!(received.line, "POST /hook HTTP/1.1");
    assert_eq!(received.body, event.body, "the stored bytes");
    assert_eq!(received.id(), event.id.to_string());
    assert_eq!(received.header("authorization"), "Bearer theirs");
    assert_eq!(received.header("content-type"), "application/json");
    assert_eq!(received.header("host"), receiver.address.to_string());
    assert!(received.header("user-agent").starts_with("quittance/"), "{received:?}");
    let delivery = rig.delivery(id).await;
    assert_eq!((delivery.status, delivery.attempts, delivery.last_status), (DeliveryStatus::Delivered, 1, Some(204)));
    assert!(delivery.next_attempt_at.is_none() && delivery.delivered_at.is_some());
    let attempts = rig.attempts(delivery.id).await;
    assert_eq!(attempts.len(), 1);
    assert_eq!((attempts[0].number, attempts[0].status, attempts[0].error_code.as_deref()), (1, Some(204), None));
    assert_eq!(attempts[0].address, Some(receiver.address.to_string()));
    let of_webhooks = payment_log::Column::EventType.eq("webhook.delivered");
    let traces = payment_log::Entity::find().filter(of_webhooks).all(&**rig.db()).await.unwrap();
    assert_eq!(traces.len(), 1);
    assert_eq!((traces[0].payment_id, traces[0].sequence), (accepted.payment.id, None));
    assert_eq!(traces[0].data["delivery_id"], json!(delivery.id));
    let row = rig.row(id).await;
    assert!(row.due_at.is_none() && row.lane_owner.is_none() && row.last_success_at.is_some());
});
