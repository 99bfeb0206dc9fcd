//! A bare sender: signed requests over kept connections, and nothing written down.

use std::{cell::Cell, rc::Rc};

use chrono::Utc;
use standardwebhooks::Webhook;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::receivers::Receivers;
use crate::{
    figures::rate,
    http::{Connection, request},
};

/// Requests under way at one receiver, and at each of many.
const AT_ONE: usize = 256;
const AT_EACH: usize = 32;

/// Sends so many to each, and returns how many a second arrived.
pub(super) async fn send(receivers: &Receivers, each: usize) -> anyhow::Result<f64> {
    receivers.forget();
    let addresses = receivers.addresses();
    let at_each = if addresses.len() == 1 { AT_ONE } else { AT_EACH };
    let mut senders = JoinSet::new();
    for address in addresses {
        let left = Rc::new(Cell::new(each));
        for _ in 0..at_each {
            let connection = Connection::open(&address.to_string()).await?;
            senders.spawn_local(one(connection, Rc::clone(&left)));
        }
    }
    while let Some(sent) = senders.join_next().await {
        sent??;
    }
    Ok(rate(receivers.arrived(), receivers.took()))
}

async fn one(mut connection: Connection, left: Rc<Cell<usize>>) -> anyhow::Result<()> {
    let webhook = Webhook::from_bytes(vec![7; 32])?;
    let body = super::owed::body(&Uuid::nil().to_string());
    while left.get() > 0 {
        left.set(left.get() - 1);
        let (id, timestamp) = (Uuid::now_v7().to_string(), Utc::now().timestamp());
        let signature = webhook.sign(&id, timestamp, body.as_bytes())?;
        let headers =
            format!("webhook-id: {id}\r\nwebhook-timestamp: {timestamp}\r\nwebhook-signature: {signature}\r\n");
        connection.exchange(&request("POST", "/hook", &headers, &body)).await?;
    }
    Ok(())
}
