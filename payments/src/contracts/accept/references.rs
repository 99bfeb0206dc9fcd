//! Everything that a batch of new payments names, read with one query a table.

use std::collections::{BTreeSet, HashMap};

use entities::{
    CurrencyId, MemberId, NetworkId, NodeId, OrderId, WalletId, currency, member, network, node, order, wallet,
};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QueryFilter, prelude::*};
use serde_json::Value;

use super::{AcceptError, MemberRef, Misfit, NewPayment, Reference};
use crate::{
    caller::Caller,
    evm_address,
    method::Capabilities,
    money::{self, AmountError},
};

/// What the batch refers to, by id.
pub(super) struct References {
    nodes: HashMap<NodeId, node::Model>,
    /// The nodes of the batch and all above them, by path.
    line: HashMap<String, NodeId>,
    networks: HashMap<NetworkId, network::Model>,
    currencies: HashMap<CurrencyId, currency::Model>,
    wallets: HashMap<WalletId, wallet::Model>,
    members: HashMap<MemberId, member::Model>,
    orders: HashMap<OrderId, order::Model>,
}

/// What a payment's references came out as.
pub(super) struct Resolved {
    pub(super) chain_id: entities::ChainId,
    pub(super) wallet_id: Option<WalletId>,
    pub(super) member: Option<member::Model>,
    pub(super) amounts: Amounts,
}

/// What is asked for, as amounts of the currency.
pub(super) struct Amounts {
    pub(super) price: Decimal,
    pub(super) paid_price: Decimal,
    pub(super) items: Value,
}

impl References {
    pub(super) async fn load<C: ConnectionTrait>(db: &C, requests: &[(Caller, NewPayment)]) -> Result<Self, DbErr> {
        let news = || requests.iter().map(|(_, new)| new);
        let nodes = by_ids(db, node::Column::Id, node::Column::DeletedAt, news().map(|new| new.node_id)).await?;
        let nodes: HashMap<NodeId, node::Model> = nodes.into_iter().map(|node: node::Model| (node.id, node)).collect();
        let line = line(db, &nodes).await?;
        let networks = by_ids(db, network::Column::Id, network::Column::DeletedAt, news().map(|new| new.network_id));
        let currencies =
            by_ids(db, currency::Column::Id, currency::Column::DeletedAt, news().map(|new| new.currency_id));
        let wallets = wallet::Entity::find()
            .filter(wallet::Column::NodeId.is_in(line.values().copied().collect::<BTreeSet<_>>()))
            .filter(wallet::Column::DeletedAt.is_null())
            .all(db);
        let (networks, currencies, wallets) = tokio::try_join!(networks, currencies, wallets)?;
        let members = members(db, requests).await?;
        let orders = orders(db, requests).await?;
        Ok(Self {
            nodes,
            line,
            networks: networks.into_iter().map(|network: network::Model| (network.id, network)).collect(),
            currencies: currencies.into_iter().map(|currency: currency::Model| (currency.id, currency)).collect(),
            wallets: wallets.into_iter().map(|wallet| (wallet.id, wallet)).collect(),
            members,
            orders: orders.into_iter().map(|order| (order.id, order)).collect(),
        })
    }

    /// Checks one payment against what it names, in the contract's order: look-ups, then what depends on them.
    pub(super) fn resolve(&self, caller: &Caller, new: &NewPayment) -> Result<Resolved, AcceptError> {
        let node = self.nodes.get(&new.node_id).ok_or(AcceptError::NotFound(Reference::Node))?;
        if !caller.reaches(&node.path) {
            return Err(AcceptError::OutOfReach);
        }
        let network = self.networks.get(&new.network_id).ok_or(AcceptError::NotFound(Reference::Network))?;
        let wallet_id = self.wallet(node, network, new)?;
        let member = match &new.member {
            Some(MemberRef::Known(id)) => {
                // Its data are in the answer, so the caller has to reach it, too.
                let known = self.members.get(id).filter(|member| self.on_line_in_reach(caller, node, member.node_id));
                Some(known.ok_or(AcceptError::NotFound(Reference::Member))?.clone())
            }
            Some(MemberRef::Inline(_)) | None => None,
        };
        let currency = self.currencies.get(&new.currency_id).ok_or(AcceptError::NotFound(Reference::Currency))?;
        if new.chain_id.is_some_and(|chain_id| chain_id != network.chain_id) {
            return Err(Misfit::Chain.into());
        }
        let amounts = check_money(new, currency)?;
        self.check_order(new, amounts.paid_price)?;
        Ok(Resolved { chain_id: network.chain_id, wallet_id, member, amounts })
    }

    /// An order is paid as a whole, on whatever rail. A bank transfer of its own it gets with its first receipt.
    fn check_order(&self, new: &NewPayment, paid_price: Decimal) -> Result<(), AcceptError> {
        let Some(id) = new.order_id else { return Ok(()) };
        let order = self.orders.get(&id).filter(|order| order.node_id == new.node_id);
        let order = order.ok_or(AcceptError::NotFound(Reference::Order))?;
        if Capabilities::of(new.payment_method).reported {
            return Err(Misfit::OrderOfTransfer.into());
        }
        if order.currency_id == new.currency_id && order.total.0 != paid_price {
            return Err(Misfit::OrderTotal.into());
        }
        Ok(())
    }

