//! What a new payment may refer to, from a node in the middle of a line.

use entities::{Amount, ChainId, IntegrationId, PaymentGroup, PaymentMethod, Plan, now};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{CallerKind, samples};

fn node(path: &str) -> node::Model {
    node::Model {
        id: NodeId::new(),
        parent_id: None,
        path: path.to_owned(),
        number: 1,
        name: path.to_owned(),
        plan: Plan::Starter,
        created_at: now(),
        updated_at: now(),
        deleted_at: None,
    }
}

fn caller(path: &str) -> Caller {
    Caller {
        kind: CallerKind::Integration(IntegrationId::new()),
        node_id: NodeId::new(),
        node_path: path.to_owned(),
        permissions: Vec::new(),
        is_admin: false,
    }
}

/// A network with a token of six digits and the nodes `1`, `1.2`, `1.2.3` and `7`, of which the first and the last have
/// a wallet each; and what the node `1.2.3` may ask for.
struct World {
    references: References,
    new: NewPayment,
    wallets: [WalletId; 2],
    network_id: NetworkId,
}

impl World {
    fn new() -> Self {
        let (chain_id, network_id, currency_id) = (ChainId::new(), NetworkId::new(), CurrencyId::new());
        let nodes: Vec<node::Model> = ["1", "1.2", "1.2.3", "7"].map(node).to_vec();
        let wallets = [0, 3].map(|owner| wallet(nodes[owner].id, chain_id));
        let node_id = nodes[2].id;
        let references = References {
            line: nodes.iter().map(|node| (node.path.clone(), node.id)).collect(),
            nodes: nodes.into_iter().map(|node| (node.id, node)).collect(),
            networks: HashMap::from([(network_id, network(network_id, chain_id))]),
            currencies: HashMap::from([(currency_id, currency(currency_id, network_id))]),
            wallets: wallets.iter().map(|wallet| (wallet.id, wallet.clone())).collect(),
            members: HashMap::new(),
            orders: HashMap::new(),
        };
        let wallets = wallets.map(|wallet| wallet.id);
        Self { references, new: new(node_id, network_id, currency_id), wallets, network_id }
    }

    fn resolved(&self) -> Result<Resolved, AcceptError> {
        self.references.resolve(&caller("1"), &self.new)
    }

    fn misfit(&self) -> Option<Misfit> {
        match self.resolved() {
            Err(AcceptError::Misfit(misfit)) => Some(misfit),
            _ => None,
        }
    }

    fn missing(&self) -> Option<Reference> {
        match self.resolved() {
            Err(AcceptError::NotFound(what)) => Some(what),
            _ => None,
        }
    }
}

fn wallet(node_id: NodeId, chain_id: ChainId) -> wallet::Model {
    let (created_at, updated_at, deleted_at) = (now(), now(), None);
    let (name, address) = ("wallet".to_owned(), "0x".to_owned());
    wallet::Model { id: WalletId::new(), node_id, chain_id, name, address, created_at, updated_at, deleted_at }
}

fn network(id: NetworkId, chain_id: ChainId) -> network::Model {
    network::Model {
        id,
        chain_id,
        network_id: 31_337,
        name: "network".to_owned(),
        rpc_urls: json!([]),
        confirmations: 1,
        explorer_url: None,
        created_at: now(),
        updated_at: now(),
        deleted_at: None,
    }
}

fn currency(id: CurrencyId, network_id: NetworkId) -> currency::Model {
    currency::Model {
        id,
        network_id: Some(network_id),
        symbol: "USDT".to_owned(),
        name: "Test dollar".to_owned(),
        address: None,
        decimals: 6,
        created_at: now(),
        updated_at: now(),
        deleted_at: None,
    }
}

fn new(node_id: NodeId, network_id: NetworkId, currency_id: CurrencyId) -> NewPayment {
    NewPayment {
        external_id: "one".to_owned(),
        node_id,
        chain_id: None,
        network_id,
        wallet_id: None,
        member: None,
        order_id: None,
        currency_id,
        price: Decimal::new(105, 1),
        paid_price: Decimal::new(105, 1),
        payment_method: PaymentMethod::Web3,
        payment_group: PaymentGroup::Product,
        payment_address: "0x70997970c51812dc3a010c7d01b50e0d17dc79c8".to_owned(),
        items: json!([{ "price": 1.5 }, { "price": 0 }]),
        metadata: None,
        expires_at: now(),
        retry: false,
        retry_count: 0,
        client_ip: None,
        request_id: None,
        answer: None,
    }
}

#[test]
fn the_nearest_wallet_upwards_is_taken_and_no_other_lines() {
    let mut world = World::new();
    assert_eq!(world.resolved().unwrap().wallet_id, Some(world.wallets[0]));
    world.new.wallet_id = Some(world.wallets[1]);
    assert_eq!(world.missing(), Some(Reference::Wallet), "another line's");
    world.new.wallet_id = None;
    let near = wallet(world.new.node_id, world.references.networks[&world.network_id].chain_id);
    world.references.wallets.insert(near.id, near.clone());
    assert_eq!(world.resolved().unwrap().wallet_id, Some(near.id));
    let elsewhere = wallet(world.new.node_id, ChainId::new());
    world.references.wallets = HashMap::from([(elsewhere.id, elsewhere)]);
    assert_eq!(world.missing(), Some(Reference::Wallet), "of another chain");
    world.new.payment_method = PaymentMethod::BankTransfer;
    assert_eq!(world.resolved().unwrap().wallet_id, None, "a transfer needs none");
}

