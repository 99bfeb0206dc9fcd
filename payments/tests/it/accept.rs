//! Accepting: batches, conflicts, references.

use entities::{CurrencyId, MemberId, NetworkId, NodeId, PaymentStatus, WalletId, member};
use fixtures::{Merchant, TestDatabase, on_both};
use payments::{
    AcceptError, Acceptor, NewPayment,
    accept::{MemberRef, NewMember},
};
use sea_orm::{EntityTrait, PaginatorTrait};

use super::{messages, read, transitions};

async fn refused(database: &TestDatabase, merchant: &Merchant, change: impl Fn(&mut NewPayment)) -> AcceptError {
    let mut new = merchant.payment("refused");
    change(&mut new);
    let acceptor = Acceptor::start(database.db.clone());
    let error = acceptor.accept(&merchant.caller(), new).await.expect_err("refused");
    let count = entities::payment::Entity::find().count(&*database.db).await.unwrap();
    assert_eq!(count, 0, "nothing was written");
    error
}

on_both!(a_payment_its_log_row_and_its_message_are_durable_together, async |database: TestDatabase| {
    let (_, payment) = crate::accepted(&database).await;
    let stored = read(&database.db, payment.id).await;
    assert_eq!(stored, payment, "what was answered is what is stored, amounts and times included");
    assert_eq!(stored.status, PaymentStatus::Pending);
    assert_eq!(transitions(&database.db, payment.id).await, ["payment.created"]);
    assert_eq!(messages(&database.db, payment.id).await, ["open_deal"]);
});

on_both!(concurrent_payments_share_commits_and_each_is_written_once, async |database: TestDatabase| {
    let merchant = Merchant::insert(&database.db, 1).await;
    let acceptor = Acceptor::start(database.db.clone());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..250 {
        let (acceptor, merchant) = (acceptor.clone(), merchant.clone());
        tasks.spawn(async move {
            let new = merchant.payment(&format!("order-{}", number % 200));
            acceptor.accept(&merchant.caller(), new).await
        });
    }
    let (mut accepted, mut taken) = (0, 0);
    while let Some(result) = tasks.join_next().await {
        match result.unwrap() {
            Ok(_) => accepted += 1,
            Err(AcceptError::ExternalIdTaken(_)) => taken += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((accepted, taken), (200, 50));
});

on_both!(a_taken_external_id_names_the_payment_that_has_it, async |database: TestDatabase| {
    let (merchant, payment) = crate::accepted(&database).await;
    let acceptor = Acceptor::start(database.db.clone());
    let again = acceptor.accept(&merchant.caller(), merchant.payment("one")).await;
    assert!(matches!(again, Err(AcceptError::ExternalIdTaken(id)) if id == payment.id), "{again:?}");
    assert_eq!(messages(&database.db, payment.id).await, ["open_deal"], "nothing more was enqueued");
});

on_both!(what_does_not_exist_or_is_out_of_reach_is_refused, async |database: TestDatabase| {
    let merchant = Merchant::insert(&database.db, 1).await;
    let other = Merchant::insert(&database.db, 11).await;
    let refused = async |change: &dyn Fn(&mut NewPayment)| refused(&database, &merchant, change).await.to_string();
    assert_eq!(refused(&|new| new.node_id = NodeId::new()).await, "Node not found");
    assert_eq!(refused(&|new| new.network_id = NetworkId::new()).await, "Network not found");
    assert_eq!(refused(&|new| new.currency_id = CurrencyId::new()).await, "Currency not found");
    assert_eq!(refused(&|new| new.wallet_id = Some(WalletId::new())).await, "Wallet not found");
    assert_eq!(refused(&|new| new.wallet_id = Some(other.wallet_id)).await, "Wallet not found");
    assert_eq!(refused(&|new| new.member = Some(MemberRef::Known(MemberId::new()))).await, "Member not found");
    let reach = refused(&|new| new.node_id = other.node_id).await;
    assert_eq!(reach, "Insufficient permission to access payment's node");
});

on_both!(fields_that_do_not_fit_what_they_refer_to_are_refused, async |database: TestDatabase| {
    let merchant = Merchant::insert(&database.db, 1).await;
    let other = Merchant::insert(&database.db, 2).await;
    let pointer = async |change: &dyn Fn(&mut NewPayment)| match refused(&database, &merchant, change).await {
        AcceptError::Misfit(misfit) => misfit.pointer(),
        error => panic!("{error}"),
    };
    assert_eq!(pointer(&|new| new.price = "0.0000001".parse().unwrap()).await, "/price");
    assert_eq!(pointer(&|new| new.paid_price = "0.0000001".parse().unwrap()).await, "/paid_price");
    assert_eq!(pointer(&|new| new.chain_id = Some(other.chain_id)).await, "/chain_id");
    assert_eq!(pointer(&|new| new.currency_id = other.currency_id).await, "/currency_id");
    assert_eq!(pointer(&|new| new.payment_address = "0x1234567890".to_owned()).await, "/payment_address");
});

on_both!(an_inline_member_is_written_once_and_updated, async |database: TestDatabase| {
    let merchant = Merchant::insert(&database.db, 1).await;
    let acceptor = Acceptor::start(database.db.clone());
    let with_member = |external_id: &str, name: &str| {
        let member = NewMember { external_id: "m1".into(), name: Some(name.into()), ..NewMember::default() };
        NewPayment { member: Some(MemberRef::Inline(Box::new(member))), ..merchant.payment(external_id) }
    };
    let one = acceptor.accept(&merchant.caller(), with_member("one", "Ada")).await.unwrap();
    let two = acceptor.accept(&merchant.caller(), with_member("two", "Grace")).await.unwrap();
    assert_eq!(one.payment.member_id, two.payment.member_id);
    assert_eq!(two.member.unwrap().name.as_deref(), Some("Grace"));
    assert_eq!(member::Entity::find().count(&*database.db).await.unwrap(), 1);
});

on_both!(a_batch_of_100_is_not_held_up_by_delayed_acknowledgements, async |database: TestDatabase| {
    let merchant = Merchant::insert(&database.db, 1).await;
    let acceptor = Acceptor::start(database.db.clone());
    let mut quickest = std::time::Duration::MAX;
    for round in 0..12 {
        let started = std::time::Instant::now();
        let batch = (0..100).map(|number| {
            let (acceptor, merchant) = (acceptor.clone(), merchant.clone());
            async move { acceptor.accept(&merchant.caller(), merchant.payment(&format!("{round}-{number}"))).await }
        });
        for result in futures_util::future::join_all(batch).await {
            result.unwrap();
        }
        quickest = quickest.min(started.elapsed());
    }
    // In a debug build beside other tests; delayed acknowledgements alone would take 44 ms for each of six statements.
    assert!(quickest.as_millis() < 200, "{quickest:?}");
});
