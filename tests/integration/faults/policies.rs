//! The policies of the guide, word by word: what a host, an owner and a collector ask for, and what a thief may not.

use super::{Site, saved};
use crate::support::Asked;
use serde_json::Value;

/// The policies of the bucket, of the hosts' role and of the collector's, as the guide has them.
fn policies() -> [Value; 3] {
    let guide = std::fs::read_to_string("docs/guide/offsite.md").unwrap();
    let blocks = guide.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let read: Vec<Value> = blocks.map(|block| serde_json::from_str(block).unwrap()).collect();
    read.try_into().unwrap()
}

const HOST: &str = "arn:aws:iam::111122223333:role/esker-host";
const COLLECTOR: &str = "arn:aws:iam::111122223333:role/esker-collector";

/// A request, as a policy sees it.
struct Seen<'a> {
    role: &'a str,
    action: &'static str,
    resource: String,
    if_absent: bool,
}

impl<'a> Seen<'a> {
    fn of(role: &'a str, asked: &Asked) -> Self {
        let path = asked.target.split('?').next().unwrap();
        let key = path.strip_prefix("/bucket").unwrap_or_else(|| panic!("{asked:?}"));
        // Whatever has a query beside a listing is another action.
        let is_plain = !asked.target.contains('?') || asked.target.contains("x-id=");
        let action = match asked.kind.as_str() {
            "LIST" => "s3:ListBucket",
            "GET" | "HEAD" if is_plain => "s3:GetObject",
            "PUT" if is_plain => "s3:PutObject",
            "DELETE" if is_plain => "s3:DeleteObject",
            _ => panic!("what action is {asked:?}?"),
        };
        let key = if action == "s3:ListBucket" { "" } else { key };
        Self {
            role,
            action,
            resource: format!("arn:aws:s3:::my-backups{key}"),
            if_absent: asked.if_absent,
        }
    }

    /// What it may: something allows it, and nothing denies it.
    fn is_allowed(&self, policies: &[&Value]) -> bool {
        let fits = |effect: &str| {
            let mut all =
                policies.iter().flat_map(|policy| policy["Statement"].as_array().unwrap());
            all.any(|statement| statement["Effect"] == effect && self.fits(statement))
        };
        fits("Allow") && !fits("Deny")
    }

    fn fits(&self, statement: &Value) -> bool {
        let words = |value: &Value| match value {
            Value::Array(all) => all.iter().map(|one| one.as_str().unwrap().to_owned()).collect(),
            one => vec![one.as_str().unwrap().to_owned()],
        };
        let is_like = |pattern: &String, text: &str| match pattern.strip_suffix('*') {
            Some(start) => text.starts_with(start),
            None => pattern == text,
        };
        words(&statement["Action"]).iter().any(|action| is_like(action, self.action))
            && words(&statement["Resource"]).iter().any(|one| is_like(one, &self.resource))
            && statement["Condition"].as_object().into_iter().flatten().all(|(operator, keys)| {
                keys.as_object()
                    .unwrap()
                    .iter()
                    .all(|(key, value)| self.holds(operator, key, value))
            })
    }

    fn holds(&self, operator: &str, key: &str, value: &Value) -> bool {
        match (operator, key) {
            ("Null", "s3:if-none-match") => (value == "true") != self.if_absent,
            ("ArnNotEquals", "aws:PrincipalArn") => value != self.role,
            ("Bool", "aws:SecureTransport") => value == "true",
            other => panic!("what condition is {other:?}?"),
        }
    }
}

#[test]
fn what_each_role_asks_for_is_what_the_policies_of_the_guide_allow() {
    let [bucket, host, collector] = policies();
    let site = Site::empty(81);
    site.run(&["init"]).ok();
    let first = saved(&site.save().ok());
    std::fs::remove_file(site.source().join("01")).unwrap();
    site.change(1);
    site.save().ok();
    site.run(&["forget", &first]).ok();
    site.run(&["check", "--read-data"]).ok();
    site.run(&["restore", "latest", site.home.path("target").to_str().unwrap()]).ok();
    let mut asked = site.proxy.report();
    // Whether it may delete, an owner finds out by trying it on what it has put for that.
    asked.retain(|one| one.kind != "DELETE" || !one.target.contains("/probe/"));
    let kinds: std::collections::BTreeSet<_> = asked.iter().map(|one| one.kind.as_str()).collect();
    assert!(["GET", "HEAD", "LIST", "PUT"].iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
    for one in &asked {
        assert!(Seen::of(HOST, one).is_allowed(&[&bucket, &host]), "{one:?}");
    }
    site.run(&["gc", "--grace", "0"]).ok();
    let asked = site.proxy.report();
    let is_delete = |one: &&Asked| one.kind == "DELETE";
    assert!(asked.iter().any(|one| is_delete(&one)));
    for one in &asked {
        assert!(Seen::of(COLLECTOR, one).is_allowed(&[&bucket, &collector]), "{one:?}");
        // With the rights of a host it stays given up, and whatever a host was given by mistake.
        let as_host = Seen::of(HOST, one).is_allowed(&[&bucket, &host]);
        let given_more = Seen::of(HOST, one).is_allowed(&[&bucket, &host, &collector]);
        assert_eq!((as_host, given_more), (!is_delete(&one), !is_delete(&one)), "{one:?}");
    }
}

#[test]
fn a_thief_with_a_hosts_role_deletes_nothing_and_replaces_nothing() {
    let [bucket, host, collector] = policies();
    let names = ["config", "log/0/1", "pack/00/1", "anything"];
    for name in names {
        let resource = format!("arn:aws:s3:::my-backups/{name}");
        for (role, more) in [(HOST, &host), (COLLECTOR, &collector)] {
            let may = |action, if_absent| {
                let seen = Seen { role, action, resource: resource.clone(), if_absent };
                seen.is_allowed(&[&bucket, more])
            };
            assert!(may("s3:PutObject", true) && !may("s3:PutObject", false), "{name}");
            assert_eq!(may("s3:DeleteObject", false), role == COLLECTOR, "{name}");
            assert!(!may("s3:DeleteObjectVersion", false) && !may("s3:PutBucketPolicy", false));
        }
    }
}
