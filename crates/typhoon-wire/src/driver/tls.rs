//! TLS over a TCP connection. Each end wants a certificate of the other, from the same authority.

use crate::config::Tls;
use mio::net::TcpStream;
use rustls::client::ClientConnection;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ServerConnection, WebPkiClientVerifier};
use rustls::{ClientConfig, Connection, RootCertStore, ServerConfig, version::TLS13};
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::sync::Arc;

/// What may wait inside for the socket to take it.
const BUFFER: usize = 256 * 1024;

/// What is needed for new connections.
pub(super) struct Keyring {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    name: ServerName<'static>,
}

impl Keyring {
    pub fn load(tls: &Tls) -> io::Result<Self> {
        let certificates = || -> io::Result<Vec<CertificateDer<'static>>> {
            let all = CertificateDer::pem_file_iter(&tls.certificate).and_then(Iterator::collect);
            all.map_err(|error| wrong(&tls.certificate.display(), &error))
        };
        let key =
            || PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| wrong(&tls.key.display(), &error));
        let mut roots = RootCertStore::empty();
        let authority = || tls.authority.display();
        for certificate in
            CertificateDer::pem_file_iter(&tls.authority).map_err(|error| wrong(&authority(), &error))?
        {
            let certificate = certificate.map_err(|error| wrong(&authority(), &error))?;
            roots
                .add(certificate)
                .map_err(|error| wrong(&authority(), &error))?;
        }
        let (roots, provider) = (Arc::new(roots), Arc::new(ring::default_provider()));
        let both = |error| wrong(&tls.certificate.display(), &error);
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
            .build()
            .map_err(|error| wrong(&authority(), &error))?;
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(both)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(certificates()?, key()?)
            .map_err(both)?;
        let name = ServerName::try_from(tls.name.clone()).map_err(|error| wrong(&tls.name, &error))?;
        Ok(Keyring {
            client: Arc::new(client(provider, roots, certificates()?, key()?).map_err(both)?),
            server: Arc::new(server),
            name,
        })
    }

    /// The end that dialled.
    pub fn client(&self, stream: TcpStream) -> io::Result<Layer> {
        let session = ClientConnection::new(Arc::clone(&self.client), self.name.clone());
        Layer::new(stream, session.map_err(io::Error::other)?.into())
    }

    /// The end that was dialled.
    pub fn server(&self, stream: TcpStream) -> io::Result<Layer> {
        let session = ServerConnection::new(Arc::clone(&self.server));
        Layer::new(stream, session.map_err(io::Error::other)?.into())
    }
}

fn client(
    provider: Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ClientConfig, rustls::Error> {
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(certificates, key)
}

fn wrong(what: &dyn std::fmt::Display, error: &dyn std::fmt::Display) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, format!("TLS: {what}: {error}"))
}

/// A TCP connection with TLS on it.
pub(super) struct Layer {
    pub stream: TcpStream,
    session: Connection,
    /// For the next read: this one had something before it failed.
    failed: Option<io::Error>,
}

impl Layer {
    fn new(stream: TcpStream, mut session: Connection) -> io::Result<Self> {
        session.set_buffer_limit(Some(BUFFER));
        Ok(Layer {
            stream,
            session,
            failed: None,
        })
    }

    /// As a socket, except that less than asked for does not mean that there is no more. `InvalidData` if it is not
    /// TLS, or not from whom we want.
    pub fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        // A record is short, and a frame is long: gather.
        let mut filled = 0;
        while filled < bytes.len() {
            match self.read_record(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(length) => filled += length,
                Err(error) if filled == 0 => return Err(error),
                Err(error) => {
                    if error.kind() != ErrorKind::WouldBlock {
                        self.failed = Some(error);
                    }
                    break;
                }
            }
        }
        Ok(filled)
    }

    fn read_record(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => (),
                // The connection broke, which a session lives with.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                outcome => return outcome,
            }
            if self.session.read_tls(&mut self.stream)? == 0 {
                return Ok(0);
            }
            let state = self.session.process_new_packets();
            // Also what tells the other end what was wrong.
            let flushed = self.flush();
            state.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            flushed?;
        }
    }

    /// As a socket; what it took may still be [`Layer::is_pending`].
    pub fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.flush()?;
        let taken = match self.session.writer().write_vectored(slices)? {
            0 => return Err(ErrorKind::WouldBlock.into()),
            taken => taken,
        };
        self.flush()?;
        Ok(taken)
    }

    /// Hand to the socket what waits, as far as it takes it.
    pub fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.stream) {
                Ok(_) => (),
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub fn is_pending(&self) -> bool {
        self.session.wants_write()
    }
}
