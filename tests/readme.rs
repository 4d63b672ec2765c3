//! The README is true: its shell sessions print what they show.

use std::fs;
use std::process::Command;

use crate::guests::repository;

/// A command line of a session, with the output shown under it.
struct Shown {
    command: String,
    output: String,
}

/// The `console` blocks of the README, each a session of its own.
fn sessions() -> Vec<Vec<Shown>> {
    let readme = fs::read_to_string(repository().join("README.md")).expect("the README");
    let blocks =
        readme.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    blocks
        .map(|block| {
            let mut session: Vec<Shown> = Vec::new();
            for line in block.lines() {
                match (line.strip_prefix("$ "), session.last_mut()) {
                    (Some(command), _) => {
                        session.push(Shown { command: command.to_owned(), output: String::new() });
                    }
                    (None, Some(last)) => last.output.push_str(&format!("{line}\n")),
                    (None, None) => panic!("a session begins with a command, not with {line}"),
                }
            }
            session
        })
        .collect()
}

#[test]
fn the_sessions_of_the_readme_print_what_they_show() {
    for session in sessions() {
        let folder = tempfile::tempdir().expect("a folder");
        // The first session makes a crate; the others use this repository's modules by their place in it.
        let begins_anew = session.iter().any(|shown| shown.command.starts_with("wasmpool new"));
        let home = if begins_anew { folder.path().to_owned() } else { repository() };
        let mut script = String::from("set -e\n");
        for (index, shown) in session.iter().enumerate() {
            script.push_str(&format!("echo '=== {index}'\n{}\n", shown.command));
        }
        let command = std::path::Path::new(env!("CARGO_BIN_EXE_wasmpool"));
        let path = format!(
            "{}:{}",
            command.parent().expect("the command is in a folder").display(),
            std::env::var("PATH").unwrap_or_default()
        );
        let output = Command::new("bash")
            .args(["-c", &script])
            .env("PATH", path)
            .current_dir(home)
            .output()
            .expect("bash starts");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let expected: String = session
            .iter()
            .enumerate()
            .map(|(index, shown)| format!("=== {index}\n{}", shown.output))
            .collect();
        assert_eq!(printed, expected, "{}", String::from_utf8_lossy(&output.stderr));
    }
}
