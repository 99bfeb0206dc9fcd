//! What `quittance doctor` says of unsafe installations.

use std::{os::unix::fs::PermissionsExt, path::Path};

use queue::{Database, DatabaseConfig};
use sea_orm::{EntityTrait, IntoActiveModel};

use super::{text, with};

/// Neither sandbox nor development chain.
const PRODUCTION: [(&str, &str); 2] = [("GATEWAYS__SANDBOX__ENABLED", "false"), ("DEVCHAIN__ENABLED", "false")];
const HTTPS: (&str, &str) = ("BASE_URL", "https://pay.example");
const HTTP: (&str, &str) = ("BASE_URL", "http://pay.example");
const PROXY: (&str, &str) = ("HTTP__TRUSTED_PROXIES", "1");
const STRIPE: [(&str, &str); 2] =
    [("GATEWAYS__STRIPE__SECRET_KEY", "sk_live_s3cret"), ("GATEWAYS__STRIPE__WEBHOOK_SECRET", "whsec_s3cret")];
const PAYPAL: [(&str, &str); 3] = [
    ("GATEWAYS__PAYPAL__CLIENT_ID", "app"),
    ("GATEWAYS__PAYPAL__CLIENT_SECRET", "s3cret"),
    ("GATEWAYS__PAYPAL__WEBHOOK_ID", "hook"),
];
const HOLO: [(&str, &str); 6] = [
    ("GATEWAYS__MOBILE_MONEY__HOLO__BASE_URL", "https://api.holo.example"),
    ("GATEWAYS__MOBILE_MONEY__HOLO__CLIENT_ID", "app"),
    ("GATEWAYS__MOBILE_MONEY__HOLO__CLIENT_SECRET", "s3cret"),
    ("GATEWAYS__MOBILE_MONEY__HOLO__MERCHANT", "0343500003"),
    ("GATEWAYS__MOBILE_MONEY__HOLO__PARTNER_NAME", "Shop"),
    ("GATEWAYS__MOBILE_MONEY__HOLO__CALLBACK_SECRET", "s3cret-of-sixteen"),
];
const LIGHTNING: [(&str, &str); 2] = [
    ("GATEWAYS__LIGHTNING__PHOENIXD__PASSWORD", "s3cret"),
    ("GATEWAYS__LIGHTNING__PHOENIXD__WEBHOOK_SECRET", "s3cret"),
];
const CALLBACK_USER: (&str, &str) = ("GATEWAYS__MOBILE_MONEY__HOLO__CALLBACK_USER", "holo");

type Row<'a> = (&'a [&'a [(&'a str, &'a str)]], &'a str);

