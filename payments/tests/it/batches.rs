//! What a batch of new payments writes, and that none of them spoils another one's.

use chrono::TimeDelta;
use entities::{
    Amount, MemberId, NodeId, PaymentGroup, PaymentId, PaymentMethod, PaymentStatus, currency, member, network, node,
    now, payment, wallet,
};
use fixtures::{Merchant, TestDatabase, on_both};
use futures_util::future::join_all;
use payments::{
    AcceptError, Accepted, Acceptor, Caller, NewPayment,
    accept::{Answer, MemberRef, NewMember},
    idempotency::{self, Claim, Key},
};
use queue::Database;
use rust_decimal::Decimal;
use sea_orm::{EntityTrait, IntoActiveModel, PaginatorTrait, prelude::*};
use serde_json::json;

use super::{messages, read};

async fn accept(db: &Database, caller: &Caller, new: NewPayment) -> Result<Accepted, AcceptError> {
    Acceptor::start(db.clone()).accept(caller, new).await
}

/// All of them at once, so that they share commits.
async fn accept_all(db: &Database, merchant: &Merchant, all: Vec<NewPayment>) -> Vec<Result<Accepted, AcceptError>> {
    let (acceptor, caller) = (Acceptor::start(db.clone()), merchant.caller());
    join_all(all.into_iter().map(|new| acceptor.accept(&caller, new))).await
}

on_both!(everything_that_a_request_says_is_stored, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let new = NewPayment {
        price: Decimal::new(123_456_789, 6),
        paid_price: Decimal::new(99, 0),
        payment_group: PaymentGroup::ListingOrSubscription,
        items: json!([{ "name": "tea", "price": 1.5 }]),
        metadata: Some("m".to_owned()),
        expires_at: now() + TimeDelta::minutes(7),
        retry: false,
        retry_count: 3,
        client_ip: Some("192.0.2.1".to_owned()),
        chain_id: Some(merchant.chain_id),
        wallet_id: Some(merchant.wallet_id),
        ..merchant.payment("one")
    };
    let payment = read(db, accept(db, &merchant.caller(), new.clone()).await.unwrap().payment.id).await;
    assert_eq!((payment.price, payment.paid_price), (Amount(new.price), Amount(new.paid_price)));
    assert_eq!((payment.payment_group, &payment.items), (new.payment_group, &new.items));
    assert_eq!((&payment.metadata, payment.expires_at), (&new.metadata, new.expires_at));
    assert_eq!((payment.retry, payment.retry_count, payment.resends), (false, 3, 0));
    assert_eq!((&payment.client_ip, &payment.payment_address), (&new.client_ip, &new.payment_address));
    assert_eq!((payment.chain_id, payment.wallet_id), (merchant.chain_id, Some(merchant.wallet_id)));
    assert_eq!((payment.network_id, payment.currency_id), (merchant.network_id, merchant.currency_id));
});

on_both!(what_was_taken_away_is_named_by_no_new_payment, async |database: TestDatabase| {
    use sea_orm::sea_query::Value;
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let refused = async || accept(db, &merchant.caller(), merchant.payment("one")).await.unwrap_err().to_string();
    macro_rules! without {
        ($table:ident, $word:literal) => {
            let gone = |at: Option<chrono::DateTime<chrono::Utc>>| {
                $table::Entity::update_many().col_expr($table::Column::DeletedAt, Expr::value(Value::from(at)))
            };
            gone(Some(now())).exec(&**db).await.unwrap();
            assert_eq!(refused().await, concat!($word, " not found"));
            gone(None).exec(&**db).await.unwrap();
        };
    }
    without!(node, "Node");
    without!(network, "Network");
    without!(currency, "Currency");
    without!(wallet, "Wallet");
    assert!(accept(db, &merchant.caller(), merchant.payment("one")).await.is_ok());
});

fn member(letter: char) -> NewMember {
    let text = |field: &str| Some(format!("{field} {letter}"));
    NewMember {
        external_id: "m1".to_owned(),
        name: text("name"),
        surname: text("surname"),
        email: text("email"),
        phone: text("phone"),
        identity_number: text("identity"),
        tax_office: text("office"),
        tax_number: text("tax"),
        address: text("address"),
        district: text("district"),
        city: text("city"),
        country: text("country"),
        contact_name: text("contact"),
        locale: text("locale"),
    }
}

