//! A writer's full day with a store that gives it no right to delete and none to replace: nothing that it does
//! needs either.

use super::{Site, saved};
use crate::support::{Asked, Draw, Ran};
use std::process::Stdio;

/// Runs the program with a writer's key, as a host of its own.
fn host(site: &Site, name: &str, words: &[&str]) -> Ran {
    Ran::of(command(site, name).args(words))
}

fn command(site: &Site, name: &str) -> std::process::Command {
    let mut command = site.command("proxied.toml", &format!("{name}.key"));
    command
        .env("XDG_CACHE_HOME", site.home.path(format!("{name} cache")))
        .env("XDG_STATE_HOME", site.home.path(format!("{name} state")));
    command
}

/// What a bucket policy gives: no delete, and puts only where there is nothing.
fn forbid(site: &Site) {
    site.proxy.rule("DELETE * answer 403 AccessDenied");
    site.proxy.rule("PUT-plain * answer 403 AccessDenied");
}

#[track_caller]
fn expect_nothing_refused(asked: &[Asked], is_owner: bool) {
    // Whoever may collect finds out at first use whether the store lets it delete. A writer does not try.
    let is_tried = |asked: &&Asked| asked.kind == "DELETE" && asked.target.contains("/probe/");
    let mut refused: Vec<_> = asked.iter().filter(|asked| asked.status == 403).collect();
    if is_owner {
        refused.retain(|asked| !is_tried(asked));
    }
    assert!(refused.is_empty(), "{refused:?}");
    let puts = asked.iter().filter(|asked| asked.kind == "PUT");
    assert!(puts.clone().count() > 0 && puts.clone().all(|put| put.if_absent), "{asked:?}");
    assert!(!asked.iter().any(|asked| asked.kind == "POST"), "no upload in parts: {asked:?}");
}

