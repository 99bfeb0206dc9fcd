//! Reading events in their order, page by page and as a stream.

use ::webhooks::{Outgoing, fan_out};
use entities::{EventId, NodeId, event, now};
use fixtures::{TestDatabase, on_both};
use payments::Permission;
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::app::{TestApp, send};

const PATH: &str = "/api/v1/events";

/// Announces events of these types at a node, as the worker does.
async fn announce(app: &TestApp, node_id: NodeId, names: &[&str]) -> Vec<String> {
    let outgoing = |name: &&str| {
        let id = EventId::new();
        let data = json!({ "price": 1.50, "price_text": "1.50" });
        let body = json!({ "id": id, "type": name, "occurred_at": "2030-01-31T11:00:00.000001Z", "sequence": 1, "data": data });
        Outgoing {
            others: Vec::new(),
            id,
            name: (*name).to_owned(),
            operators: name.starts_with("dead_letter"),
            node_id,
            payment_id: None,
            wallet_id: None,
            network_id: None,
            sequence: Some(1),
            occurred_at: now(),
            body: body.to_string(),
        }
    };
    let events: Vec<Outgoing> = names.iter().map(outgoing).collect();
    let mut tx = app.database.db.begin().await.unwrap();
    let _ = fan_out(&mut tx, &events).await.unwrap();
    tx.commit().await.unwrap();
    events.iter().map(|event| event.id.to_string()).collect()
}

fn ids(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect()
}

on_both!(pages_go_on_behind_the_last_event, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let empty = app.get(&token, PATH).await.expect(200).body;
    assert_eq!(empty, json!({ "items": [], "next": null, "has_more": false }));

    let names = ["payment.created", "payment.open", "payment.paid", "payment.open", "payout.paid"];
    let written = announce(&app, app.merchant.node_id, &names).await;
    let first = app.get(&token, &format!("{PATH}?limit=2")).await.expect(200).body;
    assert_eq!((ids(&first), &first["has_more"]), (vec![&*written[0], &*written[1]], &json!(true)));
    assert_eq!(first["items"][0]["type"], "payment.created");
    assert_eq!(first["items"][0]["data"], json!({ "price": 1.50, "price_text": "1.50" }), "as webhooks have it");
    assert_eq!(first["next"], json!(written[1]));
    let rest = app.get(&token, &format!("{PATH}?limit=3&after={}", written[1])).await.expect(200).body;
    assert_eq!((ids(&rest).len(), &rest["has_more"], &rest["next"]), (3, &json!(false), &json!(written[4])));
    let end = app.get(&token, &format!("{PATH}?after={}", written[4])).await.expect(200).body;
    assert_eq!((ids(&end).len(), &end["next"]), (0, &json!(written[4])), "the next time begins at the same place");

    let newest = app.get(&token, &format!("{PATH}?newest=true&limit=2")).await.expect(200).body;
    assert_eq!((ids(&newest), &newest["next"]), (vec![&*written[4], &*written[3]], &json!(written[4])));

    let open = app.get(&token, &format!("{PATH}?type=payment.open&limit=1")).await.expect(200).body;
    assert_eq!((ids(&open), &open["has_more"]), (vec![&*written[1]], &json!(true)));
    let open = app.get(&token, &format!("{PATH}?type=payment.open&after={}", written[1])).await.expect(200).body;
    assert_eq!((ids(&open), &open["next"]), (vec![&*written[3]], &json!(written[4])), "what was left out is behind us");
    let payments = app.get(&token, &format!("{PATH}?type=payment.*")).await.expect(200).body;
    assert_eq!(ids(&payments), written[..4]);

    let unknown = app.get(&token, &format!("{PATH}?after={}", EventId::new())).await;
    assert_eq!(unknown.pointers(), ["/after"]);
});

on_both!(each_sees_what_is_theirs, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let theirs = announce(&app, app.stranger.node_id, &["payment.paid"]).await;
    let letter = announce(&app, app.merchant.node_id, &["dead_letter.created"]).await;
    let own = announce(&app, app.merchant.node_id, &["payment.paid"]).await;

    let shop = app.token_on(app.merchant.node_id, &[Permission::PaymentsRead]).await;
    let page = app.get(&shop, PATH).await.expect(200).body;
    assert_eq!(ids(&page), own, "neither another tenant's nor what only operators may know");
    let foreign = app.get(&shop, &format!("{PATH}?after={}", theirs[0])).await;
    assert_eq!(foreign.pointers(), ["/after"], "as one that is not there");
    let operator = app.token_on(app.merchant.node_id, &[Permission::PaymentsRead, Permission::Operations]).await;
    let page = app.get(&operator, PATH).await.expect(200).body;
    assert_eq!(ids(&page), [letter, own].concat());
    app.get(&shop, &format!("{PATH}?node_id={}", app.stranger.node_id)).await.problem(403, "node_out_of_reach");
});

on_both!(a_stream_continues_where_it_was_cut_off, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let written = announce(&app, app.merchant.node_id, &["payment.created", "payment.open"]).await;
    let request = app.client.get(format!("{PATH}/stream?for_s=1")).header("authorization", format!("Bearer {token}"));
    let continued = send(request.header("last-event-id", &written[0])).await.expect(200);
    assert_eq!(continued.header("content-type"), "text/event-stream");
    assert!(continued.text.contains(&format!("id: {}", written[1])), "{}", continued.text);
    assert!(!continued.text.contains(&written[0]), "{}", continued.text);
    let data = continued.text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(data).unwrap()["type"], "payment.open");

    // Without a place to continue at it begins now, and what happens meanwhile comes as it happens.
    let later = async {
        while event::Entity::find().all(&*app.database.db).await.unwrap().len() < 3 {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            announce(&app, app.merchant.node_id, &["payment.paid"]).await;
        }
    };
    let request = app.client.get(format!("{PATH}/stream?for_s=5&type=payment.paid"));
    let stream = send(request.header("authorization", format!("Bearer {token}")));
    let (live, ()) = tokio::join!(stream, later);
    assert_eq!(live.text.matches("\"type\":\"payment.paid\"").count(), 1, "{}", live.text);
    assert!(written.iter().all(|id| !live.text.contains(id)), "{}", live.text);
});
