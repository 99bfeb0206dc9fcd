//! Dead letters, as operators see and judge them.

use std::sync::Arc;

use entities::audit;
use fixtures::{TestDatabase, on_both};
use payments::Permission;
use poem::{EndpointExt, test::TestClient};
use sea_orm::{EntityTrait, QueryFilter, QueryOrder, prelude::*};
use serde_json::{Value, json};

use crate::{
    app::{self, TestApp},
    letters::{Weather, Worker, foreseer, garbled, opening},
};

const BASE: &str = "/api/v1/operations/dead-letters";
const OPERATOR: &[Permission] = &[Permission::Operations];

/// The API over jobs that depend on the weather, with editing switched on.
pub(crate) async fn operated(database: TestDatabase, weather: &Arc<Weather>) -> TestApp {
    let mut app = TestApp::new(database).await;
    let state = app::state_with(&app.database, |parts| {
        parts.foreseer = foreseer(weather);
        parts.config.operations.edit_dead_letters = true;
    });
    app.client = TestClient::new(api::routes(state).boxed());
    app
}

async fn acts(app: &TestApp, action: &str) -> Vec<audit::Model> {
    let acts = audit::Entity::find().filter(audit::Column::Action.eq(action)).order_by_asc(audit::Column::Id);
    acts.all(&*app.database.db).await.unwrap()
}

fn ids(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|letter| letter["id"].as_str().unwrap()).collect()
}

on_both!(letters_are_found_grouped_and_understood, async |database: TestDatabase| {
    let weather = Arc::default();
    let app = operated(database, &weather).await;
    let (worker, node) = (Worker::start(&app.database, &weather).await, app.merchant.node_id);
    let letters = worker.kill(vec![opening(node), opening(node), opening(node)]).await;
    worker.kill(vec![opening(app.stranger.node_id), garbled()]).await;
    let token = app.token_on(node, OPERATOR).await;

    let first = app.get(&token, &format!("{BASE}?per_page=2")).await.expect(200).body;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = app.get(&token, &format!("{BASE}?per_page=2&cursor={cursor}")).await.expect(200).body;
    let newest_first: Vec<String> = letters.iter().rev().map(|letter| letter.id.to_string()).collect();
    assert_eq!([ids(&first), ids(&second)].concat(), newest_first, "the node's own, and no other");
    assert!(second["next_cursor"].is_null() && first["items"][0]["body"].is_null());
    let payment = letters[0].payment_id.unwrap();
    for query in [format!("payment_id={payment}"), format!("text={payment}"), format!("bodies=true&text={payment}")] {
        let found = app.get(&token, &format!("{BASE}?{query}")).await.expect(200).body;
        assert_eq!(ids(&found), [letters[0].id.to_string()], "{query}");
        assert_eq!(found["items"][0]["body"].is_string(), query.starts_with("bodies"), "{found}");
    }
    for none in
        ["queue=other.v1", "kind=x", "origin=broker", "error_code=x", "state=resolved", "before=2020-01-01T00:00:00Z"]
    {
        assert!(ids(&app.get(&token, &format!("{BASE}?{none}")).await.expect(200).body).is_empty(), "{none}");
    }
    app.get(&token, &format!("{BASE}?cursor=nonsense")).await.problem(400, "validation_failed");

    let groups = app.get(&token, &format!("{BASE}/groups")).await.expect(200).body;
    let group = &groups["items"][0];
    assert_eq!(
        (&groups["complete"], &group["letters"], &group["error_code"]),
        (&json!(true), &json!(3), &json!("node_down"))
    );
    assert_eq!(group["fingerprint"], letters[0].fingerprint);

    let path = format!("{BASE}/{}", letters[0].id);
    let details = app.get(&token, &path).await.expect(200).body;
    assert_eq!(
        (&details["outlook"], &details["outlook_reason"]),
        (&json!("would_fail_again"), &json!("the node is down"))
    );
    assert_eq!(details["letter"]["headers"]["payment_id"], payment.to_string());
    assert_eq!(details["deaths"].as_array().unwrap().len(), 1);
    weather.clear();
    assert_eq!(app.get(&token, &path).await.expect(200).body["outlook"], "would_resume");
});

