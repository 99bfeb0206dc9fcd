//! What can be asked of the chain, and asking for it.

use alloy::primitives::{Address, B256, U256, keccak256};
use chrono::Utc;
use queue::Transaction;
use sea_orm::{ActiveValue::Set, Condition, QueryFilter, entity::prelude::*, sea_query::OnConflict};
use uuid::Uuid;

pub use crate::kind::Kind;
use crate::{
    error::Error,
    table::{Amount, Hash, Place, ROWS_MAX, deal, diamond, lane, operation, update_from},
};

/// What a deal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DealTerms {
    /// Who gets the deposit when it is released.
    pub payee: Address,
    /// The token's contract; zero is the network's own coin.
    pub token: Address,
    /// In the token's smallest unit; the contract takes up to 96 bits.
    pub amount: U256,
    /// No deposit is taken from then on; seconds since 1970.
    pub expires_at: u64,
}

/// One operation that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What it is about: a payment or a deployment.
    pub subject_id: Uuid,
    /// What to do.
    pub kind: Kind,
    /// Where.
    pub network_id: Uuid,
    /// Who signs; the key must be in the agent's keystore.
    pub signer: Address,
    /// The contract; not for [`Kind::Deploy`].
    pub diamond: Option<Address>,
    /// The deal; for [`Kind::Open`] only.
    pub terms: Option<DealTerms>,
    /// Whom the diamond shall belong to, for [`Kind::Deploy`] only; without it the agent's settings decide.
    pub owner: Option<Address>,
}

/// What became of taking an operation back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Withdrawn {
    /// It will not be sent, and nothing of it is on its way.
    Done,
    /// Too late: it is on its way, on the chain, or has failed; its facts tell.
    TooLate,
    /// It was never asked for.
    Unknown,
}

/// The reference that a subject's deal carries on the chain: keccak-256 over the 16 bytes of the UUID in network byte
/// order (not its text). On a diamond of the first edition the deal's id is this same value read as a number.
#[must_use]
pub fn reference(subject_id: Uuid) -> B256 {
    keccak256(subject_id.as_bytes())
}

/// Asks for operations within the caller's transaction; an agent starts on them after the commit.
///
/// A subject has at most one operation of a kind: asking again is harmless while it is pending, under way or confirmed,
/// and arms it anew when it has definitely failed or was withdrawn.
///
/// # Errors
/// When a request lacks its diamond or terms, or the database fails; the transaction is then unusable.
pub async fn request(tx: &Transaction, requests: &[Request]) -> Result<(), Error> {
    // One order for everybody, so that two transactions with the same subjects cannot wait for each other, and one
    // row per key, which a single statement may touch only once.
    let mut requests: Vec<&Request> = requests.iter().collect();
    requests.sort_by_key(|request| (request.subject_id, request.kind));
    requests.dedup_by_key(|request| (request.subject_id, request.kind));
    for request in &requests {
        let complete = match request.kind {
            Kind::Deploy => true,
            Kind::Open => request.diamond.is_some() && request.terms.is_some(),
            Kind::Release | Kind::Cancel => request.diamond.is_some(),
        };
        if !complete {
            return Err(Error::Incomplete { subject_id: request.subject_id, kind: request.kind });
        }
    }
    insert_places(tx, &requests).await?;
    for chunk in requests.chunks(ROWS_MAX) {
        insert_deals(tx, chunk).await?;
        insert_operations(tx, chunk).await?;
    }
    Ok(())
}

/// Makes the lanes and diamonds known that the requests name; nearly always they are.
async fn insert_places(tx: &Transaction, requests: &[&Request]) -> Result<(), Error> {
    let now = Utc::now();
    let mut lanes: Vec<_> = requests.iter().map(|request| (request.network_id, Place(request.signer))).collect();
    lanes.sort_unstable();
    lanes.dedup();
    let mut diamonds: Vec<_> =
        requests.iter().filter_map(|request| Some((request.network_id, Place(request.diamond?)))).collect();
    diamonds.sort_unstable();
    diamonds.dedup();
    let lanes = lanes.into_iter().map(|(network_id, signer)| lane::ActiveModel {
        network_id: Set(network_id),
        signer: Set(signer),
        window: Set(0),
        gas_of_day: Set(0),
        spend_of_day: Set(Amount(U256::ZERO)),
        updated_at: Set(now),
        ..Default::default()
    });
    let diamonds = diamonds.into_iter().map(|(network_id, diamond)| diamond::ActiveModel {
        network_id: Set(network_id),
        diamond: Set(diamond),
        edition: Set(None),
        last_deal_id: Set(0),
        created_at: Set(now),
        ..Default::default()
    });
    lane::Entity::insert_many(lanes).on_conflict_do_nothing().exec_without_returning(&**tx).await?;
    diamond::Entity::insert_many(diamonds).on_conflict_do_nothing().exec_without_returning(&**tx).await?;
    Ok(())
}

