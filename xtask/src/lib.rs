//! What the tests share with `cargo xtask`: the table of conformance.

pub mod conformance;
