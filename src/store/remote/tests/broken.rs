//! Services that answer badly.

use super::RemoteStore;
use super::script::{Deed, Script};
use crate::store::{Durability, Put, Store, StoreErrorKind};

const TAKEN: Deed = Deed::Answer(412, "", "<Error><Code>PreconditionFailed</Code></Error>");
const BUSY: Deed =
    Deed::Answer(503, "", "<Error><Code>SlowDown</Code><Message>Slow down</Message></Error>");
const HEAD: Deed = Deed::Answer(200, "Content-Length: 1\r\n", "");
const NONE: Deed = Deed::Answer(404, "", "");
const GOOD: Deed = Deed::Answer(200, "", "12345");

#[test]
fn a_write_whose_answer_got_lost_looks_for_itself_before_it_is_tried_again() {
    let (put, head) = ("PUT /bucket/x/a HTTP/1.1 if-none-match", "HEAD /bucket/x/a HTTP/1.1");
    let write =
        |script: &Script| script.open("retries=3").put_new("a", &[b"1"], Durability::Now).unwrap();
    let script = Script::new(vec![Deed::Close, HEAD]);
    assert_eq!((write(&script), script.requests()), (Put::Exists, vec![put.into(), head.into()]));
    // It was not there then, and is by now.
    let script = Script::new(vec![Deed::Close, NONE, TAKEN]);
    assert_eq!(write(&script), Put::Exists);
    assert_eq!(script.requests(), [put, head, put]);
    // Nobody answers to either.
    let script = Script::new(vec![Deed::Close, Deed::Close, Deed::Close, NONE, GOOD]);
    assert_eq!(write(&script), Put::Stored);
    assert_eq!(script.requests(), [put, head, put, head, put]);
    // An answer is an answer.
    let script = Script::new(vec![BUSY, GOOD]);
    assert_eq!((write(&script), script.requests()), (Put::Stored, vec![put.into(), put.into()]));
}

#[test]
fn every_write_is_one_request_that_puts_only_if_absent() {
    let script = Script::new(vec![GOOD]);
    let large = vec![7; 40 << 20];
    let store = script.open("");
    assert_eq!(store.put_new("a", &[&large, b"1"], Durability::Now).unwrap(), Put::Stored);
    assert_eq!(store.put_new("b", &[], Durability::AtBarrier).unwrap(), Put::Stored);
    let asked = |name| format!("PUT /bucket/x/{name} HTTP/1.1 if-none-match");
    assert_eq!(script.requests(), [asked("a"), asked("b")]);
}

#[test]
fn a_busy_service_is_asked_again_and_at_last_told_with_its_words() {
    let script = Script::new(vec![BUSY, BUSY, GOOD]);
    let mut out = Vec::new();
    script.open("retries=2").get("a", 9, &mut out).unwrap();
    assert_eq!((out.as_slice(), script.requests().len()), (&b"12345"[..], 3));

    let script = Script::new(vec![BUSY]);
    let error = script.open("retries=1").get("a", 9, &mut out).unwrap_err();
    assert_eq!((error.kind, script.requests().len()), (StoreErrorKind::Unreachable, 2));
    assert_eq!(error.source.unwrap().to_string(), "Slow down (SlowDown) (tried 2 times)");
}

#[test]
fn a_body_that_is_cut_off_is_read_again() {
    let cut = Deed::Answer(200, "Content-Length: 9\r\n", "123");
    let script = Script::new(vec![cut.clone(), cut.clone(), GOOD]);
    let mut out = Vec::new();
    script.open("retries=2").get("a", 99, &mut out).unwrap();
    assert_eq!((out.as_slice(), script.requests().len()), (&b"12345"[..], 3));

    let script = Script::new(vec![cut]);
    let error = script.open("retries=0").get("a", 99, &mut out).unwrap_err();
    assert_eq!((error.kind, out.len()), (StoreErrorKind::Unreachable, 0));
}

