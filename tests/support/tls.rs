//! A certificate for loopback, and the server that has it.

use std::io::{self, Write as _};
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

pub(crate) type Stream = StreamOwned<ServerConnection, TcpStream>;

/// Says whether the client came with the session of an earlier connection.
pub(crate) fn serve(
    socket: TcpStream,
    exchange: impl FnOnce(&mut Stream) -> io::Result<()>,
) -> io::Result<bool> {
    let connection =
        ServerConnection::new(Arc::clone(&IDENTITY.config)).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, socket);
    exchange(&mut stream)?;
    let resumed = stream.conn.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
    stream.conn.send_close_notify();
    stream.flush()?;
    Ok(resumed)
}

pub(crate) fn certificate() -> &'static [u8] {
    &IDENTITY.certificate
}

/// The certificate as its own authority, in the form of `SSL_CERT_FILE`.
pub(crate) fn authority_pem() -> String {
    IDENTITY.pem.clone()
}
