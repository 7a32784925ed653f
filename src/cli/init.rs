//! `esker init`: make a repository.

use crate::cli::exit::{Exit, Failure};
use crate::cli::place::{Places, places};
use crate::cli::probe::{Found, Writers};
use crate::cli::reach::{has_config, options};
use crate::cli::{Global, Outcome, key, show};
use crate::repository::{Error, Mode, NewKey, Probed, create_in_mode, entropy};
use crate::store::{LocalStore, Store};
use esker_format::key_material::KeyMaterial;
use esker_format::slot::Cost;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Make a repository
///
/// With --key-file PATH, the key is written to PATH, a new file that only you can read, and the
/// repository opens without a passphrase (for unattended use). Without --key-file and --repo, the key
/// goes to its default place. With --repo alone a passphrase is asked for, or taken from
/// ESKER_PASSWORD, ESKER_PASSWORD_FILE or ESKER_PASSWORD_COMMAND, which also count without --repo.
/// The recovery key is printed once: it opens the repository alone, when all else is lost.
///
/// The store is tried out first (`esker probe` shows how it did). Where it cannot keep several writers apart, this
/// machine is the only one that writes; others read, and `esker takeover` moves it.
#[derive(clap::Args)]
pub struct Args {
    /// Only this machine is to write, whatever the store can do
    #[arg(long)]
    single_writer: bool,
}

#[derive(Serialize)]
struct Made<'a> {
    repository: String,
    location: String,
    key_file: Option<String>,
    recovery_key: &'a str,
    #[serde(flatten)]
    writers: Writers,
    probe: Found,
}

pub fn run(global: &Global, args: &Args) -> Outcome {
    let places = places(global)?;
    if places.folder().is_some_and(|f| f.join(esker_format::names::CONFIG).exists()) {
        let location = places.repository.to_string();
        return Err(Error::AlreadyThere { location }.into());
    }
    let new = NewKey::draw();
    let key_file = match &global.key_file {
        Some(path) => Some(path.clone()),
        None if places.is_default && !passphrase_named() => Some(places.default_key.clone()),
        None => None,
    };
    let store = places.repository.create(&options(global, &places)?)?;
    // Before there is a key that nobody needs: a service may be out of reach, or not ours.
    if places.folder().is_none() && has_config(&*store)? {
        return Err(Error::AlreadyThere { location: store.location() }.into());
    }
    let state = places.state.as_deref();
    // Before there is a key, too: it may be no place for a repository.
    let (mode, probed) = Mode::choose(&*store, state, args.single_writer)?;
    if let Some(path) = &key_file {
        key::file::write(path, &new.material())?;
        make(&*store, &new, None, &mode)?;
    } else {
        let passphrase = key::new_passphrase(global)?;
        make(&*store, &new, Some((&passphrase, Cost::RECOMMENDED)), &mode)?;
    }
    // Where it cannot be kept, the first run tries again.
    let _ = probed.keep(state, new.repository, &*store);
    let writers = Writers::new(&mode, mode.holder());
    let recovery = new.recovery();
    if global.json {
        show::json(&Made {
            repository: new.repository.to_string(),
            location: places.repository.to_string(),
            key_file: key_file.map(|p| p.display().to_string()),
            recovery_key: &recovery,
            writers,
            probe: Found::new(&probed, &*store),
        })?;
        return Ok(Exit::Ok);
    }
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    if !global.quiet {
        writeln!(out, "made repository {} in {}", new.repository, places.repository)?;
        if let Some(path) = &key_file {
            writeln!(out, "its key is in {}", path.display())?;
        }
        if mode != Mode::Shared {
            writeln!(out, "{}", told_writers(&mode, &probed, &*store))?;
        }
    }
    writeln!(out, "recovery key, shown only now:\n\n    {}\n", recovery.as_str())?;
    if !global.quiet {
        writeln!(out, "{KEEP}")?;
    }
    Ok(Exit::Ok)
}

const KEEP: &str = "Write it down and keep it away from this machine and from the repository. It opens the repository
alone; without it and without the key nobody can read what is saved.";

/// Who may write to a repository that was made here, and why not everybody.
fn told_writers(mode: &Mode, probed: &Probed, store: &dyn Store) -> String {
    let who = Writers::new(mode, mode.holder()).words();
    let why = probed.why_single(store).unwrap_or_else(|| "as you asked".to_owned());
    format!("who may write: {who}: {}", show::name(why.as_bytes()))
}

