//! What becomes of reports: records for programs, sentences and a summary for people, and the way out of the process.

pub(crate) mod record;
pub(crate) mod sentence;
pub(crate) mod slowest;
pub(crate) mod summary;
pub(crate) mod run_report;
pub(crate) mod progress;
pub(crate) mod in_flight;
pub(crate) mod writer;
pub(crate) mod output;

/// The report of a call whose values are JSON.
pub(crate) type Report = wasmpool::CallReport<serde_json::Value, serde_json::Value>;
