//! How the command ends: one enum, which is what `--help` tells and what the shell sees.

use std::process::ExitCode;

/// What `--help` says about it.
pub(crate) const EXIT_CODES: &str = "Exit codes:
  0    everything was done
  1    some calls failed
  2    could not run: a bad flag, module, task, input or output
  130  stopped by Ctrl-C (SIGINT)
  143  stopped by SIGTERM";

/// How the command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All that was asked for is done.
    Done,
    /// The calls ran, and some of them failed.
    SomeFailed,
    /// It never came to calls, or could not go on with them.
    CouldNotRun,
    /// Somebody stopped it.
    Stopped(StopSignal),
}

/// A signal that asks the command to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopSignal {
    /// Ctrl-C.
    Interrupt,
    /// What `kill` and service managers send.
    Terminate,
}

impl StopSignal {
    /// Returns the signal's usual name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            StopSignal::Interrupt => "SIGINT",
            StopSignal::Terminate => "SIGTERM",
        }
    }
}

impl Exit {
    /// Returns its number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::SomeFailed => 1,
            Exit::CouldNotRun => 2,
            // As shells write a death by signal: 128 and its number.
            Exit::Stopped(StopSignal::Interrupt) => 130,
            Exit::Stopped(StopSignal::Terminate) => 143,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::{EXIT_CODES, Exit, StopSignal};

    #[test]
    fn the_help_names_every_code() {
        let stopped = [StopSignal::Interrupt, StopSignal::Terminate].map(Exit::Stopped);
        for exit in [Exit::Done, Exit::SomeFailed, Exit::CouldNotRun].into_iter().chain(stopped) {
            assert!(EXIT_CODES.contains(&format!("\n  {:<4} ", exit.code())), "{exit:?}");
        }
    }
}
