//! All logs that there can be, as a tree: a log is a number, and its last entry and what the real
//! fold makes of it are looked up here. So a state of the model is small, and nothing is judged twice.

use super::bounds::{Bounds, Fault, loose};
use super::deed::{Deed, one, place};
use super::view::{Event, View};
use super::world::{A, B, KEPT, LOOSE, Signer, only};
use esker::repository::state::{Head, State};
use esker::repository::validate::{Rule, validate};
use esker_format::cbor::Extra;
use esker_format::ids::{EntryHash, LogHead, Seq, SessionId, Token};
use esker_format::log_entry::{
    Body, Genesis, Place, ROLE_APPEND, ROLE_COLLECT, ROLE_FORGET, WriterEntry,
};
use esker_format::node::Time;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::RwLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A log, by its number in the tree.
pub type Log = u32;

/// The log that everything begins with.
pub const START: Log = 0;

/// A log as one entry more than another.
pub struct Node {
    pub parent: Log,
    /// Its last entry; none in the first log.
    pub deed: Option<Deed>,
    /// Entries since the first log.
    pub len: u8,
    pub view: View,
}

/// The tree.
pub struct History {
    number: usize,
    bounds: Bounds,
    first: State,
    nodes: RwLock<Vec<&'static Node>>,
    children: RwLock<HashMap<(Log, Deed), Log>>,
    verdicts: RwLock<HashMap<(Log, Deed), Result<(), Rule>>>,
}

/// States that one thread keeps; the rest is folded again.
const KEPT_STATES: usize = 4096;

thread_local! {
    static STATES: RefCell<HashMap<(usize, Log), Rc<State>>> = RefCell::default();
    /// The nodes of the tree with this number, as far as this thread has seen them.
    static NODES: RefCell<(usize, Vec<&'static Node>)> = RefCell::default();
}
static NUMBERS: AtomicUsize = AtomicUsize::new(1);

impl History {
    pub fn new(bounds: Bounds) -> Self {
        let first = first(&bounds);
        let view = View::of(&first, &View::default());
        let node = Node { parent: START, deed: None, len: 0, view };
        Self {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            bounds,
            first,
            nodes: RwLock::new(vec![keep(node)]),
            children: RwLock::default(),
            verdicts: RwLock::default(),
        }
    }

    pub const fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    pub fn node(&self, log: Log) -> &'static Node {
        NODES.with_borrow_mut(|(number, nodes)| {
            if *number != self.number || nodes.len() <= log as usize {
                *number = self.number;
                nodes.clone_from(&self.nodes.read().unwrap());
            }
            nodes[log as usize]
        })
    }

    /// Logs that were looked at.
    pub fn len(&self) -> usize {
        self.nodes.read().unwrap().len()
    }

    /// Whether `log` begins with `part`.
    pub fn begins_with(&self, mut log: Log, part: Log) -> bool {
        let len = self.node(part).len;
        loop {
            if log == part {
                return true;
            }
            let node = self.node(log);
            if node.len <= len {
                return false;
            }
            log = node.parent;
        }
    }

    /// The beginning of a log that has `len` entries.
    pub fn cut(&self, mut log: Log, len: u8) -> Log {
        loop {
            let node = self.node(log);
            if node.len <= len {
                return log;
            }
            log = node.parent;
        }
    }

    /// What `validate` says of a deed at the end of a log.
    pub fn weigh(&self, log: Log, deed: Deed) -> Result<(), Rule> {
        if let Some(known) = self.verdicts.read().unwrap().get(&(log, deed)) {
            return *known;
        }
        let state = self.state(log);
        let place = deed.place(state.next(), deed.signer(self.bounds.is_one_host));
        let verdict = validate(&state, &place, &deed.body(&state, &self.bounds));
        let verdict = verdict.or_else(|rule| match self.bounds.unknown {
            Some(unknown) if rule == unknown => Ok(()),
            _ => Err(rule),
        });
        self.verdicts.write().unwrap().insert((log, deed), verdict);
        verdict
    }

    /// The log with one entry more.
    pub fn append(&self, log: Log, deed: Deed) -> Log {
        if let Some(known) = self.children.read().unwrap().get(&(log, deed)) {
            return *known;
        }
        let before = self.state(log);
        let after = self.fold(&before, log, deed);
        let node = self.node(log);
        let mut view = View::of(&after, &node.view);
        view.note(&node.view, &deed);
        if self.counts(log, deed) && self.weigh_again(&after, &before, deed).is_ok() {
            view.events |= Event::Repeatable as u32;
        }
        let mut nodes = self.nodes.write().unwrap();
        let mut children = self.children.write().unwrap();
        // Another thread may have been here meanwhile.
        *children.entry((log, deed)).or_insert_with(|| {
            let (deed, len) = (Some(deed), node.len + 1);
            nodes.push(keep(Node { parent: log, deed, len, view }));
            nodes.len() as Log - 1
        })
    }

    /// Whether readers take an entry for valid.
    fn counts(&self, log: Log, deed: Deed) -> bool {
        let is_blind = match deed {
            Deed::Commit { .. } => self.bounds.has(Fault::AppendsBlindly),
            Deed::Mark { .. } => self.bounds.has(Fault::MarksBlindly),
            _ => false,
        };
        is_blind || self.weigh(log, deed).is_ok()
    }

    /// The same entry, said again right after itself.
    fn weigh_again(&self, after: &State, before: &State, deed: Deed) -> Result<(), Rule> {
        let place = deed.place(after.next(), deed.signer(self.bounds.is_one_host));
        validate(after, &place, &deed.body(before, &self.bounds))
    }

    fn fold(&self, before: &State, log: Log, deed: Deed) -> State {
        let mut state = before.clone();
        let place = deed.place(state.next(), deed.signer(self.bounds.is_one_host));
        if self.counts(log, deed) {
            let body = deed.body(before, &self.bounds);
            if let (true, Body::Mark(mark)) = (self.bounds.has(Fault::ReplacesForgottenSets), &body)
            {
                for snapshot in state.snapshots.iter_mut().filter(|s| s.forgotten) {
                    let swap = |o: u32| match mark.replacements.iter().find(|r| r.old == o) {
                        Some(found) => found.new.iter().collect(),
                        None => vec![o],
                    };
                    snapshot.set = snapshot.set.iter().flat_map(swap).collect();
                }
            }
            state.change(&place, body);
        }
        end(&mut state, place.seq);
        state
    }

    /// The real state at the end of a log.
    fn state(&self, log: Log) -> Rc<State> {
        let key = (self.number, log);
        if let Some(known) = STATES.with_borrow(|states| states.get(&key).cloned()) {
            return known;
        }
        let node = self.node(log);
        let state = match node.deed {
            None => self.first.clone(),
            Some(deed) => self.fold(&self.state(node.parent), node.parent, deed),
        };
        let state = Rc::new(state);
        STATES.with_borrow_mut(|states| {
            if states.len() >= KEPT_STATES {
                states.clear();
            }
            states.insert(key, Rc::clone(&state));
        });
        state
    }
}

