//! What the command says on stderr, so that it never tears the progress bar and never carries a guest's control
//! characters to a terminal. Stderr that is closed or full is nobody's failure: what cannot be said is not said.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use indicatif::ProgressBar;

/// A voice on stderr. Clones speak through the same bar.
#[derive(Clone)]
pub(crate) struct Talk {
    bar: ProgressBar,
    is_terminal: bool,
}

impl Talk {
    /// Speaks without a progress bar.
    pub(crate) fn plain() -> Self {
        Talk::around(ProgressBar::hidden())
    }

    /// Speaks above a progress bar.
    pub(crate) fn around(bar: ProgressBar) -> Self {
        Talk { bar, is_terminal: io::stderr().is_terminal() }
    }

    /// Says a line, or several, with the command's name in front.
    pub(crate) fn say(&self, text: impl Display) {
        self.line(format!("wasmpool: {text}"));
    }

    /// Says a line as it is.
    pub(crate) fn line(&self, text: impl Display) {
        let text = format!("{text}\n");
        self.write(&if self.is_terminal { harmless(&text) } else { Cow::Borrowed(text.as_str()) });
    }

    /// Says a line of a tool that the user runs anyway, with its colours.
    pub(crate) fn trusted_line(&self, text: &str) {
        self.write(&format!("{text}\n"));
    }

    /// Returns true if stderr is a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Says why something is not possible, with all causes.
    pub(crate) fn complain(&self, error: &anyhow::Error) {
        self.say(format!("{error:#}"));
    }

    /// Does something to the terminal while the bar is out of the way.
    pub(crate) fn apart_from_bar<T>(&self, act: impl FnOnce() -> T) -> T {
        self.bar.suspend(act)
    }

    fn write(&self, text: &str) {
        self.apart_from_bar(|| {
            // Nobody is left to be told.
            let _ = io::stderr().lock().write_all(text.as_bytes());
        });
    }
}

/// Returns `text` with control characters made visible; tabs and line ends stay.
fn harmless(text: &str) -> Cow<'_, str> {
    let is_harmful = |c: char| c.is_control() && c != '\t' && c != '\n';
    if !text.contains(is_harmful) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_harmful(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn control_characters_are_shown_instead_of_obeyed() {
        assert_eq!(harmless("a\tb ä\n"), "a\tb ä\n");
        assert_eq!(harmless("\x1b[2Jgone\r\x07\u{9b}"), "\\u{1b}[2Jgone\\r\\u{7}\\u{9b}");
    }
}
