//! What the SDK recorded about tasks in the custom section `wasmpool:tasks`: one JSON object a line.
//! The section comes with the module, so nobody trusts it: it is capped, what it says about unknown things is
//! ignored, and a line that makes no sense costs a note, never the module. What a task's types are is not
//! taken from here but from the component itself.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use serde::Deserialize;

use super::notes::Notes;

/// The version of the section that is understood here.
const VERSION: u64 = 1;
/// All sections of a module together may be this long.
const MOST_BYTES: usize = 1 << 20;
/// A longer time is no setting but a mistake, and would overflow clocks.
const LONGEST_TIME: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// What a task is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskKind {
    /// A function to be called.
    #[default]
    Task,
    /// `#[init]`: runs once in each new sandbox.
    Init,
    /// `#[snapshot]`: runs once, before there are sandboxes.
    Snapshot,
}

/// A task's `#[retry(…)]` as it was written. What is `None` was left out and has the pool's default.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RetryAttribute {
    /// How many attempts a call gets, the first included.
    pub attempts: Option<u32>,
    /// The time to wait after the first attempt.
    pub first_delay: Option<Duration>,
    /// No wait is longer.
    pub max_delay: Option<Duration>,
    /// By what each wait is longer than the one before.
    pub factor: Option<f64>,
    /// Whether waits are drawn at random.
    pub jitter: Option<bool>,
    /// No attempt starts later than this after the first.
    pub within: Option<Duration>,
    /// The cases of the task's error that are worth another attempt; empty means all.
    pub on: Vec<String>,
}

/// A task's `#[timeout(…)]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutAttribute {
    /// `#[timeout("none")]`: the task may wait for ever, unless the pool or a handle sets a limit: those who run a
    /// task have the last word.
    Never,
    /// An attempt may take this long.
    After(Duration),
}

/// What was recorded about one task.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TaskAttributes {
    pub(crate) kind: TaskKind,
    pub(crate) docs: Option<String>,
    pub(crate) takes_state: bool,
    pub(crate) retry: Option<RetryAttribute>,
    pub(crate) timeout: Option<TimeoutAttribute>,
    pub(crate) is_idempotent: bool,
}

/// What was recorded about a module.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    pub(crate) docs: Option<String>,
    pub(crate) tasks: HashMap<String, TaskAttributes>,
}

/// Reads all task sections of a module.
pub(crate) fn read_sections(sections: &[&[u8]], notes: &mut Notes) -> Recorded {
    let mut recorded = Recorded::default();
    let mut bytes_left = MOST_BYTES;
    for section in sections {
        let Some(left) = bytes_left.checked_sub(section.len()) else {
            notes.push("task sections beyond 1 MiB were ignored");
            break;
        };
        bytes_left = left;
        for line in section.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
            if !line.is_empty()
                && let Err(reason) = recorded.add_line(line)
            {
                notes.push(format!("something in the task section was ignored: {reason}"));
            }
        }
    }
    recorded
}

impl Recorded {
    fn add_line(&mut self, line: &[u8]) -> Result<(), String> {
        // The version first: a newer line may have fields that mean something else.
        let Versioned { v } = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        if v > VERSION {
            return Err(format!("it is of version {v}, and version {VERSION} is the newest known here"));
        }
        let line: Line = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let kind = match line.kind.as_str() {
            "task" => TaskKind::Task,
            "init" => TaskKind::Init,
            "snapshot" => TaskKind::Snapshot,
            "module" => {
                self.docs = self.docs.take().or_else(|| line.docs.as_deref().and_then(printable));
                return Ok(());
            }
            _ => return Ok(()),
        };
        let name = line.name.clone().ok_or("it names no task")?;
        let mut complaints = Vec::new();
        let attributes = line.into_attributes(kind, &mut complaints);
        match self.tasks.entry(name) {
            Entry::Vacant(vacant) => drop(vacant.insert(attributes)),
            Entry::Occupied(first) => {
                return Err(format!("`{}` has one already", first.key().escape_debug()));
            }
        }
        if complaints.is_empty() { Ok(()) } else { Err(complaints.join("; ")) }
    }
}

