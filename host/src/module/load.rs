//! From a file to a [`TaskModule`]: read, recognise, survey, compile, list the tasks.
//! Compiling takes up to a second of CPU, so a load runs on a thread of its own: no executor is held up, and
//! none is needed. A future that is dropped leaves its thread to finish for nobody.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use crate::limits::Limits;
use crate::own_thread::{NoAnswer, on_own_thread};

use super::artifact;
use super::attributes;
use super::cache::sha256_hex;
use super::diagnose;
use super::engine::{EngineKind, compiling_engine};
use super::error::ModuleError;
use super::notes::Notes;
use super::survey::survey;
use super::task_module::{Contents, TaskModule};
use super::tasks::{self, TaskInfo};
use super::wasi;
use super::wit;

/// The compiler walks through nested types and code by calling itself, and an untrusted module says how deep.
const COMPILER_STACK_BYTES: usize = 16 << 20;

/// The name of a module that came without one.
const NAMELESS: &str = "module";

impl TaskModule {
    /// Loads a component from a file, without a cache; see [`ModuleLoader`] for settings.
    ///
    /// # Errors
    /// [`ModuleError`] says what the file is if it is not a component with tasks.
    ///
    /// # Cancel safety
    /// Dropping the future does no harm; what was begun ends in the background.
    pub async fn from_file(path: impl AsRef<Path>) -> Result<Self, ModuleError> {
        Self::loader().load_file(path).await
    }

    /// Loads a component from memory, without a cache; see [`ModuleLoader`] for settings.
    ///
    /// # Errors
    /// [`ModuleError`] says what the bytes are if they are not a component with tasks.
    ///
    /// # Cancel safety
    /// Dropping the future does no harm; what was begun ends in the background.
    pub async fn from_bytes(bytes: impl Into<Vec<u8>>) -> Result<Self, ModuleError> {
        Self::loader().load_bytes(bytes).await
    }

    /// Returns a loader with default settings.
    pub fn loader() -> ModuleLoader {
        ModuleLoader::new()
    }
}

/// Loads task modules, with settings.
#[derive(Clone, Debug, Default)]
pub struct ModuleLoader {
    name: Option<String>,
    cache_dir: Option<PathBuf>,
    limits: Limits,
}

