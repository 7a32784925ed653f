//! Repositories to be damaged, with what a restore of each gives as long as it is sound.

use super::change::{Change, Objects, store_of};
use super::seen::{Seen, look};
use super::verdict::{Verdict, judge};
use crate::support::{Draw, Home};
use esker::repository::Unlock;
use esker::store::{FaultyStore, MemoryStore};
use esker_format::key::OwnerSecret;
use esker_format::recovery;
use rustix::fs::XattrFlags;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A repository in memory.
pub struct Sample {
    /// Room for index databases and targets.
    pub home: Home,
    pub objects: Objects,
    pub store: Arc<FaultyStore<MemoryStore>>,
    /// The snapshot that is restored, by the beginning of its id.
    pub snapshot: String,
    /// What a restore gives.
    pub sound: Seen,
    /// What a restore of the sound repository has to say.
    pub problems: usize,
    recovery: String,
}

/// Room in memory, where there is some: a matrix makes many small files.
fn home() -> Home {
    Home::within(Path::new("/dev/shm")).unwrap_or_else(|_| Home::new())
}

impl Sample {
    /// A repository with a key slot and three snapshots, which share chunks and pages: packs with
    /// several frames, content lists, attributes in pages, and all that inner pages can say.
    pub fn grown() -> Self {
        let home = home();
        let mut init = home.command();
        init.args(["init", "--json"]).env("ESKER_PASSWORD", "a passphrase");
        let made = crate::support::Ran::of(&mut init).ok();
        let recovery = made.json()[0]["recovery_key"].as_str().unwrap().to_owned();
        let snapshot = |home: &Home| {
            let mut command = home.command();
            command.args(["snapshot", "--json", "--threads", "3"]).arg(home.path("work"));
            let ran = crate::support::Ran::of(command.env("ESKER_PASSWORD", "a passphrase")).ok();
            ran.json()[0]["snapshot"].as_str().unwrap().to_owned()
        };
        let mut draw = Draw::new(1);
        for number in 0..30 {
            home.write(&format!("work/first/{number}"), draw.noise(2000 + number));
        }
        snapshot(&home);
        for number in 0..300 {
            home.write(&format!("work/many/{number}"), number.to_string());
        }
        snapshot(&home);
        for number in 0..30 {
            home.write(&format!("work/second/{number}"), draw.noise(300 + number * 50));
        }
        plant_rest(&home, &mut draw);
        let snapshot = snapshot(&home)[..16].to_owned();
        let objects = load(&home.repository());
        Self::of(home, objects, snapshot, recovery)
    }

    /// The golden repository: every kind of node and a map of three levels.
    pub fn golden() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let objects = load(&folder.join("repository"));
        let recovery = std::fs::read_to_string(folder.join("recovery.txt")).unwrap();
        // The manifest of the snapshot that has entries is the longer one.
        let manifests = objects.iter().filter(|(name, _)| name.starts_with("snapshot/"));
        let (name, _) = manifests.max_by_key(|(_, bytes)| bytes.len()).unwrap();
        let snapshot = name["snapshot/".len()..][..16].to_owned();
        Self::of(home(), objects, snapshot, recovery)
    }

    fn of(home: Home, objects: Objects, snapshot: String, recovery: String) -> Self {
        let store = Arc::new(store_of(&objects));
        let (sound, problems) = Default::default();
        let mut sample = Self { home, objects, store, snapshot, sound, problems, recovery };
        let cache = sample.home.path("sound cache");
        match judge(&sample, &cache) {
            Verdict::Restored { seen, damaged, problems, .. } => {
                assert!(damaged.is_empty() && seen.len() > 300, "{damaged:?}");
                sample.sound = seen;
                sample.problems = problems.len();
            }
            other => panic!("the sound repository: {other:?}"),
        }
        sample
    }

    /// Opens as whoever has nothing but the recovery key.
    pub fn unlock(&self) -> Unlock {
        let OwnerSecret(secret) = recovery::decode(&self.recovery).unwrap();
        Unlock::Recovery(OwnerSecret(secret))
    }

    /// What becomes of a restore with this damage, without any index database.
    pub fn with(&self, name: &str, change: &Change) -> Verdict {
        change.apply(&self.store, &self.objects, name);
        let cache = self.home.path("new cache");
        let _ = std::fs::remove_dir_all(&cache);
        let verdict = judge(self, &cache);
        change.undo(&self.store, &self.objects, name);
        verdict
    }

    /// The same with the index database of the sound repository.
    pub fn with_index(&self, name: &str, change: &Change) -> Verdict {
        let cache = self.home.path("old cache");
        let _ = std::fs::remove_dir_all(&cache);
        copy(&self.home.path("sound cache"), &cache);
        change.apply(&self.store, &self.objects, name);
        let verdict = judge(self, &cache);
        change.undo(&self.store, &self.objects, name);
        verdict
    }

    /// Where a restore goes. It is looked at and removed before the next one.
    pub fn target(&self) -> PathBuf {
        self.home.path("target")
    }

    /// What is below the target now.
    pub fn look(&self) -> Seen {
        look(&self.target())
    }
}

/// What an ordinary file has no need for.
fn plant_rest(home: &Home, draw: &mut Draw) {
    let listed = std::fs::File::create(home.write("work/zz/list", "")).unwrap();
    for piece in 0..30 {
        listed.write_all_at(&draw.noise(700), piece * 20_000).unwrap();
    }
    let dressed = home.write("work/zz/attributes", draw.noise(1000));
    let set = rustix::fs::setxattr(&dressed, "user.a", &draw.noise(900), XattrFlags::empty());
    if let Err(error) = set {
        crate::support::skipped(&format!("attributes in a page of their own: {error}"));
    }
    std::fs::hard_link(&dressed, home.path("work/first/name")).unwrap();
    std::os::unix::fs::symlink("many", home.path("work/zz/link")).unwrap();
    std::fs::create_dir(home.path("work/zz/empty")).unwrap();
}

/// All objects below a folder.
pub fn load(folder: &Path) -> Objects {
    let mut out = Objects::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(at) = waiting.pop() {
        for entry in std::fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                out.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    out
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(from, to).unwrap();
        }
    }
}
