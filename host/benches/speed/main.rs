//! How fast the pool is, beside the bare engine, native code and channels: what a claim about speed is checked with.
//!
//! `cargo bench --bench speed`, with `-- KIND…` for some kinds only and `-- --json FILE` to append the samples to a file
//! as lines of JSON. Within a kind the ways take turns, each set up anew for every sample and gone before the next, so
//! that noise hits all of them. Memory is measured in processes of its own, which are this program with `--child`.

#[path = "../shared/guests.rs"]
mod guests;
#[path = "../shared/http_server.rs"]
mod http_server;
#[path = "../../../tests/guests/speed-plain/src/work.rs"]
mod work;
mod machine;
mod report;
mod pooled;
mod subjects;
mod bare;
mod tiny;
mod echo;
mod busy;
mod waits;
mod fresh;
mod round_trip;
mod pool_start;
mod memory;
mod command;

use std::path::Path;

use crate::report::Report;
use crate::subjects::Subjects;

type Measure = fn(&Subjects, &mut Report);

const KINDS: &[(&str, Measure)] = &[
    ("tiny-sync", tiny::sync),
    ("tiny-async", tiny::r#async),
    ("fresh", fresh::fresh),
    ("round-trip", round_trip::round_trip),
    ("round-trip-warm", round_trip::warm_round_trip),
    ("echo-64", echo::echo_64),
    ("echo-64k", echo::echo_64k),
    ("echo-4m", echo::echo_4m),
    ("busy-1ms", busy::busy_1ms),
    ("waits", waits::waits),
    ("http-get", waits::http_get),
    ("pool-start", pool_start::pool_start),
    ("idle", memory::idle),
    ("memory", memory::memory),
    ("command-start", command::start),
    ("map-lines", command::map_lines),
];

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, child, name, guest] = &args[..]
        && child == "--child"
    {
        return memory::look_and_print(name, Path::new(guest));
    }
    let (json_file, wanted) = arguments();
    let unknown = wanted.iter().find(|kind| !KINDS.iter().any(|(name, _)| name == kind));
    if let Some(unknown) = unknown {
        let names: Vec<_> = KINDS.iter().map(|(name, _)| *name).collect();
        eprintln!("no kind is called `{unknown}`; there are {}", names.join(", "));
        std::process::exit(2);
    }
    let subjects = Subjects::build();
    let mut report = Report::open(json_file);
    for (name, measure) in KINDS {
        if wanted.is_empty() || wanted.iter().any(|kind| kind == name) {
            report.begin(name);
            measure(&subjects, &mut report);
        }
    }
}

/// Returns the file for samples and the kinds that are asked for.
fn arguments() -> (Option<String>, Vec<String>) {
    let (mut json_file, mut kinds) = (None, Vec::new());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            // Cargo says so to every benchmark.
            "--bench" => {}
            "--json" => json_file = args.next(),
            _ => kinds.push(arg),
        }
    }
    (json_file, kinds)
}
