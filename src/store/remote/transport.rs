//! Requests over HTTP: what OpenDAL hands down, sent by reqwest.
//!
//! A connection on which nothing moves for a while is given up, in either direction. A limit on the whole
//! request would be none that fits both a log entry and a pack on a slow line.

mod body;
mod listing;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use http::header::{CONTENT_LENGTH, IF_NONE_MATCH, RANGE, RETRY_AFTER};
use http::{HeaderMap, Request, Response, StatusCode};
use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport};

use self::body::{Bodies, Moved, Upload, lost, stalled};
use self::listing::Listing;
use super::attempt::{Answer, note};
use super::clock::seconds;

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
    /// Whether every PUT is one of a new object, whatever OpenDAL says of the service.
    only_new: bool,
}

impl Transport {
    /// A transport that gives up where nothing moves for `stall`. Without `tls` it cannot speak to https,
    /// and needs no certificates of authorities.
    pub fn new(stall: Duration, tls: bool, only_new: bool) -> Result<Self, reqwest::Error> {
        // The first one counts, and they are all the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT.min(stall))
            .user_agent(concat!("esker/", env!("CARGO_PKG_VERSION")))
            .http1_only();
        if !tls {
            builder = builder.tls_certs_only([]);
        }
        Ok(Self { client: builder.build()?, stall, only_new })
    }
}

impl HttpTransport for Transport {
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        let uri = request.uri().clone();
        let (mut parts, body) = request.into_parts();
        if self.only_new && parts.method == http::Method::PUT {
            parts.headers.insert(IF_NONE_MATCH, http::HeaderValue::from_static("*"));
        }
        let url = reqwest::Url::parse(&uri.to_string())
            .map_err(|e| Error::new(ErrorKind::ConfigInvalid, "not a URL").set_source(e))?;
        let is_metadata = url.host_str() == Some(METADATA_HOST);
        let stall = if is_metadata { METADATA_WAIT } else { self.stall };
        let wanted = range(&parts.headers);
        let is_head = parts.method == http::Method::HEAD;
        let listing = Listing::of(&parts.method, &uri);

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
            date: text(&headers, "date").and_then(|date| seconds(&date)),
            retry_after: number(&headers, RETRY_AFTER).map(Duration::from_secs),
            ..Answer::default()
        };
        let whole = Bodies { stall, is_head };
        let body = if let Some(listing) = listing.filter(|_| status.is_success()) {
            let page = whole.page(answered).await?;
            listing.expect(&page)?;
            let length = page.len() as u64;
            HttpBody::new(stream::iter([Ok(Buffer::from(page))]), Some(length))
        } else if status.is_success() {
            // An object that the range covers may come as a whole, nothing else.
            if let Some((from, wanted)) = wanted
                && status == StatusCode::OK
                && (from > 0 || length.is_none_or(|length| length > wanted))
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

/// Where the range of a request begins, and how many bytes it asks for.
fn range(headers: &HeaderMap) -> Option<(u64, u64)> {
    let (from, to) = headers.get(RANGE)?.to_str().ok()?.strip_prefix("bytes=")?.split_once('-')?;
    let from = from.parse().ok()?;
    Some((from, to.parse::<u64>().ok()?.checked_sub(from)?.checked_add(1)?))
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn number(headers: &HeaderMap, name: http::HeaderName) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("stall", &self.stall).finish_non_exhaustive()
    }
}
