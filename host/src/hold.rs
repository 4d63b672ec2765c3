//! For how long calls have held a whole sandbox, by waiting inside it in a way that lets nobody else in it run: so that
//! nobody is blamed for time that another used.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::call::AttemptId;

/// A hold is not worth mentioning before it is so long.
const LONG: Duration = Duration::from_millis(50);

/// Who holds a sandbox, and for how long it has been held.
#[derive(Debug, Default)]
pub(crate) struct Hold {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Nobody, or since when somebody does; who that is may be unknown.
    present: Option<(Option<AttemptId>, Instant)>,
    past: Duration,
}

/// Somebody holds a sandbox, until this is dropped.
pub(crate) struct Held {
    hold: Arc<Hold>,
}

impl Hold {
    /// Notes that somebody begins to hold the sandbox.
    pub(crate) fn begin(self: &Arc<Self>, by: Option<AttemptId>) -> Held {
        self.state().present = Some((by, Instant::now()));
        Held { hold: self.clone() }
    }

    /// Returns for how long the sandbox has been held in all, short times left out.
    pub(crate) fn total(&self) -> Duration {
        let state = self.state();
        state.past + state.present.map_or(Duration::ZERO, |(_, since)| long(since.elapsed()))
    }

    /// Returns who holds it at present, and for how long already.
    pub(crate) fn present(&self) -> Option<(Option<AttemptId>, Duration)> {
        self.state().present.map(|(by, since)| (by, since.elapsed()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

/// Returns a time unless it is too short to mention.
fn long(time: Duration) -> Duration {
    if time >= LONG { time } else { Duration::ZERO }
}

impl Held {
    /// Ends the hold; returns how long it was, if that is worth mentioning.
    pub(crate) fn end(self) -> Duration {
        let held = self.hold.state().present.map_or(Duration::ZERO, |(_, since)| long(since.elapsed()));
        drop(self);
        held
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.hold.state();
        if let Some((_, since)) = state.present.take() {
            state.past += long(since.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::CallId;

    #[test]
    fn a_hold_has_a_holder_while_it_lasts_and_counts_only_if_it_is_long() {
        let hold = Arc::new(Hold::default());
        let own = AttemptId { call: CallId(1), attempt: 1 };
        let held = hold.begin(Some(own));
        assert_eq!(hold.present().map(|(by, _)| by), Some(Some(own)));
        assert!(held.end().is_zero() && hold.total().is_zero() && hold.present().is_none());
        let held = hold.begin(None);
        std::thread::sleep(LONG);
        assert!(held.end() >= LONG && hold.total() >= LONG);
    }
}
