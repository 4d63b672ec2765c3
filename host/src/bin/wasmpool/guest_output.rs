//! What guests print and what happens to their sandboxes, from the pool's events to stderr. Everything here informs
//! people and may be lost when it comes too fast; the records do not depend on it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use wasmpool::{CallId, Event};

use crate::journal::recorded::Recorded;
use crate::pool_args::GuestOutput;
use crate::report::in_flight::InFlight;
use crate::talk::Talk;

/// Lines of unfinished calls are held back up to this much; after that they are dropped.
const HELD_BYTES: usize = 16 << 20;

/// A call that is short of its limit before that is not called slow.
const WORTH_MENTIONING: Duration = Duration::from_secs(1);

/// How much of an item is shown.
const SHOWN_CHARS: usize = 200;

/// More slow calls are not told of, unless by events.
const SLOW_AT_MOST: usize = 20;

/// How a guest's line looks.
#[derive(Clone, Debug)]
pub(crate) enum Style {
    /// As it is, for a single call.
    Bare,
    /// With the index of its call in front, as in records: `#17 | text`. Recorded calls have one and are not run.
    ByCall(Arc<Recorded>),
}

impl Style {
    /// Returns the number under which a call stands in the records: a pool of this command makes the calls of one
    /// input and no others, in its order, and counts them from 1.
    fn index(&self, call: CallId) -> u64 {
        let place = call.get().saturating_sub(1);
        match self {
            Style::Bare => place,
            Style::ByCall(recorded) => recorded.index_of(place),
        }
    }
}

/// Shows events as they come.
pub(crate) struct Narrator {
    talk: Talk,
    style: Style,
    shown: GuestOutput,
    verbosity: u8,
    in_flight: InFlight,
    /// The lines of calls that have not ended, where only failed ones are shown.
    held: HashMap<CallId, Vec<String>>,
    held_bytes: usize,
    /// How many calls were said to be slow.
    slow_told: usize,
    /// What guests were denied, by the flag that would grant it: said once.
    denied: HashSet<String>,
    /// Dropped with the narrator, which tells that nothing follows.
    _last_word: oneshot::Sender<()>,
}

/// Waits until everything has been shown.
pub(crate) struct AllShown(oneshot::Receiver<()>);

impl AllShown {
    /// Waits until the pool has ended and its last event was shown.
    pub(crate) async fn wait(self) {
        // The sender is only ever dropped.
        let _ = self.0.await;
    }
}

impl Narrator {
    /// Makes one, and who waits until it has shown everything.
    pub(crate) fn new(talk: &Talk, style: Style, shown: GuestOutput, verbosity: u8) -> (Narrator, AllShown) {
        let (last_word, all_shown) = oneshot::channel();
        let narrator = Narrator {
            talk: talk.clone(),
            style,
            shown,
            verbosity,
            in_flight: InFlight::default(),
            held: HashMap::new(),
            held_bytes: 0,
            slow_told: 0,
            denied: HashSet::new(),
            _last_word: last_word,
        };
        (narrator, AllShown(all_shown))
    }

    /// Returns the attempts that run, as they are whenever one looks.
    pub(crate) fn in_flight(&self) -> InFlight {
        self.in_flight.clone()
    }

    /// Shows one event, if it is wanted.
    pub(crate) fn hear(&mut self, event: Event) {
        self.in_flight.hear(&event);
        if let Some(line) = self.told(&event) {
            self.talk.say(line);
        }
        match event {
            Event::GuestLine { attempt, text, .. } => {
                self.guest_line(attempt.map(|attempt| attempt.call), text);
            }
            Event::CallEnded { call, failure, .. } => self.call_ended(call, failure.is_some()),
            _ => {}
        }
    }

