//! The properties of 5.0, one table: identifier, type, and the packets that may carry it (2.2.2.2).
