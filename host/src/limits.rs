//! What a sandbox and a call may use up, with a default for each. Every limit is enforced in the room that
//! spends it; here are only the numbers.

use std::time::Duration;

/// Declares [`Limits`]: each limit is written down once, with what it bounds and its default.
macro_rules! limits {
    ($($(#[doc = $docs:literal])+ $name:ident: $type:ty = $default:expr $(, set by $given:ty)?;)+) => {
        /// What a sandbox and a call may use up.
        ///
        /// # Examples
        /// ```
        /// use std::time::Duration;
        /// use wasmpool::Limits;
        ///
        /// let limits = Limits::default().memory_bytes(64 << 20).attempt_timeout(Duration::from_secs(5));
        /// assert_eq!(limits.answer_bytes, 16 << 20);
        /// ```
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub struct Limits {
            $($(#[doc = $docs])+ pub $name: $type,)+
        }

        impl Default for Limits {
            fn default() -> Self {
                Limits { $($name: $default,)+ }
            }
        }

        impl Limits {
            $(
                $(#[doc = $docs])+
                pub fn $name(mut self, limit: limits!(@given $type $(, $given)?)) -> Self {
                    self.$name = limits!(@taken limit $(, $given)?);
                    self
                }
            )+
        }
    };
    (@given $type:ty) => { $type };
    (@given $type:ty, $given:ty) => { $given };
    (@taken $limit:ident) => { $limit };
    (@taken $limit:ident, $given:ty) => { $limit.into() };
}

limits! {
    /// Linear memory of a sandbox in bytes, all its memories together. Default 256 MiB.
    memory_bytes: usize = 256 << 20;
    /// Elements of a sandbox's tables, all together. Default 131,072.
    table_elements: usize = 1 << 17;
    /// Core instances in a sandbox, those that adapters are made of included. Default 1,000.
    instances: usize = 1_000;
    /// Stack of guest code in bytes, the part that is not in its linear memory. Default 512 KiB.
    stack_bytes: usize = 512 << 10;
    /// Open handles, streams, futures and subtasks of a sandbox, all together. Default 65,536.
    handles: usize = 1 << 16;
    /// How long an attempt may run, from when its worker begins it; the time that others compute on its worker, or hold
    /// its sandbox, is not counted. Default: no limit, or what the task's `#[timeout]` says.
    attempt_timeout: Option<Duration> = None, set by impl Into<Option<Duration>>;
    /// How long an attempt may wait for a worker and a sandbox. Default: no limit.
    queue_timeout: Option<Duration> = None, set by impl Into<Option<Duration>>;
    /// How long a call may take in all, from its submission, whatever it waits for. Default: no limit.
    deadline: Option<Duration> = None, set by impl Into<Option<Duration>>;
    /// After how long an attempt that still runs is told as [`Event::SlowCall`](crate::Event::SlowCall), or after four
    /// fifths of its timeout if that is sooner. Default 60 s.
    slow_after: Duration = Duration::from_secs(60);
    /// How long the calls of a sandbox that takes no more may go on beside one that nobody awaits and that may hold them
    /// up. Default 10 s.
    drain_limit: Duration = Duration::from_secs(10);
    /// Size of a call's arguments by JSON, in bytes. Typed arguments are the embedder's own, and what they take in
    /// the guest counts there. Default 16 MiB.
    arguments_bytes: usize = 16 << 20;
    /// Size of a call's answer in bytes. Default 16 MiB.
    ///
    /// What becomes JSON takes more room on the host than in the guest, as much as twelve times the limit while it is
    /// read, and is too large beyond that. Texts, and bytes that are all of the answer, reach the limit itself first. By the
    /// default an answer may have some 1.8 million truths, 2.7 million numbers or 200,000 records of five fields, and a
    /// record some megabytes of bytes; fewer where a module's answers hold flags. Each worker reads one at a time.
    /// Calls by static types need no more than their values.
    answer_bytes: usize = 16 << 20;
    /// How much of a call's output (stdout and stderr together) is passed on, in bytes; the rest is counted and dropped.
    /// Default 64 KiB.
    guest_output_bytes: usize = 64 << 10;
    /// How long opening a sandbox may take, its initializer included. Default 60 s.
    opening_time: Duration = Duration::from_secs(60);
    /// How long a snapshot function may run, once before all sandboxes. Default 5 min.
    snapshot_time: Duration = Duration::from_secs(300);
    /// Size of the body of an HTTP request or answer, in bytes. Default 64 MiB.
    http_body_bytes: u64 = 64 << 20;
    /// Connections of a pool to one HTTP origin. Default 100.
    http_connections: usize = 100;
    /// HTTP requests per second of a pool to one origin. Default: no limit.
    http_rate: Option<f64> = None, set by impl Into<Option<f64>>;
    /// Bytes of all keys and values that a pool keeps for `wasi:keyvalue`; a key counts twice, and each pair and bucket
    /// as 128 bytes more. A write beyond it is an error of the guest's. Default 64 MiB.
    keyvalue_bytes: usize = 64 << 20;
    /// Bytes of all items in one queue, as JSON; who puts more waits for room, and a larger item is an error. Default 64 MiB.
    queue_bytes: usize = 64 << 20;
    /// Size of a module's file in bytes. Default 256 MiB.
    module_bytes: u64 = 256 << 20;
    /// How long compiling a module may take. Default 2 min.
    compile_time: Duration = Duration::from_secs(120);
}
