//! The input lines of failed calls, byte for byte, in a file that can be mapped again.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::{Arc, Mutex, MutexGuard};

/// Lines of calls that have not ended, by the index of their call.
type Lines = HashMap<usize, Vec<u8>>;

/// Keeps lines until it is known what became of their calls.
#[derive(Clone, Default)]
pub(crate) struct KeptLines {
    lines: Arc<Mutex<Lines>>,
}

impl KeptLines {
    /// Keeps the line of a call.
    pub(crate) fn keep(&self, index: usize, line: Vec<u8>) {
        self.lines().insert(index, line);
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().expect("no holder of this lock panics")
    }
}

/// Writes the lines of failed calls.
pub(crate) struct FailedInput {
    kept: KeptLines,
    file: BufWriter<File>,
    ends_inside_line: bool,
}

impl FailedInput {
    /// Writes to a file.
    pub(crate) fn new(kept: KeptLines, file: File) -> Self {
        FailedInput { kept, file: BufWriter::new(file), ends_inside_line: false }
    }

    /// Notes that a call has ended: its line is written if it failed, and forgotten.
    ///
    /// # Errors
    /// The system does not write.
    pub(crate) fn ended(&mut self, index: usize, failed: bool) -> io::Result<()> {
        let line = self.kept.lines().remove(&index).unwrap_or_default();
        if !failed || line.is_empty() {
            return Ok(());
        }
        // Only the input's very last line may have no end, but calls need not end in its order.
        if self.ends_inside_line {
            self.file.write_all(b"\n")?;
        }
        self.ends_inside_line = !line.ends_with(b"\n");
        self.file.write_all(&line)
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    /// The system does not write.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
