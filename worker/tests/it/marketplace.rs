//! Connected sellers against the sandbox as our API serves it: from the account to the payout, and what the sandbox
//! remembers of lost answers.

use chrono::TimeDelta;
use entities::{
    GatewaySessionId, NodeId, PaymentStatus, PayoutId, RefundId, RoleId, UserId, connected_account, gateway_session,
    now, order, payout, refund, role, role_permission, sandbox_object, user,
};
use fixtures::{TestDatabase, on_both};
use payments::{
    Actor, intents,
    jobs::{CheckSession, SendPayout, SendRefund, SyncAccount},
    ledger,
    orders::{self, NewOrder},
    payouts,
    refunds::{self, NewRefund},
    sellers::{self, Details},
};
use queue::{Delivery, Job, JobError, NewMessage};
use sea_orm::{ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, Statement, prelude::*};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::sessions::Shop;

/// A seller's back office and the shop's customers.
pub(crate) struct Seller {
    pub(crate) shop: Shop,
    token: String,
    pub(crate) node_id: NodeId,
}

pub(crate) fn details() -> Value {
    json!({
        "business_name": "Olive & Thyme", "first_name": "Ana", "last_name": "Reis", "email": "ana@olive.example",
        "dob": "1990-05-17", "address": "Rua das Flores 7", "city": "Porto", "postal_code": "4050-262",
        "nif": "123456789", "iban": "PT50 0002 0123 1234 5678 9015 4", "tos_accepted": true,
    })
}

impl Seller {
    pub(crate) async fn on(database: TestDatabase) -> Self {
        let shop = Shop::on(database).await;
        let node_id = shop.worker.merchant.node_id;
        manager(&shop, node_id).await;
        let credentials = json!({ "name": "ana", "pin": "471100" });
        let login = shop.http.post(format!("{}/auth/login", shop.base_url)).json(&credentials).send().await.unwrap();
        let cookies = login.headers().get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
        let token = cookies.filter_map(|cookie| cookie.strip_prefix("accessToken=")?.split(';').next()).next();
        let token = token.expect("a token").to_owned();
        Self { shop, token, node_id }
    }

