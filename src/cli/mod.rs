//! The command line: the only place that reads or prints the terminal.

mod cat;
mod check;
mod choose;
mod clone;
mod completions;
mod copy;
mod diff;
mod disk;
mod exit;
mod export;
mod find;
mod forget;
mod gc;
mod hold;
mod import;
mod init;
mod key;
mod ls;
mod man;
mod mount;
mod named;
mod nbd;
mod opened;
mod path_list;
mod pattern;
mod place;
mod probe;
mod progress;
mod promote;
mod reach;
mod repair;
mod restore;
mod revoke;
mod selection;
mod show;
mod signals;
mod snapshot;
mod snapshots;
mod stats;
mod store_serve;
mod stores;
mod sync;
mod tag;
mod takeover;
mod undo;
mod unforget;
mod unhold;

pub use exit::Exit;

use clap::{CommandFactory, Parser, Subcommand};
use exit::Failure;
use std::path::PathBuf;
use std::process::ExitCode;

/// Threads of one command at most.
const THREADS_MAX: usize = 256;

const AFTER: &str = "\
Without --repo, the repository is $XDG_DATA_HOME/esker/repository (~/.local/share/esker/repository), \
and its key $XDG_CONFIG_HOME/esker/key (~/.config/esker/key); `snapshot` makes both when missing. \
Root without HOME uses /var/lib/esker. A passphrase is asked for on a terminal, or taken from \
ESKER_PASSWORD, ESKER_PASSWORD_FILE or ESKER_PASSWORD_COMMAND.

sftp:// and ssh:// run the system's ssh, with your configuration, keys and agent; ESKER_SSH_COMMAND names \
another, as in `ssh -i /etc/esker/id`. FOLDER is absolute, or ~/FOLDER in the home of USER.

SNAPSHOT is an id, the beginning of one, `latest`, `latest~N` (the Nth before it), or LABEL:latest and \
LABEL:latest~N, as in /etc:latest. `latest` is the one saved last among those that --label, --host, \
--writer, --tag and --at leave; with --at, the one with the latest time. SNAPSHOT:PATH names a file or directory \
in it by its absolute path, as in latest:/etc/hosts or /etc:latest~1:/etc/hosts; bytes of names are \
written as `ls` shows them. Forgotten snapshots are passed over, and go by their ids alone.

Exit codes: 0 done; 1 error or usage, or with `diff --exit-code` a difference; 3 done, but something \
could not be saved, restored or compared whole; 4 damage found; 5 store out of reach; 6 busy or lost \
race; 10 no repository; 12 wrong key, or one without the right to this; 128+n ended by signal n.";

