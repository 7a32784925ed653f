//! The order of a put: bytes under a temporary name, durable; its own name; the temporary name goes.

use std::collections::VecDeque;

use super::beside::explain_link;
use super::fields::Attributes;
use super::packet::status;
use super::read::WINDOW;
use super::session::{Handle, Reply, Session};
use super::{SftpStore, Trouble, folder_of, other, plain_size};
use crate::store::{Durability, Put};

/// How often a name that is taken and then is not is tried again.
const ATTEMPTS: u32 = 3;

impl SftpStore {
    /// Whether this server can keep what a store promises.
    pub(super) fn may_write(&self, session: &Session) -> Result<(), Trouble> {
        if !session.offers.hardlink {
            return Err(other(
                "the server has no hard links (hardlink@openssh.com), so that two clients might overwrite \
                 each other's objects: use a server with OpenSSH's sftp, or ssh:// with esker installed there",
            ));
        }
        if !session.offers.fsync && !self.durable.is_waived() {
            return Err(other(
                "the server cannot make bytes durable (fsync@openssh.com), so that a power cut there might \
                 take what was reported as saved: add ?fsync=no to the address to go on without",
            ));
        }
        Ok(())
    }

    pub(super) fn put(
        &self,
        session: &Session,
        name: &str,
        parts: &[&[u8]],
        durability: Durability,
    ) -> Result<Put, Trouble> {
        self.may_write(session)?;
        let temporary = self.temporary(name)?;
        let put = self.put_by(session, name, parts, &temporary);
        if let Err(Trouble::Lost(_)) = put {
            self.litter.lost(temporary);
        }
        let put = put?;
        match durability {
            Durability::AtBarrier => self.durable.remember(folder_of(name)),
            Durability::Now => self.durable.sync_now(self, session, folder_of(name))?,
        }
        Ok(put)
    }

    /// Puts an object by way of a temporary name.
    fn put_by(
        &self,
        session: &Session,
        name: &str,
        parts: &[&[u8]],
        temporary: &str,
    ) -> Result<Put, Trouble> {
        let path = self.path(name);
        // Both at once: they cost one round trip.
        let (looked, made) = (session.look(&path)?, session.create(temporary)?);
        match looked.attributes() {
            Err(Trouble::Status(status::NO_SUCH_FILE, _)) => {
                let handle = match made.handle() {
                    Err(Trouble::Status(status::NO_SUCH_FILE, _)) => {
                        self.make_folders(session, folder_of(name))?;
                        session.create(temporary)?.handle()
                    }
                    handle => handle,
                };
                let put = self.place(session, &handle?, parts, temporary, &path);
                // Stored or not: it has no further use. An object that is there is there, whatever becomes
                // of the other name.
                if let Err(Trouble::Lost(_)) =
                    session.remove(temporary).and_then(|reply| reply.done())
                    && put.is_ok()
                {
                    self.litter.lost(temporary.to_owned());
                }
                put
            }
            attributes => {
                if let Ok(handle) = made.handle() {
                    session.close(&handle)?;
                    session.remove(temporary)?.done()?;
                }
                plain_size(&attributes?)?;
                Ok(Put::Exists)
            }
        }
    }

    /// Fills a new file, and gives it its name.
    fn place(
        &self,
        session: &Session,
        handle: &Handle,
        parts: &[&[u8]],
        temporary: &str,
        path: &str,
    ) -> Result<Put, Trouble> {
        let written = self.write(session, handle, parts);
        match written {
            Ok(made) => self.litter.clear(session, made.changed),
            Err(trouble) => {
                session.close(handle)?;
                let len: u64 = parts.iter().map(|part| part.len() as u64).sum();
                return Err(self.explain(session, trouble, len));
            }
        }
        for _ in 0..ATTEMPTS {
            match session.link(temporary, path)?.done() {
                Ok(()) => return Ok(Put::Stored),
                // Nobody says "it exists" in this version of the protocol.
                Err(Trouble::Status(status::FAILURE, _)) => {}
                Err(trouble) => return Err(explain_link(trouble)),
            }
            match session.look(path)?.attributes() {
                Ok(attributes) => return plain_size(&attributes).map(|_| Put::Exists),
                Err(Trouble::Status(status::NO_SUCH_FILE, _)) => {} // deleted since
                Err(trouble) => return Err(trouble),
            }
        }
        let trouble = Trouble::Status(status::FAILURE, String::new());
        Err(explain_link(self.explain(session, trouble, 0)))
    }

    /// Writes all, makes it durable and closes it; many requests are in flight, and each is waited for.
    fn write(
        &self,
        session: &Session,
        handle: &Handle,
        parts: &[&[u8]],
    ) -> Result<Attributes, Trouble> {
        let window = (WINDOW / session.piece).max(1);
        let mut sent: VecDeque<Reply<'_>> = VecDeque::with_capacity(window);
        let mut offset = 0;
        let mut send = |bytes: &[u8]| {
            if sent.len() == window
                && let Some(reply) = sent.pop_front()
            {
                reply.done()?;
            }
            sent.push_back(session.write(handle, offset, bytes)?);
            offset += bytes.len() as u64;
            Ok::<(), Trouble>(())
        };
        let mut piece = Vec::with_capacity(session.piece);
        for part in parts {
            let mut rest = *part;
            while !rest.is_empty() {
                let (taken, after) = rest.split_at(rest.len().min(session.piece - piece.len()));
                piece.extend_from_slice(taken);
                rest = after;
                if piece.len() == session.piece {
                    send(&piece)?;
                    piece.clear();
                }
            }
        }
        if !piece.is_empty() {
            send(&piece)?;
        }
        // The server handles the requests for one file in their order: these come after all bytes.
        if session.offers.fsync {
            sent.push_back(session.sync(handle)?);
        }
        let looked = session.look_at(handle)?;
        for reply in sent {
            reply.done()?;
        }
        let attributes = looked.attributes()?;
        session.close(handle)?.done()?;
        Ok(attributes)
    }
}
