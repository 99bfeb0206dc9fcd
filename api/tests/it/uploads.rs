//! What strangers upload: how much of it there may be, and what becomes of what nobody names.

use chrono::TimeDelta;
use entities::{now, upload, upload_allowance};
use fixtures::{TestDatabase, on_both};
use sea_orm::{EntityTrait, QueryFilter, prelude::*};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    app::{TestApp, send, state},
    receipts::{place, receipt, report},
    receipts_customers::{BOUNDARY, upload},
};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// The API with a folder of its own for files, and the state that it stands on.
async fn shop(database: TestDatabase, change: impl FnOnce(&mut api::Config) + Clone) -> (TestApp, api::State, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let uploads_dir = folder.path().to_owned();
    let change = move |config: &mut api::Config| {
        config.receipts.uploads_dir = Some(uploads_dir);
        change(config);
    };
    let state = state(&database, change.clone());
    (TestApp::with(database, change).await, state, folder)
}

/// The path of the file.
async fn uploaded(app: &TestApp, bytes: &[u8]) -> String {
    let url = upload(app, "file", "image/png", bytes).await.expect(200).body["url"].as_str().unwrap().to_owned();
    url.replace("http://127.0.0.1:9154", "")
}

/// Lets all files be so many hours older.
async fn age(app: &TestApp, hours: i64) {
    let earlier = now() - TimeDelta::hours(hours);
    let tx = app.database.db.begin().await.unwrap();
    let aged = upload::Entity::update_many().col_expr(upload::Column::CreatedAt, Expr::value(earlier));
    aged.exec(&*tx).await.unwrap();
    tx.commit().await.unwrap();
}

/// What is counted in all, and with the only address.
async fn counted(app: &TestApp) -> (i64, i64) {
    let rows = upload_allowance::Entity::find().all(&*app.database.db).await.unwrap();
    let of = |in_all: bool| rows.iter().filter(|row| row.address.is_empty() == in_all).map(|row| row.bytes).sum();
    (of(true), of(false))
}

fn files(folder: &TempDir) -> usize {
    std::fs::read_dir(folder.path()).unwrap().count()
}

on_both!(a_folder_for_files_is_a_path_and_no_url, async |database: TestDatabase| {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("a?b=%41#c d");
    let uploads_dir = folder.clone();
    let app = TestApp::with(database, |config| config.receipts.uploads_dir = Some(uploads_dir)).await;
    let url = uploaded(&app, PNG).await;
    let path = format!("/uploads/{}", url.rsplit('/').next().unwrap());
    assert_eq!(send(app.client.get(path)).await.expect(200).header("content-type"), "image/png");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "nothing beside it");
});

on_both!(files_that_no_receipt_names_are_taken_away, async |database: TestDatabase| {
    let (app, state, folder) = shop(database, |_| {}).await;
    let (named, unnamed) = (uploaded(&app, PNG).await, uploaded(&app, PNG).await);
    let order = place(&app).await;
    let mut body = receipt(&order);
    body["receiptUrl"] = json!(format!("https://pay.example{named}"));
    report(&app, &body).await.expect(200);
    assert_eq!(counted(&app).await, (4_096, 8_192), "what is named is no longer counted with what nobody names");
    assert_eq!(api::remove_orphans(&state).await.unwrap(), 0, "nothing is old");
    age(&app, 25).await;
    let young = uploaded(&app, PNG).await;
    assert_eq!(api::remove_orphans(&state).await.unwrap(), 1);
    assert_eq!(api::remove_orphans(&state).await.unwrap(), 0);
    for (url, status) in [(&named, 200), (&unnamed, 404), (&young, 200)] {
        assert_eq!(app.client.get(url.as_str()).send().await.0.status().as_u16(), status, "{url}");
    }
    assert_eq!((files(&folder), counted(&app).await), (2, (4_096, 4_096)));
});

on_both!(a_removal_that_was_cut_off_is_carried_on, async |database: TestDatabase| {
    let (app, state, folder) = shop(database, |_| {}).await;
    let url = uploaded(&app, PNG).await;
    let name = url.strip_prefix("/uploads/").unwrap();
    age(&app, 25).await;
    // A process has given it up and died, before the file was gone or after.
    let given_up = payments::uploads::give_up(&app.database.db, now() - TimeDelta::hours(24), 9).await.unwrap();
    assert_eq!(given_up, [name]);
    let mut body = receipt(&place(&app).await);
    body["receiptUrl"] = json!(url);
    report(&app, &body).await.expect(200);
    std::fs::remove_file(folder.path().join(name)).unwrap();
    assert_eq!(api::remove_orphans(&state).await.unwrap(), 1, "too late to be named");
    assert_eq!(upload::Entity::find().filter(upload::Column::Name.eq(name)).count(&*app.database.db).await.unwrap(), 0);
    assert_eq!(counted(&app).await, (0, 0));
});

