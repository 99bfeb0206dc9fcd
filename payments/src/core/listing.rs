//! Lists by node, newest or oldest first, that cost what their page costs, however many rows there are.
//!
//! A table's index holds one node's rows in order, and another's in theirs. The databases do not merge the two by
//! themselves: for the newest rows of several nodes they read all of them, or everybody's. So the first rows of each
//! node are selected, and of these the first. For a caller who reaches every node everybody's are selected at once.

use std::marker::PhantomData;

use chrono::{DateTime, TimeDelta, Utc};
use entities::{NetworkId, NodeId, PaymentId, PaymentMethod, PaymentStatus, WalletId, id_bound, node, payment};
use sea_orm::{
    Condition, ConnectionTrait, DatabaseBackend, DbErr, EntityTrait, ExprTrait, FromQueryResult, IdenStatic,
    PrimaryKeyTrait, QueryFilter, QuerySelect, Statement, TryGetable, Value,
    prelude::*,
    sea_query::{Alias, IntoCondition, JoinType, Order, Query, SelectStatement, SimpleExpr, UnionType},
};

use crate::{caller::Caller, reach::below};

/// SQLite joins at most 500 selects. With more nodes than this the rows are read in order until there are enough.
const NODES_MAX: u64 = 200;

/// A payment's id and its time of creation come from the same clock one after the other; so far apart they may be.
const APART_MAX: TimeDelta = TimeDelta::seconds(60);

/// What a table's rows are found by.
pub type Key<E> = <<E as EntityTrait>::PrimaryKey as PrimaryKeyTrait>::ValueType;

/// Rows of nodes in the order of their primary keys.
#[derive(Clone, Debug)]
pub struct Listing<E: EntityTrait> {
    id: E::Column,
    node_id: E::Column,
    /// The nodes below this path; none: all.
    path: Option<String>,
    condition: Condition,
    oldest_first: bool,
    of: PhantomData<E>,
}

impl Listing<payment::Entity> {
    /// Payments of the node with this path and of all below it; the caller's reach has to be checked before.
    #[must_use]
    pub fn of_subtree(path: &str) -> Self {
        Self::new(payment::Column::Id, payment::Column::NodeId, Some(path.to_owned()))
    }

    /// Payments of the nodes that the caller reaches.
    #[must_use]
    pub fn within(caller: &Caller) -> Self {
        let path = (!caller.is_admin).then(|| caller.node_path.clone());
        Self::new(payment::Column::Id, payment::Column::NodeId, path)
    }
}

