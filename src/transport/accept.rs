//! Takes connections in, counts them, and stops in order.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};

use super::dispatch::{Phase, Session, Shared};
use super::envelope::Refusal;
use super::socket::Listener;
use super::{Drained, Event, Limits, Server, connection};
use crate::caller::Caller;
use crate::rpc::error_codes::{Kind, RpcError};

/// Connections over the limit that are told so at once. Beyond that they are closed, or anybody could hold any number open.
const MAX_REFUSALS: usize = 64;
/// What a connection over the limit gets to send its first request and to take the answer.
const REFUSAL_TIME: Duration = Duration::from_secs(2);
const RETRY_CONNECTION_AFTER_MS: u64 = 1000;
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// For the last answers to be taken, when the time to drain is up.
const FAREWELL_TIME: Duration = Duration::from_secs(1);

impl Server {
    /// Serves until `shutdown` completes, then takes in no more connections, answers every further request SHUTTING_DOWN, and
    /// waits for what runs, for at most the limits' `drain_time`. What then still runs has its callers told that the outcome is
    /// unknown.
    ///
    /// Fails only if the runtime can't take over the socket, or give it back.
    pub async fn serve(self, listener: Listener, shutdown: impl Future<Output = ()>) -> io::Result<Drained> {
        let (socket, bound_path) = listener.into_parts();
        let listener = UnixListener::from_std(socket)?;
        let (phase, phase_seen) = watch::channel(Phase::Serving);
        let limits = self.limits;
        let max_in_flight = limits.max_in_flight.min(Semaphore::MAX_PERMITS);
        let reserved = limits.reserved_in_flight.min(max_in_flight);
        let drain_time = limits.drain_time;
        let shared = Arc::new(Shared {
            methods: self.methods,
            mode: self.mode,
            hooks: self.hooks,
            slots: Arc::new(Semaphore::new(max_in_flight.saturating_sub(reserved))),
            slots_by_uid: Mutex::default(),
            reserved_slots: Arc::new(Semaphore::new(reserved)),
            phase: phase_seen,
            limits,
        });
        let places = Arc::new(Places::default());
        // Held by each connection and each call that runs; when all are gone, so is the channel.
        let (alive, mut all_gone) = mpsc::channel(1);
        let welcome = |stream| {
            tokio::spawn(welcome(stream, Arc::clone(&shared), Arc::clone(&places), alive.clone()));
        };

        let mut shutdown = pin!(shutdown);
        let mut pause = FIRST_PAUSE;
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut shutdown => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    welcome(stream);
                    pause = FIRST_PAUSE;
                }
                Err(error) if concerns_one_connection(&error) => {
                    tracing::debug!(%error, "a connection was gone before it was accepted");
                }
                Err(error) => {
                    // Out of descriptors or memory: the connection waits in the backlog until some are free.
                    tracing::warn!(%error, pause_ms = pause.as_millis(), "no connection can be accepted; trying again");
                    tokio::select! {
                        () = &mut shutdown => break,
                        () = sleep(pause) => (),
                    }
                    pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                }
            }
        }

        phase.send_replace(Phase::Draining);
        if bound_path.is_some() {
            // First nobody finds the socket any more; then those who have connected are told. A socket of the service manager's
            // stays open, and who waits on it is for the next daemon.
            drop(bound_path);
            let listener = listener.into_std()?;
            while let Ok((stream, _)) = listener.accept() {
                stream.set_nonblocking(true)?;
                welcome(UnixStream::from_std(stream)?);
            }
        }
        drop(alive);
        if timeout(drain_time, all_gone.recv()).await.is_ok() {
            return Ok(Drained::Finished);
        }
        let abandoned = shared.calls_running();
        tracing::warn!(calls = abandoned, "the time to drain is up");
        phase.send_replace(Phase::Expired);
        // Ends early only if the calls do: they hold on, too.
        let _ = timeout(FAREWELL_TIME, all_gone.recv()).await;
        Ok(Drained::Abandoned(abandoned))
    }
}

fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