on_both!(an_address_takes_so_much_a_day_named_or_not, async |database: TestDatabase| {
    let (app, state, folder) = shop(database, |config| config.receipts.upload_mib_per_address = 1).await;
    let half = [PNG, &vec![0; (1 << 19) - PNG.len()]].concat();
    let url = uploaded(&app, &half).await;
    uploaded(&app, &half).await;
    let refused = upload(&app, "file", "image/png", PNG).await;
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    refused.refusal(429);
    let mut body = receipt(&place(&app).await);
    body["receiptUrl"] = json!(url);
    report(&app, &body).await.expect(200);
    upload(&app, "file", "image/png", PNG).await.refusal(429);
    assert_eq!((files(&folder), counted(&app).await), (2, (1 << 19, 1 << 20)));
    age(&app, 25).await;
    api::remove_orphans(&state).await.unwrap();
    assert_eq!(counted(&app).await, (0, 0));
    uploaded(&app, PNG).await;
});

on_both!(files_of_all_addresses_have_a_bound, async |database: TestDatabase| {
    let (app, _, folder) = shop(database, |config| config.receipts.upload_mib_in_all = 1).await;
    let one = [PNG, &vec![0; (1 << 18) - PNG.len()]].concat();
    let sent = futures_util::future::join_all((0..8).map(|_| upload(&app, "file", "image/png", &one))).await;
    let taken = sent.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(taken, 4, "however many come at once");
    assert!(sent.iter().all(|answer| answer.status == 200 || answer.status == 503));
    assert_eq!((files(&folder), counted(&app).await), (4, (1 << 20, 1 << 20)));
});

on_both!(an_svg_picture_has_a_bound_of_its_own, async |database: TestDatabase| {
    let (app, _, _folder) = shop(database, |_| {}).await;
    let svg = |size: usize| {
        let style = "url(#a)".repeat((size - 30) / 7);
        format!("<svg><style>{style}</style></svg>").into_bytes()
    };
    upload(&app, "file", "image/svg+xml", &svg(1 << 20)).await.expect(200);
    upload(&app, "file", "image/svg+xml", &svg((1 << 20) + 100)).await.refusal(413);
});

on_both!(without_room_on_the_disk_strangers_are_refused_before_merchants, async |database: TestDatabase| {
    let folder = tempfile::tempdir().unwrap();
    let watched = folder.path().to_owned();
    let app = TestApp::with(database, |config| {
        config.disk = api::DiskConfig { free_min_mib: u64::MAX, free_last_mib: 0, folders: vec![watched] };
    })
    .await;
    let token = app.token().await;
    let answers = [
        send(app.client.post("/api/orders").body_json(&json!({ "total": 1, "totalBs": 1 }))).await,
        send(app.client.post("/api/payments").body_json(&json!({}))).await,
        send(app.client.post("/api/upload").content_type(format!("multipart/form-data; boundary={BOUNDARY}"))).await,
        send(app.client.post("/api/auth/register").body_json(&json!({}))).await,
    ];
    for answer in answers {
        assert_eq!(answer.header("retry-after"), "60");
        answer.refusal(503);
    }
    let ready = send(app.client.get("/health/ready")).await.expect(200).body;
    assert_eq!((&ready["status"], &ready["parts"]["disk"]["status"]), (&json!("degraded"), &json!("degraded")));
    app.created(&token, "goes on").await;
});

on_both!(without_any_room_no_new_payment_is_taken, async |database: TestDatabase| {
    let folder = tempfile::tempdir().unwrap();
    let watched = folder.path().to_owned();
    let app = TestApp::with(database, |config| {
        config.disk = api::DiskConfig { free_min_mib: u64::MAX, free_last_mib: u64::MAX, folders: vec![watched] };
    })
    .await;
    let token = app.token().await;
    app.post(&token, "/api/v1/payments", &app.payment("no room")).await.problem(503, "unavailable");
    assert_eq!(send(app.client.get("/health/ready")).await.expect(503).body["parts"]["disk"]["status"], "down");
    app.get(&token, &format!("/api/v1/payments?node_id={}", app.merchant.node_id.0)).await.expect(200);
});