impl<E> Listing<E>
where
    E: EntityTrait<Model: FromQueryResult + Send + Sync>,
    Key<E>: TryGetable + Into<Value>,
{
    /// Rows of the nodes below this path (none: all), by the columns of the primary key and of the node.
    #[must_use]
    pub fn new(id: E::Column, node_id: E::Column, path: Option<String>) -> Self {
        Self { id, node_id, path, condition: Condition::all(), oldest_first: false, of: PhantomData }
    }

    /// Only those; each condition that may hold for few rows alone needs an index of `node_id`, its column and `id`.
    #[must_use]
    pub fn filter(mut self, condition: impl IntoCondition) -> Self {
        self.condition = self.condition.add(condition.into_condition());
        self
    }

    /// The other way around.
    #[must_use]
    pub fn oldest_first(mut self) -> Self {
        self.oldest_first = true;
        self
    }

    /// How many there are, counted up to `most`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count<C: ConnectionTrait>(&self, db: &C, most: u64) -> Result<u64, DbErr> {
        let row = db.query_one_raw(self.count_statement(db, most).await?).await?;
        let total: i64 = row.map_or(Ok(0), |row| row.try_get("", "total"))?;
        Ok(u64::try_from(total).unwrap_or(0))
    }

    /// So many of them, behind the first `offset`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn page<C: ConnectionTrait>(&self, db: &C, offset: u64, limit: u64) -> Result<Vec<E::Model>, DbErr> {
        let ids = self.ids(db, offset, limit).await?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        // Rows are fetched once it is known which: what is passed over costs an entry of the index each.
        let found = E::find().filter(self.id.is_in(ids));
        sea_orm::QueryOrder::order_by(found, self.id, self.direction()).all(db).await
    }

    /// Their ids.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ids<C: ConnectionTrait>(&self, db: &C, offset: u64, limit: u64) -> Result<Vec<Key<E>>, DbErr> {
        let rows = db.query_all_raw(self.page_statement(db, offset, limit).await?).await?;
        rows.iter().map(|row| row.try_get_by_index(0)).collect()
    }

    /// The query of [`Self::count`], for tests of its plan.
    ///
    /// # Errors
    /// When the database does not answer.
    #[doc(hidden)]
    pub async fn count_statement<C: ConnectionTrait>(&self, db: &C, most: u64) -> Result<Statement, DbErr> {
        let first = self.first(db, most, Shape { ordered: false, columns: Columns::Id }).await?;
        let mut count = Query::select();
        count.expr_as(Expr::cust("COUNT(*)"), Alias::new("total")).from_subquery(first, Alias::new("bounded"));
        Ok(db.get_database_backend().build(&count))
    }

    /// The first query of [`Self::page`], for ids, for tests of its plan.
    ///
    /// # Errors
    /// When the database does not answer.
    #[doc(hidden)]
    pub async fn page_statement<C: ConnectionTrait>(
        &self,
        db: &C,
        offset: u64,
        limit: u64,
    ) -> Result<Statement, DbErr> {
        let shape = Shape { ordered: true, columns: Columns::Id };
        let mut page = self.first(db, offset.saturating_add(limit), shape).await?;
        page.limit(limit).offset(offset);
        Ok(db.get_database_backend().build(&page))
    }

    /// The first `most` of them with all their columns, as something to select from.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn window<C: ConnectionTrait>(&self, db: &C, most: u64) -> Result<SelectStatement, DbErr> {
        self.first(db, most, Shape { ordered: true, columns: Columns::All }).await
    }

    async fn first<C: ConnectionTrait>(&self, db: &C, most: u64, shape: Shape) -> Result<SelectStatement, DbErr> {
        if self.path.is_none() {
            // Everybody's rows have indexes of their own.
            return Ok(self.stretch(None, most, shape));
        }
        let nodes: Vec<NodeId> = self.nodes().limit(NODES_MAX + 1).into_tuple().all(db).await?;
        let mut first = if nodes.len() as u64 <= NODES_MAX {
            self.united(nodes, most, shape)
        } else if db.get_database_backend() == DatabaseBackend::Postgres {
            self.joined(most, shape)
        } else {
            let mut all = self.stretch(None, most, shape);
            all.and_where(self.node_id.in_subquery(sea_orm::QueryTrait::into_query(self.nodes()))).to_owned()
        };
        if shape.ordered {
            first.order_by(Alias::new(self.id.as_str()), self.direction());
        }
        first.limit(most);
        Ok(first)
    }

    fn nodes(&self) -> Select<node::Entity> {
        let nodes = node::Entity::find().select_only().column(node::Column::Id);
        nodes.filter(Condition::all().add_option(self.path.as_deref().map(below)))
    }

    /// PostgreSQL with many nodes: for each its first rows. The planner knows nothing of any one node here.
    fn joined(&self, most: u64, shape: Shape) -> SelectStatement {
        let stretch = self.stretch(Some(Expr::col((node::Entity, node::Column::Id))), most, shape);
        let mut joined = Query::select();
        match shape.columns {
            Columns::Id => joined.column((Alias::new("stretch"), Alias::new(self.id.as_str()))),
            Columns::All => joined.expr(Expr::cust("stretch.*")),
        };
        joined
            .from(node::Entity)
            .join_lateral(JoinType::InnerJoin, stretch, Alias::new("stretch"), Expr::cust("TRUE"))
            .cond_where(Condition::all().add_option(self.path.as_deref().map(below)));
        joined
    }

    /// The same, node by node.
    fn united(&self, nodes: Vec<NodeId>, most: u64, shape: Shape) -> SelectStatement {
        let mut stretches = nodes.into_iter().map(|node| {
            let mut select = Query::select();
            let stretch = self.stretch(Some(Expr::val(node)), most, shape);
            select.expr(Expr::cust("*")).from_subquery(stretch, Alias::new("stretch"));
            select
        });
        let Some(mut united) = stretches.next() else {
            return self.stretch(None, most, shape).and_where(Expr::cust("1 = 0")).to_owned();
        };
        for stretch in stretches {
            united.union(UnionType::All, stretch);
        }
        Query::select().expr(Expr::cust("*")).from_subquery(united, Alias::new("united")).to_owned()
    }

    /// The first rows of one node, or of all.
    fn stretch(&self, node: Option<SimpleExpr>, most: u64, shape: Shape) -> SelectStatement {
        let mut stretch = Query::select();
        let table = E::default();
        match shape.columns {
            Columns::Id => stretch.column((table, self.id)),
            Columns::All => stretch.expr(Expr::cust(format!("\"{}\".*", table.table_name()))),
        };
        stretch.from(E::default()).cond_where(self.condition.clone()).limit(most);
        if let Some(node) = node {
            stretch.and_where(Expr::col((E::default(), self.node_id)).eq(node));
        }
        if shape.ordered {
            stretch.order_by((E::default(), self.id), self.direction());
        }
        stretch
    }

    fn direction(&self) -> Order {
        if self.oldest_first { Order::Asc } else { Order::Desc }
    }
}