/// What is set, and what is said of it, be it refused or warned of.
const ROWS: &[Row<'_>] = &[
    (&[&STRIPE], "BAD   gateways.sandbox.enabled: the sandbox, where no money is real, would run beside a live key"),
    (&[&STRIPE], "BAD   devchain.enabled: the development chain, where no money is real, would run beside a live key"),
    (&[&PAYPAL], "would run beside PayPal itself"),
    (&[&HOLO, &[CALLBACK_USER]], "would run beside an operator of mobile money (gateways.mobile_money.holo)"),
    (
        &[&LIGHTNING, &[("GATEWAYS__LIGHTNING__PHOENIXD__BASE_URL", "https://node.example")]],
        "would run beside a Lightning node",
    ),
    (&[&[HTTPS, PROXY]], "would run beside a public base_url (pay.example)"),
    (&[&[("LISTEN", "0.0.0.0:9154")]], "would run beside a public listen address (0.0.0.0:9154)"),
    (&[&PRODUCTION, &[HTTPS]], "BAD   http.trusted_proxies: base_url is public"),
    (&[&PRODUCTION, &[("LISTEN", "0.0.0.0:9154")]], "WARN  listen: 0.0.0.0:9154 is reached by others, without TLS"),
    (&[&PRODUCTION, &[HTTPS, PROXY, ("LISTEN", "0.0.0.0:9154")]], "WARN  listen: who reaches it past the proxy"),
    (&[&PRODUCTION, &[HTTP, PROXY]], "WARN  base_url: it is public and plain http"),
    (&[&PRODUCTION, &[HTTPS, PROXY, ("AUTH__COOKIE_SECURE", "false")]], "WARN  auth.cookie_secure: base_url is https"),
    (
        &[&PRODUCTION, &[HTTP, PROXY, ("AUTH__COOKIE_SECURE", "true")]],
        "WARN  auth.cookie_secure: base_url is plain http",
    ),
    (&[&[("BROKER__URL", "amqps://guest:guest@rabbit.invalid/%2f")]], "WARN  broker.url: its password is one that"),
    (&[&[("DATABASE__URL", "postgres://a:quittance@127.0.0.1:1/b")]], "WARN  database.url: its password is one that"),
    (&[&PRODUCTION], "WARN  keystore.password: it is kept in secrets.json"),
    (&[&[("KEYSTORE__PASSWORD", "s3cret")]], "WARN  keystore.password: it can be guessed"),
    (&[&[("WEBHOOKS__SECRET", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]], "WARN  webhooks.secret: it can be guessed"),
    (
        &[&[
            ("AUTH__JWT_SECRET", "0123456789abcdef0123456789abcdef"),
            ("AUTH__ACCESS_TOKEN_SECRET", "0123456789abcdef0123456789abcdef"),
        ]],
        "WARN  auth.access_token_secret: it is the same as auth.jwt_secret",
    ),
    (
        &[&LIGHTNING, &[("GATEWAYS__LIGHTNING__PHOENIXD__BASE_URL", "http://node.example:9740")]],
        "BAD   gateways.lightning.phoenixd.base_url: the node's password would go to node.example in the clear",
    ),
    (&[&[("DATABASE__URL", "postgres://a:s3cret@db.invalid/b")]], "WARN  database.url: what is said to db.invalid"),
    (&[&[("BROKER__URL", "amqp://a:s3cret@rabbit.invalid/%2f")]], "WARN  broker.url: password and messages go to"),
    (&[&PRODUCTION, &[HTTPS, PROXY]], "WARN  http.metrics: /metrics tells everybody"),
    (&[&PRODUCTION, &[HTTPS, PROXY]], "WARN  http.docs: /docs and /openapi.json list"),
    (&[&PRODUCTION, &[("OPERATIONS__EDIT_DEAD_LETTERS", "true")]], "WARN  operations.edit_dead_letters: operators may"),
    (&[&PRODUCTION], "WARN  chain.fee_cap_wei: any price is paid"),
    (&[&PRODUCTION, &[("WEBHOOKS__ALLOWED_NETWORKS", "10.0.0.0/8")]], "WARN  webhooks.allowed_networks: whoever may"),
    (&[&[("DEVCHAIN__LISTEN", "0.0.0.0:8545")]], "BAD   devchain.listen: a development chain does what anybody asks"),
    (&[&[("DEVCHAIN__CHAIN_ID", "1")]], "BAD   devchain.chain_id: 1 is the number of a real chain"),
    (
        &[&[("RECEIPTS__OBJECT_STORE__ENDPOINT", "http://store.example")]],
        "WARN  receipts.object_store.endpoint: receipts and the store's keys go to store.example",
    ),
];

/// What doctor prints; none of it may be a secret.
fn doctor(folder: &Path, settings: &[(&str, &str)], arguments: &[&str]) -> String {
    let shown = with(folder, settings, &[arguments, &["doctor"]].concat()).output().unwrap();
    let printed = text(&shown.stdout) + &text(&shown.stderr);
    assert!(!printed.contains("s3cret"), "{settings:?}: {printed}");
    printed
}

#[test]
fn the_doctor_names_everything_unsafe() {
    assert!(ROWS.len() >= 20, "{}", ROWS.len());
    std::thread::scope(|scope| {
        for part in ROWS.chunks(ROWS.len().div_ceil(4)) {
            scope.spawn(move || {
                for (settings, expected) in part {
                    let folder = tempfile::tempdir().unwrap();
                    let settings = settings.concat();
                    let printed = doctor(folder.path(), &settings, &[]);
                    assert!(printed.contains(expected), "{settings:?}\nwants {expected}\n{printed}");
                }
            });
        }
    });
}

#[test]
fn the_doctor_says_which_mode_it_is() {
    let folder = tempfile::tempdir().unwrap();
    assert!(doctor(folder.path(), &[], &[]).starts_with("Mode: development: no real money moves here"));
    assert!(doctor(folder.path(), &PRODUCTION, &[]).starts_with("Mode: production"));
}

#[test]
fn the_doctor_names_what_others_can_read() {
    let place = tempfile::tempdir().unwrap();
    let open = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    let (folder, keystore, config) =
        (place.path().join("data"), place.path().join("keys"), place.path().join("quittance.toml"));
    for made in [&folder, &keystore] {
        std::fs::create_dir(made).unwrap();
    }
    std::fs::write(&config, "[keystore]\npassword = \"s3cret and long enough\"\n").unwrap();
    open(&keystore, 0o755);
    open(&config, 0o644);
    let settings = [("KEYSTORE__DIR", keystore.to_str().unwrap())];
    let printed = doctor(&folder, &settings, &["--config", config.to_str().unwrap()]);
    assert!(printed.contains("WARN  keystore.dir: others can read"), "{printed}");
    assert!(printed.contains(&format!("WARN  configuration file {}: it holds secrets", config.display())), "{printed}");

    std::fs::create_dir(folder.join("photos")).unwrap();
    open(&folder, 0o755);
    let printed = doctor(&folder, &[], &[]);
    assert!(printed.contains("BAD   configuration: others can read the data folder"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_names_unsafe_networks_without_their_keys() {
    let folder = tempfile::tempdir().unwrap();
    let made = with(folder.path(), &[], &["bootstrap", "--json", "--no-network"]).output().unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    let url = format!("sqlite://{}/quittance.db", folder.path().display()).into();
    let config = DatabaseConfig { url, connections_max: 2, ..DatabaseConfig::default() };
    let (db, _) = Database::connect(&config).await.unwrap();
    let chain = entities::chain::Entity::find().one(&*db).await.unwrap().unwrap();
    let row = entities::network::Model {
        id: entities::NetworkId::new(),
        chain_id: chain.id,
        network_id: 1,
        name: "mainnet".to_owned(),
        rpc_urls: serde_json::json!(["http://rpc.invalid/v3/s3cret"]),
        confirmations: 12,
        explorer_url: None,
        created_at: entities::now(),
        updated_at: entities::now(),
        deleted_at: None,
    };
    let tx = db.begin().await.unwrap();
    entities::network::Entity::insert(row.into_active_model()).exec_without_returning(&*tx).await.unwrap();
    tx.commit().await.unwrap();
    let printed = doctor(folder.path(), &[], &[]);
    for expected in [
        "BAD   network mainnet: chain 1 is a real one, and parts of the playground run beside it",
        "WARN  network mainnet: what rpc.invalid says about money comes over plain http",
        "WARN  network mainnet: one node alone is believed",
    ] {
        assert!(printed.contains(expected), "wants {expected}\n{printed}");
    }
    let started = with(folder.path(), &[], &["--listen", "127.0.0.1:0", "api"]).output().unwrap();
    assert!(text(&started.stderr).contains("network mainnet: chain 1 is a real one"), "{}", text(&started.stderr));
}