#[derive(Deserialize)]
struct Versioned {
    v: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Line {
    kind: String,
    name: Option<String>,
    docs: Option<String>,
    #[serde(default)]
    state: bool,
    retry: Option<RetryLine>,
    timeout: Option<String>,
    timeout_ms: Option<u64>,
    #[serde(default)]
    idempotent: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RetryLine {
    attempts: Option<u32>,
    first_delay_ms: Option<u64>,
    max_delay_ms: Option<u64>,
    factor: Option<f64>,
    jitter: Option<bool>,
    within_ms: Option<u64>,
    #[serde(default)]
    on: Vec<String>,
}

impl Line {
    /// Takes what can be taken: a bad time or policy is left out and complained of, and the rest stands.
    fn into_attributes(self, kind: TaskKind, complaints: &mut Vec<String>) -> TaskAttributes {
        let timeout = match (self.timeout.as_deref(), self.timeout_ms) {
            (Some("none"), None) => Ok(Some(TimeoutAttribute::Never)),
            (Some(_), _) => Err("its `timeout` is not \"none\"".to_owned()),
            (None, time) => milliseconds(time, "timeout-ms").map(|time| time.map(TimeoutAttribute::After)),
        };
        let retry = self.retry.map(RetryLine::into_attribute).transpose();
        TaskAttributes {
            kind,
            docs: self.docs.as_deref().and_then(printable),
            takes_state: self.state,
            retry: retry.unwrap_or_else(|complaint| leave_out(complaint, complaints)),
            timeout: timeout.unwrap_or_else(|complaint| leave_out(complaint, complaints)),
            is_idempotent: self.idempotent,
        }
    }
}

fn leave_out<T>(complaint: String, complaints: &mut Vec<String>) -> Option<T> {
    complaints.push(complaint);
    None
}

impl RetryLine {
    fn into_attribute(self) -> Result<RetryAttribute, String> {
        if self.attempts == Some(0) {
            return Err("its `attempts` is 0".to_owned());
        }
        if self.factor.is_some_and(|factor| !(factor.is_finite() && factor > 0.0)) {
            return Err("its `factor` is not above 0".to_owned());
        }
        Ok(RetryAttribute {
            attempts: self.attempts,
            first_delay: milliseconds(self.first_delay_ms, "first-delay-ms")?,
            max_delay: milliseconds(self.max_delay_ms, "max-delay-ms")?,
            factor: self.factor,
            jitter: self.jitter,
            within: milliseconds(self.within_ms, "within-ms")?,
            on: self.on,
        })
    }
}

fn milliseconds(value: Option<u64>, field: &str) -> Result<Option<Duration>, String> {
    let time = value.map(Duration::from_millis);
    if time.is_some_and(|time| time > LONGEST_TIME) {
        return Err(format!("its `{field}` is longer than a year"));
    }
    Ok(time)
}

/// Docs end up on a terminal, so control characters (escape sequences above all) stay behind.
fn printable(docs: &str) -> Option<String> {
    let kept: String = docs.chars().filter(|char| *char == '\n' || !char.is_control()).collect();
    let kept = kept.trim();
    if kept.is_empty() { None } else { Some(kept.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(section: &str) -> (Recorded, Vec<String>) {
        let mut notes = Notes::default();
        let recorded = read_sections(&[section.as_bytes()], &mut notes);
        (recorded, notes.into_vec())
    }

    /// Reads a line that must not be accepted, and returns why.
    fn complaint(line: &str) -> String {
        let (recorded, notes) = read(line);
        assert!(recorded.tasks.is_empty(), "{line}");
        notes.join("; ")
    }

    #[test]
    fn a_full_line_is_read_as_it_was_written() {
        let (recorded, notes) = read(
            r#"{"v":1,"kind":"task","name":"get-status","params":["url"],"docs":" HTTP status.\n\nMore. ","state":true,
               "retry":{"attempts":5,"first-delay-ms":100,"max-delay-ms":10000,"factor":2.0,"jitter":true,
               "within-ms":null,"on":["busy"]},"timeout-ms":2000,"idempotent":true}"#
                .replace('\n', " ")
                .as_str(),
        );
        assert_eq!(notes, Vec::<String>::new());
        let expected = TaskAttributes {
            kind: TaskKind::Task,
            docs: Some("HTTP status.\n\nMore.".to_owned()),
            takes_state: true,
            retry: Some(RetryAttribute {
                attempts: Some(5),
                first_delay: Some(Duration::from_millis(100)),
                max_delay: Some(Duration::from_secs(10)),
                factor: Some(2.0),
                jitter: Some(true),
                within: None,
                on: vec!["busy".to_owned()],
            }),
            timeout: Some(TimeoutAttribute::After(Duration::from_secs(2))),
            is_idempotent: true,
        };
        assert_eq!(recorded.tasks["get-status"], expected);
    }

    #[test]
    fn what_is_absent_has_its_default() {
        let (recorded, notes) = read(r#"{"v":1,"kind":"init","name":"open"}"#);
        assert!(notes.is_empty());
        let expected = TaskAttributes { kind: TaskKind::Init, ..TaskAttributes::default() };
        assert_eq!(recorded.tasks["open"], expected);
    }

    #[test]
    fn a_timeout_of_none_is_not_the_same_as_no_timeout() {
        let (recorded, _) = read(r#"{"v":1,"kind":"task","name":"wait","timeout":"none"}"#);
        assert_eq!(recorded.tasks["wait"].timeout, Some(TimeoutAttribute::Never));
        let (recorded, notes) = read(r#"{"v":1,"kind":"task","name":"wait","timeout":"2s"}"#);
        assert_eq!(recorded.tasks["wait"].timeout, None);
        assert!(notes[0].contains("timeout"));
    }

    #[test]
    fn unknown_kinds_and_fields_are_passed_over_in_silence() {
        let (recorded, notes) = read(concat!(
            r#"{"v":1,"kind":"teapot","name":"pot"}"#,
            "\n\n  \n",
            r#"{"v":1,"kind":"task","name":"a","colour":{"deep":[1,2]}}"#,
            "\n"
        ));
        assert!(notes.is_empty() && recorded.tasks.len() == 1);
    }

    #[test]
    fn a_newer_line_is_left_out_with_a_note_even_if_it_looks_quite_different() {
        assert!(complaint(r#"{"v":2,"kind":["task"],"name":7}"#).contains("version 2"));
    }

    #[test]
    fn lines_that_make_no_sense_cost_a_note_and_nothing_else() {
        for line in [
            "not json",
            "\u{0}\u{1}",
            r#"{"v":1}"#,
            r#"{"kind":"task","name":"a"}"#,
            r#"{"v":1,"kind":"task"}"#,
            r#"{"v":1,"kind":"task","name":"a","timeout-ms":-1}"#,
            r#"{"v":1,"kind":"task","name":"a","retry":{"factor":1e999}}"#,
            &"[".repeat(10_000),
        ] {
            assert!(complaint(line).contains("was ignored"), "{line}");
        }
        let (recorded, notes) = read("oops\n{\"v\":1,\"kind\":\"task\",\"name\":\"a\"}");
        assert_eq!((recorded.tasks.len(), notes.len()), (1, 1));
    }

    #[test]
    fn a_setting_that_makes_no_sense_costs_itself_and_not_the_kind_of_its_function() {
        for setting in
            [r#""timeout-ms":18446744073709551615"#, r#""retry":{"attempts":0}"#, r#""retry":{"factor":-2}"#]
        {
            let (recorded, notes) = read(&format!(r#"{{"v":1,"kind":"init","name":"a",{setting}}}"#));
            let expected = TaskAttributes { kind: TaskKind::Init, ..TaskAttributes::default() };
            assert_eq!((&recorded.tasks["a"], notes.len()), (&expected, 1), "{setting}");
        }
    }

    #[test]
    fn the_first_of_two_lines_about_a_task_wins() {
        let (recorded, notes) =
            read("{\"v\":1,\"kind\":\"init\",\"name\":\"a\"}\n{\"v\":1,\"kind\":\"task\",\"name\":\"a\"}");
        assert_eq!(recorded.tasks["a"].kind, TaskKind::Init);
        assert!(notes[0].contains("`a` has one already"));
    }

    #[test]
    fn sections_beyond_the_cap_are_not_even_read() {
        let line = b"{\"v\":1,\"kind\":\"task\",\"name\":\"a\"}\n".as_slice();
        let huge = vec![b' '; MOST_BYTES];
        let mut notes = Notes::default();
        let recorded = read_sections(&[line, &huge, line], &mut notes);
        assert_eq!(recorded.tasks.len(), 1);
        assert!(notes.into_vec()[0].contains("1 MiB"));
    }

    #[test]
    fn docs_cannot_smuggle_terminal_sequences() {
        let (recorded, _) = read(r#"{"v":1,"kind":"module","docs":"a\u001b[31mb\r\nc\u0007"}"#);
        assert_eq!(recorded.docs.as_deref(), Some("a[31mb\nc"));
    }
}