#[test]
fn a_writers_day_needs_no_right_to_delete_or_to_replace() {
    let site = Site::new(1);
    for name in ["web", "mail"] {
        let key = site.home.path(format!("{name}.key"));
        let words = ["key", "export-writer", "--name", name, key.to_str().unwrap()];
        site.direct(&words).ok();
    }
    forbid(&site);
    let (source, path) = (site.source(), site.source().to_str().unwrap().to_owned());
    let web = |words: &[&str]| host(&site, "web", words);

    // The first snapshot, one that finds nothing, one that skips, one that only looks.
    let first = saved(&web(&["snapshot", "--json", &path]).ok());
    web(&["snapshot", &path]).ok().says_nothing();
    web(&["snapshot", "--skip-if-unchanged", &path]).ok();
    site.change(1);
    web(&["snapshot", "--dry-run", &path]).ok();
    // A run of more than a pack that is killed in the middle of it, and the next one, which goes on.
    let mut draw = Draw::new(77);
    for n in 0..40 {
        site.home.write(&format!("source/large/{n}"), draw.noise(1 << 20));
    }
    let before = site.names("pack");
    expect_nothing_refused(&site.proxy.report(), false);
    let mut killed =
        command(&site, "web").args(["snapshot", &path]).stderr(Stdio::null()).spawn().unwrap();
    while site.objects("pack") < before.len() + 2 {
        assert!(killed.try_wait().unwrap().is_none(), "it ended before its second pack");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    site.proxy.report();
    let done: Vec<_> = site.names("pack").into_iter().filter(|n| !before.contains(n)).collect();
    web(&["snapshot", &path]).ok();
    // What was there was not sent once more: after it was looked for. (What was on its way may be told of late.)
    let asked = site.proxy.report();
    let is_sent = |name: &&String| {
        let mut of_pack = asked.iter().filter(|asked| asked.target.contains(name.as_str()));
        of_pack.any(|asked| asked.kind == "HEAD")
            && of_pack.any(|asked| asked.kind == "PUT" && asked.bytes > 0)
    };
    assert!(done.len() >= 2 && !done.iter().any(|name| is_sent(&name)), "{done:?} {asked:?}");
    expect_nothing_refused(&asked, false);
    // Two runs at once of one host, and another host beside them.
    site.change(2);
    let spawn = |name: &str| {
        let mut command = command(&site, name);
        command.args(["snapshot", "--json", "--label", "at once", &path]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let runs = [spawn("web"), spawn("web"), spawn("mail")];
    let at_once = runs.map(|run| saved(&Ran::from_output(run.wait_with_output().unwrap()).ok()));
    // Whoever lost the cache, and the state.
    for folder in ["web cache", "web state"] {
        std::fs::remove_dir_all(site.home.path(folder)).unwrap();
    }
    site.change(3);
    let last = saved(&web(&["snapshot", "--json", &path]).ok());
    // What it may look at.
    let listed = web(&["snapshots", "--json"]).ok();
    for id in [&first, &last, &at_once[0], &at_once[1]] {
        assert!(listed.out.contains(id.as_str()), "{id} is not listed");
    }
    assert!(!listed.out.contains(&at_once[2]), "that is of another scope");
    web(&["stats"]).ok();
    web(&["check"]).ok();
    // What a writer may not is refused before anything is asked of the store.
    web(&["forget", "latest", "--whole-series"]).exit(12);
    web(&["gc"]).exit(12);

    expect_nothing_refused(&site.proxy.report(), false);
    site.proxy.clear();
    let compare = format!("{last}:{}", source.display());
    let target = site.home.path("target");
    site.direct(&["restore", &compare, target.to_str().unwrap()]).ok();
    let mut diff = std::process::Command::new("diff");
    assert!(diff.arg("-r").arg(&source).arg(&target).status().unwrap().success());
    let checked = site.direct(&["check", "--read-data"]).ok();
    assert!(checked.out.contains("no damage found"), "{checked:?}");
}

#[test]
fn an_owner_needs_neither_for_all_but_collecting() {
    let site = Site::empty(2);
    forbid(&site);
    site.run(&["init"]).ok();
    let first = saved(&site.save().ok());
    site.change(1);
    site.save().ok();
    site.run(&["tag", &first, "--add", "x"]).ok();
    site.run(&["hold", &first]).ok();
    site.run(&["unhold", &first]).ok();
    site.run(&["forget", &first]).ok();
    site.run(&["unforget", &first]).ok();
    let key = site.home.path("writer.key");
    site.run(&["key", "export-writer", "--name", "host", key.to_str().unwrap()]).ok();
    site.run(&["revoke", "host"]).ok();
    let mut slot = site.command("proxied.toml", "key");
    Ran::of(slot.env("ESKER_NEW_PASSWORD", "secret").args(["key", "add"])).ok();
    site.run(&["check", "--read-data"]).ok();
    site.run(&["gc", "--dry-run"]).ok();
    expect_nothing_refused(&site.proxy.report(), true);
    site.expect_sound();
}

#[test]
fn a_copy_is_made_and_brought_up_to_date_without_either() {
    let site = Site::new(3);
    forbid(&site);
    site.save().ok();
    let sync = |more: &[&str]| {
        let words = ["sync", "s3://bucket/copy"];
        site.run(&[&words[..], more].concat())
    };
    sync(&[]).ok();
    site.change(1);
    site.save().ok();
    sync(&["--dry-run"]).ok();
    sync(&[]).ok();
    expect_nothing_refused(&site.proxy.report(), true);
    site.direct(&["--repo", "s3://bucket/copy", "check", "--read-data"]).ok();
    // Taking it into service deletes one object: that needs more rights, and it says so.
    site.run(&["--repo", "s3://bucket/copy", "promote"])
        .exit(1)
        .says(&["hint:", "an account that may"]);
    site.direct(&["--repo", "s3://bucket/copy", "promote"]).ok();
}
