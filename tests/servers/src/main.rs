//! `esker-test-s3 FOLDER [--without-lock | --replaces]`: an S3 server that keeps buckets as folders below FOLDER.
//!
//! It listens on a free port of 127.0.0.1, writes `http://127.0.0.1:PORT` to standard output, and ends when
//! standard input does, so that no test leaves one behind. Its access key is `esker`, and so is the
//! first part of its secret; see [`SECRET`].
//!
//! Its S3 is the crate s3s-fs, whose put-if-absent looks first and renames then: of writers at the same
//! time more than one may be told that it was the first. A lock for each key makes one of the two. With
//! `--without-lock` it is left out, to show that the tests notice. With `--replaces` a PUT always replaces what
//! is there, as servers do that do not know the condition.

mod keys;

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use keys::Keys;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

const ACCESS_KEY: &str = "esker";
const SECRET: &str = "esker-secret";

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let usage = "usage: esker-test-s3 FOLDER [--without-lock | --replaces]";
    let folder = words.next().ok_or(usage)?;
    let (keys, replaces) = match words.next().as_deref() {
        Some("--without-lock") => (None, false),
        Some("--replaces") => (Some(Arc::new(Keys::default())), true),
        Some(other) => return Err(format!("what is {other}?").into()),
        None => (Some(Arc::new(Keys::default())), false),
    };
    let manner = Manner { folder: folder.into(), keys, replaces };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build()?;
    runtime.block_on(serve(manner))?;
    // Without waiting for connections that are open.
    runtime.shutdown_background();
    Ok(())
}

/// How the server goes about it.
#[derive(Clone)]
struct Manner {
    /// Where the buckets are.
    folder: PathBuf,
    /// Locks, where puts wait for each other.
    keys: Option<Arc<Keys>>,
    /// Whether a PUT replaces what is there, whatever it says.
    replaces: bool,
}

async fn serve(manner: Manner) -> Result<(), Box<dyn Error>> {
    let files = s3s_fs::FileSystem::new(&manner.folder).map_err(|e| format!("{e:?}"))?;
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET));
    let service = builder.build();

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut out = std::io::stdout();
    writeln!(out, "http://{}", listener.local_addr()?)?;
    out.flush()?;

    let mut input = tokio::io::stdin();
    let mut left = [0; 64];
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                tokio::spawn(connection(stream, service.clone(), manner.clone()));
            }
            read = input.read(&mut left) => if read? == 0 { return Ok(()) },
        }
    }
}

/// As S3 says it.
fn no_such_bucket() -> s3s::HttpResponse {
    let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchBucket</Code>\
                <Message>The specified bucket does not exist</Message></Error>";
    let mut answer = s3s::HttpResponse::new(s3s::Body::from(body.to_owned()));
    *answer.status_mut() = hyper::StatusCode::NOT_FOUND;
    answer
}

/// Answers the requests of one connection until it is closed.
async fn connection(stream: TcpStream, service: S3Service, manner: Manner) {
    let _ = stream.set_nodelay(true);
    let answer = service_fn(|request| {
        let (service, manner) = (service.clone(), manner.clone());
        let path = request.uri().path().trim_start_matches('/');
        let object = manner.folder.join(path);
        let bucket = path.split('/').next().map(|bucket| manner.folder.join(bucket));
        async move {
            // s3s-fs makes a bucket that is missing.
            if bucket.is_none_or(|bucket| !bucket.is_dir()) {
                return Ok(no_such_bucket());
            }
            let is_put = *request.method() == hyper::Method::PUT;
            let held = match &manner.keys {
                Some(keys) if is_put => Some(keys.lock(request.uri().path()).await),
                _ => None,
            };
            if is_put && manner.replaces && object.is_file() {
                // What is not there is in no condition's way.
                let _ = std::fs::remove_file(object);
            }
            let answer = hyper::service::Service::call(&service, request).await;
            drop(held);
            answer
        }
    });
    // A client that goes away is no concern of ours.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
}
