//! Requests over HTTP: what OpenDAL hands down, sent by reqwest.
//!
//! A connection on which nothing moves for a while is given up, in either direction. A limit on the whole
//! request would be none that fits both a log entry and a pack on a slow line.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::header::{CONTENT_LENGTH, RANGE, RETRY_AFTER};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Frame, SizeHint};
use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport};
use tokio::time::Sleep;

use super::attempt::{Answer, note};

/// Longest body of an error that is read.
const ERROR_MAX: usize = 64 << 10;
/// Where clouds tell machines their credentials. On other machines nobody answers there.
const METADATA_HOST: &str = "169.254.169.254";
/// That host is next door or not there.
const METADATA_WAIT: Duration = Duration::from_secs(1);
/// Wait for a connection at most.
const CONNECT: Duration = Duration::from_secs(15);

/// Sends requests.
pub(super) struct Transport {
    client: reqwest::Client,
    stall: Duration,
}

impl Transport {
    /// A transport that gives up where nothing moves for `stall`. Without `tls` it cannot speak to https,
    /// and needs no certificates of authorities.
    pub fn new(stall: Duration, tls: bool) -> Result<Self, reqwest::Error> {
        // The first one counts, and they are all the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT.min(stall))
            .user_agent(concat!("esker/", env!("CARGO_PKG_VERSION")))
            .http1_only();
        if !tls {
            builder = builder.tls_certs_only([]);
        }
        Ok(Self { client: builder.build()?, stall })
    }
}

impl HttpTransport for Transport {
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        let uri = request.uri().clone();
        let (parts, body) = request.into_parts();
        let url = reqwest::Url::parse(&uri.to_string())
            .map_err(|e| Error::new(ErrorKind::ConfigInvalid, "not a URL").set_source(e))?;
        let is_metadata = url.host_str() == Some(METADATA_HOST);
        let stall = if is_metadata { METADATA_WAIT } else { self.stall };
        let wanted = range_len(&parts.headers);
        let is_head = parts.method == http::Method::HEAD;

        let moved = Arc::new(Moved::new());
        let mut builder = self.client.request(parts.method, url).headers(parts.headers);
        if !body.is_empty() {
            builder = builder.body(reqwest::Body::wrap(Upload { body, moved: Arc::clone(&moved) }));
        }
        let answered = tokio::select! {
            answered = builder.send() => answered.map_err(|e| lost("cannot send the request", e))?,
            () = moved.stops_for(stall) => return Err(stalled(stall)),
        };
        let (status, headers) = (answered.status(), answered.headers().clone());
        let length = number(&headers, CONTENT_LENGTH);
        let mut answer = Answer {
            status: Some(status.as_u16()),
            length,
            region: text(&headers, "x-amz-bucket-region"),
            retry_after: number(&headers, RETRY_AFTER).map(Duration::from_secs),
            ..Answer::default()
        };
        let whole = Bodies { stall, is_head };
        let body = if status.is_success() {
            if let Some(wanted) = wanted
                && status == StatusCode::OK
                && length.is_some_and(|length| length > wanted)
            {
                return Err(Error::new(ErrorKind::Unexpected, "it does not read ranges"));
            }
            whole.stream(answered, length)
        } else {
            let body = whole.short(answered).await?;
            answer.read_words(&body);
            let length = body.len() as u64;
            HttpBody::new(stream::iter([Ok(Buffer::from(body))]), Some(length))
        };
        if !is_metadata {
            note(answer);
        }
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        // Services look there for what was asked.
        response.extensions_mut().insert(uri);
        Ok(response)
    }
}

/// How bodies of answers are read.
struct Bodies {
    stall: Duration,
    is_head: bool,
}

impl Bodies {
    fn stream(&self, answered: reqwest::Response, length: Option<u64>) -> HttpBody {
        let sleep = Box::pin(tokio::time::sleep(self.stall));
        let inner = Box::pin(answered.bytes_stream());
        let body = Download { inner, stall: self.stall, sleep, is_waiting: false };
        // The length that HEAD tells is of a body that does not come.
        HttpBody::new(body, length.filter(|_| !self.is_head))
    }

