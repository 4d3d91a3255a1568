//! A server for https, and its certificate, which is valid for `localhost`, `127.0.0.1` and
//! `example.test` until the year 4096.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, LazyLock};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

const CERTIFICATE: &str = include_str!("certificate.pem");
const KEY: &str = include_str!("key.pem");

struct Identity {
    certificate: CertificateDer<'static>,
    config: Arc<ServerConfig>,
}

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    Identity {
        certificate,
        config: Arc::new(config),
    }
});

pub(crate) type Stream = StreamOwned<ServerConnection, TcpStream>;

pub(crate) fn accept(socket: TcpStream) -> Stream {
    let connection = ServerConnection::new(Arc::clone(&IDENTITY.config)).unwrap();
    StreamOwned::new(connection, socket)
}

/// Serves one connection, and returns whether the client resumed an earlier session.
pub(crate) fn serve(
    socket: TcpStream,
    exchange: impl FnOnce(&mut Stream) -> io::Result<()>,
) -> io::Result<bool> {
    let mut stream = accept(socket);
    exchange(&mut stream)?;
    let resumed = stream.conn.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
    stream.conn.send_close_notify();
    stream.flush()?;
    Ok(resumed)
}

/// The settings of a client that trusts only this certificate.
#[cfg(feature = "rustls")]
pub(crate) fn trust() -> ureq::tls::TlsConfig {
    use ureq::tls::{Certificate, RootCerts, TlsConfig};
    let certificate = Certificate::from_der(&IDENTITY.certificate).to_owned();
    let roots = RootCerts::Specific(vec![certificate].into());
    TlsConfig::builder().root_certs(roots).build()
}

/// The certificate as its own authority, in the form of `SSL_CERT_FILE`.
pub(crate) fn authority_pem() -> &'static str {
    CERTIFICATE
}
