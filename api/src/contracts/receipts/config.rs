//! What can be told about orders and receipts.

use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use uuid::Uuid;

/// Orders, receipts and the files that come with them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReceiptsConfig {
    /// The node that the public's orders, customers and accounts belong to; the installation's root without one.
    pub node_id: Option<Uuid>,
    /// Symbol of the currency of an order's `total`.
    pub currency: String,
    /// Folder of uploaded files, where no bucket is named; `uploads` in the data folder by default.
    pub uploads_dir: Option<PathBuf>,
    /// Files that one address may upload in a minute, and its burst.
    pub uploads_per_minute: u32,
    /// What the files of one address may take that are not older than `upload_unnamed_hours`, MiB; each counts as 4 KiB at
    /// least.
    pub upload_mib_per_address: u32,
    /// What files may take in all that no receipt names, MiB.
    pub upload_mib_in_all: u32,
    /// How long a file is kept that no receipt names, hours.
    pub upload_unnamed_hours: u32,
    /// How long an order is kept that nobody has tried to pay, days.
    pub unpaid_days: u32,
    /// A bucket for uploaded files.
    pub object_store: ObjectStoreConfig,
    /// What customers are shown while the database cannot be reached; a built-in pair without numbers when there is none.
    pub accounts: Vec<AccountConfig>,
}

/// An account that customers may transfer to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountConfig {
    /// Which way to pay it is for; the shop's own word.
    #[serde(rename = "type")]
    pub kind: String,
    /// The bank's name.
    pub bank_name: String,
    /// The account's number at the bank.
    pub account_number: Option<String>,
    /// The phone that is paid to.
    pub phone: Option<String>,
    /// The holder's name.
    pub holder_name: Option<String>,
    /// The holder's identity or tax number.
    pub holder_id: Option<String>,
    /// The e-mail address that is paid to.
    pub email: Option<String>,
}

impl AccountConfig {
    /// Whether a customer can transfer to it.
    fn is_complete(&self) -> bool {
        let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.trim().is_empty());
        let named = [&self.kind, &self.bank_name].iter().all(|text| !text.trim().is_empty());
        named && [&self.account_number, &self.phone, &self.email].into_iter().any(given)
    }
}

impl Default for ReceiptsConfig {
    fn default() -> Self {
        Self {
            node_id: None,
            currency: "EUR".to_owned(),
            uploads_dir: None,
            uploads_per_minute: 60,
            upload_mib_per_address: 256,
            upload_mib_in_all: 2_048,
            upload_unnamed_hours: 24,
            unpaid_days: 30,
            object_store: ObjectStoreConfig::default(),
            accounts: Vec::new(),
        }
    }
}

/// A bucket of an S3-compatible store.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ObjectStoreConfig {
    /// Name of the bucket; files go to the local folder without one.
    pub bucket: String,
    /// Such as `https://s3.example`; the provider's own by its region without one.
    pub endpoint: String,
    /// The bucket's region.
    pub region: String,
    /// The id of the access key that may write there.
    pub access_key_id: String,
    /// The secret of the access key.
    pub secret_access_key: SecretString,
}

impl ReceiptsConfig {
    pub(crate) fn mistakes(&self) -> Vec<String> {
        let store = &self.object_store;
        let mut mistakes = Vec::new();
        if self.currency.is_empty() {
            mistakes.push("receipts.currency must be a currency's symbol, such as EUR".to_owned());
        }
        let numbers = [
            ("uploads_per_minute", self.uploads_per_minute),
            ("upload_mib_per_address", self.upload_mib_per_address),
            ("upload_mib_in_all", self.upload_mib_in_all),
            ("upload_unnamed_hours", self.upload_unnamed_hours),
            ("unpaid_days", self.unpaid_days),
        ];
        let zero = numbers.into_iter().filter(|(_, value)| *value == 0);
        mistakes.extend(zero.map(|(name, _)| format!("receipts.{name} must be above 0")));
        let incomplete = self.accounts.iter().enumerate().filter(|(_, account)| !account.is_complete());
        mistakes.extend(incomplete.map(|(index, _)| {
            let needs = "needs type, bank_name and one of account_number, phone and email";
            format!("receipts.accounts: the {}. account {needs}", index + 1)
        }));
        if !store.bucket.is_empty()
            && (store.access_key_id.is_empty() || store.secret_access_key.expose_secret().is_empty())
        {
            let keys = "receipts.object_store.access_key_id and secret_access_key";
            mistakes.push(format!("{keys} must be set where a bucket is named"));
        }
        mistakes
    }
}
