//! What the code that `#[tasks]` writes calls. Public for that reason only, hidden from the docs, outside semver.

use std::cell::Cell;
use std::thread::LocalKey;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::queue::{self, Queue, QueueError};
use crate::{Error, Json, Permanent, RetryAfter, http};

/// An [`Error`] as it travels: the record `task-error`.
#[derive(Debug, PartialEq, Eq)]
pub struct TaskError {
    pub message: String,
    pub causes: Vec<String>,
    pub permanent: bool,
    pub retry_after_ms: Option<u64>,
}

impl From<Error> for TaskError {
    fn from(error: Error) -> Self {
        let retry_after = error.downcast_ref::<RetryAfter>();
        let permanent = error.downcast_ref::<Permanent>();
        let request = error.downcast_ref::<http::Error>();
        // The marks are contexts like any other, known among them only by their text.
        let marks = [retry_after.map(ToString::to_string), permanent.map(ToString::to_string)];
        let mut lines: Vec<String> = error.chain().map(ToString::to_string).collect();
        let said = lines.iter().any(|line| !marks.iter().flatten().any(|mark| mark == line));
        lines.retain(|line| !said || !marks.iter().flatten().any(|mark| mark == line));
        let mut lines = lines.into_iter();
        TaskError {
            message: lines.next().unwrap_or_default(),
            causes: lines.collect(),
            permanent: permanent.is_some() || request.is_some_and(http::Error::is_permanent),
            // The author's word goes before the server's.
            retry_after_ms: retry_after
                .map(|RetryAfter(wait)| *wait)
                .or_else(|| request.and_then(http::Error::retry_after))
                .map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

/// Where the state of an initializer is kept for the life of the sandbox.
#[derive(Debug)]
pub struct Slot<T: 'static>(Cell<Progress<T>>);

#[derive(Debug)]
enum Progress<T: 'static> {
    Absent,
    Opening,
    Open(&'static T),
}

impl<T> Clone for Progress<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Progress<T> {}

impl<T: 'static> Slot<T> {
    #[must_use]
    #[expect(clippy::new_without_default, reason = "made in a constant only")]
    pub const fn new() -> Self {
        Slot(Cell::new(Progress::Absent))
    }
}

/// Marks the initializer as running until the returned value is dropped or told what to keep.
///
/// # Panics
///
/// If the initializer is running or has run: tasks may hold its state, so it is never replaced.
#[must_use]
pub fn open<T: 'static>(slot: &'static LocalKey<Slot<T>>, initializer: &str) -> Opening<T> {
    slot.with(|slot| match slot.0.get() {
        Progress::Absent => slot.0.set(Progress::Opening),
        Progress::Opening => panic!("initializer `{initializer}` is already running in this sandbox"),
        Progress::Open(_) => {
            panic!(
                "initializer `{initializer}` has already run in this sandbox; a new state needs a new sandbox"
            )
        }
    });
    Opening(slot)
}

/// An initializer that is running. One that fails or is cancelled may be run again.
#[derive(Debug)]
pub struct Opening<T: 'static>(&'static LocalKey<Slot<T>>);

impl<T: 'static> Opening<T> {
    /// Keeps `state` for the life of the sandbox.
    pub fn keep(self, state: T) {
        let state: &'static T = Box::leak(Box::new(state));
        self.0.with(|slot| slot.0.set(Progress::Open(state)));
    }
}

impl<T: 'static> Drop for Opening<T> {
    fn drop(&mut self) {
        self.0.with(|slot| {
            if matches!(slot.0.get(), Progress::Opening) {
                slot.0.set(Progress::Absent);
            }
        });
    }
}

/// Returns the state that `initializer` made.
///
/// # Panics
///
/// If it has not run.
#[must_use]
pub fn borrow<T: 'static>(slot: &'static LocalKey<Slot<T>>, task: &str, initializer: &str) -> &'static T {
    match slot.with(|slot| slot.0.get()) {
        Progress::Open(state) => state,
        Progress::Absent | Progress::Opening => {
            panic!(
                "`{task}` borrows what `{initializer}` makes, which has not run in this sandbox; call `{initializer}` first"
            )
        }
    }
}

/// Reads a parameter that travels as JSON.
///
/// # Errors
///
/// If the text is no JSON or does not fit `T`.
pub fn json_from_text<T: DeserializeOwned>(text: &str) -> Result<Json<T>, Error> {
    Ok(Json(serde_json::from_str(text)?))
}

/// Finds the queue whose name a parameter is.
///
/// # Errors
///
/// If there is none.
pub fn queue_from_name<T>(name: String) -> Result<Queue<T>, Error> {
    Ok(queue::open(&name)?)
}

/// Writes a result that travels as JSON.
///
/// # Errors
///
/// If `value` cannot be written, as a map whose keys are no strings.
pub fn json_to_text<T: Serialize>(value: &Json<T>) -> Result<String, Error> {
    Ok(serde_json::to_string(&value.0)?)
}

