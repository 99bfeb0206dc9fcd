//! Whose rows are: those of a node, which callers see within their reach, and those that everybody shares.

use sea_orm::{
    EntityTrait, PrimaryKeyTrait, Select,
    prelude::*,
    sea_query::{Query, SelectStatement},
};

use crate::{
    announcement, bank_account, chain, currency, event, integration, member, network, node, notice, order, payment,
    role, signer, ticket, user, wallet, webhook_delivery, webhook_endpoint, webhook_recovery,
};

type Key<E> = <<E as EntityTrait>::PrimaryKey as PrimaryKeyTrait>::ValueType;

/// A table whose rows belong to a node each, by a column of theirs or by the row that they are of.
pub trait OfNode: EntityTrait {
    /// That the row belongs to one of the nodes with these ids.
    fn of_nodes(ids: SelectStatement) -> Expr;
}

macro_rules! of_node {
    ($($table:ident),+ $(,)?) => {$(
        impl OfNode for $table::Entity {
            fn of_nodes(ids: SelectStatement) -> Expr {
                $table::Column::NodeId.in_subquery(ids)
            }
        }
    )+};
}

of_node!(bank_account, event, integration, member, order, payment, signer, ticket, user, wallet, webhook_endpoint);

impl OfNode for node::Entity {
    fn of_nodes(ids: SelectStatement) -> Expr {
        node::Column::Id.in_subquery(ids)
    }
}

macro_rules! of_endpoint {
    ($($table:ident),+ $(,)?) => {$(
        impl OfNode for $table::Entity {
            fn of_nodes(ids: SelectStatement) -> Expr {
                let endpoints = Query::select()
                    .column(webhook_endpoint::Column::Id)
                    .from(webhook_endpoint::Entity)
                    .and_where(webhook_endpoint::Entity::of_nodes(ids))
                    .to_owned();
                $table::Column::EndpointId.in_subquery(endpoints)
            }
        }
    )+};
}

of_endpoint!(webhook_delivery, webhook_recovery);

/// A table that belongs to nobody, so that its rows are found by their keys alone.
pub trait Shared: EntityTrait {
    /// The row with this key.
    #[must_use]
    fn find_shared(key: impl Into<Key<Self>>) -> Select<Self> {
        Self::find_unscoped(key)
    }
}

macro_rules! shared {
    ($($table:ident),+ $(,)?) => {$(
        impl Shared for $table::Entity {}
    )+};
}

shared!(announcement, chain, currency, network, notice, role);

/// Finding a row by its key alone, whoever it belongs to: for what acts for no caller (jobs, agents, the safety net), and for
/// what a row refers to that was found within the caller's reach. Whoever answers a caller begins with `payments::reach`.
pub trait Unscoped: EntityTrait {
    /// The row with this key.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place that names it for all others")]
    fn find_unscoped(key: impl Into<Key<Self>>) -> Select<Self> {
        Self::find_by_id(key)
    }
}

impl<E: EntityTrait> Unscoped for E {}
