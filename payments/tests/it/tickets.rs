//! Tickets: what is said of one is kept, and a payment covers each once.

use entities::{Amount, NodeId, PaymentId, TicketId, node, ticket};
use fixtures::{Merchant, TestDatabase, on_both};
use payments::{
    Caller, Denied,
    till::{
        TillError,
        tickets::{self, Said},
    },
};
use queue::Database;
use rust_decimal::Decimal;
use sea_orm::{EntityTrait, IntoActiveModel};

use super::accepted_by;

fn said() -> Said {
    let text = |text: &str| Some(text.to_owned());
    Said {
        name: text("table 4"),
        order_id: text("o-1"),
        user_id: text("u-1"),
        ticket_date: text("2026-11-30"),
        status: Some(2),
        total_amount: Some(Amount(Decimal::new(1_250, 2))),
        notes: text("no onions"),
    }
}

/// What a ticket says, in the words of whoever says it.
fn says(ticket: &ticket::Model) -> Said {
    let ticket::Model { name, order_id, user_id, ticket_date, status, total_amount, notes, .. } = ticket.clone();
    Said { name, order_id, user_id, ticket_date, status: Some(status), total_amount, notes }
}

async fn create(db: &Database, node_id: NodeId, said: Said) -> ticket::Model {
    let tx = db.begin().await.unwrap();
    let ticket = tickets::create(&tx, node_id, said).await.unwrap();
    tx.commit().await.unwrap();
    ticket
}

async fn update(db: &Database, caller: &Caller, id: TicketId, said: Said) -> Result<ticket::Model, Denied> {
    let tx = db.begin().await.unwrap();
    let ticket = tickets::update(&tx, caller, id, said).await?;
    tx.commit().await.unwrap();
    Ok(ticket)
}

async fn relate(db: &Database, caller: &Caller, payment: PaymentId, ticket: TicketId) -> Result<(), TillError> {
    let tx = db.begin().await.unwrap();
    tickets::relate(&tx, caller, Some(payment), Some(ticket)).await?;
    tx.commit().await.unwrap();
    Ok(())
}

on_both!(what_is_said_is_kept_and_what_is_not_said_stays, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let caller = merchant.caller();
    let ticket = create(db, merchant.node_id, said()).await;
    let found = tickets::find(&**db, &caller, ticket.id).await.unwrap();
    assert_eq!((&found, format!("{:?}", says(&found))), (&ticket, format!("{:?}", said())));
    assert_eq!(create(db, merchant.node_id, Said::default()).await.status, 1, "one that says nothing is pending");
    let text = || Some("other".to_owned());
    let changes: [fn(&mut Said, Option<String>); 7] = [
        |said, text| said.name = text,
        |said, text| said.order_id = text,
        |said, text| said.user_id = text,
        |said, text| said.ticket_date = text,
        |said, text| said.notes = text,
        |said, _| said.status = Some(3),
        |said, _| said.total_amount = Some(Amount(Decimal::ONE)),
    ];
    let mut wanted = said();
    for change in changes {
        let mut one = Said::default();
        change(&mut one, text());
        change(&mut wanted, text());
        let changed = update(db, &caller, ticket.id, one).await.unwrap();
        assert_eq!(format!("{:?}", says(&changed)), format!("{wanted:?}"));
        assert_eq!((changed.created_at, changed.node_id), (ticket.created_at, ticket.node_id));
    }
    let unchanged = update(db, &caller, ticket.id, Said::default()).await.unwrap();
    assert_eq!(format!("{:?}", says(&unchanged)), format!("{wanted:?}"), "nothing was said");
    let others = tickets::list(&**db, &caller, None, 9).await.unwrap();
    assert_eq!(format!("{:?}", says(&others[0])), format!("{:?}", Said { status: Some(1), ..Said::default() }));
});

