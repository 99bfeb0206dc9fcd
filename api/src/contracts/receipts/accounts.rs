//! The accounts that customers transfer to.

mod shown;

use std::{sync::Arc, time::Duration};

use entities::{BankAccountId, NodeId, bank_account, now};
use payments::Caller;
use poem_openapi::{Object, OpenApi, param::Path, payload::Json, types::Example};
use queue::Transaction;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, prelude::*,
};
use serde_json::json;
use shown::ShownAccounts;
use uuid::Uuid;

use super::{AccountConfig, Declined, Tag, home, manage::ReceiptsManage};
use crate::{access::Allowed, audit, body::Body, idempotent::Once, problem::Problem, reach, state::State};

/// How long a customer waits for the database before the built-in accounts are shown.
const PATIENCE: Duration = Duration::from_secs(2);

/// Accounts that are shown at once, at most.
const SHOWN_MAX: u64 = 100;

/// An account that customers transfer to.
#[derive(Clone, Debug, Object)]
#[oai(rename_all = "camelCase")]
pub(crate) struct Account {
    id: Uuid,
    /// Which way to pay it is for, such as `TRANSFERENCIA` or `PAGO_MOVIL`; the shop's own word.
    #[oai(rename = "type")]
    kind: String,
    bank_name: String,
    account_number: Option<String>,
    phone: Option<String>,
    holder_name: Option<String>,
    /// The holder's identity or tax number.
    holder_id: Option<String>,
    email: Option<String>,
    active: bool,
}

impl From<bank_account::Model> for Account {
    fn from(row: bank_account::Model) -> Self {
        Self {
            id: row.id.0,
            kind: row.kind,
            bank_name: row.bank_name,
            account_number: row.account_number,
            phone: row.phone,
            holder_name: row.holder_name,
            holder_id: row.holder_id,
            email: row.email,
            active: row.active,
        }
    }
}

/// The accounts that customers may transfer to.
#[derive(Object)]
pub(crate) struct AccountList {
    /// Always true.
    success: bool,
    /// Active ones only.
    accounts: Vec<Account>,
}

/// One account.
#[derive(Object)]
pub(crate) struct OneAccount {
    /// Always true.
    success: bool,
    account: Account,
}

/// An account to be made.
#[derive(Object)]
#[oai(rename_all = "camelCase", example)]
pub(crate) struct NewAccount {
    /// Which way to pay it is for; the shop's own word.
    #[oai(rename = "type", validator(min_length = 1, max_length = 64))]
    kind: String,
    #[oai(validator(min_length = 1, max_length = 255))]
    bank_name: String,
    #[oai(validator(max_length = 255))]
    account_number: Option<String>,
    #[oai(validator(max_length = 255))]
    phone: Option<String>,
    #[oai(validator(max_length = 255))]
    holder_name: Option<String>,
    #[oai(validator(max_length = 255))]
    holder_id: Option<String>,
    #[oai(validator(max_length = 255))]
    email: Option<String>,
    /// Whether customers see it; they do when it is left out.
    active: Option<bool>,
}

impl Example for NewAccount {
    fn example() -> Self {
        Self {
            kind: "PAGO_MOVIL".to_owned(),
            bank_name: "Banesco".to_owned(),
            account_number: None,
            phone: Some("0414-0000000".to_owned()),
            holder_name: Some("Tea House, C.A.".to_owned()),
            holder_id: Some("J-00000000-0".to_owned()),
            email: None,
            active: None,
        }
    }
}

/// What is changed; what is left out stays.
#[derive(Object)]
#[oai(rename_all = "camelCase", example)]
pub(crate) struct AccountChange {
    /// Which way to pay it is for; the shop's own word.
    #[oai(rename = "type", validator(min_length = 1, max_length = 64))]
    kind: Option<String>,
    #[oai(validator(min_length = 1, max_length = 255))]
    bank_name: Option<String>,
    #[oai(validator(max_length = 255))]
    account_number: Option<String>,
    #[oai(validator(max_length = 255))]
    phone: Option<String>,
    #[oai(validator(max_length = 255))]
    holder_name: Option<String>,
    #[oai(validator(max_length = 255))]
    holder_id: Option<String>,
    #[oai(validator(max_length = 255))]
    email: Option<String>,
    /// False takes it away from customers.
    active: Option<bool>,
}

