//! What each API contract does and keeps beside the payments: batched acceptance of what the deals' contract asks for,
//! checkouts, orders and receipts, tills and tickets, sellers and their ledger.

pub mod accept;
pub mod checkout;
pub mod checkout_links;
pub mod intents;
pub mod ledger;
pub mod lightning;
pub mod orders;
pub mod payouts;
pub mod rates;
pub mod receipts;
pub mod refunds;
pub mod reviews;
pub mod sellers;
pub mod till;
pub mod uploads;
