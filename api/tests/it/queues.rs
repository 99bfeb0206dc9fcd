//! How the queues stand, as operators see it.

use std::sync::Arc;

use fixtures::{TestDatabase, on_both};
use futures_util::FutureExt as _;
use payments::Permission;
use poem::{EndpointExt, test::TestClient};
use serde_json::{Value, json};

use crate::app::{self, TestApp, send};

fn queue<'a>(list: &'a Value, name: &str) -> &'a Value {
    let queues = list["items"].as_array().unwrap();
    queues.iter().find(|queue| queue["name"] == name).unwrap_or_else(|| panic!("{name} is missing in {list}"))
}

on_both!(shows_what_waits_in_every_queue, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    app.created(&token, "one").await;
    let list = app.get(&token, "/api/v1/operations/queues").await.expect(200).body;
    for name in payments::jobs::QUEUES {
        assert_eq!(queue(&list, name)["workers"], 0, "{name}");
    }
    let opening = queue(&list, "open_deal.v1");
    let messages = opening["waiting"].as_u64().unwrap() + opening["taken"].as_u64().unwrap();
    assert_eq!((messages, &opening["ready"], &opening["problem"]), (1, &Value::Null, &Value::Null), "{opening}");
    assert_eq!((&opening["done_per_second"], &opening["dead_letters"]), (&json!(0.0), &json!(0)));
});

on_both!(reports_what_the_broker_says, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let state = app::state_with(&app.database, |parts| {
        parts.depth = Some(Arc::new(|queue: &str| {
            let depth = if queue == "open_deal.v1" { Ok(17) } else { Err("no connection".to_owned()) };
            async move { depth }.boxed()
        }));
    });
    let client = TestClient::new(api::routes(state).boxed());
    let token = app.token_on(app.merchant.node_id, &[Permission::Operations]).await;
    let request = client.get("/api/v1/operations/queues").header("authorization", format!("Bearer {token}"));
    let list = send(request).await.expect(200).body;
    assert_eq!(queue(&list, "open_deal.v1")["ready"], 17);
    let expiring = queue(&list, "expire_payment.v1");
    assert_eq!((&expiring["ready"], &expiring["problem"]), (&Value::Null, &json!("no connection")));
});
