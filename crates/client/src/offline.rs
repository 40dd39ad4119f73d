//! What a client answers while it has no connection.

use tokio::sync::{mpsc, watch};

use crate::incoming::ReceiptId;
use crate::session::{Command, Session};

/// The ends at which others knock.
pub(crate) struct Doors {
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) receipts: mpsc::UnboundedReceiver<ReceiptId>,
    pub(crate) closing: watch::Receiver<bool>,
}

impl Doors {
    /// Waits until somebody asks for the end, or nobody is left who could.
    pub(crate) async fn asked_to_close(closing: &mut watch::Receiver<bool>) {
        // An error means that the last handle is gone.
        let _ = closing.wait_for(|asked| *asked).await;
    }

    /// Does `work` while every publication is told at once that it is not sent, and requests
    /// are kept. `None`: the client is to close.
    pub(crate) async fn serve_during<T>(
        &mut self,
        session: &mut Session,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                () = Doors::asked_to_close(&mut self.closing) => return None,
                command = self.commands.recv() => session.handle_command(command?),
                Some(receipt) = self.receipts.recv() => session.handle_receipt(receipt),
                done = &mut work => return Some(done),
            }
        }
    }

    /// What is waiting already, as far as the session has room for it.
    pub(crate) fn take_waiting(&mut self, session: &mut Session) {
        while let Ok(receipt) = self.receipts.try_recv() {
            session.handle_receipt(receipt);
        }
        while session.has_room() {
            let Ok(command) = self.commands.try_recv() else {
                return;
            };
            session.handle_command(command);
        }
    }
}
