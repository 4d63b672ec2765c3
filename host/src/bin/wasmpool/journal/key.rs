//! What ties a record to its call: a short hash of the task, of what its line was read as, and of the line itself.
//! Its end is left out, so that a last line may get one later, and so that line ends may be converted.

use std::fmt;

use sha2::{Digest, Sha256};

/// The hash of one call. Equal ones are taken to be of equal calls: nobody gains by making two that collide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(u64);

impl Key {
    /// Reads a key as it is written.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex { u64::from_str_radix(text, 16).ok().map(Key) } else { None }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Makes the keys of all calls of a task.
#[derive(Clone, Debug)]
pub(crate) struct KeyMaker {
    /// Has seen what all have in common.
    begun: Sha256,
}

impl KeyMaker {
    /// Begins with the task, and with the flag by which lines are no JSON.
    pub(crate) fn new(task: &str, kind_flag: Option<&str>) -> Self {
        let mut begun = Sha256::new();
        for part in [task, kind_flag.unwrap_or_default()] {
            begun.update(part);
            // No name and no flag has one, so that the parts cannot be mistaken for each other.
            begun.update([0]);
        }
        KeyMaker { begun }
    }

    /// Returns the key of a call by its line, without the line end.
    pub(crate) fn key_of(&self, line: &[u8]) -> Key {
        let hash = self.begun.clone().chain_update(line).finalize();
        let start = hash.first_chunk().expect("a hash of 32 bytes begins with 8");
        Key(u64::from_be_bytes(*start))
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, KeyMaker};

    #[test]
    fn a_key_depends_on_task_kind_and_line() {
        let json = KeyMaker::new("nap", None);
        let key = json.key_of(b"5");
        assert_eq!(key, KeyMaker::new("nap", None).key_of(b"5"));
        let others = [json.key_of(b"6"), json.key_of(b""), KeyMaker::new("na", None).key_of(b"p5")];
        assert!(!others.contains(&key));
        assert_ne!(KeyMaker::new("nap", Some("--lines")).key_of(b"5"), key);
    }

    #[test]
    fn keys_are_read_as_they_are_written() {
        let key = KeyMaker::new("nap", None).key_of(b"5");
        assert_eq!(Key::parse(&key.to_string()), Some(key));
        assert_eq!(Key::parse("000000000000000a"), Some(Key(10)));
        for bad in ["", "a", "+00000000000000a", "000000000000000g", "00000000000000000"] {
            assert_eq!(Key::parse(bad), None, "{bad}");
        }
    }
}