/// A node that stays as long as the test runs: there are some ten thousand, asked for all the time.
fn keep(node: Node) -> &'static Node {
    Box::leak(Box::new(node))
}

/// A log with all actors and two snapshots.
fn first(bounds: &Bounds) -> State {
    let mut state = State::new(Signer::Owner.key());
    let genesis = Genesis {
        owner: Signer::Owner.key(),
        time: Time { seconds: 0, nanos: 0 },
        holder: None,
        program: "model".to_owned(),
        extra: Extra::default(),
    };
    let mut bodies = vec![Body::Genesis(genesis)];
    let actors = [
        (Signer::Operator, ROLE_FORGET),
        (Signer::Writer(0), ROLE_APPEND),
        (Signer::Writer(1), ROLE_APPEND),
        (Signer::Collector(0), ROLE_COLLECT),
        (Signer::Collector(1), ROLE_COLLECT),
    ];
    for (signer, roles) in actors {
        let (key, scope, name, extra) = (signer.key(), 0, String::new(), Extra::default());
        bodies.push(Body::Writer(WriterEntry { key, scope, roles, name, extra }));
    }
    for (number, body) in (200..).zip(bodies) {
        let token = Token::new([number; 16]);
        let place = place(state.next(), Signer::Owner, SessionId::new([0; 16]), token);
        step(&mut state, place, body);
    }
    let kept = one(KEPT, A | B);
    let second = one(LOOSE, loose(bounds));
    let deeds = [
        Deed::Commit { by: 0, run: KEPT, own: kept, used: 0, base: None, then: 0 },
        Deed::Commit { by: 0, run: LOOSE, own: second, used: only(KEPT), base: None, then: 0 },
    ];
    let honest = Bounds { fault: None, ..bounds.clone() };
    for deed in deeds {
        let place = deed.place(state.next(), Signer::Writer(0));
        let body = deed.body(&state, &honest);
        step(&mut state, place, body);
    }
    state
}

/// An entry that must be valid.
fn step(state: &mut State, place: Place, body: Body) {
    validate(state, &place, &body).unwrap();
    state.change(&place, body);
    end(state, place.seq);
}

/// Moves the end of the log. Chains of hashes are not part of the model.
fn end(state: &mut State, seq: Seq) {
    state.head = Some(Head { seq, entry: EntryHash::new([0; 32]), log: LogHead::START });
}