fn with_member(merchant: &Merchant, name: &str, member: NewMember) -> NewPayment {
    NewPayment { member: Some(MemberRef::Inline(Box::new(member))), ..merchant.payment(name) }
}

fn says(member: member::Model) -> NewMember {
    let member::Model { external_id, name, surname, email, phone, identity_number, tax_office, tax_number, .. } =
        member;
    let member::Model { address, district, city, country, contact_name, locale, .. } = member;
    NewMember {
        external_id,
        name,
        surname,
        email,
        phone,
        identity_number,
        tax_office,
        tax_number,
        address,
        district,
        city,
        country,
        contact_name,
        locale,
    }
}

on_both!(a_member_is_what_was_said_of_it_last, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let mut known: Option<member::Model> = None;
    for (name, said) in [("one", member('a')), ("two", member('b')), ("three", NewMember { name: None, ..member('c') })]
    {
        let accepted = accept(db, &merchant.caller(), with_member(&merchant, name, said.clone())).await.unwrap();
        let written = accepted.member.unwrap();
        assert_eq!(accepted.payment.member_id, Some(written.id));
        assert_eq!(format!("{:?}", says(written.clone())), format!("{said:?}"), "in every field");
        if let Some(known) = known {
            assert_eq!((written.id, written.created_at), (known.id, known.created_at), "it is the same one");
            assert!(written.updated_at > known.updated_at);
        }
        assert_eq!(member::Entity::find_by_id(written.id).one(&**db).await.unwrap().unwrap(), written);
        known = Some(written);
    }
    let other = Merchant::insert(db, 2).await;
    let theirs = accept(db, &other.caller(), with_member(&other, "one", member('d'))).await.unwrap().member.unwrap();
    assert_ne!(Some(theirs.id), known.map(|known| known.id), "a node has members of its own");
    let batch = ('e'..='h').map(|letter| with_member(&merchant, &letter.to_string(), member(letter))).collect();
    let accepted = accept_all(db, &merchant, batch).await;
    let members: Vec<MemberId> = accepted.iter().map(|one| one.as_ref().unwrap().payment.member_id.unwrap()).collect();
    assert!(members.iter().all(|id| *id == members[0]));
    let last = member::Entity::find_by_id(members[0]).one(&**db).await.unwrap().unwrap();
    assert_eq!(last.name.as_deref(), Some("name h"), "of several the last one wins");
});

on_both!(a_member_is_named_by_its_own_line_within_reach, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let root = node::Entity::find_by_id(merchant.node_id).one(&**db).await.unwrap().unwrap();
    let branch = node::Model { id: NodeId::new(), path: "1.5".to_owned(), number: 5, ..root };
    node::Entity::insert(branch.clone().into_active_model()).exec_without_returning(&**db).await.unwrap();
    let below = Merchant { node_id: branch.id, path: branch.path, ..merchant.clone() };
    let of_root = accept(db, &merchant.caller(), with_member(&merchant, "one", member('a'))).await.unwrap();
    let of_branch = accept(db, &below.caller(), with_member(&below, "two", member('b'))).await.unwrap();
    let (of_root, of_branch) = (of_root.member.unwrap(), of_branch.member.unwrap());
    let named = async |caller: &Caller, node_id: NodeId, id: MemberId| {
        let member = Some(MemberRef::Known(id));
        let new = NewPayment { node_id, member, ..merchant.payment(&PaymentId::new().to_string()) };
        let accepted = accept(db, caller, new).await.map_err(|error| error.to_string())?;
        Ok::<_, String>(accepted.member.map(|member| member.id))
    };
    let (wide, narrow) = (merchant.caller(), below.caller());
    assert_eq!(named(&wide, branch.id, of_root.id).await, Ok(Some(of_root.id)), "the line's own");
    assert_eq!(named(&narrow, branch.id, of_branch.id).await, Ok(Some(of_branch.id)));
    for (caller, node_id, id) in [
        // Its data would be in the answer.
        (&narrow, branch.id, of_root.id),
        // A branch's member is nobody's above it.
        (&wide, merchant.node_id, of_branch.id),
        (&wide, merchant.node_id, MemberId::new()),
    ] {
        assert_eq!(named(caller, node_id, id).await, Err("Member not found".to_owned()));
    }
});

