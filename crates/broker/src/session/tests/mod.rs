//! Transcripts: what a client says, what it hears, what the driver is asked to do.
