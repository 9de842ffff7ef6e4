//! The one thread that writes, with group commit.
//!
//! Whatever is queued when a transaction opens goes into it, each piece of work under a savepoint of its own, and one fsync
//! makes them all durable. The result of a piece of work is known at once; that it is durable is known when the commit
//! returns, and [`Pending`] keeps the two apart: a permit may be acted on before it is durable, a signature may not leave.
//!
//! It must never answer "durable" for what a commit did not confirm, and never stop the daemon over one failing disk.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::StoreError;
use crate::audit::hash_chain::Head;

/// Work that one transaction takes at most, so that a long queue cannot hold the first caller's answer for ever.
const MAX_BATCH: usize = 512;
/// Past this many bytes the write-ahead log is folded back into the database between two transactions.
const WAL_LIMIT_BYTES: u64 = 16 << 20;

type Work = Box<dyn FnOnce(&mut WriteTransaction<'_>) -> Box<dyn FnOnce(bool) + Send> + Send>;

/// Whether the last transaction could be written, for readiness.
pub type WriteHealth = Arc<Mutex<Result<(), String>>>;

/// Queues work for the writing thread. The thread ends when the last handle is dropped.
pub struct Writer {
    queue: Option<mpsc::Sender<Work>>,
    thread: Option<JoinHandle<()>>,
    health: WriteHealth,
    committed: Arc<Mutex<Head>>,
}

/// What a piece of work sees: the open transaction and the head of the audit chain within it.
pub struct WriteTransaction<'a> {
    pub connection: &'a Connection,
    pub head: &'a mut Head,
}

/// The answer to a piece of work: its result now, its durability later.
#[must_use]
pub struct Pending<T> {
    result: oneshot::Receiver<Result<T, StoreError>>,
    durable: Durable,
}

/// Resolves when the transaction is on disk.
#[must_use]
pub struct Durable(oneshot::Receiver<bool>);

impl Durable {
    /// Returns once the work is durable.
    ///
    /// # Errors
    /// [`StoreError::NotDurable`] if the commit failed: nothing of the work is to be acted on.
    pub async fn wait(self) -> Result<(), StoreError> {
        match self.0.await {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(StoreError::NotDurable),
        }
    }
}

impl<T> Pending<T> {
    /// The result as soon as the work ran, and the handle that tells when it is durable.
    pub async fn early(self) -> (Result<T, StoreError>, Durable) {
        let result = self.result.await.unwrap_or(Err(StoreError::Closed));
        (result, self.durable)
    }

    /// The result once it is durable.
    pub async fn durable(self) -> Result<T, StoreError> {
        let (result, durable) = self.early().await;
        let value = result?;
        durable.wait().await?;
        Ok(value)
    }
}

impl Writer {
    /// Starts the thread. `head` is the audit chain's head as the database has it.
    pub fn start(connection: Connection, head: Head) -> std::io::Result<Self> {
        let (queue, work) = mpsc::channel();
        let health: WriteHealth = Arc::new(Mutex::new(Ok(())));
        let committed = Arc::new(Mutex::new(head.clone()));
        let writing = WritingThread { connection, head, health: Arc::clone(&health), committed: Arc::clone(&committed) };
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || writing.run(&work))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), health, committed })
    }

    /// Queues `work`. If it returns an error, all it wrote is undone and the rest of its transaction goes on.
    pub fn submit<T, F>(&self, work: F) -> Pending<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut WriteTransaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (result_tx, result) = oneshot::channel();
        let (durable_tx, durable) = oneshot::channel();
        let boxed: Work = Box::new(move |transaction| {
            let outcome = in_savepoint(transaction, work);
            let ran = outcome.is_ok();
            // A caller that no longer listens has nobody to tell; the work stands all the same.
            let _ = result_tx.send(outcome);
            Box::new(move |committed| {
                let _ = durable_tx.send(ran && committed);
            })
        });
        if let Some(queue) = &self.queue {
            // A closed queue drops the work and with it the senders: the caller gets `Closed`.
            let _ = queue.send(boxed);
        }
        Pending { result, durable: Durable(durable) }
    }

    /// The audit chain's head as this process last made it durable: what the file must still say.
    pub fn committed_head(&self) -> Head {
        self.committed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Why the last transaction could not be written, if it could not.
    pub fn health(&self) -> Result<(), String> {
        self.health.lock().map_or_else(|_| Err("the writer's health is unknown".to_owned()), |health| health.clone())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // The queue is closed, so the thread finishes what is queued and ends; its own errors are in the log already.
            let _ = thread.join();
        }
    }
}

/// Runs `work` so that an error undoes exactly its own writes, the chain's head included.
fn in_savepoint<T>(
    transaction: &mut WriteTransaction<'_>,
    work: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let head_before = transaction.head.clone();
    transaction.connection.prepare_cached("SAVEPOINT work")?.execute([])?;
    let result = work(transaction);
    if result.is_err() {
        *transaction.head = head_before;
        transaction.connection.prepare_cached("ROLLBACK TO work")?.execute([])?;
    }
    transaction.connection.prepare_cached("RELEASE work")?.execute([])?;
    result
}

struct WritingThread {
    connection: Connection,
    head: Head,
    committed: Arc<Mutex<Head>>,
    health: WriteHealth,
}

impl WritingThread {
    fn run(mut self, queue: &mpsc::Receiver<Work>) {
        while let Ok(first) = queue.recv() {
            self.write_batch(first, queue);
            self.fold_log();
        }
    }

    fn write_batch(&mut self, first: Work, queue: &mpsc::Receiver<Work>) {
        let head_before = self.head.clone();
        let mut confirmations = Vec::new();
        let written = self.transaction(first, queue, &mut confirmations);
        if let Err(error) = &written {
            self.head = head_before;
            tracing::error!(%error, "the store could not be written; nothing of this transaction is released");
        }
        if let Ok(mut health) = self.health.lock() {
            *health = written.as_ref().copied().map_err(ToString::to_string);
        }
        if written.is_ok() {
            if let Ok(mut committed) = self.committed.lock() {
                committed.clone_from(&self.head);
            }
        } else if confirmations.is_empty() {
            // No transaction could even be opened, and each try may wait long for a lock: what is queued fails now, not in turn.
            while queue.try_recv().is_ok() {}
        }
        for confirm in confirmations {
            confirm(written.is_ok());
        }
    }

    fn transaction(
        &mut self,
        first: Work,
        queue: &mpsc::Receiver<Work>,
        confirmations: &mut Vec<Box<dyn FnOnce(bool) + Send>>,
    ) -> Result<(), StoreError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut next = Some(first);
        while let Some(work) = next {
            let mut view = WriteTransaction { connection: &transaction, head: &mut self.head };
            confirmations.push(work(&mut view));
            next = if confirmations.len() < MAX_BATCH { queue.try_recv().ok() } else { None };
        }
        transaction.commit()?;
        Ok(())
    }

    /// Folds the write-ahead log back once it is large. A busy reader makes this do less, never fail a write.
    fn fold_log(&self) {
        let Some(path) = self.connection.path() else { return };
        let large = std::fs::metadata(format!("{path}-wal")).is_ok_and(|log| log.len() > WAL_LIMIT_BYTES);
        if large && let Err(error) = self.connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(())) {
            tracing::warn!(%error, "the write-ahead log could not be folded back");
        }
    }
}
