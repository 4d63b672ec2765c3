//! How far a run has come: a bar on a terminal, or now and then a plain line. Both are drawn on stderr.

use std::fmt;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::args::ProgressMode;

/// How often a spinner turns.
const TURN: Duration = Duration::from_millis(100);
/// How often a plain line is due.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

const STYLE_OF_KNOWN_LENGTH: &str = "{bar:30} {pos}/{len} {msg}{rate}, {elapsed} gone, {eta} left";
const STYLE_OF_UNKNOWN_LENGTH: &str = "{spinner} {pos} calls ended {msg}{rate}, {elapsed} gone";

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
    pub(crate) fn tick(&mut self, (ended, failed): (u64, u64), expected: Option<u64>) -> Option<String> {
        if self.is_plain {
            let (rate, of) = (ended as f64 / self.started.elapsed().as_secs_f64(), of_expected(expected));
            return Some(format!("{ended}{of} calls ended, {failed} failed; {rate:.0}/s"));
        }
        if let Some(expected) = expected {
            self.bar.set_length(expected.max(ended));
            if !self.has_length {
                self.has_length = true;
                self.bar.set_style(style(STYLE_OF_KNOWN_LENGTH));
            }
        }
        if failed > 0 {
            self.bar.set_message(format!("({failed} failed) "));
        }
        self.bar.set_position(ended);
        None
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
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

fn of_expected(expected: Option<u64>) -> String {
    expected.map(|expected| format!(" of {expected}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{STYLE_OF_KNOWN_LENGTH, STYLE_OF_UNKNOWN_LENGTH, style};

    #[test]
    fn the_templates_are_good() {
        style(STYLE_OF_KNOWN_LENGTH);
        style(STYLE_OF_UNKNOWN_LENGTH);
    }
}
