//! Inbox: what has arrived and waits for its reader, bounded in messages and in bytes.

use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::{Incoming, Messages};

/// The client's end; the reader's is [`Messages`].
pub(crate) struct Inbox {
    queue: mpsc::Sender<Waiting>,
    /// Free bytes.
    space: Arc<Semaphore>,
    bytes_max: u32,
}

/// A message that waits, with the space it occupies until the reader takes it.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) message: Incoming,
    _space: OwnedSemaphorePermit,
}

/// A message there was no room for, and the bytes of its packet.
pub(crate) struct Stalled {
    message: Incoming,
    size: usize,
}

impl Inbox {
    pub(crate) fn new(messages_max: NonZeroU16, bytes_max: NonZeroU32) -> (Inbox, Messages) {
        let (sender, queue) = mpsc::channel(messages_max.get().into());
        // A semaphore of a 32-bit machine counts no further than half a GiB.
        let countable = u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX);
        let bytes_max = bytes_max.get().min(countable);
        let inbox = Inbox {
            queue: sender,
            space: Arc::new(Semaphore::new(bytes_max as usize)),
            bytes_max,
        };
        (inbox, Messages { queue })
    }

    /// Hands `message`, which came in a packet of `size` bytes, to the reader; or gives it back
    /// if there is no room.
    pub(crate) fn offer(&self, message: Incoming, size: usize) -> Option<Stalled> {
        let space = Arc::clone(&self.space).try_acquire_many_owned(self.share(size));
        match (space, self.queue.try_reserve()) {
            (Ok(space), Ok(place)) => {
                place.send(Waiting {
                    message,
                    _space: space,
                });
                None
            }
            // Nobody reads any more. Not acknowledged: it stays with the broker.
            (_, Err(mpsc::error::TrySendError::Closed(()))) => None,
            _ => Some(Stalled { message, size }),
        }
    }

    /// Waits for room and hands over what is stalled. Cancel safe.
    pub(crate) async fn hand_over(&self, stalled: &mut Option<Stalled>) {
        let size = stalled.as_ref().map_or(0, |stalled| stalled.size);
        let space = Arc::clone(&self.space).acquire_many_owned(self.share(size));
        let (space, place) = (space.await, self.queue.reserve().await);
        // Without a reader it is dropped, and stays with the broker.
        if let (Some(Stalled { message, .. }), Ok(space), Ok(place)) =
            (stalled.take(), space, place)
        {
            place.send(Waiting {
                message,
                _space: space,
            });
        }
    }

    /// What a packet takes of the space: a larger one waits for all of it.
    fn share(&self, size: usize) -> u32 {
        u32::try_from(size).map_or(self.bytes_max, |size| size.min(self.bytes_max))
    }
}
