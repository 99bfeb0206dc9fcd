//! Lists of payments.

use fixtures::{TestDatabase, on_both};
use payments::Permission;
use serde_json::{Value, json};

use crate::app::TestApp;

fn ids(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["external_id"].as_str().unwrap()).collect()
}

on_both!(pages_are_newest_first_and_bounded, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    for index in 0..12 {
        app.created(&token, &format!("p{index:02}")).await;
    }
    let path = format!("/api/v1/payments?node_id={}", app.merchant.node_id);
    let first = app.get(&token, &path).await.expect(200).body;
    assert_eq!(ids(&first), ["p11", "p10", "p09", "p08", "p07", "p06", "p05", "p04", "p03", "p02"]);
    assert_eq!((&first["page"], &first["per_page"], &first["total"]), (&json!(1), &json!(10), &json!(12)));
    assert_eq!(first["items"][0]["access_token"], json!(null), "lists hand out no tokens");
    let second = app.get(&token, &format!("{path}&page=2")).await.expect(200).body;
    assert_eq!(ids(&second), ["p01", "p00"]);
    assert_eq!(second["next_cursor"], json!(null));
    let beyond = app.get(&token, &format!("{path}&page=2147483647&per_page=100")).await.expect(200).body;
    assert_eq!((ids(&beyond).len(), &beyond["total"]), (0, &json!(12)));

    let mut walked = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = app.get(&token, &format!("{path}&per_page=5{cursor}")).await.expect(200).body;
        walked.extend(ids(&page).into_iter().map(str::to_owned));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(walked, (0..12).rev().map(|index| format!("p{index:02}")).collect::<Vec<_>>());
});

on_both!(refuses_wrong_parameters_by_name, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let node = app.merchant.node_id;
    assert_eq!(app.get(&token, "/api/v1/payments").await.pointers(), ["/node_id"]);
    assert_eq!(app.get(&token, "/api/v1/payments?node_id=x").await.pointers(), ["/node_id"]);
    for wrong in [
        "page=0",
        "page=-1",
        "page=x",
        "page=1.5",
        "page=99999999999",
        "page=",
        "per_page=0",
        "per_page=101",
        "per_page=ten",
        "status=lost",
        "payment_method=gold",
        "wallet_id=x",
        "network_id=1",
        "created_from=yesterday",
        "created_to=2030-01-01",
        "cursor=nonsense",
        "external_id=%00",
    ] {
        let answer = app.get(&token, &format!("/api/v1/payments?node_id={node}&{wrong}")).await;
        let problem = answer.problem(400, "validation_failed");
        let name = wrong.split('=').next().unwrap();
        assert_eq!(problem["errors"][0]["pointer"], format!("/{name}"), "{wrong}");
        assert_eq!(problem["errors"][0]["location"], "query");
    }
    let unknown = uuid::Uuid::now_v7();
    let problem = app.get(&token, &format!("/api/v1/payments?node_id={unknown}")).await.problem(404, "not_found");
    assert_eq!(problem["detail"], "Node not found");
});

on_both!(filters_narrow_the_list, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let merchant = &app.merchant;
    let one = app.created(&token, "one").await;
    let mut card = app.payment("card");
    card["payment_method"] = json!("credit_card");
    card["member"] = json!({ "external_id": "ada", "name": "Ada" });
    app.post(&token, "/api/v1/payments", &card).await.expect(201);
    let cancel = format!("/api/v1/payments/{}/cancel", one["id"].as_str().unwrap());
    app.post(&token, &cancel, &json!({})).await.expect(202);
    let (wallet, network, strange) = (merchant.wallet_id, merchant.network_id, app.stranger.network_id);
    let created = one["created_at"].as_str().unwrap();
    for (filter, found) in [
        ("status=canceled".to_owned(), vec!["one"]),
        ("status=paid".to_owned(), vec![]),
        ("payment_method=credit_card".to_owned(), vec!["card"]),
        ("external_id=card".to_owned(), vec!["card"]),
        (format!("wallet_id={wallet}"), vec!["card", "one"]),
        (format!("network_id={network}"), vec!["card", "one"]),
        (format!("network_id={strange}"), vec![]),
        (format!("created_from={created}"), vec!["card", "one"]),
        (format!("created_to={created}"), vec![]),
        ("status=open&payment_method=credit_card".to_owned(), vec!["card"]),
    ] {
        let path = format!("/api/v1/payments?node_id={}&{filter}", merchant.node_id);
        let list = app.get(&token, &path).await.expect(200).body;
        assert_eq!(ids(&list), found, "{filter}");
        assert_eq!(list["total"], found.len(), "{filter}");
    }
    let path = format!("/api/v1/payments?node_id={}&external_id=card", merchant.node_id);
    assert_eq!(app.get(&token, &path).await.expect(200).body["items"][0]["member"]["name"], "Ada");
});

on_both!(a_list_holds_the_nodes_below, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token().await;
    let below = app.post(&token, "/api/v1/nodes", &json!({ "name": "below" })).await.expect(201).body;
    assert!(below["path"].as_str().unwrap().starts_with("1."));
    let mut body = app.payment("below");
    body["node_id"] = below["id"].clone();
    let payment = app.post(&token, "/api/v1/payments", &body).await.expect(201).body;
    app.created(&token, "above").await;
    let list = async |node: &str| app.get(&token, &format!("/api/v1/payments?node_id={node}")).await.expect(200).body;
    assert_eq!(ids(&list(&app.merchant.node_id.to_string()).await), ["above", "below"]);
    assert_eq!(ids(&list(below["id"].as_str().unwrap()).await), ["below"]);

    let id = entities::NodeId(below["id"].as_str().unwrap().parse().unwrap());
    let theirs = app.token_on(id, Permission::ALL).await;
    let path = format!("/api/v1/payments/{}", payment["id"].as_str().unwrap());
    app.get(&theirs, &path).await.expect(200);
    let above = format!("/api/v1/payments?node_id={}", app.merchant.node_id);
    app.get(&theirs, &above).await.problem(403, "node_out_of_reach");
});
