//! What lists cost where there are many payments: as much as their page, by the databases' own plans.
#![expect(clippy::float_arithmetic, reason = "plans count rows in floats; no money is counted here")]

use chrono::{DateTime, TimeDelta, Utc};
use entities::{NetworkId, NodeId, PaymentMethod, PaymentStatus, WalletId, payment};
use fixtures::{Merchant, TestDatabase, on_both};
use payments::{
    Caller,
    checkout::{self, Attribute, Order},
    listing::{Listing, PaymentFilter},
};
use queue::Database;
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, Statement, prelude::*};
use secrecy::ExposeSecret;
use serde_json::Value;

/// Payments in all; half of them are one tenant's.
const PAYMENTS: u32 = 200_000;

/// Items of the page that is asked for.
const PAGE: u64 = 20;

/// What may be read for it: a page of each node, and what one step of a plan hands to the next.
const READ_MAX: f64 = 1_000.0;

/// A tenant with half of the payments, one with a few hundred, and forty below a third.
struct Crowd {
    large: Merchant,
    small: Merchant,
    parent: Merchant,
    began: DateTime<Utc>,
}

impl Crowd {
    async fn insert(database: &TestDatabase) -> Self {
        let db = &database.db;
        let (large, small) = (Merchant::insert(db, 1).await, Merchant::insert(db, 2).await);
        let parent = Merchant::insert(db, 3).await;
        for number in 0..40_i64 {
            let id = NodeId::new();
            let sql = "INSERT INTO nodes (id, parent_id, path, number, name, plan, created_at, updated_at) \
                       SELECT $1, id, path || $2, $3, $2, plan, created_at, updated_at FROM nodes WHERE id = $4";
            let values: [sea_orm::Value; 4] =
                [id.into(), format!(".{number}").into(), (1_000 + number).into(), parent.node_id.into()];
            run(&**db, sql, values).await;
        }
        let began = DateTime::from_timestamp(1_760_000_000, 0).unwrap();
        let crowd = Self { large, small, parent, began };
        // Past the limits of a statement's time.
        let admin = sea_orm::Database::connect(database.config.url.expose_secret()).await.unwrap();
        crowd.insert_payments(&admin).await;
        crowd
    }

    /// A payment a second. Of a thousand one is in review, one is paid by card, one is on the network and the wallet of
    /// another tenant; of the last hundred thousand some hundred are the small tenant's.
    async fn insert_payments(&self, db: &DatabaseConnection) {
        let postgres = db.get_database_backend() == DatabaseBackend::Postgres;
        let (numbers, id, time, items) = if postgres {
            (
                format!("SELECT generate_series(0, {})::bigint AS i", PAYMENTS - 1),
                "(lpad(to_hex((1760000000 + i) * 1000), 12, '0') || '70008000' || lpad(to_hex(i), 12, '0'))::uuid",
                "to_timestamp(1760000000 + i)",
                "'[]'::jsonb",
            )
        } else {
            (
                format!(
                    "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT i FROM n",
                    PAYMENTS - 1
                ),
                "unhex(printf('%012x70008000%012x', (1760000000 + i) * 1000, i))",
                "strftime('%Y-%m-%dT%H:%M:%S.000000+00:00', 1760000000 + i, 'unixepoch')",
                "'[]'",
            )
        };
        let of_child = "(SELECT id FROM nodes WHERE number = 1000 + i % 40)";
        let sql = format!(
            "INSERT INTO payments (id, node_id, external_id, chain_id, network_id, wallet_id, currency_id, price, \
             paid_price, payment_method, payment_group, payment_address, items, expires_at, retry, retry_count, resends, \
             status, sequence, created_at, updated_at) \
             SELECT {id}, CASE WHEN i % 2 = 0 THEN $1 WHEN i % 1001 = 0 THEN $2 ELSE {of_child} END, 'order ' || i, $3, \
             CASE WHEN i % 1000 = 4 THEN $4 ELSE $5 END, CASE WHEN i % 1000 = 6 THEN $6 ELSE $7 END, $8, {money}, \
             {money}, CASE WHEN i % 1000 = 8 THEN 'credit_card' ELSE 'web3' END, 'product', 'nobody', {items}, {time}, \
             {no}, 0, 0, CASE WHEN i % 1000 = 10 THEN 'failed' WHEN i % 3 = 0 THEN 'paid' ELSE 'open' END, 1, {time}, \
             {time} FROM ({numbers}) AS numbers",
            money = if postgres { "1.5" } else { "'1.5'" },
            no = if postgres { "FALSE" } else { "0" },
        );
        let (large, small) = (&self.large, &self.small);
        let values: [sea_orm::Value; 8] = [
            large.node_id.into(),
            small.node_id.into(),
            large.chain_id.into(),
            small.network_id.into(),
            large.network_id.into(),
            small.wallet_id.into(),
            large.wallet_id.into(),
            large.currency_id.into(),
        ];
        run(db, &sql, values).await;
        if postgres {
            vacuum(db).await;
        } else {
            db.execute_unprepared("ANALYZE").await.unwrap();
        }
    }

