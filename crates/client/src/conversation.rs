//! One accepted connection: bytes between transport and session until it ends.

use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::time::{Sleep, sleep_until, timeout};
use transport::{Read, Transport, TransportError};

use crate::ClientError;
use crate::inbox::{Inbox, Stalled};
use crate::offline::Doors;
use crate::session::Session;

/// How a connection ended.
pub(crate) enum Ended {
    /// We were asked to close, and have said goodbye.
    Asked,
    Failed(ClientError),
}

pub(crate) struct Conversation<'a> {
    transport: Transport,
    /// Received and not decoded yet: the front of a packet, or what waits for the reader.
    plain: BytesMut,
    /// A message the reader had no room for. Nothing more is read until it has.
    stalled: Option<Stalled>,
    /// Bytes that what was read made us say, since the network last had taken everything.
    answers: usize,
    session: &'a mut Session,
    doors: &'a mut Doors,
    inbox: &'a Inbox,
    host: &'a str,
}

/// What woke the task.
enum Event {
    Close,
    Readable,
    Writable,
    Room,
    Knock,
    Timer,
}

impl<'a> Conversation<'a> {
    pub(crate) fn new(
        transport: Transport,
        plain: BytesMut,
        session: &'a mut Session,
        doors: &'a mut Doors,
        inbox: &'a Inbox,
        host: &'a str,
    ) -> Conversation<'a> {
        Conversation {
            transport,
            plain,
            stalled: None,
            answers: 0,
            session,
            doors,
            inbox,
            host,
        }
    }

    pub(crate) async fn run(mut self) -> Ended {
        match self.converse().await {
            Ok(()) => {
                self.take_leave(None).await;
                Ended::Asked
            }
            Err(why) => {
                self.take_leave(Some(&why)).await;
                Ended::Failed(why)
            }
        }
    }

    /// Until we are asked to close, or the connection fails.
    async fn converse(&mut self) -> Result<(), ClientError> {
        let mut timer = std::pin::pin!(sleep_until(Instant::now().into()));
        // What came behind the CONNACK, and what the session resends.
        self.decode()?;
        loop {
            self.doors.take_waiting(self.session);
            self.write()?;
            match self.next_event(timer.as_mut()).await? {
                Event::Close => return Ok(()),
                Event::Readable => self.read()?,
                Event::Writable => self.flush()?,
                Event::Room => self.decode()?,
                Event::Knock => {}
                Event::Timer => {
                    let is_reading = self.stalled.is_none();
                    self.session.handle_timeout(is_reading, Instant::now())?;
                }
            }
        }
    }

    async fn next_event(&mut self, mut timer: Pin<&mut Sleep>) -> Result<Event, ClientError> {
        let due = self.session.poll_timeout();
        if let Some(due) = due {
            // Armed anew only when it rang or would ring too late: traffic moves the deadline
            // with every packet, and a timer that rings early just looks again.
            let due = due.into();
            if timer.is_elapsed() || due < timer.deadline() {
                timer.as_mut().reset(due);
            }
        }
        let is_pending = self.transport.pending_write() > 0;
        let takes_commands = !is_pending && self.session.has_room();
        let has_stalled = self.stalled.is_some();
        // Who wants ever more answers and takes none is not read until it does.
        let is_heard = !has_stalled && self.answers < ANSWERS_MAX;
        let doors = &mut *self.doors;
        tokio::select! {
            () = Doors::asked_to_close(&mut doors.closing) => Ok(Event::Close),
            ready = self.transport.readable(), if is_heard => {
                ready.map(|()| Event::Readable).map_err(network)
            }
            ready = self.transport.writable(), if is_pending => {
                ready.map(|()| Event::Writable).map_err(network)
            }
            () = self.inbox.hand_over(&mut self.stalled), if has_stalled => Ok(Event::Room),
            command = doors.commands.recv(), if takes_commands => match command {
                Some(command) => {
                    self.session.handle_command(command);
                    Ok(Event::Knock)
                }
                None => Ok(Event::Close),
            },
            Some(receipt) = doors.receipts.recv() => {
                self.session.handle_receipt(receipt);
                Ok(Event::Knock)
            }
            () = timer, if due.is_some() => Ok(Event::Timer),
        }
    }

    /// One read and all that follows from it.
    fn read(&mut self) -> Result<(), ClientError> {
        let read = self.transport.try_read(&mut self.plain);
        // What came before a failure counts: it may be the DISCONNECT that explains it.
        let decoded = self.decode();
        match read {
            Ok(Read::Bytes(_)) => self.session.handle_heard(Instant::now()),
            Ok(Read::WouldBlock) => {}
            Ok(Read::Closed { .. }) => return decoded.and(Err(ClientError::ConnectionLost)),
            Err(error) => return decoded.and(Err(self.failed(error))),
        }
        decoded
    }

    /// Decodes what was received until the reader has no room or a packet is incomplete.
    fn decode(&mut self) -> Result<(), ClientError> {
        let before = self.session.out.len();
        while self.stalled.is_none() {
            let waiting = self.plain.len();
            let Some(packet) = self.session.codec().decode(&mut self.plain)? else {
                break;
            };
            if let Some(message) = self.session.handle_packet(packet)? {
                let size = waiting - self.plain.len();
                self.stalled = self.inbox.offer(message, size);
            }
        }
        self.answers += self.session.out.len() - before;
        // What stays holds no more than itself of the 64 KiB it came in.
        if self.plain.is_empty() {
            self.plain = BytesMut::new();
        }
        Ok(())
    }

    /// Hands what the session has to say to the transport.
    fn write(&mut self) -> Result<(), ClientError> {
        if self.session.out.is_empty() {
            return Ok(());
        }
        let written = self.transport.write(&mut self.session.out);
        self.session.handle_sent(Instant::now());
        self.settle(written)
    }

    fn flush(&mut self) -> Result<(), ClientError> {
        let flushed = self.transport.try_flush();
        self.settle(flushed)
    }

    /// After a write: tells the session what is with the network, or finds out what went wrong.
    fn settle(&mut self, written: Result<(), TransportError>) -> Result<(), ClientError> {
        match written {
            Ok(()) => {
                if self.transport.pending_write() == 0 {
                    self.answers = 0;
                    self.session.written();
                }
                Ok(())
            }
            // A broker that says DISCONNECT and closes makes our next write fail; what it said
            // still lies in the receive buffer.
            Err(error) => Err(match self.last_words() {
                Some(why) => why,
                None => self.failed(error),
            }),
        }
    }

    fn last_words(&mut self) -> Option<ClientError> {
        while let Ok(Read::Bytes(_)) = self.transport.try_read(&mut self.plain) {
            if let Err(why) = self.decode() {
                return Some(why);
            }
        }
        None
    }

    /// Says goodbye as far as the end allows it, and waits a moment for the other side.
    async fn take_leave(&mut self, why: Option<&ClientError>) {
        if why.is_none() {
            // What was handed in before the close leaves before the goodbye.
            self.doors.take_waiting(self.session);
        }
        self.session.say_goodbye(why);
        // Nobody is left to be told if this fails.
        let _ = timeout(LEAVE_TAKING, self.part()).await;
    }

    async fn part(&mut self) -> Result<(), TransportError> {
        let has_goodbye = !self.session.out.is_empty();
        self.transport.write(&mut self.session.out)?;
        while self.transport.pending_write() > 0 {
            self.transport.writable().await?;
            self.transport.try_flush()?;
        }
        self.session.written();
        if has_goodbye {
            self.transport.hang_up().await
        } else {
            self.transport.close();
            Ok(())
        }
    }

    fn failed(&self, error: TransportError) -> ClientError {
        ClientError::from_transport(error, self.host)
    }
}

fn network(error: std::io::Error) -> ClientError {
    ClientError::Network(error.into())
}

/// For the goodbye to leave and the broker to hang up.
const LEAVE_TAKING: Duration = Duration::from_secs(1);

/// A broker that keeps the rules has at most 65,535 exchanges open in each direction, and no
/// answer of ours has more than five bytes.
const ANSWERS_MAX: usize = 1024 * 1024;
