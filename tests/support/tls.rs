//! A certificate for loopback, and both sides that use it.

use std::io;
use std::net::TcpStream;
use std::sync::{Arc, LazyLock};

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

struct Identity {
    certificate: CertificateDer<'static>,
    pem: String,
    config: Arc<ServerConfig>,
}

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let certificate = made.cert.der().clone();
    let pem = made.cert.pem();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    Identity {
        certificate,
        pem,
        config: Arc::new(config),
    }
});

pub(crate) fn accept(socket: TcpStream) -> io::Result<StreamOwned<ServerConnection, TcpStream>> {
    let connection =
        ServerConnection::new(Arc::clone(&IDENTITY.config)).map_err(io::Error::other)?;
    Ok(StreamOwned::new(connection, socket))
}

/// Whether the client came with the session of an earlier connection.
pub(crate) fn resumed(stream: &StreamOwned<ServerConnection, TcpStream>) -> bool {
    stream.conn.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
}

/// An agent that trusts the certificate and nothing else.
#[cfg(feature = "rustls")]
pub(crate) fn agent() -> ureq::Agent {
    use ureq::tls::{Certificate, RootCerts, TlsConfig};
    let certificate = Certificate::from_der(&IDENTITY.certificate).to_owned();
    let roots = RootCerts::Specific(Arc::new(vec![certificate]));
    let tls = TlsConfig::builder().root_certs(roots).build();
    let config = ureq::Agent::config_builder().tls_config(tls);
    config.build().new_agent()
}

/// The certificate as its own authority, in the form of `SSL_CERT_FILE`.
pub(crate) fn authority_pem() -> String {
    IDENTITY.pem.clone()
}
