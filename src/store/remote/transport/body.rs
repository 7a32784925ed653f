//! Bodies on their way, watched for signs of life.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http_body::{Frame, SizeHint};
use opendal::{Buffer, Error, ErrorKind, HttpBody};
use tokio::time::Sleep;

use super::listing::PAGE_MAX;

/// Longest body of an error that is read.
const ERROR_MAX: usize = 64 << 10;

/// How bodies of answers are read.
pub(super) struct Bodies {
    /// Time without a sign of life.
    pub stall: Duration,
    /// Whether the answer has a length and no body.
    pub is_head: bool,
}

impl Bodies {
    /// A whole body, piece by piece.
    pub fn stream(&self, answered: reqwest::Response, length: Option<u64>) -> HttpBody {
        let sleep = Box::pin(tokio::time::sleep(self.stall));
        let inner = Box::pin(answered.bytes_stream());
        let body = Download { inner, stall: self.stall, sleep, is_waiting: false };
        // The length that HEAD tells is of a body that does not come.
        HttpBody::new(body, length.filter(|_| !self.is_head))
    }

    /// A whole page of a listing, in one piece.
    pub async fn page(&self, answered: reqwest::Response) -> opendal::Result<Bytes> {
        let mut stream = answered.bytes_stream();
        let mut body = Vec::new();
        loop {
            let next = tokio::time::timeout(self.stall, stream.next()).await;
            match next.map_err(|_| stalled(self.stall))? {
                Some(Ok(bytes)) => body.extend_from_slice(&bytes),
                Some(Err(error)) => return Err(lost("the answer was cut off", error)),
                None => return Ok(body.into()),
            }
            if body.len() > PAGE_MAX {
                return Err(Error::new(ErrorKind::Unexpected, "the listing has no end"));
            }
        }
    }

    /// The beginning of a body.
    pub async fn short(&self, answered: reqwest::Response) -> opendal::Result<Bytes> {
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

/// What broke on the way.
pub(super) fn lost(what: &'static str, error: reqwest::Error) -> Error {
    if let Some(why) = distrust(&error) {
        let message = format!(
            "the server's certificate is not trusted ({why}); SSL_CERT_FILE names a file with the authorities \
             that are"
        );
        return Error::new(ErrorKind::Unexpected, message);
    }
    // A request that could not even be made will not get better.
    let temporary = !error.is_builder() && !error.is_redirect();
    Error::new(ErrorKind::Unexpected, what)
        .with_temporary(temporary)
        .set_source(error.without_url())
}

/// What is wrong with the certificate, when that is it.
fn distrust(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(rustls::Error::InvalidCertificate(why)) = error.downcast_ref() {
        return Some(format!("{why:?}"));
    }
    // An error of input and output does not tell what it was made of as its source.
    let inner = error.downcast_ref::<std::io::Error>().and_then(|io| io.get_ref());
    inner.and_then(|inner| distrust(inner)).or_else(|| distrust(error.source()?))
}

/// That nothing moved.
pub(super) fn stalled(stall: Duration) -> Error {
    let seconds = stall.as_secs_f64();
    let message = format!("nothing came and nothing went for {seconds} seconds");
    Error::new(ErrorKind::Unexpected, message).set_temporary()
}

/// When something moved last.
pub(super) struct Moved {
    start: Instant,
    millis: AtomicU64,
}

impl Moved {
    /// Now.
    pub fn new() -> Self {
        Self { start: Instant::now(), millis: AtomicU64::new(0) }
    }

    fn now(&self) {
        let millis = self.start.elapsed().as_millis();
        self.millis.store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Ends when nothing has moved for `stall`.
    pub async fn stops_for(&self, stall: Duration) {
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
pub(super) struct Upload {
    /// What is still to be sent.
    pub body: Buffer,
    /// Where signs of life are noted.
    pub moved: Arc<Moved>,
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