on_both!(tickets_are_read_and_changed_within_reach_alone, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let stranger = Merchant::insert(db, 10).await;
    let above = node::Entity::find_by_id(merchant.node_id).one(&**db).await.unwrap().unwrap();
    let branch = node::Model { id: NodeId::new(), path: "1.5".to_owned(), number: 5, ..above };
    node::Entity::insert(branch.clone().into_active_model()).exec_without_returning(&**db).await.unwrap();
    let mut ids = Vec::new();
    for node_id in [merchant.node_id, branch.id, stranger.node_id, branch.id] {
        ids.push(create(db, node_id, said()).await.id);
    }
    let list = async |caller: &Caller, after: Option<TicketId>, limit: u64| {
        let tickets = tickets::list(&**db, caller, after, limit).await.unwrap();
        tickets.into_iter().map(|ticket| ticket.id).collect::<Vec<_>>()
    };
    let (caller, admin) = (merchant.caller(), Caller { is_admin: true, ..stranger.caller() });
    let below = Caller { node_path: branch.path, ..merchant.caller() };
    assert_eq!(list(&caller, None, 9).await, [ids[3], ids[1], ids[0]], "newest first");
    assert_eq!(list(&caller, None, 2).await, [ids[3], ids[1]]);
    assert_eq!(list(&caller, Some(ids[1]), 9).await, [ids[0]], "behind that one");
    assert_eq!(list(&below, None, 9).await, [ids[3], ids[1]]);
    assert_eq!(list(&admin, None, 9).await.len(), 4);
    assert!(matches!(tickets::find(&**db, &below, ids[0]).await, Err(Denied::OutOfReach)));
    assert!(matches!(update(db, &below, ids[0], said()).await, Err(Denied::OutOfReach)));
    assert!(matches!(update(db, &caller, TicketId::new(), said()).await, Err(Denied::NotFound)));
});

on_both!(a_payment_covers_a_ticket_once_and_only_ones_own, async |database: TestDatabase| {
    let (db, merchant) = (&database.db, Merchant::insert(&database.db, 1).await);
    let (stranger, caller) = (Merchant::insert(db, 2).await, merchant.caller());
    let mut payments = Vec::new();
    for name in ["one", "two"] {
        payments.push(accepted_by(db, &merchant, name).await.id);
    }
    let (first, second) =
        (create(db, merchant.node_id, said()).await.id, create(db, merchant.node_id, said()).await.id);
    for (payment, ticket) in [(payments[1], first), (payments[0], first), (payments[0], second)] {
        relate(db, &caller, payment, ticket).await.unwrap();
    }
    assert!(matches!(relate(db, &caller, payments[0], first).await, Err(TillError::Covered)));
    let (theirs, theirs_too) =
        (accepted_by(db, &stranger, "one").await.id, create(db, stranger.node_id, said()).await.id);
    for (payment, ticket, reason) in [
        (theirs, first, "Insufficient permission to access payment's node"),
        (payments[1], theirs_too, "Insufficient permission to access payment's node"),
        (PaymentId::new(), first, "Payment not found"),
        (payments[1], TicketId::new(), "Ticket not found"),
    ] {
        assert_eq!(relate(db, &caller, payment, ticket).await.unwrap_err().to_string(), reason);
    }
    let tx = db.begin().await.unwrap();
    let unnamed = tickets::relate(&tx, &caller, None, Some(first)).await;
    assert!(matches!(unnamed, Err(TillError::Unknown(payments::till::Reference::Payment))), "{unnamed:?}");
    let of_ticket = async |limit| {
        let relations = tickets::of_ticket(&*tx, first, limit).await.unwrap();
        relations.into_iter().map(|relation| relation.payment_id).collect::<Vec<_>>()
    };
    assert_eq!((of_ticket(9).await, of_ticket(1).await), (payments.clone(), vec![payments[0]]), "oldest first");
    let of_payment = tickets::of_payment(&*tx, payments[0], 9).await.unwrap();
    assert_eq!(of_payment.iter().map(|relation| relation.ticket_id).collect::<Vec<_>>(), [first, second]);
    assert_eq!(tickets::part(&tx, first, Some(theirs)).await.unwrap(), 0);
    assert_eq!(tickets::part(&tx, first, Some(payments[0])).await.unwrap(), 1);
    assert_eq!(of_ticket(9).await, [payments[1]]);
    assert_eq!(tickets::part(&tx, first, None).await.unwrap(), 1);
    assert_eq!(tickets::of_payment(&*tx, payments[0], 9).await.unwrap().len(), 1, "another ticket's relation stays");
});
