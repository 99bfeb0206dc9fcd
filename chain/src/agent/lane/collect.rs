//! Pending operations, grouped into what one transaction can carry.

use alloy::primitives::{Address, Bytes, U256};
use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, FromQueryResult, Statement, Value};
use uuid::Uuid;

use super::Context;
use crate::{
    abi::{self, Terms, second},
    agent::settlement::Failure,
    dialect::Dialect,
    edition::{Deployment, Edition},
    error::Error,
    interface::Interface,
    operation::Kind,
    table::{Amount, Hash, Place, deal::State},
};

/// A pending operation with what is recorded of its deal.
#[derive(Clone, Debug, FromQueryResult)]
pub(super) struct Item {
    pub(super) id: Uuid,
    pub(super) subject_id: Uuid,
    pub(super) kind: Kind,
    pub(super) diamond: Option<Place>,
    /// Of a deployment, where somebody has asked for one.
    pub(super) owner: Option<Place>,
    /// Transactions it was in before.
    pub(super) sends: i32,
    pub(super) reference: Option<Hash>,
    pub(super) payee: Option<Place>,
    pub(super) token: Option<Place>,
    pub(super) amount: Option<Amount>,
    pub(super) expires_at: Option<i64>,
    deal_id: Option<Amount>,
    /// Given before its first transaction, or just now.
    pub(super) allocated_id: Option<i64>,
    /// Just now: it is not recorded yet.
    #[sea_orm(skip)]
    pub(super) is_numbered_anew: bool,
    pub(super) state: Option<State>,
}

impl Item {
    /// In the first edition the reference read as a number, as long as no event has told it.
    fn first_deal_id(&self) -> U256 {
        let known = self.deal_id.map(|id| id.0);
        known.or_else(|| self.reference.map(|reference| reference.0.into())).unwrap_or_default()
    }

    /// As its event told it, or as it was given.
    fn known_id(&self) -> Option<U256> {
        let given = || self.allocated_id.and_then(|id| U256::try_from(id).ok());
        self.deal_id.map(|id| id.0).or_else(given)
    }

    fn second_terms(&self) -> second::DealTerms {
        second::DealTerms::new(self.known_id().unwrap_or_default(), &self.terms())
    }

    /// The call of a contract that somebody else has written.
    ///
    /// # Errors
    /// The name of a value that it does not take.
    pub(super) fn dialect_input(&self, dialect: &Dialect) -> Result<Bytes, &'static str> {
        dialect.input(self.kind, self.known_id(), &self.terms())
    }

    pub(super) fn terms(&self) -> Terms {
        Terms {
            r#ref: self.reference.map(|reference| reference.0).unwrap_or_default(),
            payee: self.payee.map(|payee| payee.0).unwrap_or_default(),
            token: self.token.map(|token| token.0).unwrap_or_default(),
            amount: self.amount.map(|amount| amount.0).unwrap_or_default(),
            expiresAt: self.expires_at.and_then(|at| u64::try_from(at).ok()).unwrap_or(u64::MAX),
        }
    }
}

/// Operations of one kind on one diamond.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    pub(super) kind: Kind,
    pub(super) diamond: Option<Address>,
    /// `None` until it is known, and where there is no diamond yet.
    pub(super) interface: Option<Interface>,
    pub(super) items: Vec<Item>,
}

impl Batch {
    /// What to send; `deployment` is for a diamond that is to be made.
    pub(super) fn input(&self, deployment: &Deployment) -> Result<Bytes, Error> {
        let ids = || self.items.iter().map(Item::first_deal_id).collect();
        let terms = || self.items.iter().map(Item::second_terms).collect();
        let edition = match &self.interface {
            _ if self.kind == Kind::Deploy => return second::diamond_creation(deployment),
            None => return Err(Error::Stored("a batch whose diamond's interface is not known".to_owned())),
            Some(Interface::Dialect(dialect)) => return self.dialect_input(dialect),
            Some(Interface::Edition(edition)) => *edition,
        };
        match (self.kind, edition) {
            (Kind::Deploy, _) => second::diamond_creation(deployment),
            (Kind::Open, Edition::First) => Ok(abi::create(self.items.iter().map(Item::terms).collect())),
            (Kind::Release, Edition::First) => Ok(abi::release(ids())),
            (Kind::Cancel, Edition::First) => Ok(abi::cancel(ids())),
            (Kind::Open, Edition::Second) => Ok(second::create(terms())),
            (Kind::Release, Edition::Second) => Ok(second::release(terms())),
            (Kind::Cancel, Edition::Second) => {
                let paid = self.items.iter().any(|item| item.state != Some(State::Open));
                Ok(second::cancel(terms(), paid))
            }
        }
    }

    /// For a contract that takes one deal at a time.
    fn dialect_input(&self, dialect: &Dialect) -> Result<Bytes, Error> {
        let [item] = &self.items[..] else {
            return Err(Error::Stored("several deals for a contract that takes one at a time".to_owned()));
        };
        item.dialect_input(dialect).map_err(|name| Error::Stored(format!("{name} of a deal")))
    }

