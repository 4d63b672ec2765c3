//! Why a module cannot be loaded. Each message says what was found and what to do about it; what lies beneath
//! is in `source()`. The file's name is in the message only where the file itself is the trouble.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// The error of a library below us, of whatever type it is.
pub(crate) type Cause = Box<dyn Error + Send + Sync + 'static>;

/// How much of a function's name is told; a module may have long ones.
const MOST_NAME_CHARS: usize = 200;

/// Why a module cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModuleError {
    /// The file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// The file as it was given.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },

    /// The path leads to a folder, not to a file.
    #[error(
        "`{}` is a folder; if it is a guest crate, build it with `wasmpool build {}` and load the result",
        path.display(),
        path.display()
    )]
    Folder {
        /// The folder.
        path: PathBuf,
    },

    /// There are no bytes at all.
    #[error("it is empty; expected a WebAssembly component (perhaps its build was interrupted)")]
    Empty,

    /// The module is larger than [`Limits::module_bytes`](crate::Limits::module_bytes) allows.
    #[error(
        "it is larger than {limit_bytes} bytes; raise Limits::module_bytes (--max-module) or make it smaller"
    )]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },

    /// The bytes are not WebAssembly.
    #[error(
        "it starts with `{starts_with}`; expected a WebAssembly component; build a guest crate with `wasmpool build DIR`"
    )]
    NotWasm {
        /// The first bytes, escaped.
        starts_with: String,
    },

    /// The text format of WebAssembly.
    #[error("it is WebAssembly text; make it binary with `wasm-tools parse FILE -o FILE.wasm`")]
    TextFormat,

    /// Code that was compiled already. It is machine code that nothing can check, so it is never accepted.
    #[error("it is compiled machine code, which cannot be checked; load the component it was made from")]
    Precompiled,

    /// A core module that is a command for WASI 0.1.
    #[error(
        "it is a WASI 0.1 command (a core module with `_start`): it has a main function, not tasks; run it with \
         `wasmpool exec`, or rebuild it with tasks for wasm32-wasip2"
    )]
    CoreCommand,

    /// A core module that carries WIT, one step before being a component.
    #[error(
        "it is a core module that carries WIT but was not turned into a component; do so with \
         `wasm-tools component new FILE -o FILE.wasm`, or build for wasm32-wasip2"
    )]
    CoreWithWit,

    /// A core module without types that could be tasks.
    #[error(
        "it is a core WebAssembly module, not a component, so its functions have no types to call them by; \
         build a guest crate for wasm32-wasip2 (`wasmpool build DIR`)"
    )]
    CoreModule,

    /// The component is cut short or damaged.
    #[error("it is {} at byte {offset} of {length_bytes}; fetch or build it again", damage(*offset, *length_bytes))]
    Broken {
        /// Where reading it failed.
        offset: u64,
        /// How many bytes there are.
        length_bytes: u64,
        /// What is wrong there.
        source: Cause,
    },

    /// The component nests instances or their types deeper than any tool does, and deeper than the engine can bear.
    #[error(
        "its components, instances or types are nested deeper than {most_levels} levels, which the engine does not \
         take; put them side by side"
    )]
    TooNested {
        /// The limit.
        most_levels: u32,
    },

    /// A function of the component would keep the compiler busy for too long, or make it take too much memory. How long it
    /// takes grows faster than the function, and the compiler cannot be stopped; no tool makes functions like this.
    #[error(
        "compiling its function {index}{} would take too long: {figure} {what}, and {limit} is the limit; split it",
        in_parentheses(name.as_deref())
    )]
    FunctionTooCostly {
        /// The function's number in its core module.
        index: u32,
        /// Its name, if the core module tells.
        name: Option<String>,
        /// What there is too much of in it.
        what: &'static str,
        /// How much there is, as far as was counted.
        figure: u64,
        /// The limit.
        limit: u64,
    },

    /// The functions of the component would keep the compiler busy for too long, all together.
    #[error(
        "compiling its {functions} functions would take too long: together they cost as much as {cost} of the costliest \
         there may be, and for {code_bytes} bytes of code {limit} is the limit; split it"
    )]
    TooCostly {
        /// How many functions were counted.
        functions: u32,
        /// Their code in bytes.
        code_bytes: u64,
        /// What they cost, in functions of the largest size.
        cost: u64,
        /// The limit.
        limit: u64,
    },

    /// The component instantiates more than the engine can bear: components within components, each more than once, grow
    /// without bound.
    #[error(
        "it instantiates its components and modules more than {limit} times; instantiate them less often"
    )]
    TooManyInstances {
        /// The limit.
        limit: u32,
    },

    /// The component instantiates a component that it is given, so that nothing tells how much that is.
    #[error(
        "it instantiates a component that is imported or comes from an instance; nest that component itself"
    )]
    UnknownComponent,

    /// The component was made for a version of WASI that is not provided here.
    #[error(
        "it imports {}, made for a version of WASI that is not provided (releases 0.2.x and 0.3.x are); \
         rebuild it with current tools",
        listed(imports)
    )]
    ForeignWasi {
        /// The imports that nothing can satisfy.
        imports: Vec<String>,
    },

    /// The component is a command: its only export is `wasi:cli/run`.
    #[error("it is a WASI command: it has a main function, not tasks; give its functions `#[tasks]`")]
    CommandOnly,

    /// The component exports no function.
    #[error(
        "it exports no function, so there is no task to call; write `#[tasks]` on a module with a `pub fn`"
    )]
    NoTasks,

    /// The engine does not compile or load the component.
    #[error("the engine refuses it")]
    Refused {
        /// What the engine says.
        source: Cause,
    },

    /// The component's types cannot be written as WIT.
    #[error("its types cannot be written as WIT")]
    Wit {
        /// What stands in the way.
        source: Cause,
    },

    /// No thread could be started to load the module on.
    #[error("cannot start a thread to load it on")]
    NoThread {
        /// What the operating system says.
        source: io::Error,
    },

    /// Compiling the module took longer than [`Limits::compile_time`](crate::Limits::compile_time) allows.
    #[error(
        "compiling it takes longer than {limit:?}; raise Limits::compile_time (--compile-time) if that is worth it"
    )]
    SlowToCompile {
        /// The limit.
        limit: Duration,
    },

    /// The thread that loaded the module panicked; standard error has its message.
    #[error(
        "loading it panicked; this is a bug of wasmpool or of its engine, please report it with the module"
    )]
    Panicked,
}

fn damage(offset: u64, length_bytes: u64) -> &'static str {
    if offset >= length_bytes { "a component cut short" } else { "a damaged component" }
}

/// The name of a function after its number, cut to what fits a line.
fn in_parentheses(name: Option<&str>) -> String {
    name.map(|name| format!(" (`{}`)", name.chars().take(MOST_NAME_CHARS).collect::<String>()))
        .unwrap_or_default()
}

/// Names the first import and counts the others.
fn listed(imports: &[String]) -> String {
    match imports {
        [] => "something".to_owned(),
        [only] => format!("`{only}`"),
        [first, rest @ ..] => format!("`{first}` and {} more", rest.len()),
    }
}
