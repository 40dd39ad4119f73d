//! Roles: what runs until it is told to stop, alone in a process or together under `up`.

pub(crate) mod broker;
pub(crate) mod page;
