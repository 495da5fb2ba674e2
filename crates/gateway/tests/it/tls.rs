//! This file is where the server speaks TLS, and takes a renewed certificate without a pause.

use crate::world::{options, world, world_of};
use gateway::{
    http::{ServeError, TlsError, TlsFiles, serve},
    smart::Settings,
};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, crypto::aws_lc_rs, pki_types::ServerName};
use std::{fs, path::Path, process::Command, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// Writes a certificate for `name` and its key; tells the certificate.
pub(crate) fn certify(files: &TlsFiles, name: &str) -> Vec<u8> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
    fs::write(&files.certificate, certificate.pem()).unwrap();
    fs::write(&files.key, key.serialize_pem()).unwrap();
    certificate.der().to_vec()
}

pub(crate) fn files(dir: &Path) -> TlsFiles {
    TlsFiles { certificate: dir.join("certificate.pem"), key: dir.join("key.pem") }
}

/// Asks over TLS for discovery, trusting `root` alone; tells the answer.
async fn asked(
    address: std::net::SocketAddr,
    root: &[u8],
    version: &[&'static rustls::SupportedProtocolVersion],
) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(root.to_vec().into()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(version)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("fhir.riverside.example").unwrap();
    let mut tls = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    assert!(matches!(
        tls.get_ref().1.protocol_version(),
        Some(ProtocolVersion::TLSv1_2 | ProtocolVersion::TLSv1_3)
    ));
    let request = "GET /.well-known/smart-configuration HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    tls.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    tls.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn the_server_speaks_tls_and_renews_its_certificate() {
    let dir = TempDir::new().unwrap();
    let files = files(dir.path());
    let first = certify(&files, "fhir.riverside.example");
    let mut options = options();
    options.tls = Some(files.clone());
    let world = world_of(Settings::default(), options).await;
    let address = world.server.address();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let answer = asked(address, &first, &[version]).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("strict-transport-security: max-age="), "{answer}");
    }
    // Plain words get no answer in plain words.
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    plain.read_to_end(&mut answer).await.unwrap();
    assert!(!answer.starts_with(b"HTTP"));
    // Renewed on disk, it is used once the server is told.
    let second = certify(&files, "fhir.riverside.example");
    assert!(asked(address, &second, &[&rustls::version::TLS13]).await.is_err());
    world.server.reload_certificate().unwrap();
    assert!(asked(address, &second, &[&rustls::version::TLS13]).await.is_ok());
    assert!(asked(address, &first, &[&rustls::version::TLS13]).await.is_err());
    // A signal tells it too.
    let third = certify(&files, "fhir.riverside.example");
    let told = Command::new("kill").args(["-HUP", &std::process::id().to_string()]).status().unwrap();
    assert!(told.success());
    let renewed = async { while asked(address, &third, &[&rustls::version::TLS13]).await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(60), renewed).await.unwrap();
    let second = third;
    // A broken file changes nothing.
    fs::write(&files.key, "nonsense").unwrap();
    assert!(matches!(world.server.reload_certificate(), Err(TlsError::File { .. })));
    assert!(asked(address, &second, &[&rustls::version::TLS13]).await.is_ok());
    world.server.stop().await;
}

#[tokio::test]
async fn files_that_are_no_use() {
    let dir = TempDir::new().unwrap();
    let good = files(dir.path());
    certify(&good, "a.example");
    let other = TlsFiles { certificate: dir.path().join("other.pem"), key: dir.path().join("other-key.pem") };
    certify(&other, "b.example");
    let missing = dir.path().join("missing.pem");
    let world = world().await;
    for (tls, words) in [
        (TlsFiles { certificate: missing.clone(), ..good.clone() }, "can't be read"),
        (TlsFiles { key: missing, ..good.clone() }, "can't be read"),
        (TlsFiles { key: other.key.clone(), ..good.clone() }, "isn't the one"),
        (TlsFiles { certificate: good.key.clone(), ..good.clone() }, "no certificate"),
        (TlsFiles { key: good.certificate.clone(), ..good.clone() }, "can't be read"),
    ] {
        let mut options = options();
        options.tls = Some(tls);
        let error = serve(axum::Router::new(), options, world.clock.clone()).await.unwrap_err();
        assert!(matches!(error, ServeError::Tls(_)));
        assert!(error.to_string().contains(words), "{error}");
    }
    world.server.stop().await;
}
