//! The server name in a ClientHello, for the log line of a connection.
//!
//! The unbuffered rustls connection does not show the name it read, so this reads it once
//! more. Only the log uses it: nothing is decided by it, and what cannot be read is absent.

/// The host name asked for in the first record a client sent, if it is whole and has one.
pub(crate) fn server_name(record: &[u8]) -> Option<String> {
    let mut record = Reader(record);
    if record.u8()? != HANDSHAKE_RECORD {
        return None;
    }
    record.take(2)?; // legacy version
    let mut message = Reader(record.vector16()?);
    if message.u8()? != CLIENT_HELLO {
        return None;
    }
    message.take(3 + 2 + 32)?; // length, legacy version, random
    message.vector8()?; // session id
    message.vector16()?; // cipher suites
    message.vector8()?; // compression methods
    let mut extensions = Reader(message.vector16()?);
    loop {
        let kind = extensions.u16()?;
        let body = extensions.vector16()?;
        if kind == SERVER_NAME {
            return host_name(body);
        }
    }
}

/// RFC 6066 section 3: a list of names, of which only host names exist.
fn host_name(extension: &[u8]) -> Option<String> {
    let mut names = Reader(Reader(extension).vector16()?);
    if names.u8()? != HOST_NAME {
        return None;
    }
    let name = std::str::from_utf8(names.vector16()?).ok()?;
    let is_printable = name.bytes().all(|byte| byte.is_ascii_graphic());
    (is_printable && name.len() <= DNS_NAME_MAX).then(|| name.to_owned())
}

/// The front of what was not read yet; every step may find that there is not enough.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)
            .map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn vector8(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?;
        self.take(length.into())
    }

    fn vector16(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(length.into())
    }
}

const HANDSHAKE_RECORD: u8 = 0x16;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const HOST_NAME: u8 = 0;
const DNS_NAME_MAX: usize = 253;
