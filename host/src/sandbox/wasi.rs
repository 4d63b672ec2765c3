//! WASI's side of a sandbox: nothing of the host but what is granted, and for the run of a snapshot function
//! nothing that would differ from run to run without being noted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sha2::{Digest, Sha256};
use wasmtime_wasi::clocks::{HostMonotonicClock, HostWallClock, MonotonicClock, WallClock};
use wasmtime_wasi::{Deterministic, FsPerms, WasiCtx, WasiCtxBuilder};

use crate::grants::{Access, Grants};
use crate::sandbox::deterministic::make_deterministic;
use crate::sandbox::reach::Reach;
use crate::sandbox::unopened::Unopened;

/// Every snapshot has this one, so equal runs give equal snapshots. Nobody may take it for a secret.
const SNAPSHOT_SEED: u128 = 0x7761_736d_706f_6f6c_2073_6e61_7073_686f;

/// After so many hashes' worth of bytes the random numbers of a snapshot begin anew.
const SNAPSHOT_RANDOM_HASHES: u32 = 2_048;

/// Begins a context with what is granted, whose network `reach` watches.
///
/// # Errors
/// A folder cannot be opened, and why.
pub(crate) fn context_with(grants: &Grants, reach: &Reach) -> Result<WasiCtxBuilder, Unopened> {
    let mut context = WasiCtx::builder();
    for dir in grants.dirs() {
        let perms = match dir.access {
            Access::Read => FsPerms::ReadOnly,
            Access::ReadWrite => FsPerms::ReadWrite,
        };
        context.preopened_dir(&dir.host, &dir.guest, perms).map_err(|error| {
            let reason = format!("cannot open the folder `{}`: {error:#}", dir.host.display());
            Unopened::for_reason(reason, &error)
        })?;
    }
    context.envs(grants.variables());
    reach.net.watch(&mut context);
    if grants.is_deterministic() {
        make_deterministic(&mut context);
    }
    Ok(context)
}

/// Notes that a snapshot function used something that its arguments do not tell.
#[derive(Clone, Default)]
pub(crate) struct ClockUse {
    was_read: Arc<AtomicBool>,
}

impl ClockUse {
    pub(crate) fn was_read(&self) -> bool {
        self.was_read.load(Ordering::Relaxed)
    }

    fn note(&self) {
        self.was_read.store(true, Ordering::Relaxed);
    }

    /// Makes a context one for a snapshot: random numbers are always the same, and who reads a clock is noted.
    pub(crate) fn watch(&self, context: &mut WasiCtxBuilder) {
        context
            .insecure_random_seed(SNAPSHOT_SEED)
            .insecure_random(Deterministic::new(snapshot_random()))
            .wall_clock(Watched { clock: WallClock::new(), used: self.clone() })
            .monotonic_clock(Watched { clock: MonotonicClock::new(), used: self.clone() });
    }
}

fn snapshot_random() -> Vec<u8> {
    let hash = |count: u32| {
        let seeded = Sha256::new().chain_update(SNAPSHOT_SEED.to_le_bytes());
        seeded.chain_update(count.to_le_bytes()).finalize()
    };
    (0..SNAPSHOT_RANDOM_HASHES).flat_map(hash).collect()
}

struct Watched<C> {
    clock: C,
    used: ClockUse,
}

impl HostWallClock for Watched<WallClock> {
    fn resolution(&self) -> Duration {
        self.clock.resolution()
    }

    fn now(&self) -> Duration {
        self.used.note();
        self.clock.now()
    }
}

impl HostMonotonicClock for Watched<MonotonicClock> {
    fn resolution(&self) -> u64 {
        self.clock.resolution()
    }

    fn now(&self) -> u64 {
        self.used.note();
        self.clock.now()
    }
}
