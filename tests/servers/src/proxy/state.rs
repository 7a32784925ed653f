//! What all connections share: the rules, and what was asked.

use std::fs::File;
use std::io::{Result, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::request::Request;
use super::rule::{Deed, Rule};

/// The rules, and what was asked.
pub struct State {
    /// Host and port of the server.
    pub server: String,
    inner: Mutex<Inner>,
}

struct Inner {
    rules: Vec<Rule>,
    asked: Vec<String>,
    log: Option<File>,
}

impl State {
    /// No rules, and nothing asked.
    pub fn new(server: &str, log: Option<String>) -> Result<Self> {
        let log = log.map(File::create).transpose()?;
        let inner = Inner { rules: Vec::new(), asked: Vec::new(), log };
        Ok(Self { server: server.trim_end_matches('/').to_owned(), inner: Mutex::new(inner) })
    }

    /// Adds a rule behind the others.
    pub fn add(&self, rule: Rule) {
        self.inner().rules.push(rule);
    }

    /// Forgets all rules.
    pub fn clear(&self) {
        self.inner().rules.clear();
    }

    /// What to do with a request.
    pub fn deed(&self, request: &Request) -> Deed {
        let mut inner = self.inner();
        let rule =
            inner.rules.iter_mut().find_map(|rule| rule.takes(request).then_some(&rule.deed));
        rule.cloned().unwrap_or(Deed::Pass)
    }

    /// Remembers a request: its method, its path, whether it was to be done only where there is no such object,
    /// what was done with it, the status of the answer (0: none came), and the bytes of the request's body.
    pub fn note(&self, request: &Request, deed: &Deed, status: u16) -> Result<()> {
        let kind = if request.is_list() { "LIST" } else { &request.method };
        let only = if request.is_only_if_absent() { "if-absent" } else { "-" };
        let deed = format!("{deed:?}");
        let deed = deed.split('(').next().unwrap_or_default().to_lowercase();
        let bytes = request.body.len();
        let line = format!("{kind} {} {only} {deed} {status} {bytes}", request.target);
        let mut inner = self.inner();
        if let Some(log) = &mut inner.log {
            writeln!(log, "{line}")?;
        }
        inner.asked.push(line);
        Ok(())
    }

    /// The requests since the last report.
    pub fn report(&self) -> Vec<String> {
        std::mem::take(&mut self.inner().asked)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
