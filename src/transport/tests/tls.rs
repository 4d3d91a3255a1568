//! A certificate for `example.test`, a server that has it, and clients that trust it.

use std::sync::LazyLock;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
#[cfg(feature = "rustls")]
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use super::*;

pub(super) type Stream = StreamOwned<ServerConnection, TcpStream>;

static IDENTITY: LazyLock<(CertificateDer<'static>, Arc<ServerConfig>)> = LazyLock::new(|| {
    let certificate =
        CertificateDer::from_pem_slice(include_bytes!("../../../tests/support/certificate.pem"))
            .unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    (certificate, Arc::new(config))
});

const KEY: &[u8] = include_bytes!("../../../tests/support/key.pem");

/// Returns the configuration of a server with this certificate, which rustls does not check.
#[cfg(feature = "rustls")]
pub(super) fn server_with(certificate: &[u8]) -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_slice(certificate).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
    let provider = rustls::crypto::ring::default_provider();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let identity = CertifiedKey::new(vec![certificate], key);
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    Arc::new(config)
}

pub(super) fn accept(socket: TcpStream) -> Stream {
    let connection = ServerConnection::new(Arc::clone(&IDENTITY.1)).unwrap();
    StreamOwned::new(connection, socket)
}

pub(super) fn providers() -> impl Iterator<Item = TlsProvider> {
    let built = [
        (cfg!(feature = "rustls"), TlsProvider::Rustls),
        (cfg!(feature = "native-tls"), TlsProvider::NativeTls),
    ];
    let built = built.into_iter().filter(|(built, _)| *built);
    built.map(|(_, provider)| provider)
}

/// Makes rustls trust the certificate that `pem` contains.
#[cfg(feature = "rustls")]
pub(super) fn with_roots(pem: &[u8]) -> impl FnOnce(Builder) -> Builder {
    let certificate = Certificate::from_pem(pem).unwrap();
    let roots = RootCerts::Specific(Arc::new(vec![certificate]));
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(roots);
    move |config| config.tls_config(tls.build())
}

pub(super) fn trusting(provider: TlsProvider) -> impl FnOnce(Builder) -> Builder {
    let certificate = Certificate::from_der(&IDENTITY.0).to_owned();
    let roots = RootCerts::Specific(Arc::new(vec![certificate]));
    // The certificate is for `example.test`, and the servers listen on an address.
    let tls = TlsConfig::builder()
        .provider(provider)
        .root_certs(roots)
        .disable_verification(true);
    move |config| config.tls_config(tls.build())
}
