//! Tells a component made for another WASI from one whose imports can be satisfied. The linker would find out
//! too, but only in a worker, and would name one missing function instead of the reason.
//! Interfaces outside the packages below are left alone: an embedder may provide them.

use super::error::ModuleError;

/// The packages of WASI that the host provides, in releases 0.2.x and 0.3.x.
const PROVIDED_PACKAGES: [&str; 7] = ["cli", "clocks", "filesystem", "http", "io", "random", "sockets"];

/// Returns an error if some import is of a version of WASI that nothing here can satisfy.
///
/// # Errors
/// [`ModuleError::ForeignWasi`] with all such imports.
pub(crate) fn expect_provided(imports: &[String]) -> Result<(), ModuleError> {
    let foreign: Vec<String> = imports.iter().filter(|import| is_foreign(import)).cloned().collect();
    if foreign.is_empty() { Ok(()) } else { Err(ModuleError::ForeignWasi { imports: foreign }) }
}

/// Returns true for `wasi:io/poll@0.2.0-rc-2023-11-10`, whose like matches nothing but itself.
fn is_foreign(import: &str) -> bool {
    let Some(path) = import.strip_prefix("wasi:") else { return false };
    let package = path.split('/').next().unwrap_or(path);
    if !PROVIDED_PACKAGES.contains(&package) {
        return false;
    }
    let Some((_, version)) = path.split_once('@') else { return true };
    let release = version.split('+').next().unwrap_or(version);
    let is_provided_track = release.starts_with("0.2.") || release.starts_with("0.3.");
    !is_provided_track || release.contains('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_provided_tracks_pass_and_candidates_do_not() {
        for fine in
            ["wasi:io/poll@0.2.0", "wasi:cli/run@0.2.99", "wasi:clocks/x@0.3.0", "wasi:io/p@0.2.6+b-1"]
        {
            assert!(!is_foreign(fine), "{fine}");
        }
        for other in [
            "wasi:io/poll@0.2.0-rc-2023-11-10",
            "wasi:clocks/monotonic-clock@0.3.0-rc-2025-09-16",
            "wasi:cli/environment@0.4.0",
            "wasi:cli/environment@1.0.0",
            "wasi:cli/environment",
        ] {
            assert!(is_foreign(other), "{other}");
        }
    }

    #[test]
    fn what_an_embedder_may_provide_is_left_alone() {
        for theirs in ["wasi:keyvalue/store@0.2.0-draft", "my:own/thing@0.0.1-rc1", "log", "wasi-like"] {
            assert!(!is_foreign(theirs), "{theirs}");
        }
    }

    #[test]
    fn the_complaint_names_the_import() {
        let imports = ["wasi:io/poll@0.2.0-rc-2023-11-10".to_owned(), "wasi:cli/exit@0.9.0".to_owned()];
        let message = expect_provided(&imports).unwrap_err().to_string();
        assert!(message.contains("`wasi:io/poll@0.2.0-rc-2023-11-10` and 1 more"), "{message}");
    }
}
