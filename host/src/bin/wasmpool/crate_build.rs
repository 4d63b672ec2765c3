//! From the folder of a guest crate to a component, by cargo. Which toolchain builds it, and where to, is decided by
//! the folder's own settings, so cargo runs in it. Cargo's messages pass through to stderr, except its word
//! that all is finished: a crate that is fresh costs no line.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, anyhow, bail};
use serde_json::Value;

use crate::shell::quote;
use crate::talk::Talk;

const TARGET: &str = "wasm32-wasip2";

/// Variables by which cargo tells a program about the package that *it* belongs to.
const ANOTHER_PACKAGE: &[&str] =
    &["CARGO_PKG_", "CARGO_BIN_", "CARGO_MANIFEST_", "CARGO_FEATURE_", "CARGO_CFG_", "CARGO_DEP_"];
const ANOTHER_CRATE: &[&str] =
    &["CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "CARGO_TARGET_TMPDIR", "OUT_DIR"];

/// A guest crate, as cargo sees it.
pub(crate) struct GuestCrate {
    dir: PathBuf,
    manifest: PathBuf,
    /// Where the component is once it has been built.
    pub(crate) component: PathBuf,
}

impl GuestCrate {
    /// Looks at the crate in a folder.
    ///
    /// # Errors
    /// It is no guest crate; the message says what to do.
    pub(crate) fn in_folder(dir: &Path) -> anyhow::Result<Self> {
        let shown = dir.display();
        if !dir.is_dir() {
            bail!("`{shown}` is not a folder");
        }
        let manifest = dir.join("Cargo.toml");
        if !manifest.is_file() {
            bail!("`{shown}` has no Cargo.toml, so it is no guest crate; `wasmpool new DIR` makes one");
        }
        let manifest = manifest.canonicalize().with_context(|| format!("cannot read `{shown}`"))?;
        let metadata = metadata(dir)?;
        let component = component_of(&metadata, &manifest).map_err(|problem| match problem {
            NoComponent::Workspace(members) => anyhow!(
                "`{shown}` is a workspace, not a crate; give the folder of a guest crate in it{}",
                listed(&members)
            ),
            NoComponent::NotCdylib(name) => anyhow!(
                "crate `{name}` is not built to a component; add `crate-type = [\"cdylib\", \"rlib\"]` to [lib] in `{}`",
                manifest.display()
            ),
        })?;
        Ok(GuestCrate { dir: dir.to_owned(), manifest, component })
    }

    /// Builds the component.
    ///
    /// # Errors
    /// The target cannot be installed, or the crate does not build; then cargo has said why.
    pub(crate) fn build(&self, talk: &Talk) -> anyhow::Result<()> {
        ensure_target(&self.dir, talk)?;
        let mut cargo = cargo(&self.dir);
        cargo
            .args(["build", "--release", "--lib", "--target", TARGET, "--manifest-path"])
            .arg(&self.manifest);
        if talk.is_terminal() && env::var_os("NO_COLOR").is_none() {
            cargo.args(["--color", "always"]);
        }
        let mut child = cargo
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .context(NO_CARGO)?;
        if let Some(stderr) = child.stderr.take() {
            pass_on(stderr, talk);
        }
        if !child.wait().context("cannot wait for cargo")?.success() {
            bail!("`{}` does not build", self.dir.display());
        }
        if !self.component.is_file() {
            bail!("cargo left no component at `{}`", self.component.display());
        }
        Ok(())
    }
}

const NO_CARGO: &str = "cannot run cargo, which builds guest crates; install Rust (https://rustup.rs)";

/// Builds the guest crate in a folder, on a thread of its own, and returns where the component is.
///
/// # Errors
/// As [`GuestCrate::in_folder`] and [`GuestCrate::build`].
pub(crate) async fn build_folder(dir: &Path, talk: &Talk) -> anyhow::Result<PathBuf> {
    let (dir, talk) = (dir.to_owned(), talk.clone());
    let (answer, answered) = tokio::sync::oneshot::channel();
    thread::Builder::new().name("wasmpool-build".to_owned()).spawn(move || {
        let built = GuestCrate::in_folder(&dir).and_then(|guest| {
            guest.build(&talk)?;
            Ok(guest.component)
        });
        // Nobody waits any more if the command has been stopped.
        let _ = answer.send(built);
    })?;
    answered.await.context("the build was lost")?
}

enum NoComponent {
    /// The folder holds no package of its own; these are in it.
    Workspace(Vec<String>),
    /// The package of this name has no `cdylib`.
    NotCdylib(String),
}

/// Returns where cargo puts the component of the package with this manifest.
fn component_of(metadata: &Value, manifest: &Path) -> Result<PathBuf, NoComponent> {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_it =
        |package: &&Value| package["manifest_path"].as_str().is_some_and(|path| Path::new(path) == manifest);
    let Some(package) = packages.iter().find(is_it) else {
        let folders = packages.iter().filter(|package| cdylib_of(package).is_some()).filter_map(|package| {
            let folder = Path::new(package["manifest_path"].as_str()?).parent()?;
            let root = metadata["workspace_root"].as_str()?;
            Some(folder.strip_prefix(root).unwrap_or(folder).display().to_string())
        });
        return Err(NoComponent::Workspace(folders.collect()));
    };
    let Some(library) = cdylib_of(package) else {
        return Err(NoComponent::NotCdylib(package["name"].as_str().unwrap_or_default().to_owned()));
    };
    let folder = Path::new(metadata["target_directory"].as_str().unwrap_or("target"));
    Ok(folder.join(TARGET).join("release").join(format!("{}.wasm", library.replace('-', "_"))))
}

/// Returns the name of a package's library if it is built as a `cdylib`.
fn cdylib_of(package: &Value) -> Option<&str> {
    let is_cdylib = |target: &&Value| {
        target["crate_types"].as_array().is_some_and(|types| types.iter().any(|ty| ty == "cdylib"))
    };
    package["targets"].as_array()?.iter().find(is_cdylib)?["name"].as_str()
}

fn listed(folders: &[String]) -> String {
    match folders {
        [] => String::new(),
        folders => format!(
            ", such as {}",
            folders.iter().take(5).map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")
        ),
    }
}

fn metadata(dir: &Path) -> anyhow::Result<Value> {
    let output = cargo(dir)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .stdin(Stdio::null())
        .output()
        .context(NO_CARGO)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("cargo does not understand `{}`: {}", dir.display(), said.trim().trim_start_matches("error: "));
    }
    serde_json::from_slice(&output.stdout).context("cargo metadata gave no JSON")
}