    /// The same kind and diamond with other operations.
    pub(super) fn with(&self, items: Vec<Item>) -> Self {
        Self { kind: self.kind, diamond: self.diamond, interface: self.interface.clone(), items }
    }

    pub(super) fn singles(self) -> impl Iterator<Item = Self> {
        let Self { kind, diamond, interface, items } = self;
        items.into_iter().map(move |item| Self { kind, diamond, interface: interface.clone(), items: vec![item] })
    }
}

const COLUMNS: &str = "o.id, o.subject_id, o.kind, o.diamond, o.owner, o.sends, d.reference, d.payee, d.token, d.amount, \
    d.expires_at, d.deal_id, d.allocated_id, d.state \
    FROM chain_operations o LEFT JOIN chain_deals d ON d.subject_id = o.subject_id";
/// A release or cancel waits until its deal is known, and does not hold up others.
const SENDABLE: &str =
    "o.status = 'pending' AND (o.kind IN ('deploy', 'open') OR d.state IS NULL OR d.state <> 'none')";

/// The oldest pending operations of a signer, without what it holds back.
pub(super) async fn pending(context: &Context, signer: Address, limit: usize) -> Result<Vec<Item>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} WHERE o.network_id = $1 AND o.signer = $2 AND {SENDABLE} AND o.held_back_by IS NULL \
         ORDER BY o.id LIMIT $3"
    );
    read(context, &sql, vec![context.network.id.into(), Place(signer).into(), limit_of(limit)]).await
}

/// Operations of other signers that wait: their lanes are paused or hold them back, or have not come to them for a while. A
/// deployment makes a diamond that its signer operates, and is nobody else's.
fn waiting(context: &Context, helped: &[Address], since: DateTime<Utc>) -> (String, Vec<Value>) {
    let mut values: Vec<Value> = vec![context.network.id.into(), since.into()];
    values.extend(helped.iter().map(|signer| Value::from(Place(*signer))));
    let signers: Vec<String> = (3..values.len() + 1).map(|number| format!("${number}")).collect();
    let condition = format!(
        "o.network_id = $1 AND o.signer IN ({}) AND {SENDABLE} AND o.kind <> 'deploy' AND o.diamond IS NOT NULL \
         AND (o.held_back_by IS NOT NULL OR o.updated_at < $2 OR EXISTS (SELECT 1 FROM chain_lanes l \
         WHERE l.network_id = o.network_id AND l.signer = o.signer AND l.paused_reason IS NOT NULL))",
        signers.join(", ")
    );
    (condition, values)
}

/// The diamonds that such operations are on.
pub(super) async fn diamonds_waiting(
    context: &Context,
    helped: &[Address],
    since: DateTime<Utc>,
) -> Result<Vec<Address>, Error> {
    if helped.is_empty() {
        return Ok(Vec::new());
    }
    let (condition, values) = waiting(context, helped, since);
    let sql = format!(
        "SELECT DISTINCT o.diamond FROM chain_operations o LEFT JOIN chain_deals d ON d.subject_id = o.subject_id \
         WHERE {condition}"
    );
    let statement = Statement::from_sql_and_values(context.db.get_database_backend(), sql, values);
    let rows = context.db.query_all_raw(statement).await?;
    let places: Result<Vec<Place>, _> = rows.iter().map(|row| row.try_get("", "diamond")).collect();
    Ok(places?.into_iter().map(|place| place.0).collect())
}

/// The oldest of them on a diamond.
pub(super) async fn waiting_at_others(
    context: &Context,
    helped: &[Address],
    diamond: Address,
    since: DateTime<Utc>,
    limit: usize,
) -> Result<Vec<Item>, Error> {
    let (condition, mut values) = waiting(context, helped, since);
    values.extend([Value::from(Place(diamond)), limit_of(limit)]);
    let (diamond, limit) = (values.len() - 1, values.len());
    let sql = format!("SELECT {COLUMNS} WHERE {condition} AND o.diamond = ${diamond} ORDER BY o.id LIMIT ${limit}");
    read(context, &sql, values).await
}

fn limit_of(limit: usize) -> Value {
    i64::try_from(limit).unwrap_or(i64::MAX).into()
}

async fn read(context: &Context, sql: &str, values: Vec<Value>) -> Result<Vec<Item>, Error> {
    let statement = Statement::from_sql_and_values(context.db.get_database_backend(), sql, values);
    Ok(Item::find_by_statement(statement).all(&*context.db).await?)
}

