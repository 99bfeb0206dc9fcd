//! One batch: resolve all, then write all in one transaction with one statement a table.

use std::collections::{BTreeSet, HashMap};

use entities::{Amount, MemberId, NodeId, OrderId, PaymentId, member, now, payment};
use queue::{Database, NewMessage, Transaction};
use sea_orm::{
    Condition, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, prelude::*, sea_query::OnConflict,
};

use super::{
    AcceptError, Accepted, MemberRef, NewMember, NewPayment,
    opening::open_at_once,
    references::{References, Resolved},
};
use crate::{
    caller::Caller,
    debt::lock_orders,
    event, idempotency,
    jobs::OpenDeal,
    log::{self, NewLog},
    method::Capabilities,
    observation::with_context,
    record,
    row::NewRow,
};

type AcceptResult = Result<Accepted, AcceptError>;

/// Writes what can be accepted and says of each request what became of it, in order.
pub(super) async fn write(db: &Database, requests: &[(Caller, NewPayment)]) -> Result<Vec<AcceptResult>, DbErr> {
    let references = References::load(&**db, requests).await?;
    let mut outcomes: Vec<Option<AcceptResult>> = Vec::with_capacity(requests.len());
    let mut rows = Vec::with_capacity(requests.len());
    for (index, (caller, new)) in requests.iter().enumerate() {
        match references.resolve(caller, new) {
            Ok(resolved) => {
                let (row, member) = row(new, resolved);
                rows.push((index, row, member));
                outcomes.push(None);
            }
            Err(error) => outcomes.push(Some(Err(error))),
        }
    }
    if !rows.is_empty() {
        let mut tx = db.begin().await?;
        let accepted = insert(&mut tx, requests, rows).await?;
        fail::fail_point!("accept.before_commit");
        tx.commit().await?;
        fail::fail_point!("accept.committed");
        for (index, outcome) in accepted {
            outcomes[index] = Some(outcome);
        }
    }
    Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or(Err(AcceptError::Unavailable))).collect())
}

async fn insert(
    tx: &mut Transaction,
    requests: &[(Caller, NewPayment)],
    mut rows: Vec<(usize, payment::Model, Option<member::Model>)>,
) -> Result<Vec<(usize, AcceptResult)>, DbErr> {
    let refused = refuse_closed_orders(tx, &mut rows).await?;
    if rows.is_empty() {
        return Ok(refused);
    }
    upsert_members(tx, requests, &mut rows).await?;
    let inserted = record::insert(tx, rows.iter().map(|(_, row, _)| row.clone())).await?;
    fail::fail_point!("accept.payments_written");
    let taken = taken(tx, rows.iter().map(|(_, row, _)| row).filter(|row| !inserted.contains(&row.id))).await?;
    let (mut logs, mut messages, mut outcomes) = (Vec::new(), Vec::new(), refused);
    let mut accepted = Vec::with_capacity(rows.len());
    for (index, payment, member) in rows {
        let (caller, new) = &requests[index];
        if !inserted.contains(&payment.id) {
            let existing = taken.get(&(payment.node_id, payment.external_id.clone()));
            let error = existing.map_or(AcceptError::Unavailable, |id| AcceptError::ExternalIdTaken(*id));
            outcomes.push((index, Err(error)));
            continue;
        }
        logs.push(NewLog::created(&payment, &caller.in_request(new.request_id.clone())));
        if Capabilities::of(payment.payment_method).on_chain {
            let message = NewMessage::of(&OpenDeal { payment_id: payment.id });
            messages.push(with_context(message, &payment, new.request_id.as_deref()));
        }
        accepted.push((index, Accepted { payment, member }));
    }
    let transitions = log::append(&**tx, logs).await?;
    messages.extend(event::announcements(&transitions));
    fail::fail_point!("accept.logs_written");
    tx.enqueue(messages).await?;
    open_at_once(tx, requests, &mut accepted).await?;
    for (index, accepted) in accepted {
        if let Some(answer) = &requests[index].1.answer {
            idempotency::complete(&**tx, &answer.key, answer.status, &(answer.render)(&accepted)).await?;
        }
        outcomes.push((index, Ok(accepted)));
    }
    Ok(outcomes)
}

/// Takes out what would pay an order that takes no payment any more; the orders of the others stay locked. Who repeats a
/// create that was accepted is told so, even when its order was paid meanwhile.
async fn refuse_closed_orders(
    tx: &Transaction,
    rows: &mut Vec<(usize, payment::Model, Option<member::Model>)>,
) -> Result<Vec<(usize, AcceptResult)>, DbErr> {
    let ids: BTreeSet<OrderId> = rows.iter().filter_map(|(_, row, _)| row.order_id).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let closed = lock_orders(tx, ids).await?;
    let reason = |row: &payment::Model| row.order_id.and_then(|id| closed.get(&id).copied().flatten());
    let refused: Vec<_> = rows.extract_if(.., |(_, row, _)| reason(row).is_some()).collect();
    let taken = taken(tx, refused.iter().map(|(_, row, _)| row)).await?;
    let error = |row: &payment::Model| match taken.get(&(row.node_id, row.external_id.clone())) {
        Some(id) => Some(AcceptError::ExternalIdTaken(*id)),
        None => reason(row).map(AcceptError::OrderClosed),
    };
    Ok(refused.iter().filter_map(|(index, row, _)| Some((*index, Err(error(row)?)))).collect())
}

