//! Accepting payments in batches: requests that arrive while a commit is under way share the next one, so throughput
//! grows with load and a lone request waits for nobody.

mod batch;
mod misfit;
mod opening;
mod references;

use chrono::{DateTime, Utc};
use entities::{
    ChainId, CurrencyId, MemberId, NetworkId, NodeId, OrderId, PaymentGroup, PaymentId, PaymentMethod, WalletId,
    member, payment,
};
use queue::Database;
use rust_decimal::Decimal;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

pub use self::misfit::{Misfit, Reference};
use crate::{caller::Caller, debt::Closed, idempotency::Key};

/// Payments of one transaction at most.
const BATCH_MAX: usize = 100;

/// Requests that may wait; beyond them callers wait to be let in.
const WAITING_MAX: usize = 4_096;

/// A payment that somebody asks for. Shapes are checked at the edge; everything that needs the database, here.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields are the contract's, `deals.md`")]
pub struct NewPayment {
    pub external_id: String,
    pub node_id: NodeId,
    pub chain_id: Option<ChainId>,
    pub network_id: NetworkId,
    pub wallet_id: Option<WalletId>,
    pub member: Option<MemberRef>,
    /// The order whose debt it is one more way to pay.
    pub order_id: Option<OrderId>,
    pub currency_id: CurrencyId,
    pub price: Decimal,
    pub paid_price: Decimal,
    pub payment_method: PaymentMethod,
    pub payment_group: PaymentGroup,
    pub payment_address: String,
    pub items: Value,
    pub metadata: Option<String>,
    pub expires_at: DateTime<Utc>,
    pub retry: bool,
    pub retry_count: i32,
    pub client_ip: Option<String>,
    pub request_id: Option<String>,
    /// Completed in the payment's own transaction, with what `render` makes of it.
    pub answer: Option<Answer>,
}

/// The member a payment is for.
#[derive(Clone, Debug)]
pub enum MemberRef {
    /// One that exists.
    Known(MemberId),
    /// Written with the payment, or updated where the node has one with this external id.
    Inline(Box<NewMember>),
}

/// A member's details.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the fields are the contract's, `deals.md`")]
pub struct NewMember {
    pub external_id: String,
    pub name: Option<String>,
    pub surname: Option<String>,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub identity_number: Option<String>,
    pub tax_office: Option<String>,
    pub tax_number: Option<String>,
    pub address: Option<String>,
    pub district: Option<String>,
    pub city: Option<String>,
    pub country: Option<String>,
    pub contact_name: Option<String>,
    pub locale: Option<String>,
}

/// How the first answer to an idempotency key is kept.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The claimed key.
    pub key: Key,
    /// HTTP status.
    pub status: u16,
    /// Makes the body that is kept; it must hold no secret.
    pub render: fn(&Accepted) -> String,
}

/// A payment that is durable, with its log row and its message.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The row.
    pub payment: payment::Model,
    /// Its member.
    pub member: Option<member::Model>,
}

/// Why a payment was not accepted. Nothing was written then.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// Something it names does not exist (or is not where it would have to be).
    #[error("{0:?} not found")]
    NotFound(Reference),
    /// The node exists but is out of reach.
    #[error("Insufficient permission to access payment's node")]
    OutOfReach,
    /// The node has a payment with this external id.
    #[error("external_id already exists for this node")]
    ExternalIdTaken(PaymentId),
    /// The order that it would pay takes no payment.
    #[error(transparent)]
    OrderClosed(Closed),
    /// A field does not fit what it refers to.
    #[error("{pointer} does not fit: {0:?}", pointer = .0.pointer())]
    Misfit(Misfit),
    /// The database did not answer. Whether the payment was written is not known; repeat with the same external id.
    #[error("the database is not available")]
    Unavailable,
}

impl From<Misfit> for AcceptError {
    fn from(misfit: Misfit) -> Self {
        Self::Misfit(misfit)
    }
}

struct Waiting {
    caller: Caller,
    new: NewPayment,
    reply: oneshot::Sender<Result<Accepted, AcceptError>>,
}

/// Takes payments in. Cheap to clone; all clones share the batches.
#[derive(Clone)]
pub struct Acceptor {
    waiting: mpsc::Sender<Waiting>,
}

impl Acceptor {
    /// Starts the task that writes the batches. It ends when the last clone is dropped.
    #[must_use]
    pub fn start(db: Database) -> Self {
        let (waiting, queue) = mpsc::channel(WAITING_MAX);
        tokio::spawn(run(db, queue));
        Self { waiting }
    }

    /// Accepts the payment; returns after the commit.
    ///
    /// # Errors
    /// [`AcceptError`].
    pub async fn accept(&self, caller: &Caller, new: NewPayment) -> Result<Accepted, AcceptError> {
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting { caller: caller.clone(), new, reply };
        self.waiting.send(waiting).await.map_err(|_| AcceptError::Unavailable)?;
        answer.await.map_err(|_| AcceptError::Unavailable)?
    }
}

async fn run(db: Database, mut incoming: mpsc::Receiver<Waiting>) {
    let mut waiting = Vec::with_capacity(BATCH_MAX);
    while incoming.recv_many(&mut waiting, BATCH_MAX).await > 0 {
        metrics::histogram!("quittance_accept_batch_size").record(u32::try_from(waiting.len()).unwrap_or(u32::MAX));
        let (requests, replies): (Vec<_>, Vec<_>) =
            waiting.drain(..).map(|one| ((one.caller, one.new), one.reply)).unzip();
        let results = match batch::write(&db, &requests).await {
            Ok(results) => results,
            // Each would find the same, one after the other, while all that come after them wait.
            Err(error) if queue::is_absent(&error) => {
                tracing::error!(%error, size = requests.len(), "new payments could not be written");
                requests.iter().map(|_| Err(AcceptError::Unavailable)).collect()
            }
            Err(error) => one_by_one(&db, &requests, &error).await,
        };
        for (reply, result) in replies.into_iter().zip(results) {
            // A caller that has gone away finds its payment by the external id.
            let _ = reply.send(result);
        }
    }
}

/// After a batch has failed as a whole: what the database refuses of one must not drag its neighbours along.
async fn one_by_one(
    db: &Database,
    requests: &[(Caller, NewPayment)],
    error: &sea_orm::DbErr,
) -> Vec<Result<Accepted, AcceptError>> {
    tracing::warn!(%error, size = requests.len(), "a batch of new payments failed; writing them one by one");
    let mut results = Vec::with_capacity(requests.len());
    for request in requests {
        let result = match batch::write(db, std::slice::from_ref(request)).await {
            Ok(mut one) => one.pop().unwrap_or(Err(AcceptError::Unavailable)),
            Err(error) => {
                tracing::error!(%error, external_id = request.1.external_id, "a payment could not be written");
                Err(AcceptError::Unavailable)
            }
        };
        results.push(result);
    }
    results
}
