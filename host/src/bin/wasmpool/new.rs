//! `wasmpool new`: a guest crate to begin with. Made by a command that runs from a checkout, it uses the SDK, the
//! toolchain and the locked dependencies of that checkout, so it builds wherever the checkout does, offline too.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::args::NewArgs;
use crate::exit::Exit;
use crate::shell::quote;
use crate::talk::Talk;

const MANIFEST: &str = include_str!("template/Cargo.toml.tmpl");
const GITIGNORE: &str = include_str!("template/gitignore");
const LIBRARY: &str = include_str!("template/src/lib.rs");

/// What of a checkout is good for the new crate too.
const SHARED_FILES: &[&str] = &["Cargo.lock", "rust-toolchain.toml"];

/// Names that are valid but mean something else to the compiler.
const TAKEN_NAMES: &[&str] =
    &["test", "core", "std", "alloc", "proc_macro", "wasmpool-guest", "wasmpool_guest"];
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
    "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static",
    "struct", "super", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual",
    "where", "while", "yield",
];

/// Writes the crate.
///
/// # Errors
/// The folder is not empty, cannot be written to, or has a name that no crate can have.
pub(crate) fn new(args: &NewArgs, talk: &Talk) -> anyhow::Result<Exit> {
    let dir = &args.dir;
    let name = crate_name(dir)?;
    expect_empty(dir)?;
    let checkout = checkout();
    let sdk = match &checkout {
        Some(root) => {
            format!("wasmpool-guest = {{ path = {} }}", toml_text(&root.join("guest").to_string_lossy()))
        }
        None => format!("wasmpool-guest = \"{}\"", env!("CARGO_PKG_VERSION")),
    };
    let fill = |template: &str| template.replace("{{name}}", &name).replace("{{sdk}}", &sdk);
    write(&dir.join("Cargo.toml"), &fill(MANIFEST))?;
    write(&dir.join(".gitignore"), GITIGNORE)?;
    write(&dir.join("src/lib.rs"), &fill(LIBRARY))?;
    for (root, file) in checkout.iter().flat_map(|root| SHARED_FILES.iter().map(move |file| (root, file))) {
        // Only a convenience: without them, cargo and rustup choose for themselves.
        let _ = fs::copy(root.join(file), dir.join(file));
    }
    let step_in = match dir.to_string_lossy() {
        here if here == "." => String::new(),
        there => format!("cd {} && ", quote(&there)),
    };
    talk.say(format!(
        "made the guest crate `{name}`; try it: {step_in}cargo test && wasmpool run . greet Ada"
    ));
    Ok(Exit::Done)
}

/// Returns the root of the checkout that this command was built in, if it is still there.
fn checkout() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?.canonicalize().ok()?;
    root.join("guest/Cargo.toml").is_file().then_some(root)
}

fn expect_empty(dir: &Path) -> anyhow::Result<()> {
    let shown = dir.display();
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.with_context(|| format!("cannot use `{shown}` as a folder"))?,
    };
    for entry in entries {
        let name = entry.with_context(|| format!("cannot read `{shown}`"))?.file_name();
        // An empty repository is a good place to begin.
        if name != ".git" {
            bail!("`{shown}` is not empty: it has `{}`", name.to_string_lossy());
        }
    }
    Ok(())
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    let written = file.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(file, text));
    written.with_context(|| format!("cannot write `{}`", file.display()))
}

/// Returns the name of the crate in a folder, which is the folder's.
fn crate_name(dir: &Path) -> anyhow::Result<String> {
    let full = std::path::absolute(dir).with_context(|| format!("cannot use `{}`", dir.display()))?;
    // `..` at the end has no name before the file system is asked.
    let full = if full.file_name().is_none() || dir.ends_with("..") { full.canonicalize()? } else { full };
    let Some(name) = full.file_name() else { bail!("`{}` has no name to give a crate", dir.display()) };
    let name = name.to_string_lossy().into_owned();
    match problem_of_name(&name) {
        None => Ok(name),
        Some(problem) => {
            bail!("`{name}` cannot be a crate's name: {problem}; how about `{}`?", suggested_name(&name))
        }
    }
}

fn problem_of_name(name: &str) -> Option<&'static str> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Some("it does not begin with a letter");
    }
    if !name.chars().all(is_allowed) {
        return Some("only letters, digits, `-` and `_` are allowed");
    }
    if name.len() > 64 {
        return Some("it is longer than 64 characters");
    }
    if KEYWORDS.contains(&name) || TAKEN_NAMES.contains(&name) {
        return Some("it means something else to the compiler");
    }
    None
}

fn suggested_name(name: &str) -> String {
    let name: String = name
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' })
        .take(50)
        .collect();
    let name = name.trim_matches(|c: char| c == '-' || c == '_');
    match problem_of_name(name) {
        None => name.to_owned(),
        Some(_) if name.is_empty() => "my-tasks".to_owned(),
        Some(_) => format!("tasks-{name}"),
    }
}

/// Returns a TOML string.
fn toml_text(text: &str) -> String {
    // JSON's escapes are among TOML's.
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::{LIBRARY, MANIFEST, problem_of_name, suggested_name};

    #[test]
    fn names_that_no_crate_can_have_come_back_with_one_that_can() {
        for (name, suggested) in [
            ("2fast", "tasks-2fast"),
            ("my tasks", "my-tasks"),
            ("Über Tasks", "ber-tasks"),
            ("fn", "tasks-fn"),
            ("test", "tasks-test"),
            ("hello.d", "hello-d"),
            ("日本", "my-tasks"),
            ("", "my-tasks"),
        ] {
            assert!(problem_of_name(name).is_some(), "{name}");
            assert_eq!(suggested_name(name), suggested);
            assert_eq!(problem_of_name(suggested), None, "{suggested}");
        }
        for name in ["hello", "my-tasks", "my_tasks2", "Hello"] {
            assert_eq!(problem_of_name(name), None, "{name}");
        }
    }

    #[test]
    fn the_template_has_places_for_what_is_filled_in() {
        assert!(MANIFEST.contains("name = \"{{name}}\"") && MANIFEST.contains("\n{{sdk}}\n"));
        assert!(!LIBRARY.contains("{{"));
    }
}
