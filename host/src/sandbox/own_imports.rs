//! The embedder's own host functions, which stand beside what every sandbox has.

use std::fmt;
use std::sync::Arc;

use wasmtime::component::Linker;

use crate::event::Teller;
use crate::limits::Limits;
use crate::sandbox::reach::Shared;
use crate::sandbox::state::SandboxState;

/// What a pool provides its modules with beside what is granted.
#[derive(Clone)]
pub(crate) struct Provisions {
    pub(crate) shared: Shared,
    pub(crate) imports: OwnImports,
}

impl Provisions {
    /// Provides nothing that is anybody else's.
    pub(crate) fn none() -> Self {
        Provisions {
            shared: Shared::within(&Limits::default(), &Teller::new(1)),
            imports: OwnImports::default(),
        }
    }
}

/// Where the embedder's own host functions are defined; see `PoolBuilder::import`.
#[cfg_attr(not(feature = "wasmtime-api"), expect(unreachable_pub, reason = "public with the feature only"))]
pub type HostLinker = Linker<SandboxState>;

/// Whether the embedder's own host functions could be defined.
#[cfg_attr(not(feature = "wasmtime-api"), expect(unreachable_pub, reason = "public with the feature only"))]
pub type Defined = wasmtime::Result<()>;

type Import = dyn Fn(&mut HostLinker) -> Defined + Send + Sync;

/// What the embedder adds to every linker, in the order in which it was given.
#[derive(Clone, Default)]
pub(crate) struct OwnImports(Vec<Arc<Import>>);

impl OwnImports {
    /// Adds one more.
    #[cfg_attr(
        not(feature = "wasmtime-api"),
        expect(dead_code, reason = "only the feature's builder adds any")
    )]
    pub(crate) fn add(&mut self, import: impl Fn(&mut HostLinker) -> Defined + Send + Sync + 'static) {
        self.0.push(Arc::new(import));
    }

    /// Returns true if there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Has all of them define what they provide, which may stand for what is there already.
    pub(crate) fn define(&self, linker: &mut Linker<SandboxState>) -> wasmtime::Result<()> {
        linker.allow_shadowing(true);
        let defined = self.0.iter().try_for_each(|import| import(linker));
        linker.allow_shadowing(false);
        defined
    }
}

impl fmt::Debug for OwnImports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnImports({})", self.0.len())
    }
}
