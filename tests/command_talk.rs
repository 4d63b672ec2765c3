//! What the command says on stderr, apart from failures: guest output under the index of its call, progress, what
//! happens to sandboxes, and a summary as the last line. None of it is data, and nobody needs to read it.

use crate::command_support::{Ran, cache_dir, end_of, map, run, wasmpool};
use crate::guests::component;
use crate::support::{BASICS, STATEFUL};

/// One call that succeeds and one that fails, both with output.
fn good_and_bad(flags: &[&str]) -> Ran {
    let input = "[\"ab\",1]\n{\"n\":1}\n[\"cd\",2]\n";
    map(&[&["say", "-w", "1"], flags].concat(), input).exits(1)
}

#[test]
fn guest_output_bears_the_index_of_its_call() {
    let ran = good_and_bad(&[]).says("#0 | ab\n").says("#2 | cd\n#2 | cd\n");
    assert_eq!(ran.stderr.lines().count(), 4, "three lines and the summary: {}", ran.stderr);
    let ran = map(
        &["count", "--times", "2", "--init", "say", "--init-arg", "hi", "--init-arg", "1", "-w", "1"],
        "",
    );
    ran.exits(0).says("- | hi\n");
}

#[test]
fn guest_output_is_shown_of_all_calls_of_failed_ones_or_of_none() {
    let lines = |choice| -> Vec<String> {
        let input = "[0,0,false,0]\n[1,0,true,0]\n[2,0,false,0]\n";
        let flags =
            ["boom-if", "-w", "1", "-c", "1", "--init", "say", "--init-arg", "opens", "--init-arg", "1"];
        let ran = map(&[&flags[..], &["--guest-output", choice]].concat(), input).exits(1);
        assert_eq!(ran.summary(), "3 calls: 2 done, 1 failed (1 trapped)");
        ran.stderr.lines().filter(|line| line.contains(" | ")).map(str::to_owned).collect()
    };
    let all = lines("all");
    assert!(all.contains(&"#1 | boom of 1".to_owned()) && all.contains(&"- | opens".to_owned()), "{all:?}");
    assert_eq!(lines("none"), [""; 0]);
    let failed = good_and_bad(&["--guest-output", "failed"]);
    assert!(!failed.stderr.contains(" | "), "bad input says nothing: {}", failed.stderr);
    assert!(lines("failed").contains(&"#1 | boom of 1".to_owned()));
    good_and_bad(&["--guest-output", "none"]);
    map(&["say", "--guest-output", "some"], "").exits(2).says("--guest-output");
}

#[test]
fn of_calls_that_succeed_no_output_is_kept_where_only_failures_matter() {
    let input: String = (0..50).map(|n| format!("[\"call {n}\",3]\n")).collect();
    let ran = map(&["say", "--guest-output", "failed"], input).exits(0);
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    assert_eq!(ran.summary(), "50 calls: 50 done");
}

#[test]
fn the_summary_is_the_last_line_and_names_every_kind() {
    let ran = map(&["fail-typed", "--attempts", "1"], "0\nx\n5\n0\n").exits(1);
    assert_eq!(ran.summary(), "4 calls: 1 done, 3 failed (2 task-error, 1 bad-input)");
    let last = ran.stderr.lines().next_back().expect("a summary");
    let (_, time) = last.rsplit_once("; ").expect("a time");
    assert!(time.strip_suffix(" s").is_some_and(|time| time.parse::<f64>().is_ok()), "{last}");
}

#[test]
fn away_from_a_terminal_there_is_no_bar_and_no_colour() {
    for progress in ["auto", "bar", "plain", "none"] {
        for variable in ["NO_COLOR", "CLICOLOR_FORCE"] {
            let mut command = wasmpool(["map"]);
            command.arg(component(BASICS)).args(["sleep-ms", "--progress", progress]).env(variable, "1");
            let ran = end_of(command.write_stdin("150\n".repeat(4))).exits(0);
            assert!(!ran.stderr.contains(['\x1b', '\r']), "{progress}, {variable}: {:?}", ran.stderr);
            assert_eq!(ran.summary(), "4 calls: 4 done");
        }
    }
    map(&["sleep-ms", "--progress", "none"], "1\n").exits(0);
    map(&["sleep-ms", "--progress", "loud"], "").exits(2).says("--progress");
}

#[test]
fn with_v_it_tells_of_sandboxes_and_twice_of_calls() {
    let input = "[0,0,true,0]\n[1,0,false,0]\n";
    let flags = ["boom-if", "-w", "1", "-c", "1", "--guest-output", "none"];
    let silent = map(&flags, input).exits(1);
    assert_eq!(silent.stderr.lines().count(), 1, "{}", silent.stderr);
    let some = map(&[&flags[..], &["-v"]].concat(), input).exits(1);
    let some = some.says("worker 0 opened a sandbox of `guest_basics`").says("retired a sandbox");
    assert!(!some.stderr.contains("`boom-if` runs on"), "{}", some.stderr);
    let all = map(&[&flags[..], &["-vv"]].concat(), input).exits(1);
    all.says("call 0 of `boom-if` runs on worker 0, attempt 1")
        .says("call 0 trapped after")
        .says("call 1 done after");
    run(&["add", "1", "2", "-v"]).exits(0).prints("3\n").says("opened a sandbox");
}

