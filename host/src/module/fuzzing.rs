//! What fuzz targets do with modules. A module that is refused is fine, one that panics is not, even where a caller
//! would get the panic as an error.

use std::error::Error;
use std::iter;
use std::time::Duration;

use crate::limits::Limits;

use super::attributes;
use super::error::ModuleError;
use super::load::ModuleLoader;
use super::notes::Notes;
use super::task_module::TaskModule;
use super::tasks::TaskInfo;

/// Larger modules keep the compiler busy and are nothing new to the code before it.
const MOST_BYTES: u64 = 1 << 16;

/// Loads a module and looks at all that it says about itself.
pub(crate) fn load(bytes: &[u8]) {
    let limits = Limits::default().module_bytes(MOST_BYTES).compile_time(Duration::from_secs(60));
    match ModuleLoader::new().limits(&limits).load_in_time(bytes.to_vec(), None) {
        Ok(module) => look_at(&module),
        Err(ModuleError::Panicked) => panic!("loading it panicked"),
        Err(error) => {
            let causes = iter::successors(Some(&error as &dyn Error), |error| (*error).source());
            assert!(causes.map(ToString::to_string).all(|said| !said.is_empty()));
        }
    }
}

/// Reads a task section.
pub(crate) fn read_section(bytes: &[u8]) {
    let mut notes = Notes::default();
    let halves = bytes.split_at(bytes.len() / 2);
    attributes::read_sections(&[halves.0, halves.1], &mut notes);
    attributes::read_sections(&[bytes], &mut notes);
    drop(notes.into_vec());
}

fn look_at(module: &TaskModule) {
    module.tasks().iter().for_each(look_at_task);
    drop(module.type_definitions());
    drop(module.unknown_task("task"));
    // Some exports have no words in WIT, which is an answer too.
    let _ = module.wit();
    assert!(format!("{module:?}").contains(module.digest()));
}

fn look_at_task(task: &TaskInfo) {
    assert!(task.signature().starts_with(task.name()));
    let Ok(examples) = task.example_args() else { return };
    for (index, example) in examples.iter().enumerate() {
        // Examples of enormous types are cut short and do not fit.
        let _ = task.arg_from_text(index, &example.to_string());
        let _ = task.arg_from_bytes(index, b"null");
    }
}
