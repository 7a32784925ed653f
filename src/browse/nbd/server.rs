//! Who listens, counts connections, and ends them.

use super::connection::{Secure, serve};
use super::listener::Listener;
use super::shown::Shown;
use super::socket::Socket;
#[cfg(feature = "remote")]
use super::tls::Tls;
use crate::browse::lock;
use rustix::event::{PollFd, PollFlags, poll};
use std::collections::HashMap;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How often the server looks whether it is to stop, and who has not agreed yet.
const LOOK: Duration = Duration::from_millis(200);

/// What clients may do to the server.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at most; others are sent away.
    pub connections: usize,
    /// How long a client may take until its first request can come.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 32, patience: Duration::from_secs(20) }
    }
}

/// A server of one device.
pub struct Server {
    shown: Shown,
    listener: Listener,
    limits: Limits,
    #[cfg(feature = "remote")]
    tls: Option<Tls>,
    clients: Mutex<HashMap<u64, Client>>,
}

/// A connection that stands.
struct Client {
    socket: Socket,
    since: Instant,
    is_agreed: Arc<AtomicBool>,
}

impl Server {
    /// Shows a device to whoever comes.
    pub fn new(shown: Shown, listener: Listener, limits: Limits) -> Self {
        Self {
            shown,
            listener,
            limits,
            #[cfg(feature = "remote")]
            tls: None,
            clients: Mutex::default(),
        }
    }

    /// The same for those alone who speak TLS first.
    #[cfg(feature = "remote")]
    #[must_use]
    pub fn with_tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Serves until `stop` is set; then all connections end, and what was written is made durable. Whether
    /// that went well: the observer has heard why not.
    pub fn run(&self, stop: &AtomicBool) -> bool {
        std::thread::scope(|scope| {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                self.end(|client| {
                    let is_new = !client.is_agreed.load(Ordering::Relaxed);
                    is_new && client.since.elapsed() >= self.limits.patience
                });
                let Some(socket) = self.next() else { continue };
                number += 1;
                let Some(is_agreed) = self.admit(number, &socket) else { continue };
                let talk = move || {
                    // Whoever goes away in the middle, or talks nonsense, is nobody's concern.
                    let _ = serve(&self.shown, &socket, self.secure(&socket), &is_agreed);
                    socket.end();
                    lock(&self.clients).remove(&number);
                };
                let thread = std::thread::Builder::new().name("nbd".to_owned());
                if thread.spawn_scoped(scope, talk).is_err() {
                    lock(&self.clients).remove(&number);
                }
            }
            self.end(|_| true);
        });
        self.shown.flush().is_ok()
    }

    /// A connection that came within a moment.
    fn next(&self) -> Option<Socket> {
        let time = rustix::event::Timespec { tv_sec: 0, tv_nsec: LOOK.subsec_nanos().into() };
        let mut fds = [PollFd::new(&self.listener, PollFlags::IN)];
        if !poll(&mut fds, Some(&time)).is_ok_and(|ready| ready > 0) {
            return None;
        }
        let accepted = self.listener.accept();
        let is_short = accepted.as_ref().is_err_and(|error| {
            !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::ConnectionAborted)
        });
        if is_short {
            // Without a descriptor for it the connection waits, and is there at once the next time.
            std::thread::sleep(LOOK);
        }
        accepted.ok()
    }

    /// Takes a connection in, when there is room.
    fn admit(&self, number: u64, socket: &Socket) -> Option<Arc<AtomicBool>> {
        let mut clients = lock(&self.clients);
        if clients.len() >= self.limits.connections {
            drop(clients);
            self.shown.trouble().crowded();
            return None;
        }
        let is_agreed = Arc::new(AtomicBool::new(false));
        let client = Client {
            socket: socket.again().ok()?,
            since: Instant::now(),
            is_agreed: Arc::clone(&is_agreed),
        };
        clients.insert(number, client);
        Some(is_agreed)
    }

    #[cfg(feature = "remote")]
    fn secure<'s>(&'s self, socket: &'s Socket) -> Option<Secure<'s>> {
        let tls = self.tls.as_ref()?;
        Some(Box::new(move || tls.begin(socket)))
    }

    #[cfg(not(feature = "remote"))]
    #[allow(clippy::unused_self, reason = "with TLS it is used")]
    fn secure<'s>(&'s self, _: &'s Socket) -> Option<Secure<'s>> {
        None
    }

    /// Ends some connections: their threads notice, and go.
    fn end(&self, which: impl Fn(&Client) -> bool) {
        lock(&self.clients).values().filter(|client| which(client)).for_each(|c| c.socket.end());
    }
}
