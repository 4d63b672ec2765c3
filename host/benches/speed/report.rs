//! Takes the samples of a kind, way by way in turn, and tells them: a line for people, and a line of JSON for programs.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::machine::machine;

/// Samples of each way, at least: as many as a machine that others share needs for medians that stand.
const ROUNDS: usize = 15;

/// How long a sample should take where the number of calls is free.
const SAMPLE: Duration = Duration::from_millis(400);

/// A sample of this length is left as it is.
const FINE: std::ops::RangeInclusive<Duration> = Duration::from_millis(200)..=Duration::from_secs(1);

/// How many calls are a sample.
#[derive(Clone, Copy)]
pub(crate) enum Calls {
    /// So many, or as many as make a sample long enough and not too long.
    About(u64),
    /// So many whatever it takes.
    Exactly(u64),
}

/// One way to make calls: given their number, makes them and returns how long they took, in one sample or several.
pub(crate) struct Way<'a> {
    how: &'static str,
    make: Box<dyn FnMut(u64) -> Vec<Duration> + 'a>,
}

/// A way that gives one sample at a time.
pub(crate) fn way<'a>(how: &'static str, mut make: impl FnMut(u64) -> Duration + 'a) -> Way<'a> {
    many(how, move |calls| vec![make(calls)])
}

/// A way that gives several samples at a time.
pub(crate) fn many<'a>(how: &'static str, make: impl FnMut(u64) -> Vec<Duration> + 'a) -> Way<'a> {
    Way { how, make: Box::new(make) }
}

/// Where samples are told.
pub(crate) struct Report {
    json: Option<File>,
    kind: &'static str,
}

impl Report {
    /// Opens the file for samples, if there is to be one, and says what they are measured on.
    pub(crate) fn open(json_file: Option<String>) -> Self {
        let open = |path| {
            OpenOptions::new().create(true).append(true).open(path).expect("the file for samples opens")
        };
        let mut report = Report { json: json_file.map(open), kind: "" };
        let machine = machine();
        println!("{machine}");
        report.write(&machine);
        report
    }

    /// Begins a kind of measurement.
    pub(crate) fn begin(&mut self, kind: &'static str) {
        self.kind = kind;
        println!("{kind}");
    }

    /// Makes calls in each way by turns and tells how long they took.
    pub(crate) fn measure(&mut self, calls: Calls, mut ways: Vec<Way>) {
        let counts: Vec<u64> = ways.iter_mut().map(|way| warm_up(way, calls)).collect();
        let mut samples: Vec<Vec<f64>> = vec![Vec::new(); ways.len()];
        for _ in 0..ROUNDS {
            for ((way, count), samples) in ways.iter_mut().zip(&counts).zip(&mut samples) {
                samples.extend((way.make)(*count).iter().map(Duration::as_secs_f64));
            }
        }
        let mut first = None;
        for ((way, count), seconds) in ways.iter().zip(counts).zip(samples) {
            let spread = Spread::of(&seconds, count as f64);
            let times_first = spread.median / *first.get_or_insert(spread.median);
            println!(
                "  {:<40} {:>10} a call, {:>9.0}/s, {times_first:.2}x   ({} to {}; {} samples of {count})",
                way.how,
                shown_time(spread.median),
                1.0 / spread.median,
                shown_time(spread.least),
                shown_time(spread.most),
                seconds.len(),
            );
            let kind = self.kind;
            self.write(&json!({"kind": kind, "how": way.how, "n": count, "seconds": seconds}));
        }
    }

    /// Tells how much memory something takes.
    pub(crate) fn bytes(&mut self, how: &str, samples: Vec<u64>) {
        let as_floats: Vec<f64> = samples.iter().map(|bytes| *bytes as f64).collect();
        let spread = Spread::of(&as_floats, 1024.0);
        println!(
            "  {how:<40} {:>10.1} KiB   ({:.1} to {:.1}; {} samples)",
            spread.median,
            spread.least,
            spread.most,
            samples.len()
        );
        let kind = self.kind;
        self.write(&json!({"kind": kind, "how": how, "bytes": samples}));
    }

    fn write(&mut self, line: &Value) {
        if let Some(file) = &mut self.json {
            writeln!(file, "{line}").expect("the file for samples takes a line");
        }
    }
}

/// Runs a way once and returns how many calls make a sample of it.
fn warm_up(way: &mut Way, calls: Calls) -> u64 {
    let (Calls::About(count) | Calls::Exactly(count)) = calls;
    let took = (way.make)(count)[0];
    if matches!(calls, Calls::Exactly(_)) || FINE.contains(&took) {
        return count;
    }
    let fitting = count as f64 * SAMPLE.as_secs_f64() / took.as_secs_f64().max(1e-9);
    // Two digits are enough, and read better.
    let unit = 10_f64.powf(fitting.max(10.0).log10().floor() - 1.0);
    ((fitting / unit).round() * unit).max(1.0) as u64
}

/// What lies between the least and the most of some samples, for one unit of work.
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Spread {
    fn of(samples: &[f64], units: f64) -> Self {
        let mut sorted: Vec<f64> = samples.iter().map(|sample| sample / units).collect();
        sorted.sort_by(f64::total_cmp);
        Spread { least: sorted[0], median: sorted[sorted.len() / 2], most: sorted[sorted.len() - 1] }
    }
}

fn shown_time(seconds: f64) -> String {
    match seconds {
        ..1e-6 => format!("{:.1} ns", seconds * 1e9),
        ..1e-3 => format!("{:.2} µs", seconds * 1e6),
        ..1.0 => format!("{:.2} ms", seconds * 1e3),
        _ => format!("{seconds:.2} s"),
    }
}