#[test]
fn an_initializer_that_takes_arguments_says_so_before_any_call() {
    let stateful = |flags: &[&str]| {
        let mut command = wasmpool(["map"]);
        end_of(
            command.arg(component(STATEFUL)).args(["count", "-w", "1"]).args(flags).write_stdin("[]\n[]\n"),
        )
    };
    let signature = "`open(mode: string, ms: u32) -> result<_, task-error>` takes 2 arguments";
    stateful(&[]).exits(2).prints("").says(signature).says("--init-arg");
    let good = stateful(&["--init-arg", "ok", "--init-arg", "0", "--values"]);
    good.exits(0).prints("1\n2\n");
    stateful(&["--init-arg", "err", "--init-arg", "0"]).exits(2).prints("").says("no session in mode err");
}

#[test]
fn settings_out_of_range_are_named_as_flags() {
    for (flags, setting) in
        [(["-w", "0"], "--workers"), (["-c", "0"], "--concurrency"), (["-w", "9999"], "--workers")]
    {
        let told = |ran: Ran| ran.exits(2).prints("").says(setting).says("is not in 1..=");
        told(map(&[&["add"][..], &flags].concat(), "[1,2]\n"));
        told(run(&[&["add", "1", "2"][..], &flags].concat()));
    }
}

#[test]
fn closed_streams_end_no_call() {
    let script = |line: &str| {
        let mut shell = assert_cmd::Command::new("bash");
        shell.args(["-c", line, env!("CARGO_BIN_EXE_wasmpool")]).arg(component(BASICS));
        shell.env("WASMPOOL_CACHE_DIR", cache_dir()).timeout(std::time::Duration::from_secs(120));
        end_of(&mut shell)
    };
    let ran = script(r#""$0" run "$1" say hello 2 2>&-"#).exits(0).prints("null\n");
    assert_eq!(ran.stderr, "");
    script(r#"echo '[1,2]' | "$0" map "$1" add --values 2>&-"#).exits(0).prints("3\n");
    script(r#""$0" run "$1" add 1 x 2>&-"#).exits(2).prints("");
    script(r#""$0" map "$1" add <&-"#).exits(0).prints("").says("0 calls: 0 done");
    script(r#""$0" run "$1" echo-text @- <&-"#).exits(0).prints("\"\"\n");
    script(r#""$0" run "$1" add 1 2 >&-"#).exits(0).prints("");
    script(r#""$0" inspect "$1" | true; exit "${PIPESTATUS[0]}""#).exits(0);
    if cfg!(target_os = "linux") {
        script(r#""$0" run "$1" say hello 2 2>/dev/full"#).exits(0).prints("null\n");
    }
}

#[test]
fn odd_input_is_bad_input_and_no_more() {
    let deep = format!("{}{}\n", "[".repeat(100_000), "]".repeat(100_000));
    let ran = map(&["add"], deep + "[1,2]\n").exits(1);
    assert_eq!(ran.summary(), "2 calls: 1 done, 1 failed (1 bad-input)");
    map(&["echo-text", "--lines", "--values"], b"a\0b\n").exits(0).prints("\"a\\u0000b\"\n");
    let long = "x".repeat(1 << 20);
    map(&["echo-text", "--lines", "--values"], format!("{long}\n")).exits(0).prints(&format!("\"{long}\"\n"));
    map(&["add", "--values"], "[9223372036854775807,1]\n").exits(0).prints("-9223372036854775808\n");
    map(&["add"], "[9223372036854775808,1]\n").exits(1);
}

#[test]
fn workers_that_the_system_has_no_files_for_are_an_error_at_once() {
    let module = component(BASICS);
    let mut shell = assert_cmd::Command::new("bash");
    let script =
        format!("ulimit -n 64; exec {} map {} add -w 200", env!("CARGO_BIN_EXE_wasmpool"), module.display());
    let output = shell.args(["-c", &script]).write_stdin("[1,2]\n").output().expect("bash starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("workers: "), "{stderr}");
}

#[test]
fn calls_are_called_slow_when_the_flag_says_so() {
    let hang =
        |flags: &[&str]| map(&[&["hang", "--times", "1", "--deadline", "3s"], flags].concat(), "").exits(1);
    assert!(!hang(&[]).stderr.contains("SLOW"));
    hang(&["--slow-after", "1s"]).says("SLOW: call 0 of `hang`");
}
