//! What guests keep with `wasi:keyvalue`: buckets of keys with values, in memory, one for all sandboxes of a pool. It
//! lives and dies with the pool, never grows beyond its bound, and each operation is done before the next begins,
//! whichever workers ask.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard};

/// Every pair and every bucket counts as this many bytes more, so that a million empty ones are not free.
const KEEPING_BYTES: usize = 128;

/// A page of keys has no more than this.
const PAGE_KEYS: usize = 1_000;

/// A page of keys ends when its keys have this many bytes.
const PAGE_BYTES: usize = 256 << 10;

/// Buckets of keys with values.
#[derive(Debug)]
pub(crate) struct KeyValues {
    most_bytes: usize,
    contents: Mutex<Contents>,
}

#[derive(Debug, Default)]
struct Contents {
    buckets: HashMap<String, Bucket>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Bucket {
    pairs: HashMap<String, Pair>,
    /// Keys by the order in which they came, which pages go by: one that stays is in exactly one page, whatever comes
    /// and goes meanwhile.
    order: BTreeMap<u64, String>,
    next_number: u64,
}

#[derive(Debug)]
struct Pair {
    number: u64,
    value: Vec<u8>,
}

/// A key with its value, if there is one.
pub(crate) type FoundPair = Option<(String, Vec<u8>)>;

/// Some keys of a bucket, and where the next page begins, if there is one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KeyPage {
    pub(crate) keys: Vec<String>,
    pub(crate) cursor: Option<u64>,
}

/// Why an operation did nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyValueError {
    #[error(
        "the key-value store would have {wanted} bytes and may have {most}, with {KEEPING_BYTES} for keeping each pair; \
         raise Limits::keyvalue_bytes"
    )]
    Full { wanted: usize, most: usize },
    #[error("the values that are asked for are more than {most} bytes; ask for fewer at once")]
    TooMuch { most: usize },
    #[error("the value of `{0}` is no decimal number that fits 64 bits")]
    NoNumber(String),
    #[error("the value of `{0}` would not fit 64 bits")]
    Overflow(String),
}

impl KeyValues {
    /// Makes an empty store that holds at most so many bytes.
    pub(crate) fn with_most_bytes(most_bytes: usize) -> Self {
        KeyValues { most_bytes, contents: Mutex::default() }
    }

    pub(crate) fn get(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        Some(self.contents().buckets.get(bucket)?.pairs.get(key)?.value.clone())
    }

    /// Returns the values of several keys, all of one moment.
    ///
    /// # Errors
    /// [`KeyValueError::TooMuch`] if the answer would be larger than the store may be, as by the same key many times.
    pub(crate) fn get_many(&self, bucket: &str, keys: Vec<String>) -> Result<Vec<FoundPair>, KeyValueError> {
        let contents = self.contents();
        let bucket = contents.buckets.get(bucket);
        let mut bytes = 0;
        let get = |key: String| {
            let Some(pair) = bucket.and_then(|bucket| bucket.pairs.get(&key)) else { return Ok(None) };
            bytes += bytes_of(&key, &pair.value);
            if bytes > self.most_bytes {
                return Err(KeyValueError::TooMuch { most: self.most_bytes });
            }
            Ok(Some((key, pair.value.clone())))
        };
        keys.into_iter().map(get).collect()
    }

    pub(crate) fn has(&self, bucket: &str, key: &str) -> bool {
        self.contents().buckets.get(bucket).is_some_and(|bucket| bucket.pairs.contains_key(key))
    }

    /// Sets a value.
    ///
    /// # Errors
    /// [`KeyValueError::Full`]; then the old value is as it was.
    pub(crate) fn set(&self, bucket: &str, key: String, value: Vec<u8>) -> Result<(), KeyValueError> {
        self.contents().set(self.most_bytes, bucket, key, value)
    }

    /// Sets several values, none of which is seen before the others. Those before the one that has no room stay.
    ///
    /// # Errors
    /// [`KeyValueError::Full`].
    pub(crate) fn set_many(&self, bucket: &str, pairs: Vec<(String, Vec<u8>)>) -> Result<(), KeyValueError> {
        let mut contents = self.contents();
        pairs.into_iter().try_for_each(|(key, value)| contents.set(self.most_bytes, bucket, key, value))
    }

    /// Removes keys; those that are not there are not missed.
    pub(crate) fn delete(&self, bucket: &str, keys: &[String]) {
        let mut contents = self.contents();
        keys.iter().for_each(|key| contents.delete(bucket, key));
    }

    /// Adds to a decimal number, which is 0 where there is no value, and returns the sum.
    ///
    /// # Errors
    /// The value is no number, the sum is too large, or the store is full. Then the value is as it was.
    pub(crate) fn increment(&self, bucket: &str, key: String, delta: u64) -> Result<u64, KeyValueError> {
        let mut contents = self.contents();
        let pair = contents.buckets.get(bucket).and_then(|bucket| bucket.pairs.get(&key));
        let number = pair.map_or(Some(0), |pair| std::str::from_utf8(&pair.value).ok()?.parse().ok());
        let number: u64 = number.ok_or_else(|| KeyValueError::NoNumber(key.clone()))?;
        let sum = number.checked_add(delta).ok_or_else(|| KeyValueError::Overflow(key.clone()))?;
        contents.set(self.most_bytes, bucket, key, sum.to_string().into_bytes())?;
        Ok(sum)
    }

