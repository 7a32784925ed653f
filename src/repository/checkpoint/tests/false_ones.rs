//! Checkpoints that are not to be believed: each is passed over, named, and costs nothing.

use super::{Site, numbered, plain, rich};
use crate::repository::check::{Finding, Progress, Request, check};
use crate::repository::checkpoint::convert::of_state;
use crate::repository::error::Error;
use crate::repository::log;
use crate::repository::log::tests::forge::{Log, RUN, host, stranger, summed};
use crate::repository::state::State;
use crate::store::{Durability, Store};
use esker_format::checkpoint::Checkpoint;
use esker_format::envelope::{Header, Kind};
use esker_format::ids::{CheckpointId, EntryHash, LogHead, Named, RepositoryId, Seq, SessionId};
use esker_format::key::SigningKey;
use esker_format::names;
use esker_format::secret::Entropy;
use std::sync::atomic::AtomicBool;

/// The parts of a checkpoint, right until a test changes them.
struct Forged {
    checkpoint: Checkpoint,
    header: Header,
    enrolment: Vec<u8>,
    signer: SigningKey,
}

impl Site {
    /// A log with forty entries more.
    fn filled() -> Self {
        let site = Self::new(rich::log());
        let cache = tempfile::tempdir().unwrap();
        site.append(&mut site.open(cache.path()), 0..40);
        site
    }

    /// The state after the entry with a number.
    fn state_at(&self, seq: u64) -> State {
        let mut state = State::new(self.log.access.owner_key);
        log::replay_some(&*self.store, &self.log.access, &mut state, seq + 1).unwrap();
        state
    }

    fn forge(&self, seq: u64) -> Forged {
        let access = &self.log.access;
        let header = Header {
            kind: Kind::Checkpoint,
            flags: 0,
            repository: access.repository,
            scope: 0,
            epoch: 0,
            writer: access.writer,
            session: SessionId::new([1; 16]),
            seq,
            tlvs: vec![],
        };
        Forged {
            checkpoint: of_state(&self.state_at(seq)).unwrap(),
            header,
            enrolment: log::read_entry(&*self.store, Seq(1)).unwrap().unwrap(),
            signer: access.signer.clone(),
        }
    }

    fn bytes(&self, forged: Forged) -> Vec<u8> {
        let Forged { checkpoint, header, enrolment, signer } = forged;
        let key = &self.log.access.log_key;
        checkpoint.encode(header, enrolment, key, &signer, &mut Entropy::new([1; 32])).unwrap()
    }

    /// Puts bytes under the name of a checkpoint of this entry.
    fn put(&self, seq: u64, bytes: &[u8]) -> String {
        let name = names::checkpoint(Seq(seq), CheckpointId::of(bytes));
        assert!(self.store.put_new(&name, &[bytes], Durability::Now).is_ok());
        name
    }

    /// Holds that a new reader passes over what has this name, and says so.
    #[track_caller]
    fn is_passed_over(&self, name: &str, why: &str) {
        let right = plain(&self.replayed());
        let (mut reader, _) = self.anew();
        let told = reader.warnings().iter().find_map(|warning| match warning {
            Error::Checkpoint { object, why } if object == name => Some(why.clone()),
            _ => None,
        });
        assert!(told.as_ref().is_some_and(|told| told.contains(why)), "{told:?}, not {why}");
        assert_eq!(plain(reader.state()), right);
        // And the log goes on.
        let next = 1000 + reader.state().next().0 as u32;
        reader.append(RUN, &mut |_| Ok(numbered(next))).unwrap();
        self.store.delete(name).unwrap();
    }
}

#[test]
fn a_right_one_is_believed() {
    let site = Site::filled();
    let forged = site.forge(50);
    site.put(50, &site.bytes(forged));
    let (reader, asked) = site.anew();
    assert!(reader.warnings().is_empty() && asked < 20, "{asked} {:?}", reader.warnings());
    assert_eq!(plain(reader.state()), plain(&site.replayed()));
}

#[test]
fn one_that_nobody_signed_who_may_is_passed_over() {
    let site = Site::filled();
    let why = "checkpoint";
    // A writer who may append only, with its own enrolment and with that of another.
    for enrolled in [2, 1] {
        let mut forged = site.forge(50);
        forged.signer = host();
        forged.header.writer = host().verification().writer();
        forged.enrolment = log::read_entry(&*site.store, Seq(enrolled)).unwrap().unwrap();
        let name = site.put(50, &site.bytes(forged));
        site.is_passed_over(&name, why);
    }
    // Who could collect until he was revoked, of a state that has that.
    let mut forged = site.forge(50);
    forged.signer = stranger();
    forged.header.writer = stranger().verification().writer();
    forged.enrolment = log::read_entry(&*site.store, Seq(4)).unwrap().unwrap();
    let name = site.put(50, &site.bytes(forged));
    site.is_passed_over(&name, why);
    // One that says it is signed by somebody.
    let mut forged = site.forge(50);
    forged.signer = host();
    let name = site.put(50, &site.bytes(forged));
    site.is_passed_over(&name, why);
}