#[test]
fn of_several_wallets_of_a_node_the_oldest_is_taken() {
    let mut world = World::new();
    let chain_id = world.references.networks[&world.network_id].chain_id;
    let own: Vec<_> = (0..5).map(|_| wallet(world.new.node_id, chain_id)).collect();
    world.references.wallets.extend(own.iter().map(|wallet| (wallet.id, wallet.clone())));
    assert_eq!(world.resolved().unwrap().wallet_id, Some(own[0].id), "whatever order they are read in");
    world.new.wallet_id = Some(own[3].id);
    assert_eq!(world.resolved().unwrap().wallet_id, Some(own[3].id), "unless one is named");
    world.new.wallet_id = Some(WalletId::new());
    assert_eq!(world.missing(), Some(Reference::Wallet));
}

#[test]
fn what_is_paid_on_chain_is_in_a_currency_and_to_an_account_of_the_chain() {
    let mut world = World::new();
    world.new.payment_address = "somebody".to_owned();
    assert_eq!(world.misfit(), Some(Misfit::PaymentAddress));
    let currency = world.references.currencies.get_mut(&world.new.currency_id).unwrap();
    currency.network_id = None;
    assert_eq!(world.misfit(), Some(Misfit::Currency));
    world.new.payment_method = PaymentMethod::CreditCard;
    assert!(world.resolved().is_ok(), "a card is paid anywhere, and to whom is the contract's matter");
    world.new.chain_id = Some(ChainId::new());
    assert_eq!(world.misfit(), Some(Misfit::Chain));
}

#[test]
fn every_amount_is_one_of_the_currency() {
    use AmountError::{NotPositive, TooFine};
    let mut world = World::new();
    world.new.items = json!([{ "price": 1 }, { "price": 0.000_000_1 }]);
    assert_eq!(world.misfit(), Some(Misfit::ItemPrice(1, TooFine(6))));
    world.new.paid_price = Decimal::ZERO;
    assert_eq!(world.misfit(), Some(Misfit::PaidPrice(NotPositive)));
    world.new.price = Decimal::new(1, 7);
    assert_eq!(world.misfit(), Some(Misfit::Price(TooFine(6))));
    assert_eq!(world.misfit().unwrap().pointer(), "/price");
    assert_eq!(Misfit::ItemPrice(1, TooFine(6)).pointer(), "/items/1/price");
}

#[test]
fn an_item_costs_what_a_double_was_meant_to_say() {
    let mut world = World::new();
    world.new.items = serde_json::from_str(r#"[{ "price": 13.049999999999999, "name": "tea" }]"#).unwrap();
    let items = world.resolved().unwrap().amounts.items;
    assert_eq!(items.to_string(), r#"[{"name":"tea","price":13.05}]"#);
}

#[test]
fn an_order_of_the_node_is_paid_as_a_whole_and_by_transfer_with_a_receipt_alone() {
    let mut world = World::new();
    let currency_id = world.new.currency_id;
    let order = order::Model { node_id: world.new.node_id, currency_id, ..samples::order() };
    world.new.order_id = Some(order.id);
    assert_eq!(world.missing(), Some(Reference::Order));
    world.references.orders = HashMap::from([(order.id, order.clone())]);
    assert!(world.resolved().is_ok());
    world.new.payment_method = PaymentMethod::BankTransfer;
    assert_eq!(world.misfit(), Some(Misfit::OrderOfTransfer));
    world.new.payment_method = PaymentMethod::Web3;
    world.new.paid_price = Decimal::TEN;
    assert_eq!(world.misfit(), Some(Misfit::OrderTotal));
    let elsewhere = order::Model { currency_id: CurrencyId::new(), total: Amount(Decimal::ONE), ..order.clone() };
    world.references.orders.insert(order.id, elsewhere);
    assert!(world.resolved().is_ok(), "what it costs in another currency is for the shop to say");
    world.references.orders.insert(order.id, order::Model { node_id: NodeId::new(), ..order });
    assert_eq!(world.missing(), Some(Reference::Order), "another node's");
}

#[test]
fn a_node_out_of_reach_is_distinguished_from_one_that_is_not_there() {
    let mut world = World::new();
    let resolved_by = |world: &World, path: &str| world.references.resolve(&caller(path), &world.new).map(drop);
    assert!(matches!(resolved_by(&world, "7"), Err(AcceptError::OutOfReach)));
    assert!(matches!(resolved_by(&world, "1.2.3.4"), Err(AcceptError::OutOfReach)));
    assert!(resolved_by(&world, "1.2").is_ok());
    world.new.node_id = NodeId::new();
    assert!(matches!(resolved_by(&world, "7"), Err(AcceptError::NotFound(Reference::Node))));
}

proptest! {
    #[test]
    fn a_path_has_as_many_ancestors_as_numbers(numbers in prop::collection::vec(0_u32..1_000, 1..8)) {
        let path = numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(".");
        let line: Vec<&str> = ancestors(&path).collect();
        prop_assert_eq!(line.len(), numbers.len());
        prop_assert_eq!((line[0], line[line.len() - 1]), (path.as_str(), &*numbers[0].to_string()));
        for ancestor in line {
            prop_assert!(caller(ancestor).reaches(&path), "{ancestor} reaches {path}");
        }
    }
}
