//! The recipes of docs/guide/databases.md, with the databases themselves. Each runs a server of its own in a
//! folder for temporary files, or none.

use crate::support::{Home, Ran, skipped};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where a program is; administration programs are not on everybody's PATH.
fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let versions = versions.map(|version| version.unwrap().path().join("bin"));
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]).chain(versions);
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// All of these programs, or a skipped test.
fn programs<const N: usize>(names: [&str; N]) -> Option<[PathBuf; N]> {
    let found = names.map(|name| (name, program(name)));
    if let Some((name, _)) = found.iter().find(|(_, path)| path.is_none()) {
        skipped(&format!("needs the program {name}"));
        return None;
    }
    Some(found.map(|(_, path)| path.unwrap()))
}

/// A server that ends with this value.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[track_caller]
fn wait(what: &str, mut is_there: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !is_there() {
        assert!(Instant::now() < until, "{what} does not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// A user that servers run as, who is not root, and whom the folder belongs to now.
fn give(folder: &Path) -> Option<(u32, u32)> {
    rustix::process::geteuid().is_root().then(|| {
        std::os::unix::fs::chown(folder, Some(65_534), Some(65_534)).unwrap();
        (65_534, 65_534)
    })
}

fn under(command: &mut Command, user: Option<(u32, u32)>) -> &mut Command {
    match user {
        Some((uid, gid)) => command.uid(uid).gid(gid),
        None => command,
    }
}

/// A folder that other users can get to.
fn open_folder() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

#[test]
fn a_mariadb_comes_back_from_its_dump_and_a_dump_that_fails_is_no_snapshot() {
    let names = ["mariadb-install-db", "mariadbd", "mariadb-dump", "mariadb"];
    let Some([install, server, dump, client]) = programs(names) else { return };
    let folder = open_folder();
    let user = give(folder.path());
    let (data, socket) = (folder.path().join("data"), folder.path().join("socket"));
    let mut made = Command::new(install);
    made.arg(format!("--datadir={}", data.display()));
    made.args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
    let made = under(&mut made, user).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut begun = Command::new(server);
    begun.args(["--no-defaults", "--skip-networking", "--log-bin=log", "--server-id=1"]);
    begun
        .arg(format!("--datadir={}", data.display()))
        .arg(format!("--socket={}", socket.display()));
    let _server = Server(quiet(under(&mut begun, user)).spawn().unwrap());
    let at = format!("--socket={}", socket.display());
    let sql = |text: &str| {
        let mut command = Command::new(&client);
        Ran::of(command.args(["--no-defaults", "-uroot", "-N", &at, "-e", text]))
    };
    wait("the server", || sql("select 1").code == 0);
    sql("create database shop; use shop; create table shop.a (n int primary key, t text) engine=innodb; \
         insert into shop.a select seq, md5(seq) from seq_1_to_20000")
    .ok();
    let sum = || sql("checksum table shop.a").ok().out;
    let before = sum();

    let home = Home::new();
    let save = |options: &[&str]| {
        let (dump, trailer) = (text(&dump), ["--expect-trailer", "-- Dump completed"]);
        let mut words = vec!["snapshot", "--label", "db", "--command", "all.sql"];
        words.extend(trailer);
        words.extend(["--", &dump, "--no-defaults", "-uroot", &at, "--single-transaction"]);
        words.extend(["--master-data=2", "--gtid", "--routines", "--events", "--triggers"]);
        words.extend(["--hex-blob", "--skip-dump-date", "--databases", "shop"]);
        words.extend(options);
        home.run(words)
    };
    save(&[]).ok();
    // A broken view ends the dump in the middle, with most of it written.
    sql("create table shop.b (n int); create view shop.v as select n from shop.b; drop table shop.b").ok();
    save(&[]).exit(1).says(&["all.sql was not saved", "ended with exit code 2"]);
    assert_eq!(super::snapshots(&home), 1);

    sql("drop database shop").ok();
    let client = text(&client);
    let words = ["restore", "db:latest:/all.sql", "--to-command", &client, "--"];
    home.run(words.iter().chain(&["--no-defaults", "-uroot", &at])).ok();
    assert_eq!(sum(), before);
    let bad = home.run(words.iter().chain(&["--no-defaults", "-unobody", &at]));
    assert_eq!(bad.code, 1, "{bad:?}");
}

#[test]
fn a_postgresql_comes_back_with_its_roles() {
    let names = ["initdb", "postgres", "pg_dump", "pg_dumpall", "psql", "pg_restore"];
    let Some([init, server, dump, all, psql, restore]) = programs(names) else { return };
    let folder = open_folder();
    let user = give(folder.path());
    let data = folder.path().join("data");
    let mut made = Command::new(init);
    made.args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "-N", "-D"]).arg(&data);
    let made = under(&mut made, user).current_dir("/").output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut begun = Command::new(server);
    begun.arg("-D").arg(&data).args(["-c", "listen_addresses=", "-k"]).arg(folder.path());
    let _server = Server(quiet(under(&mut begun, user)).current_dir("/").spawn().unwrap());
    let host = text(folder.path());
    let at = ["-h", host.as_str(), "-U", "postgres"];
    let sql = |database: &str, text: &str| {
        let mut command = Command::new(&psql);
        let ran = command.args(at).args(["-X", "-q", "-A", "-t", "-d", database, "-c", text]);
        Ran::of(ran.env("PGOPTIONS", "-c client_min_messages=error"))
    };
    wait("the server", || sql("postgres", "select 1").code == 0);
    sql("postgres", "create role clerk login").ok();
    sql("postgres", "create database shop owner clerk").ok();
    sql("shop", "create table a as select n, md5(n::text) t from generate_series(1, 20000) n").ok();
    let sum = || sql("shop", "select md5(string_agg(t, '' order by n)) from a").ok().out;
    let before = sum();

    let home = Home::new();
    let [dump, all, psql_path, restore] =
        [dump, all, psql.clone(), restore].map(|path| text(&path));
    let save = |database: &str| {
        let mut words = vec!["snapshot", "--label", "pg", "--command", "globals.sql"];
        words.extend(["--command", "shop.dump", "--", &all, "--globals-only"]);
        words.extend(at);
        words.extend([";", &dump, "--format=custom", "--compress=0"]);
        words.extend(at);
        words.push(database);
        home.run(words)
    };
    save("shop").ok();
    let added =
        |ran: Ran| ran.ok().out.lines().find(|l| l.starts_with("added")).unwrap().to_owned();
    let again = added(save("shop"));
    assert!(again.contains(" KiB ("), "a dump that is not compressed adds little: {again}");
    save("nowhere").exit(1).says(&["shop.dump was not saved", "ended with exit code 1"]);
    assert_eq!(super::snapshots(&home), 2);

    sql("postgres", "drop database shop").ok();
    sql("postgres", "drop role clerk").ok();
    let feed = |file: &str, program: &str, options: &[&str]| {
        let what = format!("pg:latest:/{file}");
        let mut words = vec!["restore", &what, "--to-command", program, "--"];
        words.extend(at);
        words.extend(options);
        home.run(words).ok();
    };
    feed("globals.sql", &psql_path, &["-X", "-q", "-d", "postgres"]);
    feed("shop.dump", &restore, &["--exit-on-error", "--create", "-d", "postgres"]);
    assert_eq!(sum(), before);
    let owner = "select pg_get_userbyid(datdba) from pg_database where datname = 'shop'";
    assert_eq!(sql("postgres", owner).ok().out, "clerk\n");
}

#[test]
fn an_ldap_comes_back_byte_for_byte() {
    let Some([cat, add]) = programs(["slapcat", "slapadd"]) else { return };
    if !Path::new("/etc/ldap/schema/core.ldif").exists() {
        return skipped("needs the schema of slapd");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let ldif = format!(
        "dn: cn=config\nobjectClass: olcGlobal\ncn: config\n\n\
         dn: cn=module,cn=config\nobjectClass: olcModuleList\ncn: module\nolcModulePath: /usr/lib/ldap\n\
         olcModuleLoad: back_mdb\n\n\
         dn: cn=schema,cn=config\nobjectClass: olcSchemaConfig\ncn: schema\n\n\
         include: file:///etc/ldap/schema/core.ldif\n\n\
         dn: olcDatabase=mdb,cn=config\nobjectClass: olcDatabaseConfig\nobjectClass: olcMdbConfig\n\
         olcDatabase: mdb\nolcSuffix: dc=example\nolcDbDirectory: {}\n",
        path("data").display()
    );
    std::fs::write(path("config.ldif"), ldif).unwrap();
    for name in ["config", "data"] {
        std::fs::create_dir(path(name)).unwrap();
    }
    let config = text(&path("config"));
    let run = |words: &[&str]| Ran::of(Command::new(&add).args(["-F", &config]).args(words));
    run(&["-n", "0", "-l", path("config.ldif").to_str().unwrap()]).ok();
    let mut data =
        "dn: dc=example\nobjectClass: dcObject\nobjectClass: organization\no: x\ndc: example\n"
            .to_owned();
    for number in 0..500 {
        data.push_str(&format!(
            "\ndn: ou=u{number},dc=example\nobjectClass: organizationalUnit\nou: u{number}\n"
        ));
    }
    std::fs::write(path("data.ldif"), data).unwrap();
    run(&["-b", "dc=example", "-l", path("data.ldif").to_str().unwrap()]).ok();

    let home = Home::new();
    let slapcat = text(&cat);
    let save = |suffix: &str| {
        let words =
            ["snapshot", "--label", "ldap", "--command", "config.ldif", "--command", "data.ldif"];
        let both = ["--", &slapcat, "-F", &config, "-n", "0", ";", &slapcat, "-F", &config];
        let options = ["-o", "ldif-wrap=no", "-b", suffix];
        home.run(words.iter().chain(&both).chain(&options))
    };
    save("dc=example").ok();
    save("dc=elsewhere").exit(1).says(&["data.ldif was not saved", "ended with exit code 1"]);
    assert_eq!(super::snapshots(&home), 1);
    let before = home.run(["cat", "ldap:latest:/data.ldif"]).ok().out;
    assert_eq!(before.matches("\ndn: ").count(), 500);

    std::fs::rename(path("data"), path("old")).unwrap();
    std::fs::create_dir(path("data")).unwrap();
    let program = text(&add);
    let words =
        ["restore", "ldap:latest:/data.ldif", "--to-command", &program, "--", "-F", &config];
    home.run(words.iter().chain(&["-u", "-b", "dc=example"])).ok();
    home.run(words.iter().chain(&["-q", "-b", "dc=example"])).ok();
    let mut again = Command::new(&cat);
    let again = again.args(["-F", &config, "-o", "ldif-wrap=no", "-b", "dc=example"]);
    assert!(Ran::of(again).ok().out == before);
}
