//! How far a long command is: a bar on a terminal, a line now and then elsewhere. Always on standard error.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Between two lines where there is no terminal.
const LINE_PERIOD: Duration = Duration::from_secs(5);

/// Cheap to clone; all clones show one thing.
#[derive(Clone)]
pub struct Progress(Arc<Mutex<Shown>>);

struct Shown {
    bar: Option<ProgressBar>,
    what: String,
    total: Option<u64>,
    told: Instant,
}

impl Progress {
    /// A bar if standard error is a terminal, else lines.
    pub fn on_stderr() -> Self {
        let bar = std::io::stderr().is_terminal().then(ProgressBar::no_length);
        Self(Arc::new(Mutex::new(Shown { bar, what: String::new(), total: None, told: Instant::now() })))
    }

    /// Begins to count something else.
    pub fn phase(&self, what: &str, total: Option<u64>) {
        let mut shown = self.lock();
        (shown.what, shown.total, shown.told) = (what.to_owned(), total, Instant::now());
        let Some(bar) = &shown.bar else { return };
        let template =
            if total.is_some() { "{msg} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}" } else { "{msg} {human_pos}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.reset();
        bar.set_message(what.to_owned());
        if let Some(total) = total {
            bar.set_length(total);
        }
    }

    /// So many are done.
    pub fn at(&self, done: u64) {
        let mut shown = self.lock();
        if let Some(bar) = &shown.bar {
            bar.set_position(done);
        } else if shown.told.elapsed() >= LINE_PERIOD {
            shown.told = Instant::now();
            let of = shown.total.map_or_else(String::new, |total| format!(" of {total}"));
            // Who does not listen any more misses nothing that counts.
            let _ = writeln!(std::io::stderr(), "{}: {done}{of}", shown.what);
        }
    }

    /// So many of so many are done.
    pub fn at_of(&self, done: u64, total: u64) {
        {
            let mut shown = self.lock();
            shown.total = Some(total);
            if let Some(bar) = &shown.bar {
                bar.set_length(total);
            }
        }
        self.at(done);
    }

    /// Shows that something goes on.
    pub fn tick(&self) {
        if let Some(bar) = &self.lock().bar {
            bar.tick();
        }
    }

    /// Clears the bar away, so that what is printed next stands alone.
    pub fn end(&self) {
        if let Some(bar) = &self.lock().bar {
            bar.finish_and_clear();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
