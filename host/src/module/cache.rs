//! Compiled code on disk, one file per component or snapshot, and engine. The engine believes every byte of compiled code,
//! so two things must hold: the folder is the user's own and nobody else can write to it (an accident cannot be
//! told from an attack otherwise), and an entry ends in the SHA-256 of what comes before, checked on every
//! load. Entries appear whole, by renaming, so any number of processes may share a folder.
//! How large the folder may become is decided in `cache_bound`.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use wasmtime::Engine;

use super::cache_bound::{ENTRY, MOST_BYTES, UNFINISHED, tidy};

/// The length of a SHA-256, with which each entry ends. The engine does not mind bytes behind its own.
const SUM_BYTES: u64 = 32;

/// When an entry was used is noted no more often than this, so that using one hardly ever writes.
const USE_IS_NOTED_EVERY: Duration = Duration::from_secs(60);

/// Returns the folder in which the `wasmpool` command keeps compiled code: `$WASMPOOL_CACHE_DIR`, else
/// `$XDG_CACHE_HOME/wasmpool`, else `~/.cache/wasmpool`; `None` without a home. The library itself keeps
/// nothing unless it is given a folder.
pub fn default_cache_dir() -> Option<PathBuf> {
    cache_dir_from(|variable| env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from))
}

fn cache_dir_from(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    // A relative `XDG_CACHE_HOME` is to be ignored, says its specification.
    let xdg = || variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    variable("WASMPOOL_CACHE_DIR")
        .or_else(|| xdg().map(|path| path.join("wasmpool")))
        .or_else(|| variable("HOME").map(|path| path.join(".cache").join("wasmpool")))
}

/// A folder that may be trusted with compiled code.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
}

impl Cache {
    /// Opens a folder, which is made if it is not there.
    ///
    /// # Errors
    /// Why it cannot be used, as a sentence.
    pub(crate) fn open(dir: &Path) -> Result<Self, String> {
        let name = dir.display();
        make_private(dir).map_err(|error| format!("cannot make the cache folder `{name}`: {error}"))?;
        let found = fs::symlink_metadata(dir)
            .map_err(|error| format!("cannot look at the cache folder `{name}`: {error}"))?;
        if !found.is_dir() {
            return Err(format!("the cache folder `{name}` is not used: it is not a folder itself"));
        }
        distrust(&found)
            .map_or(Ok(()), |why| Err(format!("the cache folder `{name}` is not used: {why}")))?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// Returns where the code of a component is kept, compiled for engines like this one.
    pub(crate) fn entry(&self, digest: &str, engine: &Engine) -> PathBuf {
        self.place_of(&["wasmpool compiled code 2", digest], engine)
    }

    /// Returns where the code of a snapshot is kept, compiled for engines like this one.
    pub(crate) fn snapshot_entry(
        &self,
        digest: &str,
        function: &str,
        args: &str,
        engine: &Engine,
    ) -> PathBuf {
        self.place_of(&["wasmpool snapshot 1", digest, function, args], engine)
    }

    fn place_of(&self, parts: &[&str], engine: &Engine) -> PathBuf {
        let mut key = KeyHasher(Sha256::new());
        parts.hash(&mut key);
        // Holds the engine's version, which is also that of the snapshots' maker, its settings, and the
        // processor's abilities.
        engine.precompile_compatibility_hash().hash(&mut key);
        self.dir.join(format!("{}.{ENTRY}", hex(&key.0.finalize())))
    }

    /// Returns true if there is an entry, it is the user's own, and it is as it was written. It counts as used.
    pub(crate) fn is_intact(entry: &Path) -> bool {
        let Ok(mut file) = open_own(entry) else { return false };
        let is_intact = ends_in_its_sum(&mut file, entry).unwrap_or(false);
        if is_intact {
            note_use(&file);
        }
        is_intact
    }

    /// Writes an entry, or replaces it. Code that is mapped from the old one stays as it is. Then deletes what
    /// the folder has no room for.
    pub(crate) fn store(&self, entry: &Path, code: &[u8]) -> io::Result<()> {
        let random = fastrand::u64(..);
        let unfinished = entry.with_extension(format!("{}-{random:x}.{UNFINISHED}", std::process::id()));
        let written = write_entry(&unfinished, entry, code).and_then(|()| fs::rename(&unfinished, entry));
        match written {
            Ok(()) => tidy(&self.dir, entry, MOST_BYTES, SystemTime::now()),
            // The first failure is the one to tell about.
            Err(_) => drop(fs::remove_file(&unfinished)),
        }
        written
    }
}

/// Feeds what is hashed to a hash that is the same in every process.
struct KeyHasher(Sha256);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        unreachable!("only the SHA-256 inside is asked for")
    }
}