/// Deduplicating, encrypted backups that can be proven to restore
#[derive(Parser)]
#[command(name = "esker", version, after_help = AFTER, after_long_help = format!("{AFTER}\n\n{}", stores::help()), max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(clap::Args)]
#[command(next_help_heading = "Options of every command")]
struct Global {
    /// Where the repository is: a folder, or a URL: sftp://USER@HOST/FOLDER, ssh://USER@HOST/FOLDER with
    /// esker installed there too, or that of a service, such as s3://BUCKET/FOLDER (the end of
    /// `esker --help` has them all)
    #[arg(long, short = 'r', global = true, env = "ESKER_REPOSITORY", value_name = "ADDRESS")]
    repo: Option<PathBuf>,
    /// Key file that opens the repository; `init` makes it
    #[arg(long, short = 'k', global = true, env = "ESKER_KEY_FILE", value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Ask for the recovery key and open the repository with it alone
    #[arg(long, global = true)]
    recovery_key: bool,
    /// Folder for caches, which can be deleted at any time
    #[arg(long, global = true, env = "ESKER_CACHE_DIR", value_name = "FOLDER")]
    cache_dir: Option<PathBuf>,
    /// Folder for what this machine has seen of repositories, which is to be kept
    #[arg(long, global = true, env = "ESKER_STATE_DIR", value_name = "FOLDER")]
    state_dir: Option<PathBuf>,
    /// Go on with a log that is shorter than, or differs from, what this machine has seen of it, and
    /// with one that has an entry far behind its end: after the repository was put back on purpose. What
    /// was saved, forgotten, held, tagged, enrolled or revoked since then is undone
    #[arg(long, global = true)]
    accept_history: bool,
    /// Options and secrets of services, in TOML; by default stores.toml in the configuration folder
    #[arg(long, global = true, env = "ESKER_STORES_FILE", value_name = "FILE")]
    stores_file: Option<PathBuf>,
    /// Bytes a second to write to the repository at most, such as 2M
    #[arg(long, global = true, value_name = "BYTES", value_parser = rate)]
    limit_upload: Option<u64>,
    /// Bytes a second to read from the repository at most, such as 500K
    #[arg(long, global = true, value_name = "BYTES", value_parser = rate)]
    limit_download: Option<u64>,
    /// Say only what went wrong
    #[arg(long, short = 'q', global = true)]
    quiet: bool,
    /// Print results as JSON, on standard output (docs/json.md has the shapes)
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    Init(init::Args),
    Snapshot(Box<snapshot::Args>),
    Snapshots(snapshots::Args),
    Ls(ls::Args),
    Cat(cat::Args),
    Nbd(Box<nbd::Args>),
    Restore(restore::Args),
    Export(export::Args),
    Import(import::Args),
    Mount(mount::Args),
    Find(find::Args),
    Diff(diff::Args),
    Stats(stats::Args),
    Undo(undo::Args),
    Forget(Box<forget::Args>),
    Unforget(unforget::Args),
    Hold(hold::Args),
    Unhold(unhold::Args),
    Tag(tag::Args),
    Check(check::Args),
    Repair(repair::Args),
    Key(key::Args),
    Revoke(revoke::Args),
    Gc(gc::Args),
    StoreServe(store_serve::Args),
    Sync(sync::Args),
    Promote(promote::Args),
    Copy(copy::Args),
    Clone(clone::Args),
    Probe(probe::Args),
    Takeover(takeover::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version are no errors; a closed pipe is nobody's.
        Err(error) if !error.use_stderr() => {
            let _ = error.print();
            return Exit::Ok.into();
        }
        Err(error) => {
            if asks_for_json(std::env::args_os()) {
                exit::json_usage(&error.render().to_string());
            } else {
                let _ = error.print();
            }
            return Exit::Error.into();
        }
    };
    raise_file_limit();
    let global = &cli.global;
    let result = match cli.command {
        Command::Init(args) => init::run(global, &args),
        Command::Snapshot(args) => snapshot::run(global, &args),
        Command::Snapshots(args) => snapshots::run(global, &args),
        Command::Ls(args) => ls::run(global, &args),
        Command::Cat(args) => cat::run(global, &args),
        Command::Nbd(args) => nbd::run(global, &args),
        Command::Restore(args) => restore::run(global, &args),
        Command::Export(args) => export::run(global, &args),
        Command::Import(args) => import::run(global, &args),
        Command::Mount(args) => mount::run(global, &args),
        Command::Find(args) => find::run(global, &args),
        Command::Diff(args) => diff::run(global, &args),
        Command::Stats(args) => stats::run(global, &args),
        Command::Forget(args) => forget::run(global, &args),
        Command::Unforget(args) => unforget::run(global, &args),
        Command::Hold(args) => hold::run(global, &args),
        Command::Unhold(args) => unhold::run(global, &args),
        Command::Tag(args) => tag::run(global, &args),
        Command::Undo(args) => undo::run(global, &args),
        Command::Check(args) => check::run(global, &args),
        Command::Repair(args) => repair::run(global, &args),
        Command::Key(args) => key::run(global, &args),
        Command::Revoke(args) => revoke::run(global, &args),
        Command::Gc(args) => gc::run(global, &args),
        Command::StoreServe(args) => store_serve::run(&args),
        Command::Sync(args) => sync::run(global, &args),
        Command::Promote(args) => promote::run(global, &args),
        Command::Copy(args) => copy::run(global, &args),
        Command::Clone(args) => clone::run(global, &args),
        Command::Probe(args) => probe::run(global, &args),
        Command::Takeover(args) => takeover::run(global, &args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    };
    match result {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report(global.json),
    }
}

/// All commands and options, for whoever describes them.
fn definitions() -> clap::Command {
    Cli::command()
}

/// Whether words that make no sense ask for JSON all the same.
fn asks_for_json(words: impl Iterator<Item = std::ffi::OsString>) -> bool {
    words.skip(1).take_while(|word| word != "--").any(|word| word == "--json")
}

/// A walk holds one open file for each directory above the one it is in.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Without it only very deep trees are out of reach, and they say so.
    let _ = setrlimit(Resource::Nofile, limit);
}

/// Reads a number of bytes a second.
fn rate(text: &str) -> Result<u64, String> {
    match show::parse_size(text)? {
        0 => Err("nothing would ever move".to_owned()),
        rate => Ok(rate),
    }
}

/// Threads that were asked for, as far as any machine has use for them.
fn threads(asked: Option<std::num::NonZeroUsize>) -> usize {
    asked.map_or_else(cores, |asked| asked.get().min(THREADS_MAX))
}

/// Threads that keep this machine busy.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

/// The result of a command.
type Outcome = Result<Exit, Failure>;
