//! Redrive runs over the API, with real jobs and a real conductor.

use std::sync::Arc;

use entities::audit;
use fixtures::{TestDatabase, on_both};
use payments::Permission;
use sea_orm::{EntityTrait, QueryFilter, prelude::*};
use serde_json::{Value, json};

use crate::{
    app::TestApp,
    dead_letters::operated,
    letters::{Worker, garbled, opening, until},
};

const BASE: &str = "/api/v1/operations/redrives";
const OPERATOR: &[Permission] = &[Permission::Operations];

async fn acts(app: &TestApp) -> Vec<String> {
    let acts = audit::Entity::find().filter(audit::Column::ObjectType.eq("redrive"));
    let acts = acts.all(&*app.database.db).await.unwrap();
    let mut acts: Vec<String> = acts.into_iter().map(|act| act.action).collect();
    acts.sort();
    acts
}

fn path(run: &Value, what: &str) -> String {
    format!("{BASE}/{}{what}", run["id"].as_str().unwrap())
}

on_both!(what_died_is_replayed_once_the_weather_is_fair, async |database: TestDatabase| {
    let weather = Arc::default();
    let app = operated(database, &weather).await;
    let (worker, node) = (Worker::start(&app.database, &weather).await, app.merchant.node_id);
    worker.kill(vec![opening(node), opening(node), opening(node), opening(app.stranger.node_id), garbled()]).await;
    let token = app.token_on(node, OPERATOR).await;
    let dry_run = async || {
        let new_run = json!({ "filter": { "error_code": "node_down" } });
        app.post(&token, &format!("{BASE}/dry-run"), &new_run).await.expect(200).body
    };
    let plan = dry_run().await;
    assert_eq!((&plan["matching"], &plan["would_replay"], &plan["examined"]), (&json!(3), &json!(3), &json!(3)));
    assert_eq!(
        (&plan["outlooks"][0]["outlook"], &plan["outlooks"][0]["letters"]),
        (&json!("would_fail_again"), &json!(3))
    );
    weather.clear();
    let plan = dry_run().await;
    assert_eq!(plan["outlooks"][0]["outlook"], "would_resume");
    assert_eq!((&plan["groups"]["items"][0]["letters"], plan["samples"].as_array().unwrap().len()), (&json!(3), 3));

    let new_run = json!({ "filter": {}, "reason": "the node is back", "canary": 1, "rate_per_second": 50 });
    let run = app.post_once(&token, BASE, "again", &new_run).await.expect(201).body;
    let again = app.post_once(&token, BASE, "again", &new_run).await.expect(201).body;
    assert_eq!(run["id"], again["id"], "the same key starts no second run");
    until("it is done", async || app.get(&token, &path(&run, "")).await.expect(200).body["state"] == "done").await;
    let done = app.get(&token, &path(&run, "")).await.expect(200).body;
    let counts = ["total", "replayed", "resolved", "dead_again", "skipped", "under_way", "left"].map(|of| &done[of]);
    assert_eq!(counts.map(|count| count.as_u64().unwrap()), [3, 3, 3, 0, 0, 0, 0], "{done}");
    let letters = app.get(&token, &path(&run, "/letters?state=resolved")).await.expect(200).body;
    assert_eq!(letters["items"].as_array().unwrap().len(), 3);
    assert_eq!(acts(&app).await, ["redrive.create"]);
});

on_both!(runs_are_held_and_ended_with_a_reason, async |database: TestDatabase| {
    let weather = Arc::default();
    let app = operated(database, &weather).await;
    let node = app.merchant.node_id;
    drop({
        let worker = Worker::start(&app.database, &weather).await;
        worker.kill(vec![opening(node)]).await;
        worker
    });
    let token = app.token_on(node, OPERATOR).await;
    let run = app.post(&token, BASE, &json!({ "filter": {}, "reason": "a try" })).await.expect(201).body;
    let defaults = ["rate_per_second", "canary", "stop_percent"].map(|of| run[of].as_u64().unwrap());
    assert_eq!((defaults, &run["limit"]), ([20, 5, 20], &Value::Null));
    let reason = json!({ "reason": "lunch" });
    assert_eq!(app.post(&token, &path(&run, "/pause"), &reason).await.expect(200).body["state"], "paused");
    let problem = app.post(&token, &path(&run, "/pause"), &reason).await.problem(409, "conflict");
    assert!(problem["detail"].as_str().unwrap().contains("is paused"), "{problem}");
    let listed = app.get(&token, &format!("{BASE}?state=paused")).await.expect(200).body;
    assert_eq!((&listed["items"][0]["id"], &listed["items"][0]["state_reason"]), (&run["id"], &json!("lunch")));
    assert_eq!(app.post(&token, &path(&run, "/resume"), &reason).await.expect(200).body["state"], "claiming");
    assert_eq!(app.post(&token, &path(&run, "/abort"), &reason).await.expect(200).body["state"], "aborted");
    for act in ["pause", "resume", "abort"] {
        app.post(&token, &path(&run, &format!("/{act}")), &reason).await.problem(409, "conflict");
    }
    assert_eq!(acts(&app).await, ["redrive.abort", "redrive.create", "redrive.pause", "redrive.resume"]);
});

on_both!(runs_of_others_are_out_of_reach, async |database: TestDatabase| {
    let app = operated(database, &Arc::default()).await;
    let token = app.token_on(app.merchant.node_id, OPERATOR).await;
    let stranger = app.token_on(app.stranger.node_id, OPERATOR).await;
    let create =
        async |token: &str| app.post(token, BASE, &json!({ "filter": {}, "reason": "a try" })).await.expect(201).body;
    let mine = [create(&token).await, create(&token).await, create(&token).await];
    let theirs = create(&stranger).await;
    for what in ["", "/letters"] {
        app.get(&stranger, &path(&mine[0], what)).await.problem(403, "node_out_of_reach");
    }
    for act in ["pause", "resume", "abort"] {
        let answer = app.post(&stranger, &path(&mine[0], &format!("/{act}")), &json!({ "reason": "it is mine" })).await;
        answer.problem(403, "node_out_of_reach");
    }
    let page = app.get(&stranger, BASE).await.expect(200).body;
    assert_eq!((page["items"].as_array().unwrap().len(), &page["items"][0]["id"]), (1, &theirs["id"]));
    let first = app.get(&token, &format!("{BASE}?per_page=2")).await.expect(200).body;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = app.get(&token, &format!("{BASE}?per_page=2&cursor={cursor}")).await.expect(200).body;
    let ids = [&first["items"][0], &first["items"][1], &second["items"][0]].map(|run| &run["id"]);
    assert_eq!(ids, [&mine[2]["id"], &mine[1]["id"], &mine[0]["id"]]);
    assert!(second["next_cursor"].is_null());
    let none = uuid::Uuid::now_v7();
    app.get(&token, &format!("{BASE}/{none}")).await.problem(404, "not_found");
});
