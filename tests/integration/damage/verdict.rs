//! What became of a restore, and whether it told the truth.

use super::sample::Sample;
use super::seen::Seen;
use esker::repository::check::{self, Finding};
use esker::repository::{Error, Repository, select};
use esker::restore::{self, Change, How, Problem, Progress, Request, restore};
use esker_format::path::MapKey;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What became of a restore.
#[derive(Debug)]
pub enum Verdict {
    /// Something was restored.
    Restored {
        seen: Seen,
        damaged: Vec<Problem>,
        problems: Vec<Problem>,
        /// Whether a check of all data found damage.
        found: bool,
    },
    /// Nothing was.
    Refused {
        error: Error,
        /// What opening the repository had to say.
        warnings: Vec<String>,
        found: bool,
    },
}

/// How a restore ended, when it told the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Truth {
    /// Exactly what was saved.
    Exact,
    /// Everything that is not what was saved is named.
    Named,
    /// Nothing, for a reason that says what is damaged.
    Refused,
}

static NEVER: AtomicBool = AtomicBool::new(false);

/// Opens, restores and checks.
pub fn judge(sample: &Sample, cache: &Path) -> Verdict {
    let store = Arc::clone(&sample.store);
    let mut repository = match Repository::open(store, sample.unlock(), cache) {
        Ok(repository) => repository,
        Err(error) => return Verdict::Refused { error, warnings: Vec::new(), found: true },
    };
    let warnings = repository.warnings().iter().map(ToString::to_string).collect();
    let target = sample.target();
    let restored =
        select(&repository, &sample.snapshot).map_err(restore::Error::from).and_then(|selected| {
            let (how, observe) = (How::default(), &|_: &Change<'_>| ());
            let (target, called) = (&*target, &*target);
            let request =
                Request { selected: &selected, target, called, threads: 1, how: &how, observe };
            restore(&repository, &request, &Progress::default(), &NEVER)
        });
    let request = check::Request { read_data: true, threads: 1 };
    let found = match check::check(&mut repository, request, &check::Progress::default(), &NEVER) {
        Ok(report) => report
            .findings
            .iter()
            .any(|f| !matches!(f, Finding::Void { .. } | Finding::NotUnderstood { .. })),
        Err(error) => error.is_damage(),
    };
    let verdict = match restored {
        Ok(report) => {
            let (damaged, problems) = (report.damaged, report.problems);
            Verdict::Restored { seen: sample.look(), damaged, problems, found }
        }
        Err(restore::Error::Repository(error)) => Verdict::Refused { error, warnings, found },
        Err(error) => panic!("cannot restore: {error}"),
    };
    if target.exists() {
        std::fs::remove_dir_all(&target).unwrap();
    }
    verdict
}

impl Verdict {
    /// Whether a check found damage.
    pub fn is_found(&self) -> bool {
        let (Self::Restored { found, .. } | Self::Refused { found, .. }) = self;
        *found
    }

    /// How it ended; what is wrong when that is not the truth.
    pub fn truth(&self, sample: &Sample) -> Result<Truth, String> {
        let (seen, damaged, problems) = match self {
            Self::Restored { seen, damaged, problems, .. } => (seen, damaged, problems),
            Self::Refused { error, warnings, .. } => {
                // A snapshot is not there when the entry that made it is not, which was said.
                let is_told = warnings.iter().any(|text| text.contains("log/"));
                if matches!(error, Error::NoSnapshot { .. }) && is_told {
                    return Ok(Truth::Refused);
                }
                // Damage, no repository, or a key that does not open it: codes 4, 10 and 12.
                let is_clear = error.is_damage()
                    || matches!(
                        error,
                        Error::NoRepository { .. }
                            | Error::Unfinished { .. }
                            | Error::WrongKey { .. }
                    );
                return if is_clear { Ok(Truth::Refused) } else { Err(format!("{error:?}")) };
            }
        };
        let named = Named::of(damaged, &sample.sound);
        let all = sample.sound.keys().chain(seen.keys());
        let silent: Vec<Vec<u8>> = all
            .filter(|key| sample.sound.get(key) != seen.get(key) && !named.has(key))
            .map(MapKey::path)
            .collect();
        if !silent.is_empty() {
            let silent: Vec<_> = silent.iter().map(|path| String::from_utf8_lossy(path)).collect();
            return Err(format!("not as saved, and not named: {silent:?}; named: {damaged:?}"));
        }
        if *seen == sample.sound && problems.len() != sample.problems {
            return Err(format!("problems that are none: {problems:?}"));
        }
        Ok(if *seen == sample.sound { Truth::Exact } else { Truth::Named })
    }
}

/// Paths that a report names, each for itself or as one of those behind another.
struct Named(Vec<MapKey>);

impl Named {
    fn of(damaged: &[Problem], sound: &Seen) -> Self {
        let mut out = Vec::new();
        for Problem { path, message } in damaged {
            let first = MapKey::from_path(path).unwrap();
            // "and the entries behind it, 12 in all, are lost"
            let behind = message.strip_prefix("and the entries behind it, ");
            let count = behind.map_or(1, |rest| rest.split(' ').next().unwrap().parse().unwrap());
            out.extend(sound.range(first..).take(count).map(|(key, _)| key.clone()));
        }
        Self(out)
    }

    fn has(&self, key: &MapKey) -> bool {
        self.0.contains(key)
    }
}
