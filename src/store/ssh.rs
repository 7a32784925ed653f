//! A store that `esker store-serve` keeps at the far end of `ssh`.

#[cfg(test)]
mod tests;

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU8, Ordering};

use super::serve::hello::{Hello, Opening};
use super::serve::message::{Arrived, FRAMING, Frame, PIECE, answer, ask, kind_of};
use super::tunnel::{Child, Far, Keeper, Link, Pending, SshOptions, SshTarget, Trouble};
use super::{
    Durability, Listed, Nature, Operation, Put, Store, StoreError, StoreErrorKind, is_valid_name,
    is_valid_prefix,
};

/// A folder that a program of ours keeps on another machine: as good as a local folder, at the price of one
/// round trip for each call. Which program is run there, the address says: `?program=/opt/bin/esker`.
///
/// A connection that is lost is made anew; what was written over the lost one is made durable then, so that
/// the next good barrier holds for it, too.
#[derive(Debug)]
pub struct SshStore {
    location: String,
    keeper: Keeper<Session>,
}

/// One connection.
#[derive(Debug)]
struct Session {
    link: Link,
    /// The parts of two objects must not mix on the way.
    putting: Mutex<()>,
}

impl SshStore {
    /// Opens the folder of `target`, which must exist. Writes nothing.
    pub fn open(target: &SshTarget, options: &SshOptions) -> Result<Self, StoreError> {
        Self::connect("open", Opening::Open, target, options)
    }

    /// Makes the folder of `target` and its parents, and opens it as an empty store.
    pub fn create(target: &SshTarget, options: &SshOptions) -> Result<Self, StoreError> {
        Self::connect("create a store in", Opening::Create, target, options)
    }

    fn connect(
        action: &'static str,
        opening: Opening,
        target: &SshTarget,
        options: &SshOptions,
    ) -> Result<Self, StoreError> {
        let location = format!("ssh://{target}");
        if let Some((name, _)) = target.options.iter().find(|(name, _)| name != "program") {
            let error = StoreError::new(StoreErrorKind::Other, action, location, "");
            let text = format!("an ssh address has no option {name}, only program=PATH");
            return Err(error.because(text));
        }
        let (target, options) = (target.clone(), options.clone());
        let retries = options.retries;
        let first = AtomicU8::new(1);
        let connect = move || match first.swap(0, Ordering::Relaxed) {
            1 => Session::connect(&options, &target, opening),
            _ => Session::connect(&options, &target, Opening::Resume),
        };
        let keeper = Keeper::new(retries, connect).map_err(|trouble| {
            trouble.into_error(action, &location, "", |_, text| meaning(text))
        })?;
        Ok(Self { location, keeper })
    }

    fn run<T>(
        &self,
        operation: Operation,
        name: &str,
        act: impl Fn(&Session) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        let done = self.keeper.run(act);
        done.map_err(|trouble| {
            trouble.into_error(operation.verb(), &self.location, name, |_, text| meaning(text))
        })
    }

    /// One call about an object.
    fn call<T>(
        &self,
        operation: Operation,
        name: &str,
        act: impl Fn(&Session) -> Result<T, Trouble>,
    ) -> Result<T, StoreError> {
        let valid = match operation {
            Operation::List => is_valid_prefix(name),
            _ => is_valid_name(name),
        };
        if !valid {
            let kind = StoreErrorKind::BadName;
            return Err(StoreError::new(kind, operation.verb(), &self.location, name));
        }
        self.run(operation, name, act)
    }
}

/// The protocol of ours has no status.
fn meaning(text: String) -> (StoreErrorKind, String) {
    (StoreErrorKind::Other, text)
}

impl Session {
    fn connect(
        options: &SshOptions,
        target: &SshTarget,
        opening: Opening,
    ) -> Result<Self, Trouble> {
        let program = target.option("program").unwrap_or("esker");
        let command = format!("{} store-serve {}", quote(program), quote(&dashed(&target.path)));
        let (child, input, output) = Child::begin(options, target, Far::Command(&command))?;
        let link = Link::new(Some(child), input, output, FRAMING, options.timeout);
        Self::greet(link, Hello { opening, path: target.path.clone() })
    }