    /// Every filter, each for few rows of many.
    fn filters(&self) -> Vec<(&'static str, PaymentFilter)> {
        let none = PaymentFilter::default;
        let at = |seconds| Some(self.began + TimeDelta::seconds(seconds));
        vec![
            ("nothing", none()),
            ("status", PaymentFilter { status: Some(PaymentStatus::Failed), ..none() }),
            ("a common status", PaymentFilter { status: Some(PaymentStatus::Paid), ..none() }),
            ("a status that nothing is in", PaymentFilter { status: Some(PaymentStatus::Refunded), ..none() }),
            ("method", PaymentFilter { payment_method: Some(PaymentMethod::CreditCard), ..none() }),
            ("wallet", PaymentFilter { wallet_id: Some(self.small.wallet_id), ..none() }),
            ("no wallet", PaymentFilter { wallet_id: Some(WalletId::new()), ..none() }),
            ("network", PaymentFilter { network_id: Some(self.small.network_id), ..none() }),
            ("no network", PaymentFilter { network_id: Some(NetworkId::new()), ..none() }),
            ("external id", PaymentFilter { external_id: Some("order 5000".to_owned()), ..none() }),
            ("from", PaymentFilter { created_from: at(199_990), ..none() }),
            ("to", PaymentFilter { created_to: at(400), ..none() }),
            ("a time", PaymentFilter { created_from: at(100_000), created_to: at(100_100), ..none() }),
        ]
    }
}

async fn run(db: &impl ConnectionTrait, sql: &str, values: impl IntoIterator<Item = sea_orm::Value>) {
    db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await.unwrap();
}