    /// An answer, while the worker does what is due.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self.shop.http.post(format!("{}{path}", self.shop.base_url)).bearer_auth(&self.token).json(body);
        let answer = async {
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.json().await.unwrap())
        };
        tokio::pin!(answer);
        loop {
            tokio::select! {
                answer = &mut answer => return answer,
                () = tokio::time::sleep(std::time::Duration::from_millis(20)) => self.shop.worker.run().await,
            }
        }
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let request = self.shop.http.get(format!("{}{path}", self.shop.base_url)).bearer_auth(&self.token);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    pub(crate) async fn onboard(&self) -> Value {
        let (status, answer) = self.post("/api/payments/connect/onboard", &details()).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// Places an order and returns its number.
    pub(crate) async fn order(&self, euros: &str) -> i64 {
        let total: Value = serde_json::from_str(euros).unwrap();
        let (status, answer) = self.post("/api/orders", &json!({ "total": total, "totalBs": total })).await;
        assert_eq!(status, 200, "{answer}");
        answer["order"]["number"].as_i64().unwrap()
    }

    pub(crate) async fn intent(&self, order_id: i64) -> (u16, Value) {
        self.post("/api/payments/create-intent", &json!({ "order_id": order_id })).await
    }

    /// An order that its customer has paid by card.
    pub(crate) async fn sale(&self, euros: &str) -> i64 {
        let order_id = self.order(euros).await;
        let (status, intent) = self.intent(order_id).await;
        assert_eq!(status, 200, "{intent}");
        self.shop.act(self.session_of(order_id).await, "approve").await;
        self.shop.worker.run().await;
        let status = self.shop.worker.payment(self.row(order_id).await.card_payment_id.unwrap()).await.status;
        assert_eq!(status, PaymentStatus::Paid);
        order_id
    }

    pub(crate) async fn row(&self, order_id: i64) -> order::Model {
        let order = order::Entity::find().filter(order::Column::Number.eq(order_id)).one(&**self.shop.worker.db());
        order.await.unwrap().unwrap()
    }

    pub(crate) async fn session_of(&self, order_id: i64) -> GatewaySessionId {
        let payment = self.row(order_id).await.card_payment_id.unwrap();
        let of_payment = gateway_session::Entity::find().filter(gateway_session::Column::PaymentId.eq(payment));
        let newest = of_payment.order_by_desc(gateway_session::Column::Id).one(&**self.shop.worker.db());
        newest.await.unwrap().unwrap().id
    }

    /// What the sandbox remembers of this kind.
    async fn remembered(&self, kind: &str) -> Vec<Value> {
        let objects = sandbox_object::Entity::find().filter(sandbox_object::Column::Kind.eq(kind));
        let objects = objects.order_by_asc(sandbox_object::Column::Id).all(&**self.shop.worker.db()).await.unwrap();
        objects.into_iter().map(|object| object.body).collect()
    }

    pub(crate) async fn balance(&self) -> (i64, i64) {
        let balance = ledger::balance(&**self.shop.worker.db(), self.node_id, "EUR").await.unwrap();
        balance.map_or((0, 0), |balance| (balance.available, balance.in_transit))
    }

    async fn refund_row(&self) -> refund::Model {
        refund::Entity::find().one(&**self.shop.worker.db()).await.unwrap().unwrap()
    }

    async fn payout_row(&self) -> payout::Model {
        payout::Entity::find().one(&**self.shop.worker.db()).await.unwrap().unwrap()
    }

    pub(crate) async fn clean(&self) {
        let check = ledger::check(self.shop.worker.db()).await.unwrap();
        assert!(check.is_clean(), "{check:?}");
        assert_eq!(self.shop.worker.dead_letters().await, Vec::<String>::new());
    }

    /// The types of events that were owed to the seller's endpoint, in order.
    pub(crate) async fn announced(&self) -> Vec<String> {
        let sql = "SELECT event_type FROM webhook_deliveries ORDER BY occurred_at, id";
        let db = self.shop.worker.db();
        let rows = db.query_all_raw(sea_orm::Statement::from_string(db.get_database_backend(), sql)).await.unwrap();
        rows.iter().map(|row| row.try_get("", "event_type").unwrap()).collect()
    }
}

/// A person who keeps the shop's account.
async fn manager(shop: &Shop, node_id: NodeId) {
    let role_id = RoleId::new();
    let tx = shop.worker.db().begin().await.unwrap();
    let role = role::Model { id: role_id, name: "keeper".to_owned(), is_admin: false, created_at: now() };
    role::Entity::insert(role.into_active_model()).exec_without_returning(&*tx).await.unwrap();
    let grant = role_permission::Model { role_id, permission: "marketplace.manage".to_owned() };
    role_permission::Entity::insert(grant.into_active_model()).exec_without_returning(&*tx).await.unwrap();
    let user = user::Model {
        id: UserId::new(),
        node_id,
        role_id,
        name: "ana".to_owned(),
        email: None,
        phone: None,
        pin_hash: api::hash_pin(&SecretString::from("471100")).unwrap(),
        password_hash: None,
        created_at: now(),
        updated_at: now(),
        disabled_at: None,
    };
    user::Entity::insert(user.into_active_model()).exec_without_returning(&*tx).await.unwrap();
    tx.commit().await.unwrap();
}