/// Returns the SHA-256 of `bytes` in hexadecimal.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Begins the sum of an entry with its name, so that no entry can be taken for another.
fn sum_of(entry: &Path) -> Sha256 {
    Sha256::new_with_prefix(entry.file_name().unwrap_or_default().as_encoded_bytes())
}

fn write_entry(path: &Path, entry: &Path, code: &[u8]) -> io::Result<()> {
    let mut file = private(OpenOptions::new().write(true).create_new(true)).open(path)?;
    file.write_all(code)?;
    file.write_all(&sum_of(entry).chain_update(code).finalize())
}

/// Opens an entry, unless it is a link or another user could have written it.
fn open_own(entry: &Path) -> io::Result<File> {
    let found = fs::symlink_metadata(entry)?;
    if !found.is_file() || distrust(&found).is_some() {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    File::open(entry)
}

fn note_use(entry: &File) {
    let now = SystemTime::now();
    let used = entry.metadata().and_then(|found| found.modified());
    if used.is_ok_and(|used| now.duration_since(used).is_ok_and(|age| age > USE_IS_NOTED_EVERY)) {
        // Not noted, it goes a little earlier than it should.
        let _ = entry.set_modified(now);
    }
}

fn ends_in_its_sum(file: &mut File, entry: &Path) -> io::Result<bool> {
    let Some(code_bytes) = file.metadata()?.len().checked_sub(SUM_BYTES) else { return Ok(false) };
    let mut sum = sum_of(entry);
    io::copy(&mut file.take(code_bytes), &mut sum)?;
    file.seek(io::SeekFrom::Start(code_bytes))?;
    let mut written = Vec::new();
    file.take(SUM_BYTES + 1).read_to_end(&mut written)?;
    Ok(sum.finalize().as_slice() == written)
}

#[cfg(unix)]
fn make_private(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600)
}

/// Returns why a folder or an entry is not to be trusted, or `None` if it is.
#[cfg(unix)]
fn distrust(found: &fs::Metadata) -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt;
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Some("it belongs to another user");
    }
    (found.mode() & 0o022 != 0).then_some("others may write to it; `chmod go-w` it")
}