on_both!(operators_see_the_letters_of_their_nodes, async |database: TestDatabase| {
    let weather = Arc::default();
    let app = operated(database, &weather).await;
    let worker = Worker::start(&app.database, &weather).await;
    let letters = worker.kill(vec![opening(app.merchant.node_id)]).await;
    let all = worker.kill(vec![garbled()]).await;
    let (own, of_nobody) = (letters[0].id, all[1].id);
    let token = app.token_on(app.merchant.node_id, OPERATOR).await;
    let stranger = app.token_on(app.stranger.node_id, OPERATOR).await;
    for (token, id) in [(&stranger, own), (&stranger, of_nobody), (&token, of_nobody)] {
        app.get(token, &format!("{BASE}/{id}")).await.problem(403, "node_out_of_reach");
        for act in ["discard", "restore", "edit"] {
            let body = json!({ "reason": "it is not mine", "body": "{}" });
            let body = if act == "edit" { body } else { json!({ "reason": "it is not mine" }) };
            app.post(token, &format!("{BASE}/{id}/{act}"), &body).await.problem(403, "node_out_of_reach");
        }
    }
    let none = json!({ "filter": {}, "reason": "it is not mine" });
    let discarded = app.post(&stranger, &format!("{BASE}/discard"), &none).await.expect(200).body;
    assert_eq!(discarded, json!({ "changed": 0, "complete": true }));
    assert!(ids(&app.get(&stranger, BASE).await.expect(200).body).is_empty());
    assert!(acts(&app, "dead_letters.discard").await.is_empty(), "nothing was done");

    // An admin reaches every node, and with them what is about none.
    app.user("root", "481516", None).await;
    let admin = app.login("root", "481516").await.expect(200).cookie("accessToken").unwrap();
    let admin = admin.split(['=', ';']).nth(1).unwrap();
    assert_eq!(ids(&app.get(admin, BASE).await.expect(200).body), [of_nobody.to_string(), own.to_string()]);
});

on_both!(letters_are_discarded_and_restored_with_a_reason, async |database: TestDatabase| {
    let weather = Arc::default();
    let app = operated(database, &weather).await;
    let (worker, node) = (Worker::start(&app.database, &weather).await, app.merchant.node_id);
    let letters = worker.kill(vec![opening(node), opening(node), opening(node)]).await;
    let token = app.token_on(node, OPERATOR).await;
    let (id, reason) = (letters[0].id, json!({ "reason": "nobody wants it any more" }));
    let discard = format!("{BASE}/{id}/discard");
    assert_eq!(app.post(&token, &discard, &json!({ "reason": "x" })).await.pointers(), ["/reason"]);
    let letter = app.post(&token, &discard, &reason).await.expect(200).body;
    assert_eq!((&letter["state"], &letter["state_reason"]), (&json!("discarded"), &reason["reason"]));
    let consequence = letter["consequence"].as_str().unwrap();
    assert!(consequence.contains("deal is not opened") && consequence.contains("safety net"), "{consequence}");
    let problem = app.post(&token, &discard, &reason).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("is discarded"), "{problem}");
    let restored = app.post(&token, &format!("{BASE}/{id}/restore"), &reason).await.expect(200).body;
    assert_eq!((&restored["state"], &restored["consequence"]), (&json!("dead"), &json!(null)));
    app.post(&token, &format!("{BASE}/{id}/restore"), &reason).await.problem(409, "conflict");
    let of_one = acts(&app, "dead_letter.discard").await;
    assert_eq!((of_one.len(), &of_one[0].object_id), (1, &id.to_string()));
    assert_eq!(of_one[0].data["reason"], reason["reason"]);

    let many = json!({ "filter": { "queue": "open_deal.v1" }, "reason": "nobody wants them any more" });
    for (what, state) in [("discard", "discarded"), ("restore", "dead")] {
        let changed = app.post(&token, &format!("{BASE}/{what}"), &many).await.expect(200).body;
        assert_eq!(changed, json!({ "changed": 3, "complete": true }));
        assert_eq!(ids(&app.get(&token, &format!("{BASE}?state={state}")).await.expect(200).body).len(), 3);
        assert_eq!(acts(&app, &format!("dead_letters.{what}")).await[0].data["letters"], 3);
    }
    let unknown = json!({ "filter": { "quue": "open_deal.v1" }, "reason": "a typo must not discard everything" });
    app.post(&token, &format!("{BASE}/discard"), &unknown).await.problem(400, "validation_failed");
});

