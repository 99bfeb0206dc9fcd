//! Outbox, inbox and dead letters: everything that the `queue` crate keeps.

use sea_orm_migration::{prelude::*, sea_orm::DatabaseBackend};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(outbox()).await?;
        // What a sweep asks, four times a second in every process: what is due, oldest first.
        let due = Index::create().name("outbox_due_at").table(Outbox::Table).col(Outbox::DueAt).to_owned();
        manager.create_index(due).await?;
        if manager.get_database_backend() == DatabaseBackend::Postgres {
            // Every row is deleted soon after it was written. Vacuuming by a share of the table would never start on
            // a table that is nearly empty, and dead index entries would slow every sweep.
            let vacuum = "ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0, \
                          autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0)";
            manager.get_connection().execute_unprepared(vacuum).await?;
        }
        manager.create_table(inbox()).await?;
        let age = Index::create().name("inbox_seen_at").table(Inbox::Table).col(Inbox::SeenAt).to_owned();
        manager.create_index(age).await?;
        manager.create_table(dead_letters()).await?;
        for index in dead_letter_indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(DeadLetters::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Inbox::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(Outbox::Table).to_owned()).await
    }
}

fn outbox() -> TableCreateStatement {
    Table::create()
        .table(Outbox::Table)
        .col(ColumnDef::new(Outbox::Id).uuid().not_null().primary_key())
        .col(ColumnDef::new(Outbox::MessageId).uuid().not_null())
        .col(ColumnDef::new(Outbox::Queue).text().not_null())
        .col(ColumnDef::new(Outbox::Kind).text().not_null())
        .col(ColumnDef::new(Outbox::Payload).text().not_null())
        .col(ColumnDef::new(Outbox::Headers).text().not_null())
        .col(ColumnDef::new(Outbox::DueAt).timestamp_with_time_zone().not_null())
        .col(ColumnDef::new(Outbox::Attempts).integer().not_null())
        .col(ColumnDef::new(Outbox::Claims).integer().not_null())
        .col(ColumnDef::new(Outbox::CreatedAt).timestamp_with_time_zone().not_null())
        .to_owned()
}

fn inbox() -> TableCreateStatement {
    Table::create()
        .table(Inbox::Table)
        .col(ColumnDef::new(Inbox::Consumer).text().not_null())
        .col(ColumnDef::new(Inbox::MessageId).uuid().not_null())
        .col(ColumnDef::new(Inbox::SeenAt).timestamp_with_time_zone().not_null())
        .primary_key(Index::create().col(Inbox::Consumer).col(Inbox::MessageId))
        .to_owned()
}

fn dead_letters() -> TableCreateStatement {
    Table::create()
        .table(DeadLetters::Table)
        .col(ColumnDef::new(DeadLetters::Id).uuid().not_null().primary_key())
        .col(ColumnDef::new(DeadLetters::OutboxId).uuid().not_null())
        .col(ColumnDef::new(DeadLetters::MessageId).uuid().not_null())
        .col(ColumnDef::new(DeadLetters::Queue).text().not_null())
        .col(ColumnDef::new(DeadLetters::Kind).text().not_null())
        .col(ColumnDef::new(DeadLetters::Origin).text().not_null())
        .col(ColumnDef::new(DeadLetters::Body).text().not_null())
        .col(ColumnDef::new(DeadLetters::BodyEncoding).text().not_null())
        .col(ColumnDef::new(DeadLetters::Headers).text().not_null())
        .col(ColumnDef::new(DeadLetters::Attempts).integer().not_null())
        .col(ColumnDef::new(DeadLetters::ErrorCode).text().not_null())
        .col(ColumnDef::new(DeadLetters::ErrorMessage).text().not_null())
        .col(ColumnDef::new(DeadLetters::Fingerprint).text().not_null())
        .col(ColumnDef::new(DeadLetters::PaymentId).uuid().null())
        .col(ColumnDef::new(DeadLetters::NodeId).uuid().null())
        .col(ColumnDef::new(DeadLetters::FirstAt).timestamp_with_time_zone().not_null())
        .col(ColumnDef::new(DeadLetters::LastAt).timestamp_with_time_zone().not_null())
        .col(ColumnDef::new(DeadLetters::ReplayOf).uuid().null())
        .col(ColumnDef::new(DeadLetters::ReplayNo).integer().not_null())
        .col(ColumnDef::new(DeadLetters::ReplayedAt).timestamp_with_time_zone().null())
        .col(ColumnDef::new(DeadLetters::ReplayedAs).uuid().null())
        .to_owned()
}

/// Lists run newest first by id (version 7, so by time), narrowed by one of these.
fn dead_letter_indexes() -> Vec<IndexCreateStatement> {
    let by = |name: &str, column: DeadLetters| {
        Index::create().name(name).table(DeadLetters::Table).col(column).col(DeadLetters::Id).to_owned()
    };
    vec![
        // One death of one outbox row is one letter, however often it is reported.
        Index::create()
            .name("dead_letters_outbox_id")
            .table(DeadLetters::Table)
            .col(DeadLetters::OutboxId)
            .unique()
            .to_owned(),
        by("dead_letters_message_id", DeadLetters::MessageId),
        by("dead_letters_queue", DeadLetters::Queue),
        by("dead_letters_fingerprint", DeadLetters::Fingerprint),
        by("dead_letters_payment_id", DeadLetters::PaymentId),
        by("dead_letters_node_id", DeadLetters::NodeId),
    ]
}

#[derive(DeriveIden)]
enum Outbox {
    Table,
    Id,
    MessageId,
    Queue,
    Kind,
    Payload,
    Headers,
    DueAt,
    Attempts,
    Claims,
    CreatedAt,
}

#[derive(DeriveIden)]
enum Inbox {
    Table,
    Consumer,
    MessageId,
    SeenAt,
}

#[derive(DeriveIden)]
enum DeadLetters {
    Table,
    Id,
    OutboxId,
    MessageId,
    Queue,
    Kind,
    Origin,
    Body,
    BodyEncoding,
    Headers,
    Attempts,
    ErrorCode,
    ErrorMessage,
    Fingerprint,
    PaymentId,
    NodeId,
    FirstAt,
    LastAt,
    ReplayOf,
    ReplayNo,
    ReplayedAt,
    ReplayedAs,
}
