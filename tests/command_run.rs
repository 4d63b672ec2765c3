//! `wasmpool run`: a result alone on stdout, everything else on stderr, and an exit code that tells a call that failed
//! from one that could not be made.

use std::fs;

use crate::command_support::{Ran, end_of, run, run_stateful, text_of, wasmpool};
use crate::guests::component;
use crate::support::BASICS;

#[test]
fn a_result_is_printed_as_bare_json() {
    let ran = run(&["add", "-1", "43"]).exits(0).prints("42\n");
    assert_eq!(ran.stderr, "");
    let extremes =
        "[-128,-32768,-2147483648,-9223372036854775808,255,65535,4294967295,18446744073709551615]\n";
    run(&["extremes"]).exits(0).prints(extremes);
    run(&["echo-option", "null"]).exits(0).prints("null\n");
    run(&["echo-result", r#"{"err":"deep-blue"}"#]).exits(1).prints("").says("deep-blue");
    run(&["echo-floats", "0.1", "\"NaN\""]).exits(0).prints("[0.1,\"NaN\"]\n");
    run(&["user", "Ada"])
        .exits(0)
        .prints("{\"name\":\"Ada\",\"age\":0,\"tags\":[],\"nick\":null,\"address\":null}\n");
}

#[test]
fn a_string_parameter_takes_the_text_as_it_is() {
    for text in ["5", "\"5\"", "", " a b ", "{\"a\":", "ä\n\t€", "null"] {
        let expected = format!("{}\n", serde_json::to_string(text).expect("a text"));
        run(&["echo-text", text]).exits(0).prints(&expected);
    }
    run(&["echo-text", "--", "-x"]).exits(0).prints("\"-x\"\n");
    run(&["echo-text", "@@home"]).exits(0).prints("\"@home\"\n");
}

#[test]
fn an_argument_is_read_from_a_file_or_from_stdin_byte_for_byte() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("argument");
    let at_file = format!("@{}", text_of(&file));
    fs::write(&file, "two\nlines\r\n").expect("a file");
    run(&["echo-text", &at_file]).exits(0).prints("\"two\\nlines\\r\\n\"\n");
    fs::write(&file, [0, 255, 10]).expect("a file");
    run(&["echo-bytes", &at_file]).exits(0).prints("\"AP8K\"\n");
    run(&["echo-text", &at_file]).exits(2).says("text: not UTF-8").prints("");
    let from_stdin = |task: &str, input: &[u8]| -> Ran {
        end_of(wasmpool(["run"]).arg(component(BASICS)).args([task, "@-"]).write_stdin(input))
    };
    from_stdin("echo-text", b"a\nb").exits(0).prints("\"a\\nb\"\n");
    from_stdin("echo-bytes", b"\x00\xff").exits(0).prints("\"AP8=\"\n");
    from_stdin("sleep-ms", b" 1\n").exits(0).prints("1\n");
    fs::remove_file(&file).expect("it is there");
    run(&["echo-text", &at_file]).exits(2).says(&at_file).prints("");
    run(&["add", "@-", "@-"]).exits(2).says("only one argument can be read from stdin");
}

#[test]
fn bytes_are_base64_or_an_array_of_numbers() {
    run(&["echo-bytes", "\"aGk=\""]).exits(0).prints("\"aGk=\"\n");
    run(&["echo-bytes", "[0,255]"]).exits(0).prints("\"AP8=\"\n");
    run(&["count-bytes", "[]"]).exits(0).prints("0\n");
    run(&["echo-bytes", "[256]"]).exits(2).says("256");
}

#[test]
fn a_failed_call_is_told_on_stderr_and_exits_with_1() {
    run(&["fail", "oh no"]).exits(1).prints("").says("oh no: the middle: the root");
    run(&["fail-typed", "130"]).exits(1).prints("").says(r#"{"too-old":130}"#);
    run(&["fail-typed", "0"]).exits(1).prints("").says("gone");
    run(&["boom", "1"]).exits(1).prints("").says("boom after 1 ms").says("lib.rs:").says("\n  at ");
    run(&["exit", "3"]).exits(1).prints("").says("the guest called exit");
    run(&["overflow", "0"]).exits(1).prints("").says("call stack exhausted");
}

#[test]
fn wrong_arguments_are_told_with_the_signature_and_exit_with_2() {
    let signature = "`add(a: s64, b: s64) -> s64`";
    for args in
        [&[][..], &["1"], &["1", "2", "3"], &["1", "x"], &["1.5", "2"], &["1", "99999999999999999999"]]
    {
        run(&[&["add"], args].concat()).exits(2).says(signature).prints("");
    }
    run(&["add", "1", "x"]).exits(2).says("b: expected s64");
    run(&["echo-user", r#"{"name":"Ada","agee":3}"#]).exits(2).says("did you mean \"age\"?");
}

#[test]
fn an_unknown_task_is_answered_with_the_nearest_one() {
    run(&["echo-txet", "a"]).exits(2).says("no task `echo-txet`; did you mean `echo-text`").prints("");
    run(&["nothing-like-it"]).exits(2).says("no task `nothing-like-it`; there are `add`").prints("");
}

#[test]
fn what_a_guest_prints_is_shown_on_stderr_unless_it_is_not_wanted() {
    assert_eq!(run(&["say", "hello", "2"]).exits(0).prints("null\n").stderr, "hello\nhello\n");
    assert_eq!(run(&["grumble", "oh"]).exits(0).prints("null\n").stderr, "oh\n");
    assert_eq!(run(&["print-partial", "half"]).exits(0).prints("null\n").stderr, "half\n");
    assert_eq!(run(&["say", "hello", "2", "--guest-output", "none"]).exits(0).stderr, "");
    assert_eq!(run(&["say", "hello", "2", "--guest-output", "failed"]).exits(0).stderr, "");
    run(&["boom", "1", "--guest-output", "failed"]).exits(1).says("panicked at ");
}

#[test]
fn an_initializer_gets_its_arguments_or_says_what_it_takes() {
    run_stateful(&["mode", "--init-arg", "ok", "--init-arg", "0"]).exits(0).prints("\"ok\"\n");
    let signature = "`open(mode: string, ms: u32) -> result<_, task-error>`";
    for flags in [&[][..], &["--init-arg", "ok"], &["--init-arg", "ok", "--init-arg", "soon"]] {
        run_stateful(&[&["mode"], flags].concat()).exits(2).says("--init-arg").says(signature).prints("");
    }
    let failing = |mode| run_stateful(&["mode", "--init-arg", mode, "--init-arg", "0"]).exits(2).prints("");
    failing("err").says("no session in mode err");
    failing("panic").says("the session panics on purpose");
}

#[test]
fn any_function_can_be_the_initializer_of_a_module_without_one() {
    run(&["count", "--init", "count"]).exits(0).prints("2\n");
    let flags = ["add", "1", "2", "--init", "say", "--init-arg", "open", "--init-arg", "1"];
    run(&flags).exits(0).prints("3\n").says("open\n");
    run(&["add", "1", "2", "--init", "cuont"])
        .exits(2)
        .says("--init: no task `cuont`; did you mean `count`?");
    run(&["add", "1", "2", "--init", "say"])
        .exits(2)
        .says("`say(text: string, times: u32)` takes 2 arguments");
    run(&["add", "1", "2", "--init-arg", "1"]).exits(2).says("has no initializer").says("--init");
    run(&["add", "1", "2", "--init", "div", "--init-arg", "1", "--init-arg", "0"])
        .exits(2)
        .says("cannot divide");
}