on_both!(no_edit_makes_a_letter_about_somebody_elses_payment, async |database: TestDatabase| {
    let weather = Arc::default();
    let app = operated(database, &weather).await;
    let (worker, node) = (Worker::start(&app.database, &weather).await, app.merchant.node_id);
    let letter = worker.kill(vec![opening(node)]).await.remove(0);
    let acceptor = payments::Acceptor::start(app.database.db.clone());
    let theirs = acceptor.accept(&app.stranger.caller(), app.stranger.payment("theirs")).await.unwrap().payment.id;
    let token = app.token_on(node, OPERATOR).await;
    let edit = json!({ "body": json!({ "payment_id": theirs }).to_string(), "reason": "it named another payment" });
    app.post(&token, &format!("{BASE}/{}/edit", letter.id), &edit).await.expect(403);
    let same = app.get(&token, &format!("{BASE}/{}", letter.id)).await.expect(200).body;
    assert_eq!(same["letter"]["state"], "dead", "and nothing was changed");
});

on_both!(an_edited_letter_is_a_new_one, async |database: TestDatabase| {
    let weather = Arc::default();
    let app = operated(database, &weather).await;
    let (worker, node) = (Worker::start(&app.database, &weather).await, app.merchant.node_id);
    let letter = worker.kill(vec![opening(node)]).await.remove(0);
    let token = app.token_on(node, OPERATOR).await;
    let path = format!("{BASE}/{}/edit", letter.id);
    let other = uuid::Uuid::now_v7();
    let edit = |body: Value| json!({ "body": body.to_string(), "reason": "it named another payment" });
    let wrong = edit(json!({ "payment_id": other, "amount": 17 }));
    assert_eq!(app.post(&token, &path, &wrong).await.pointers(), ["/body"]);
    let edited = app.post(&token, &path, &edit(json!({ "payment_id": other }))).await.expect(200).body;
    assert_eq!(edited["changes"][0]["after"], other.to_string());
    assert_ne!(edited["message_id"], letter.message_id.to_string(), "no inbox takes it for the old one");
    let old = app.get(&token, &format!("{BASE}/{}", letter.id)).await.expect(200).body;
    assert_eq!((&old["letter"]["state"], &old["letter"]["replaced_by"]), (&json!("replaced"), &edited["id"]));
    app.post(&token, &path, &edit(json!({ "payment_id": other }))).await.problem(409, "conflict");
    let act = acts(&app, "dead_letter.edit").await.remove(0);
    assert_eq!((&act.data["new_id"], &act.data["changes"][0]["pointer"]), (&edited["id"], &json!("/payment_id")));

    // It is off unless the configuration says otherwise.
    let state = app::state(&app.database, |_| {});
    let app = TestApp { client: TestClient::new(api::routes(state).boxed()), ..app };
    let new = format!("{BASE}/{}/edit", edited["id"].as_str().unwrap());
    let problem = app.post(&token, &new, &edit(json!({ "payment_id": other }))).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("operations.edit_dead_letters"), "{problem}");
});
