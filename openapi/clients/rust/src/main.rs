//! Creates a payment, reads and cancels it with a client that openapi-generator (rust) has generated, or verifies an event:
//! `main_job pay BOOTSTRAP_JSON`, `main_job verify EVENT_JSON`.

use std::{error::Error, time::Duration};

use http::HeaderMap;
use quittance_client::{
    apis::{
        authentication_api::authenticate,
        configuration::Configuration,
        payments_api::{cancel_payment, create_payment, get_payment},
    },
    models::{Credentials, EventPaymentChanged, Money, NewPayment, NewPaymentMethod, PaymentGroup, PaymentStatus},
};
use serde_json::Value;
use standardwebhooks::Webhook;
use uuid::Uuid;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let given: Value = serde_json::from_str(&std::fs::read_to_string(&arguments[2])?)?;
    match arguments[1].as_str() {
        "pay" => pay(&given).await,
        _ => verify(&given),
    }
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| format!("{value} is no text"))
}

async fn pay(bootstrap: &Value) -> Result<(), Box<dyn Error>> {
    let mut client = Configuration { base_path: text(&bootstrap["base_url"])?.to_owned(), ..Configuration::new() };
    let integration = &bootstrap["integration"];
    let credentials =
        Credentials::new(text(&integration["api_key"])?.to_owned(), text(&integration["secret_key"])?.to_owned());
    client.bearer_access_token = Some(authenticate(&client, None, None, Some(credentials)).await?.access_token);
    let id = |value: &Value| -> Result<Uuid, Box<dyn Error>> { Ok(text(value)?.parse()?) };
    let order = format!("rust-{}", Uuid::new_v4());
    let wanted = NewPayment::new(
        id(&bootstrap["currencies"]["USDT"])?,
        (chrono::Utc::now() + chrono::TimeDelta::hours(1)).fixed_offset(),
        order.clone(),
        id(&bootstrap["network_id"])?,
        id(&bootstrap["node_id"])?,
        Money::Number(12.5),
        "0x70997970c51812dc3a010c7d01b50e0d17dc79c8".to_owned(),
        PaymentGroup::Product,
        NewPaymentMethod::Web3,
        Money::String("12.50".to_owned()),
    );
    let created = create_payment(&client, wanted, Some(&order)).await?;
    assert_eq!(created.price_text, "12.5");
    let id = created.id.to_string();
    cancel_payment(&client, &id, None).await?;
    for _ in 0..240 {
        if get_payment(&client, &id).await?.status == PaymentStatus::Canceled {
            println!("{id}");
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Err(format!("{id} is still not canceled").into())
}

fn verify(received: &Value) -> Result<(), Box<dyn Error>> {
    let mut headers = HeaderMap::new();
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        headers.insert(name, text(&received["headers"][name])?.parse()?);
    }
    let body = text(&received["body"])?;
    Webhook::new(text(&received["secret"])?)?.verify(body.as_bytes(), &headers)?;
    let event: EventPaymentChanged = serde_json::from_str(body)?;
    println!("{} {}", event.r#type, event.data.payment.id);
    Ok(())
}
