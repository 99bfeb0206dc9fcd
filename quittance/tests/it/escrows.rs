//! An installation whose payments are taken by a contract that somebody else has written, as the configuration describes it.

use alloy::primitives::{Address, Bytes, U256, hex};
use entities::wallet;
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::{
    client::pay_in_a_browser, diamonds::Scene, first_edition::opened, in_both_worlds, merchant::Merchant,
    operator::stdout, world::World,
};

const ESCROWS: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../contracts/tests/artifacts/EscrowDiamond.bin"));
const DIALECT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../contracts/tests/escrows.json"));

/// The contract stands on the main network, the configuration describes it, and the installation's only wallet acts on it.
async fn with_escrows(scene: &mut Scene) -> Address {
    let db = scene.world.database().await;
    let wallet = wallet::Entity::find().one(&*db).await.unwrap().unwrap();
    let signer = scene.signer(wallet.address.parse().unwrap()).await;
    let escrows = signer.deploy(Bytes::from(hex::decode(ESCROWS.trim()).unwrap())).await.unwrap();

    let mut dialect: Value = serde_json::from_str(DIALECT).unwrap();
    (dialect["chain_id"], dialect["diamonds"]) = (json!(signer.chain_id()), json!([escrows]));
    let config = scene.world.data_dir().join("escrows.toml");
    std::fs::write(&config, format!("[[chain.dialects]]\n{}", toml_of(&dialect).join("\n"))).unwrap();
    scene.world.restart_with(&config).await;

    let merchant = Merchant::of(&scene.world).await;
    let bootstrap = &scene.world.bootstrap;
    let (node_id, network_id) = (&bootstrap["node_id"], &bootstrap["network_id"]);
    let new =
        json!({ "node_id": node_id, "chain_id": bootstrap["chain_id"], "name": "escrows", "address": wallet.address });
    let (status, new) = merchant.try_post("/api/v1/wallets", &new, None).await.unwrap();
    assert_eq!(status, 201, "{new}");
    let path = format!("/api/v1/wallets/{}/deploy", new["id"].as_str().unwrap());
    let existing = json!({ "node_id": node_id, "network_id": network_id, "address": escrows.to_checksum(None) });
    let (status, answer) = merchant.try_post(&path, &existing, None).await.unwrap();
    assert_eq!((status, &answer["status"]), (201, &json!("deployed")), "{answer}");
    let first = format!("/api/v1/wallets/{}", bootstrap["wallet_id"].as_str().unwrap());
    assert_eq!(merchant.delete(&first).await, 204);
    escrows
}

/// The settings of a table, one each. Texts, numbers and lists are the same in both languages.
fn toml_of(table: &Value) -> Vec<String> {
    let setting = |(name, value): (&String, &Value)| match value {
        Value::Object(_) => format!("{name} = {{ {} }}", toml_of(value).join(", ")),
        other => format!("{name} = {other}"),
    };
    table.as_object().unwrap().iter().map(setting).collect()
}

/// What a page without an ABI library sends: the selector and a word for each argument.
fn call_data(contract: &Value) -> Bytes {
    let mut data = hex::decode(contract["selector"].as_str().unwrap()).unwrap();
    for argument in contract["arguments"].as_array().unwrap() {
        data.extend(argument.as_str().unwrap().parse::<U256>().unwrap().to_be_bytes::<32>());
    }
    data.into()
}

in_both_worlds!(a_contract_of_somebody_elses_takes_payments, async |world: World| {
    let mut scene = Scene::of(world).await;
    let escrows = with_escrows(&mut scene).await;
    let (world, merchant) = (&scene.world, Merchant::of(&scene.world).await);
    let (released, widget) = opened(world, &merchant, "released").await;
    let (canceled, _) = opened(world, &merchant, "canceled").await;
    assert_eq!(widget["diamond_address"].as_str().unwrap().parse::<Address>().unwrap(), escrows, "{widget}");
    let contract = &widget["contract"];
    assert_eq!((&contract["function_name"], contract["arguments"].as_array().unwrap().len()), (&json!("fund"), 2));
    let function = contract["abi"].as_array().unwrap().iter().find(|entry| entry["type"] == "function").unwrap();
    assert_eq!(function["inputs"][0]["type"], "uint96", "the contract's own types: {function}");

    let list =
        world.command().args(["diamonds", "list", "--config"]).arg(world.data_dir().join("escrows.toml")).output();
    let list = stdout(&list.unwrap());
    assert!(list.contains(&escrows.to_checksum(None)), "{list}");
    assert!(list.contains("somebody else's, driven as chain.dialects says"), "{list}");

    let [token, amount] = [&widget["token_address"], &widget["amount"]].map(|text| text.as_str().unwrap());
    let (token, amount) = (token.parse().unwrap(), amount.parse().unwrap());
    scene.payer.approve(token, escrows, amount).await.unwrap();
    scene.payer.call(escrows, U256::ZERO, call_data(contract)).await.expect("it takes the deposit");
    merchant.reach(world, std::slice::from_ref(&released), "paid").await;
    assert_eq!(merchant.post(&format!("/api/v1/payments/{released}/release")).await.0, 202);
    assert_eq!(merchant.post(&format!("/api/v1/payments/{canceled}/cancel")).await.0, 202);
    merchant.reach(world, &[released], "completed").await;
    merchant.reach(world, &[canceled], "canceled").await;
});

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_pays_there_in_a_real_browser() {
    let mut scene = Scene::of(World::embedded().await).await;
    with_escrows(&mut scene).await;
    pay_in_a_browser(&scene.world, "browser-escrows", false).await;
}