on_both!(a_seller_is_opened_sells_refunds_and_is_paid_out, async |database: TestDatabase| {
    let seller = Seller::on(database).await;
    seller.shop.worker.endpoint(seller.node_id, &["refund.*", "payout.*", "account.*"]).await;
    let account = seller.onboard().await;
    assert_eq!(account["status"], "active");
    let order_id = seller.sale("100.00").await;
    assert_eq!((seller.balance().await, seller.row(order_id).await.status.as_str()), ((9_800, 0), "CONFIRMED"));

    let refund = json!({ "order_id": order_id, "amount_cents": 2_500, "reason": "broken" });
    let (status, answer) = seller.post("/api/payments/refund", &refund).await;
    assert_eq!((status, &answer["status"]), (200, &json!("pending")));
    seller.shop.worker.run().await;
    assert_eq!(seller.refund_row().await.status.word(), "succeeded");
    assert_eq!(seller.balance().await, (9_800 - 2_450, 0), "the fee goes back in proportion");

    let (status, answer) = seller.post("/api/payments/connect/payout?amount=7000", &json!({})).await;
    assert_eq!((status, &answer["status"]), (200, &json!("pending")));
    seller.shop.worker.run().await;
    assert_eq!(seller.balance().await, (350, 7_000), "it is on its way");
    let payout_id = seller.payout_row().await.id;
    seller.shop.worker.deliver(NewMessage::of(&SendPayout::new(payout_id, None))).await;
    let payout = seller.payout_row().await;
    assert_eq!((payout.status.word().as_str(), payout.arrival_date.is_some()), ("paid", true));
    assert_eq!(seller.balance().await, (350, 0));

    let (_, rest) = seller.post("/api/payments/refund", &json!({ "order_id": order_id })).await;
    assert_eq!(rest["amount_cents"], 7_500);
    seller.shop.worker.run().await;
    let row = seller.row(order_id).await;
    assert_eq!(row.status, "REFUNDED");
    let payment = seller.shop.worker.payment(row.card_payment_id.unwrap()).await;
    assert_eq!(payment.status, PaymentStatus::Refunded);
    assert_eq!(seller.balance().await, (-7_000, 0), "what was paid out already is owed now");
    let (status, answer) = seller.post("/api/payments/connect/payout?amount=1", &json!({})).await;
    assert_eq!((status, answer), (409, json!({ "detail": "The available balance is -7000 cents" })));
    let announced = seller.announced().await;
    let once = ["account.updated", "payout.created", "payout.paid"];
    assert!(
        once.iter().all(|name| announced.iter().filter(|announced| announced == name).count() == 1),
        "{announced:?}"
    );
    assert_eq!(announced.iter().filter(|name| name.starts_with("refund.")).count(), 4, "{announced:?}");
    seller.clean().await;
});

on_both!(a_seller_has_one_account_however_often_details_are_submitted, async |database: TestDatabase| {
    let seller = Seller::on(database).await;
    let first = seller.onboard().await;
    let mut renamed = details();
    renamed["business_name"] = json!("Restricted Olives");
    let (status, second) = seller.post("/api/payments/connect/onboard", &renamed).await;
    assert_eq!((status, &second["account_id"], &second["status"]), (200, &first["account_id"], &json!("restricted")));
    assert_eq!(second["requirements_due"], json!(["individual.verification.document"]));
    let accounts = seller.remembered("account").await;
    assert_eq!(accounts.len(), 1);
    assert_eq!(accounts[0]["iban_ends_in"], "0154");
    let row = connected_account::Entity::find().one(&**seller.shop.worker.db()).await.unwrap().unwrap();
    assert_eq!((row.iban, row.details), (None, json!({ "business_name": "Restricted Olives" })));
    let order_id = seller.order("10").await;
    let (status, answer) = seller.intent(order_id).await;
    assert_eq!((status, &answer["detail"]), (404, &json!("Order not found")), "it cannot be paid by card here");
    let (status, link) = seller.get("/api/payments/connect/dashboard").await;
    assert_eq!(status, 200);
    assert!(link["url"].as_str().unwrap().contains("/sandbox/sellers/"), "{link}");
});