/// Says which parameter could not be read; the same text would fail again.
#[must_use]
pub fn bad_argument(name: &str, error: Error) -> Error {
    let what = match error.is::<QueueError>() {
        true => "names no queue",
        false => "is not the JSON that it should be",
    };
    error.context(format!("argument `{name}` {what}")).context(Permanent)
}

/// Says that the result could not be written.
#[must_use]
pub fn bad_output(error: Error) -> Error {
    error.context("the result cannot be written as JSON").context(Permanent)
}

/// Panics with `error`, for a task that has no error to return.
///
/// # Panics
///
/// Always.
pub fn give_up(error: Error) -> ! {
    let TaskError { message, causes, .. } = TaskError::from(error);
    panic!("{}", [vec![message], causes].concat().join(": "))
}

/// Makes the C library forget everything that belongs to the sandbox in which the snapshot is made: stdio, folders
/// and the environment. A sandbox that starts from the snapshot has others and asks for them anew.
#[cfg(target_family = "wasm")]
#[expect(unsafe_code, reason = "the C library offers this as plain functions without preconditions")]
pub fn forget_sandbox() {
    unsafe extern "C" {
        fn close(fd: core::ffi::c_int) -> core::ffi::c_int;
        fn __wasilibc_init_stdio() -> core::ffi::c_int;
        fn __wasilibc_reset_preopens();
        fn __wasilibc_deinitialize_environ();
    }
    // What is left in the buffers is said here, not again in each sandbox. Nobody listens if it fails.
    let _ = std::io::Write::flush(&mut std::io::stdout());
    // SAFETY: they take nothing but a number, only this one thread ever runs in the module, and no author's code
    // is on the stack that could hold what they free. Stdio comes back under the numbers that are closed here: the
    // next to be used is the one that was closed last.
    unsafe {
        for stdio in (0..3).rev() {
            close(stdio);
        }
        __wasilibc_init_stdio();
        __wasilibc_reset_preopens();
        __wasilibc_deinitialize_environ();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::anyhow;
    use crate::http::{Error as HttpError, ErrorKind};

    #[test]
    fn an_error_travels_with_its_causes() {
        let error = anyhow!("no route").context("cannot connect").context("cannot fetch");
        let wire = TaskError::from(error);
        assert_eq!(wire.message, "cannot fetch");
        assert_eq!(wire.causes, ["cannot connect", "no route"]);
        assert!(!wire.permanent && wire.retry_after_ms.is_none());
    }

    #[test]
    fn marks_are_found_at_any_depth_and_do_not_show() {
        let error = anyhow!("busy").context(RetryAfter(Duration::from_secs(2))).context("cannot fetch");
        let wire = TaskError::from(error.context(Permanent));
        assert_eq!((wire.message.as_str(), wire.causes), ("cannot fetch", vec!["busy".to_owned()]));
        assert_eq!((wire.permanent, wire.retry_after_ms), (true, Some(2_000)));
    }

    #[test]
    fn errors_of_requests_say_whether_and_when_to_try_again() {
        let busy = HttpError::of_status(503, Some(Duration::from_secs(7)));
        let wire = TaskError::from(Error::from(busy).context("cannot fetch"));
        assert_eq!((wire.permanent, wire.retry_after_ms), (false, Some(7_000)));
        let denied = TaskError::from(Error::from(HttpError::new(ErrorKind::Denied, "not granted")));
        assert_eq!((denied.permanent, denied.message.as_str()), (true, "not granted"));
    }

    #[test]
    fn a_mark_alone_is_its_own_message() {
        let wire = TaskError::from(Error::from(Permanent));
        assert_eq!(wire.message, Permanent.to_string());
    }

    thread_local! {
        static SLOT: Slot<u32> = const { Slot::new() };
    }

    #[test]
    fn state_is_there_once_it_is_kept() {
        open(&SLOT, "open").keep(7);
        assert_eq!(*borrow(&SLOT, "use", "open"), 7);
    }

    #[test]
    fn a_failed_initializer_may_run_again() {
        drop(open(&SLOT, "open"));
        open(&SLOT, "open").keep(8);
        assert_eq!(*borrow(&SLOT, "use", "open"), 8);
    }

    #[test]
    #[should_panic(expected = "call `open` first")]
    fn a_task_without_its_state_names_the_initializer() {
        let _ = borrow(&SLOT, "use", "open");
    }

    #[test]
    #[should_panic(expected = "already run in this sandbox")]
    fn state_is_never_replaced() {
        open(&SLOT, "open").keep(1);
        open(&SLOT, "open").keep(2);
    }

    #[test]
    fn bad_json_is_a_permanent_error_that_names_the_argument() {
        let error = json_from_text::<u8>("300").map(Json::into_inner).expect_err("300 is no u8");
        let wire = TaskError::from(bad_argument("age", error));
        assert!(wire.permanent && wire.message.contains("`age`"), "{wire:?}");
    }
}
