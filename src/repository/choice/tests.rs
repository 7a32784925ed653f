//! What words mean, with which snapshots there.

use super::*;
use esker_format::cbor::Extra;
use esker_format::ids::{Seq, SeriesId, SnapshotId};
use esker_format::snapshot::{Counts, Summary};

/// A list of snapshots: number n began at second n and has an id of that byte.
#[derive(Default)]
struct List(Vec<Snapshot>);

impl List {
    /// One more, of a host and a label, with tags.
    fn add(mut self, series: u8, host: &str, label: &str, tags: &[&str]) -> Self {
        let number = self.0.len() as u8 + 1;
        let time = Time { seconds: number.into(), nanos: 0 };
        let summary = Summary {
            series: SeriesId::new([series; 16]),
            host: host.to_owned(),
            label: label.to_owned(),
            tags: tags.iter().map(|t| (*t).to_owned()).collect(),
            paths: Vec::new(),
            start: time,
            end: time,
            counts: Counts::default(),
            problems: 0,
            base: None,
            position: None,
            requires: Vec::new(),
            replaces: None,
            extra: Extra::default(),
        };
        let id = SnapshotId::new([number; 32]);
        self.0.push(Snapshot {
            id,
            seq: Seq(number.into()),
            scope: 0,
            writer: None,
            summary,
            is_forgotten: false,
            is_held: false,
            is_damaged: false,
        });
        self
    }

    /// One more of the host `a`.
    fn of(self, label: &str) -> Self {
        let series = label.bytes().fold(0, |sum: u8, b| sum.wrapping_mul(31).wrapping_add(b));
        self.add(series, "a", label, &[])
    }

    /// Number of the snapshot, whether of several series, and path.
    fn choose(&self, filter: &Filter, what: &str) -> Result<(u64, bool, Option<String>), Miss> {
        choose(&self.0, filter, what).map(|c| (c.snapshot.seq.0, c.of_several, c.path))
    }

    fn all(&self, what: &str) -> Result<(u64, bool, Option<String>), Miss> {
        self.choose(&Filter::default(), what)
    }
}

fn one(number: u64) -> Result<(u64, bool, Option<String>), Miss> {
    Ok((number, false, None))
}

fn with(number: u64, path: &str) -> Result<(u64, bool, Option<String>), Miss> {
    Ok((number, false, Some(path.to_owned())))
}