    /// The wallet that is named, if it belongs to the node's line; else the nearest ancestor's for the network's chain.
    fn wallet(
        &self,
        node: &node::Model,
        network: &network::Model,
        new: &NewPayment,
    ) -> Result<Option<WalletId>, AcceptError> {
        if let Some(id) = new.wallet_id {
            let wallet = self.wallets.get(&id).filter(|wallet| self.on_line(node, wallet.node_id));
            return wallet.map(|wallet| Some(wallet.id)).ok_or(AcceptError::NotFound(Reference::Wallet));
        }
        let nearest = ancestors(&node.path).find_map(|path| {
            let owner = self.line.get(path)?;
            let mut owned: Vec<_> = self.wallets.values().filter(|wallet| wallet.node_id == *owner).collect();
            owned.retain(|wallet| wallet.chain_id == network.chain_id);
            owned.into_iter().map(|wallet| wallet.id).min()
        });
        if nearest.is_none() && Capabilities::of(new.payment_method).on_chain {
            return Err(AcceptError::NotFound(Reference::Wallet));
        }
        Ok(nearest)
    }

    fn on_line_in_reach(&self, caller: &Caller, node: &node::Model, owner: NodeId) -> bool {
        ancestors(&node.path).any(|path| self.line.get(path) == Some(&owner) && caller.reaches(path))
    }

    fn on_line(&self, node: &node::Model, owner: NodeId) -> bool {
        ancestors(&node.path).any(|path| self.line.get(path) == Some(&owner))
    }
}

/// What an amount may be where it is counted.
type Check = fn(Decimal, u32) -> Result<Decimal, AmountError>;

fn check_money(new: &NewPayment, currency: &currency::Model) -> Result<Amounts, Misfit> {
    let decimals = u32::try_from(currency.decimals).unwrap_or(0);
    // What is paid on chain is counted there alone.
    let on_chain = Capabilities::of(new.payment_method).on_chain;
    let check: Check = if on_chain { money::check_on_chain } else { money::check_cost };
    let positive = |amount: Decimal| {
        if amount > Decimal::ZERO { check(amount, decimals) } else { Err(AmountError::NotPositive) }
    };
    let price = positive(new.price).map_err(Misfit::Price)?;
    let paid_price = positive(new.paid_price).map_err(Misfit::PaidPrice)?;
    let items = check_items(new.items.clone(), decimals, check)?;
    let amounts = Amounts { price, paid_price, items };
    if !on_chain {
        return Ok(amounts);
    }
    if currency.network_id != Some(new.network_id) {
        return Err(Misfit::Currency);
    }
    if !evm_address::is_valid(&new.payment_address) {
        return Err(Misfit::PaymentAddress);
    }
    Ok(amounts)
}

/// What an item costs may be nothing, but is an amount of the currency otherwise.
fn check_items(mut items: Value, decimals: u32, check: Check) -> Result<Value, Misfit> {
    for (index, item) in items.as_array_mut().into_iter().flatten().enumerate() {
        let sent = item["price"].to_string().parse::<Decimal>().unwrap_or_default();
        let price = check(sent, decimals).map_err(|error| Misfit::ItemPrice(index, error))?;
        if price != sent {
            item["price"] = price.to_string().parse().map_or(Value::Null, Value::Number);
        }
    }
    Ok(items)
}

/// The path itself, then its parent's, up to the root's.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| path.rsplit_once('.').map(|(parent, _)| parent))
}

async fn line<C: ConnectionTrait>(
    db: &C,
    nodes: &HashMap<NodeId, node::Model>,
) -> Result<HashMap<String, NodeId>, DbErr> {
    let paths: BTreeSet<&str> = nodes.values().flat_map(|node| ancestors(&node.path)).collect();
    if paths.len() == nodes.len() {
        return Ok(nodes.values().map(|node| (node.path.clone(), node.id)).collect());
    }
    let line = node::Entity::find().filter(node::Column::Path.is_in(paths)).all(db).await?;
    Ok(line.into_iter().map(|node| (node.path, node.id)).collect())
}

async fn members<C: ConnectionTrait>(
    db: &C,
    requests: &[(Caller, NewPayment)],
) -> Result<HashMap<MemberId, member::Model>, DbErr> {
    let ids: BTreeSet<MemberId> = requests
        .iter()
        .filter_map(|(_, new)| match &new.member {
            Some(MemberRef::Known(id)) => Some(*id),
            Some(MemberRef::Inline(_)) | None => None,
        })
        .collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let members = member::Entity::find().filter(member::Column::Id.is_in(ids)).all(db).await?;
    Ok(members.into_iter().map(|member| (member.id, member)).collect())
}

async fn orders<C: ConnectionTrait>(db: &C, requests: &[(Caller, NewPayment)]) -> Result<Vec<order::Model>, DbErr> {
    let ids: BTreeSet<OrderId> = requests.iter().filter_map(|(_, new)| new.order_id).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    order::Entity::find().filter(order::Column::Id.is_in(ids)).all(db).await
}

async fn by_ids<C, Column, I>(
    db: &C,
    id: Column,
    deleted_at: Column,
    ids: I,
) -> Result<Vec<<Column::EntityName as EntityTrait>::Model>, DbErr>
where
    C: ConnectionTrait,
    Column: ColumnTrait,
    Column::EntityName: EntityTrait,
    I: Iterator,
    I::Item: Into<sea_orm::Value> + Ord,
{
    let ids: BTreeSet<I::Item> = ids.collect();
    Column::EntityName::find().filter(id.is_in(ids)).filter(deleted_at.is_null()).all(db).await
}

#[cfg(test)]
mod tests;
