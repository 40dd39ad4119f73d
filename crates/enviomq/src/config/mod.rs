//! Config: what may be set, from where, and what it is in the end.
//!
//! Growing weight: built-in default, `enviomq.toml`, environment
//! (`ENVIOMQ_SECTION_KEY`), flags. Every effective value remembers where it came
//! from. The table below is the only list of keys: the structs the program
//! reads, the example file and `docs/configuration.md` all come from it.

mod document;
mod file;
mod place;
mod settings;
mod sources;
mod unit;
mod value;

pub(crate) use document::{example_file, reference_page};
pub(crate) use place::{Endpoint, Listen};
pub(crate) use settings::{Access, Config};
pub(crate) use sources::{Source, Values};
pub(crate) use value::{AccessRule, LogFormat, LogLevel, Raw, Setting};