on_both!(a_first_answer_is_kept_with_what_it_answers, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let key = |key: &str| Key { scope: "integration:1".to_owned(), key: key.to_owned() };
    let render = |accepted: &Accepted| format!("{} {}", accepted.payment.external_id, accepted.payment.status);
    let new_payment = |name: &str| {
        let answer = Some(Answer { key: key(name), status: 201, render });
        NewPayment { answer, payment_method: PaymentMethod::CreditCard, ..merchant.payment("one") }
    };
    for name in ["first", "second"] {
        assert_eq!(idempotency::claim(&**db, &key(name), "print").await.unwrap(), Claim::Fresh);
    }
    let results = accept_all(db, &merchant, vec![new_payment("first"), new_payment("second")]).await;
    let id = results[0].as_ref().unwrap().payment.id;
    assert!(matches!(results[1], Err(AcceptError::ExternalIdTaken(taken)) if taken == id), "{results:?}");
    let answered = Claim::Answered { status: 201, body: "one open".to_owned() };
    assert_eq!(idempotency::claim(&**db, &key("first"), "print").await.unwrap(), answered, "as it was answered");
    assert_eq!(
        idempotency::claim(&**db, &key("second"), "print").await.unwrap(),
        Claim::InFlight,
        "nothing was accepted"
    );
});

on_both!(what_the_database_refuses_of_one_takes_no_other_along, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    // As a rule of a schema that is stricter than we are.
    let postgres = db.get_database_backend() == sea_orm::DatabaseBackend::Postgres;
    let rule = if postgres {
        "ALTER TABLE payments ADD CONSTRAINT refused CHECK (external_id <> 'refused')"
    } else {
        "CREATE TRIGGER refused BEFORE INSERT ON payments WHEN NEW.external_id = 'refused' \
         BEGIN SELECT RAISE(ABORT, 'refused'); END"
    };
    let admin = sea_orm::Database::connect(secrecy::ExposeSecret::expose_secret(&database.config.url)).await.unwrap();
    admin.execute_unprepared(rule).await.unwrap();
    let names = (0..20).map(|number| if number == 7 { "refused".to_owned() } else { format!("{number}") });
    let results = accept_all(db, &merchant, names.map(|name| merchant.payment(&name)).collect()).await;
    for (number, result) in results.iter().enumerate() {
        match result {
            Ok(accepted) => {
                assert_eq!(accepted.payment.external_id, number.to_string(), "each gets its own answer");
                assert_eq!(messages(db, accepted.payment.id).await, ["open_deal"]);
            }
            Err(error) => assert!(number == 7 && matches!(error, AcceptError::Unavailable), "{number}: {error}"),
        }
    }
    assert_eq!(payment::Entity::find().count(&**db).await.unwrap(), 19);
});

on_both!(only_a_deal_is_requested_of_a_chain, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    for (method, status, sent) in [
        (PaymentMethod::Web3, PaymentStatus::Pending, vec!["open_deal"]),
        (PaymentMethod::CreditCard, PaymentStatus::Open, vec!["expire_payment"]),
        (PaymentMethod::BankTransfer, PaymentStatus::Open, vec!["expire_payment"]),
        (PaymentMethod::Cash, PaymentStatus::Pending, vec![]),
    ] {
        let request_id = Some("request".to_owned());
        let new = NewPayment { payment_method: method, request_id, ..merchant.payment(&method.word()) };
        let payment = accept(db, &merchant.caller(), new).await.unwrap().payment;
        assert_eq!(
            (payment.status, messages(db, payment.id).await),
            (status, sent.iter().map(ToString::to_string).collect())
        );
        let named =
            format!("SELECT headers FROM outbox WHERE payload LIKE '%{}%' AND kind <> 'announce_events'", payment.id);
        let rows = db.query_all_raw(sea_orm::Statement::from_string(db.get_database_backend(), named)).await.unwrap();
        for row in rows {
            let headers: serde_json::Value =
                serde_json::from_str(&row.try_get::<String>("", "headers").unwrap()).unwrap();
            let wanted = json!({ "request_id": "request", "payment_id": payment.id, "node_id": merchant.node_id });
            for (name, value) in wanted.as_object().unwrap() {
                assert_eq!(&headers[name], value, "{method}");
            }
        }
    }
});
