//! `quittance diamonds`: an owner whose key only the test holds signs what was prepared.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    signers::local::PrivateKeySigner,
    sol,
    sol_types::SolCall,
};
use chain::{Account, Deployment};
use serde_json::{Value, json};

use crate::{
    client::pay_in_a_browser,
    in_both_worlds,
    operator::{complaint, stdout},
    world::World,
};

sol! {
    function createDeal(
        uint256 dealId, bytes32 ref, address payee, address token, uint256 amount, uint64 expiresAt
    ) external;
}

/// How long announcements are to be seen on the test's own diamond, seconds.
const DELAY_S: u64 = 8;

/// An installation with accounts whose keys only the test has.
pub(crate) struct Scene {
    pub(crate) world: World,
    rpc_url: String,
    pub(crate) payer: Account,
}

impl Scene {
    pub(crate) async fn of(world: World) -> Self {
        let playground = world.playground();
        let rpc_url = playground["rpc_url"].as_str().unwrap().to_owned();
        let key = playground["payer"]["private_key"].as_str().unwrap().parse().unwrap();
        let payer = Account::connect(rpc_url.clone().into(), key).await.unwrap();
        Self { world, rpc_url, payer }
    }

    /// An account that nobody but the test has the key of.
    pub(crate) async fn account(&self) -> Account {
        let account = Account::connect(self.rpc_url.clone().into(), PrivateKeySigner::random()).await.unwrap();
        self.payer.transfer(account.address(), U256::from(10_u64.pow(18))).await.unwrap();
        account
    }

    /// The account of a signer of the installation.
    pub(crate) async fn signer(&self, address: Address) -> Account {
        Account::connect(self.rpc_url.clone().into(), self.world.signing_key(address).await).await.unwrap()
    }

    fn command(&self, arguments: &[&str]) -> std::process::Output {
        self.world.command().arg("diamonds").args(arguments).output().unwrap()
    }

    /// What was prepared on the main network.
    pub(crate) fn prepared(&self, diamond: Address, act: &[&str]) -> Value {
        let diamond = diamond.to_checksum(None);
        let network = self.world.bootstrap["network_id"].as_str().unwrap();
        let target = ["--diamond", &diamond, "--network", network, "--json"];
        serde_json::from_str(&stdout(&self.command(&[&["prepare"], act, &target].concat()))).unwrap()
    }

    fn listed(&self, diamond: &str) -> Value {
        let listed: Value = serde_json::from_str(&stdout(&self.command(&["list", "--json"]))).unwrap();
        listed
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["address"] == diamond)
            .unwrap_or_else(|| panic!("{listed}"))
            .clone()
    }

    fn write(&self, name: &str, content: &Value) -> String {
        let file = self.world.data_dir().join(name);
        std::fs::write(&file, content.to_string()).unwrap();
        file.to_str().unwrap().to_owned()
    }
}

/// Signs exactly what was prepared.
pub(crate) async fn send(account: &Account, prepared: &Value) -> Result<B256, chain::Error> {
    assert_eq!(prepared["from"], account.address().to_checksum(None), "{prepared}");
    assert_eq!(prepared["value"], "0");
    let to = prepared["to"].as_str().unwrap().parse().unwrap();
    let data: Bytes = prepared["data"].as_str().unwrap().parse().unwrap();
    account.call(to, U256::ZERO, data).await
}

async fn open_deal(operator: &Account, diamond: Address, id: u64) -> Result<B256, chain::Error> {
    let call = createDealCall {
        dealId: U256::from(id),
        r#ref: keccak256(id.to_be_bytes()),
        payee: Address::repeat_byte(0xbe),
        token: Address::ZERO,
        amount: U256::from(1),
        expiresAt: u64::MAX,
    };
    operator.call(diamond, U256::ZERO, call.abi_encode().into()).await
}

