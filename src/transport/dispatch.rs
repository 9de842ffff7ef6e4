//! From a message to its answer, for IPC and HTTP alike: the method is looked up, a slot is taken, and the method runs in place
//! or in a task of its own.
//!
//! Every request with an id gets exactly one answer, whatever becomes of it. A call that runs in a task runs to its end: no
//! client that hangs up, no stop of the server and no full queue cancels it.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use bytes::{BufMut, BytesMut};
use jsonrpsee::types::{Id, Params};
use jsonrpsee::{ConnectionId, Extensions, MethodCallback, MethodResponse, Methods};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::envelope::{self, Refusal};
use super::framing::IdFinder;
use super::{Event, Frame, Hooks, Limits, Mode};
use crate::caller::Caller;
use crate::rpc::error_codes::{Kind, RpcError};

/// Batches of one connection that may run at once; it is not read further meanwhile.
const MAX_BATCHES: usize = 4;
/// What the answers of one batch may take together.
const MAX_BATCH_ANSWER_BYTES: usize = 16 << 20;
/// Calls of a batch that run in place before others have their turn.
const YIELD_EVERY: usize = 16;
const RETRY_CALL_AFTER_MS: u64 = 100;

/// What all connections share.
pub(super) struct Shared {
    pub(super) methods: Methods,
    pub(super) mode: fn(&str) -> Mode,
    pub(super) limits: Limits,
    pub(super) hooks: Hooks,
    pub(super) slots: Arc<Semaphore>,
    /// Of `slots`, what one uid may take: half, so that nobody stops everybody. Entries go with a uid's last connection.
    pub(super) slots_by_uid: Mutex<HashMap<u32, Weak<Semaphore>>>,
    pub(super) reserved_slots: Arc<Semaphore>,
    pub(super) phase: watch::Receiver<Phase>,
}

impl Shared {
    fn slots_of(&self, uid: u32) -> Arc<Semaphore> {
        let mut by_uid = self.slots_by_uid.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slots) = by_uid.get(&uid).and_then(Weak::upgrade) {
            return slots;
        }
        by_uid.retain(|_, slots| slots.strong_count() > 0);
        let half = self.limits.max_in_flight.div_ceil(2).min(Semaphore::MAX_PERMITS);
        let slots = Arc::new(Semaphore::new(half));
        by_uid.insert(uid, Arc::downgrade(&slots));
        slots
    }

    pub(super) fn calls_running(&self) -> usize {
        let free = self.slots.available_permits().saturating_add(self.reserved_slots.available_permits());
        self.limits.max_in_flight.saturating_sub(free)
    }
}

/// Where the server is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Serving,
    /// What runs may end, nothing begins.
    Draining,
    /// The time for that is up.
    Expired,
}

/// Waits until the server is in this phase or a later one.
pub(super) async fn reached(mut phase: watch::Receiver<Phase>, at_least: Phase) {
    if phase.wait_for(|phase| *phase >= at_least).await.is_err() {
        // The server is gone without having said so: nobody waits for it to stop.
        std::future::pending::<()>().await;
    }
}

/// A response, or several in an array, as JSON. Empty: there is nothing to answer.
pub(super) type Answer = Vec<u8>;

/// Where answers that come later are sent, with the place in a batch they belong to. Not bounded by itself: no more can come
/// than slots and batches were given out.
pub(super) type Later = UnboundedSender<(usize, Answer)>;
pub(super) type Finished = UnboundedReceiver<(usize, Answer)>;

/// Appends an answer as one line.
pub(super) fn put_line(out: &mut BytesMut, answer: &[u8]) {
    if !answer.is_empty() {
        out.reserve(answer.len().saturating_add(1));
        out.put_slice(answer);
        out.put_u8(b'\n');
    }
}