on_both!(the_dashboards_link_leads_to_a_page, async |database: TestDatabase| {
    let seller = Seller::on(database).await;
    seller.onboard().await;
    let (status, link) = seller.get("/api/payments/connect/dashboard").await;
    assert_eq!(status, 200, "{link}");
    let link = link["url"].as_str().unwrap();
    let path = &link[link.find("/sandbox").unwrap()..];
    let open = async |path: &str| {
        let page = seller.shop.http.get(format!("{}{path}", seller.shop.base_url)).send().await.unwrap();
        (page.status().as_u16(), page.text().await.unwrap())
    };
    let (status, page) = open(path).await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("Olive &amp; Thyme") && page.contains("0154") && page.contains("It can be paid out: yes"));
    let (without, _) = path.split_once('?').unwrap();
    for wrong in [without.to_owned(), format!("{without}?once="), format!("{path}0")] {
        assert_eq!(open(&wrong).await.0, 404, "{wrong}");
    }
    // The newest link alone is good.
    seller.get("/api/payments/connect/dashboard").await;
    assert_eq!(open(path).await.0, 404);
});

on_both!(an_account_whose_answer_was_lost_is_found_and_not_opened_again, async |database: TestDatabase| {
    let seller = Seller::on(database).await;
    seller.onboard().await;
    // As if the process had died between the answer and its commit.
    let tx = seller.shop.worker.db().begin().await.unwrap();
    let sql = "UPDATE connected_accounts SET status = 'sent', account_id = NULL, iban = 'PT50000201231234567890154', \
               charges_enabled = FALSE, details = ";
    let details = json!({
        "business_name": "Olive", "first_name": "Ana", "last_name": "Reis", "email": "ana@olive.example",
        "dob": "1990-05-17", "address": "Rua 1", "city": "Porto", "postal_code": "4000-001", "country": "PT",
        "nif": "123456789",
    });
    tx.execute_unprepared(&format!("{sql}'{details}'")).await.unwrap();
    tx.commit().await.unwrap();
    seller.shop.worker.deliver(NewMessage::of(&SyncAccount { node_id: seller.node_id })).await;
    assert_eq!(seller.remembered("account").await.len(), 1);
    let (_, status) = seller.get("/api/payments/connect/status").await;
    assert_eq!(status["status"], "active");
});

on_both!(a_refund_whose_answer_is_lost_is_made_once, async |database: TestDatabase| {
    let seller = Seller::on(database).await;
    seller.onboard().await;
    let order_id = seller.sale("50.00").await;
    // The sandbox carries it out and answers too late.
    let (_, answer) =
        seller.post("/api/payments/refund", &json!({ "order_id": order_id, "amount_cents": 1_014 })).await;
    assert_eq!(answer["status"], "pending");
    seller.shop.worker.run().await;
    let refund = seller.refund_row().await;
    // On a slow machine its repetition was due, and found it, before we look.
    assert!(["sent", "succeeded"].contains(&refund.status.word().as_str()), "nobody knows: {refund:?}");
    seller.shop.worker.deliver(NewMessage::of(&SendRefund::new(refund.id, None))).await;
    assert_eq!(seller.refund_row().await.status.word(), "succeeded");
    assert_eq!(seller.remembered("refund").await.len(), 1);
    assert_eq!(seller.remembered("payment").await[0]["refunded"], "10.14", "once");
    seller.clean().await;
});

on_both!(a_payout_whose_answer_is_lost_is_made_once, async |database: TestDatabase| {
    let seller = Seller::on(database).await;
    seller.onboard().await;
    seller.sale("50.00").await;
    seller.post("/api/payments/connect/payout?amount=1014", &json!({})).await;
    seller.shop.worker.run().await;
    let payout = seller.payout_row().await;
    // On a slow machine its repetition was due, and found it, before we look.
    assert!(["sent", "paid"].contains(&payout.status.word().as_str()), "nobody knows: {payout:?}");
    for _ in 0..2 {
        seller.shop.worker.deliver(NewMessage::of(&SendPayout::new(payout.id, None))).await;
    }
    assert_eq!(seller.payout_row().await.status.word(), "paid");
    assert_eq!(seller.remembered("payout").await.len(), 1);
    assert_eq!(seller.balance().await, (4_900 - 1_014, 0));
    seller.clean().await;
});

