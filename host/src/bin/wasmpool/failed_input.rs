//! The input lines of failed calls, byte for byte, in a file that can be mapped again.

use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};

/// Writes the lines of failed calls.
pub(crate) struct FailedInput {
    file: BufWriter<File>,
    ends_inside_line: bool,
}

impl FailedInput {
    /// Writes to a file.
    pub(crate) fn new(file: File) -> Self {
        FailedInput { file: BufWriter::new(file), ends_inside_line: false }
    }

    /// Adds a line.
    ///
    /// # Errors
    /// The system does not write.
    pub(crate) fn push(&mut self, line: &[u8]) -> io::Result<()> {
        if line.is_empty() {
            return Ok(());
        }
        // Only the input's very last line may have no end, but calls need not end in its order.
        if self.ends_inside_line {
            self.file.write_all(b"\n")?;
        }
        self.ends_inside_line = !line.ends_with(b"\n");
        self.file.write_all(line)
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    /// The system does not write.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }

    /// Goes on in another file, with what this one holds.
    ///
    /// # Errors
    /// The system does not read or write.
    pub(crate) fn move_to(self, mut other: File) -> io::Result<Self> {
        let mut file = self.file.into_inner()?;
        file.rewind()?;
        io::copy(&mut file, &mut other)?;
        Ok(FailedInput { file: BufWriter::new(other), ends_inside_line: self.ends_inside_line })
    }
}