/// Installs the target if the folder's toolchain lacks it.
fn ensure_target(dir: &Path, talk: &Talk) -> anyhow::Result<()> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let output = tool(&rustc, dir).args(["--print", "sysroot"]).stdin(Stdio::null()).output();
    let output =
        output.context("cannot run rustc, which builds guest crates; install Rust (https://rustup.rs)")?;
    if !output.status.success() {
        bail!(
            "rustc does not run in `{}`: {}",
            dir.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let sysroot = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir() {
        return Ok(());
    }
    let remedy = format!("rustup target add {TARGET}");
    talk.say(format!("the toolchain has no target {TARGET}; running `{remedy}`"));
    match tool(&"rustup".into(), dir).args(["target", "add", TARGET]).stdin(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => bail!(
            "the target {TARGET} could not be added; run `{remedy}` in {}",
            quote(&dir.to_string_lossy())
        ),
        Err(_) => bail!(
            "the Rust toolchain in `{}` has no target {TARGET}, and there is no rustup to add it; install Rust with \
             rustup (https://rustup.rs), or your system's package of Rust's library for {TARGET}",
            sysroot.display()
        ),
    }
}

/// Shows what cargo says, line by line.
fn pass_on(stderr: impl Read, talk: &Talk) {
    for line in BufReader::new(stderr).split(b'\n') {
        // Cargo's exit tells whether all went well.
        let Ok(line) = line else { return };
        let line = String::from_utf8_lossy(&line);
        if !says_finished(&line) {
            talk.trusted_line(line.trim_end_matches('\r'));
        }
    }
}

fn says_finished(line: &str) -> bool {
    // With colours, the word stands between two sequences.
    line.contains("Finished") && line.contains("`release`")
}

fn cargo(dir: &Path) -> Command {
    tool(&env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")), dir)
}

/// A tool that runs in a folder and does not take itself for part of the package that we may be run by.
fn tool(program: &OsString, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir);
    for (name, _) in env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        if ANOTHER_CRATE.contains(&text) || ANOTHER_PACKAGE.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use serde_json::json;

    use super::{NoComponent, component_of, says_finished};

    #[test]
    fn the_component_is_named_after_the_library() {
        let metadata = json!({
            "workspace_root": "/w", "target_directory": "/t",
            "packages": [
                {"name": "plain", "manifest_path": "/w/plain/Cargo.toml",
                 "targets": [{"name": "plain", "crate_types": ["lib"]}]},
                {"name": "my-tasks", "manifest_path": "/w/guests/my-tasks/Cargo.toml",
                 "targets": [{"name": "x", "crate_types": ["bin"]},
                             {"name": "my-tasks", "crate_types": ["cdylib", "rlib"]}]},
            ],
        });
        let component = |manifest: &str| component_of(&metadata, Path::new(manifest));
        let built = component("/w/guests/my-tasks/Cargo.toml").ok();
        assert_eq!(built, Some(PathBuf::from("/t/wasm32-wasip2/release/my_tasks.wasm")));
        let plain = component("/w/plain/Cargo.toml");
        assert!(matches!(plain, Err(NoComponent::NotCdylib(name)) if name == "plain"));
        let workspace = component("/w/Cargo.toml");
        assert!(matches!(workspace, Err(NoComponent::Workspace(folders)) if folders == ["guests/my-tasks"]));
    }

    #[test]
    fn only_the_last_word_of_cargo_is_left_out() {
        assert!(says_finished("    Finished `release` profile [optimized + debuginfo] target(s) in 0.05s"));
        assert!(!says_finished("   Compiling finished v0.1.0"));
        assert!(!says_finished("warning: unused variable: `release`"));
    }
}
