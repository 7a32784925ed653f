//! The real program, a real server, and between them a proxy that breaks things: what people are told then, and
//! that nothing is lost.

mod bodies;
mod day;
mod elsewhere;
mod ignoring;
mod listings;
mod nuisance;
mod policies;
mod reach;
mod removal;
mod way;
mod weather;

use crate::support::{Draw, Home, Proxy, Ran, S3Server, write_private};
use std::path::PathBuf;
use std::process::Command;

/// A home, a server, and a proxy before it.
struct Site {
    home: Home,
    server: S3Server,
    proxy: Proxy,
}

const ADDRESS: &str = "s3://bucket/host";

impl Site {
    /// Without a repository; `source` has 12 files that do not compress, some MiB.
    fn empty(seed: u64) -> Self {
        // Waits are short: whoever has to give up does so in this test's time.
        Self::with(S3Server::start(), seed, "timeout = 2\nretries = 3\n")
    }

    /// The same for programs that try again and again.
    fn patient(seed: u64) -> Self {
        Self::with(S3Server::start(), seed, "timeout = 2\nretries = 20\n")
    }

    fn with(server: S3Server, seed: u64, waits: &str) -> Self {
        let home = Home::within("/dev/shm".as_ref()).unwrap_or_else(|_| Home::new());
        let proxy = Proxy::before(&server);
        let mut draw = Draw::new(seed);
        for n in 0..12 {
            home.write(&format!("source/{n:02}"), draw.noise(300 << 10));
        }
        for (name, endpoint) in [("proxied", &proxy.endpoint), ("direct", &server.endpoint)] {
            let path = home.write(&format!("{name}.toml"), "");
            let text = S3Server::stores_at(endpoint, "esker", "esker-secret");
            write_private(&path, &(text + waits));
        }
        Self { home, server, proxy }
    }

    /// With a repository.
    fn new(seed: u64) -> Self {
        let site = Self::empty(seed);
        site.direct(&["init"]).ok();
        site
    }

    fn source(&self) -> PathBuf {
        self.home.path("source")
    }

    fn command(&self, stores: &str, key: &str) -> Command {
        let mut command = self.home.command();
        for (name, _) in std::env::vars() {
            let name_in_small = name.to_ascii_lowercase();
            if name.starts_with("AWS_") || name_in_small.ends_with("_proxy") {
                command.env_remove(name);
            }
        }
        command
            .env("ESKER_STORES_FILE", self.home.path(stores))
            .env("ESKER_REPOSITORY", ADDRESS)
            .env("ESKER_KEY_FILE", self.home.path(key));
        command
    }

    /// Runs the owner's program through the proxy.
    #[track_caller]
    fn run(&self, words: &[&str]) -> Ran {
        Ran::of(self.command("proxied.toml", "key").args(words))
    }

    /// Runs the owner's program with nothing in between, with caches of its own.
    #[track_caller]
    fn direct(&self, words: &[&str]) -> Ran {
        let mut command = self.command("direct.toml", "key");
        command.env("XDG_CACHE_HOME", self.home.path("other cache"));
        Ran::of(command.args(words))
    }

    /// Saves the source through the proxy.
    #[track_caller]
    fn save(&self) -> Ran {
        self.run(&["snapshot", "--json", self.source().to_str().unwrap()])
    }

    /// Changes the source, so that there is something to save.
    fn change(&self, seed: u64) {
        self.home.write(&format!("source/new-{seed}"), Draw::new(1000 + seed).noise(400 << 10));
    }

    /// Holds that the repository is sound, whatever the proxy did, and that the last snapshot is the source.
    #[track_caller]
    fn expect_sound(&self) {
        let checked = self.direct(&["check", "--read-data"]);
        assert_eq!(checked.code, 0, "{checked:?}");
        let target = self.home.path("target");
        let what = format!("latest:{}", self.source().display());
        self.direct(&["restore", &what, target.to_str().unwrap()]).ok();
        let mut diff = Command::new("diff");
        diff.arg("-r").arg(self.source()).arg(&target);
        assert!(diff.status().unwrap().success());
        std::fs::remove_dir_all(target).unwrap();
    }

    /// How many objects the repository has below a folder of it.
    fn objects(&self, folder: &str) -> usize {
        self.names(folder).len()
    }

    /// The last parts of their names.
    fn names(&self, folder: &str) -> Vec<String> {
        let mut waiting = vec![self.server.bucket().join("host").join(folder)];
        let mut found = Vec::new();
        while let Some(next) = waiting.pop() {
            for path in
                std::fs::read_dir(next).into_iter().flatten().map(|entry| entry.unwrap().path())
            {
                if path.is_dir() {
                    waiting.push(path);
                } else {
                    found.push(path.file_name().unwrap().to_str().unwrap().to_owned());
                }
            }
        }
        found
    }
}

/// The id of what was saved.
#[track_caller]
fn saved(ran: &Ran) -> String {
    ran.json()[0]["snapshot"].as_str().unwrap().to_owned()
}
