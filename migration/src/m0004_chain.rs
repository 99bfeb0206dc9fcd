//! Tables of the chain crate: operations and deals, lanes, sends and attempts, logs and how far they were read.

use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let tables =
            [operations(), deals(), diamonds(), lanes(), leases(), cursors(), blocks(), sends(), attempts(), logs()];
        for table in tables {
            manager.create_table(table).await?;
        }
        for index in INDEXES {
            manager.get_connection().execute_unprepared(index).await?;
        }
        Ok(())
    }
}

/// The hot queries look at the few rows that are not settled, hence partial indexes.
const INDEXES: &[&str] = &[
    "CREATE UNIQUE INDEX chain_operations_subject ON chain_operations (subject_id, kind)",
    "CREATE INDEX chain_operations_pending ON chain_operations (network_id, signer, id) WHERE status = 'pending'",
    "CREATE INDEX chain_operations_sending ON chain_operations (network_id, updated_at) WHERE status = 'sending'",
    "CREATE INDEX chain_operations_send ON chain_operations (send_id)",
    "CREATE UNIQUE INDEX chain_deals_reference ON chain_deals (reference)",
    "CREATE INDEX chain_deals_unsettled ON chain_deals (network_id, checked_at) WHERE state IN ('open', 'deposited')",
    "CREATE UNIQUE INDEX chain_sends_nonce ON chain_sends (network_id, signer, nonce)",
    "CREATE INDEX chain_sends_unsettled ON chain_sends (network_id, signer) WHERE status <> 'final'",
    "CREATE UNIQUE INDEX chain_attempts_hash ON chain_attempts (hash)",
    "CREATE INDEX chain_attempts_send ON chain_attempts (send_id)",
    "CREATE UNIQUE INDEX chain_logs_place ON chain_logs (network_id, block_hash, log_index)",
    "CREATE INDEX chain_logs_block ON chain_logs (network_id, block_number)",
    "CREATE INDEX chain_logs_subject ON chain_logs (subject_id)",
];

fn operations() -> TableCreateStatement {
    Table::create()
        .table("chain_operations")
        .col(uuid("id").primary_key())
        .col(uuid("subject_id"))
        .col(text("kind"))
        .col(uuid("network_id"))
        .col(text("signer"))
        .col(text_null("diamond"))
        .col(text("status"))
        .col(uuid_null("send_id"))
        .col(integer("sends"))
        .col(text_null("failure_code"))
        .col(text_null("failure_message"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone("updated_at"))
        .take()
}

fn deals() -> TableCreateStatement {
    Table::create()
        .table("chain_deals")
        .col(uuid("subject_id").primary_key())
        .col(uuid("network_id"))
        .col(text("diamond"))
        .col(text("reference"))
        .col(text("payee"))
        .col(text("token"))
        .col(text("amount"))
        .col(big_integer("expires_at"))
        .col(text_null("deal_id"))
        .col(text("state"))
        .col(timestamp_with_time_zone("checked_at"))
        .col(timestamp_with_time_zone("created_at"))
        .take()
}

fn diamonds() -> TableCreateStatement {
    Table::create()
        .table("chain_diamonds")
        .col(uuid("network_id"))
        .col(text("diamond"))
        .col(timestamp_with_time_zone("created_at"))
        .primary_key(Index::create().col("network_id").col("diamond"))
        .take()
}

fn lanes() -> TableCreateStatement {
    Table::create()
        .table("chain_lanes")
        .col(uuid("network_id"))
        .col(text("signer"))
        .col(big_integer_null("next_nonce"))
        .col(text_null("balance"))
        .col(text_null("paused_reason"))
        .col(timestamp_with_time_zone_null("paused_at"))
        .col(integer("window"))
        .col(timestamp_with_time_zone("updated_at"))
        .primary_key(Index::create().col("network_id").col("signer"))
        .take()
}

fn leases() -> TableCreateStatement {
    Table::create()
        .table("chain_leases")
        .col(uuid("network_id").primary_key())
        .col(uuid_null("owner"))
        .col(timestamp_with_time_zone("lease_until"))
        .take()
}

fn cursors() -> TableCreateStatement {
    Table::create()
        .table("chain_cursors")
        .col(uuid("network_id").primary_key())
        .col(big_integer("scanned_number"))
        .col(text("scanned_hash"))
        .col(timestamp_with_time_zone("scanned_time"))
        .col(big_integer("final_number"))
        .col(timestamp_with_time_zone_null("final_time"))
        .col(timestamp_with_time_zone("updated_at"))
        .take()
}

fn blocks() -> TableCreateStatement {
    Table::create()
        .table("chain_blocks")
        .col(uuid("network_id"))
        .col(big_integer("number"))
        .col(text("hash"))
        .col(timestamp_with_time_zone("time"))
        .primary_key(Index::create().col("network_id").col("number"))
        .take()
}

fn sends() -> TableCreateStatement {
    Table::create()
        .table("chain_sends")
        .col(uuid("id").primary_key())
        .col(uuid("network_id"))
        .col(text("signer"))
        .col(big_integer("nonce"))
        .col(text("kind"))
        .col(text_null("diamond"))
        .col(integer("operations"))
        .col(big_integer("gas_limit"))
        .col(text("status"))
        .col(text_null("outcome"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone("updated_at"))
        .take()
}

fn attempts() -> TableCreateStatement {
    Table::create()
        .table("chain_attempts")
        .col(uuid("id").primary_key())
        .col(uuid("send_id"))
        .col(text("kind"))
        .col(text("hash"))
        .col(blob("raw"))
        .col(big_integer("max_fee_per_gas"))
        .col(big_integer("max_priority_fee_per_gas"))
        .col(timestamp_with_time_zone("signed_at"))
        .col(timestamp_with_time_zone_null("broadcast_at"))
        .col(text_null("provider"))
        .col(text_null("answer"))
        .col(big_integer_null("mined_number"))
        .col(text_null("mined_hash"))
        .col(boolean_null("mined_success"))
        .take()
}

fn logs() -> TableCreateStatement {
    Table::create()
        .table("chain_logs")
        .col(uuid("id").primary_key())
        .col(uuid("network_id"))
        .col(text("diamond"))
        .col(big_integer("block_number"))
        .col(text("block_hash"))
        .col(timestamp_with_time_zone("block_time"))
        .col(text("transaction_hash"))
        .col(integer("log_index"))
        .col(text("event"))
        .col(uuid("subject_id"))
        .col(text("deal_id"))
        .col(text_null("account"))
        .col(text("amount"))
        .col(boolean("held"))
        .col(text_null("mismatch"))
        .col(boolean("final"))
        .col(timestamp_with_time_zone("created_at"))
        .take()
}
