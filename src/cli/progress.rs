//! Progress bars, on standard error and only where somebody looks.

use crate::cli::{Global, show};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How far a command is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Status {
    /// Entries done.
    pub entries: u64,
    /// Bytes done.
    pub bytes: u64,
    /// Bytes in all, as far as known.
    pub of_bytes: u64,
    /// Whether that is all there is.
    pub of_is_final: bool,
}

/// A bar that follows a command until it is dropped.
pub struct Bar {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Bar {
    /// Follows what `status` says; none without a terminal, with --quiet and with --json.
    pub fn follow(global: &Global, status: impl Fn() -> Status + Send + 'static) -> Option<Self> {
        if global.quiet || global.json || !std::io::stderr().is_terminal() {
            return None;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = std::thread::spawn(move || draw(&seen, &status));
        Some(Self { stop, thread: Some(thread) })
    }

    /// Follows two counters, of bytes done and bytes in all.
    pub fn of_bytes<P: Send + Sync + 'static>(
        global: &Global,
        progress: &Arc<P>,
        counters: fn(&P) -> (&AtomicU64, &AtomicU64),
    ) -> Option<Self> {
        let watched = Arc::clone(progress);
        Self::follow(global, move || {
            let (bytes, of_bytes) = counters(&watched);
            let (bytes, of_bytes) =
                (bytes.load(Ordering::Relaxed), of_bytes.load(Ordering::Relaxed));
            Status { entries: 0, bytes, of_bytes, of_is_final: true }
        })
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A bar that panicked is no reason to fail.
            let _ = thread.join();
        }
    }
}

fn draw(stop: &AtomicBool, status: &impl Fn() -> Status) {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    let style = |template| ProgressStyle::with_template(template).map(|s| s.progress_chars("=> "));
    if let Ok(style) = style("{bar:24} {msg}") {
        bar.set_style(style);
    }
    let start = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let now = status();
        bar.set_length(now.of_bytes.max(1));
        bar.set_position(now.bytes);
        bar.set_message(words(now, start.elapsed()));
        std::thread::park_timeout(Duration::from_millis(200));
    }
    bar.finish_and_clear();
}

fn words(now: Status, passed: Duration) -> String {
    let rate = now.bytes as f64 / passed.as_secs_f64().max(0.1);
    let left = now.of_bytes.saturating_sub(now.bytes) as f64 / rate.max(1.0);
    let of = if now.of_is_final { "of" } else { "of at least" };
    let entries = match now.entries {
        0 => String::new(),
        entries => format!("{entries} entries, "),
    };
    let mut text = format!(
        "{entries}{} {of} {}, {}/s",
        show::size(now.bytes),
        show::size(now.of_bytes),
        show::size(rate as u64)
    );
    if now.of_is_final && now.bytes > 0 {
        let left = left as u64;
        text.push_str(&format!(", {}:{:02}:{:02} left", left / 3600, left / 60 % 60, left % 60));
    }
    text
}
