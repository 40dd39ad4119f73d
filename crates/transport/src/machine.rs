//! Machine: the unbuffered connection of rustls, one step at a time.
//!
//! We show it the bytes we have; it says what they mean, what to send, and how many may be
//! forgotten. All knowledge of that interface is in this file, because it changes with the next
//! major version.

use bytes::BytesMut;
use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{CommonState, Error};

use crate::buffer::Outgoing;

/// The rustls connection of either side; the sides differ in type only.
pub(crate) enum Machine {
    Server(Box<UnbufferedServerConnection>),
    Client(Box<UnbufferedClientConnection>),
}

/// What to do when the machine is ready to write.
#[derive(Clone, Copy)]
pub(crate) enum Wish<'a> {
    Nothing,
    Encrypt(&'a [u8]),
    CloseNotify,
}

/// What one turn of the machine came to.
pub(crate) enum Turn {
    /// There may be more in the same input.
    Again,
    /// Nothing more without more input; a wish was fulfilled.
    Idle,
    /// The peer said close_notify; it can still be written to.
    PeerClosed,
    Failed(Error),
}

impl Machine {
    pub(crate) fn common(&self) -> &CommonState {
        match self {
            Machine::Server(connection) => connection,
            Machine::Client(connection) => connection,
        }
    }

    /// One step over `input`; the number returned is how many bytes of its front are done with.
    pub(crate) fn turn(
        &mut self,
        input: &mut [u8],
        wish: Wish<'_>,
        plain: &mut BytesMut,
        out: &mut Outgoing,
    ) -> (usize, Turn) {
        match self {
            Machine::Server(connection) => {
                settle(connection.process_tls_records(input), wish, plain, out)
            }
            Machine::Client(connection) => {
                settle(connection.process_tls_records(input), wish, plain, out)
            }
        }
    }

    /// Fulfils `wish`. `held` must be what the machine saw last and did not use: it remembers
    /// positions in it.
    pub(crate) fn seal(
        &mut self,
        held: &mut Vec<u8>,
        wish: Wish<'_>,
        out: &mut Outgoing,
    ) -> Result<(), Error> {
        // Whole records were used up when they arrived, so nothing can be received here.
        let mut nothing = BytesMut::new();
        loop {
            let (discard, turn) = self.turn(held, wish, &mut nothing, out);
            held.drain(..discard);
            match turn {
                Turn::Again | Turn::PeerClosed => {}
                Turn::Idle => return Ok(()),
                Turn::Failed(error) => return Err(error),
            }
        }
    }

    /// After a failure: takes out the alert that tells the peer why.
    ///
    /// While something is queued the machine hands it out before it looks at any input.
    pub(crate) fn drain_alerts(&mut self, out: &mut Outgoing) {
        let mut nothing = BytesMut::new();
        while self.common().wants_write() {
            if let (_, Turn::Failed(_)) = self.turn(&mut [], Wish::Nothing, &mut nothing, out) {
                return;
            }
        }
    }
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Machine::Server(_) => "Server",
            Machine::Client(_) => "Client",
        })
    }
}

/// Does what the machine asks for.
fn settle<Side>(
    status: UnbufferedStatus<'_, '_, Side>,
    wish: Wish<'_>,
    plain: &mut BytesMut,
    out: &mut Outgoing,
) -> (usize, Turn) {
    let mut discard = status.discard;
    let turn = match status.state {
        Err(error) => Turn::Failed(error),
        Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
            match traffic.next_record() {
                Some(Ok(record)) => {
                    discard += record.discard;
                    plain.extend_from_slice(record.payload);
                }
                Some(Err(error)) => break Turn::Failed(error),
                None => break Turn::Again,
            }
        },
        Ok(ConnectionState::EncodeTlsData(mut data)) => {
            // The first question finds out how much room the message wants.
            let mut room = 0;
            loop {
                match data.encode(out.room(room)) {
                    Ok(count) => {
                        out.advance(count);
                        break Turn::Again;
                    }
                    Err(EncodeError::InsufficientSize(size)) => room = size.required_size,
                    Err(EncodeError::AlreadyEncoded) => break Turn::Again,
                }
            }
        }
        Ok(ConnectionState::TransmitTlsData(data)) => {
            // It is in `out`, from where everything leaves in order.
            data.done();
            Turn::Again
        }
        Ok(ConnectionState::WriteTraffic(mut traffic)) => {
            let mut room = match wish {
                Wish::Nothing => return (discard, Turn::Idle),
                Wish::Encrypt(bytes) => bytes.len() + (bytes.len() / 16_384 + 1) * RECORD_OVERHEAD,
                Wish::CloseNotify => RECORD_OVERHEAD,
            };
            loop {
                let sealed = match wish {
                    Wish::Encrypt(bytes) => traffic.encrypt(bytes, out.room(room)),
                    _ => traffic.queue_close_notify(out.room(room)),
                };
                match sealed {
                    Ok(count) => {
                        out.advance(count);
                        break Turn::Idle;
                    }
                    // An answer that was waiting, such as a key update, goes in front.
                    Err(EncryptError::InsufficientSize(size)) => room = size.required_size,
                    Err(EncryptError::EncryptExhausted) => break Turn::Failed(Error::EncryptError),
                }
            }
        }
        Ok(ConnectionState::PeerClosed) => Turn::PeerClosed,
        Ok(ConnectionState::BlockedHandshake | ConnectionState::Closed) => match wish {
            Wish::Nothing => Turn::Idle,
            Wish::Encrypt(_) | Wish::CloseNotify => Turn::Failed(Error::HandshakeNotComplete),
        },
        // 0-RTT is never offered: an unauthenticated peer has nothing to tell us.
        Ok(_) => Turn::Failed(Error::General("0-RTT data was not offered".into())),
    };
    (discard, turn)
}

/// Header, content type, explicit nonce and tag of one record, rounded up.
const RECORD_OVERHEAD: usize = 64;