fn none(name: &str) -> Result<(u64, bool, Option<String>), Miss> {
    Err(Miss::None(name.to_owned()))
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn plain_names_mean_what_they_say_whatever_labels_there_are() {
    let list = List::default().of("/etc").of("/etc").of("/etc");
    assert_eq!(list.all("latest"), one(3));
    assert_eq!(list.all("latest~2"), one(1));
    assert_eq!(list.all("latest~3"), none("latest~3"));
    assert_eq!(list.all("latest~99999999999999999999"), none("latest~99999999999999999999"));
    assert_eq!(list.all("latest~+1"), none("latest~+1"));
    assert_eq!(list.all("02"), one(2));
    assert_eq!(
        list.all("0"),
        Err(Miss::Several("0".into(), [1, 2, 3].map(|n| SnapshotId::new([n; 32])).to_vec()))
    );
    assert_eq!(list.all("latest:/a:b"), with(3, "/a:b"));
    assert_eq!(list.all("02:/a:latest:/b"), with(2, "/a:latest:/b"));
    assert_eq!(list.all("latest:relative"), with(3, "relative"));
    assert_eq!(list.all("latest:"), with(3, ""));
    assert_eq!(list.all(""), none(""));
    // Labels that look like the rest of it.
    let odd = List::default().of("latest").of("02").of("latest:/a").of("x");
    assert_eq!(odd.all("latest:/a:latest"), Ok((4, true, Some("/a:latest".into()))));
    assert_eq!(odd.all("02:/a:latest"), with(2, "/a:latest"));
    assert_eq!(odd.all("latest:latest"), one(1));
    assert_eq!(odd.all("02:latest:/p"), with(2, "/p"));
}

#[test]
fn a_label_can_have_slashes_spaces_and_colons() {
    let list = List::default()
        .of("/etc")
        .of("/etc")
        .of("/srv/a b")
        .of("db: main")
        .of("x:latest")
        .of("")
        .of("new\nline");
    assert_eq!(list.all("/etc:latest"), one(2));
    assert_eq!(list.all("/etc:latest~1"), one(1));
    assert_eq!(list.all("/etc:latest~2"), none("/etc:latest~2"));
    assert_eq!(list.all("/etc:latest:/etc/hosts"), with(2, "/etc/hosts"));
    assert_eq!(list.all("/etc:latest~1:/etc/a:latest"), with(1, "/etc/a:latest"));
    assert_eq!(list.all("/srv/a b:latest:/"), with(3, "/"));
    assert_eq!(list.all("db: main:latest"), one(4));
    assert_eq!(list.all("x:latest:latest"), one(5));
    assert_eq!(list.all(":latest"), one(6));
    assert_eq!(list.all("new\nline:latest"), one(7));
    assert_eq!(list.all("new\\x0aline:latest"), one(7));
    assert_eq!(list.all("/var:latest:/x"), none("/var:latest"));
    assert_eq!(list.all("/var"), none("/var"));
}

#[test]
fn words_that_fit_two_labels_are_refused() {
    let list = List::default().of("/etc").of("/etc:latest:/x");
    let both = Err(Miss::Labels(texts(&["/etc", "/etc:latest:/x"])));
    assert_eq!(list.all("/etc:latest:/x:latest"), both);
    let filter = Filter { labels: texts(&["/etc:latest:/x"]), ..Filter::default() };
    assert_eq!(list.choose(&filter, "latest"), one(2));
}

#[test]
fn latest_is_the_newest_in_the_order_of_the_log_and_says_when_it_is_one_of_several_series() {
    let list = List::default().of("/etc").add(9, "b", "/etc", &[]).of("/var");
    assert_eq!(list.all("latest"), Ok((3, true, None)));
    assert_eq!(list.all("latest~1"), Ok((2, true, None)));
    assert_eq!(list.all("/var:latest"), one(3));
    assert_eq!(list.all("/etc:latest"), Ok((2, true, None)));
    assert_eq!(list.all("02"), one(2));
    let of_a = Filter { hosts: texts(&["a"]), ..Filter::default() };
    assert_eq!(list.choose(&of_a, "/etc:latest"), one(1));
    // A clock that went back changes nothing.
    let mut late = List::default().of("/etc").of("/etc");
    late.0[0].summary.start.seconds = 100;
    assert_eq!(late.all("latest"), one(2));
}

#[test]
fn a_host_with_a_new_name_and_two_first_runs_at_once_are_one_series() {
    let renamed = List::default().add(1, "old", "/etc", &[]).add(1, "new", "/etc", &[]);
    assert_eq!(renamed.all("latest"), one(2));
    let twins = List::default().add(1, "a", "/etc", &[]).add(2, "a", "/etc", &[]);
    assert_eq!(twins.all("latest"), one(2));
}

#[test]
fn a_filter_takes_any_label_any_host_all_tags_and_what_began_by_then() {
    let list = List::default()
        .add(1, "a", "/etc", &["x", "y"])
        .add(2, "b", "/etc", &["y"])
        .add(3, "a", "/var", &["x"])
        .add(3, "a", "/var", &[]);
    let left = |filter: &Filter| -> Vec<u64> {
        list.0.iter().filter(|s| filter.lets(s)).map(|s| s.seq.0).collect()
    };
    let none = Filter::default();
    assert!(none.is_empty());
    assert_eq!(left(&none), [1, 2, 3, 4]);
    assert_eq!(left(&Filter { labels: texts(&["/etc"]), ..none.clone() }), [1, 2]);
    assert_eq!(left(&Filter { labels: texts(&["/etc", "/var"]), ..none.clone() }), [1, 2, 3, 4]);
    assert_eq!(left(&Filter { hosts: texts(&["a"]), ..none.clone() }), [1, 3, 4]);
    assert_eq!(left(&Filter { hosts: texts(&["a", "b"]), ..none.clone() }), [1, 2, 3, 4]);
    assert_eq!(left(&Filter { tags: texts(&["x"]), ..none.clone() }), [1, 3]);
    assert_eq!(left(&Filter { tags: texts(&["x", "y"]), ..none.clone() }), [1]);
    let at = |seconds, nanos| Some(Time { seconds, nanos });
    assert_eq!(left(&Filter { at: at(3, 0), ..none.clone() }), [1, 2, 3]);
    assert_eq!(left(&Filter { at: at(2, 999_999_999), ..none.clone() }), [1, 2]);
    assert_eq!(
        list.choose(&Filter { at: at(2, 5), ..none.clone() }, "latest~1"),
        Ok((1, true, None))
    );
    assert_eq!(left(&Filter { at: at(-1, 0), ..none }), [0; 0]);
}

#[test]
fn what_the_filter_leaves_out_is_told_from_what_is_not_there() {
    let list = List::default().of("/etc").of("/var").of("/var");
    let filter = Filter { labels: texts(&["/etc"]), ..Filter::default() };
    let filtered = |name: &str| Err(Miss::Filtered(name.to_owned()));
    assert_eq!(list.choose(&filter, "latest"), one(1));
    assert_eq!(list.choose(&filter, "latest~1"), filtered("latest~1"));
    assert_eq!(list.choose(&filter, "latest~3"), none("latest~3"));
    assert_eq!(list.choose(&filter, "02"), filtered("02"));
    assert_eq!(list.choose(&filter, "0"), one(1));
    assert_eq!(list.choose(&filter, "ff"), none("ff"));
    assert_eq!(list.choose(&filter, "/var:latest"), filtered("/var:latest"));
    assert_eq!(list.choose(&filter, "/usr:latest"), none("/usr:latest"));
}

#[test]
fn latest_passes_over_what_is_forgotten_and_an_id_does_not() {
    let mut list = List::default().of("/etc").of("/etc").of("/var").of("/etc");
    list.0[3].is_forgotten = true;
    list.0[2].is_forgotten = true;
    let forgotten = |name: &str| Err(Miss::Forgotten(name.to_owned()));
    assert_eq!(list.all("latest"), one(2));
    assert_eq!(list.all("/etc:latest~1:/a"), with(1, "/a"));
    assert_eq!(list.all("latest~2"), forgotten("latest~2"));
    assert_eq!(list.all("latest~4"), none("latest~4"));
    assert_eq!(list.all("/var:latest"), forgotten("/var:latest"));
    assert_eq!(list.all("/usr:latest"), none("/usr:latest"));
    assert_eq!(list.all("04"), one(4));
    let filter = Filter { labels: texts(&["/var"]), ..Filter::default() };
    assert_eq!(list.choose(&filter, "latest"), Err(Miss::Filtered("latest".to_owned())));
    let listed = |filter: &Filter| list.0.iter().filter(|s| filter.lists(s)).count();
    assert_eq!(listed(&Filter::default()), 2);
    assert_eq!(listed(&Filter { forgotten: true, ..Filter::default() }), 4);
}
