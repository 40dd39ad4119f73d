//! Shared by the tests of the whole.