on_both!(what_is_refused_or_comes_back_is_on_the_balance_again, async |database: TestDatabase| {
    let seller = Seller::on(database).await;
    seller.shop.worker.endpoint(seller.node_id, &["refund.failed", "payout.failed"]).await;
    seller.onboard().await;
    let order_id = seller.sale("50.00").await;
    seller.post("/api/payments/refund", &json!({ "order_id": order_id, "amount_cents": 513 })).await;
    seller.post("/api/payments/connect/payout?amount=2013", &json!({})).await;
    seller.shop.worker.run().await;
    assert_eq!(seller.refund_row().await.status.word(), "failed");
    assert_eq!(seller.refund_row().await.failure_code.as_deref(), Some("declined"));
    let payout_id = seller.payout_row().await.id;
    seller.shop.worker.deliver(NewMessage::of(&SendPayout::new(payout_id, None))).await;
    assert_eq!(seller.payout_row().await.failure_code.as_deref(), Some("account_closed"));
    assert_eq!(seller.balance().await, (4_900, 0));
    let mut announced = seller.announced().await;
    announced.sort();
    assert_eq!(announced, ["payout.failed", "refund.failed"]);
    seller.clean().await;
});

on_both!(a_reversal_reaches_the_sellers_balance, async |database: TestDatabase| {
    let seller = Seller::on(database).await;
    seller.onboard().await;
    let order_id = seller.sale("50.00").await;
    seller.shop.act(seller.session_of(order_id).await, "reverse").await;
    seller.shop.worker.run().await;
    assert_eq!(seller.balance().await, (4_900 - 5_000, 0));
    let payment_id = seller.row(order_id).await.card_payment_id.unwrap();
    for _ in 0..2 {
        seller.shop.worker.deliver(NewMessage::of(&CheckSession::new(payment_id, None))).await;
    }
    assert_eq!(seller.balance().await, (-100, 0), "once");
    let (status, answer) = seller.post("/api/payments/connect/payout?amount=1", &json!({})).await;
    assert_eq!(status, 409, "{answer}");
    seller.clean().await;
});

on_both!(what_lost_its_message_is_taken_up, async |database: TestDatabase| {
    let seller = Seller::on(database).await;
    seller.onboard().await;
    let order_id = seller.sale("50.00").await;
    let worker = &seller.shop.worker;
    worker.lose_messages().await;
    let tx = worker.db().begin().await.unwrap();
    tx.execute_unprepared("UPDATE connected_accounts SET status = 'asked'").await.unwrap();
    tx.commit().await.unwrap();
    for (path, body) in [
        ("/api/payments/refund", json!({ "order_id": order_id, "amount_cents": 100 })),
        ("/api/payments/connect/payout?amount=500", json!({})),
    ] {
        let request = seller.shop.http.post(format!("{}{path}", seller.shop.base_url)).bearer_auth(&seller.token);
        assert_eq!(request.json(&body).send().await.unwrap().status(), 200);
    }
    worker.lose_messages().await;
    worker.run().await;
    assert_eq!(seller.refund_row().await.status.word(), "asked");
    let context = seller.shop.context();
    assert_eq!(worker::settle_stragglers(&context, TimeDelta::minutes(10)).await.unwrap(), 0, "they are young");
    assert_eq!(worker::settle_stragglers(&context, TimeDelta::seconds(-1)).await.unwrap(), 3);
    worker.run().await;
    assert_eq!(seller.refund_row().await.status.word(), "succeeded");
    // On a slow machine it has come to the bank when this is asked.
    assert!(matches!(seller.payout_row().await.status.word().as_str(), "sent" | "paid"));
});

