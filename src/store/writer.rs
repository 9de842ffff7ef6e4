//! The one thread that writes, with group commit.
//!
//! Whatever is queued when a transaction opens goes into it, each piece of work under a savepoint of its own, and one fsync
//! makes them all durable. The result of a piece of work is known at once; that it is durable is known when the commit
//! returns, and [`Pending`] keeps the two apart: a permit may be acted on before it is durable, a signature may not leave.
//!
//! It must never answer "durable" for what a commit did not confirm, never call the store well because an empty transaction
//! could be committed, never write to a file that is not to be trusted, and never stop the daemon over one failing disk.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{Notify, oneshot};

use super::StoreError;
use super::cache::WalletCache;
use super::log_folder::LogFolder;
use super::trust::Trust;
use crate::audit::hash_chain::Head;
use crate::crash_points::{self, CrashPoint};
use crate::ids::WalletId;

/// Work that one transaction takes at most, so that a long queue cannot hold the first caller's answer for ever.
const MAX_BATCH: usize = 512;

type Work = Box<dyn FnOnce(&mut WriteTransaction<'_>) -> Confirm + Send>;
/// Tells the one who waits whether the work is durable.
type Confirm = Box<dyn FnOnce(bool) + Send>;

/// What others may know of the thread.
struct State {
    /// Whether the last transaction with anything in it could be written.
    health: Result<(), String>,
    /// The audit chain's head on disk.
    head: Head,
}

/// Queues work for the writing thread. The thread ends when the last handle is dropped.
pub struct Writer {
    queue: Option<mpsc::Sender<Work>>,
    thread: Option<JoinHandle<()>>,
    state: Arc<Mutex<State>>,
    wallet_changed: Arc<Notify>,
    trust: Trust,
}

/// What a piece of work sees: the open transaction and the head of the audit chain within it.
pub struct WriteTransaction<'a> {
    pub connection: &'a Connection,
    pub head: &'a mut Head,
    /// Wallets whose rows this transaction changes: their copies are let go when it is committed.
    pub changed_wallets: &'a mut Vec<WalletId>,
    state: &'a Mutex<State>,
    trust: &'a Trust,
    /// Some work has changed the database.
    wrote: &'a mut bool,
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
    pub fn start(
        connection: Connection,
        head: Head,
        cache: Arc<WalletCache>,
        log: LogFolder,
        trust: Trust,
    ) -> std::io::Result<Self> {
        let (queue, work) = mpsc::channel();
        let state = Arc::new(Mutex::new(State { health: Ok(()), head: head.clone() }));
        let wallet_changed = Arc::new(Notify::new());
        let (for_writing, nudge) = (Arc::clone(&state), Arc::clone(&wallet_changed));
        let writing =
            WritingThread { connection, head, state: for_writing, cache, log, wallet_changed: nudge, trust: trust.clone() };
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || writing.run(&work))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), state, wallet_changed, trust })
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

    /// Why the last transaction could not be written, if it could not, or why none is any more.
    pub fn health(&self) -> Result<(), String> {
        self.trust.check().map_err(|error| error.to_string())?;
        lock(&self.state).health.clone()
    }

    /// Resolves when a transaction that changed a wallet has been committed since the last time it did.
    pub async fn wallet_changed(&self) {
        self.wallet_changed.notified().await;
    }

    /// The audit chain's head on disk: what a reader that starts now must find at least.
    pub fn head(&self) -> Head {
        lock(&self.state).head.clone()
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

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `work` so that an error undoes exactly its own writes, the chain's head included.
fn in_savepoint<T>(
    transaction: &mut WriteTransaction<'_>,
    work: impl FnOnce(&mut WriteTransaction<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let (head_before, changes_before) = (transaction.head.clone(), transaction.connection.total_changes());
    transaction.connection.prepare_cached("SAVEPOINT work")?.execute([])?;
    let result = work(transaction);
    match &result {
        Ok(_) => *transaction.wrote |= transaction.connection.total_changes() != changes_before,
        Err(error) => {
            *transaction.head = head_before;
            // Known before the caller hears of it.
            if let StoreError::Sqlite(error) = error {
                transaction.trust.note(error);
                lock(transaction.state).health = Err(error.to_string());
            }
            transaction.connection.prepare_cached("ROLLBACK TO work")?.execute([])?;
        }
    }
    transaction.connection.prepare_cached("RELEASE work")?.execute([])?;
    result
}

/// Whether a committed transaction had anything in it.
struct Wrote(bool);

struct WritingThread {
    connection: Connection,
    head: Head,
    state: Arc<Mutex<State>>,
    cache: Arc<WalletCache>,
    log: LogFolder,
    wallet_changed: Arc<Notify>,
    trust: Trust,
}

impl WritingThread {
    fn run(mut self, queue: &mpsc::Receiver<Work>) {
        /// Without work for so long, the log is folded back at leisure.
        const IDLE: Duration = Duration::from_millis(500);
        loop {
            match queue.recv_timeout(IDLE) {
                Ok(first) => {
                    let done = self.write_batch(first, queue);
                    self.log.after_work(&self.connection, done);
                }
                Err(RecvTimeoutError::Timeout) => self.log.when_idle(&self.connection),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        // The last connection to close folds the log back and deletes it, which would be all that is left to trust.
        if self.trust.check().is_err()
            && let Err(error) = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        {
            tracing::error!(%error, "the log will be folded back");
        }
    }

    /// One transaction. Returns how many pieces of work were in it.
    fn write_batch(&mut self, first: Work, queue: &mpsc::Receiver<Work>) -> usize {
        let head_before = self.head.clone();
        let (mut next, mut confirmations, mut changed_wallets) = (Some(first), Vec::new(), Vec::new());
        let written = self.transaction(&mut next, queue, &mut confirmations, &mut changed_wallets);
        self.cache.forget(&changed_wallets);
        let mut state = lock(&self.state);
        match &written {
            Ok(Wrote(true)) => *state = State { health: Ok(()), head: self.head.clone() },
            // Nothing was written, so nothing was learnt.
            Ok(Wrote(false)) => {}
            Err(error) => {
                self.head = head_before;
                if let StoreError::Sqlite(error) = error {
                    self.trust.note(error);
                }
                state.health = Err(error.to_string());
                tracing::error!(%error, "the store could not be written; nothing of this transaction is released");
            }
        }
        drop(state);
        if written.is_err() && confirmations.is_empty() {
            // No transaction could even be opened, and each try may wait long for a lock: what is queued fails now, not in turn.
            while queue.try_recv().is_ok() {}
        }
        let done = confirmations.len();
        for confirm in confirmations {
            confirm(written.is_ok());
        }
        if written.is_ok() && !changed_wallets.is_empty() {
            self.wallet_changed.notify_one();
        }
        done
    }

    /// Does the work in `next` and what is queued. Work for which there was no transaction stays in `next`: dropped there, its
    /// caller hears that the store is closed to it.
    fn transaction(
        &mut self,
        next: &mut Option<Work>,
        queue: &mpsc::Receiver<Work>,
        confirmations: &mut Vec<Confirm>,
        changed_wallets: &mut Vec<WalletId>,
    ) -> Result<Wrote, StoreError> {
        self.trust.check()?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut wrote = false;
        while let Some(work) = next.take() {
            let mut view = WriteTransaction {
                connection: &transaction,
                head: &mut self.head,
                changed_wallets,
                state: &self.state,
                trust: &self.trust,
                wrote: &mut wrote,
            };
            confirmations.push(work(&mut view));
            // SQLite ends a transaction by itself over a full or failing disk; what came after would be committed alone.
            if transaction.is_autocommit() {
                return Err(StoreError::NotDurable);
            }
            *next = if confirmations.len() < MAX_BATCH { queue.try_recv().ok() } else { None };
        }
        crash_points::reach(CrashPoint::BeforeCommit);
        // A reader may have found damage meanwhile.
        self.trust.check()?;
        transaction.commit()?;
        crash_points::reach(CrashPoint::AfterCommit);
        Ok(Wrote(wrote))
    }
}