/// Waits until trying it shows that it would succeed.
async fn until_ripe(scene: &Scene, diamond: Address, act: &[&str]) -> Value {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let prepared = scene.prepared(diamond, act);
        if prepared["would_revert"].is_null() {
            return prepared;
        }
        assert_eq!(prepared["would_revert"]["code"], "TooEarly");
        assert!(Instant::now() < until, "{prepared}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

in_both_worlds!(a_cold_owner_appoints_and_hands_over_with_what_was_prepared, async |world: World| {
    let scene = Scene::of(world).await;
    let (owner, successor, operator) = (scene.account().await, scene.account().await, scene.account().await);
    let deployment = Deployment { owner: owner.address(), operators: vec![], delay_s: DELAY_S };
    let diamond = scene.payer.deploy_diamond(&deployment).await.unwrap();

    let appointed = operator.address().to_checksum(None);
    open_deal(&operator, diamond, 1).await.expect_err("nobody has appointed it");
    let prepared = scene.prepared(diamond, &["add-operator", &appointed]);
    assert_eq!(prepared["would_revert"], Value::Null, "{prepared}");
    send(&owner, &prepared).await.expect("the owner may");
    open_deal(&operator, diamond, 1).await.expect("it is an operator");
    send(&owner, &scene.prepared(diamond, &["remove-operator", &appointed])).await.expect("the owner may");
    open_deal(&operator, diamond, 2).await.expect_err("it was dismissed");

    let heir = successor.address().to_checksum(None);
    send(&owner, &scene.prepared(diamond, &["transfer-ownership", &heir])).await.expect("the owner may");
    let early = scene.prepared(diamond, &["accept-ownership"]);
    assert_eq!(early["would_revert"]["code"], "TooEarly", "{early}");
    send(&successor, &early).await.expect_err("the delay is not over");
    send(&successor, &until_ripe(&scene, diamond, &["accept-ownership"]).await).await.expect("it is over");
    let prepared = scene.prepared(diamond, &["add-operator", &appointed]);
    assert_eq!(prepared["from"], heir, "it has another owner");
    send(&successor, &prepared).await.expect("the new owner may");
    open_deal(&operator, diamond, 2).await.expect("it is an operator again");

    let token = scene.world.playground()["tokens"]["USDT"].as_str().unwrap().to_owned();
    let stray = U256::from(7);
    scene.payer.mint(token.parse().unwrap(), diamond, stray).await.unwrap();
    send(&successor, &scene.prepared(diamond, &["sweep", &token, &heir])).await.expect("it belongs to no deal");
    assert_eq!(successor.balance(token.parse().unwrap(), successor.address()).await.unwrap(), stray);
    let again = scene.prepared(diamond, &["sweep", &token, &heir]);
    assert_eq!(again["would_revert"]["code"], "NothingToSweep", "{again}");
});

in_both_worlds!(a_cut_is_announced_and_made_after_its_delay, async |world: World| {
    let scene = Scene::of(world).await;
    let owner = scene.account().await;
    let deployment = Deployment { owner: owner.address(), operators: vec![], delay_s: DELAY_S };
    let diamond = scene.payer.deploy_diamond(&deployment).await.unwrap();
    let cut = json!({ "facets": [{ "action": "remove", "functions": ["supportsInterface(bytes4)"] }] });
    let cut = scene.write("cut.json", &cut);

    let prepared = scene.prepared(diamond, &["execute-cut", &cut]);
    assert_eq!(prepared["would_revert"]["code"], "CutNotProposed", "{prepared}");
    send(&owner, &scene.prepared(diamond, &["announce-cut", &cut])).await.expect("the owner may");
    let early = scene.prepared(diamond, &["execute-cut", &cut]);
    assert_eq!(early["would_revert"]["code"], "TooEarly", "{early}");
    send(&owner, &early).await.expect_err("the delay is not over");
    send(&owner, &scene.prepared(diamond, &["cancel-cut"])).await.expect("the owner may");
    let gone = scene.prepared(diamond, &["execute-cut", &cut]);
    assert_eq!(gone["would_revert"]["code"], "CutNotProposed", "{gone}");

    send(&owner, &scene.prepared(diamond, &["announce-cut", &cut])).await.expect("the owner may");
    send(&owner, &until_ripe(&scene, diamond, &["execute-cut", &cut]).await).await.expect("the delay is over");
    let other = scene.write("other.json", &json!({ "facets": [{ "action": "remove", "functions": ["facets()"] }] }));
    let other = scene.prepared(diamond, &["execute-cut", &other]);
    assert_eq!(other["would_revert"]["code"], "CutNotProposed", "{other}");
});

in_both_worlds!(a_batch_for_safe_says_the_same_as_the_calldata, async |world: World| {
    let scene = Scene::of(world).await;
    let diamond = scene.world.playground()["diamond_address"].as_str().unwrap().to_owned();
    let row = scene.listed(&diamond);
    assert_eq!((&row["edition"], &row["delay_s"]), (&json!("second"), &json!(0)), "{row}");
    let signer = row["owner"].as_str().unwrap().to_owned();
    assert_eq!(row["signers"][0]["address"], signer, "{row}");
    assert_eq!(row["signers"][0]["is_operator"], true, "{row}");

    let act = ["prepare", "remove-operator", &signer, "--diamond", &diamond];
    let parsed: Value = serde_json::from_str(&stdout(&scene.command(&[&act[..], &["--json"]].concat()))).unwrap();
    let text = stdout(&scene.command(&act));
    assert!(text.contains("Dismisses") && text.contains("would succeed"), "{text}");
    assert!(text.contains(parsed["data"].as_str().unwrap()), "{text}");
    let batch: Value = serde_json::from_str(&stdout(&scene.command(&[&act[..], &["--safe", "-"]].concat()))).unwrap();
    let file = scene.world.data_dir().join("batch.json");
    stdout(&scene.command(&[&act[..], &["--safe", file.to_str().unwrap()]].concat()));
    let written: Value = serde_json::from_slice(&std::fs::read(Path::new(&file)).unwrap()).unwrap();
    for batch in [&batch, &written] {
        assert_eq!(batch["version"], "1.0");
        assert_eq!(batch["chainId"], scene.payer.chain_id().to_string());
        assert!(batch["createdAt"].is_i64() && batch["meta"]["checksum"].is_string(), "{batch}");
        let [call] = &batch["transactions"].as_array().unwrap()[..] else { panic!("{batch}") };
        assert_eq!((&call["to"], &call["value"], &call["data"]), (&parsed["to"], &json!("0"), &parsed["data"]));
        assert_eq!(call["contractMethod"]["name"], "setOperator");
        let inputs = json!([
            { "internalType": "address", "name": "operator", "type": "address" },
            { "internalType": "bool", "name": "allowed", "type": "bool" },
        ]);
        assert_eq!(call["contractMethod"]["inputs"], inputs);
        assert_eq!(call["contractInputsValues"], json!({ "operator": signer, "allowed": "false" }));
    }
});

in_both_worlds!(a_first_edition_is_ruled_as_far_as_it_can_be, async |world: World| {
    let scene = Scene::of(world).await;
    let (owner, successor, operator) = (scene.account().await, scene.account().await, scene.account().await);
    let diamond = owner.deploy_first_diamond().await.unwrap();
    let appointed = operator.address().to_checksum(None);
    send(&owner, &scene.prepared(diamond, &["add-operator", &appointed])).await.expect("the owner may");
    let heir = successor.address().to_checksum(None);
    let prepared = scene.prepared(diamond, &["transfer-ownership", &heir]);
    assert!(prepared["effect"].as_str().unwrap().contains("at once and for good"), "{prepared}");
    send(&owner, &prepared).await.expect("the owner may");
    assert_eq!(scene.prepared(diamond, &["remove-operator", &appointed])["from"], heir);

    let (diamond, zero) = (diamond.to_checksum(None), Address::ZERO.to_string());
    let network = scene.world.bootstrap["network_id"].as_str().unwrap().to_owned();
    for (act, why) in [
        (&["accept-ownership"][..], "no second step"),
        (&["cancel-cut"], "announces nothing"),
        (&["sweep", &zero, &heir], "second edition for new payments"),
    ] {
        let target = ["--diamond", &diamond, "--network", &network];
        let complaint = complaint(&scene.command(&[&["prepare"], act, &target].concat()));
        assert!(complaint.contains("first edition") && complaint.contains(why), "{complaint}");
    }
    let unknown = complaint(&scene.command(&["prepare", "cancel-cut", "--diamond", &diamond]));
    assert!(unknown.contains("--network"), "{unknown}");
});

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_sees_in_a_real_browser_what_the_owner_has_announced() {
    let world = World::embedded_with(&[("QUITTANCE_CHAIN__RECONCILE_INTERVAL_MS", "500")]).await;
    let scene = Scene::of(world).await;
    let diamond: Address = scene.world.playground()["diamond_address"].as_str().unwrap().parse().unwrap();
    let cut = json!({ "facets": [{ "action": "remove", "functions": ["supportsInterface(bytes4)"] }] });
    let prepared = scene.prepared(diamond, &["announce-cut", &scene.write("cut.json", &cut)]);
    let owner: Address = prepared["from"].as_str().unwrap().parse().unwrap();
    send(&scene.signer(owner).await, &prepared).await.expect("the owner may");
    pay_in_a_browser(&scene.world, "browser-announced", true).await;
}
