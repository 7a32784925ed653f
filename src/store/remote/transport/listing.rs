//! Answers that should be listings, looked at before OpenDAL does.
//!
//! OpenDAL takes any XML for a listing: a page of HTML that some proxy sends instead is an empty one to it, and one
//! that says that there is more and not where, it begins anew for ever. Nothing may look like a shorter
//! listing, so an answer has to say itself that it is one, and whether it is the last.

use http::{Method, Uri};
use opendal::{Error, ErrorKind};

/// Longest page of a listing: services give 5000 names at most.
pub(super) const PAGE_MAX: usize = 64 << 20;

/// A listing that somebody asked for, in the words of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listing {
    /// The element that is the whole answer.
    root: &'static str,
    /// The element that says whether there is more, when it says so with a word.
    more: Option<&'static str>,
    /// The element that says where it goes on; it is there and empty where nothing comes any more.
    next: &'static str,
}

const S3: Listing =
    Listing { root: "ListBucketResult", more: Some("IsTruncated"), next: "NextContinuationToken" };
const AZURE: Listing = Listing { root: "EnumerationResults", more: None, next: "NextMarker" };

impl Listing {
    /// The listing that a request asks for; none when it asks for something else.
    pub fn of(method: &Method, uri: &Uri) -> Option<Self> {
        let query = uri.query().filter(|_| method == Method::GET)?;
        let mut words = query.split('&');
        words.find_map(|word| match word {
            "list-type=2" => Some(S3),
            "comp=list" => Some(AZURE),
            _ => None,
        })
    }

    /// Fails unless `body` is such a listing, whole. It may be one the next time.
    pub fn expect(self, body: &[u8]) -> opendal::Result<()> {
        let body = String::from_utf8_lossy(body);
        let fail = |why: &str| {
            Err(Error::new(ErrorKind::Unexpected, format!("the answer is no listing: {why}"))
                .set_temporary())
        };
        let text = body.trim_start_matches('\u{feff}').trim();
        let begins = text
            .split('<')
            .map(str::trim)
            .find(|tag| !tag.is_empty() && !tag.starts_with('?') && !tag.starts_with('!'));
        let is_root = |tag: &str| {
            let rest = tag.strip_prefix(self.root);
            rest.is_some_and(|rest| rest.starts_with(|c: char| c == '>' || c.is_whitespace()))
        };
        if !begins.is_some_and(is_root) {
            let start: String = text.chars().filter(|c| !c.is_control()).take(60).collect();
            return fail(&format!("it begins with {start:?}"));
        }
        if !text.ends_with(&format!("</{}>", self.root)) {
            return fail("it breaks off");
        }
        let next = element(text, self.next);
        match self.more.map(|more| element(text, more)) {
            Some(Some("false")) => Ok(()),
            Some(Some("true")) if next.is_some_and(|next| !next.is_empty()) => Ok(()),
            Some(Some("true")) => fail("there is more, and it does not say where"),
            Some(_) => fail("it does not say whether there is more"),
            None if next.is_some() => Ok(()),
            None => fail("it does not say whether there is more"),
        }
    }
}

/// The text of the first element of a name.
fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("<{name}"))?;
    if rest.trim_start().starts_with("/>") {
        return Some("");
    }
    let (text, _) = rest.strip_prefix('>')?.split_once("</")?;
    Some(text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uri: &str) -> Option<Listing> {
        Listing::of(&Method::GET, &uri.parse().unwrap())
    }

    #[test]
    fn what_is_asked_tells_what_must_be_answered() {
        assert_eq!(of("http://h/bucket?list-type=2&prefix=a"), Some(S3));
        assert_eq!(of("http://h/container?restype=container&comp=list&prefix=a"), Some(AZURE));
        assert_eq!(of("http://h/bucket/list-type=2"), None);
        assert_eq!(Listing::of(&Method::PUT, &"http://h/b?list-type=2".parse().unwrap()), None);
    }

    #[test]
    fn a_listing_says_that_it_is_one_and_whether_it_is_the_last() {
        let s3 = |body: &str| S3.expect(body.as_bytes()).map_err(|e| e.message().to_owned());
        let root = |inner: &str| {
            format!(
                "<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"x\">{inner}</ListBucketResult>\n"
            )
        };
        s3(&root("<IsTruncated>false</IsTruncated>")).unwrap();
        s3(&root(
            "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>",
        ))
        .unwrap();
        for (body, why) in [
            (root(""), "whether there is more"),
            (root("<IsTruncated>true</IsTruncated>"), "does not say where"),
            (root("<IsTruncated>true</IsTruncated><NextContinuationToken/>"), "does not say where"),
            ("<html><body>Log in</body></html>".to_owned(), "begins with \"<html><body>Log in"),
            (String::new(), "begins with"),
            ("{}".to_owned(), "begins with"),
            ("<ListBucketResult><IsTruncated>false</IsTruncated>".to_owned(), "breaks off"),
            ("<ListBucketResults></ListBucketResult>".to_owned(), "begins with"),
        ] {
            let error = s3(&body).unwrap_err();
            assert!(error.contains(why), "{body}: {error}");
        }
        AZURE.expect(b"\xef\xbb\xbf<?xml version=\"1.0\"?><EnumerationResults a=\"b\"><Blobs /><NextMarker /></EnumerationResults>").unwrap();
        AZURE.expect(b"<EnumerationResults><Blobs /></EnumerationResults>").unwrap_err();
    }
}
