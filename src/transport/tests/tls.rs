//! A certificate for `example.test`, a server that has it, and clients that trust it.

use std::sync::LazyLock;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use super::*;

pub(super) type Stream = StreamOwned<ServerConnection, TcpStream>;

static IDENTITY: LazyLock<(CertificateDer<'static>, Arc<ServerConfig>)> = LazyLock::new(|| {
    let certificate =
        CertificateDer::from_pem_slice(include_bytes!("../../../tests/support/certificate.pem"))
            .unwrap();
    let key =
        PrivateKeyDer::from_pem_slice(include_bytes!("../../../tests/support/key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    (certificate, Arc::new(config))
});

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
