//! The contract of the point of sale: users, roles and permissions. Signing in has tests of its own.

use fixtures::{TestDatabase, on_both};
use payments::Permission;
use serde_json::{Value, json};

use crate::{
    app::{TestApp, TestResponse, send},
    till::entry,
};

async fn put(app: &TestApp, token: &str, role: &str, permissions: Value) -> TestResponse {
    let request = app.client.put(format!("/roles/{role}/permissions"));
    let request = request.header("authorization", format!("Bearer {token}"));
    send(request.body_json(&json!({ "permissions": permissions }))).await
}

async fn change(app: &TestApp, token: &str, path: &str, body: &Value) -> TestResponse {
    send(app.client.put(path).header("authorization", format!("Bearer {token}")).body_json(body)).await
}

async fn admin_role(app: &TestApp, admin: &str) -> String {
    let me = app.get(admin, "/users/me").await.expect(200).body;
    me["user"]["role_id"].as_str().unwrap().to_owned()
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

on_both!(roles_are_listed_read_and_renamed, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    app.user("root", "481516", None).await;
    let admin = sign_in(&app, "root", "481516").await;
    let role = app.post(&admin, "/roles", &json!({ "role": "Waiter", "password": "x", "isAdmin": true })).await.id();
    let path = format!("/roles/{role}");
    let read = app.get(&admin, &path).await.expect(200).body;
    assert_eq!(read, json!({ "id": role, "role": "Waiter", "isAdmin": false }));
    let listed = app.get(&admin, "/roles").await.expect(200).body;
    assert!(listed.as_array().unwrap().contains(&read), "{listed}");
    let renamed = change(&app, &admin, &path, &json!({ "role": "Cashier" })).await.expect(200).body;
    assert_eq!(renamed, json!({ "id": role, "message": "Role updated successfully" }));
    assert_eq!(app.get(&admin, &path).await.expect(200).body["role"], "Cashier");
    app.post(&admin, "/roles", &json!({ "role": "Cook" })).await.expect(201);
    change(&app, &admin, &path, &json!({ "role": "Cook" })).await.message(409);
    for wrong in [json!({}), json!({ "role": " " }), json!({ "role": 7 })] {
        change(&app, &admin, &path, &wrong).await.message(400);
    }
    for built_in in ["00000000-0000-7000-8000-0000000000a4", admin_role(&app, &admin).await.as_str()] {
        change(&app, &admin, &format!("/roles/{built_in}"), &json!({ "role": "Mine" })).await.message(409);
    }
    let unknown = format!("/roles/{}", uuid::Uuid::now_v7());
    app.get(&admin, &unknown).await.message(404);
    change(&app, &admin, &unknown, &json!({ "role": "Nobody" })).await.message(404);

    put(&app, &admin, &role, json!(["payments_read", "tickets_update"])).await.expect(200);
    let list = app.get(&admin, &format!("{path}/permissions")).await.expect(200).body;
    let names: Vec<&Value> = list.as_array().unwrap().iter().map(|permission| &permission["name"]).collect();
    assert_eq!(names, ["payments_read", "tickets_update"]);
    assert!(list.as_array().unwrap().iter().all(|permission| permission["enabled"] == true), "{list}");
    app.get(&admin, &format!("{unknown}/permissions")).await.message(404);
    let weak = app.token_on(app.merchant.node_id, &[Permission::RolesRead]).await;
    app.get(&weak, &format!("{path}/permissions")).await.expect(200);
    assert_eq!(change(&app, &weak, &path, &json!({})).await.message(403), "Permission required");
});

