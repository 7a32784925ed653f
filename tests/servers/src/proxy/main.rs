//! `esker-test-proxy http://HOST:PORT [LOG]`: stands between a client and a server, and breaks what it is told to.
//!
//! It listens on a free port of 127.0.0.1, writes `http://127.0.0.1:PORT` to standard output, and ends when
//! standard input does. Lines of standard input are orders, each answered with a line:
//!
//! - a rule (see [`rule`]), which comes behind those that are there: of all that fit a request the first is
//!   obeyed; answered with `ok`, or `error` and why;
//! - `clear`: no rules any more; `ok`;
//! - `report`: the requests so far, a line for each, then `end`; they are forgotten then.
//!
//! With LOG each request is also a line of that file, from when its fate is known on.
//!
//! It speaks plain HTTP/1.1, hands on what it gets as it is (signatures stay good), and takes requests for
//! any host, as proxies of an environment get them.

mod connection;
mod message;
mod request;
mod rule;
mod state;

use std::error::Error;
use std::io::{BufRead, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use rule::Rule;
use state::State;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let server = words.next().ok_or("usage: esker-test-proxy http://HOST:PORT [LOG]")?;
    let server =
        server.strip_prefix("http://").ok_or("the server's address begins with http://")?;
    let state = Arc::new(State::new(server, words.next())?);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "http://{}", listener.local_addr()?)?;
    out.flush()?;
    let for_connections = Arc::clone(&state);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let state = Arc::clone(&for_connections);
            thread::spawn(move || connection::serve(client, &state));
        }
    });
    for line in std::io::stdin().lock().lines() {
        match line?.trim() {
            "" => continue,
            "clear" => {
                state.clear();
                writeln!(out, "ok")?;
            }
            "report" => {
                state.report().iter().try_for_each(|line| writeln!(out, "{line}"))?;
                writeln!(out, "end")?;
            }
            line => match line.parse::<Rule>() {
                Ok(rule) => {
                    state.add(rule);
                    writeln!(out, "ok")?;
                }
                Err(why) => writeln!(out, "error {why}")?,
            },
        }
        out.flush()?;
    }
    Ok(())
}