#[test]
fn a_range_that_is_answered_with_everything_is_an_error() {
    let script = Script::new(vec![GOOD]);
    let mut out = Vec::new();
    for (offset, len) in [(1, 2), (1, 5), (0, 2)] {
        let error = script.open("").get_range("a", offset, len, &mut out).unwrap_err();
        assert_eq!((error.kind, out.len()), (StoreErrorKind::Other, 0), "{error:?}");
    }
    // All that there is, where more was asked for.
    let error = script.open("").get_range("a", 0, 9, &mut out).unwrap_err();
    assert_eq!((error.kind, out.len()), (StoreErrorKind::Truncated, 0), "{error:?}");
}

#[test]
fn a_connection_that_hangs_is_given_up() {
    let script = Script::new(vec![Deed::Hang]);
    let error = script.open("timeout=0.2&retries=1").size("a").unwrap_err();
    assert_eq!((error.kind, script.requests().len()), (StoreErrorKind::Unreachable, 2));
    assert!(error.source.unwrap().to_string().starts_with("nothing came and nothing went for 0.2"));
}

#[test]
fn what_will_not_get_better_is_not_tried_again() {
    let denied = "<Error><Code>AccessDenied</Code><Message>No</Message></Error>";
    let script = Script::new(vec![Deed::Answer(403, "", denied)]);
    let error = script.open("").delete("a").unwrap_err();
    assert_eq!((error.kind, script.requests().len()), (StoreErrorKind::Permission, 1));
    assert_eq!(error.source.unwrap().to_string(), "No (AccessDenied)");
}

#[test]
fn a_bucket_elsewhere_is_told_with_its_region() {
    let moved = "<Error><Code>PermanentRedirect</Code><Message>Elsewhere</Message></Error>";
    let script = Script::new(vec![Deed::Answer(301, "x-amz-bucket-region: eu-west-1\r\n", moved)]);
    let error = script.open("").get("a", 9, &mut Vec::new()).unwrap_err();
    let words = error.source.unwrap().to_string();
    assert_eq!(words, "Elsewhere (PermanentRedirect); the bucket is in region eu-west-1");
}

const PAGE_1: Deed = Deed::Answer(
    200,
    "",
    "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>\
     <Contents><Key>x/a</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>1</ETag><Size>1</Size></Contents>\
     <Contents><Key>x/b</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>1</ETag><Size>2</Size></Contents>\
     </ListBucketResult>",
);
const PAGE_2: Deed = Deed::Answer(
    200,
    "",
    "<ListBucketResult><IsTruncated>false</IsTruncated>\
     <Contents><Key>x/c</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>1</ETag><Size>3</Size></Contents>\
     </ListBucketResult>",
);

fn listed(store: &RemoteStore) -> (Vec<String>, Option<StoreErrorKind>) {
    let mut names = Vec::new();
    let listed = store.list("", &mut |found| names.push(found.name));
    (names, listed.err().map(|error| error.kind))
}

#[test]
fn a_listing_that_breaks_off_goes_on_behind_the_last_name() {
    let script = Script::new(vec![PAGE_1, BUSY, PAGE_2]);
    assert_eq!(listed(&script.open("retries=2")), (vec!["a".into(), "b".into(), "c".into()], None));
    let requests = script.requests();
    assert!(requests[1].contains("continuation-token=t"), "{requests:?}");
    assert!(requests[2].contains("start-after=x/b"), "{requests:?}");
}

#[test]
fn a_listing_that_cannot_go_on_is_an_error_and_not_a_shorter_one() {
    let cut = Deed::Answer(200, "", "<ListBucketResult><Contents><Key>x/a</Key>");
    let portal = Deed::Answer(200, "", "<html><body>Please log in</body></html>");
    let endless = Deed::Answer(
        200,
        "",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
    );
    for last in [BUSY, Deed::Close, cut, portal, endless, Deed::Answer(403, "", "")] {
        let script = Script::new(vec![PAGE_1, last]);
        let (names, error) = listed(&script.open("retries=1"));
        assert_eq!(names, ["a", "b"]);
        assert!(error.is_some());
    }
}
