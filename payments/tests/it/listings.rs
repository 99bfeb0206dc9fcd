//! Lists hold what a look at every row would find, for any filter, any page and any number of nodes.

use chrono::{DateTime, TimeDelta, Utc};
use entities::{NodeId, PaymentId, PaymentMethod, PaymentStatus, id_bound, node, payment};
use fixtures::{Merchant, TestDatabase, on_both};
use payments::{
    Caller,
    listing::{Listing, PaymentFilter},
};
use proptest::{option, prelude::*, sample::select, strategy::ValueTree, test_runner::TestRunner};
use queue::Database;
use sea_orm::{EntityTrait, IntoActiveModel};

use super::accepted_by;

const STATUSES: [PaymentStatus; 3] = [PaymentStatus::Open, PaymentStatus::Paid, PaymentStatus::Failed];

/// The moment around which the payments were made.
fn began() -> DateTime<Utc> {
    DateTime::from_timestamp(1_760_000_000, 0).unwrap()
}

/// A node of its own below the merchant's.
async fn below(db: &Database, merchant: &Merchant, number: i64) -> NodeId {
    let above = node::Entity::find_by_id(merchant.node_id).one(&**db).await.unwrap().unwrap();
    let path = format!("{}.{number}", merchant.path);
    let row = node::Model { id: NodeId::new(), path, number: 1_000 * above.number + number, ..above };
    node::Entity::insert(row.clone().into_active_model()).exec_without_returning(&**db).await.unwrap();
    row.id
}

/// Sixty payments of these nodes, one every two minutes, each a little beside the time that its id says.
async fn insert(db: &Database, like: &payment::Model, nodes: &[NodeId], round: u8) -> Vec<payment::Model> {
    let mut rows = Vec::new();
    for number in 0..60_u32 {
        let made = began() + TimeDelta::minutes(i64::from(number) * 2);
        let beside = TimeDelta::seconds([-59, 0, 59][number as usize % 3]);
        let id = id_bound(made).as_u128() | u128::from(round) << 16 | u128::from(number);
        rows.push(payment::Model {
            id: PaymentId(sea_orm::prelude::Uuid::from_u128(id)),
            node_id: nodes[number as usize * 7 % nodes.len()],
            external_id: format!("{number}"),
            status: STATUSES[number as usize % 3],
            payment_method: if number % 5 == 0 { PaymentMethod::Cash } else { PaymentMethod::Web3 },
            created_at: made + beside,
            ..like.clone()
        });
    }
    let models = rows.clone().into_iter().map(IntoActiveModel::into_active_model);
    payment::Entity::insert_many(models).exec_without_returning(&**db).await.unwrap();
    rows
}

/// A filter, its offset and its limit.
fn questions() -> impl Strategy<Value = (PaymentFilter, u64, u64)> {
    // Half of the times are exactly those of a payment.
    let time = || {
        (0_i64..62, select(vec![-59_i64, 0, 59, 1]))
            .prop_map(|(step, seconds)| began() + TimeDelta::minutes(step * 2) + TimeDelta::seconds(seconds))
    };
    let filter = (
        option::of(select(&STATUSES[..])),
        option::of(select(vec![PaymentMethod::Cash, PaymentMethod::Web3, PaymentMethod::CreditCard])),
        option::weighted(0.1, (0_u32..70).prop_map(|number| number.to_string())),
        option::of(time()),
        option::of(time()),
    );
    (filter, 0_u64..20, 1_u64..25).prop_map(|((status, payment_method, external_id, from, to), offset, limit)| {
        let (created_from, created_to) = (from, to);
        let given =
            PaymentFilter { status, payment_method, external_id, created_from, created_to, ..Default::default() };
        (given, offset, limit)
    })
}

fn holds(filter: &PaymentFilter, payment: &payment::Model) -> bool {
    filter.status.is_none_or(|status| payment.status == status)
        && filter.payment_method.is_none_or(|method| payment.payment_method == method)
        && filter.external_id.as_ref().is_none_or(|id| payment.external_id == *id)
        && filter.created_from.is_none_or(|from| payment.created_at >= from)
        && filter.created_to.is_none_or(|to| payment.created_at < to)
}

/// Asks many questions, both ways round, about the payments of a node and of all below it.
async fn query_at_random(db: &Database, path: &str, mine: &[payment::Model], cases: u32) {
    let mut runner = TestRunner::deterministic();
    let mut found_any = 0;
    for _ in 0..cases {
        let (filter, offset, limit) = questions().new_tree(&mut runner).unwrap().current();
        let mut wanted: Vec<PaymentId> = mine.iter().filter(|one| holds(&filter, one)).map(|one| one.id).collect();
        let listing = filter.clone().of_subtree(path);
        let most = offset + 1;
        assert_eq!(listing.count(&**db, most).await.unwrap(), most.min(wanted.len() as u64), "{filter:?}");
        for listing in [listing.clone().oldest_first(), listing] {
            let page = wanted.iter().skip(usize::try_from(offset).unwrap()).take(usize::try_from(limit).unwrap());
            let page: Vec<PaymentId> = page.copied().collect();
            let found = listing.page(&**db, offset, limit).await.unwrap();
            let found: Vec<PaymentId> = found.into_iter().map(|payment| payment.id).collect();
            assert_eq!(found, page, "{filter:?} from {offset}, {limit} at most");
            found_any += found.len();
            wanted.reverse();
        }
    }
    assert!(found_any > 0, "the questions are too hard");
}

on_both!(a_list_of_any_number_of_nodes_holds_what_it_should, async |database: TestDatabase| {
    let db = &database.db;
    for (round, branches) in [(1_u8, 0), (2, 3), (3, 230)] {
        let merchant = Merchant::insert(db, round.into()).await;
        let stranger = Merchant::insert(db, 10 + i64::from(round)).await;
        let like = accepted_by(db, &stranger, "another one's").await;
        let mut nodes = vec![merchant.node_id];
        for branch in 1..=branches {
            nodes.push(below(db, &merchant, branch).await);
        }
        let mine = insert(db, &like, &nodes, round).await;
        let cases = if branches > 200 { 20 } else { 60 };
        query_at_random(db, &merchant.path, &mine, cases).await;
        assert!(Listing::of_subtree(&stranger.path).page(&**db, 0, 99).await.unwrap().len() <= 1, "of another tenant");
        let all = Listing::within(&Caller { is_admin: true, ..stranger.caller() });
        let own = Listing::within(&merchant.caller());
        assert_eq!(own.count(&**db, 999).await.unwrap(), 60);
        assert!(all.count(&**db, 999).await.unwrap() >= 60 && all.count(&**db, 5).await.unwrap() == 5);
        assert!(Listing::of_subtree("99").page(&**db, 0, 9).await.unwrap().is_empty(), "a path without nodes has none");
        assert_eq!(Listing::of_subtree("99").count(&**db, 9).await.unwrap(), 0);
    }
});