/// Vacuums until an index alone can answer: the server's own look at the fresh rows holds a snapshot, and for as long as
/// it does, no page is marked as seen by everybody.
async fn vacuum(db: &DatabaseConnection) {
    let all_visible = "SELECT relallvisible >= relpages FROM pg_class WHERE relname = 'payments' AND relkind = 'r'";
    for _ in 0..300 {
        db.execute_unprepared("VACUUM ANALYZE").await.unwrap();
        let row = db.query_one_raw(Statement::from_string(DatabaseBackend::Postgres, all_visible)).await.unwrap();
        if row.unwrap().try_get_by_index(0).unwrap() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    panic!("payments are not visible to everybody after a minute");
}

/// How the database answers it, and what it reads for that (PostgreSQL).
async fn plan(db: &Database, mut statement: Statement) -> (String, f64) {
    if db.get_database_backend() == DatabaseBackend::Postgres {
        statement.sql = format!("EXPLAIN (ANALYZE, FORMAT JSON) {}", statement.sql);
        let row = db.query_one_raw(statement).await.unwrap().unwrap();
        let plan: Value = row.try_get_by_index(0).unwrap();
        return (serde_json::to_string_pretty(&plan).unwrap(), read(&plan));
    }
    statement.sql = format!("EXPLAIN QUERY PLAN {}", statement.sql);
    let rows = db.query_all_raw(statement).await.unwrap();
    let lines: Vec<String> = rows.iter().map(|row| row.try_get("", "detail").unwrap()).collect();
    (lines.join("\n"), 0.0)
}

/// The most rows that any step of a plan reads, those included that it throws away.
fn read(plan: &Value) -> f64 {
    match plan {
        Value::Array(steps) => steps.iter().map(read).fold(0.0, f64::max),
        Value::Object(step) => {
            // A few nodes and currencies stand on a page or two, which no index would find sooner.
            match step.get("Relation Name").and_then(Value::as_str) {
                Some("payments") if step.get("Node Type") == Some(&"Seq Scan".into()) => return f64::INFINITY,
                Some("nodes" | "currencies") => return 0.0,
                _ => {}
            }
            let number = |name: &str| step.get(name).and_then(Value::as_f64).unwrap_or(0.0);
            let rows =
                number("Actual Rows") + number("Rows Removed by Filter") + number("Rows Removed by Index Recheck");
            step.values().map(read).fold(rows * number("Actual Loops"), f64::max)
        }
        _ => 0.0,
    }
}

/// Payments are found by an index, and no more of them are read than are needed.
async fn assert_cheap(db: &Database, what: &str, statement: Statement, most: f64) {
    let (plan, read) = plan(db, statement).await;
    assert!(read <= most, "{what}: {read} rows are read\n{plan}");
    let by_hand = |line: &str| line.starts_with("SCAN payments") && !line.contains("INDEX");
    assert!(!plan.lines().any(by_hand), "{what}: {plan}");
    // SQLite sorts what it could not find in order.
    let sorts = plan.lines().any(|line| line.trim() == "USE TEMP B-TREE FOR ORDER BY");
    assert!(!sorts || plan.contains("SEARCH payments USING"), "{what}: {plan}");
}

on_both!(every_filter_is_answered_from_its_index, async |database: TestDatabase| {
    let db = &database.db;
    let crowd = Crowd::insert(&database).await;
    for (reach, path) in [("large", &crowd.large.path), ("small", &crowd.small.path), ("parent", &crowd.parent.path)] {
        for (what, filter) in crowd.filters() {
            let what = format!("{what}, {reach} tenant");
            let listing = filter.of_subtree(path);
            assert_cheap(db, &what, listing.page_statement(&**db, 0, PAGE).await.unwrap(), READ_MAX).await;
            let ids = listing.page(&**db, 0, PAGE).await.unwrap();
            assert!(ids.is_sorted_by(|one, next| one.id > next.id), "{what}");
        }
    }
});

on_both!(a_list_holds_what_a_scan_of_every_row_finds, async |database: TestDatabase| {
    let db = &database.db;
    let crowd = Crowd::insert(&database).await;
    for path in [&crowd.large.path, &crowd.small.path, &crowd.parent.path] {
        for (what, filter) in crowd.filters() {
            let mut all = payments::reach::of_subtree::<payment::Entity>(path);
            use payment::Column as C;
            let conditions = [
                filter.wallet_id.map(|id| C::WalletId.eq(id)),
                filter.network_id.map(|id| C::NetworkId.eq(id)),
                filter.status.map(|status| C::Status.eq(status)),
                filter.payment_method.map(|method| C::PaymentMethod.eq(method)),
                filter.external_id.clone().map(|id| C::ExternalId.eq(id)),
                filter.created_from.map(|from| C::CreatedAt.gte(from)),
                filter.created_to.map(|to| C::CreatedAt.lt(to)),
            ];
            for condition in conditions.into_iter().flatten() {
                all = sea_orm::QueryFilter::filter(all, condition);
            }
            let ordered = sea_orm::QueryOrder::order_by_desc(all.clone(), C::Id);
            let expected = sea_orm::QuerySelect::limit(sea_orm::QuerySelect::offset(ordered, 7), 13).all(&**db).await;
            let listing = filter.of_subtree(path);
            let ids = |found: Vec<payment::Model>| found.into_iter().map(|payment| payment.id).collect::<Vec<_>>();
            let (found, expected) = (listing.page(&**db, 7, 13).await.unwrap(), expected.unwrap());
            assert_eq!(ids(found), ids(expected), "{what}, {path}");
            let counted = sea_orm::PaginatorTrait::count(all, &**db).await.unwrap();
            assert_eq!(listing.count(&**db, 10_000).await.unwrap(), counted.min(10_000), "{what}, {path}");
        }
    }
});

on_both!(deep_pages_and_counts_read_entries_of_an_index_up_to_a_bound, async |database: TestDatabase| {
    let db = &database.db;
    let crowd = Crowd::insert(&database).await;
    let listing = PaymentFilter { status: Some(PaymentStatus::Open), ..PaymentFilter::default() };
    for path in [&crowd.large.path, &crowd.parent.path] {
        let listing = listing.clone().of_subtree(path);
        // So much is passed over; of forty nodes each may have what is wanted.
        let most = 10_100.0 * 1.5 + 100.0;
        let most = if *path == crowd.parent.path { f64::from(PAYMENTS) } else { most };
        assert_cheap(db, "a deep page", listing.page_statement(&**db, 10_000, PAGE).await.unwrap(), most).await;
        assert_cheap(db, "a count", listing.count_statement(&**db, 10_000).await.unwrap(), most).await;
    }
});

on_both!(operators_tills_and_shops_lists_cost_what_their_page_costs, async |database: TestDatabase| {
    let db = &database.db;
    let crowd = Crowd::insert(&database).await;
    let admin = Caller { is_admin: true, ..crowd.large.caller() };
    for caller in [&admin, &crowd.large.caller()] {
        for status in [PaymentStatus::Failed, PaymentStatus::Open, PaymentStatus::Refunded] {
            let listing = Listing::within(caller).filter(payment::Column::Status.eq(status));
            let what = format!("operators, {status:?}");
            assert_cheap(db, &what, listing.page_statement(&**db, 0, PAGE).await.unwrap(), READ_MAX).await;
        }
        let all = Listing::within(caller);
        assert_cheap(db, "everything", all.page_statement(&**db, 0, PAGE).await.unwrap(), READ_MAX).await;
        assert_eq!(payments::till::list(&**db, caller, None, PAGE).await.unwrap().len(), 20);
    }
    // Every second payment of the large tenant is a checkout, with attributes to sort by.
    let sql = "INSERT INTO checkouts (payment_id, redirect_mode, purchase, client_id) \
               SELECT id, 'hosted', items, external_id FROM payments WHERE node_id = $1";
    let admin = sea_orm::Database::connect(database.config.url.expose_secret()).await.unwrap();
    run(&admin, sql, [crowd.large.node_id.into()]).await;
    db.execute_unprepared("ANALYZE").await.unwrap();
    let caller = crowd.large.caller();
    for by in Attribute::ALL.iter().copied() {
        let order = [Order { by, descending: true }];
        let statement = checkout::page_statement(&**db, &caller, &order, 0, PAGE).await.unwrap();
        let window = f64::from(u32::try_from(checkout::SORTED_MAX).unwrap());
        let (plan, read) = plan(db, statement).await;
        assert!(read <= window * 2.0, "{}: {read} rows are read\n{plan}", by.word());
        assert!(plan.contains("payments_node_id"), "{}: {plan}", by.word());
        assert_eq!(checkout::page(&**db, &caller, &order, 0, 20).await.unwrap().len(), 20);
    }
    assert_eq!(checkout::within(&caller).count(&**db, 10_000).await.unwrap(), 10_000);
});