    /// Lists keys after those that `cursor` came with, in the order in which they were first set.
    pub(crate) fn keys(&self, bucket: &str, cursor: Option<u64>) -> KeyPage {
        let contents = self.contents();
        let mut page = KeyPage { keys: Vec::new(), cursor: None };
        let Some(bucket) = contents.buckets.get(bucket) else { return page };
        let after = cursor.map_or(Bound::Unbounded, Bound::Excluded);
        let (mut last, mut bytes) = (None, 0);
        for (number, key) in bucket.order.range((after, Bound::Unbounded)) {
            if page.keys.len() == PAGE_KEYS || bytes > PAGE_BYTES {
                page.cursor = last;
                break;
            }
            bytes += key.len();
            last = Some(*number);
            page.keys.push(key.clone());
        }
        page
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().expect("no holder of this lock panics")
    }
}

impl Contents {
    fn set(&mut self, most: usize, name: &str, key: String, value: Vec<u8>) -> Result<(), KeyValueError> {
        let bucket = self.buckets.get(name);
        let pair = bucket.and_then(|bucket| bucket.pairs.get(&key));
        let for_bucket = if bucket.is_none() { name.len() + KEEPING_BYTES } else { 0 };
        let before = pair.map_or(0, |pair| bytes_of(&key, &pair.value));
        let wanted = self.bytes - before + bytes_of(&key, &value) + for_bucket;
        if wanted > most {
            return Err(KeyValueError::Full { wanted, most });
        }
        self.bytes = wanted;
        let bucket = self.buckets.entry(name.to_owned()).or_default();
        if let Some(pair) = bucket.pairs.get_mut(&key) {
            pair.value = value;
            return Ok(());
        }
        let number = bucket.next_number;
        bucket.next_number += 1;
        bucket.order.insert(number, key.clone());
        bucket.pairs.insert(key, Pair { number, value });
        Ok(())
    }

    fn delete(&mut self, name: &str, key: &str) {
        let Some(bucket) = self.buckets.get_mut(name) else { return };
        let Some(pair) = bucket.pairs.remove(key) else { return };
        bucket.order.remove(&pair.number);
        self.bytes -= bytes_of(key, &pair.value);
    }
}

/// A key is kept twice: for its value and for its place.
fn bytes_of(key: &str, value: &[u8]) -> usize {
    2 * key.len() + value.len() + KEEPING_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_by_bucket_and_key() {
        let store = KeyValues::with_most_bytes(1 << 20);
        store.set("", "a".to_owned(), b"1".to_vec()).unwrap();
        store.set("other", "a".to_owned(), b"2".to_vec()).unwrap();
        assert_eq!(store.get("", "a").as_deref(), Some(b"1".as_slice()));
        assert_eq!(store.get("other", "a").as_deref(), Some(b"2".as_slice()));
        store.delete("", &["a".to_owned(), "b".to_owned()]);
        assert!(!store.has("", "a") && store.has("other", "a") && store.get("third", "a").is_none());
    }

    #[test]
    fn what_has_no_room_changes_nothing_and_deleting_makes_room() {
        let store = KeyValues::with_most_bytes(1_000);
        store.set("", "a".to_owned(), vec![0; 500]).unwrap();
        let full = store.set("", "a".to_owned(), vec![1; 900]).unwrap_err();
        assert_eq!(full, KeyValueError::Full { wanted: 1_158, most: 1_000 });
        assert_eq!(store.get("", "a"), Some(vec![0; 500]));
        store.delete("", &["a".to_owned()]);
        store.set("", "b".to_owned(), vec![1; 700]).unwrap();
        let mut made = 0;
        while store.set(&made.to_string(), String::new(), Vec::new()).is_ok() {
            made += 1;
        }
        assert!(made < 10, "empty pairs and buckets count too: {made}");
    }

    #[test]
    fn increments_of_many_threads_are_all_counted() {
        let store = KeyValues::with_most_bytes(1 << 20);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        store.increment("", "n".to_owned(), 2).unwrap();
                    }
                });
            }
        });
        assert_eq!(store.increment("", "n".to_owned(), 0), Ok(8_000));
        assert!(matches!(store.increment("", "n".to_owned(), u64::MAX), Err(KeyValueError::Overflow(_))));
        store.set("", "n".to_owned(), b"x".to_vec()).unwrap();
        assert!(matches!(store.increment("", "n".to_owned(), 1), Err(KeyValueError::NoNumber(_))));
    }

    #[test]
    fn asking_for_one_value_many_times_is_no_way_to_fill_the_host() {
        let store = KeyValues::with_most_bytes(10_000);
        store.set("", "a".to_owned(), vec![0; 4_000]).unwrap();
        let two = store.get_many("", vec!["a".to_owned(), "b".to_owned(), "a".to_owned()]).unwrap();
        assert_eq!(two.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true]);
        let many = store.get_many("", vec!["a".to_owned(); 1_000_000]);
        assert_eq!(many, Err(KeyValueError::TooMuch { most: 10_000 }));
    }

    #[test]
    fn pages_have_each_key_that_stays_once_whatever_comes_and_goes() {
        let store = KeyValues::with_most_bytes(10 << 20);
        let key = |number: usize| format!("k{number}");
        (0..2_500).for_each(|number| store.set("", key(number), Vec::new()).unwrap());
        let first = store.keys("", None);
        assert_eq!(first.keys.len(), PAGE_KEYS);
        store.delete("", &(0..990).map(key).collect::<Vec<_>>());
        store.set("", key(2_500), Vec::new()).unwrap();
        let second = store.keys("", first.cursor);
        let third = store.keys("", second.cursor);
        let all: Vec<_> = [first.keys, second.keys, third.keys].concat();
        assert_eq!(all, (0..=2_500).map(key).collect::<Vec<_>>());
        assert_eq!((third.cursor, store.keys("none", None).keys.len()), (None, 0));
    }
}