    /// The greeting over a new link.
    fn greet(link: Link, hello: Hello) -> Result<Self, Trouble> {
        let session = Self { link, putting: Mutex::new(()) };
        let asked = session.link.ask(|id| hello.frame(id).done())?;
        let answer = asked.answer()?;
        session.expect(&answer, answer::WELCOME)?;
        drop(asked);
        Ok(session)
    }

    fn ask(&self, kind: u8, encode: impl FnOnce(Frame) -> Frame) -> Result<Pending<'_>, Trouble> {
        self.link.ask(|id| encode(Frame::new(id, kind)).done())
    }

    /// An answer, when it is of this kind; the server's error else.
    fn expect<'a>(&self, answer: &'a [u8], kind: u8) -> Result<Arrived<'a>, Trouble> {
        let arrived = self.read(answer)?;
        match arrived.kind == kind {
            true => Ok(arrived),
            false => Err(self.link.nonsense("the answer is none to what was asked")),
        }
    }

    /// An answer that is no error.
    fn read<'a>(&self, answer: &'a [u8]) -> Result<Arrived<'a>, Trouble> {
        match Arrived::read(answer) {
            Some(Arrived { kind: answer::ERROR, body: [kind, text @ ..], .. }) => {
                let text = String::from_utf8_lossy(text).replace(char::is_control, "?");
                Err(Trouble::Fault(kind_of(*kind), text))
            }
            Some(arrived) => Ok(arrived),
            None => Err(self.link.nonsense("a frame has no head")),
        }
    }

    fn put(&self, name: &str, parts: &[&[u8]], durability: Durability) -> Result<Put, Trouble> {
        let pending = self.link.open()?;
        let id = pending.id();
        {
            let _alone = self.putting.lock().unwrap_or_else(PoisonError::into_inner);
            let mut frame = Frame::new(id, ask::PART);
            let empty = frame.len();
            for part in parts {
                let mut rest = *part;
                while !rest.is_empty() {
                    let room = PIECE + empty - frame.len();
                    let (taken, after) = rest.split_at(rest.len().min(room));
                    frame = frame.bytes(taken);
                    rest = after;
                    if frame.len() == PIECE + empty {
                        self.link.send(frame.done())?;
                        frame = Frame::new(id, ask::PART);
                    }
                }
            }
            if frame.len() > empty {
                self.link.send(frame.done())?;
            }
            let now = u64::from(durability == Durability::Now);
            let last = Frame::new(id, ask::PUT).long(now).bytes(name.as_bytes());
            self.link.send(last.done())?;
        }
        let answer = pending.answer()?;
        match self.read(&answer)?.kind {
            answer::DONE => Ok(Put::Stored),
            answer::EXISTS => Ok(Put::Exists),
            _ => Err(self.link.nonsense("the answer is none to what was asked")),
        }
    }

    /// Gathers bytes until the answer ends; more than `most` are nonsense.
    fn gather(&self, pending: &Pending<'_>, most: u64) -> Result<Vec<u8>, Trouble> {
        let mut out = Vec::new();
        loop {
            let answer = pending.answer()?;
            let arrived = self.read(&answer)?;
            match arrived.kind {
                answer::DONE => return Ok(out),
                answer::BYTES if (out.len() + arrived.body.len()) as u64 <= most => {
                    out.extend_from_slice(arrived.body);
                }
                _ => return Err(self.link.nonsense("more bytes than were asked for")),
            }
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<Listed>, Trouble> {
        let pending = self.ask(ask::LIST, |frame| frame.bytes(prefix.as_bytes()))?;
        let mut found = Vec::new();
        loop {
            let answer = pending.answer()?;
            let arrived = self.read(&answer)?;
            match (arrived.kind, arrived.listed()) {
                (answer::DONE, _) => return Ok(found),
                (answer::NAMES, Some(some)) if some.iter().all(|one| is_below(one, prefix)) => {
                    found.extend(some);
                }
                _ => return Err(self.link.nonsense("a listing has names that no object has")),
            }
        }
    }
}

fn is_below(one: &Listed, prefix: &str) -> bool {
    is_valid_name(&one.name) && one.name.starts_with(prefix)
}

impl Store for SshStore {
    fn location(&self) -> String {
        self.location.clone()
    }

    fn put_new(
        &self,
        name: &str,
        parts: &[&[u8]],
        durability: Durability,
    ) -> Result<Put, StoreError> {
        self.call(Operation::PutNew, name, |session| session.put(name, parts, durability))
    }

    fn barrier(&self) -> Result<(), StoreError> {
        self.run(Operation::Barrier, "", |session| {
            let answer = session.ask(ask::BARRIER, |frame| frame)?.answer()?;
            session.expect(&answer, answer::DONE).map(drop)
        })
    }

    fn get(&self, name: &str, limit: u64, out: &mut Vec<u8>) -> Result<(), StoreError> {
        out.clear();
        *out = self.call(Operation::Get, name, |session| {
            let encode = |frame: Frame| frame.long(limit).bytes(name.as_bytes());
            session.gather(&session.ask(ask::GET, encode)?, limit)
        })?;
        Ok(())
    }

    fn get_range(
        &self,
        name: &str,
        offset: u64,
        len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        out.clear();
        *out = self.call(Operation::GetRange, name, |session| {
            let encode = |frame: Frame| frame.long(offset).long(len as u64).bytes(name.as_bytes());
            let read = session.gather(&session.ask(ask::RANGE, encode)?, len as u64)?;
            match read.len() == len {
                true => Ok(read),
                false => Err(Trouble::Fault(StoreErrorKind::Truncated, String::new())),
            }
        })?;
        Ok(())
    }

    fn size(&self, name: &str) -> Result<Option<u64>, StoreError> {
        self.call(Operation::Size, name, |session| {
            let answer = session.ask(ask::SIZE, |frame| frame.bytes(name.as_bytes()))?.answer()?;
            let arrived = session.read(&answer)?;
            match (arrived.kind, arrived.only_long()) {
                (answer::ABSENT, _) => Ok(None),
                (answer::SIZE, Some(size)) => Ok(Some(size)),
                _ => Err(session.link.nonsense("the answer is none to what was asked")),
            }
        })
    }

    fn list(&self, prefix: &str, found: &mut dyn FnMut(Listed)) -> Result<(), StoreError> {
        // Told only when it is whole: a connection that is lost in the middle begins it anew.
        let listed = self.call(Operation::List, prefix, |session| session.list(prefix))?;
        listed.into_iter().for_each(found);
        Ok(())
    }

    fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.call(Operation::Delete, name, |session| {
            let answer =
                session.ask(ask::DELETE, |frame| frame.bytes(name.as_bytes()))?.answer()?;
            session.expect(&answer, answer::DONE).map(drop)
        })
    }

    fn local_identity(&self) -> Option<(u64, u64)> {
        None
    }

    fn nature(&self) -> Nature {
        Nature::for_several_writers()
    }
}

/// A path that no program takes for an option.
fn dashed(path: &str) -> String {
    if path.starts_with('-') { format!("./{path}") } else { path.to_owned() }
}

/// A word for the login shell at the far end.
fn quote(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._+,@".contains(&byte);
    match !word.is_empty() && word.bytes().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
impl SshStore {
    /// A store over links that a test makes, without ssh; the first one greets with `opening`.
    pub(super) fn over(
        opening: Opening,
        path: &str,
        make: impl Fn() -> Link + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        let location = format!("ssh://test{path}");
        let path = path.to_owned();
        let first = AtomicU8::new(1);
        let connect = move || {
            let again = first.swap(0, Ordering::Relaxed) == 0;
            let opening = if again { Opening::Resume } else { opening };
            Session::greet(make(), Hello { opening, path: path.clone() })
        };
        let keeper = Keeper::new(3, connect).map_err(|trouble| {
            trouble.into_error("open", &location, "", |_, text| meaning(text))
        })?;
        Ok(Self { location, keeper })
    }
}