    fn guest_line(&mut self, call: Option<CallId>, text: String) {
        let line = match (&self.style, call) {
            (Style::Bare, _) => text,
            (style @ Style::ByCall(_), Some(call)) => format!("#{} | {text}", style.index(call)),
            // An initializer, or what an answered call left running.
            (Style::ByCall(_), None) => format!("- | {text}"),
        };
        match (self.shown, call) {
            (GuestOutput::None, _) => {}
            (GuestOutput::Failed, Some(call)) => {
                if self.held_bytes + line.len() <= HELD_BYTES {
                    self.held_bytes += line.len();
                    self.held.entry(call).or_default().push(line);
                }
            }
            (GuestOutput::All, _) | (GuestOutput::Failed, None) => self.talk.line(line),
        }
    }

    fn call_ended(&mut self, call: CallId, failed: bool) {
        for line in self.held.remove(&call).unwrap_or_default() {
            self.held_bytes -= line.len();
            if failed {
                self.talk.line(line);
            }
        }
    }

    /// Returns what is said about an event, most of it only with `-v` or `-vv`.
    fn told(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::SnapshotRefused { module, reason } => {
                return Some(format!(
                    "module `{module}` cannot be snapshotted, so the function runs in each sandbox: {reason}"
                ));
            }
            Event::InitializedForEachCall { module } => {
                return Some(format!(
                    "module `{module}` runs its initializer before every call, as --isolation is fresh; a snapshot would run once"
                ));
            }
            Event::SlowCall { attempt, task, running, timeout }
                if *running >= WORTH_MENTIONING && self.slow_told < SLOW_AT_MOST =>
            {
                self.slow_told += 1;
                let index = self.style.index(attempt.call);
                let until = timeout.map_or(String::new(), |time| format!(" of {time:.0?}"));
                return Some(format!(
                    "SLOW: call {index} of `{task}` has been running for {running:.1?}{until}"
                ));
            }
            Event::Denied { attempt, denial } if self.denied.insert(denial.flag.clone()) => {
                let first = format!("call {} is the first to ask for it", self.style.index(attempt.call));
                return Some(format!("denied: {denial} ({first})"));
            }
            Event::ItemRejected { queue, item } => {
                return Some(format!(
                    "an item of the queue `{queue}` is set aside, nobody who took it got to its end: {}",
                    shortened(item)
                ));
            }
            _ => {}
        }
        if self.verbosity == 0 {
            return None;
        }
        let style = &self.style;
        about_sandboxes(event, style)
            .or_else(|| if self.verbosity > 1 { about_calls(event, style) } else { None })
    }
}

fn about_sandboxes(event: &Event, style: &Style) -> Option<String> {
    Some(match event {
        Event::SandboxOpened { module, worker, took } => {
            format!("{worker} opened a sandbox of `{module}` in {took:.1?}")
        }
        Event::SandboxNotOpened { module, worker, reason } => {
            format!("{worker} could not open a sandbox of `{module}`: {reason}")
        }
        Event::SandboxRetired { module, worker, reason, served } => {
            format!("{worker} retired a sandbox of `{module}` after {served} calls: {reason}")
        }
        Event::WorkerLost { worker, message } => format!("{worker} was lost and replaced: {message}"),
        Event::RunAgain { call, reason, alone } => {
            let alone = if *alone { " alone" } else { "" };
            format!("call {} is run again{alone}: {reason}", style.index(*call))
        }
        Event::RetryIn { attempt, task, failure, delay } => {
            let (index, next, delay) =
                (style.index(attempt.call), attempt.attempt, delay.as_secs_f64() * 1e3);
            format!("call {index} of `{task}` {failure}: attempt {next} in {delay:.1} ms")
        }
        _ => return None,
    })
}

fn about_calls(event: &Event, style: &Style) -> Option<String> {
    Some(match event {
        Event::AttemptStarted { attempt, task, worker } => {
            let (index, attempt) = (style.index(attempt.call), attempt.attempt);
            format!("call {index} of `{task}` runs on {worker}, attempt {attempt}")
        }
        Event::CallEnded { call, failure, running, .. } => {
            let (index, end) = (style.index(*call), failure.unwrap_or("done"));
            format!("call {index} {end} after {:.1} ms", running.as_secs_f64() * 1e3)
        }
        _ => return None,
    })
}

/// Returns the beginning of a text that may be long.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
