//! How far a run has come: a bar on a terminal, or now and then a plain line. Both are drawn on stderr.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::args::ProgressMode;

/// How often a spinner turns.
const TURN: Duration = Duration::from_millis(100);
/// How often a plain line is due.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

const STYLE_OF_KNOWN_LENGTH: &str = "{bar:24} {pos}/{len} {rate}, {elapsed} gone, {eta} left{wide_msg}";
const STYLE_OF_UNKNOWN_LENGTH: &str = "{spinner} {pos} calls ended {rate}, {elapsed} gone{wide_msg}";

/// How far a run has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HowFar {
    pub(crate) ended: u64,
    pub(crate) failed: u64,
    /// Attempts that failed and were followed by another.
    pub(crate) retried: u64,
    /// Calls that are in a sandbox.
    pub(crate) running: usize,
    /// Calls that wait for one, or for their next attempt.
    pub(crate) waiting: usize,
    /// How many calls there are in all, as far as that can be told.
    pub(crate) expected: Option<u64>,
    /// The call that has been running longest, if it is long.
    pub(crate) slowest: Option<String>,
}

impl HowFar {
    /// Returns what there is to say beside the count of calls.
    fn details(&self) -> String {
        let parts = [
            (self.failed > 0).then(|| format!("{} failed", self.failed)),
            (self.retried > 0).then(|| format!("{} retries", self.retried)),
            (self.running > 0).then(|| format!("{} running", self.running)),
            (self.waiting > 0).then(|| format!("{} waiting", self.waiting)),
            self.slowest.as_ref().map(|slowest| format!("slowest {slowest}")),
        ];
        parts.into_iter().flatten().map(|part| format!(", {part}")).collect()
    }

    /// Returns it as a line of text, after so much time.
    pub(crate) fn line(&self, elapsed: Duration) -> String {
        let of = self.expected.map(|expected| format!(" of {expected}")).unwrap_or_default();
        let rate = self.ended as f64 / elapsed.as_secs_f64().max(1e-3);
        format!(
            "{}{of} calls ended{}; {rate:.0}/s, {:.1} s gone",
            self.ended,
            self.details(),
            elapsed.as_secs_f64()
        )
    }
}

/// Shows how far a run has come.
pub(crate) struct Progress {
    /// Hidden unless it is the way to show it.
    bar: ProgressBar,
    is_plain: bool,
    has_length: bool,
    started: Instant,
}

impl Progress {
    /// Begins to show it in one of the ways.
    pub(crate) fn start(mode: ProgressMode) -> Self {
        let can_draw =
            io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let (has_bar, is_plain) = match mode {
            ProgressMode::Auto | ProgressMode::Bar => (can_draw, !can_draw),
            ProgressMode::Plain => (false, true),
            ProgressMode::None => (false, false),
        };
        let bar = if has_bar { drawn() } else { ProgressBar::hidden() };
        Progress { bar, is_plain, has_length: false, started: Instant::now() }
    }

    /// Returns the bar, for those who write to the same terminal.
    pub(crate) fn bar(&self) -> ProgressBar {
        self.bar.clone()
    }

    /// Returns how often [`tick`](Self::tick) is worth calling.
    pub(crate) fn interval(&self) -> Duration {
        if self.is_plain { PLAIN_INTERVAL } else { TURN }
    }

    /// Brings the bar up to date, or returns the line that is due.
    pub(crate) fn tick(&mut self, how_far: &HowFar) -> Option<String> {
        if self.is_plain {
            return Some(how_far.line(self.started.elapsed()));
        }
        if let Some(expected) = how_far.expected {
            self.bar.set_length(expected.max(how_far.ended));
            if !self.has_length {
                self.has_length = true;
                self.bar.set_style(style(STYLE_OF_KNOWN_LENGTH));
            }
        }
        self.bar.set_message(how_far.details());
        self.bar.set_position(how_far.ended);
        None
    }

    /// Leaves the bar as it is in the end, or takes it away where there was nothing to compare with.
    pub(crate) fn end(&mut self, how_far: &HowFar) {
        if self.is_plain {
            return;
        }
        self.tick(how_far);
        if !self.has_length || self.bar.is_hidden() {
            return self.bar.finish_and_clear();
        }
        self.bar.abandon();
        // What is said from now on stands below it, and does not draw it again.
        self.bar.set_draw_target(ProgressDrawTarget::hidden());
        // Nobody is left to be told.
        let _ = io::stderr().lock().write_all(b"\n");
    }
}

fn drawn() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
    bar.set_style(style(STYLE_OF_UNKNOWN_LENGTH));
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates are good, a test reads them").with_key(
        "rate",
        |state: &ProgressState, text: &mut dyn fmt::Write| {
            // Writing to a text does not fail.
            let _ = write!(text, "{:.0}/s", state.per_sec());
        },
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{HowFar, STYLE_OF_KNOWN_LENGTH, STYLE_OF_UNKNOWN_LENGTH, style};

    #[test]
    fn the_templates_are_good() {
        style(STYLE_OF_KNOWN_LENGTH);
        style(STYLE_OF_UNKNOWN_LENGTH);
    }

    #[test]
    fn a_line_says_only_what_there_is_to_say() {
        let mut how_far = HowFar { ended: 20, ..HowFar::default() };
        let line = |how_far: &HowFar| how_far.line(Duration::from_secs(10));
        assert_eq!(line(&how_far), "20 calls ended; 2/s, 10.0 s gone");
        how_far = HowFar { failed: 1, retried: 2, running: 16, waiting: 4, expected: Some(40), ..how_far };
        how_far.slowest = Some("#3 2.0 s".to_owned());
        assert_eq!(
            line(&how_far),
            "20 of 40 calls ended, 1 failed, 2 retries, 16 running, 4 waiting, slowest #3 2.0 s; 2/s, 10.0 s gone"
        );
    }
}
