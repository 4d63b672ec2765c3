//! Clocks and random numbers that are the same in every run: for a task whose answer shall depend on its arguments only.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sha2::{Digest, Sha256};
use wasmtime_wasi::clocks::{HostMonotonicClock, HostWallClock};
use wasmtime_wasi::{Deterministic, WasiCtxBuilder};

/// The wall clock stands at the beginning of the year 2000, UTC.
const WALL_CLOCK: Duration = Duration::from_secs(946_684_800);

/// So much time passes between two readings of the monotonic clock, so that who waits for it to pass does not for ever.
const STEP_NANOS: u64 = 1_000_000;

const SEED: u128 = 0x7761_736d_706f_6f6c_2073_616d_6520_6461;

/// After so many hashes' worth of bytes the random numbers begin anew.
const RANDOM_HASHES: u32 = 2_048;

/// Gives a context the same clocks and random numbers as every other.
pub(crate) fn make_deterministic(context: &mut WasiCtxBuilder) {
    static SECURE: LazyLock<Vec<u8>> = LazyLock::new(|| random_bytes("secure"));
    static INSECURE: LazyLock<Vec<u8>> = LazyLock::new(|| random_bytes("insecure"));
    context
        .secure_random(Deterministic::new(SECURE.clone()))
        .insecure_random(Deterministic::new(INSECURE.clone()))
        .insecure_random_seed(SEED)
        .wall_clock(Standing)
        .monotonic_clock(Stepping::default());
}

fn random_bytes(kind: &str) -> Vec<u8> {
    let hash = |count: u32| {
        let seeded = Sha256::new().chain_update(SEED.to_le_bytes()).chain_update(kind);
        seeded.chain_update(count.to_le_bytes()).finalize()
    };
    (0..RANDOM_HASHES).flat_map(hash).collect()
}

struct Standing;

impl HostWallClock for Standing {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(STEP_NANOS)
    }

    fn now(&self) -> Duration {
        WALL_CLOCK
    }
}

#[derive(Default)]
struct Stepping {
    now: AtomicU64,
}

impl HostMonotonicClock for Stepping {
    fn resolution(&self) -> u64 {
        STEP_NANOS
    }

    fn now(&self) -> u64 {
        self.now.fetch_add(STEP_NANOS, Ordering::Relaxed)
    }
}