/// One connection's requests. As long as a call of it runs, it lives, and the server waits for it when it stops.
pub(super) struct Session {
    shared: Arc<Shared>,
    caller: Caller,
    /// Why this connection gets nothing but this answer.
    refusal: Option<RpcError>,
    slots: Arc<Semaphore>,
    slots_of_uid: Arc<Semaphore>,
    batches: Arc<Semaphore>,
    _alive: mpsc::Sender<()>,
}

/// A request that may run.
struct Call {
    callback: MethodCallback,
    mode: Mode,
    id: Id<'static>,
    frame: Frame,
}

enum Admitted {
    Call(Call),
    Refused(Refusal),
    Notification,
}

/// The right to run one call.
struct Slot {
    _of_connection: OwnedSemaphorePermit,
    /// None for a call in the reserve.
    _of_uid: Option<OwnedSemaphorePermit>,
    _of_server: OwnedSemaphorePermit,
}

type MethodFuture = Pin<Box<dyn Future<Output = MethodResponse> + Send>>;

enum Begun {
    Done(MethodResponse),
    Waits(MethodFuture),
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, caller: Caller, refusal: Option<RpcError>, alive: mpsc::Sender<()>) -> Arc<Self> {
        let slots = Arc::new(Semaphore::new(shared.limits.max_in_flight_per_connection.min(Semaphore::MAX_PERMITS)));
        let slots_of_uid = shared.slots_of(caller.uid());
        Arc::new(Self {
            shared,
            caller,
            refusal,
            slots,
            slots_of_uid,
            batches: Arc::new(Semaphore::new(MAX_BATCHES)),
            _alive: alive,
        })
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    pub(super) fn hooks(&self) -> &Hooks {
        &self.shared.hooks
    }

    pub(super) const fn caller(&self) -> &Caller {
        &self.caller
    }

    pub(super) fn phase(&self) -> watch::Receiver<Phase> {
        self.shared.phase.clone()
    }

    /// The connection is over a limit: its first request is told so, and then it is closed.
    pub(super) const fn is_refused(&self) -> bool {
        self.refusal.is_some()
    }

    /// Whether every request of this connection gets the same error now.
    pub(super) fn is_turned_away(&self) -> bool {
        self.turned_away().is_some()
    }

    /// Whether another message may be taken in now. If not, it may when an answer has come.
    pub(super) fn has_room(&self) -> bool {
        self.batches.available_permits() > 0
    }

    /// Takes in one message: a request or a batch. What can be answered at once is appended to `out`. Returns whether one more
    /// answer comes through `later`.
    pub(super) fn receive(self: &Arc<Self>, message: &[u8], out: &mut BytesMut, later: &Later) -> bool {
        match envelope::text(message) {
            Ok(text) if text.trim_ascii_start().starts_with('[') => self.receive_batch(text, out, later),
            Ok(text) => self.receive_one(text, out, later),
            Err(refusal) => self.refuse(refusal, out),
        }
    }

    /// Answers with an error that is made here, or with the one that this connection always gets. Returns false: no answer comes
    /// later.
    pub(super) fn refuse(&self, mut refusal: Refusal, out: &mut BytesMut) -> bool {
        if let Some(error) = self.turned_away() {
            refusal.error = error;
        }
        put_line(out, &self.refused(refusal));
        false
    }

    fn refused(&self, refusal: Refusal) -> Answer {
        (self.shared.hooks.observe)(&self.caller, Event::Refused(&refusal.error));
        refusal.into_json()
    }

    fn receive_one(self: &Arc<Self>, text: &str, out: &mut BytesMut, later: &Later) -> bool {
        let call = match self.admit(text, self.limits().max_json_depth) {
            Admitted::Call(call) => call,
            Admitted::Refused(refusal) => return self.refuse(refusal, out),
            Admitted::Notification => return false,
        };
        let id = call.id.clone();
        let future = match self.begin(call) {
            Begun::Done(response) => {
                put_line(out, response.as_ref().as_bytes());
                return false;
            }
            Begun::Waits(future) => future,
        };
        let Some(slot) = self.try_slot() else {
            return self.refuse(Refusal::of(&id, self.overloaded()), out);
        };
        self.spawn(future, slot, Ticket::new(later, 0, id));
        true
    }

    fn receive_batch(self: &Arc<Self>, text: &str, out: &mut BytesMut, later: &Later) -> bool {
        let limits = self.limits();
        let elements = match envelope::batch(text) {
            Ok(elements) if elements.is_empty() => {
                return self.refuse(Refusal::new(None, Kind::InvalidRequest, "the batch is empty"), out);
            }
            Ok(elements) => elements,
            Err(refusal) => return self.refuse(refusal, out),
        };
        if elements.len() > limits.max_batch_length {
            put_line(out, &self.refuse_long_batch(&elements));
            return false;
        }
        let depth = limits.max_json_depth.saturating_sub(1);
        let requests = elements.into_iter().map(|element| self.admit(element.get(), depth)).collect();
        let mut batch: Pin<Box<dyn Future<Output = Answer> + Send>> =
            Box::pin(Arc::clone(self).run_batch(requests, later.clone()));
        if let Some(answer) = poll_now(&mut batch) {
            put_line(out, &answer);
            return false;
        }
        let running = Arc::clone(&self.batches).try_acquire_owned();
        let ticket = Ticket::new(later, 0, Id::Null);
        tokio::spawn(async move {
            let answer = batch.await;
            drop(running);
            ticket.answer(answer);
        });
        true
    }

    /// Runs the calls of a batch side by side as slots allow, and gives the answers in the order of the requests.
    ///
    /// Calls that have not begun when the client goes away do not begin.
    async fn run_batch(self: Arc<Self>, requests: Vec<Admitted>, client: Later) -> Answer {
        let (later, mut finished) = unbounded_channel();
        let (mut answers, mut ids, mut bytes) = (Vec::with_capacity(requests.len()), Vec::with_capacity(requests.len()), 0);
        for (place, request) in requests.into_iter().enumerate() {
            if place % YIELD_EVERY == YIELD_EVERY - 1 {
                // Others have their turn too.
                tokio::task::yield_now().await;
            }
            let (id, answer) = match request {
                Admitted::Notification => (Id::Null, Answer::new()),
                Admitted::Refused(refusal) => (Id::Null, self.refused(refusal)),
                Admitted::Call(call) => (call.id.clone(), self.run_in_batch(call, place, &later, &client).await),
            };
            answers.push(self.fitting(answer, &id, &mut bytes));
            ids.push(id);
        }
        drop(later);
        while let Some((place, answer)) = finished.recv().await {
            if let (Some(waiting), Some(id)) = (answers.get_mut(place), ids.get(place)) {
                *waiting = self.fitting(answer, id, &mut bytes);
            }
        }
        answers.retain(|answer| !answer.is_empty());
        array_of(&answers)
    }

    /// The answer, or an error if the answers of its batch would become too long. A short one always fits: what a call with an
    /// effect gives is short, and must not be lost.
    fn fitting(&self, answer: Answer, id: &Id<'_>, bytes: &mut usize) -> Answer {
        const SHORT: usize = 64 << 10;
        let with_it = bytes.saturating_add(answer.len());
        if with_it > MAX_BATCH_ANSWER_BYTES && answer.len() > SHORT {
            let text =
                format!("the answers of one batch may have {MAX_BATCH_ANSWER_BYTES} bytes together; ask in smaller batches");
            let error = RpcError::new(Kind::Overloaded, text).with("retryAfterMs", RETRY_CALL_AFTER_MS);
            return self.refused(Refusal::of(id, error));
        }
        *bytes = with_it;
        answer
    }

    /// Gives the answer, or an empty one if it comes through `later`.
    async fn run_in_batch(self: &Arc<Self>, call: Call, place: usize, later: &Later, client: &Later) -> Answer {
        let id = call.id.clone();
        let future = match self.begin(call) {
            Begun::Done(response) => return answer_of(response),
            Begun::Waits(future) => future,
        };
        match self.slot(client).await {
            Some(slot) => self.spawn(future, slot, Ticket::new(later, place, id)),
            None => return self.refused(Refusal::of(&id, shutting_down())),
        }
        Answer::new()
    }

    /// One answer for each request, as far as that is no bigger than a message may be; else one for all.
    fn refuse_long_batch(&self, elements: &[&serde_json::value::RawValue]) -> Answer {
        let max = self.limits().max_batch_length;
        let error = RpcError::new(
            Kind::InvalidRequest,
            format!("the batch has {} requests, but at most {max} are taken", elements.len()),
        );
        (self.shared.hooks.observe)(&self.caller, Event::Refused(&error));
        let mut answers = Vec::new();
        let mut bytes = 0_usize;
        for element in elements.iter().filter(|element| envelope::is_answered(element)) {
            let answer = Refusal { id: IdFinder::find(element.get().as_bytes()), error: error.clone() }.into_json();
            bytes = bytes.saturating_add(answer.len());
            if bytes > self.limits().max_message_bytes {
                return Refusal { id: None, error }.into_json();
            }
            answers.push(answer);
        }
        array_of(&answers)
    }

    /// What a request is, and whether it may run.
    fn admit(&self, text: &str, max_depth: usize) -> Admitted {
        let request = match envelope::request(text, max_depth) {
            Ok(request) => request,
            Err(refusal) => return Admitted::Refused(refusal),
        };
        let Some(id) = request.id else {
            return Admitted::Notification;
        };
        if let Some(error) = self.turned_away() {
            return Admitted::Refused(Refusal::of(&id, error));
        }
        let Some((method, callback)) = self.shared.methods.method_with_name(&request.method) else {
            return Admitted::Refused(Refusal::of(&id, (self.shared.hooks.unknown_method)(&request.method)));
        };
        Admitted::Call(Call {
            callback: callback.clone(),
            mode: (self.shared.mode)(method),
            id: id.into_owned(),
            frame: Frame::new(method, request.params.map(Box::from)),
        })
    }

    fn turned_away(&self) -> Option<RpcError> {
        let is_stopping = || *self.shared.phase.borrow() >= Phase::Draining;
        self.refusal.clone().or_else(|| is_stopping().then(shutting_down))
    }

    /// Calls the method. One that runs inline is looked at once, so that a read which is ready costs no task; a noop waker does,
    /// since whoever polls next brings its own.
    fn begin(&self, call: Call) -> Begun {
        let Call { callback, mode, id, frame } = call;
        let method = frame.method();
        let mut extensions = Extensions::new();
        extensions.insert(self.caller.clone());
        frame.put(&mut extensions);
        // The parameters are in the frame.
        let params = Params::new(None);
        let mut future: MethodFuture = match callback {
            MethodCallback::Sync(callback) => Box::pin(async move { callback(id, params, usize::MAX, extensions) }),
            MethodCallback::Async(callback) => callback(id, params, ConnectionId(0), usize::MAX, extensions),
            MethodCallback::Subscription(_) | MethodCallback::Unsubscription(_) => {
                return Begun::Done(MethodResponse::error(id, (self.shared.hooks.unknown_method)(method).into_object()));
            }
        };
        match mode {
            Mode::Inline => poll_now(&mut future).map_or(Begun::Waits(future), Begun::Done),
            Mode::Task => Begun::Waits(future),
        }
    }

    /// Runs a call to its end. If the server can't wait for it, its caller is told so, and it runs on.
    fn spawn(self: &Arc<Self>, mut call: MethodFuture, slot: Slot, ticket: Ticket) {
        let session = Arc::clone(self);
        tokio::spawn(async move {
            let in_time = tokio::select! {
                biased;
                response = &mut call => Some(response),
                () = reached(session.phase(), Phase::Expired) => None,
            };
            if let Some(response) = in_time {
                drop(slot);
                ticket.answer(answer_of(response));
                return;
            }
            ticket.refuse(RpcError::new(
                Kind::KmsOutcomeUnknown,
                "the daemon stopped before the outcome was known; retry with the same requestId",
            ));
            call.await;
            drop((slot, session));
        });
    }

    fn try_slot(&self) -> Option<Slot> {
        let of_connection = Arc::clone(&self.slots).try_acquire_owned().ok()?;
        let ordinary = || {
            let of_uid = Arc::clone(&self.slots_of_uid).try_acquire_owned().ok()?;
            Some((Some(of_uid), Arc::clone(&self.shared.slots).try_acquire_owned().ok()?))
        };
        let reserved = || {
            let may = (self.shared.hooks.reserved)(&self.caller);
            may.then(|| Arc::clone(&self.shared.reserved_slots).try_acquire_owned().ok())?.map(|slot| (None, slot))
        };
        let (of_uid, of_server) = ordinary().or_else(reserved)?;
        Some(Slot { _of_connection: of_connection, _of_uid: of_uid, _of_server: of_server })
    }

    /// Waits for a slot, but not while the server stops, nor for a client that has gone.
    async fn slot(&self, client: &Later) -> Option<Slot> {
        if *self.shared.phase.borrow() >= Phase::Draining {
            return None;
        }
        if let Some(slot) = self.try_slot() {
            return Some(slot);
        }
        let free = async {
            let of_connection = Arc::clone(&self.slots).acquire_owned().await.ok()?;
            let of_uid = Arc::clone(&self.slots_of_uid).acquire_owned().await.ok()?;
            let of_server = Arc::clone(&self.shared.slots).acquire_owned().await.ok()?;
            Some(Slot { _of_connection: of_connection, _of_uid: Some(of_uid), _of_server: of_server })
        };
        tokio::select! {
            slot = free => slot,
            () = reached(self.phase(), Phase::Draining) => None,
            () = client.closed() => None,
        }
    }

    fn overloaded(&self) -> RpcError {
        let limits = self.limits();
        let (own, all) = (limits.max_in_flight_per_connection, limits.max_in_flight);
        RpcError::new(Kind::Overloaded, format!("too many requests in flight: {own} on a connection and {all} in all are taken"))
            .with("retryAfterMs", RETRY_CALL_AFTER_MS)
    }
}

