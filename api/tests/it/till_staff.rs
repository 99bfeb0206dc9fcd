//! The contract of the point of sale: users, roles and permissions. Signing in has tests of its own.

use fixtures::{TestDatabase, on_both};
use payments::Permission;
use serde_json::{Value, json};

use crate::{
    app::{Answer, TestApp, send},
    till::entry,
};

async fn put(app: &TestApp, token: &str, role: &str, permissions: Value) -> Answer {
    let request = app.client.put(format!("/roles/{role}/permissions"));
    let request = request.header("authorization", format!("Bearer {token}"));
    send(request.body_json(&json!({ "permissions": permissions }))).await
}

async fn sign_in(app: &TestApp, name: &str, pin: &str) -> String {
    let login = app.login(name, pin).await.expect(200);
    login.cookie("accessToken").unwrap().split(['=', ';']).nth(1).unwrap().to_owned()
}

on_both!(a_cashier_comes_to_be_and_goes, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    app.user("root", "481516", None).await;
    let admin = sign_in(&app, "root", "481516").await;
    let role = app.post(&admin, "/roles", &json!({ "role": "Cashier" })).await.expect(201).body;
    assert_eq!(role["message"], "Role created successfully");
    let role = role["id"].as_str().unwrap().to_owned();
    let assigned = put(&app, &admin, &role, json!(["payments_read", "payments_create"])).await.expect(200).body;
    assert_eq!(assigned, json!({ "roleId": role, "assigned": ["payments_create", "payments_read"] }));
    let user = app.post(&admin, "/users", &json!({ "name": "ada", "pin": "4711", "role": role })).await.id();
    let ada = sign_in(&app, "ada", "4711").await;
    app.post(&ada, "/payments", &entry("till-1")).await.expect(201);
    app.delete(&ada, "/payments/nonsense").await.message(403);
    // A role's new permissions count at once; they take the place of those before.
    put(&app, &admin, &role, json!(["payments_read"])).await.expect(200);
    app.post(&ada, "/payments", &entry("till-2")).await.message(403);
    app.get(&ada, "/payments").await.expect(200);
    let me = app.get(&ada, "/users/me").await.expect(200).body;
    assert_eq!((&me["user"]["user_id"], &me["user"]["role_id"]), (&json!(user), &json!(role)));
    let names: Vec<&Value> = me["perms"].as_array().unwrap().iter().map(|permission| &permission["name"]).collect();
    assert_eq!(names, ["payments_read"]);

    app.delete(&admin, &format!("/roles/{role}")).await.message(409);
    app.delete(&admin, &format!("/users/{user}")).await.nothing();
    app.delete(&admin, &format!("/users/{user}")).await.message(404);
    app.get(&ada, "/users/me").await.message(401);
    app.login("ada", "4711").await.message(401);
    app.delete(&admin, &format!("/roles/{role}")).await.nothing();
    app.delete(&admin, &format!("/roles/{role}")).await.message(404);
});

on_both!(post_users_and_roles_refuse, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    app.user("root", "481516", None).await;
    let admin = sign_in(&app, "root", "481516").await;
    let role = app.post(&admin, "/roles", &json!({ "role": "Cashier" })).await.id();
    app.post(&admin, "/roles", &json!({ "role": "Cashier" })).await.message(409);
    for wrong in [json!({}), json!({ "role": "" }), json!({ "role": " " }), json!({ "role": 7 })] {
        app.post(&admin, "/roles", &wrong).await.message(400);
    }
    let user = |name: &str, pin: &str, role: &str| json!({ "name": name, "pin": pin, "role": role });
    for wrong in [
        user("ada", "123", &role),
        user("ada", "12a4", &role),
        user("", "4711", &role),
        json!({ "name": "ada", "pin": "4711" }),
        json!({ "name": "ada", "role": role }),
    ] {
        app.post(&admin, "/users", &wrong).await.message(400);
    }
    app.post(&admin, "/users", &user("ada", "4711", "nonsense")).await.message(404);
    app.post(&admin, "/users", &user("ada", "4711", &role)).await.expect(201);
    app.post(&admin, "/users", &user("ada", "4712", &role)).await.message(409);
    put(&app, &admin, &role, json!(["payments_fly"])).await.message(400);
    put(&app, &admin, &role, json!("payments_read")).await.message(400);
    put(&app, &admin, &uuid::Uuid::now_v7().to_string(), json!([])).await.message(404);
    put(&app, &admin, "nonsense", json!([])).await.message(404);
    let built_in = "00000000-0000-7000-8000-0000000000a4";
    app.delete(&admin, &format!("/roles/{built_in}")).await.message(409);
});

on_both!(nobody_gives_what_they_do_not_have, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let root = app.user("root", "481516", None).await;
    let admin = sign_in(&app, "root", "481516").await;
    let role = app.post(&admin, "/roles", &json!({ "role": "Cashier" })).await.id();
    let strong = app.post(&admin, "/roles", &json!({ "role": "Manager" })).await.id();
    put(&app, &admin, &strong, json!(["nodes_manage"])).await.expect(200);
    let staff = [Permission::RolesUpdate, Permission::RolesDelete, Permission::UsersCreate, Permission::UsersDelete];
    let weak = app.token_on(app.merchant.node_id, &staff).await;
    put(&app, &weak, &role, json!(["users_create"])).await.expect(200);
    put(&app, &weak, &role, json!(["payments_read"])).await.message(403);
    put(&app, &weak, &strong, json!([])).await.message(403);
    let admins = app.get(&admin, "/users/me").await.expect(200).body["user"]["role_id"].clone();
    for above in [json!(strong), admins] {
        let body = json!({ "name": "eve", "pin": "4711", "role": above });
        assert_eq!(app.post(&weak, "/users", &body).await.message(403), "Permission required");
    }
    app.delete(&weak, &format!("/users/{root}")).await.message(403);
    app.delete(&admin, &format!("/users/{root}")).await.message(409);
    app.delete(&weak, &format!("/roles/{strong}")).await.message(403);
    let elsewhere = app.token_on(app.stranger.node_id, Permission::ALL).await;
    let ada = app.post(&admin, "/users", &json!({ "name": "ada", "pin": "4711", "role": role })).await.id();
    app.delete(&elsewhere, &format!("/users/{ada}")).await.message(403);
});

on_both!(get_permissions_lists_all, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let token = app.token_on(app.merchant.node_id, &[Permission::PermissionsRead]).await;
    let all = app.get(&token, "/permissions").await.expect(200).body;
    assert_eq!(all.as_array().unwrap().len(), Permission::ALL.len());
    for permission in all.as_array().unwrap() {
        let fields: Vec<&String> = permission.as_object().unwrap().keys().collect();
        assert_eq!(fields.len(), 4, "{fields:?}");
    }
    for name in ["payments_read", "payments_create", "payments_update", "payments_delete", "tickets_create"] {
        assert!(all.as_array().unwrap().iter().any(|permission| permission["name"] == name), "{name}");
    }
    let weak = app.token_on(app.merchant.node_id, &[Permission::PaymentsRead]).await;
    assert_eq!(app.get(&weak, "/permissions").await.message(403), "Permission required");
});