/// The payments that hold the external ids of those that were not inserted.
async fn taken<'a>(
    tx: &Transaction,
    refused: impl Iterator<Item = &'a payment::Model>,
) -> Result<HashMap<(NodeId, String), PaymentId>, DbErr> {
    let any = refused.fold(Condition::any(), |any, row| {
        let of_node = payment::Column::NodeId.eq(row.node_id);
        any.add(Condition::all().add(of_node).add(payment::Column::ExternalId.eq(&row.external_id)))
    });
    if any.is_empty() {
        return Ok(HashMap::new());
    }
    let existing: Vec<(PaymentId, NodeId, String)> = payment::Entity::find()
        .select_only()
        .columns([payment::Column::Id, payment::Column::NodeId, payment::Column::ExternalId])
        .filter(any)
        .into_tuple()
        .all(&**tx)
        .await?;
    Ok(existing.into_iter().map(|(id, node_id, external_id)| ((node_id, external_id), id)).collect())
}

/// Writes inline members; of several for one external id the last wins.
async fn upsert_members(
    tx: &Transaction,
    requests: &[(Caller, NewPayment)],
    rows: &mut [(usize, payment::Model, Option<member::Model>)],
) -> Result<(), DbErr> {
    let mut inline: HashMap<(NodeId, &str), &NewMember> = HashMap::new();
    for (index, row, _) in rows.iter() {
        if let Some(MemberRef::Inline(member)) = &requests[*index].1.member {
            inline.insert((row.node_id, &member.external_id), member);
        }
    }
    if inline.is_empty() {
        return Ok(());
    }
    let models = inline.into_iter().map(|((node_id, _), member)| member_row(node_id, member).into_active_model());
    use member::Column as C;
    let updated = [
        C::Name,
        C::Surname,
        C::Email,
        C::Phone,
        C::IdentityNumber,
        C::TaxOffice,
        C::TaxNumber,
        C::Address,
        C::District,
        C::City,
        C::Country,
        C::ContactName,
        C::Locale,
        C::UpdatedAt,
    ];
    let written = member::Entity::insert_many(models)
        .on_conflict(OnConflict::columns([C::NodeId, C::ExternalId]).update_columns(updated).to_owned())
        .exec_with_returning(&**tx)
        .await?;
    let written: HashMap<(NodeId, String), member::Model> =
        written.into_iter().map(|member| ((member.node_id, member.external_id.clone()), member)).collect();
    for (index, row, member) in rows {
        if let Some(MemberRef::Inline(new)) = &requests[*index].1.member {
            *member = written.get(&(row.node_id, new.external_id.clone())).cloned();
            row.member_id = member.as_ref().map(|member| member.id);
        }
    }
    Ok(())
}

fn row(new: &NewPayment, resolved: Resolved) -> (payment::Model, Option<member::Model>) {
    let Resolved { chain_id, wallet_id, member, amounts } = resolved;
    let row = NewRow {
        node_id: new.node_id,
        external_id: new.external_id.clone(),
        chain_id,
        network_id: new.network_id,
        currency_id: new.currency_id,
        amount: Amount(amounts.paid_price),
        payment_method: new.payment_method,
        payment_address: new.payment_address.clone(),
    };
    let row = payment::Model {
        wallet_id,
        member_id: member.as_ref().map(|member| member.id),
        order_id: new.order_id,
        price: Amount(amounts.price),
        payment_group: new.payment_group,
        items: amounts.items,
        metadata: new.metadata.clone(),
        expires_at: new.expires_at,
        retry: new.retry,
        retry_count: new.retry_count,
        client_ip: new.client_ip.clone(),
        ..row.build()
    };
    (row, member)
}

fn member_row(node_id: NodeId, new: &NewMember) -> member::Model {
    let new = new.clone();
    let now = now();
    member::Model {
        id: MemberId::new(),
        node_id,
        external_id: new.external_id,
        name: new.name,
        surname: new.surname,
        email: new.email,
        phone: new.phone,
        identity_number: new.identity_number,
        tax_office: new.tax_office,
        tax_number: new.tax_number,
        address: new.address,
        district: new.district,
        city: new.city,
        country: new.country,
        contact_name: new.contact_name,
        locale: new.locale,
        created_at: now,
        updated_at: now,
    }
}