impl ModuleLoader {
    /// Returns a loader without a cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the module; default: the file's name without its ending, or `module`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Keeps compiled code in this folder; default: nowhere. The folder is made (mode 0700) if it is missing.
    /// It must belong to the user and be writable by nobody else, or it is not used, and
    /// [`TaskModule::notes`] says so: compiled code is machine code.
    pub fn cache_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(path.into());
        self
    }

    /// Sets how large a module may be and how long compiling it may take; [`Limits::module_bytes`] and
    /// [`Limits::compile_time`] count. The compiler cannot be stopped: where it needs longer, the caller is told so, and
    /// its threads go on until it is done or the process ends.
    pub fn limits(mut self, limits: &Limits) -> Self {
        self.limits = limits.clone();
        self
    }

    /// Loads a component from a file.
    ///
    /// # Errors
    /// [`ModuleError`] says what the file is if it is not a component with tasks.
    ///
    /// # Cancel safety
    /// Dropping the future does no harm; what was begun ends in the background.
    pub async fn load_file(&self, path: impl AsRef<Path>) -> Result<TaskModule, ModuleError> {
        let (loader, path) = (self.clone(), path.as_ref().to_owned());
        on_loading_thread(move || {
            let bytes = loader.read(&path)?;
            let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
            loader.load_in_time(bytes, stem)
        })
        .await
    }

    /// Loads a component from memory.
    ///
    /// # Errors
    /// [`ModuleError`] says what the bytes are if they are not a component with tasks.
    ///
    /// # Cancel safety
    /// Dropping the future does no harm; what was begun ends in the background.
    pub async fn load_bytes(&self, bytes: impl Into<Vec<u8>>) -> Result<TaskModule, ModuleError> {
        let (loader, bytes) = (self.clone(), bytes.into());
        on_loading_thread(move || loader.load_in_time(bytes, None)).await
    }

    fn read(&self, path: &Path) -> Result<Vec<u8>, ModuleError> {
        let unreadable = |source: io::Error| ModuleError::Unreadable { path: path.to_owned(), source };
        if path.is_dir() {
            return Err(ModuleError::Folder { path: path.to_owned() });
        }
        let file = File::open(path).map_err(unreadable)?;
        // One byte more than allowed tells a file that is too large, even if it is a pipe.
        let most_bytes = self.limits.module_bytes.saturating_add(1);
        let mut bytes = Vec::new();
        file.take(most_bytes).read_to_end(&mut bytes).map_err(unreadable)?;
        Ok(bytes)
    }

    /// As [`load`](Self::load), on a thread that nobody waits for when its time is over.
    pub(super) fn load_in_time(
        self,
        bytes: Vec<u8>,
        stem: Option<String>,
    ) -> Result<TaskModule, ModuleError> {
        let limit = self.limits.compile_time;
        let (answer, answered) = mpsc::channel();
        let load = move || drop(answer.send(self.load(bytes, stem)));
        thread::Builder::new()
            .name("wasmpool-compile".to_owned())
            .stack_size(COMPILER_STACK_BYTES)
            .spawn(load)
            .map_err(|source| ModuleError::NoThread { source })?;
        match answered.recv_timeout(limit) {
            Ok(loaded) => loaded,
            Err(RecvTimeoutError::Timeout) => Err(ModuleError::SlowToCompile { limit }),
            Err(RecvTimeoutError::Disconnected) => Err(ModuleError::Panicked),
        }
    }

    /// The whole way from bytes to a module; blocks.
    fn load(&self, bytes: Vec<u8>, stem: Option<String>) -> Result<TaskModule, ModuleError> {
        let limit_bytes = self.limits.module_bytes;
        if bytes.len() as u64 > limit_bytes {
            return Err(ModuleError::TooLarge { limit_bytes });
        }
        diagnose::expect_component(&bytes)?;
        let surveyed = survey(&bytes)?;
        wasi::expect_provided(&surveyed.imports)?;
        let (digest, mut notes) = (sha256_hex(&bytes), Notes::default());
        // What is async in these interfaces makes all of them part of the one engine's linker only.
        let imports_async = surveyed.imports.iter().any(|import| {
            import.starts_with("wasmpool:host/queue@")
                || (import.starts_with("wasi:") && import.contains("@0.3."))
        });
        let kind = match surveyed.needs_concurrency || imports_async {
            true => EngineKind::Concurrent,
            false => EngineKind::Plain,
        };
        let engine = compiling_engine(kind);
        let recorded = attributes::read_sections(&surveyed.task_sections, &mut notes);
        let compiled = artifact::compile(&bytes, &digest, engine, self.cache_dir.as_deref(), &mut notes)?;
        // Only now: the engine has refused types that are too deep to be walked through.
        let texts = wit::describe_exports(&bytes).unwrap_or_else(|error| {
            notes.push(format!("types are shown without their names: {error}"));
            Default::default()
        });
        let exports =
            tasks::list_exports(&compiled.component.component_type(), engine, texts, recorded.tasks);
        let (imports, needs_concurrency) = (surveyed.imports, surveyed.needs_concurrency);
        let tasks = expect_tasks(exports)?;
        let contents = Contents {
            name: self.name.clone().or(stem).unwrap_or_else(|| NAMELESS.to_owned()),
            needs: compiled.component.resources_required(),
            digest,
            bytes,
            artifact: compiled.artifact,
            was_cached: compiled.was_cached,
            imports,
            needs_concurrency,
            kind,
            docs: recorded.docs,
            notes: notes.into_vec(),
        };
        Ok(TaskModule::new(contents, tasks))
    }
}

