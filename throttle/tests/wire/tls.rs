//! TLS from end to end, in a process that trusts the tests' own certificate.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tollgate_throttle::{DynamoStore, Failure, PlanId, Store as _};

use super::common::{TABLE, serve_table};
use super::server::{Act, Break, Server, message, reset};
use super::{Bench, connect};

/// Set in the process that trusts the certificate.
const TRUSTING: &str = "TRUSTING_THE_TESTS_CERTIFICATE";
const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire/tls/certificate.pem");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire/tls/key.pem");

/// Speaks TLS before a server that speaks none; what that one closes, it resets.
fn before(server: SocketAddr) -> String {
    let certificate = CertificateDer::from_pem_file(CERTIFICATE).unwrap();
    let key = PrivateKeyDer::from_pem_file(KEY).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let url = format!("https://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut client = StreamOwned::new(connection, client.unwrap());
            std::thread::spawn(move || {
                let mut server = TcpStream::connect(server).unwrap();
                while let Some(request) = message(&mut client) {
                    server.write_all(&request).unwrap();
                    let Some(answer) = message(&mut server) else { return reset(client.sock) };
                    client.write_all(&answer).unwrap();
                }
            });
        }
    });
    url
}

#[tokio::test]
async fn the_systems_certificates_are_trusted_and_no_others() {
    let served = serve_table().await;
    let server = Server::before(&served.url);
    let url = before(server.address);
    if std::env::var_os(TRUSTING).is_none() {
        let store = DynamoStore::new(connect(&url).client().await, TABLE);
        let looked_up = store.plan(&PlanId::new("plan").unwrap()).await;
        assert_eq!(looked_up, Err(Failure::Unreachable.into()), "an unknown certificate");
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tls::the_systems_certificates_are_trusted_and_no_others"])
            .env(TRUSTING, "1")
            .env("SSL_CERT_FILE", CERTIFICATE)
            .env_remove("SSL_CERT_DIR")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let client = connect(&url).client().await;
    let bench = Bench::with(served.client, server, client).await;
    bench.reused().await;
    bench.server.next([Act::Lost(Break::Close)]);
    let decision = bench.decide(&bench.closed).await.unwrap();
    assert!(decision.is_allowed() && !decision.is_degraded());
    assert_eq!(bench.server.requests(), ["UpdateItem", "UpdateItem"]);
}
