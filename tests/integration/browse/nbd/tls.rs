//! Other machines come in over TLS alone.

use super::{LEN, Server, image};
use crate::support::loops::does;
use crate::support::{Home, Ran, needs};
use std::process::Command;

/// An authority of this name, or a certificate of one for localhost, with its key, called as libnbd wants it.
fn certificate(home: &Home, name: &str, authority: Option<&str>) {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    command.args(["-nodes", "-days", "30", "-subj"]).arg(format!("/CN={name}"));
    if let Some(authority) = authority {
        command.arg("-CA").arg(home.path(format!("{authority}-cert.pem")));
        command.arg("-CAkey").arg(home.path(format!("{authority}-key.pem")));
        command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        command.args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]);
    }
    command.arg("-keyout").arg(home.path(format!("{name}-key.pem")));
    command.arg("-out").arg(home.path(format!("{name}-cert.pem")));
    does(&mut command);
}

/// A folder with these files, for a client.
fn folder(home: &Home, name: &str, files: &[&str]) {
    std::fs::create_dir(home.path(name)).unwrap();
    for file in files {
        std::fs::copy(home.path(file), home.path(name).join(file)).unwrap();
    }
}

#[test]
fn with_tls_nothing_is_told_to_whoever_does_not_use_it() {
    if cfg!(not(feature = "s3")) || !["openssl", "nbdinfo", "nbdcopy"].iter().all(|p| needs(p)) {
        return;
    }
    let home = Home::new();
    let (_, bytes) = image(&home);
    certificate(&home, "ca", None);
    certificate(&home, "server", Some("ca"));
    certificate(&home, "client", Some("ca"));
    folder(&home, "any", &["ca-cert.pem"]);
    folder(&home, "known", &["ca-cert.pem", "client-cert.pem", "client-key.pem"]);
    let path = |name: &str| home.path(name).display().to_string();
    let start = |more: &[&str]| {
        let mut command = home.command();
        command.args(["nbd", "--json", "latest", "--listen", "0.0.0.0:0", "--allow-remote"]);
        command.arg("--tls-cert").arg(path("server-cert.pem"));
        command.arg("--tls-key").arg(path("server-key.pem")).args(more);
        let server = Server::start(&mut command);
        let port = server.told["address"].as_str().unwrap().rsplit_once(':').unwrap().1.to_owned();
        (server, port)
    };
    let secret = |port: &str, folder: &str| {
        format!("nbds://localhost:{port}/?tls-certificates={}", path(folder))
    };
    let (server, port) = start(&[]);
    let plain = Ran::of(Command::new("nbdinfo").arg(format!("nbd://localhost:{port}")));
    assert_ne!(plain.code, 0);
    assert!(!plain.out.contains(&LEN.to_string()));
    does(Command::new("nbdcopy").arg(secret(&port, "any")).arg(home.path("copy")));
    assert!(std::fs::read(home.path("copy")).unwrap() == bytes);
    server.end();
    // With an authority, only those whom it knows.
    let authority = path("ca-cert.pem");
    let (_server, port) = start(&["--tls-client-ca", &authority]);
    assert_ne!(Ran::of(Command::new("nbdinfo").arg(secret(&port, "any"))).code, 0);
    does(Command::new("nbdcopy").arg(secret(&port, "known")).arg(home.path("again")));
    assert!(std::fs::read(home.path("again")).unwrap() == bytes);
}

#[test]
fn files_that_make_no_tls_are_named() {
    if cfg!(not(feature = "s3")) {
        return;
    }
    let home = Home::new();
    image(&home);
    let file = home.write("nothing.pem", "").display().to_string();
    let words =
        ["nbd", "latest", "--listen", "127.0.0.1:0", "--tls-cert", &file, "--tls-key", &file];
    home.run(words).exit(1).says(&["nothing.pem has no certificate"]);
}