fn expect_tasks(exports: tasks::Exports) -> Result<Vec<TaskInfo>, ModuleError> {
    match (exports.tasks.is_empty(), exports.is_command) {
        (false, _) => Ok(exports.tasks),
        (true, true) => Err(ModuleError::CommandOnly),
        (true, false) => Err(ModuleError::NoTasks),
    }
}

async fn on_loading_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ModuleError> + Send + 'static,
) -> Result<T, ModuleError> {
    on_own_thread("wasmpool-load", work).await.unwrap_or_else(|no_answer| {
        Err(match no_answer {
            NoAnswer::NoThread(source) => ModuleError::NoThread { source },
            NoAnswer::Panicked => ModuleError::Panicked,
        })
    })
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::fs;
    use std::sync::Arc;

    use proptest::prelude::*;
    use wasmtime::component::Linker;
    use wasmtime::{Engine, Store, WasmBacktrace};

    use super::*;
    use crate::module::attributes::TaskKind;
    use crate::module::cache::Cache;
    use crate::module::engine::engine_config;

    /// Tasks of a world and of an interface, and what the SDK would have recorded about them.
    const SHAPES: &str = r#"(component
        (core module $m
            (memory (export "memory") 1)
            (func $boom unreachable)
            (func (export "crash") call $boom)
            (func (export "area") (param i32 i32) (result i32) local.get 0)
            (func (export "open") (param i32 i32))
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 8)
            (@custom "wasmpool:tasks" "{\"v\":1,\"kind\":\"task\",\"name\":\"area\",\"docs\":\"How large.\"}\n")
            (@custom "wasmpool:tasks" "{\"v\":1,\"kind\":\"init\",\"name\":\"open\"}\n")
            (@custom "wasmpool:tasks" "{\"v\":1,\"kind\":\"task\",\"name\":\"gone\"}\n{\"v\":9}\n")
            (@custom "wasmpool:tasks" "{\"v\":1,\"kind\":\"module\",\"docs\":\"About shapes.\"}\n"))
        (core instance $i (instantiate $m))
        (import "wasi:cli/environment@0.2.6" (instance))
        (type $unit' (enum "cm" "inch"))
        (import "unit" (type $unit (eq $unit')))
        (type $size' (record (field "width" u16) (field "unit" $unit)))
        (import "size" (type $size (eq $size')))
        (func $area (param "size" $size) (result u32) (canon lift (core func $i "area")))
        (export "area" (func $area))
        (func $open (param "path" string) (canon lift (core func $i "open")
            (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
        (export "open" (func $open))
        (func $crash (canon lift (core func $i "crash")))
        (instance $tools (export "crash" (func $crash)))
        (export "demo:raw/tools@1.0.0" (instance $tools)))"#;

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    fn binary(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap()
    }

    fn load(text: &str) -> Result<TaskModule, ModuleError> {
        block_on(TaskModule::from_bytes(binary(text)))
    }

    fn load_cached(dir: &Path) -> TaskModule {
        block_on(TaskModule::loader().cache_dir(dir).load_bytes(binary(SHAPES))).unwrap()
    }

    fn entries(dir: &Path) -> Vec<PathBuf> {
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    /// Runs the task that traps on an engine of its own, as a pool would, and returns the backtrace.
    fn crash(module: &TaskModule) -> WasmBacktrace {
        let engine = Engine::new(&engine_config(module.engine_kind())).unwrap();
        let component = module.component_on(&engine, module.engine_kind()).unwrap();
        let mut store = Store::new(&engine, ());
        store.set_epoch_deadline(1);
        let mut linker = Linker::new(&engine);
        linker.instance("wasi:cli/environment@0.2.6").unwrap();
        let instance = linker.instantiate(&mut store, &component).unwrap();
        let task = module.task("demo:raw/tools@1.0.0#crash").unwrap();
        let index = TaskModule::export_index(&component, task).unwrap();
        let crash = instance.get_typed_func::<(), ()>(&mut store, &index).unwrap();
        crash.call(&mut store, ()).unwrap_err().downcast().unwrap()
    }

    #[test]
    fn tasks_are_listed_with_types_names_and_what_was_recorded() {
        let module = load(SHAPES).unwrap();
        let signatures: Vec<_> = module.tasks().iter().map(TaskInfo::signature).collect();
        assert_eq!(
            signatures,
            ["area(size: size) -> u32", "open(path: string)", "demo:raw/tools@1.0.0#crash()"]
        );
        assert_eq!(module.task("area").unwrap().docs(), Some("How large."));
        assert_eq!(module.initializer().unwrap().name(), "open");
        assert_eq!(module.task("area").unwrap().kind(), TaskKind::Task);
        assert!(module.snapshot_function().is_none() && module.task("gone").is_none());
        assert_eq!(module.docs(), Some("About shapes."));
        assert_eq!(module.imports(), ["wasi:cli/environment@0.2.6"]);
        assert!(!module.has_async());
        assert_eq!(module.notes().len(), 1, "{:?}", module.notes());
    }

    #[test]
    fn the_types_in_signatures_are_defined_those_first_that_others_need() {
        let module = load(SHAPES).unwrap();
        let definitions: Vec<_> = module.type_definitions().iter().map(|ty| ty.wit.as_str()).collect();
        assert_eq!(
            definitions,
            ["enum unit {\n  cm,\n  inch,\n}", "record size {\n  width: u16,\n  unit: unit,\n}"]
        );
        let wit = module.wit().unwrap();
        assert!(wit.contains("export area: func(size: size) -> u32;"), "{wit}");
        assert!(wit.contains("package demo:raw@1.0.0 {"), "{wit}");
    }

    #[test]
    fn async_tasks_and_streams_are_told() {
        let module = load(
            r#"(component
                (core module $m
                    (func (export "nap") (result i32) i32.const 0)
                    (func (export "again") (param i32 i32 i32) (result i32) i32.const 0)
                    (func (export "feed") (param i32)))
                (core instance $i (instantiate $m))
                (func (export "nap") async
                    (canon lift (core func $i "nap") async (callback (core func $i "again"))))
                (func (export "feed") (param "numbers" (stream u8)) (canon lift (core func $i "feed"))))"#,
        )
        .unwrap();
        assert!(module.has_async());
        let (nap, feed) = (module.task("nap").unwrap(), module.task("feed").unwrap());
        assert!(nap.is_async() && nap.takes_json().is_ok());
        assert!(!feed.is_async());
        assert_eq!(feed.takes_json(), Err("its parameter `numbers` holds a stream (stream<u8>)"));
        assert_eq!(feed.signature(), "feed(numbers: stream<u8>)");
    }

    #[test]
    fn what_imports_an_interface_of_async_functions_is_for_the_engine_that_has_it() {
        let with_import = |import: &str| {
            let text = format!(
                r#"(component (import "{import}" (instance)) (core module $m (func (export "f")))
                (core instance $i (instantiate $m)) (func (export "f") (canon lift (core func $i "f"))))"#
            );
            load(&text).unwrap()
        };
        for import in ["wasmpool:host/queue@0.1.0", "wasi:random/random@0.3.0"] {
            let module = with_import(import);
            assert_eq!(
                (module.engine_kind(), module.has_async()),
                (EngineKind::Concurrent, false),
                "{import}"
            );
        }
        assert_eq!(with_import("wasi:random/random@0.2.6").engine_kind(), EngineKind::Plain);
    }

    #[test]
    fn methods_are_listed_though_no_json_calls_them() {
        let module = load(
            r#"(component
                (core module $m (func (export "size") (param i32) (result i32) i32.const 0))
                (core instance $i (instantiate $m))
                (type $blob' (resource (rep i32)))
                (component $c
                    (import "blob" (type $inner (sub resource)))
                    (import "size" (func $size (param "self" (borrow $inner)) (result u32)))
                    (export $blob "blob" (type $inner))
                    (export "[method]blob.size" (func $size) (func (param "self" (borrow $blob)) (result u32))))
                (func $size (param "self" (borrow $blob')) (result u32) (canon lift (core func $i "size")))
                (instance $shapes (instantiate $c (with "blob" (type $blob')) (with "size" (func $size))))
                (export "demo:raw/shapes" (instance $shapes)))"#,
        )
        .unwrap();
        let size = module.task("demo:raw/shapes#[method]blob.size").unwrap();
        assert_eq!(size.takes_json(), Err("its parameter `self` holds a resource (borrow<resource>)"));
        assert_eq!(size.params()[0].wit, "borrow<blob>");
    }

    #[test]
    fn a_wrong_name_is_answered_with_near_ones_or_with_all() {
        let module = load(SHAPES).unwrap();
        assert_eq!(module.unknown_task("aera"), "no task `aera`; did you mean `area`?");
        assert_eq!(
            module.unknown_task("crash"),
            "no task `crash`; did you mean `demo:raw/tools@1.0.0#crash`?"
        );
        assert_eq!(
            module.unknown_task("\u{1b}x"),
            "no task `\\u{1b}x`; there are `area`, `open`, `demo:raw/tools@1.0.0#crash`"
        );
    }

    #[test]
    fn a_component_without_tasks_is_refused_and_a_command_by_its_name() {
        assert!(matches!(load("(component)"), Err(ModuleError::NoTasks)));
        let command = r#"(component
            (core module $m (func (export "run") (result i32) i32.const 0))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $cli (export "run" (func $run)))
            (export "wasi:cli/run@0.2.6" (instance $cli)))"#;
        assert!(matches!(load(command), Err(ModuleError::CommandOnly)));
    }

    #[test]
    fn a_component_for_another_wasi_is_refused_before_it_is_compiled() {
        let text = r#"(component (import "wasi:cli/environment@0.2.0-rc-2023-11-10" (instance)))"#;
        assert!(matches!(load(text), Err(ModuleError::ForeignWasi { .. })));
    }

    #[test]
    fn what_the_engine_does_not_compile_is_refused_in_its_words() {
        let refused = load("(component (core module (func i32.add drop)))").unwrap_err();
        assert!(matches!(refused, ModuleError::Refused { .. }));
        let mut causes = std::iter::successors(Some(&refused as &dyn Error), |error| (*error).source());
        assert!(causes.any(|cause| cause.to_string().contains("type mismatch")), "{refused:?}");
    }

    #[test]
    fn files_are_named_where_they_are_the_trouble() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shapes.wasm");
        let missing = block_on(TaskModule::from_file(&path)).unwrap_err();
        assert!(missing.to_string().contains("shapes.wasm"));
        let folder = block_on(TaskModule::from_file(dir.path())).unwrap_err();
        assert!(folder.to_string().contains("wasmpool build"));
        fs::write(&path, binary(SHAPES)).unwrap();
        assert_eq!(block_on(TaskModule::from_file(&path)).unwrap().name(), "shapes");
        let small = TaskModule::loader().name("other").limits(&Limits::default().module_bytes(100));
        assert!(matches!(block_on(small.load_file(&path)), Err(ModuleError::TooLarge { limit_bytes: 100 })));
        assert_eq!(block_on(small.limits(&Limits::default()).load_file(&path)).unwrap().name(), "other");
    }

    #[test]
    fn the_digest_is_that_of_the_file() {
        let module = load(SHAPES).unwrap();
        assert_eq!(module.digest(), sha256_hex(&binary(SHAPES)));
        assert_eq!(module.digest().len(), 64);
    }

    #[test]
    fn a_backtrace_has_names_and_lines_even_if_the_code_comes_from_the_cache() {
        let dir = tempfile::tempdir().unwrap();
        let text = SHAPES.to_owned();
        let mut parser = wat::Parser::new();
        parser.generate_dwarf(wat::GenerateDwarf::Lines);
        let bytes = parser.parse_str(Some("shapes.wat".as_ref()), &text).unwrap();
        let loader = TaskModule::loader().cache_dir(dir.path());
        for expected in [false, true] {
            let module = block_on(loader.load_bytes(bytes.clone())).unwrap();
            assert_eq!(module.was_cached(), expected);
            let backtrace = crash(&module);
            let top = &backtrace.frames()[0];
            assert_eq!(top.func_name(), Some("boom"));
            let symbol = &top.symbols()[0];
            assert!(symbol.file().unwrap().ends_with("shapes.wat") && symbol.line() == Some(4), "{symbol:?}");
        }
    }

    #[test]
    fn the_second_load_does_not_compile() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!load_cached(dir.path()).was_cached());
        let again = load_cached(dir.path());
        assert!(again.was_cached());
        assert_eq!(entries(dir.path()).len(), 1);
        assert_eq!(again.task("area").unwrap().signature(), "area(size: size) -> u32");
        crash(&again);
    }

    #[test]
    fn a_damaged_entry_is_compiled_again_and_replaced() {
        let dir = tempfile::tempdir().unwrap();
        load_cached(dir.path());
        let entry = entries(dir.path()).remove(0);
        let whole = fs::read(&entry).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 0x40;
        for damaged in [&whole[..whole.len() / 2], &flipped, b""] {
            // As another process would: never into a file that may be mapped.
            fs::remove_file(&entry).unwrap();
            fs::write(&entry, damaged).unwrap();
            assert!(!load_cached(dir.path()).was_cached());
            assert!(load_cached(dir.path()).was_cached());
        }
    }

    #[test]
    fn an_intact_entry_that_the_engine_does_not_want_is_replaced_too() {
        let dir = tempfile::tempdir().unwrap();
        load_cached(dir.path());
        let entry = entries(dir.path()).remove(0);
        Cache::open(dir.path()).unwrap().store(&entry, b"from another world").unwrap();
        assert!(!load_cached(dir.path()).was_cached());
        assert!(load_cached(dir.path()).was_cached());
    }

    #[test]
    fn a_cache_that_vanished_costs_time_only() {
        let dir = tempfile::tempdir().unwrap();
        let module = load_cached(dir.path());
        fs::remove_dir_all(dir.path()).unwrap();
        crash(&module);
    }

    #[cfg(unix)]
    #[test]
    fn a_cache_folder_that_cannot_be_trusted_is_noted_and_not_used() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let module = load_cached(dir.path());
        assert!(module.notes().iter().any(|note| note.contains("others may write")), "{:?}", module.notes());
        assert!(entries(dir.path()).is_empty());
    }

    #[test]
    fn many_loads_at_once_share_a_cache_folder() {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let loads: Vec<_> = (0..8)
            .map(|_| {
                let dir = Arc::clone(&dir);
                std::thread::spawn(move || crash(&load_cached(dir.path())))
            })
            .collect();
        loads.into_iter().for_each(|load| drop(load.join().unwrap()));
        assert_eq!(entries(dir.path()).len(), 1);
    }

    #[test]
    fn a_dropped_load_does_no_harm() {
        let load = TaskModule::from_bytes(binary(SHAPES));
        // Polled once, so that its thread has begun.
        drop(block_on(async { futures::poll!(Box::pin(load)) }));
        block_on(TaskModule::from_bytes(binary(SHAPES))).unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn no_bytes_make_loading_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), kind in 0..3) {
            let head: &[u8] = [b"".as_slice(), b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01\0"][kind as usize];
            let bytes = [head, &bytes].concat();
            let panicked = matches!(block_on(TaskModule::from_bytes(bytes)), Err(ModuleError::Panicked));
            prop_assert!(!panicked);
        }

        #[test]
        fn no_damage_to_a_component_makes_loading_panic(
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let mut bytes = binary(SHAPES);
            for (place, value) in edits {
                let place = place.index(bytes.len());
                bytes[place] = value;
            }
            match block_on(TaskModule::from_bytes(bytes)) {
                Err(ModuleError::Panicked) => prop_assert!(false, "it panicked"),
                Err(_) => {}
                Ok(module) => drop(module.wit()),
            }
        }
    }
}
