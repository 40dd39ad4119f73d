//! Flows: the bookkeeping between two peers, without packets, sockets or a clock.
