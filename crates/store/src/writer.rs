//! Writer: one thread per database; what waits together is committed together.
//!
//! Work is a closure on the open transaction. The thread takes everything that waits,
//! runs it in one transaction, commits once, and only then tells each caller. It never
//! waits to fill a batch: batches form because work arrives while the disk is busy.
//!
//! If any piece fails the whole batch is undone and every caller is told, because an
//! error such as a full disk has already undone SQLite's side of it.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rusqlite::{Connection, Transaction};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::retention::Sweeper;
use crate::{StoreError, sqlite};

/// A piece of work, and the place it occupies among those that wait.
struct Work {
    run: Box<Run>,
    _place: OwnedSemaphorePermit,
}

/// Runs on the open transaction, and says whom to tell after the commit.
type Run = dyn FnOnce(&Transaction<'_>) -> (Result<(), StoreError>, Tell) + Send;
/// Called once, with the fate of the batch.
type Tell = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// Handle on the thread that writes.
#[derive(Debug)]
pub(crate) struct Writer {
    /// `None` once closed.
    work: Mutex<Option<Sender<Work>>>,
    /// Bounds the work that waits. The channel itself is not bounded, because only the
    /// standard one lets the thread wake up for retention while nothing comes.
    places: Arc<Semaphore>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread on an open connection.
    pub(crate) fn start(
        connection: Connection,
        path: PathBuf,
        sweeper: Sweeper,
    ) -> Result<Writer, StoreError> {
        let (sender, receiver) = channel();
        let file = path.clone();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(connection, &receiver, sweeper, &file))
            .map_err(|e| StoreError::Open {
                path,
                detail: e.to_string(),
            })?;
        Ok(Writer {
            work: Mutex::new(Some(sender)),
            places: Arc::new(Semaphore::new(WAITING_MAX)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Runs `work` in the next transaction; returns when it is on disk.
    ///
    /// # Errors
    /// `Statement` if it, or anything committed together with it, failed.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let (answer, answered) = oneshot::channel();
        let work = Work {
            run: Box::new(move |transaction| {
                let (done, value) = match work(transaction) {
                    Ok(value) => (Ok(()), Some(value)),
                    Err(error) => (Err(error), None),
                };
                let tell: Tell = Box::new(move |fate| {
                    let fate = fate.and_then(|()| value.ok_or(StoreError::Closed));
                    // A caller that has gone does not need the answer.
                    let _ = answer.send(fate);
                });
                (done, tell)
            }),
            _place: place.map_err(|_| StoreError::Closed)?,
        };
        lock(&self.work)
            .as_ref()
            .and_then(|thread| thread.send(work).ok())
            .ok_or(StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Undone)?
    }

    /// Takes no more work, finishes what waits, and ends the thread. Blocks meanwhile.
    pub(crate) fn close(&self) {
        drop(lock(&self.work).take());
        if let Some(thread) = lock(&self.thread).take()
            && thread.join().is_err()
        {
            tracing::error!("the database writer ended by a panic");
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

fn run(mut connection: Connection, waiting: &Receiver<Work>, mut sweeper: Sweeper, path: &Path) {
    let mut batch = Vec::new();
    loop {
        match waiting.recv_timeout(sweeper.due_in()) {
            Ok(work) => {
                batch.push(work);
                batch.extend(waiting.try_iter().take(BATCH_MAX - 1));
                commit(&mut connection, &mut batch);
            }
            // Nobody waits: the time for retention, one step, then look again.
            Err(RecvTimeoutError::Timeout) => sweep(&mut connection, &mut sweeper, path),
            Err(RecvTimeoutError::Disconnected) => break,
        }
        // Under steady load nobody ever waits in vain, and retention is still due.
        if sweeper.due_in().is_zero() {
            sweep(&mut connection, &mut sweeper, path);
        }
    }
    // Leaves one tidy file behind instead of three.
    if let Err((_, error)) = connection.close() {
        tracing::warn!(database = %path.display(), %error, "the database could not be closed cleanly");
    }
}

fn sweep(connection: &mut Connection, sweeper: &mut Sweeper, path: &Path) {
    if let Err(error) = sweeper.step(connection) {
        tracing::warn!(database = %path.display(), %error, "old messages could not be removed");
    }
}

fn commit(connection: &mut Connection, batch: &mut Vec<Work>) {
    let mut told = Vec::with_capacity(batch.len());
    let fate = transact(connection, batch, &mut told);
    if let Err(error) = &fate {
        tracing::error!(%error, code = error.code(), "a batch could not be written");
    }
    batch.clear();
    for tell in told {
        tell(fate.clone());
    }
}

fn transact(
    connection: &mut Connection,
    batch: &mut Vec<Work>,
    told: &mut Vec<Tell>,
) -> Result<(), StoreError> {
    let transaction = connection.transaction()?;
    for work in batch.drain(..) {
        let (done, tell) = (work.run)(&transaction);
        told.push(tell);
        // Dropping the transaction rolls back. Work that did not run is dropped by the
        // drain, and its callers learn it from their broken channel.
        done?;
    }
    Ok(transaction.commit()?)
}

/// A poisoned lock only means that a thread panicked while holding an `Option`.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Pieces of work in one transaction. A piece may itself be a batch of messages.
const BATCH_MAX: usize = 256;
/// Pieces of work that may wait; whoever brings more waits in turn.
const WAITING_MAX: usize = 256;

/// Opens a read connection and runs `read` on it, off the async threads.
///
/// A connection costs about 60 us to open; keeping a few would save that and cost a pool.
pub(crate) async fn read<T: Send + 'static>(
    path: PathBuf,
    read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, StoreError> {
    let reading = tokio::task::spawn_blocking(move || {
        let connection = sqlite::open_reader(&path)?;
        Ok(read(&connection)?)
    });
    reading.await.map_err(|_| StoreError::Closed)?
}
