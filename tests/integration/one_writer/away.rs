//! The same in services.

#[cfg(feature = "s3")]
#[test]
fn a_repository_in_s3_is_for_every_machine() {
    use super::{HERE, Scene, THERE};
    let server = crate::support::S3Server::start();
    let scene = Scene::at("s3://bucket/backups", &server.stores_file());
    let made = scene.run(HERE, &["init", "--json"]).ok().json().remove(0);
    assert_eq!(made["mode"], "shared", "{made}");
    assert!(made["probe"]["clock_ahead"].as_i64().unwrap().abs() < 60, "{made}");
    assert_eq!(made["probe"]["can_delete"], true);
    scene.snapshot(HERE).ok().says_nothing();
    scene.snapshot(THERE).ok().says_nothing();
    assert_eq!(
        std::fs::read_dir(server.bucket().join("backups/probe")).map_or(0, Iterator::count),
        0
    );
    scene.run(HERE, &["check", "--read-data"]).ok();
}

#[cfg(feature = "webdav")]
#[test]
fn a_repository_over_webdav_is_for_the_machine_that_made_it() {
    use super::{HERE, Scene, THERE};
    let Some(server) = crate::support::DavServer::start() else { return };
    let scene = Scene::at(&format!("{}/backups", server.address), &server.stores_file());
    let made = scene.run(HERE, &["init"]).ok();
    assert!(made.out.contains("who may write: only this machine"), "{}", made.out);
    scene.snapshot(HERE).ok().says_nothing();
    scene.snapshot(THERE).exit(1).says(&["may write to this repository", "esker takeover"]);
    scene.run(THERE, &["ls", "latest"]).ok().says_nothing();
    scene.run(THERE, &["takeover", "--shared"]).exit(1).says(&["more than one writer"]);
    scene.run(THERE, &["takeover"]).ok();
    scene.snapshot(THERE).ok();
    scene.snapshot(HERE).exit(1);
    assert_eq!(scene.probe(THERE, &[])["probe"]["known_for_several_writers"], false);
    scene.run(HERE, &["check", "--read-data"]).ok();
}

#[cfg(feature = "webdav")]
#[test]
fn a_repair_over_webdav_begins_when_no_other_run_of_its_machine_writes() {
    use super::{HERE, Scene};
    let Some(server) = crate::support::DavServer::start() else { return };
    let scene = Scene::at(&format!("{}/backups", server.address), &server.stores_file());
    scene.run(HERE, &["init"]).ok();
    scene.snapshot(HERE).ok();
    let copy = scene.home.path("copy").display().to_string();
    scene.run(HERE, &["sync", "-q", &copy]).ok();
    let lost = server.files().join("backups/log/0/2");
    std::fs::remove_file(&lost).unwrap();
    let locks = scene.home.path(HERE).join("state/esker/lock");
    let lock = std::fs::read_dir(&locks).unwrap().next().unwrap().unwrap().path();
    let lock = std::fs::File::open(lock).unwrap();
    lock.lock().unwrap();
    scene.run(HERE, &["repair", "--from", &copy]).exit(6).says(&["no other machine write"]);
    assert!(!lost.exists());
    lock.unlock().unwrap();
    scene.run(HERE, &["repair", "--from", &copy]).ok();
    assert!(lost.exists());
    scene.run(HERE, &["check", "--read-data"]).ok();
}
