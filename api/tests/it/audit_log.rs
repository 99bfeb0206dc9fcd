//! Who has done what, as operators read it.

use fixtures::{TestDatabase, on_both};
use serde_json::json;

use crate::app::TestApp;

const PATH: &str = "/api/v1/operations/audit";

on_both!(acts_are_listed_newest_first_by_what_whom_and_to_what, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let mut made = Vec::new();
    for name in ["one", "two", "three"] {
        let node = json!({ "parent_id": app.merchant.node_id, "name": name });
        made.push(app.post(&token, "/api/v1/nodes", &node).await.expect(201).body["id"].clone());
    }
    let all = app.get(&token, PATH).await.expect(200).body;
    let (newest, actions) = (&all["items"][0], format!("{PATH}?action=node.create"));
    assert_eq!(
        (&newest["action"], &newest["object_type"], &newest["object_id"]),
        (&json!("node.create"), &json!("node"), &made[2])
    );
    assert_eq!(newest["actor_type"], "integration");

    let first = app.get(&token, &format!("{actions}&per_page=2")).await.expect(200).body;
    let objects: Vec<_> = first["items"].as_array().unwrap().iter().map(|entry| &entry["object_id"]).collect();
    assert_eq!(objects, [&made[2], &made[1]]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = app.get(&token, &format!("{actions}&cursor={cursor}")).await.expect(200).body;
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next_cursor"]), (1, &json!(null)));

    let of_one = format!("{PATH}?object_type=node&object_id={}", made[0].as_str().unwrap());
    assert_eq!(app.get(&token, &of_one).await.expect(200).body["items"].as_array().unwrap().len(), 1);
    let actor = newest["actor_id"].as_str().unwrap();
    let of_actor = app.get(&token, &format!("{PATH}?actor_id={actor}&per_page=100")).await.expect(200).body;
    assert!(of_actor["items"].as_array().unwrap().len() >= 3);
    let nobody = format!("{PATH}?actor_id={}", uuid::Uuid::now_v7());
    assert_eq!(app.get(&token, &nobody).await.expect(200).body["items"], json!([]));
    assert_eq!(app.get(&token, &format!("{PATH}?cursor=x")).await.pointers(), ["/cursor"]);
});