/// Who was revoked can make one that does not say so, and is contradicted by those of others.
#[test]
fn one_of_a_signer_whom_another_one_calls_revoked_is_passed_over() {
    let site = Site::filled();
    let mut forged = site.forge(50);
    forged.signer = stranger();
    forged.header.writer = stranger().verification().writer();
    forged.enrolment = log::read_entry(&*site.store, Seq(4)).unwrap().unwrap();
    for row in &mut forged.checkpoint.writers {
        row.revoked = false;
    }
    forged.checkpoint.holder = Some("somebody".to_owned());
    let bytes = site.bytes(forged);
    let right = site.put(40, &site.bytes(site.forge(40)));
    let name = site.put(50, &bytes);
    let (reader, _) = site.anew();
    assert_eq!(plain(reader.state()), plain(&site.replayed()));
    site.is_passed_over(&name, &format!("{right} says that its signer was revoked"));
}

#[test]
fn more_than_there_can_be_are_not_even_looked_at() {
    let site = Site::filled();
    let right = site.bytes(site.forge(50));
    site.put(50, &right);
    for n in 0..16u8 {
        site.put(45, &[n; 9]);
    }
    let (reader, asked) = site.anew();
    assert!(matches!(reader.warnings(), [Error::Checkpoint { .. }]), "{:?}", reader.warnings());
    assert!(asked > 50);
    assert_eq!(plain(reader.state()), plain(&site.replayed()));
}

#[test]
fn one_that_is_damaged_or_lies_in_another_place_is_passed_over() {
    let site = Site::filled();
    let right = site.bytes(site.forge(50));
    let mut flipped = right.clone();
    flipped[1000] ^= 1;
    let name = site.put(50, &flipped);
    site.is_passed_over(&name, "checksum");
    let name = site.put(50, &summed(flipped));
    site.is_passed_over(&name, "checkpoint");
    // Right bytes under the name of others, and under another number.
    let name = names::checkpoint(Seq(50), CheckpointId::new([1; 32]));
    assert!(site.store.put_new(&name, &[&right], Durability::Now).is_ok());
    site.is_passed_over(&name, "checkpoint");
    let name = site.put(51, &right);
    site.is_passed_over(&name, "sequence number");
    let mut foreign = site.forge(50);
    foreign.header.repository = RepositoryId::new([1; 16]);
    let name = site.put(50, &site.bytes(foreign));
    site.is_passed_over(&name, "repository");
    let name = site.put(50, b"something else");
    site.is_passed_over(&name, "");
}

#[test]
fn one_that_the_log_does_not_bear_out_is_passed_over() {
    let site = Site::filled();
    let end = site.replayed().next().0;
    // Ahead of the log, also where somebody has put an entry far behind its end.
    for (seq, why) in [(end, "does not reach"), (end + 5000, "does not reach")] {
        let mut forged = site.forge(50);
        (forged.header.seq, forged.checkpoint.seq) = (seq, Seq(seq));
        let name = site.put(seq, &site.bytes(forged));
        site.is_passed_over(&name, why);
    }
    // Of another log: its last entry, and what is before it.
    let mut forged = site.forge(50);
    forged.checkpoint.entry = EntryHash::new([1; 32]);
    let name = site.put(50, &site.bytes(forged));
    site.is_passed_over(&name, "another log");
    let mut forged = site.forge(50);
    forged.checkpoint.head = LogHead::new([1; 32]);
    let name = site.put(50, &site.bytes(forged));
    site.is_passed_over(&name, "does not go on from it");
}

#[test]
fn an_older_one_is_taken_where_the_newest_is_false() {
    let site = Site::filled();
    let right = site.put(40, &site.bytes(site.forge(40)));
    let mut forged = site.forge(50);
    forged.checkpoint.head = LogHead::new([1; 32]);
    let name = site.put(50, &site.bytes(forged));
    let (reader, asked) = site.anew();
    assert!(matches!(reader.warnings(), [Error::Checkpoint { object, .. }] if *object == name));
    assert!(asked < 30, "{asked} entries behind {right}");
    assert_eq!(plain(reader.state()), plain(&site.replayed()));
}

/// Somebody who may collect can do worse than that; and whoever looks finds it.
#[test]
fn a_check_finds_a_checkpoint_that_says_something_else_than_the_log() {
    let site = Site::new(Log::new());
    let cache = tempfile::tempdir().unwrap();
    site.append(&mut site.open(cache.path()), 0..60);
    let good = site.put(40, &site.bytes(site.forge(40)));
    let findings = |of: &mut crate::repository::Repository| {
        let (request, stop) = (Request { read_data: false, threads: 1 }, AtomicBool::new(false));
        let report = check(of, request, &Progress::default(), &stop).unwrap();
        let found = report.findings.into_iter().filter_map(|finding| match finding {
            Finding::Object { name, message } if !name.starts_with("pack/") => {
                Some((name, message))
            }
            Finding::Index { pack, message } => Some((pack, message)),
            _ => None,
        });
        found.collect::<Vec<_>>()
    };
    let (mut reader, _) = site.anew();
    assert_eq!(findings(&mut reader), []);
    let mut forged = site.forge(50);
    forged.checkpoint.holder = Some("somebody".to_owned());
    let name = site.put(50, &site.bytes(forged));
    let ahead = site.put(5000, b"x");
    // Who has read the log, and who has believed it.
    let says = |name: &str, message: &str| (name.to_owned(), message.to_owned());
    let expected = [
        says(&name, "is not what the log says"),
        says(&ahead, "is a checkpoint of an entry that the log does not have"),
    ];
    assert_eq!(findings(&mut reader), expected);
    let (mut deceived, _) = site.anew();
    assert!(deceived.state().holder.is_some());
    let found = findings(&mut deceived);
    assert_eq!(found[..2], expected);
    assert_eq!(found[2], says("the log", "its state is not what the log says"));
    assert!(found.len() == 3 && good != name);
}