impl Example for AccountChange {
    fn example() -> Self {
        Self {
            kind: None,
            bank_name: None,
            account_number: None,
            phone: None,
            holder_name: None,
            holder_id: None,
            email: None,
            active: Some(false),
        }
    }
}

pub(crate) struct Accounts {
    state: State,
    shown: Arc<ShownAccounts>,
}

#[OpenApi(prefix_path = "/api/payments/accounts", tag = "Tag::Receipts")]
impl Accounts {
    /// List accounts
    ///
    /// Where customers may transfer to, at most a second old. While the database cannot be reached, those of
    /// `receipts.accounts`, or without any there a built-in pair, Banesco and Binance without numbers, so that a checkout
    /// has something to show; customers then ask the shop for the numbers.
    #[oai(path = "/", method = "get", operation_id = "list_accounts")]
    async fn list(&self) -> Result<Json<AccountList>, Declined> {
        let accounts = match tokio::time::timeout(PATIENCE, self.shown.get(self.active())).await {
            Ok(Ok(accounts)) => accounts,
            Ok(Err(_)) | Err(_) => {
                let configured = &self.state.config().receipts.accounts;
                let which = if configured.is_empty() { "the built-in ones" } else { "those of receipts.accounts" };
                tracing::warn!("the accounts cannot be read; {which} are shown");
                if configured.is_empty() { built_in() } else { of_settings(configured) }
            }
        };
        Ok(Json(AccountList { success: true, accounts }))
    }

    /// Add an account
    ///
    /// To those that customers may transfer to.
    #[oai(path = "/", method = "post", operation_id = "create_account")]
    async fn create(
        &self,
        caller: Allowed<ReceiptsManage>,
        /// Makes a repetition safe.
        #[oai(name = "Idempotency-Key")]
        once: Once,
        body: Body<NewAccount, true>,
    ) -> Result<Json<OneAccount>, Declined<409, 422>> {
        let state = &self.state;
        let created = once.create(&caller, &body.canonical, async |tx| {
            let home = home(&**tx, &state.config().receipts).await?;
            reach::require(&**tx, &caller, home.id).await?;
            Ok(OneAccount { success: true, account: insert(tx, &caller, home.id, body.value).await?.into() })
        });
        let created = created.await?;
        self.shown.forget().await;
        Ok(Json(created))
    }

    /// Change an account
    ///
    /// Or take it away from customers, with `active: false`. 404 when it does not exist.
    #[oai(path = "/:id", method = "put", operation_id = "update_account")]
    async fn update(
        &self,
        caller: Allowed<ReceiptsManage>,
        /// The account.
        id: Path<String>,
        body: Body<AccountChange, true>,
    ) -> Result<Json<OneAccount>, Declined<404>> {
        const ACCOUNT: &str = "Account";
        let id: BankAccountId = id.0.parse().map_err(|_| Problem::not_found(ACCOUNT))?;
        let tx = self.state.db().begin().await?;
        let named = bank_account::Column::Id.eq(id);
        let account = reach::find::<bank_account::Entity>(&*tx, &caller, ACCOUNT, named).await?;
        let account = change(&tx, &caller, account, body.value).await?;
        tx.commit().await?;
        self.shown.forget().await;
        Ok(Json(OneAccount { success: true, account: account.into() }))
    }
}

impl Accounts {
    pub(crate) fn new(state: State) -> Self {
        Self { state, shown: Arc::default() }
    }

