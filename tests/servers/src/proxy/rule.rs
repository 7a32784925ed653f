//! What to do with which requests: `KIND WHERE DEED [LIMIT]...`.
//!
//! - KIND: `*`, a method, `LIST` (a GET that lists a bucket), `READ` (any other GET) or `PUT-plain` (a PUT without
//!   `If-None-Match: *`).
//! - WHERE: `*`, or words that the path with its query holds.
//! - DEED: see [`Deed`].
//! - LIMIT: `times=N`, only so often; `after=N`, not for the first N that fit; `one-in=N`, by chance.

use std::str::FromStr;

use super::request::Request;

/// A rule, and how often it fitted.
#[derive(Debug)]
pub struct Rule {
    kind: String,
    place: String,
    /// What happens to the request.
    pub deed: Deed,
    times: u64,
    after: u64,
    one_in: u64,
    fitted: u64,
    obeyed: u64,
    chance: u64,
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// `answer STATUS CODE`: an error in the words of S3; the server does not hear of the request.
    Answer(u16, String),
    /// `say TEXT`: an answer with status 200 and this text, blanks as `_`; the server does not hear of the request.
    Say(String),
    /// `drop`: the connection is closed; the server does not hear of the request.
    Drop,
    /// `hang`: nothing more happens on this connection; the server does not hear of the request.
    Hang,
    /// `lose`: the server does it, and its answer is lost.
    Lose,
    /// `after STATUS CODE`: the server does it, and the answer is this error.
    Late(u16, String),
    /// `twice`: the server gets it twice, and the second answer is handed on.
    Twice,
    /// `strip`: the server gets it without `If-None-Match`.
    Strip,
    /// `cut`: half of the answer's body comes, then the connection is closed.
    Cut,
    /// `stall`: half of the answer's body comes, then nothing more.
    Stall,
    /// `short`: half of the answer's body comes, and the answer says that this is all.
    Short,
    /// `flip`: one bit in the middle of the answer's body is another.
    Flip,
    /// `pass`: nothing happens to it.
    Pass,
}

impl Rule {
    /// Whether this rule is the one for `request`; it counts.
    pub fn takes(&mut self, request: &Request) -> bool {
        let fits = match self.kind.as_str() {
            "*" => true,
            "LIST" => request.is_list(),
            "READ" => request.method == "GET" && !request.is_list(),
            "PUT-plain" => request.method == "PUT" && !request.is_only_if_absent(),
            method => request.method == method,
        };
        if !fits || !(self.place == "*" || request.target.contains(&self.place)) {
            return false;
        }
        self.fitted += 1;
        if self.fitted <= self.after || self.obeyed >= self.times || !self.is_drawn() {
            return false;
        }
        self.obeyed += 1;
        true
    }

    /// The same sequence in every run.
    fn is_drawn(&mut self) -> bool {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance.is_multiple_of(self.one_in)
    }
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut words = line.split_whitespace();
        let mut word = |what: &str| {
            words.next().map(str::to_owned).ok_or_else(|| format!("{what} is missing in: {line}"))
        };
        let (kind, place, deed) = (word("the kind")?, word("the place")?, word("the deed")?);
        let mut error = || {
            let status = word("the status")?;
            let status = status.parse().map_err(|_| format!("what status is {status}?"))?;
            Ok::<_, String>((status, word("the code")?))
        };
        let deed = match deed.as_str() {
            "answer" => error().map(|(status, code)| Deed::Answer(status, code))?,
            "after" => error().map(|(status, code)| Deed::Late(status, code))?,
            "say" => Deed::Say(word("the text")?.replace('_', " ")),
            "drop" => Deed::Drop,
            "hang" => Deed::Hang,
            "lose" => Deed::Lose,
            "twice" => Deed::Twice,
            "strip" => Deed::Strip,
            "cut" => Deed::Cut,
            "stall" => Deed::Stall,
            "short" => Deed::Short,
            "flip" => Deed::Flip,
            "pass" => Deed::Pass,
            other => return Err(format!("what deed is {other}?")),
        };
        let mut rule = Self {
            kind,
            place,
            deed,
            times: u64::MAX,
            after: 0,
            one_in: 1,
            fitted: 0,
            obeyed: 0,
            chance: 0x9e37_79b9_7f4a_7c15,
        };
        for limit in words {
            let number = |text: &str| text.parse().map_err(|_| format!("what number is {text}?"));
            match limit.split_once('=') {
                Some(("times", n)) => rule.times = number(n)?,
                Some(("after", n)) => rule.after = number(n)?,
                Some(("one-in", n)) => rule.one_in = number(n)?.max(1),
                _ => return Err(format!("what limit is {limit}?")),
            }
        }
        Ok(rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, target: &str) -> Request {
        Request { method: method.to_owned(), target: target.to_owned(), ..Request::default() }
    }

    #[test]
    fn a_rule_fits_by_kind_and_place_and_only_so_often() {
        let mut rule: Rule = "PUT /pack/ answer 503 SlowDown after=1 times=1".parse().unwrap();
        assert_eq!(rule.deed, Deed::Answer(503, "SlowDown".to_owned()));
        assert!(!rule.takes(&request("GET", "/bucket/pack/1")));
        assert!(!rule.takes(&request("PUT", "/bucket/log/1")));
        let pack = request("PUT", "/bucket/pack/1");
        assert_eq!([rule.takes(&pack), rule.takes(&pack), rule.takes(&pack)], [false, true, false]);
    }

    #[test]
    fn a_listing_is_no_read_and_a_put_that_replaces_is_plain() {
        let fits = |kind: &str, request: &Request| {
            format!("{kind} * drop").parse::<Rule>().unwrap().takes(request)
        };
        let list = request("GET", "/bucket?list-type=2&prefix=x");
        assert!(fits("LIST", &list) && !fits("READ", &list) && fits("GET", &list));
        let mut put = request("PUT", "/bucket/x");
        assert!(fits("PUT-plain", &put));
        put.headers.push(("if-none-match".to_owned(), "*".to_owned()));
        assert!(!fits("PUT-plain", &put) && fits("PUT", &put));
    }

    #[test]
    fn chance_takes_about_as_many_as_it_should() {
        let mut rule: Rule = "* * lose one-in=10".parse().unwrap();
        let taken = (0..10_000).filter(|_| rule.takes(&request("GET", "/"))).count();
        assert!((800..1200).contains(&taken), "{taken}");
    }

    #[test]
    fn what_makes_no_sense_is_no_rule() {
        for line in ["PUT", "PUT * explode", "PUT * answer", "PUT * answer x y", "PUT * drop often"]
        {
            assert!(line.parse::<Rule>().is_err(), "{line}");
        }
    }
}
