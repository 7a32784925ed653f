//! Secret connections, as `NBD_OPT_STARTTLS` begins them.

use super::socket::{Halves, Socket};
use crate::browse::lock;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Bytes that are taken from the network at a time.
const STEP: usize = 32 << 10;

/// Who this server is, and whom it believes.
pub struct Tls(Arc<ServerConfig>);

/// Why nothing can be kept secret.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not what it should be.
    #[error("{} has no {what}: {why}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What it should have.
        what: &'static str,
        /// Why it has not.
        why: String,
    },
    /// The files do not go together.
    #[error("certificate and key cannot be used: {0}")]
    Pair(String),
}

impl Tls {
    /// With a certificate and its key, both in PEM. With certificates of authorities, clients must show one that
    /// such an authority has signed.
    ///
    /// # Errors
    /// When a file cannot be read, or they do not go together.
    pub fn new(cert: &Path, key: &Path, authorities: Option<&Path>) -> Result<Self, TlsError> {
        let chain = certificates(cert)?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(|error| no("key", key, error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let pair = |error: rustls::Error| TlsError::Pair(error.to_string());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let config = config.with_safe_default_protocol_versions().map_err(pair)?;
        let config = match authorities {
            None => config.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(path)? {
                    roots.add(certificate).map_err(|error| no("certificate", path, error))?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = verifier.build().map_err(|error| no("certificate", path, error))?;
                config.with_client_cert_verifier(verifier)
            }
        };
        Ok(Self(Arc::new(config.with_single_cert(chain, key).map_err(pair)?)))
    }

    /// Agrees on keys with a client.
    ///
    /// # Errors
    /// When it goes away, or cannot be believed.
    pub(super) fn begin(&self, socket: &Socket) -> io::Result<Halves> {
        let mut connection =
            ServerConnection::new(Arc::clone(&self.0)).map_err(io::Error::other)?;
        let mut both = socket.again()?;
        while connection.is_handshaking() {
            connection.complete_io(&mut both)?;
        }
        let shared = Arc::new(Mutex::new(connection));
        let reader = Reader { shared: Arc::clone(&shared), socket: both, raw: vec![0; STEP] };
        let writer = Writer { shared, socket: socket.again()? };
        Ok(Halves { reader: Box::new(reader), writer: Box::new(writer) })
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let file =
        CertificateDer::pem_file_iter(path).map_err(|error| no("certificate", path, error))?;
    let all: Result<Vec<_>, _> = file.collect();
    let all = all.map_err(|error| no("certificate", path, error))?;
    if all.is_empty() { Err(no("certificate", path, "nothing is in it")) } else { Ok(all) }
}

fn no(what: &'static str, path: &Path, why: impl ToString) -> TlsError {
    TlsError::File { path: path.to_owned(), what, why: why.to_string() }
}

/// What the client says. The lock is not held while it says nothing.
struct Reader {
    shared: Arc<Mutex<ServerConnection>>,
    socket: Socket,
    raw: Vec<u8>,
}

impl Read for Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            match lock(&self.shared).reader().read(out) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
            let len = self.socket.read(&mut self.raw)?;
            let mut raw = &self.raw[..len];
            let mut connection = lock(&self.shared);
            if len == 0 {
                connection.read_tls(&mut raw)?;
            }
            while !raw.is_empty() {
                connection.read_tls(&mut raw)?;
                let done = connection.process_new_packets();
                done.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            }
        }
    }
}

/// What it is told.
struct Writer {
    shared: Arc<Mutex<ServerConnection>>,
    socket: Socket,
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut connection = lock(&self.shared);
        let len = connection.writer().write(bytes)?;
        while connection.wants_write() {
            connection.write_tls(&mut self.socket)?;
        }
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
