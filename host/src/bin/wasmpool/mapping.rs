//! Many calls on their way, from the first report to the last: reports to the output, progress to the terminal, and
//! an end that may come early, by a signal, by too many failures, or because nobody reads on.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use futures::StreamExt;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::{Interval, MissedTickBehavior, sleep_until};
use wasmpool::{Failure, Outcome, Pool, Reports};

use crate::args::{MaxFail, Then};
use crate::exit::StopSignal;
use crate::feeding::Feeders;
use crate::inputs::ReadSoFar;
use crate::lines::HINT_AT_TEXTS;
use crate::mapped::Mapped;
use crate::plan::abort;
use crate::report::Report;
use crate::report::output::Output;
use crate::report::progress::Progress;
use crate::report::sentence::what_happened;
use crate::report::summary::Tally;
use crate::report::writer::WriterEnd;
use crate::resume::Past;
use crate::signals::Signals;
use crate::talk::Talk;
use crate::watching::{Counts, Watcher};

/// So many failures are told one by one where the output tells of none.
const MOST_FAILURES_TOLD: u64 = 5;
/// In input order a failure's report may wait for an earlier call; failures are looked for this often.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// What is left to do after everything was stopped is done within this time or not at all.
const LAST_WORDS_TIME: Duration = Duration::from_secs(2);

/// Where the calls come from, as far as it matters to those under way.
pub(crate) struct Intake {
    /// Dropped to take no more input.
    pub(crate) open: Option<oneshot::Sender<()>>,
    /// What is known of the input; `None` if there is none to be read.
    pub(crate) so_far: Option<Arc<ReadSoFar>>,
    /// Who feeds the queues.
    pub(crate) feeders: Feeders,
    /// How many calls a line makes, or how many there are without lines.
    pub(crate) times: u64,
    /// What earlier runs have done.
    pub(crate) past: Past,
}

impl Intake {
    /// Takes no more calls and no more items of queues; returns false if that was so already.
    fn close(&mut self) -> bool {
        self.feeders.stop();
        self.open.take().is_some()
    }

    fn expected_calls(&self) -> Option<u64> {
        let all = match &self.so_far {
            Some(so_far) => so_far.estimated_lines()?.saturating_mul(self.times),
            None => self.times,
        };
        Some(all.saturating_sub(self.past.recorded.len()))
    }

    /// Returns true unless all input has been read, or no more of it is taken.
    fn more_calls_may_come(&self) -> bool {
        self.open.is_some() && self.so_far.as_ref().is_some_and(|so_far| so_far.all_lines().is_none())
    }

    /// Returns the index of a call by its place among those of this run.
    fn index_of(&self, place: usize) -> usize {
        usize::try_from(self.past.recorded.index_of(place as u64)).unwrap_or(usize::MAX)
    }
}

/// Many calls on their way.
pub(crate) struct Mapping {
    pool: Pool,
    reports: Reports<Value, Value>,
    /// The last report has come.
    is_over: bool,
    intake: Intake,
    output: Output,
    max_fail: Option<MaxFail>,
    signals: Signals,
    stopped_by: Option<StopSignal>,
    /// Set once everything has been stopped.
    last_words: Option<tokio::time::Instant>,
    tally: Tally,
    progress: Progress,
    watcher: Watcher,
    pace: Interval,
    /// When to look for failures whose reports have not come.
    look: Interval,
    talk: Talk,
    has_hinted: bool,
    started: Instant,
}

/// What happens next.
enum Step {
    Report(Report),
    AllReported,
    HandedOver,
    NobodyReads,
    Signal(StopSignal),
    StatusWanted,
    Tick,
    Look,
    OutOfTime,
}

impl Mapping {
    /// Takes over calls that are about to begin.
    pub(crate) fn new(
        pool: Pool,
        reports: Reports<Value, Value>,
        intake: Intake,
        output: Output,
        max_fail: Option<MaxFail>,
        signals: Signals,
        (progress, watcher, talk): (Progress, Watcher, Talk),
    ) -> Self {
        let mut pace = tokio::time::interval(progress.interval());
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick is due at once, when there is nothing to tell.
        pace.reset();
        let mut look = tokio::time::interval(LOOK_INTERVAL);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Mapping {
            pool,
            reports,
            is_over: false,
            output,
            max_fail,
            signals,
            stopped_by: None,
            last_words: None,
            tally: Tally::after(intake.past.clone()),
            progress,
            watcher,
            pace,
            look,
            intake,
            talk,
            has_hinted: false,
            started: Instant::now(),
        }
    }

    /// Follows the calls until the last has ended, nobody wants to know, or a failed line cannot be kept.
    pub(crate) async fn run(mut self) -> Mapped {
        let mut unkept = None;
        while !(self.is_over && self.output.is_empty()) {
            match self.next_step().await {
                Step::Report(mut report) => {
                    report.index = self.intake.index_of(report.index);
                    if let Err(error) = self.take(&report).await {
                        unkept = Some(anyhow!(error).context("cannot write the failed input"));
                        break;
                    }
                }
                Step::AllReported => self.is_over = true,
                Step::HandedOver => {}
                Step::Signal(signal) => self.heed(signal).await,
                Step::StatusWanted => self.tell_status(),
                Step::Tick => self.show_progress(),
                Step::Look => {
                    self.heed_failures().await;
                    self.heed_queues();
                }
                Step::NobodyReads | Step::OutOfTime => break,
            }
        }
        let mapped = self.end().await;
        match unkept {
            Some(error) => Mapped { output: WriterEnd::Failed(error), ..mapped },
            None => mapped,
        }
    }

