//! Signals: the first one asks for a clean end, the second one ends at once.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

struct Watch {
    stop: Arc<AtomicBool>,
    number: Arc<AtomicUsize>,
}

static WATCH: OnceLock<Watch> = OnceLock::new();

/// Begins to watch: to be called by commands that look at [`stop`], once they ask for nothing more.
/// Until then, and in all others, a signal ends the program at once.
pub fn watch() {
    let watch = WATCH.get_or_init(|| Watch { stop: Arc::default(), number: Arc::default() });
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // Only numbers that cannot be watched fail, and these can.
        let _ = signal_hook::flag::register_conditional_shutdown(
            signal,
            128 + signal,
            Arc::clone(&watch.stop),
        );
        let _ =
            signal_hook::flag::register_usize(signal, Arc::clone(&watch.number), signal as usize);
        let _ = signal_hook::flag::register(signal, Arc::clone(&watch.stop));
    }
}

/// Set when the program is to stop.
pub fn stop() -> &'static AtomicBool {
    static NEVER: AtomicBool = AtomicBool::new(false);
    WATCH.get().map_or(&NEVER, |watch| &watch.stop)
}

/// The signal that asked for it.
pub fn received() -> Option<u8> {
    let number = WATCH.get()?.number.load(Ordering::Relaxed);
    u8::try_from(number).ok().filter(|n| *n != 0)
}