    async fn active(&self) -> Result<Vec<Account>, Problem> {
        let db = &**self.state.db();
        let home = home(db, &self.state.config().receipts).await?;
        let rows = bank_account::Entity::find()
            .filter(bank_account::Column::NodeId.eq(home.id))
            .filter(bank_account::Column::Active.eq(true))
            .order_by_asc(bank_account::Column::Id)
            .limit(SHOWN_MAX)
            .all(db)
            .await?;
        Ok(rows.into_iter().map(Account::from).collect())
    }
}

/// Ids of accounts that are in no table, by their places.
fn placeholder_id(place: usize) -> Uuid {
    Uuid::from_u128(0x7000_8000_0000_0000_0000 + place as u128)
}

fn of_settings(accounts: &[AccountConfig]) -> Vec<Account> {
    let account = |(index, account): (usize, &AccountConfig)| Account {
        id: placeholder_id(index + 1),
        kind: account.kind.clone(),
        bank_name: account.bank_name.clone(),
        account_number: account.account_number.clone(),
        phone: account.phone.clone(),
        holder_name: account.holder_name.clone(),
        holder_id: account.holder_id.clone(),
        email: account.email.clone(),
        active: true,
    };
    accounts.iter().enumerate().map(account).collect()
}

/// Without numbers: a made-up one would send somebody's money to a stranger.
fn built_in() -> Vec<Account> {
    let account = |place: usize, kind: &str, bank_name: &str| Account {
        id: placeholder_id(place),
        kind: kind.to_owned(),
        bank_name: bank_name.to_owned(),
        account_number: None,
        phone: None,
        holder_name: None,
        holder_id: None,
        email: None,
        active: true,
    };
    vec![account(1, "TRANSFERENCIA", "Banesco"), account(2, "BINANCE", "Binance")]
}

async fn insert(
    tx: &Transaction,
    caller: &Caller,
    node_id: NodeId,
    new: NewAccount,
) -> Result<bank_account::Model, Problem> {
    let now = now();
    let row = bank_account::Model {
        id: BankAccountId::new(),
        node_id,
        kind: new.kind,
        bank_name: new.bank_name,
        account_number: new.account_number,
        phone: new.phone,
        holder_name: new.holder_name,
        holder_id: new.holder_id,
        email: new.email,
        active: new.active.unwrap_or(true),
        created_at: now,
        updated_at: now,
    };
    bank_account::Entity::insert(row.clone().into_active_model()).exec_without_returning(&**tx).await?;
    audited(tx, caller, "create_account", &row).await?;
    Ok(row)
}

async fn change(
    tx: &Transaction,
    caller: &Caller,
    account: bank_account::Model,
    change: AccountChange,
) -> Result<bank_account::Model, Problem> {
    let mut row = account.clone().into_active_model();
    row.kind = Set(change.kind.unwrap_or(account.kind));
    row.bank_name = Set(change.bank_name.unwrap_or(account.bank_name));
    row.account_number = Set(change.account_number.or(account.account_number));
    row.phone = Set(change.phone.or(account.phone));
    row.holder_name = Set(change.holder_name.or(account.holder_name));
    row.holder_id = Set(change.holder_id.or(account.holder_id));
    row.email = Set(change.email.or(account.email));
    row.active = Set(change.active.unwrap_or(account.active));
    row.updated_at = Set(now());
    let row = row.update(&**tx).await?;
    audited(tx, caller, "update_account", &row).await?;
    Ok(row)
}

/// Where customers' money goes is the first thing that a thief would change: it is kept who did, and to what.
async fn audited(tx: &Transaction, caller: &Caller, action: &str, row: &bank_account::Model) -> Result<(), DbErr> {
    let data = json!({
        "type": row.kind, "bank_name": row.bank_name, "account_number": row.account_number, "phone": row.phone,
        "holder_name": row.holder_name, "holder_id": row.holder_id, "email": row.email, "active": row.active,
    });
    audit::record(tx, caller, action, ("bank_account", row.id), data).await
}
