//! How much memory a sandbox has, and that it does not get more than it may. A guest that asks for more is stopped at
//! once: told no, most guests would only end in a panic that says nothing of memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wasmtime::ResourceLimiter;

use crate::failure::OutOfMemory;
use crate::limits::Limits;

/// How much memory a sandbox has, in bytes: all linear memories together.
#[derive(Debug, Default)]
pub(crate) struct MemoryMeter {
    bytes: AtomicUsize,
}

impl MemoryMeter {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// Reads the meter's numbers off the engine's questions, and answers them by the limits.
pub(crate) struct Limiter {
    meter: Arc<MemoryMeter>,
    table_elements: usize,
    most_bytes: usize,
    most_table_elements: usize,
    most_instances: usize,
    /// What the engine may still say that it did not get.
    last_growth: usize,
    last_table_growth: usize,
}

impl Limiter {
    /// Makes one that shows the guest's memory on `meter`.
    pub(crate) fn new(limits: &Limits, meter: Arc<MemoryMeter>) -> Self {
        Limiter {
            meter,
            table_elements: 0,
            most_bytes: limits.memory_bytes,
            most_table_elements: limits.table_elements,
            most_instances: limits.instances,
            last_growth: 0,
            last_table_growth: 0,
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        self.last_growth = 0;
        let growth = desired.saturating_sub(current);
        let wanted = self.meter.bytes().saturating_add(growth);
        if wanted > self.most_bytes {
            return Err(OutOfMemory {
                wanted,
                limit: self.most_bytes,
                unit: "bytes of memory",
                remedy: "Limits::memory_bytes (--memory)",
            }
            .into());
        }
        self.last_growth = growth;
        self.meter.bytes.fetch_add(growth, Ordering::Relaxed);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.meter.bytes.fetch_sub(std::mem::take(&mut self.last_growth), Ordering::Relaxed);
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        self.last_table_growth = 0;
        let growth = desired.saturating_sub(current);
        let wanted = self.table_elements.saturating_add(growth);
        if wanted > self.most_table_elements {
            return Err(OutOfMemory {
                wanted,
                limit: self.most_table_elements,
                unit: "elements of tables",
                remedy: "Limits::table_elements",
            }
            .into());
        }
        self.last_table_growth = growth;
        self.table_elements = wanted;
        Ok(true)
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.table_elements -= std::mem::take(&mut self.last_table_growth);
        Ok(())
    }

    fn instances(&self) -> usize {
        self.most_instances
    }
}