/// The promise of one answer. Dropped without one, because its call panicked, it answers INTERNAL.
struct Ticket {
    later: Later,
    place: usize,
    id: Option<Id<'static>>,
}

impl Ticket {
    fn new(later: &Later, place: usize, id: Id<'static>) -> Self {
        Self { later: later.clone(), place, id: Some(id) }
    }

    fn answer(mut self, answer: Answer) {
        self.id = None;
        self.send(answer);
    }

    fn refuse(mut self, error: RpcError) {
        if let Some(id) = self.id.take() {
            self.send(Refusal::of(&id, error).into_json());
        }
    }

    /// A client that has hung up leaves nobody to send to.
    fn send(&self, answer: Answer) {
        let _ = self.later.send((self.place, answer));
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            let error = RpcError::new(Kind::Internal, "the call failed by a defect of the daemon; its journal has the details");
            self.send(Refusal::of(&id, error).into_json());
        }
    }
}

fn shutting_down() -> RpcError {
    RpcError::new(Kind::ShuttingDown, "the daemon is stopping; nothing was done")
}

fn answer_of(response: MethodResponse) -> Answer {
    String::from(Box::<str>::from(response.into_json())).into_bytes()
}

/// Empty if there are none: a batch of notifications gets no answer.
fn array_of(answers: &[Answer]) -> Answer {
    if answers.is_empty() {
        return Answer::new();
    }
    let mut array = vec![b'['];
    array.extend_from_slice(&answers.join(&b','));
    array.push(b']');
    array
}

fn poll_now<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    match Pin::new(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
