//! What a service has answered to one try.
//!
//! OpenDAL makes errors of its own out of answers, each service in its way. The status and the words
//! of the service are taken from the answer itself, below OpenDAL, so that they are the same for all.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

tokio::task_local! {
    /// The try that this task is making: OpenDAL has no way through it for a word to the transport.
    static CURRENT: Arc<Attempt>;
}

/// One try of one operation.
#[derive(Debug, Default)]
pub(super) struct Attempt {
    answer: Mutex<Answer>,
}

/// The last answer of a try; nothing is known when none came.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    /// The status of HTTP.
    pub status: Option<u16>,
    /// The length of the body, as the answer said before it.
    pub length: Option<u64>,
    /// The word for the error that programs look at: "NoSuchBucket".
    pub code: Option<String>,
    /// What the service says about the error.
    pub message: Option<String>,
    /// The region where the bucket really is.
    pub region: Option<String>,
    /// When it was sent, by the clock of the service, in seconds since 1970.
    pub date: Option<i64>,
    /// How long to wait before the next try.
    pub retry_after: Option<Duration>,
}

impl Attempt {
    /// Runs one try; what is answered meanwhile can be read from `self` afterwards.
    pub async fn run<T>(self: &Arc<Self>, future: impl Future<Output = T>) -> T {
        CURRENT.scope(Arc::clone(self), future).await
    }

    /// The last answer.
    pub fn answer(&self) -> Answer {
        self.lock().clone()
    }

    /// Forgets the last answer: another request follows.
    pub fn forget(&self) {
        *self.lock() = Answer::default();
    }

    fn lock(&self) -> MutexGuard<'_, Answer> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes the answer of the try that this task is making.
pub(super) fn note(answer: Answer) {
    // Outside of a try nobody wants to know.
    let _ = CURRENT.try_with(|attempt| *attempt.lock() = answer);
}

impl Answer {
    /// Takes the words from the body of an error: XML of S3 and Azure, JSON of B2 and Google.
    pub fn read_words(&mut self, body: &[u8]) {
        let body = String::from_utf8_lossy(body);
        self.code = field(&body, "Code").or_else(|| field(&body, "code"));
        self.message = field(&body, "Message").or_else(|| field(&body, "message"));
    }

    /// Both words in one line.
    pub fn words(&self) -> Option<String> {
        let status = self.status?;
        let mut words = match (&self.message, &self.code) {
            (Some(message), Some(code)) => format!("{message} ({code})"),
            (Some(word), None) | (None, Some(word)) => word.clone(),
            (None, None) => format!("the service answered with status {status}"),
        };
        if let Some(region) = &self.region
            && matches!(status, 301 | 307 | 400)
        {
            words = format!("{words}; the bucket is in region {region}");
        }
        Some(words)
    }
}

/// The text of an XML element or of a JSON string, whichever there is, made fit for a terminal.
fn field(body: &str, name: &str) -> Option<String> {
    let xml = || {
        let (_, rest) = body.split_once(&format!("<{name}>"))?;
        Some(rest.split_once("</")?.0)
    };
    let json = || {
        let (_, rest) = body.split_once(&format!("\"{name}\""))?;
        let rest = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
        Some(rest.split_once('"')?.0)
    };
    let text = xml().or_else(json)?;
    let plain = text.replace("&quot;", "'").replace("&apos;", "'").replace("&amp;", "&");
    let line = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    // Longest message that is still read by anybody.
    let line: String = line.chars().filter(|c| !c.is_control()).take(500).collect();
    Some(line).filter(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(status: u16, body: &str) -> Option<String> {
        let mut answer = Answer { status: Some(status), ..Answer::default() };
        answer.read_words(body.as_bytes());
        answer.words()
    }

    #[test]
    fn the_words_of_a_service_are_found_in_xml_and_json() {
        let xml = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>\n<Message>Access\n Denied</Message></Error>";
        assert_eq!(words(403, xml).unwrap(), "Access Denied (AccessDenied)");
        let json = r#"{ "code": "bad_auth_token", "message": "Invalid token", "status": 401 }"#;
        assert_eq!(words(401, json).unwrap(), "Invalid token (bad_auth_token)");
        assert_eq!(words(502, "<html>").unwrap(), "the service answered with status 502");
    }

    #[test]
    fn what_a_terminal_would_obey_is_left_out() {
        let xml = "<Message>\u{1b}[2Jgone</Message>";
        assert_eq!(words(500, xml).unwrap(), "[2Jgone");
    }
}
