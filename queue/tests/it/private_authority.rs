//! A RabbitMQ whose certificate comes from an authority that only its owner knows: the certificates beside this file,
//! before the broker of the tests.

use std::{path::PathBuf, process::Command, sync::Arc};

use queue::{BrokerConfig, broker::open};
use secrecy::ExposeSecret as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use crate::rig::{Backend, Rig, amqp_url};

/// Where the system's authorities are replaced.
const FROM_THE_ENVIRONMENT: &str = "SSL_CERT_FILE";

fn beside(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(name)
}

/// Ends TLS and hands on what is inside. Returns the port.
async fn tls_in_front_of(server: String) -> u16 {
    let certificate = CertificateDer::from_pem_file(beside("private_broker.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(beside("private_broker.key.pem")).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a usable certificate");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let (acceptor, server) = (acceptor.clone(), server.clone());
            tokio::spawn(async move {
                let Ok(mut inside) = acceptor.accept(stream).await else { return };
                let Ok(mut broker) = TcpStream::connect(server).await else { return };
                let _ = tokio::io::copy_bidirectional(&mut inside, &mut broker).await;
            });
        }
    });
    port
}

/// A rig whose broker speaks TLS with a certificate of the private authority.
async fn behind_tls() -> Rig {
    let mut rig = Rig::new(Backend::PostgresRabbit).await;
    let url = amqp_url();
    let (before, server) = url.rsplit_once('@').expect("the URL has credentials");
    let (address, vhost) = server.split_once('/').expect("the URL has a vhost");
    let port = tls_in_front_of(address.to_owned()).await;
    let credentials = before.trim_start_matches("amqp://");
    rig.broker.url = format!("amqps://{credentials}@localhost:{port}/{vhost}").into();
    rig
}

async fn depth(rig: &Rig, config: &BrokerConfig) -> Result<u64, queue::BrokerError> {
    let (db, _) = rig.connect().await;
    let broker = open(config, &db)?;
    let depth = broker.depth("errands.v1").await;
    broker.close().await;
    depth
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_with_a_private_authority_is_reached_when_its_file_is_named() {
    let rig = behind_tls().await;
    let named = BrokerConfig { ca_file: Some(beside("private_authority.pem")), ..rig.broker.clone() };
    assert_eq!(depth(&rig, &named).await.expect("it is trusted"), 0);
    let stranger = depth(&rig, &rig.broker).await.expect_err("nobody has said whom to trust").to_string();
    assert!(stranger.contains("UnknownIssuer"), "{stranger}");
    assert!(!stranger.contains(rig.broker.url.expose_secret()), "{stranger}");
}

/// In a process of its own, since the variable is the whole process's.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_with_a_private_authority_is_reached_when_the_environment_names_it() {
    if std::env::var_os(FROM_THE_ENVIRONMENT).is_some_and(|file| file == beside("private_authority.pem")) {
        let rig = behind_tls().await;
        assert_eq!(depth(&rig, &rig.broker).await.expect("it is trusted"), 0);
        return;
    }
    let this = std::env::current_exe().expect("this program");
    let name = "private_authority::a_broker_with_a_private_authority_is_reached_when_the_environment_names_it";
    let mut again = Command::new(this);
    again.args(["--exact", name, "--nocapture"]).env(FROM_THE_ENVIRONMENT, beside("private_authority.pem"));
    let ran = tokio::task::spawn_blocking(move || again.output()).await.expect("it ends").expect("it runs");
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && told.contains("1 passed"), "{told}{}", String::from_utf8_lossy(&ran.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_a_certificate_is_reported_at_the_start() {
    let rig = Rig::new(Backend::PostgresRabbit).await;
    let (db, _) = rig.connect().await;
    for file in ["private_broker.key.pem", "nowhere.pem"] {
        let config = BrokerConfig { ca_file: Some(beside(file)), ..rig.broker.clone() };
        let refused = open(&config, &db).err().expect("it is refused").to_string();
        assert!(refused.contains("ca_file") && refused.contains(file), "{refused}");
    }
}