    /// The beginning of a body.
    async fn short(&self, answered: reqwest::Response) -> opendal::Result<Bytes> {
        let mut stream = answered.bytes_stream();
        let mut body = Vec::new();
        while body.len() < ERROR_MAX {
            let next = tokio::time::timeout(self.stall, stream.next()).await;
            match next.map_err(|_| stalled(self.stall))? {
                Some(Ok(bytes)) => body.extend_from_slice(&bytes),
                // The status counts, however much of its reasons got lost.
                Some(Err(_)) | None => break,
            }
        }
        body.truncate(ERROR_MAX);
        Ok(body.into())
    }
}

/// How many bytes a request with a range asks for.
fn range_len(headers: &HeaderMap) -> Option<u64> {
    let (from, to) = headers.get(RANGE)?.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
    to.parse::<u64>().ok()?.checked_sub(from.parse().ok()?)?.checked_add(1)
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn number(headers: &HeaderMap, name: http::HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

fn lost(what: &'static str, error: reqwest::Error) -> Error {
    // A request that could not even be made will not get better.
    let temporary = !error.is_builder() && !error.is_redirect();
    Error::new(ErrorKind::Unexpected, what)
        .with_temporary(temporary)
        .set_source(error.without_url())
}

fn stalled(stall: Duration) -> Error {
    let seconds = stall.as_secs_f64();
    let message = format!("nothing came and nothing went for {seconds} seconds");
    Error::new(ErrorKind::Unexpected, message).set_temporary()
}

/// When something moved last.
struct Moved {
    start: Instant,
    millis: AtomicU64,
}

impl Moved {
    fn new() -> Self {
        Self { start: Instant::now(), millis: AtomicU64::new(0) }
    }

    fn now(&self) {
        let millis = self.start.elapsed().as_millis();
        self.millis.store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Ends when nothing has moved for `stall`.
    async fn stops_for(&self, stall: Duration) {
        loop {
            let last = Duration::from_millis(self.millis.load(Ordering::Relaxed));
            let still = self.start.elapsed().saturating_sub(last);
            match stall.checked_sub(still) {
                None | Some(Duration::ZERO) => return,
                Some(rest) => tokio::time::sleep(rest).await,
            }
        }
    }
}

/// A body on its way out. Each piece that is taken is a sign of life.
struct Upload {
    body: Buffer,
    moved: Arc<Moved>,
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.moved.now();
        Poll::Ready(Iterator::next(&mut self.body).map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.body.len() as u64)
    }
}

/// A body on its way in.
struct Download<S> {
    inner: Pin<Box<S>>,
    stall: Duration,
    sleep: Pin<Box<Sleep>>,
    /// Whether the clock runs: it is set when there is nothing to read, not for every piece.
    is_waiting: bool,
}

impl<S: Stream<Item = reqwest::Result<Bytes>>> Stream for Download<S> {
    type Item = opendal::Result<Buffer>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.inner.as_mut().poll_next(context) {
            Poll::Ready(next) => {
                self.is_waiting = false;
                let next = next.map(|piece| {
                    piece.map(Buffer::from).map_err(|e| lost("the answer was cut off", e))
                });
                // An empty piece would look like the end.
                match next {
                    Some(Ok(piece)) if piece.is_empty() => {
                        context.waker().wake_by_ref();
                        Poll::Pending
                    }
                    next => Poll::Ready(next),
                }
            }
            Poll::Pending => {
                if !self.is_waiting {
                    self.is_waiting = true;
                    let end = tokio::time::Instant::now() + self.stall;
                    self.sleep.as_mut().reset(end);
                }
                match self.sleep.as_mut().poll(context) {
                    Poll::Ready(()) => Poll::Ready(Some(Err(stalled(self.stall)))),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("stall", &self.stall).finish_non_exhaustive()
    }
}
