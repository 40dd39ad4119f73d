//! Transcripts: what a client says, what it hears, what the driver is asked to do.
//!
//! One file per topic; [`support`] plays everybody else,
//! [`words`] are what the transcripts are written in.

mod acknowledgements;
mod anything;
mod backpressure;
mod connect;
mod deliver;
mod disconnect;
mod keep_alive;
mod publish;
mod resume;
mod subscribe;
mod support;
mod will;
mod words;