async fn insert_deals(tx: &Transaction, requests: &[&Request]) -> Result<(), Error> {
    use deal::Column;

    let now = Utc::now();
    let rows = requests.iter().filter(|request| request.kind == Kind::Open).filter_map(|request| {
        let (diamond, terms) = (request.diamond?, request.terms?);
        Some(deal::ActiveModel {
            subject_id: Set(request.subject_id),
            network_id: Set(request.network_id),
            diamond: Set(Place(diamond)),
            reference: Set(Hash(reference(request.subject_id))),
            payee: Set(Place(terms.payee)),
            token: Set(Place(terms.token)),
            amount: Set(Amount(terms.amount)),
            expires_at: Set(i64::try_from(terms.expires_at).unwrap_or(i64::MAX)),
            deal_id: Set(None),
            allocated_id: Set(None),
            state: Set(deal::State::None),
            held_for: Set(None),
            checked_at: Set(now),
            created_at: Set(now),
        })
    });
    // New terms only where nothing of the old ones can be on the chain any more.
    let rearmed = Condition::all().add(Expr::cust("chain_deals.state = 'none'")).add(Expr::cust(
        "EXISTS (SELECT 1 FROM chain_operations o WHERE o.subject_id = chain_deals.subject_id \
         AND o.kind = 'open' AND o.status IN ('failed', 'withdrawn'))",
    ));
    let conflict = OnConflict::column(Column::SubjectId)
        .update_columns([
            Column::NetworkId,
            Column::Diamond,
            Column::Payee,
            Column::Token,
            Column::Amount,
            Column::ExpiresAt,
            Column::AllocatedId,
        ])
        .action_cond_where(rearmed)
        .to_owned();
    deal::Entity::insert_many(rows).on_conflict(conflict).try_insert().exec_without_returning(&**tx).await?;
    Ok(())
}

/// From where asking again starts anew.
pub(crate) const REARMED: [operation::Status; 2] = [operation::Status::Failed, operation::Status::Withdrawn];

async fn insert_operations(tx: &Transaction, requests: &[&Request]) -> Result<(), Error> {
    use operation::Column;

    let now = Utc::now();
    let rows = requests.iter().map(|request| operation::ActiveModel {
        id: Set(Uuid::now_v7()),
        subject_id: Set(request.subject_id),
        kind: Set(request.kind),
        network_id: Set(request.network_id),
        signer: Set(Place(request.signer)),
        diamond: Set(request.diamond.map(Place)),
        owner: Set(request.owner.map(Place)),
        status: Set(operation::Status::Pending),
        send_id: Set(None),
        sends: Set(0),
        sending_since: Set(None),
        unknown_told_at: Set(None),
        held_back_by: Set(None),
        failure_code: Set(None),
        failure_message: Set(None),
        created_at: Set(now),
        updated_at: Set(now),
    });
    let conflict = OnConflict::columns([Column::SubjectId, Column::Kind])
        .update_columns([
            Column::NetworkId,
            Column::Signer,
            Column::Diamond,
            Column::Owner,
            Column::Status,
            Column::SendId,
            Column::SendingSince,
            Column::UnknownToldAt,
            Column::HeldBackBy,
            Column::FailureCode,
            Column::FailureMessage,
            Column::UpdatedAt,
        ])
        .action_and_where(Column::Status.is_in(REARMED))
        .to_owned();
    operation::Entity::insert_many(rows).on_conflict(conflict).exec_without_returning(&**tx).await?;
    // Whoever was told that nobody knows and asks again is told again, if it stays so.
    let asked = requests
        .iter()
        .map(|request| vec![request.subject_id.into(), request.kind.to_value().into(), now.into()])
        .collect();
    update_from(
        tx,
        "UPDATE chain_operations SET sending_since = v.column3, unknown_told_at = NULL",
        "WHERE chain_operations.subject_id = v.column1 AND chain_operations.kind = v.column2 \
         AND chain_operations.unknown_told_at IS NOT NULL",
        asked,
    )
    .await?;
    Ok(())
}

/// Takes an operation back, within the caller's transaction, if it was never put into a transaction. One that was may
/// have had its effect even if that looked otherwise, so its facts are to be waited for.
///
/// # Errors
/// When the database fails; the transaction is then unusable.
pub async fn withdraw(tx: &Transaction, subject_id: Uuid, kind: Kind) -> Result<Withdrawn, Error> {
    use operation::Column;

    let its = Condition::all().add(Column::SubjectId.eq(subject_id)).add(Column::Kind.eq(kind));
    let updated = operation::Entity::update_many()
        .col_expr(Column::Status, Expr::value(operation::Status::Withdrawn))
        .col_expr(Column::UpdatedAt, Expr::value(Utc::now()))
        .filter(its.clone())
        .filter(Column::Status.eq(operation::Status::Pending))
        .filter(Column::Sends.eq(0))
        .exec(&**tx)
        .await?;
    if updated.rows_affected > 0 {
        return Ok(Withdrawn::Done);
    }
    let found = operation::Entity::find().filter(its).one(&**tx).await?;
    Ok(match found.map(|operation| operation.status) {
        Some(operation::Status::Withdrawn) => Withdrawn::Done,
        Some(_) => Withdrawn::TooLate,
        None => Withdrawn::Unknown,
    })
}
