//! Signals: the first takes no more input and waits for what runs, the second stops that too, whatever it does. Each
//! test waits until the guest itself says that it runs.

use crate::command_support::Running;

#[test]
fn the_first_signal_waits_for_running_calls_and_ends_with_its_number() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut running = Running::map(&["say-slowly", "-w", "1"]);
        running.give("[\"a call\",300]\n");
        running.hear("#0 | a call begins");
        // The input stays open, but nobody waits for it.
        running.signal(signal);
        running.hear(&format!("wasmpool: SIG{signal}: no more input is taken; waiting for 1 calls to end"));
        let ran = running.end().exits(code);
        assert_eq!(ran.records()[0]["ok"], serde_json::Value::Null, "{ran:#?}");
        assert_eq!(ran.summary(), "1 calls: 1 done");
    }
}

#[test]
fn the_second_signal_stops_calls_that_wait_or_compute_for_ever() {
    for task in ["say-and-hang", "say-and-spin"] {
        for (first, second, code) in [("INT", "INT", 130), ("TERM", "TERM", 143), ("TERM", "INT", 143)] {
            let mut running = Running::map(&[task, "-w", "2", "-c", "2"]);
            running.give("\"one\"\n\"two\"\n");
            running.hear(" | ");
            running.signal(first);
            running.hear("no more input is taken");
            running.signal(second);
            running.hear("stopping now");
            let ran = running.end().exits(code);
            // Whether the second line had become a call when the signal came is chance.
            let records = ran.records();
            assert!(records.iter().all(|record| record["error"]["kind"] == "cancelled"), "{task}: {ran:#?}");
            let count = records.len();
            assert!((1..=2).contains(&count), "{task}: {ran:#?}");
            let summary = format!("{count} calls: 0 done, {count} failed ({count} cancelled)");
            assert_eq!(ran.summary(), summary, "{task}");
        }
    }
}

#[test]
fn a_signal_ends_a_command_that_waits_for_input() {
    let mut running = Running::map(&["add"]);
    running.give("[1,2]\n");
    running.next_line();
    running.signal("INT");
    assert_eq!(running.end().exits(130).summary(), "1 calls: 1 done");
}

#[test]
fn a_single_call_is_waited_for_once_and_then_stopped() {
    let mut running = Running::start("run", &["say-slowly", "it", "300"]);
    running.hear("it begins");
    running.signal("INT");
    let ran = running.end().exits(130).prints("null\n");
    ran.says("SIGINT: waiting for the call to end").says("it ends");
    for task in ["say-and-hang", "say-and-spin"] {
        let mut running = Running::start("run", &[task, "it runs"]);
        running.hear("it runs");
        running.signal("TERM");
        running.hear("SIGTERM: waiting for the call to end");
        running.signal("TERM");
        running.end().exits(143).prints("");
    }
}
