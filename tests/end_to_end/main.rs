//! The executable as a person meets it: started, misused, cut off, stopped.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, outside the functions clippy knows as tests"
)]

mod delivery;
mod first_run;
mod outage;
mod refusals;
mod stopping;