/// Takes out the deals whose transaction can hardly be mined before they expire. One of them would revert the whole batch.
/// What was in a transaction before goes alone anyway, and may have its deal already.
pub(super) fn too_late(items: &mut Vec<Item>, now: DateTime<Utc>, margin: TimeDelta) -> Vec<Failure> {
    let latest = (now + margin).timestamp();
    let is_late = |item: &mut Item| {
        item.kind == Kind::Open && item.sends == 0 && item.expires_at.is_some_and(|expires_at| expires_at <= latest)
    };
    let late = items.extract_if(.., is_late).map(|item| Failure {
        subject_id: item.subject_id,
        kind: item.kind,
        code: abi::INVALID_EXPIRY.to_owned(),
        message: "the deal would expire before its transaction is mined".to_owned(),
        retryable: false,
        hash: None,
    });
    late.collect()
}

/// What one transaction each can carry, in the order of the oldest operation. One that was in a transaction before
/// goes alone: whatever was wrong then is then its own.
pub(super) fn batches(items: Vec<Item>, batch_max: usize) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for item in items {
        let diamond = item.diamond.map(|diamond| diamond.0);
        let alone = item.sends > 0 || item.kind == Kind::Deploy;
        let open = batches.iter_mut().rev().find(|batch| {
            !alone
                && batch.kind == item.kind
                && batch.diamond == diamond
                && batch.items.len() < batch_max
                && batch.items[0].sends == 0
        });
        match open {
            Some(batch) => batch.items.push(item),
            None => batches.push(Batch { kind: item.kind, diamond, interface: None, items: vec![item] }),
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(kind: Kind, diamond: u8, sends: i32) -> Item {
        Item {
            id: Uuid::now_v7(),
            subject_id: Uuid::now_v7(),
            kind,
            diamond: Some(Place(Address::repeat_byte(diamond))),
            owner: None,
            sends,
            reference: Some(Hash(alloy::primitives::B256::repeat_byte(diamond))),
            payee: None,
            token: None,
            amount: None,
            expires_at: None,
            deal_id: None,
            allocated_id: None,
            is_numbered_anew: false,
            state: None,
        }
    }

    #[test]
    fn groups_by_kind_and_diamond_up_to_the_maximum() {
        let items = vec![
            item(Kind::Open, 1, 0),
            item(Kind::Cancel, 1, 0),
            item(Kind::Open, 2, 0),
            item(Kind::Open, 1, 0),
            item(Kind::Open, 1, 1),
            item(Kind::Open, 1, 0),
            item(Kind::Open, 1, 0),
            item(Kind::Deploy, 1, 0),
            item(Kind::Deploy, 1, 0),
        ];
        let sizes: Vec<_> = batches(items, 3).iter().map(|batch| (batch.kind, batch.items.len())).collect();
        let expected = [
            (Kind::Open, 3),
            (Kind::Cancel, 1),
            (Kind::Open, 1),
            (Kind::Open, 1),
            (Kind::Open, 1),
            (Kind::Deploy, 1),
            (Kind::Deploy, 1),
        ];
        assert_eq!(sizes, expected);
    }

    #[test]
    fn what_would_expire_before_it_is_mined_is_taken_out() {
        let now = DateTime::from_timestamp(1_000, 0).expect("a time");
        let open = |expires_at, sends| Item { expires_at: Some(expires_at), ..item(Kind::Open, 1, sends) };
        let cancel = Item { expires_at: Some(900), ..item(Kind::Cancel, 1, 0) };
        let mut items = vec![open(1_003, 0), open(1_004, 0), open(900, 1), open(900, 0), cancel];
        let late: Vec<Uuid> = [0, 3].map(|index: usize| items[index].subject_id).to_vec();
        let failures = too_late(&mut items, now, TimeDelta::seconds(3));
        assert_eq!(failures.iter().map(|failure| failure.subject_id).collect::<Vec<_>>(), late);
        assert!(failures.iter().all(|failure| failure.code == "InvalidExpiry" && !failure.retryable));
        assert_eq!(items.len(), 3);
    }

    #[test]
    fn one_is_sent_by_the_single_function() {
        let interface = Some(Interface::Edition(Edition::First));
        let one = Batch { kind: Kind::Cancel, diamond: None, interface, items: vec![item(Kind::Cancel, 1, 0)] };
        let two = one.with(vec![item(Kind::Cancel, 1, 0), item(Kind::Cancel, 2, 0)]);
        let deployment = Deployment { owner: Address::ZERO, operators: vec![], delay_s: 0 };
        let input = |batch: &Batch| batch.input(&deployment).expect("encodes");
        assert_eq!(input(&one), abi::cancel(vec![one.items[0].first_deal_id()]));
        assert_eq!(input(&one).len(), 36);
        assert_ne!(input(&one)[..4], input(&two)[..4]);

        let [one, two] =
            [one, two].map(|batch| Batch { interface: Some(Interface::Edition(Edition::Second)), ..batch });
        assert_eq!(input(&one).len(), 4 + 6 * 32, "all terms");
        let by_terms = input(&two);
        let open = |item: &Item| Item { state: Some(State::Open), ..item.clone() };
        let unpaid = two.with(two.items.iter().map(open).collect());
        assert!(input(&unpaid).len() < by_terms.len(), "what nobody has paid is closed by its reference");
    }
}