// Elsewhere a user's own folders are private unless he opened them up himself.
#[cfg(not(unix))]
fn make_private(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

#[cfg(not(unix))]
fn distrust(_: &fs::Metadata) -> Option<&'static str> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_comes_from_the_first_variable_that_is_set() {
        let with = |pairs: &'static [(&str, &str)]| {
            let find = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, v)| PathBuf::from(v));
            cache_dir_from(find)
        };
        let all = &[("WASMPOOL_CACHE_DIR", "/w"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(with(all), Some("/w".into()));
        assert_eq!(with(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")]), Some("/x/wasmpool".into()));
        assert_eq!(with(&[("XDG_CACHE_HOME", "x"), ("HOME", "/h")]), Some("/h/.cache/wasmpool".into()));
        assert_eq!(with(&[]), None);
    }

    #[test]
    fn an_entry_is_intact_until_a_byte_of_it_changes_goes_or_comes() {
        let dir = tempfile::tempdir().unwrap();
        let entry = dir.path().join("a.cwasm");
        assert!(!Cache::is_intact(&entry));
        Cache::open(dir.path()).unwrap().store(&entry, b"code").unwrap();
        assert!(Cache::is_intact(&entry));
        let whole = fs::read(&entry).unwrap();
        for length in 0..whole.len() {
            fs::write(&entry, &whole[..length]).unwrap();
            assert!(!Cache::is_intact(&entry), "cut to {length}");
            let mut damaged = whole.clone();
            damaged[length] ^= 1;
            fs::write(&entry, damaged).unwrap();
            assert!(!Cache::is_intact(&entry), "damaged at {length}");
        }
        fs::write(&entry, [whole.as_slice(), b"!"].concat()).unwrap();
        assert!(!Cache::is_intact(&entry));
        let other = dir.path().join("b.cwasm");
        fs::write(&other, &whole).unwrap();
        assert!(!Cache::is_intact(&other), "it is another's");
    }

    #[test]
    fn storing_leaves_nothing_but_the_entry() {
        let dir = tempfile::tempdir().unwrap();
        let entry = dir.path().join("a.cwasm");
        let cache = Cache::open(dir.path()).unwrap();
        cache.store(&entry, b"one").unwrap();
        cache.store(&entry, b"two").unwrap();
        let folder_in_its_place = dir.path().join("b.cwasm");
        fs::create_dir_all(folder_in_its_place.join("full")).unwrap();
        cache.store(&folder_in_its_place, b"three").unwrap_err();
        let mut names: Vec<_> = fs::read_dir(&dir).unwrap().map(|file| file.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["a.cwasm", "b.cwasm"]);
        assert!(fs::read(&entry).unwrap().starts_with(b"two"));
    }

    #[test]
    fn keys_differ_by_content_and_by_what_shapes_code() {
        let cache = Cache { dir: PathBuf::from("/x") };
        let plain = Engine::default();
        let epochs = Engine::new(wasmtime::Config::new().epoch_interruption(true)).unwrap();
        let entries = [cache.entry("a", &plain), cache.entry("b", &plain), cache.entry("a", &epochs)];
        assert!(entries[0] != entries[1] && entries[0] != entries[2]);
        assert_eq!(entries[0], cache.entry("a", &Engine::default()));
    }

    #[cfg(unix)]
    #[test]
    fn a_new_folder_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("deep").join("cache");
        Cache::open(&dir).unwrap();
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        Cache::open(&dir).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_others_could_write_to_is_not_used() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("cache");
        Cache::open(&dir).unwrap();
        for mode in [0o770, 0o702, 0o777] {
            fs::set_permissions(&dir, fs::Permissions::from_mode(mode)).unwrap();
            assert!(Cache::open(&dir).unwrap_err().contains("others may write"), "{mode:o}");
        }
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        Cache::open(&dir).unwrap();
        let link = outer.path().join("link");
        symlink(&dir, &link).unwrap();
        assert!(Cache::open(&link).unwrap_err().contains("not a folder itself"));
        fs::write(outer.path().join("file"), "").unwrap();
        assert!(Cache::open(&outer.path().join("file")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn an_entry_that_others_could_have_written_is_not_used() {
        use std::os::unix::fs::{PermissionsExt, chown, symlink};
        let dir = tempfile::tempdir().unwrap();
        let entry = dir.path().join("a.cwasm");
        Cache::open(dir.path()).unwrap().store(&entry, b"code").unwrap();
        assert_eq!(fs::metadata(&entry).unwrap().permissions().mode() & 0o777, 0o600);
        let link = dir.path().join("b.cwasm");
        symlink(&entry, &link).unwrap();
        assert!(Cache::is_intact(&entry) && !Cache::is_intact(&link));
        fs::set_permissions(&entry, fs::Permissions::from_mode(0o620)).unwrap();
        assert!(!Cache::is_intact(&entry));
        fs::set_permissions(&entry, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Cache::is_intact(&entry));
        // Only root may give files away.
        if chown(&entry, Some(12_345), None).is_ok() {
            assert!(!Cache::is_intact(&entry));
        }
    }

    #[test]
    fn an_entry_that_is_used_is_the_last_to_go() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::open(dir.path()).unwrap();
        let [old, older] = ["old.cwasm", "older.cwasm"].map(|name| dir.path().join(name));
        let long_ago = SystemTime::now() - Duration::from_secs(3_600);
        for (entry, used) in [(&old, long_ago), (&older, long_ago - Duration::from_secs(60))] {
            cache.store(entry, b"code").unwrap();
            File::open(entry).unwrap().set_modified(used).unwrap();
        }
        assert!(Cache::is_intact(&older));
        tidy(dir.path(), Path::new("none"), 50, SystemTime::now());
        assert!(older.exists() && !old.exists());
    }
}
