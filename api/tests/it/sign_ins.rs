//! Guesses at PINs, passwords and API secrets, in every way that an outsider has.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use entities::{audit, sign_in_count};
use fixtures::{TestDatabase, on_both};
use payments::Permission;
use poem::{Response, endpoint::BoxEndpoint, test::TestClient};
use sea_orm::{ActiveValue::Set, EntityTrait, IntoActiveModel, QueryFilter, prelude::*};
use serde_json::{Value, json};

use crate::app::{TestApp, TestResponse, send};

/// Behind one proxy, and with budgets for strangers that are in nobody's way: what holds here is the sign-in limit alone.
async fn app(database: TestDatabase) -> TestApp {
    TestApp::with(database, unlimited).await
}

fn unlimited(config: &mut api::Config) {
    config.http.trusted_proxies = 1;
    let much = 100_000_000;
    config.strangers = api::StrangersConfig { per_address: much, per_site: much, per_subject: much, in_all: much };
}

type Client = TestClient<BoxEndpoint<'static, Response>>;

async fn post(client: &Client, address: &str, path: &str, body: &Value) -> TestResponse {
    send(client.post(path).header("x-forwarded-for", address).body_json(body)).await
}

impl TestApp {
    async fn guess(&self, address: &str, name: &str, pin: &str) -> u16 {
        post(&self.client, address, "/auth/login", &json!({ "name": name, "pin": pin })).await.status.as_u16()
    }

    /// A customer of their own making, who signs in as often as they like.
    async fn register(&self, email: &str) {
        let body = json!({ "email": email, "password": "correct horse" });
        post(&self.client, "198.51.100.1", "/api/auth/register", &body).await.expect(200);
    }

    async fn sign_in_as_customer(&self, address: &str, email: &str) -> u16 {
        let body = json!({ "email": email, "password": "correct horse" });
        post(&self.client, address, "/api/auth/login", &body).await.status.as_u16()
    }

