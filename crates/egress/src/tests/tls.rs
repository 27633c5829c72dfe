//! TLS with an authority of the operator's. The certificates end in 2120; the authority's key was
//! thrown away.

use std::io::Write;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::{get, local};
use crate::{Egress, EgressConfig, EgressError};

const AUTHORITY: &[u8] = include_bytes!("tls/authority.pem");
const CERTIFICATE: &[u8] = include_bytes!("tls/server.pem");
const KEY: &[u8] = include_bytes!("tls/server.key");

/// Serves `localhost` and 127.0.0.1 over TLS until dropped; returns the port.
async fn serve() -> (u16, JoinSet<()>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()],
            PrivateKeyDer::from_pem_slice(KEY).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // A client that does not trust the certificate leaves.
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut request = [0; 4096];
            assert_ne!(stream.read(&mut request).await.unwrap(), 0);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nsecret";
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    (port, tasks)
}

fn trusting(pem: &[u8]) -> Egress {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(pem).unwrap();
    EgressConfig {
        extra_ca_file: Some(file.path().to_owned()),
        ..local()
    }
    .build()
    .unwrap()
}

#[tokio::test]
async fn trusts_the_authority_of_the_operator_and_nobody_else() {
    let (port, _serving) = serve().await;
    let egress = trusting(AUTHORITY);
    for host in ["localhost", "127.0.0.1", "LOCALHOST."] {
        let url = format!("https://{host}:{port}/");
        let response = egress.send(get(&egress, &url)).await.unwrap();
        assert_eq!(&response.body[..], b"secret", "{host}");
    }
    let unnamed = get(&egress, &format!("https://127.0.0.2:{port}/"));
    let stranger = local().build().unwrap();
    let untrusted = get(&stranger, &format!("https://localhost:{port}/"));
    for refused in [stranger.send(untrusted).await, egress.send(unnamed).await] {
        assert!(
            matches!(
                refused,
                Err(EgressError::Tls { .. } | EgressError::Connect { .. })
            ),
            "{refused:?}"
        );
    }
}

#[test]
fn refuses_a_file_without_an_authority() {
    for pem in [&b""[..], b"nonsense", KEY] {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(pem).unwrap();
        let config = EgressConfig {
            extra_ca_file: Some(file.path().to_owned()),
            ..EgressConfig::default()
        };
        assert!(config.build().is_err(), "{}", String::from_utf8_lossy(pem));
    }
}
