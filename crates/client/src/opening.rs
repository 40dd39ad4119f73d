//! From nothing to an accepted connection: transport, CONNECT, CONNACK.

use bytes::BytesMut;
use mqtt::{ByteString, Codec, ConnAck, ControlPacket, ReasonCode};
use transport::{Read, Transport, TransportError};

use crate::connect::Connect;
use crate::session::connect_packet;
use crate::{ClientError, Options};

/// A connection the broker has accepted.
pub(crate) struct Opened {
    pub(crate) transport: Transport,
    /// What came behind the CONNACK.
    pub(crate) plain: BytesMut,
    pub(crate) codec: Codec,
    pub(crate) answer: ConnAck,
}

/// One attempt; the caller sets its deadline.
pub(crate) async fn open(
    options: &Options,
    connect: &mut dyn Connect,
    client_id: &ByteString,
    is_first: bool,
) -> Result<Opened, ClientError> {
    let mut transport = connect.connect(options).await?;
    let mut codec = Codec::new(Some(options.version), options.maximum_packet_size);
    let hello = connect_packet(options, client_id, is_first);
    let mut out = BytesMut::new();
    codec.encode(&ControlPacket::Connect(Box::new(hello)), &mut out)?;
    let mut plain = BytesMut::new();
    let answer = exchange(&mut transport, &mut out, &mut plain, &mut codec)
        .await
        .map_err(|failure| match failure {
            Failure::Transport(error) => ClientError::from_transport(error, &options.host),
            Failure::Client(error) => error,
        })?;
    if answer.reason != ReasonCode::Success {
        return Err(ClientError::Refused {
            reason: answer.reason,
            explanation: answer.properties.reason_string,
        });
    }
    let takes = answer.properties.maximum_packet_size;
    if takes.is_some_and(|bytes| bytes.get() < ANSWER_MAX_BYTES) {
        return Err(ClientError::Misbehaved {
            what: "a Maximum Packet Size that no acknowledgement fits",
            reason: ReasonCode::ProtocolError,
        });
    }
    Ok(Opened {
        transport,
        plain,
        codec,
        answer,
    })
}

enum Failure {
    Transport(TransportError),
    Client(ClientError),
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Failure {
        Failure::Transport(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::Transport(error.into())
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Failure {
        Failure::Client(error)
    }
}

/// Sends CONNECT and waits for the answer.
///
/// With TLS 1.3 this is also where a server's refusal of our certificate arrives: our half of
/// the handshake was complete before the server looked at it.
async fn exchange(
    transport: &mut Transport,
    out: &mut BytesMut,
    plain: &mut BytesMut,
    codec: &mut Codec,
) -> Result<ConnAck, Failure> {
    transport.write(out)?;
    loop {
        match transport.try_read(plain)? {
            Read::Bytes(_) => match codec.decode(plain).map_err(ClientError::from)? {
                None => {}
                Some(ControlPacket::ConnAck(answer)) => return Ok(*answer),
                Some(_) => {
                    return Err(Failure::Client(ClientError::Misbehaved {
                        what: "something else before its CONNACK",
                        reason: ReasonCode::ProtocolError,
                    }));
                }
            },
            Read::Closed { .. } => return Err(Failure::Client(ClientError::ConnectionLost)),
            Read::WouldBlock if transport.pending_write() == 0 => transport.readable().await?,
            Read::WouldBlock => {
                tokio::select! {
                    ready = transport.readable() => ready?,
                    ready = transport.writable() => ready?,
                }
                transport.try_flush()?;
            }
        }
    }
}

/// PUBREL or PUBCOMP with a Reason Code: the longest packet we send without text of others.
const ANSWER_MAX_BYTES: u32 = 5;
