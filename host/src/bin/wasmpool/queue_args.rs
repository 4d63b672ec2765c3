//! The flag that declares a queue. What feeds it is elsewhere (`feeding`).

use std::path::{Path, PathBuf};
use std::str::FromStr;

/// `NAME`, or `NAME=FILE`, the file being stdin for `-`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueueFlag {
    pub(crate) name: String,
    /// `None` for a queue that tasks alone fill.
    pub(crate) file: Option<PathBuf>,
}

impl FromStr for QueueFlag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, file)) if !name.is_empty() && !file.is_empty() => {
                Ok(QueueFlag { name: name.to_owned(), file: Some(file.into()) })
            }
            None if !text.is_empty() => Ok(QueueFlag { name: text.to_owned(), file: None }),
            _ => Err("expected NAME=FILE, with `-` for stdin, or NAME alone".to_owned()),
        }
    }
}

impl QueueFlag {
    pub(crate) fn is_stdin(&self) -> bool {
        self.file.as_deref() == Some(Path::new("-"))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::QueueFlag;

    #[test]
    fn a_queue_has_a_name_and_a_file() {
        let flag: QueueFlag = "numbers=a=b.jsonl".parse().expect("it is good");
        assert_eq!((flag.name.as_str(), flag.file.as_deref()), ("numbers", Some(Path::new("a=b.jsonl"))));
        assert_eq!("done".parse::<QueueFlag>().expect("it is good").file, None);
        assert!("numbers=-".parse::<QueueFlag>().expect("it is good").is_stdin());
        for bad in ["=x", "numbers=", ""] {
            assert!(bad.parse::<QueueFlag>().is_err(), "{bad}");
        }
    }
}