on_both!(what_is_tried_in_vain_has_one_message, async |database: TestDatabase| {
    let shop = Shop::on(database).await;
    shop.sell("Olive").await;
    let (refund, payout) = (shop.request_refund(100).await, shop.request_payout(500).await);
    shop.submit_seller("Olive & Thyme").await;
    shop.worker.lose_messages().await;
    let node_id = shop.worker.merchant.node_id;
    // Nobody answers there.
    let context = crate::context(shop.worker.db());
    for round in 0..2 {
        let tried = worker::jobs::SendRefund::run(&context, Delivery::of(SendRefund::new(refund, None))).await;
        assert!(matches!(tried, Err(JobError::Retry(_))), "{tried:?}");
        let tried = worker::jobs::SendPayout::run(&context, Delivery::of(SendPayout::new(payout, None))).await;
        assert!(matches!(tried, Err(JobError::Retry(_))), "{tried:?}");
        let tried = worker::jobs::SyncAccount::run(&context, Delivery::of(SyncAccount { node_id })).await;
        assert!(matches!(tried, Err(JobError::Retry(_))), "{tried:?}");
        let taken = worker::settle_stragglers(&context, TimeDelta::minutes(10)).await.unwrap();
        assert_eq!(taken, 0, "their retries wait, round {round}");
        let tx = shop.worker.db().begin().await.unwrap();
        for table in ["refunds", "payouts", "connected_accounts"] {
            let long_ago = now() - TimeDelta::minutes(11);
            let sql = format!("UPDATE {table} SET updated_at = $1");
            let backend = shop.worker.db().get_database_backend();
            tx.execute_raw(Statement::from_sql_and_values(backend, sql, [long_ago.into()])).await.unwrap();
        }
        tx.commit().await.unwrap();
    }
});

/// The same without the API in between.
impl Shop {
    /// Has the seller's account opened, or its name changed.
    pub(crate) async fn submit_seller(&self, business_name: &str) {
        let mut submitted = details();
        (submitted["business_name"], submitted["country"]) = (json!(business_name), json!("PT"));
        let submitted: Details = serde_json::from_value(submitted).unwrap();
        let mut tx = self.worker.db().begin().await.unwrap();
        let iban = "PT50000201231234567890154".to_owned();
        sellers::submit_details(&mut tx, self.worker.merchant.node_id, &submitted, iban).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// A sale of a hundred euros that was captured.
    pub(crate) async fn sell(&self, business_name: &str) -> i64 {
        self.submit_seller(business_name).await;
        self.worker.run().await;
        let mut tx = self.worker.db().begin().await.unwrap();
        let new = NewOrder {
            node_id: self.worker.merchant.node_id,
            user_id: None,
            currency: "EUR".to_owned(),
            total: "100".parse().unwrap(),
            total_bs: "100".parse().unwrap(),
            exchange_rate: None,
            items: json!([]),
        };
        let order = orders::place(&tx, new).await.unwrap();
        let session = intents::request(&mut tx, order.number, &Actor::payer().into()).await.unwrap();
        tx.commit().await.unwrap();
        self.worker.run().await;
        self.act(session.id, "approve").await;
        self.worker.run().await;
        self.worker.lose_messages().await;
        order.number
    }

    /// Asks for a refund of the newest order; its message is lost.
    pub(crate) async fn request_refund(&self, cents: i64) -> RefundId {
        let newest = order::Entity::find().order_by_desc(order::Column::Id).one(&**self.worker.db());
        let order_id = newest.await.unwrap().unwrap().number;
        let mut tx = self.worker.db().begin().await.unwrap();
        let new = NewRefund { order_id, amount: Some(cents), reason: None, request_id: None };
        let refund = refunds::request(&mut tx, &self.worker.merchant.caller(), new).await.unwrap();
        tx.commit().await.unwrap();
        self.worker.lose_messages().await;
        refund.id
    }

    /// Asks for a payout.
    pub(crate) async fn request_payout(&self, cents: i64) -> PayoutId {
        let mut tx = self.worker.db().begin().await.unwrap();
        let payout = payouts::request(&mut tx, self.worker.merchant.node_id, "EUR", cents).await.unwrap();
        tx.commit().await.unwrap();
        payout.id
    }
}
