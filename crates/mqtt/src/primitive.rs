//! Variable Byte Integer, UTF-8 string, binary data: how fields are read and written (1.5).

use bytes::{Buf, BufMut, Bytes, BytesMut};
use bytestring::ByteString;

use crate::{DecodeError, EncodeError, PacketId};

/// The fields of one packet that are not read yet.
///
/// Strings and binary data come out as slices of it; nothing is copied, and nothing is reserved
/// because of a length that was only announced.
#[derive(Debug)]
pub(crate) struct Fields(Bytes);

impl Fields {
    pub(crate) const fn new(bytes: Bytes) -> Fields {
        Fields(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        self.0.try_get_u8().map_err(|_| DecodeError::Truncated)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.0.try_get_u16().map_err(|_| DecodeError::Truncated)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.0.try_get_u32().map_err(|_| DecodeError::Truncated)
    }

    pub(crate) fn packet_id(&mut self) -> Result<PacketId, DecodeError> {
        PacketId::new(self.u16()?).ok_or(DecodeError::PacketIdZero)
    }

    pub(crate) fn variable_byte_integer(&mut self) -> Result<u32, DecodeError> {
        match VariableByteInteger::read(&self.0)? {
            Some(integer) if integer.is_minimal() => {
                self.0.advance(integer.len);
                Ok(integer.value)
            }
            Some(_) => Err(DecodeError::VariableByteInteger),
            None => Err(DecodeError::Truncated),
        }
    }

    /// The next `len` bytes as fields of their own.
    pub(crate) fn section(&mut self, len: usize) -> Result<Fields, DecodeError> {
        if len <= self.0.len() {
            Ok(Fields(self.0.split_to(len)))
        } else {
            Err(DecodeError::Truncated)
        }
    }

    pub(crate) fn binary(&mut self) -> Result<Bytes, DecodeError> {
        let len = self.u16()?;
        Ok(self.section(len.into())?.0)
    }

    pub(crate) fn string(&mut self) -> Result<ByteString, DecodeError> {
        let bytes = self.binary()?;
        if bytes.contains(&0) {
            return Err(DecodeError::NullCharacter);
        }
        ByteString::try_from(bytes).map_err(|_| DecodeError::InvalidUtf8)
    }

    /// Everything that is left.
    pub(crate) fn rest(self) -> Bytes {
        self.0
    }

    pub(crate) fn end(&self) -> Result<(), DecodeError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::TrailingBytes)
        }
    }
}

/// A length or an identifier in one to four bytes (1.5.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct VariableByteInteger {
    pub(crate) value: u32,
    /// Bytes it was read from.
    pub(crate) len: usize,
}

impl VariableByteInteger {
    pub(crate) const MAX: u32 = 268_435_455;

    /// Reads one from the front of `bytes`; `None` if its last byte is not there yet.
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<VariableByteInteger>, DecodeError> {
        let mut value = 0;
        for (index, byte) in bytes.iter().take(4).enumerate() {
            value |= u32::from(byte & 0x7F) << (7 * index);
            if byte & 0x80 == 0 {
                return Ok(Some(VariableByteInteger {
                    value,
                    len: index + 1,
                }));
            }
        }
        if bytes.len() < 4 {
            Ok(None)
        } else {
            Err(DecodeError::VariableByteInteger)
        }
    }

    /// 5.0 requires the shortest form \[MQTT-1.5.5-1\]; 3.1.1 says nothing about it.
    pub(crate) const fn is_minimal(self) -> bool {
        self.len == VariableByteInteger::len_of(self.value)
    }

    pub(crate) const fn len_of(value: u32) -> usize {
        match value {
            0..=0x7F => 1,
            0x80..=0x3FFF => 2,
            0x4000..=0x1F_FFFF => 3,
            _ => 4,
        }
    }

    /// The bytes of `value`, which is at most [`VariableByteInteger::MAX`], and how many they are.
    pub(crate) const fn bytes_of(mut value: u32) -> ([u8; 4], usize) {
        let mut bytes = [0; 4];
        let mut len = 0;
        loop {
            let low = (value & 0x7F) as u8;
            value >>= 7;
            if value == 0 || len == 3 {
                bytes[len] = low;
                return (bytes, len + 1);
            }
            bytes[len] = low | 0x80;
            len += 1;
        }
    }
}

/// Where a packet is written: a buffer, or a counter.
///
/// Every packet is written twice by the same code, first to be measured. Lengths stand before what
/// they measure, and this way they cannot disagree with it.
pub(crate) trait Sink {
    fn put(&mut self, bytes: &[u8]);

    fn put_u8(&mut self, value: u8) {
        self.put(&[value]);
    }

