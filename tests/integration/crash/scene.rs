//! A source that changes from run to run, and what must hold after something happened to a run.

use crate::support::{Draw, Home, Ran, differences, needs};
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A home with a source, and the snapshots that were reported as saved.
pub struct Scene {
    pub home: Home,
    /// Ids in the order of their reports.
    pub reported: Vec<String>,
    draw: Draw,
    round: u64,
}

impl Scene {
    /// A source of some hundred files and 4 MiB, one of them large, and nothing saved.
    pub fn new(seed: u64) -> Self {
        // In memory where that is possible: what is killed here is the program, and not the machine.
        let home = Home::within(Path::new("/dev/shm")).unwrap_or_else(|_| Home::new());
        let mut draw = Draw::new(seed);
        for number in 0..90 {
            home.write(&format!("work/many/{number:02}"), draw.text(300));
        }
        for number in 0..10 {
            home.write(&format!("work/some/{number}"), draw.noise(100_000));
        }
        home.write("work/large", draw.noise(3 << 20));
        std::os::unix::fs::symlink("large", home.path("work/link")).unwrap();
        std::fs::hard_link(home.path("work/some/1"), home.path("work/name")).unwrap();
        Self { home, reported: Vec::new(), draw, round: 0 }
    }

    pub fn work(&self) -> PathBuf {
        self.home.path("work")
    }

    /// Changes some of it: a new file, one that is gone, one with other bytes, one with other
    /// rights.
    pub fn change(&mut self) {
        self.round += 1;
        let round = self.round;
        let (home, draw) = (&self.home, &mut self.draw);
        home.write(&format!("work/new/{round:04}"), draw.noise(30_000));
        home.write(&format!("work/some/{}", draw.below(10)), draw.noise(100_000));
        home.write(&format!("work/many/{:02}", draw.below(90)), draw.text(300));
        let _ = std::fs::remove_file(home.path(format!("work/new/{:04}", round.wrapping_sub(3))));
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600 + (round % 8) as u32);
        std::fs::set_permissions(home.path("work/link"), mode).unwrap();
        if round.is_multiple_of(8) {
            home.write("work/large", draw.noise((3 << 20) + round as usize));
        }
    }

    /// Whether there are so many snapshots that a run makes one more call for each: a loop over all
    /// calls would not come to an end.
    pub fn is_worn(&self) -> bool {
        self.reported.len() >= 30
    }

    /// Notes what a run with `--json` has reported as saved.
    pub fn note(&mut self, ran: &Ran) {
        let ids =
            ran.json().into_iter().filter_map(|row| Some(row["snapshot"].as_str()?.to_owned()));
        self.reported.extend(ids);
    }

    /// Saves the source to its end.
    #[track_caller]
    pub fn save(&mut self) -> Ran {
        let ran = self.home.run(["snapshot", "--json", self.work().to_str().unwrap()]).ok();
        self.note(&ran);
        ran
    }

    /// All data are sound, and every snapshot that was reported is there.
    #[track_caller]
    pub fn expect_sound(&self) {
        self.home.run(["check", "--read-data"]).ok();
        let listed = self.home.run(["snapshots", "--json"]).ok().json();
        let listed: Vec<&str> = listed.iter().map(|row| row["id"].as_str().unwrap()).collect();
        for id in &self.reported {
            assert!(listed.contains(&id.as_str()), "{id} is not among {listed:?}");
        }
    }

    /// The latest snapshot gives back the source as it is now.
    #[track_caller]
    pub fn expect_restored(&self) {
        let target = self.home.path("target");
        self.restore("latest", &target);
        assert_same(&self.work(), &target);
        std::fs::remove_dir_all(target).unwrap();
    }

    /// The same, as told by other people's programs.
    #[track_caller]
    pub fn expect_nothing_differs(&self) {
        if needs("rsync") {
            let target = self.home.path("other target");
            self.restore("latest", &target);
            assert_eq!(differences(&self.work(), &target), Vec::<String>::new());
            std::fs::remove_dir_all(target).unwrap();
        }
    }

    #[track_caller]
    fn restore(&self, snapshot: &str, target: &Path) {
        let what = format!("{snapshot}:{}", self.work().display());
        self.home.restore(&what, target).ok();
    }
}

/// Says something about a test that whoever looks at one test alone wants to know.
pub fn tell(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// All files below a folder with their lengths; none when it is not there.
pub fn files(folder: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    for path in entries.map(|entry| entry.unwrap().path()) {
        let stat = path.symlink_metadata().unwrap();
        if stat.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path, stat.len());
        }
    }
    found
}

/// Fails unless two trees have the same names, bytes, modes and times. Other people's programs see
/// more, and take longer than everything else in a round.
#[track_caller]
fn assert_same(left: &Path, right: &Path) {
    let names = |folder: &Path| {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = entries.collect();
        names.sort();
        names
    };
    assert_eq!(names(left), names(right), "{left:?} {right:?}");
    for name in names(left) {
        let (left, right) = (left.join(&name), right.join(&name));
        let stats = [&left, &right].map(|path| path.symlink_metadata().unwrap());
        let seen = stats.each_ref().map(|s| (s.mode(), s.mtime(), s.mtime_nsec(), s.nlink()));
        if stats[0].is_dir() {
            assert_same(&left, &right);
        } else if stats[0].is_symlink() {
            let links = [&left, &right].map(|path| std::fs::read_link(path).unwrap());
            assert_eq!(links[0], links[1], "{left:?}");
        } else {
            let bytes = [&left, &right].map(|path| std::fs::read(path).unwrap());
            assert!(bytes[0] == bytes[1], "{left:?} has other bytes");
        }
        if !stats[0].is_dir() {
            assert_eq!(seen[0], seen[1], "{left:?}");
        }
    }
}
