//! What all workers of a pool share.

use std::sync::Arc;

use crate::event::Teller;
use crate::sandbox::blueprint::Blueprint;
use crate::sandbox::engine::PoolEngine;
use crate::sandbox::invoke::Queue;
use crate::tally::Tally;
use crate::worker::openings::Openings;

/// What all workers of a pool share.
pub(crate) struct Workshop {
    pub(crate) queue: Arc<Queue>,
    pub(crate) blueprints: Vec<Blueprint>,
    pub(crate) openings: Openings,
    /// How many calls a worker keeps in flight.
    pub(crate) concurrency: usize,
    pub(crate) teller: Teller,
    pub(crate) tally: Arc<Tally>,
    /// Ticks as long as a worker may be running guest code.
    pub(crate) engine: PoolEngine,
}