    async fn next_step(&mut self) -> Step {
        let takes_reports = !self.is_over && !self.output.is_full();
        let last_words = self.last_words;
        // In this order: a report that is ready at once travels with those before it, and no number of them hides
        // a signal.
        tokio::select! {
            biased;
            signal = self.signals.heard() => signal.map_or(Step::StatusWanted, Step::Signal),
            () = out_of_time(last_words) => Step::OutOfTime,
            _ = self.pace.tick() => Step::Tick,
            _ = self.look.tick(), if self.looks_around() => Step::Look,
            report = self.reports.next(), if takes_reports => report.map_or(Step::AllReported, Step::Report),
            handed_over = self.output.hand_over() => handed_over.map_or(Step::NobodyReads, |()| Step::HandedOver),
        }
    }

    async fn take(&mut self, report: &Report) -> io::Result<()> {
        self.tally.count(report);
        self.output.push(report)?;
        self.tell_failure(report);
        self.heed_failures().await;
        Ok(())
    }

    /// Ends the input once too many calls have failed, those included whose records wait for an earlier one.
    async fn heed_failures(&mut self) {
        let Some(MaxFail { failures, then }) = self.max_fail else { return };
        if (self.reports.failed() as u64) < failures || !self.intake.close() {
            return;
        }
        match then {
            Then::Wait => self.talk.say(format!("{failures} failed; {}", self.waiting_for())),
            Then::Now => {
                self.talk.say(format!("{failures} failed; stopping"));
                self.stop_now().await;
            }
        }
    }

    fn looks_around(&self) -> bool {
        self.max_fail.is_some() || !self.intake.feeders.is_empty()
    }

    /// Ends the queues once nothing more can come of them.
    fn heed_queues(&mut self) {
        if !self.intake.feeders.is_empty() {
            let more_calls_may_come = self.intake.more_calls_may_come();
            self.intake.feeders.end_if_still(&self.pool.stats(), more_calls_may_come);
        }
    }

    fn tell_failure(&mut self, report: &Report) {
        if let Outcome::Failed(Failure::BadInput(problem)) = &report.outcome
            && problem.ends_with(HINT_AT_TEXTS)
            && !self.has_hinted
        {
            self.has_hinted = true;
            self.talk.say(format!("call {}: {problem}", report.index));
        } else if self.output.hides_failures()
            && self.tally.failed() <= MOST_FAILURES_TOLD
            && let Some(what) = what_happened(report)
        {
            self.talk.say(format!("call {} {what}", report.index));
        }
    }

    /// The first signal lets running calls end, the second does not.
    async fn heed(&mut self, signal: StopSignal) {
        self.intake.close();
        if self.stopped_by.is_none() {
            self.stopped_by = Some(signal);
            self.talk.say(format!("{}: {}", signal.name(), self.waiting_for()));
        } else {
            self.talk.say("stopping now");
            self.stop_now().await;
        }
    }

    fn waiting_for(&self) -> String {
        let waiting_for = match self.pool.stats().calls_unanswered {
            0 => "the output to be read".to_owned(),
            calls => format!("{calls} calls to end"),
        };
        format!("no more input is taken; waiting for {waiting_for} (once more stops everything)")
    }

    async fn stop_now(&mut self) {
        self.intake.close();
        self.last_words.get_or_insert(tokio::time::Instant::now() + LAST_WORDS_TIME);
        // All calls then end as cancelled, and are reported like others.
        abort(&self.pool).await;
    }

    fn show_progress(&mut self) {
        if let Some(line) = self.progress.tick(&self.watcher.how_far(self.counts())) {
            self.talk.say(line);
        }
        if self.intake.open.is_some()
            && let Some(hint) = self.watcher.hint()
        {
            self.talk.say(hint);
        }
    }

    fn tell_status(&self) {
        let status = self.watcher.status(self.counts(), &self.intake.feeders, self.started.elapsed());
        self.talk.say(status);
    }

    fn counts(&self) -> Counts {
        let (ended, failed) = (self.reports.ended() as u64, self.reports.failed() as u64);
        Counts { ended, failed, expected: self.intake.expected_calls() }
    }

    /// Waits for the output, and lets go of everything.
    async fn end(self) -> Mapped {
        let how_far = self.watcher.how_far(self.counts());
        let Mapping { reports, output, mut signals, mut stopped_by, last_words, tally, mut progress, .. } =
            self;
        // Calls that nobody wants to know of any more are withdrawn.
        drop(reports);
        let output = tokio::select! {
            end = output.finish() => end,
            () = out_of_time(last_words) => WriterEnd::ReaderLeft,
            // All calls have ended: only a reader who does not read is waited for.
            signal = signals.next() => {
                stopped_by.get_or_insert(signal);
                WriterEnd::ReaderLeft
            }
        };
        progress.end(&how_far);
        let elapsed = self.started.elapsed();
        let stats = self.pool.stats();
        let Intake { so_far, feeders, .. } = self.intake;
        Mapped { tally, stats, elapsed, output, stopped_by, so_far, feeders }
    }
}

async fn out_of_time(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