    /// Lets so much time pass for every block; what else a count remembers of time is hours and days.
    async fn pass(&self, time: TimeDelta) {
        let tx = self.database.db.begin().await.unwrap();
        let blocked = sign_in_count::Entity::find().filter(sign_in_count::Column::BlockedUntil.gt(entities::now()));
        for row in blocked.all(&*tx).await.unwrap() {
            let over = row.blocked_until.map(|until| until - time);
            let mut row = row.into_active_model();
            row.blocked_until = Set(over);
            row.update(&*tx).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    async fn audited(&self, action: &str) -> Vec<audit::Model> {
        let rows = audit::Entity::find().filter(audit::Column::Action.eq(action));
        rows.all(&*self.database.db).await.unwrap()
    }
}

/// Addresses of somebody who has two hundred IPv4 ones, every /64 of one IPv6 /48, and some more /48s.
fn addresses() -> Vec<String> {
    let four = (0..200).map(|last| format!("203.0.113.{last}"));
    let one_site = (0..200).map(|network| format!("2001:db8:1:{network:x}::1"));
    let sites = (0..200).map(|site| format!("2001:db8:{:x}::1", 16 + site));
    four.chain(one_site).chain(sites).collect()
}

on_both!(ten_thousand_guesses_at_a_pin_have_few_verdicts_in_an_hour, async |database: TestDatabase| {
    let app = app(database).await;
    app.user("ada", "4711", None).await;
    for name in ["bob", "cy"] {
        app.user(name, "0042", None).await;
    }
    app.register("eve@example.org").await;
    assert_eq!(app.guess("192.0.2.1", "ada", "4711").await, 200, "she works here");
    let addresses = addresses();
    let (mut verdicts, mut guesses) = (BTreeMap::<&str, u32>::new(), 0_usize);
    for minute in 0..60 {
        for _ in 0..167 {
            // The same address for some guesses in a row, an own sign-in after each verdict, others' accounts between.
            let address = &addresses[(guesses / 5 + 7 * minute) % addresses.len()];
            let name = ["ada", "ada", "bob", "ada", "ada", "cy", "ada", "dan"][guesses % 8];
            if app.guess(address, name, &format!("{:04}", guesses % 4_000)).await == 401 {
                *verdicts.entry(name).or_default() += 1;
                app.sign_in_as_customer(address, "eve@example.org").await;
            }
            guesses += 1;
        }
        app.pass(TimeDelta::minutes(1)).await;
    }
    println!("of {guesses} guesses in an hour these had a verdict: {verdicts:?}");
    assert!(guesses >= 10_000);
    for name in ["ada", "bob", "cy", "dan"] {
        assert!((1..=50).contains(&verdicts[name]), "{name}, of {guesses} guesses: {verdicts:?}");
    }
    assert_eq!(app.guess("192.0.2.2", "ada", "4711").await, 429, "from elsewhere not even the right PIN is looked at");
    assert_eq!(app.guess("192.0.2.1", "ada", "4711").await, 200, "where she works she is not kept out");
    app.pass(TimeDelta::minutes(61)).await;
    assert_eq!(app.guess("192.0.2.2", "ada", "4711").await, 200, "nor from elsewhere for longer than an hour");
});

on_both!(an_own_sign_in_does_not_pay_for_guesses_at_others, async |database: TestDatabase| {
    let app = app(database).await;
    app.user("ada", "4711", None).await;
    app.register("eve@example.org").await;
    let mut answered = 0;
    for guess in 0..20 {
        answered += u32::from(app.guess("203.0.113.7", "ada", &format!("{guess:04}")).await == 401);
        app.sign_in_as_customer("203.0.113.7", "eve@example.org").await;
    }
    assert_eq!(answered, 5);
});

on_both!(a_success_takes_back_its_own_wrong_tries, async |database: TestDatabase| {
    let app = app(database).await;
    for name in ["ada", "bob"] {
        app.user(name, "4711", None).await;
    }
    for name in ["bob", "ada", "ada", "ada"] {
        assert_eq!(app.guess("203.0.113.7", name, "0000").await, 401);
    }
    assert_eq!(app.guess("203.0.113.7", "ada", "4711").await, 200);
    // Of the address's five wrong tries one is left behind, which was another's.
    for _ in 0..4 {
        assert_eq!(app.guess("203.0.113.7", "cy", "0000").await, 401);
    }
    assert_eq!(app.guess("203.0.113.7", "cy", "0000").await, 429);
    assert_eq!(app.guess("203.0.113.7", "bob", "4711").await, 429, "the address is blocked");
    assert_eq!(app.guess("203.0.113.7", "ada", "4711").await, 200, "but she is at home here");
});

on_both!(an_account_is_counted_whichever_addresses_guess_and_whether_it_exists, async |database: TestDatabase| {
    let app = app(database).await;
    app.user("ada", "4711", None).await;
    for name in ["ada", "nobody"] {
        let mut answers = Vec::new();
        for network in 0..40 {
            answers.push(app.guess(&format!("2001:db8:{network:x}::1"), name, "0000").await);
        }
        assert_eq!((answers[..5].to_vec(), answers[5..].to_vec()), (vec![401; 5], vec![429; 35]), "{name}");
    }
});

on_both!(a_site_is_counted_whichever_networks_guess, async |database: TestDatabase| {
    let app = app(database).await;
    let mut answered = 0;
    for network in 0..40 {
        let name = format!("user {network}");
        answered += u32::from(app.guess(&format!("2001:db8:1:{network:x}::1"), &name, "0000").await == 401);
    }
    assert_eq!(answered, 20);
});

on_both!(a_known_address_has_few_tries_too, async |database: TestDatabase| {
    let app = app(database).await;
    app.user("ada", "4711", None).await;
    assert_eq!(app.guess("192.0.2.1", "ada", "4711").await, 200);
    let mut answered = 0;
    for _ in 0..60 {
        for pin in 0..10 {
            answered += u32::from(app.guess("192.0.2.1", "ada", &format!("{pin:04}")).await == 401);
        }
        app.pass(TimeDelta::minutes(1)).await;
    }
    println!("of 600 guesses in an hour from where she works {answered} had a verdict");
    assert!((1..=50).contains(&answered), "{answered}");
});

on_both!(two_processes_count_together, async |database: TestDatabase| {
    let app = app(database).await;
    app.user("ada", "4711", None).await;
    let other: Client =
        TestClient::new(poem::EndpointExt::boxed(api::routes(crate::app::state(&app.database, unlimited))));
    let guess = json!({ "name": "ada", "pin": "0000" });
    let both = [&app.client, &other];
    let tries = (0..12).map(|number| post(both[number % 2], "203.0.113.7", "/auth/login", &guess));
    let answers = futures_util::future::join_all(tries).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 401).count(), 5);
    for client in both {
        post(client, "203.0.113.7", "/auth/login", &guess).await.expect(429);
    }
});

