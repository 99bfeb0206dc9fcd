//! Hands a seller's details to the card processor, and polls the account there.

use std::collections::HashMap;

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use entities::{ConnectedAccountStatus, NodeId, connected_account, now};
use gateways::{Account, Error, Processor, Seller};
use payments::{
    jobs,
    sellers::{self, AccountReport, AccountStatus, Details},
};
use queue::{Delivery, Foresight, Job, JobResult, NewMessage};
use sea_orm::{EntityTrait, QueryFilter, prelude::*};
use secrecy::SecretString;

use crate::{Context, seller_events};

/// An account that may have been opened is looked for before one is; one seller has one account.
pub struct SyncAccount;

/// When an account is polled that is not active yet, after its details were handed over. The processor calls back,
/// too; these are for what it forgets.
const POLL_AFTER: [TimeDelta; 4] =
    [TimeDelta::seconds(5), TimeDelta::seconds(60), TimeDelta::minutes(15), TimeDelta::hours(6)];

impl Job<Context> for SyncAccount {
    type Payload = jobs::SyncAccount;

    async fn run(context: &Context, delivery: Delivery<Self::Payload>) -> JobResult {
        Ok(sync(context, delivery.payload.node_id).await?)
    }

    async fn foresee(context: &Context, deliveries: &[Delivery<Self::Payload>]) -> anyhow::Result<Vec<Foresight>> {
        use connected_account::Column as C;
        let ids = || deliveries.iter().map(|delivery| delivery.payload.node_id);
        let found = connected_account::Entity::find().filter(C::NodeId.is_in(ids())).all(&*context.db).await?;
        let accounts: HashMap<NodeId, connected_account::Model> =
            found.into_iter().map(|row| (row.node_id, row)).collect();
        let foresee = |id| match accounts.get(&id) {
            None => Foresight::already_done("there is no such account, so there is nothing to do"),
            Some(account) if handed(account).is_some() => {
                Foresight::would_resume("the details would be handed to the processor")
            }
            Some(account) if account.account_id.is_some() => Foresight::would_resume("the account would be looked at"),
            Some(_) => Foresight::already_done("the processor has refused the details"),
        };
        Ok(ids().map(foresee).collect())
    }
}

/// The version of the details that is to be handed over, by its time.
fn handed(account: &connected_account::Model) -> Option<DateTime<Utc>> {
    match account.status {
        ConnectedAccountStatus::Asked | ConnectedAccountStatus::Sent => Some(account.told_at),
        ConnectedAccountStatus::Synced | ConnectedAccountStatus::Declined => None,
    }
}

async fn sync(context: &Context, node_id: NodeId) -> anyhow::Result<()> {
    let tx = context.db.begin().await?;
    let Some(account) = sellers::hand_over(&tx, node_id).await? else { return Ok(()) };
    fail::fail_point!("sync_account.before_sent");
    tx.commit().await?;
    fail::fail_point!("sync_account.sent");
    let processor = context.gateways.processor().context("no card processor is configured")?;
    let account_state = match (handed(&account), &account.account_id) {
        (Some(version), _) => match hand_over(&**processor, &account).await {
            Err(Error::Declined { code, message }) => return refused(context, node_id, version, code, message).await,
            other => other.context("handing the details over")?,
        },
        (None, Some(id)) => processor.account(id).await.context("looking at the account")?,
        (None, None) => return Ok(()),
    };
    fail::fail_point!("sync_account.asked");
    let mut tx = context.db.begin().await?;
    let changed = sellers::record_report(&tx, node_id, handed(&account), report(account_state)).await?;
    let waiting = match &changed {
        Some(account) => seller_events::account(&mut tx, account).await?,
        None => webhooks::Waiting::default(),
    };
    let now = sellers::account_of(&*tx, node_id).await?;
    if handed(&account).is_some() && AccountStatus::of(now.as_ref()) != AccountStatus::Active {
        tx.enqueue(poll_messages(node_id)).await?;
    }
    fail::fail_point!("sync_account.before_commit");
    tx.commit().await?;
    seller_events::wake(context, &waiting).await?;
    Ok(())
}

fn poll_messages(node_id: NodeId) -> Vec<NewMessage> {
    let poll = |after: &TimeDelta| NewMessage::of(&jobs::SyncAccount { node_id }).due_at(now() + *after);
    POLL_AFTER.iter().map(poll).collect()
}

async fn hand_over(processor: &dyn Processor, account: &connected_account::Model) -> Result<Account, Error> {
    let unreadable = |error: String| Error::Misconfigured(format!("the stored details cannot be read: {error}"));
    let details: Details =
        serde_json::from_value(account.details.clone()).map_err(|error| unreadable(error.to_string()))?;
    let iban = account.iban.clone().ok_or_else(|| unreadable("the bank account is gone".to_owned()))?;
    let seller = seller(account, details, iban);
    // Details that were submitted anew may follow others whose answer was lost.
    let perhaps = account.status == ConnectedAccountStatus::Sent || account.told_at != account.created_at;
    let known = match &account.account_id {
        None if perhaps => find_account(processor, account).await?,
        known => known.clone(),
    };
    processor.put_account(&seller, known.as_deref()).await
}

/// The account that an earlier request has opened. A refused search says nothing of the details.
async fn find_account(processor: &dyn Processor, account: &connected_account::Model) -> Result<Option<String>, Error> {
    match processor.find_account(account.reference, account.created_at).await {
        Ok(found) => Ok(found.map(|account| account.id)),
        Err(Error::Declined { code, message }) => Err(Error::Unavailable(format!("{code}: {message}"))),
        Err(error) => Err(error),
    }
}

fn seller(account: &connected_account::Model, details: Details, iban: String) -> Seller {
    Seller {
        reference: account.reference,
        business_name: details.business_name,
        first_name: details.first_name,
        last_name: details.last_name,
        email: details.email,
        phone: details.phone,
        dob: details.dob,
        address: details.address,
        city: details.city,
        postal_code: details.postal_code,
        country: details.country,
        nif: details.nif,
        iban: SecretString::from(iban),
        tos_accepted_at: details.tos_accepted_at,
        told_at: account.told_at,
    }
}

fn report(account: Account) -> AccountReport {
    AccountReport {
        account_id: account.id,
        charges_enabled: account.charges_enabled,
        payouts_enabled: account.payouts_enabled,
        requirements_due: account.requirements_due,
    }
}

async fn refused(
    context: &Context,
    node_id: NodeId,
    version: DateTime<Utc>,
    code: String,
    message: String,
) -> anyhow::Result<()> {
    tracing::info!(%node_id, code, "the card processor has refused a seller's details");
    let tx = context.db.begin().await?;
    sellers::declined(&tx, node_id, version, code, message).await?;
    tx.commit().await?;
    Ok(())
}