fn passphrase_named() -> bool {
    ["ESKER_PASSWORD", "ESKER_PASSWORD_FILE", "ESKER_PASSWORD_COMMAND"]
        .iter()
        .any(|name| std::env::var_os(name).is_some())
}

fn make(
    store: &dyn Store,
    new: &NewKey,
    passphrase: Option<(&str, Cost)>,
    mode: &Mode,
) -> Result<(), Failure> {
    let program = concat!("esker ", env!("CARGO_PKG_VERSION"));
    create_in_mode(store, new, passphrase, show::now(), program, mode, &mut entropy())?;
    Ok(())
}

/// Makes the default repository for a first snapshot, and says where everything is. A key file
/// that is there already, from an attempt that was interrupted, is used.
pub fn make_default(global: &Global, places: &Places) -> Result<(), Failure> {
    let path: &PathBuf = global.key_file.as_ref().unwrap_or(&places.default_key);
    // The default place is one.
    let Some(folder) = places.folder() else { return Ok(()) };
    // Asked once: another first run may make one at any moment, and that is not the key drawn here.
    let has_key = path.exists();
    let new = match has_key {
        true => match key::file::read(path)? {
            KeyMaterial::Owner(owner) => NewKey::from_material(&owner),
            KeyMaterial::Writer(_) => {
                return Err(Failure::usage(format!(
                    "{} is a writer's key; a new repository needs its owner's",
                    path.display()
                )));
            }
        },
        false => NewKey::draw(),
    };
    let is_made = || folder.join(esker_format::names::CONFIG).exists();
    if has_key && (!folder.exists() || has_caches_of(places, &new)) && !is_made() {
        // A disk that is not mounted, perhaps. A second repository with the same key beside it would
        // look like a history that was rolled back.
        let location = folder.display().to_string();
        return Err(Failure::Usage(
            format!("the repository that {} opens is not in {location}", path.display()),
            Some(
                "mount or bring back what holds it, or name it with --repo; to begin a new one, move \
                 the key file away first"
                    .to_owned(),
            ),
        ));
    }
    let store = match LocalStore::create(folder) {
        // Another first run was faster.
        Err(_) if has_key && is_made() => return Ok(()),
        Err(_) if has_key && is_begun(folder) => LocalStore::open(folder)?,
        other => other?,
    };
    if !has_key {
        match key::file::write(path, &new.material()) {
            Err(_) if path.exists() => return make_default(global, places),
            other => other?,
        }
    }
    // With the key: who is interrupted here goes on with it.
    let state = places.state.as_deref();
    let (mode, probed) = Mode::choose(&store, state, false)?;
    // Before there is a repository: who is interrupted behind it would never show the recovery key.
    show::note(&format!("making a repository in {}", folder.display()));
    show::note(&format!("its key is in          {}", path.display()));
    show::note(&format!("recovery key, shown only now:\n\n    {}\n", new.recovery().as_str()));
    show::note(KEEP);
    show::note("");
    match make(&store, &new, None, &mode) {
        // Another first snapshot, at the same time and with the same key.
        Err(Failure::Repository(Error::AlreadyThere { .. })) => {}
        other => other?,
    }
    let _ = probed.keep(state, new.repository, &store);
    if mode != Mode::Shared {
        show::note(&told_writers(&mode, &probed, &store));
    }
    Ok(())
}

/// Whether there are caches of the repository that a key opens: then it was there before.
fn has_caches_of(places: &Places, key: &NewKey) -> bool {
    let Ok(mut entries) = std::fs::read_dir(&places.cache) else { return false };
    let prefix = format!("{}-", key.repository);
    entries.any(|entry| {
        entry.is_ok_and(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
    })
}

/// Whether a folder holds nothing but what an attempt that was interrupted can have left there.
/// Whose attempt it was, its log tells.
fn is_begun(folder: &Path) -> bool {
    let Ok(mut entries) = std::fs::read_dir(folder) else { return false };
    entries.all(|entry| {
        entry.is_ok_and(|entry| {
            let name = entry.file_name();
            ["log", "config", "probe", "lost+found"].iter().any(|own| name == *own)
                || name.as_encoded_bytes().starts_with(b".tmp-")
        })
    })
}
