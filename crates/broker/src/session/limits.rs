//! What one session may use, with the reason for each default.

/// Bounds of one session. Every one of them is a configuration key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionLimits {
    /// Longest keep alive in seconds; a 5.0 client that asks for more, or for none, is given this
    /// one (Server Keep Alive). 0 allows anything. 3.1.1 has no way to be told.
    ///
    /// 3,600: a client that vanished without a word is noticed within an hour and a half.
    pub keep_alive_max_s: u16,
    /// Longest life of a session after its connection, in seconds. `u32::MAX` allows for ever,
    /// which is also what a 3.1.1 session without Clean Session asks for.
    ///
    /// 604,800: a week away keeps the messages; a device that never returns does not keep memory.
    pub session_expiry_max_s: u32,
    /// QoS 1 and 2 messages a 5.0 client may have unacknowledged: our Receive Maximum.
    ///
    /// 1,024: a publisher can fill two reads of 64 KiB with messages of 128 bytes; the
    /// book-keeping is at most 32 KiB per client.
    pub receive_maximum: u16,
    /// QoS 1 and 2 messages sent and unacknowledged at most; the Receive Maximum of the client may
    /// lower it.
    ///
    /// 1,024: the same in the other direction. More would only move the queue out of the outbox,
    /// where it is counted.
    pub inflight_max_count: u16,
    /// Bytes of those messages: with as many or more unacknowledged, none is added.
    ///
    /// 16 MiB, as for the outbox: a client that never acknowledges would otherwise hold a
    /// thousand of the largest packets.
    pub inflight_max_bytes: usize,
    /// Largest packet taken from a client, in bytes; the codec of the driver enforces it.
    ///
    /// 2 MiB: a photograph passes, and a thousand clients in the middle of one take 2 GiB.
    pub packet_max_bytes: u32,
    /// Topic Aliases a client may set: our Topic Alias Maximum.
    ///
    /// 16: sensors publish to a handful of topics, and each may be 64 KiB long.
    pub topic_alias_maximum: u16,
    /// Longest Client Identifier, in bytes.
    ///
    /// 256: a UUID and a host name fit many times over, and it stands in every log line.
    pub client_id_max_bytes: usize,
    /// Answers that may wait to leave before no further packet is decoded; each Reason Code of
    /// a SUBACK or UNSUBACK counts as one more.
    ///
    /// 2,048: twice what Receive Maximum allows, so only a client that does not read meets it.
    pub answers_max_count: usize,
}

impl Default for SessionLimits {
    fn default() -> SessionLimits {
        SessionLimits {
            keep_alive_max_s: 3_600,
            session_expiry_max_s: 604_800,
            receive_maximum: 1_024,
            inflight_max_count: 1_024,
            inflight_max_bytes: 16 * 1024 * 1024,
            packet_max_bytes: 2 * 1024 * 1024,
            topic_alias_maximum: 16,
            client_id_max_bytes: 256,
            answers_max_count: 2_048,
        }
    }
}