async fn welcome(stream: UnixStream, shared: Arc<Shared>, places: Arc<Places>, alive: mpsc::Sender<()>) {
    let caller = match Caller::from_socket(&stream) {
        Ok(caller) => caller,
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "a connection is closed: who calls is not known");
            return;
        }
    };
    let observe = Arc::clone(&shared.hooks.observe);
    if let Some(_place) = places.take(&caller, &shared) {
        observe(&caller, Event::Connected);
        connection::serve(Session::new(shared, caller.clone(), None, alive), stream).await;
        observe(&caller, Event::Disconnected);
        return;
    }
    let error =
        RpcError::new(Kind::Overloaded, "too many connections are open, by this user or in all; close some or try again later")
            .with("retryAfterMs", RETRY_CONNECTION_AFTER_MS);
    if let Some(_place) = places.take_for_refusal() {
        // A client that sends nothing in this time has no request to be answered.
        let _ = timeout(REFUSAL_TIME, connection::serve(Session::new(shared, caller, Some(error), alive), stream)).await;
    } else {
        observe(&caller, Event::Refused(&error));
        // As good as can be done at once, without knowing what it speaks.
        let _ = stream.try_write(&Refusal { id: None, error }.into_json());
    }
}

/// How many connections are open.
#[derive(Default)]
struct Places(Mutex<Taken>);

#[derive(Default)]
struct Taken {
    open: usize,
    by_uid: HashMap<u32, usize>,
    reserved: usize,
    refused: usize,
}

/// Counts as long as it lives.
struct Place {
    places: Arc<Places>,
    kind: PlaceKind,
}

enum PlaceKind {
    Open { uid: u32 },
    Reserved,
    Refused,
}

impl Places {
    /// A place in the open, or a reserved one for a caller who may use it.
    fn take(self: &Arc<Self>, caller: &Caller, shared: &Shared) -> Option<Place> {
        self.take_open(caller.uid(), &shared.limits).or_else(|| {
            // Asked without the lock: it may take a while.
            let may = (shared.hooks.reserved)(caller);
            may.then(|| self.take_reserved(&shared.limits)).flatten()
        })
    }

    fn take_open(self: &Arc<Self>, uid: u32, limits: &Limits) -> Option<Place> {
        let mut taken = self.taken();
        let max = limits.max_connections.saturating_sub(limits.reserved_connections);
        let of_uid = taken.by_uid.get(&uid).copied().unwrap_or(0);
        if taken.open >= max || of_uid >= limits.max_connections_per_uid {
            return None;
        }
        taken.open = taken.open.saturating_add(1);
        taken.by_uid.insert(uid, of_uid.saturating_add(1));
        Some(self.place(PlaceKind::Open { uid }))
    }

    fn take_reserved(self: &Arc<Self>, limits: &Limits) -> Option<Place> {
        let mut taken = self.taken();
        let may = taken.reserved < limits.reserved_connections.min(limits.max_connections);
        may.then(|| {
            taken.reserved = taken.reserved.saturating_add(1);
            self.place(PlaceKind::Reserved)
        })
    }

    fn take_for_refusal(self: &Arc<Self>) -> Option<Place> {
        let mut taken = self.taken();
        (taken.refused < MAX_REFUSALS).then(|| {
            taken.refused = taken.refused.saturating_add(1);
            self.place(PlaceKind::Refused)
        })
    }

    fn place(self: &Arc<Self>, kind: PlaceKind) -> Place {
        Place { places: Arc::clone(self), kind }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        match self.kind {
            PlaceKind::Open { uid } => {
                taken.open = taken.open.saturating_sub(1);
                if let Entry::Occupied(mut of_uid) = taken.by_uid.entry(uid) {
                    *of_uid.get_mut() = of_uid.get().saturating_sub(1);
                    if *of_uid.get() == 0 {
                        of_uid.remove();
                    }
                }
            }
            PlaceKind::Reserved => taken.reserved = taken.reserved.saturating_sub(1),
            PlaceKind::Refused => taken.refused = taken.refused.saturating_sub(1),
        }
    }
}