    fn put_u16(&mut self, value: u16) {
        self.put(&value.to_be_bytes());
    }

    fn put_u32(&mut self, value: u32) {
        self.put(&value.to_be_bytes());
    }

    fn put_variable_byte_integer(&mut self, value: u32) {
        let (bytes, len) = VariableByteInteger::bytes_of(value);
        self.put(&bytes[..len]);
    }

    fn put_binary(&mut self, bytes: &[u8]) {
        self.put_u16(bytes.len() as u16); // the measuring pass refuses a longer field
        self.put(bytes);
    }

    fn put_string(&mut self, text: &str) {
        self.put_binary(text.as_bytes());
    }
}

impl Sink for BytesMut {
    fn put(&mut self, bytes: &[u8]) {
        self.put_slice(bytes);
    }
}

/// Counts bytes, and notices what cannot be written.
#[derive(Debug, Default)]
pub(crate) struct Measure {
    len: usize,
    has_long_field: bool,
}

impl Measure {
    /// The length of what was put, if it can be written at all.
    pub(crate) const fn finish(&self) -> Result<u32, EncodeError> {
        if self.has_long_field {
            Err(EncodeError::FieldTooLong)
        } else if self.len > VariableByteInteger::MAX as usize {
            Err(EncodeError::PacketTooLarge)
        } else {
            Ok(self.len as u32)
        }
    }

    /// The length of what was put, for a part of a packet that is measured as a whole besides.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }
}

impl Sink for Measure {
    fn put(&mut self, bytes: &[u8]) {
        self.len += bytes.len();
    }

    fn put_binary(&mut self, bytes: &[u8]) {
        self.len += 2 + bytes.len();
        self.has_long_field |= bytes.len() > usize::from(u16::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Option<VariableByteInteger>, DecodeError> {
        VariableByteInteger::read(bytes)
    }

    #[test]
    fn mqtt_1_5_5_a_variable_byte_integer_has_the_borders_of_table_1_1() {
        let borders: [(u32, &[u8]); 8] = [
            (0, &[0x00]),
            (127, &[0x7F]),
            (128, &[0x80, 0x01]),
            (16_383, &[0xFF, 0x7F]),
            (16_384, &[0x80, 0x80, 0x01]),
            (2_097_151, &[0xFF, 0xFF, 0x7F]),
            (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
            (268_435_455, &[0xFF, 0xFF, 0xFF, 0x7F]),
        ];
        for (value, bytes) in borders {
            let integer = read(bytes).unwrap().unwrap();
            assert_eq!((integer.value, integer.len), (value, bytes.len()));
            assert!(integer.is_minimal());
            let (written, len) = VariableByteInteger::bytes_of(value);
            assert_eq!(&written[..len], bytes);
            assert_eq!(VariableByteInteger::len_of(value), bytes.len());
        }
    }

    #[test]
    fn mqtt_1_5_5_1_a_longer_form_than_needed_is_noticed() {
        assert!(!read(&[0x80, 0x00]).unwrap().unwrap().is_minimal());
        let mut fields = Fields::new(Bytes::from_static(&[0x80, 0x00]));
        assert_eq!(
            fields.variable_byte_integer(),
            Err(DecodeError::VariableByteInteger)
        );
    }

    #[test]
    fn a_variable_byte_integer_ends_within_four_bytes() {
        assert_eq!(read(&[0x80, 0x80, 0x80]), Ok(None));
        assert_eq!(
            read(&[0x80, 0x80, 0x80, 0x80]),
            Err(DecodeError::VariableByteInteger)
        );
    }

    #[test]
    fn mqtt_1_5_4_1_a_string_with_an_encoded_surrogate_is_refused() {
        let mut fields = Fields::new(Bytes::from_static(b"\x00\x03\xED\xA0\x80"));
        assert_eq!(fields.string(), Err(DecodeError::InvalidUtf8));
    }

    #[test]
    fn mqtt_1_5_4_2_a_string_with_a_null_character_is_refused() {
        let mut fields = Fields::new(Bytes::from_static(b"\x00\x03a\0b"));
        assert_eq!(fields.string(), Err(DecodeError::NullCharacter));
    }

    #[test]
    fn mqtt_1_5_4_3_a_byte_order_mark_stays_where_it_is() {
        let mut fields = Fields::new(Bytes::from_static(b"\x00\x04\xEF\xBB\xBFa"));
        assert_eq!(fields.string().unwrap(), "\u{FEFF}a");
    }

    #[test]
    fn a_string_that_announces_more_than_there_is_is_truncated() {
        let mut fields = Fields::new(Bytes::from_static(b"\xFF\xFFa"));
        assert_eq!(fields.string(), Err(DecodeError::Truncated));
    }
}
