//! Where the fuzz targets of `fuzz/` come in: bytes in, nothing out, and whatever the bytes are, no panic.
//! This is no part of the library: it exists only where cargo-fuzz or a test builds it. The tests replay the
//! corpus that is kept, so that targets and code do not part. The command line has its own, in the command.

/// Loads `bytes` as a module, and looks at all that it says about itself.
pub fn module(bytes: &[u8]) {
    crate::module::fuzzing::load(bytes);
}

/// Reads `bytes` as what a module recorded about its tasks.
pub fn section(bytes: &[u8]) {
    crate::module::fuzzing::read_section(bytes);
}

/// Draws a type, a value of it and a JSON text from `bytes`, and takes them from JSON to values and back.
pub fn values(bytes: &[u8]) {
    crate::values::fuzzing::convert(bytes);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// Feeds every file that is kept for a target to it.
    fn replay(target: &str, feed: fn(&[u8])) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
        let mut files = 0;
        for entry in fs::read_dir(corpus).expect("the corpus is kept in the repository") {
            feed(&fs::read(entry.unwrap().path()).unwrap());
            files += 1;
        }
        assert!(files > 0, "the corpus of {target} is empty");
    }

    #[test]
    fn kept_modules_are_loaded_or_refused() {
        replay("module", super::module);
    }

    #[test]
    fn kept_task_sections_are_read() {
        replay("section", super::section);
    }

    #[test]
    fn kept_values_come_back_as_they_were() {
        replay("values", super::values);
    }
}
