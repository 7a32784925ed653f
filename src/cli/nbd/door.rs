//! Where clients come in: options, and what they mean.

#[cfg(feature = "remote")]
use crate::browse::nbd::Tls;
use crate::browse::nbd::{Limits, ListenError, Listener, Server, Shown};
use crate::cli::exit::Failure;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Options that say where clients come in.
#[derive(clap::Args)]
pub struct Door {
    /// Address and port to listen on; port 0 takes one that is free
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:10809", value_parser = address)]
    listen: SocketAddr,
    /// Listen on this socket instead, which only this user can use
    #[arg(long, value_name = "PATH", conflicts_with = "listen")]
    socket: Option<PathBuf>,
    /// Listen on an address that other machines reach: needs --tls-cert and --tls-key
    #[arg(long, conflicts_with = "socket")]
    allow_remote: bool,
    /// Certificate of this server, in PEM, with those in between; clients must use TLS then
    #[arg(long, value_name = "FILE", requires = "tls_key", conflicts_with = "socket")]
    tls_cert: Option<PathBuf>,
    /// Its key, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Let in only clients with a certificate that one of these has signed, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,
}

/// A door that is open.
pub struct Open {
    /// What clients name.
    pub uri: String,
    /// The port.
    pub address: Option<SocketAddr>,
    /// The socket, as an absolute path.
    pub socket: Option<PathBuf>,
    listener: Listener,
    #[cfg(feature = "remote")]
    tls: Option<Tls>,
}

impl Door {
    /// Opens it: from here on clients wait.
    ///
    /// # Errors
    /// When the address is not to be used, or is in use.
    pub fn open(&self) -> Result<Open, Failure> {
        if let Some(path) = &self.socket {
            let path = std::path::absolute(path)?;
            let listener = Listener::unix(&path).map_err(failure)?;
            let uri = format!("nbd+unix:///?socket={}", encoded(&path));
            return Ok(Open {
                uri,
                address: None,
                socket: Some(path),
                listener,
                #[cfg(feature = "remote")]
                tls: None,
            });
        }
        self.guard()?;
        #[cfg(feature = "remote")]
        let tls = self.tls()?;
        let listener = Listener::tcp(self.listen).map_err(failure)?;
        let address = listener.address()?;
        let scheme = if self.tls_cert.is_some() { "nbds" } else { "nbd" };
        let uri = format!("{scheme}://{}", address.unwrap_or(self.listen));
        Ok(Open {
            uri,
            address,
            socket: None,
            listener,
            #[cfg(feature = "remote")]
            tls,
        })
    }

    /// Other machines come in on purpose alone, and unseen by those in between.
    fn guard(&self) -> Result<(), Failure> {
        let address = self.listen;
        if !cfg!(feature = "remote") && self.tls_cert.is_some() {
            return Err(Failure::usage("this esker was built without TLS"));
        }
        if address.ip().is_loopback() || (self.allow_remote && self.tls_cert.is_some()) {
            return Ok(());
        }
        let (message, hint) = match self.allow_remote {
            false => (
                format!("other machines can reach {address}"),
                "listen on 127.0.0.1, or on a --socket that ssh forwards; or say --allow-remote, with \
                 --tls-cert and --tls-key",
            ),
            true => (
                format!("without TLS everybody on the way to {address} would see all of it"),
                "give --tls-cert and --tls-key, and better --tls-client-ca too",
            ),
        };
        Err(Failure::Usage(message, Some(hint.to_owned())))
    }

    #[cfg(feature = "remote")]
    fn tls(&self) -> Result<Option<Tls>, Failure> {
        let (Some(cert), Some(key)) = (&self.tls_cert, &self.tls_key) else { return Ok(None) };
        let tls = Tls::new(cert, key, self.tls_client_ca.as_deref());
        tls.map(Some).map_err(|error| Failure::usage(error.to_string()))
    }
}

impl Open {
    /// Whether clients must use TLS.
    pub const fn is_secret(&self) -> bool {
        #[cfg(feature = "remote")]
        return self.tls.is_some();
        #[cfg(not(feature = "remote"))]
        return false;
    }

    /// The server behind it.
    pub fn server(self, shown: Shown, limits: Limits) -> Server {
        let server = Server::new(shown, self.listener, limits);
        #[cfg(feature = "remote")]
        if let Some(tls) = self.tls {
            return server.with_tls(tls);
        }
        server
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let wanted =
        "it must be an address in numbers and a port, such as 127.0.0.1:10809 or [::1]:10809";
    text.parse().map_err(|_| wanted.to_owned())
}

fn failure(error: ListenError) -> Failure {
    let hint = match &error {
        ListenError::Busy { at } if at.starts_with('/') => {
            "end that server first, or name another --socket"
        }
        ListenError::Busy { .. } => {
            "end that server first, or choose another port: --listen 127.0.0.1:10810, or port 0 for \
             one that is free"
        }
        ListenError::NoSocket { .. } | ListenError::TooLong { .. } => "name another --socket",
        ListenError::System { .. } => "name another address with --listen, or a --socket",
    };
    Failure::Usage(error.to_string(), Some(hint.to_owned()))
}

/// A path in a URI.
fn encoded(path: &Path) -> String {
    let mut out = String::new();
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(*byte));
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}
