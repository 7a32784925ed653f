//! The way to a service: certificates, and the proxies of an environment.

use super::Site;
use crate::support::{Ran, S3Server, needs, write_private};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A certificate for 127.0.0.1, its key, and the authority that nobody else knows.
fn certificate(folder: &Path) -> [PathBuf; 3] {
    let openssl = |words: &[&str]| {
        let mut command = Command::new("openssl");
        command.current_dir(folder).args(words).stderr(Stdio::null());
        assert!(command.status().unwrap().success(), "{command:?}");
    };
    std::fs::write(folder.join("names"), "subjectAltName=IP:127.0.0.1").unwrap();
    let new = ["req", "-newkey", "rsa:2048", "-nodes"];
    let authority =
        ["-x509", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=tests"];
    openssl(&[&new[..], &authority].concat());
    openssl(
        &[&new[..], &["-keyout", "key.pem", "-out", "asked", "-subj", "/CN=127.0.0.1"]].concat(),
    );
    let sign =
        ["x509", "-req", "-in", "asked", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
    openssl(&[&sign[..], &["-days", "2", "-out", "cert.pem", "-extfile", "names"]].concat());
    ["cert.pem", "key.pem", "ca.pem"].map(|name| folder.join(name))
}

struct Tls(Child);

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn over_https_a_certificate_counts_that_an_authority_signed_which_this_machine_knows() {
    if !needs("openssl") || !needs("python3") {
        return;
    }
    let site = Site::empty(91);
    let folder = site.home.path("certificates");
    std::fs::create_dir(&folder).unwrap();
    let [certificate, key, authority] = certificate(&folder);
    let port = site.proxy.endpoint.rsplit(':').next().unwrap();
    let mut tls = Command::new("python3")
        .arg("tests/servers/tls.py")
        .args([port.as_ref(), certificate.as_os_str(), key.as_os_str()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut port = String::new();
    BufReader::new(tls.stdout.take().unwrap()).read_line(&mut port).unwrap();
    let _tls = Tls(tls);
    let endpoint = format!("https://127.0.0.1:{}", port.trim());
    let text = S3Server::stores_at(&endpoint, "esker", "esker-secret");
    write_private(&site.home.path("proxied.toml"), &text);

    let told = site.run(&["init"]).exit(1);
    told.says(&["s3://bucket/host", "certificate", "UnknownIssuer", "SSL_CERT_FILE"]);
    assert!(site.proxy.report().is_empty() && !site.home.path("key").exists());
    let run = |words: &[&str]| {
        let mut command = site.command("proxied.toml", "key");
        Ran::of(command.env("SSL_CERT_FILE", &authority).args(words))
    };
    run(&["init"]).ok();
    run(&["snapshot", site.source().to_str().unwrap()]).ok();
    run(&["check", "--read-data"]).ok();
    site.expect_sound();
}

#[test]
fn the_proxy_that_the_environment_names_is_used() {
    let site = Site::empty(92);
    // Nobody has this name; only the proxy is asked for it.
    let text = S3Server::stores_at("http://s3.invalid:9000", "esker", "esker-secret");
    write_private(&site.home.path("proxied.toml"), &text);
    let run = |words: &[&str]| {
        let mut command = site.command("proxied.toml", "key");
        Ran::of(command.env("http_proxy", &site.proxy.endpoint).args(words))
    };
    run(&["init"]).ok();
    run(&["snapshot", site.source().to_str().unwrap()]).ok();
    run(&["check"]).ok();
    assert!(site.proxy.report().len() > 10);
    site.expect_sound();
}