on_both!(users_are_listed_read_and_changed, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    app.user("root", "481516", None).await;
    let admin = sign_in(&app, "root", "481516").await;
    let waiter = app.post(&admin, "/roles", &json!({ "role": "Waiter" })).await.id();
    let cook = app.post(&admin, "/roles", &json!({ "role": "Cook" })).await.id();
    let body = json!({ "name": "ada", "pin": "4711", "role": waiter, "email": "", "phone": "", "isAdmin": true });
    let id = app.post(&admin, "/users", &body).await.id();
    let path = format!("/users/{id}");
    let ada = json!({ "id": id, "user_id": id, "name": "ada", "role": "Waiter", "role_id": waiter, "isAdmin": false });
    assert_eq!(app.get(&admin, &path).await.expect(200).body, ada);
    let listed = app.get(&admin, "/users").await.expect(200).body;
    assert!(listed.as_array().unwrap().contains(&ada) && listed.as_array().unwrap().len() == 2, "{listed}");
    assert!(!listed.to_string().contains("argon2"), "no PIN is shown");

    let session = sign_in(&app, "ada", "4711").await;
    let nothing = change(&app, &admin, &path, &json!({ "email": "", "pin": null, "refreshToken": "x" })).await;
    assert_eq!(nothing.expect(200).body, json!({ "id": id, "message": "User updated successfully" }));
    assert_eq!(app.get(&admin, &path).await.expect(200).body, ada);
    app.get(&session, "/users/me").await.expect(200);
    let all = json!({ "name": "ada l", "pin": "1843", "email": "ada@pay.example", "phone": "+44", "role": cook });
    change(&app, &admin, &path, &all).await.expect(200);
    app.get(&session, "/users/me").await.message(401);
    app.login("ada l", "4711").await.message(401);
    let me = app.get(&sign_in(&app, "ada l", "1843").await, "/users/me").await.expect(200).body["user"].clone();
    let expected = json!({
        "user_id": id, "name": "ada l", "email": "ada@pay.example", "phone": "+44", "role": "Cook", "role_id": cook,
        "isAdmin": false,
    });
    assert_eq!(me, expected);
    for wrong in [json!({ "name": " " }), json!({ "pin": "123" }), json!({ "pin": "12a4" }), json!({ "name": 7 })] {
        change(&app, &admin, &path, &wrong).await.message(400);
    }
    change(&app, &admin, &path, &json!({ "name": "root" })).await.message(409);
    change(&app, &admin, &path, &json!({ "role": "nonsense" })).await.message(404);
    for unknown in [format!("/users/{}", uuid::Uuid::now_v7()), "/users/nonsense".to_owned()] {
        app.get(&admin, &unknown).await.message(404);
        change(&app, &admin, &unknown, &json!({ "name": "x" })).await.message(404);
    }
});

on_both!(nobody_changes_a_user_who_may_do_more, async |database: TestDatabase| {
    let app = TestApp::new(database).await;
    let root = app.user("root", "481516", None).await;
    let admin = sign_in(&app, "root", "481516").await;
    let held = [Permission::UsersUpdate, Permission::UsersRead, Permission::PaymentsRead];
    let eve = app.user("eve", "4711", Some(&held)).await;
    let weak = sign_in(&app, "eve", "4711").await;
    let strong = app.post(&admin, "/roles", &json!({ "role": "Manager" })).await.id();
    put(&app, &admin, &strong, json!(["nodes_manage"])).await.expect(200);
    let manager = app.post(&admin, "/users", &json!({ "name": "max", "pin": "4711", "role": strong })).await.id();
    let harmless = app.post(&admin, "/roles", &json!({ "role": "Guest" })).await.id();
    let guest = app.post(&admin, "/users", &json!({ "name": "gus", "pin": "4711", "role": harmless })).await.id();

    // An admin's PIN in other hands would be the admin.
    for above in [root.to_string(), manager] {
        let answer = change(&app, &weak, &format!("/users/{above}"), &json!({ "pin": "0000" })).await;
        assert_eq!(answer.message(403), "Permission required");
    }
    app.login("root", "481516").await.expect(200);
    for role in [strong, admin_role(&app, &admin).await] {
        change(&app, &weak, &format!("/users/{guest}"), &json!({ "role": role })).await.message(403);
    }
    change(&app, &weak, &format!("/users/{eve}"), &json!({ "role": harmless })).await.message(409);
    // Another PIN of one's own keeps the session that sets it, and ends all others.
    let other = sign_in(&app, "eve", "4711").await;
    change(&app, &weak, &format!("/users/{eve}"), &json!({ "pin": "9999" })).await.expect(200);
    app.get(&weak, "/users/me").await.expect(200);
    app.get(&other, "/users/me").await.message(401);
    let elsewhere = app.token_on(app.stranger.node_id, Permission::ALL).await;
    app.get(&elsewhere, &format!("/users/{guest}")).await.message(403);
    change(&app, &elsewhere, &format!("/users/{guest}"), &json!({ "name": "x" })).await.message(403);
    assert_eq!(app.get(&elsewhere, "/users").await.expect(200).body, json!([]));
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
