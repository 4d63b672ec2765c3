//! The output file of `map` as a journal: what is recorded there need not be run again. Records are read and told
//! apart here, and the file is made ready to be written on; that they are of the input at hand is checked in `resume`.

pub(crate) mod key;
pub(crate) mod contents;
pub(crate) mod recorded;
pub(crate) mod file;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
