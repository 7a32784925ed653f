//! A repository in a store that writes down what it is asked, opened by this process itself.

use super::{Draw, Home};
use esker::pipeline::{self, Rules};
use esker::repository::{Compression, NewKey, Repository, Unlock, create};
use esker::source::Select;
use esker::store::{MemoryStore, RecordingStore};
use esker_format::node::Time;
use esker_format::secret::Entropy;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// When everything was saved.
pub const TIME: Time = Time { seconds: 1_700_000_000, nanos: 0 };

/// A repository far away, and a tree of small and large files, some of which are there many times.
pub struct Far {
    pub home: Home,
    /// What was asked of it.
    pub store: Arc<RecordingStore<MemoryStore>>,
    key: NewKey,
}

impl Far {
    /// With so many files, saved once.
    pub fn new(files: usize) -> Self {
        let (home, mut draw) = (Home::new(), Draw::new(11));
        let license = draw.noise(20_000);
        for number in 0..files {
            let folder = format!("work/{}/{}", number % 7, number / 100);
            home.write(&format!("{folder}/{number}"), draw.noise(500 + number % 2000));
            if number % 50 == 0 {
                home.write(&format!("{folder}/license"), &license);
            }
            if number % 4000 == 0 {
                home.write(&format!("{folder}/large"), draw.noise(3 << 20));
            }
        }
        let key = NewKey::from(&mut Entropy::new([7; 32]));
        let store = Arc::new(RecordingStore::new(MemoryStore::new()));
        create(&*store, &key, None, TIME, "a test", &mut Entropy::new([8; 32])).unwrap();
        let far = Self { home, store, key };
        far.snapshot();
        far
    }

    /// Where they are.
    pub fn work(&self) -> PathBuf {
        self.home.path("work")
    }

    /// Opens it, with a cache of this name.
    pub fn open(&self, cache: &str) -> Repository {
        let unlock = Unlock::File(self.key.material());
        std::fs::create_dir_all(self.home.path(cache)).unwrap();
        Repository::open(self.store.clone(), unlock, &self.home.path(cache)).unwrap()
    }

    /// Saves them once more.
    pub fn snapshot(&self) -> pipeline::Report {
        let request = pipeline::Request {
            paths: vec![self.work()],
            select: Arc::new(Select::default()),
            allow_missing: false,
            host: "far".to_owned(),
            label: None,
            tags: Vec::new(),
            start: TIME,
            clock: Box::new(|| TIME),
            compression: Compression::default(),
            threads: 2,
            skip: Vec::new(),
            rules: Rules::default(),
            skip_if_unchanged: false,
            is_dry: false,
            program: "a test".to_owned(),
        };
        let mut repository = self.open("cache");
        let (progress, stop) = (Default::default(), AtomicBool::new(false));
        pipeline::snapshot(&mut repository, &request, &progress, None, &stop).unwrap()
    }
}