on_both!(programs_are_counted_by_address_and_never_kept_out, async |database: TestDatabase| {
    let app = app(database).await;
    let (key, secret) = app.integration(app.merchant.node_id, Permission::ALL).await;
    let (other, others) = app.integration(app.merchant.node_id, Permission::ALL).await;
    let credentials = |key: &str, secret: &str| json!({ "api_key": key, "secret_key": secret });
    let path = "/api/v1/auth/authenticate";
    post(&app.client, "203.0.113.7", path, &credentials(&other, &others)).await.expect(200);
    for _ in 0..5 {
        post(&app.client, "203.0.113.7", path, &credentials(&key, "wrong")).await.problem(401, "unauthorized");
    }
    let blocked = post(&app.client, "203.0.113.7", path, &credentials(&key, &secret)).await;
    assert!((1..=60).contains(&blocked.header("retry-after").parse::<u64>().unwrap()));
    blocked.problem(429, "too_many_requests");
    let form = format!("grant_type=client_credentials&client_id={key}&client_secret={secret}");
    let request = app.client.post("/v1/token").header("x-forwarded-for", "203.0.113.7");
    let token = send(request.content_type("application/x-www-form-urlencoded").body(form)).await.expect(429);
    assert_ne!(token.header("retry-after"), "");
    post(&app.client, "203.0.113.7", path, &credentials(&other, &others)).await.expect(200);
    post(&app.client, "203.0.113.8", path, &credentials(&key, &secret)).await.expect(200);
});

on_both!(failures_and_blocks_are_audited_within_bounds, async |database: TestDatabase| {
    let (app, started) = (app(database).await, std::time::Instant::now());
    let id = app.user("ada", "4711", None).await;
    for _ in 0..8 {
        app.guess("203.0.113.7", "ada", "0000").await;
    }
    let failed = app.audited("sign_in.failed").await;
    assert_eq!(failed.len(), 5);
    assert_eq!((failed[0].actor_id.as_str(), failed[0].object_id.clone()), ("address:203.0.113.7", id.to_string()));
    let blocked = app.audited("sign_in.blocked").await;
    let mut of: Vec<_> = blocked.iter().map(|row| row.data["of"].as_str().unwrap()).collect();
    of.sort_unstable();
    assert_eq!(of, ["account", "address"], "one row a block, however often it is run into");
    for number in 0..120 {
        app.guess(&format!("2001:db8:{number:x}::1"), &format!("hunter {number}"), "0000").await;
    }
    let failed = app.audited("sign_in.failed").await;
    let bound = 61 + started.elapsed().as_secs();
    assert!(failed.len() as u64 <= bound, "{} rows", failed.len());
    let rows = format!("{failed:?}{:?}", sign_in_count::Entity::find().all(&*app.database.db).await.unwrap());
    assert!(!rows.contains("hunter"), "a secret that was typed as a name is kept nowhere");
});
