//! How many may come, and how long they may take to say what they want.

use super::client::Client;
use crate::support::far::Far;
use esker::browse::Part;
use esker::browse::nbd::{Event, Limits, Listener, Server, Shown, Trouble};
use esker::repository::select;
use esker::repository::view::{File, View};
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Serves one file within these limits while something is done; returns how often somebody was sent away.
fn serve(limits: Limits, during: impl FnOnce(&Path)) -> usize {
    let far = Far::new(3);
    let repository = far.open("cache");
    let path = far.work().join("1/0/1");
    let selected = select(&repository, &format!("latest:{}", path.display())).unwrap();
    let (snapshot, node) = (selected.snapshot, selected.entry.unwrap().node);
    let view = View::new(Box::new(repository), 8 << 20, 2);
    let tree = Arc::new(view.tree(snapshot.id, snapshot.scope).unwrap());
    let part = Part::whole(File::new(&tree, "1".to_owned(), &node));
    let crowded = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&crowded);
    let told = Mutex::new(Vec::new());
    let observer = move |event: Event<'_>| match event {
        Event::Crowded => drop(counted.fetch_add(1, Ordering::Relaxed)),
        other => told.lock().unwrap().push(format!("{other:?}")),
    };
    let trouble = Trouble::new(Arc::clone(&view), snapshot.id, Box::new(observer));
    let socket = far.home.path("socket");
    let listener = Listener::unix(&socket).unwrap();
    let server = Server::new(Shown::new(part, None, trouble), listener, limits);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| server.run(&stop));
        // Whatever becomes of it, the server ends.
        struct Ends<'s>(&'s AtomicBool);
        impl Drop for Ends<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let ends = Ends(&stop);
        during(&socket);
        drop(ends);
        assert!(running.join().unwrap());
    });
    crowded.load(Ordering::Relaxed)
}

/// Reads until the other end has had enough.
fn listen(mut stream: UnixStream) -> usize {
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).unwrap();
    heard.len()
}

#[test]
fn who_says_nothing_is_sent_away_and_who_has_agreed_may_be_silent() {
    let limits = Limits { connections: 32, patience: Duration::from_millis(400) };
    let crowded = serve(limits, |socket| {
        let mut good = Client::new(socket);
        // It hears the greeting, and in the end that it has taken too long.
        assert_eq!(listen(UnixStream::connect(socket).unwrap()), 18);
        std::thread::sleep(Duration::from_millis(800));
        assert_eq!(good.read(0, 100).unwrap().len(), 100);
    });
    assert_eq!(crowded, 0);
}

#[test]
fn there_are_no_more_connections_than_may_be_and_room_for_others_once_one_goes() {
    let limits = Limits { connections: 3, patience: Duration::from_secs(60) };
    let crowded = serve(limits, |socket| {
        let mut three = [0; 3].map(|_| Client::new(socket));
        assert_eq!(listen(UnixStream::connect(socket).unwrap()), 0, "sent away without a word");
        let [first, ..] = &mut three;
        assert_eq!(first.read(0, 100).unwrap().len(), 100);
        drop(three);
        // Their threads may need a moment to see it.
        let again = || {
            UnixStream::connect(socket).map(|stream| {
                let mut byte = [0];
                (&stream).read(&mut byte).is_ok_and(|len| len == 1)
            })
        };
        crate::browse::until("there is room again", || again().unwrap());
    });
    assert!(crowded > 0);
}