/// Which payments a list is to hold; nothing given holds all.
#[derive(Clone, Debug, Default)]
#[expect(missing_docs, reason = "the fields are the contract's, `deals.md`")]
pub struct PaymentFilter {
    pub wallet_id: Option<WalletId>,
    pub network_id: Option<NetworkId>,
    pub status: Option<PaymentStatus>,
    pub payment_method: Option<PaymentMethod>,
    pub external_id: Option<String>,
    pub created_from: Option<DateTime<Utc>>,
    pub created_to: Option<DateTime<Utc>>,
}

impl PaymentFilter {
    /// Those of the node with this path and of all below it; the caller's reach has to be checked before. Times are
    /// compared by the ids, too, which rise with time: an index holds the rows in the order of their ids.
    #[must_use]
    pub fn of_subtree(self, path: &str) -> Listing<payment::Entity> {
        use payment::Column as C;
        let bound = |time: DateTime<Utc>| PaymentId(id_bound(time));
        let earliest = self.created_from.map(|from| from.checked_sub_signed(APART_MAX).unwrap_or(from));
        let latest = self.created_to.map(|to| to.checked_add_signed(APART_MAX).unwrap_or(to));
        let conditions = [
            self.wallet_id.map(|id| C::WalletId.eq(id)),
            self.network_id.map(|id| C::NetworkId.eq(id)),
            self.status.map(|status| C::Status.eq(status)),
            self.payment_method.map(|method| C::PaymentMethod.eq(method)),
            self.external_id.map(|external_id| C::ExternalId.eq(external_id)),
            earliest.map(|earliest| C::Id.gte(bound(earliest))),
            latest.map(|latest| C::Id.lt(bound(latest))),
            self.created_from.map(|from| C::CreatedAt.gte(from)),
            self.created_to.map(|to| C::CreatedAt.lt(to)),
        ];
        conditions.into_iter().flatten().fold(Listing::of_subtree(path), Listing::filter)
    }
}

/// What is selected.
#[derive(Clone, Copy, Debug)]
struct Shape {
    ordered: bool,
    columns: Columns,
}

#[derive(Clone, Copy, Debug)]
enum Columns {
    Id,
    All,
}
