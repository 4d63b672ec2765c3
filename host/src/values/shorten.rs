//! Text cut to a length, for complaints.
//!
//! Inputs may be gigabytes and types may be hostile, so a text is cut while it is written: the writer
//! refuses to go on once it has enough, and nothing longer is ever held.

use std::{fmt, io};

/// Takes text up to a number of characters.
pub(crate) struct Shortened {
    text: Vec<u8>,
    most_chars: usize,
}

/// A character takes at most this many bytes.
const BYTES_PER_CHAR: usize = 4;

/// How much of a value or a type a complaint shows.
pub(crate) const SHOWN_CHARS: usize = 60;

impl Shortened {
    pub(crate) fn to(most_chars: usize) -> Self {
        Self { text: Vec::new(), most_chars }
    }

    /// Returns what was written, with `…` for its last character if there was more.
    pub(crate) fn finish(self) -> String {
        let text = String::from_utf8_lossy(&self.text);
        match text.char_indices().nth(self.most_chars) {
            None => text.into_owned(),
            Some(_) => text.chars().take(self.most_chars.saturating_sub(1)).chain(['…']).collect(),
        }
    }

    /// Takes what there is room for, and one character more, by which `finish` knows that something is missing.
    fn take(&mut self, more: &[u8]) -> Result<(), Full> {
        let room = ((self.most_chars + 1) * BYTES_PER_CHAR).saturating_sub(self.text.len());
        self.text.extend_from_slice(&more[..more.len().min(room)]);
        if more.len() <= room { Ok(()) } else { Err(Full) }
    }
}

/// Tells the writer to stop.
struct Full;

impl fmt::Write for Shortened {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.take(text.as_bytes()).map_err(|Full| fmt::Error)
    }
}

impl io::Write for Shortened {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.take(bytes).map_err(|Full| io::ErrorKind::WriteZero)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns `text`, cut to [`SHOWN_CHARS`].
pub(crate) fn shorten(text: &str) -> String {
    let mut short = Shortened::to(SHOWN_CHARS);
    // A full writer has what it needs.
    let _ = short.take(text.as_bytes());
    short.finish()
}

/// Returns `value` as JSON text, cut to [`SHOWN_CHARS`].
pub(crate) fn shorten_json(value: &serde_json::Value) -> String {
    let mut short = Shortened::to(SHOWN_CHARS);
    // A full writer has what it needs.
    let _ = serde_json::to_writer(&mut short, value);
    short.finish()
}

#[cfg(test)]
mod tests {
    use super::{SHOWN_CHARS, shorten, shorten_json};
    use serde_json::json;

    #[test]
    fn short_texts_stay_as_they_are() {
        assert_eq!(shorten(""), "");
        assert_eq!(shorten(&"ü".repeat(SHOWN_CHARS)), "ü".repeat(SHOWN_CHARS));
        assert_eq!(shorten_json(&json!({"a": [1, "b\n"]})), r#"{"a":[1,"b\n"]}"#);
    }

    #[test]
    fn long_texts_end_in_an_ellipsis_wherever_their_characters_end() {
        for character in ["a", "ü", "€", "🦀"] {
            for lead in ["", "a", "aa", "aaa"] {
                let short = shorten(&format!("{lead}{}", character.repeat(1000)));
                assert_eq!(short.chars().count(), SHOWN_CHARS);
                assert!(short.ends_with(&format!("{character}…")), "{short}");
            }
        }
        assert!(shorten_json(&json!(vec![0; 10_000])).ends_with("0,0,…"));
    }
}
