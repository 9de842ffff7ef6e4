//! A TCP proxy that breaks connections on purpose, in front of any server: refused, cut in the middle of a request, cut before
//! the answer, slow, half-open.
//!
//! What it does is said by a [`Fault`], which counts from the moment it is set, on connections that are open already too.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::wait_until;

/// How often threads look for a change of the fault.
const TICK: Duration = Duration::from_millis(5);

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Nobody listens, and every connection is cut.
    Refuse,
    /// So many bytes of a request get through, then the connection is cut: the server has a part of it, or nothing.
    CutRequest { after: usize },
    /// The request gets through whole, and so many bytes of its answer, then the connection is cut: 0 drops the answer.
    CutAnswer { after: usize },
    /// Every piece waits so long before it is passed on, in both directions.
    Slow(Duration),
    /// Connections open and stay open, and nothing gets through in either direction.
    HalfOpen,
}

/// A fault, and which requests it meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    kind: Kind,
    /// It meets a connection once a request with these bytes is on it; without them, every connection.
    at: Option<Vec<u8>>,
    /// Cuts that are left, after which everything passes again.
    times: Option<u32>,
}

impl Fault {
    /// One that stays until another is set, and meets every connection.
    pub fn new(kind: Kind) -> Self {
        Self { kind, at: None, times: None }
    }

    /// Meets only connections on which a request with these bytes comes, such as a command's name. Heartbeats then stay well.
    #[must_use]
    pub fn at(mut self, bytes: &[u8]) -> Self {
        self.at = Some(bytes.to_vec());
        self
    }

    /// Cuts so many connections and no more.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }
}

/// The proxy. It ends, and cuts what is open, when it is dropped.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    upstream: SocketAddr,
    /// The fault with the number of the setting that made it: what is counted, is counted since then.
    fault: Mutex<(u64, Option<Fault>)>,
    cuts: AtomicU32,
    connections: AtomicU32,
    ended: Mutex<bool>,
}

impl Proxy {
    /// In front of `upstream`, on a free port of the loopback; everything passes.
    pub fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            upstream,
            fault: Mutex::new((0, None)),
            cuts: AtomicU32::new(0),
            connections: AtomicU32::new(0),
            ended: Mutex::new(false),
        });
        let accepting = Arc::clone(&state);
        thread::spawn(move || accepting.accept(address, listener));
        Self { address, state }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Puts a fault in force.
    pub fn set(&self, fault: Fault) {
        self.state.set(Some(fault));
    }

    /// Everything passes again.
    pub fn heal(&self) {
        self.state.set(None);
    }

    /// Connections that were cut so far.
    pub fn cuts(&self) -> u32 {
        self.state.cuts.load(Ordering::SeqCst)
    }

    /// Connections that were accepted so far.
    pub fn connections(&self) -> u32 {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Waits until a fault with [`Fault::times`] has met as many connections.
    #[track_caller]
    pub fn wait_until_met(&self) {
        wait_until("the fault met its connections", || self.state.fault.lock().unwrap().1.is_none());
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        *self.state.ended.lock().unwrap() = true;
    }
}

impl State {
    fn set(&self, fault: Option<Fault>) {
        let mut current = self.fault.lock().unwrap();
        *current = (current.0 + 1, fault);
    }

    fn fault(&self) -> (u64, Option<Fault>) {
        self.fault.lock().unwrap().clone()
    }

    fn refuses(&self) -> bool {
        matches!(self.fault().1, Some(Fault { kind: Kind::Refuse, .. }))
    }

    fn ended(&self) -> bool {
        *self.ended.lock().unwrap()
    }

    /// Counts a cut of the fault with this number; false if another met it first and nothing is left of it.
    fn take_cut(&self, number: u64) -> bool {
        let mut current = self.fault.lock().unwrap();
        let (now, Some(fault)) = &mut *current else { return false };
        if *now != number {
            return false;
        }
        if let Some(times) = &mut fault.times {
            *times -= 1;
            if *times == 0 {
                current.0 += 1;
                current.1 = None;
            }
        }
        self.cuts.fetch_add(1, Ordering::SeqCst);
        true
    }

    fn accept(self: Arc<Self>, address: SocketAddr, listener: TcpListener) {
        let mut listener = Some(listener);
        while !self.ended() {
            if self.refuses() {
                listener = None;
            } else if listener.is_none() {
                // Somebody else may hold the port for a moment.
                listener = TcpListener::bind(address).ok();
            }
            let accepted = listener.as_ref().map(|listener| {
                listener.set_nonblocking(true).unwrap();
                listener.accept()
            });
            let Some(Ok((client, _))) = accepted else {
                thread::sleep(TICK);
                continue;
            };
            client.set_nonblocking(false).unwrap();
            self.connections.fetch_add(1, Ordering::SeqCst);
            if let Ok(server) = TcpStream::connect(self.upstream) {
                Connection::start(&self, client, server);
            }
        }
    }
}

/// Both directions of one connection.
struct Connection {
    state: Arc<State>,
    client: TcpStream,
    server: TcpStream,
    progress: Mutex<Progress>,
}

/// What has passed since the fault with this number was set.
#[derive(Default)]
struct Progress {
    number: u64,
    /// A request that the fault is about has come.
    met: bool,
    requested: usize,
    answered: usize,
    /// The end of what was requested, in which the bytes of [`Fault::at`] may have begun.
    tail: Vec<u8>,
}

/// What to do with a piece.
enum Verdict {
    Pass,
    /// Passes so much of it and cuts.
    Cut(usize, u64),
    Wait(Duration),
    /// Keeps it back as long as the fault holds.
    Hold,
}

impl Connection {
    fn start(state: &Arc<State>, client: TcpStream, server: TcpStream) {
        for stream in [&client, &server] {
            stream.set_read_timeout(Some(TICK)).unwrap();
            stream.set_nodelay(true).unwrap();
        }
        let connection = Arc::new(Self { state: Arc::clone(state), client, server, progress: Mutex::new(Progress::default()) });
        let upwards = Arc::clone(&connection);
        thread::spawn(move || upwards.pump(true));
        thread::spawn(move || connection.pump(false));
    }

    fn pump(&self, request: bool) {
        let (mut from, mut to) = if request { (&self.client, &self.server) } else { (&self.server, &self.client) };
        let mut buffer = [0; 64 << 10];
        while !self.state.ended() && !self.state.refuses() {
            let read = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => continue,
                Err(_) => break,
            };
            if !self.pass(&buffer[..read], request, &mut to) {
                break;
            }
        }
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }

    /// False if the connection is over.
    fn pass(&self, piece: &[u8], request: bool, to: &mut impl Write) -> bool {
        loop {
            match self.judge(piece, request) {
                Verdict::Pass => return to.write_all(piece).is_ok(),
                Verdict::Wait(delay) => {
                    thread::sleep(delay);
                    return to.write_all(piece).is_ok();
                }
                Verdict::Cut(bytes, number) => {
                    if self.state.take_cut(number) {
                        let _ = to.write_all(&piece[..bytes]);
                        return false;
                    }
                }
                Verdict::Hold if self.state.ended() => return false,
                Verdict::Hold => thread::sleep(TICK),
            }
        }
    }

    fn judge(&self, piece: &[u8], request: bool) -> Verdict {
        let (number, fault) = self.state.fault();
        let Some(fault) = fault else { return Verdict::Pass };
        let mut progress = self.progress.lock().unwrap();
        if progress.number != number {
            *progress = Progress { number, ..Progress::default() };
        }
        if request && !progress.met {
            progress.met = match &fault.at {
                None => true,
                Some(bytes) => {
                    let seen = [progress.tail.as_slice(), piece].concat();
                    let met = seen.windows(bytes.len()).any(|window| window == bytes);
                    progress.tail = seen[seen.len().saturating_sub(bytes.len() - 1)..].to_vec();
                    met
                }
            };
        }
        // Without a request of its own, an answer belongs to one from before the fault.
        if !progress.met && (fault.at.is_some() || matches!(fault.kind, Kind::CutAnswer { .. })) {
            return Verdict::Pass;
        }
        let cut = |passed: &mut usize, after: usize| {
            let before = *passed;
            *passed += piece.len();
            if *passed > after { Verdict::Cut(after.saturating_sub(before), number) } else { Verdict::Pass }
        };
        match fault.kind {
            Kind::Refuse => Verdict::Hold,
            Kind::CutRequest { after } if request => cut(&mut progress.requested, after),
            Kind::CutAnswer { after } if !request => cut(&mut progress.answered, after),
            Kind::CutRequest { .. } | Kind::CutAnswer { .. } => Verdict::Pass,
            Kind::Slow(delay) => Verdict::Wait(delay),
            Kind::HalfOpen => Verdict::Hold,
        }
    }
}

/// A server that sends back what it gets.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || io::copy(&mut &stream, &mut &stream));
        }
    });
    address
}

/// What comes back of `sent` until the connection ends or as much has come as was sent.
fn through(proxy: &Proxy, sent: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(proxy.address())?;
    stream.set_read_timeout(Some(Duration::from_millis(300)))?;
    stream.write_all(sent)?;
    let (mut got, mut piece) = (Vec::new(), [0; 1024]);
    while got.len() < sent.len() {
        match stream.read(&mut piece) {
            Ok(0) | Err(_) => break,
            Ok(read) => got.extend_from_slice(&piece[..read]),
        }
    }
    Ok(got)
}

#[test]
fn proxy_breaks_connections_as_told_and_heals() {
    let proxy = Proxy::start(echo());
    assert_eq!(through(&proxy, b"as it is").unwrap(), b"as it is");
    proxy.set(Fault::new(Kind::CutRequest { after: 3 }));
    assert!(through(&proxy, b"in the middle").unwrap().len() <= 3, "no more than what got through comes back");
    proxy.set(Fault::new(Kind::CutAnswer { after: 4 }).times(1));
    assert_eq!(through(&proxy, b"half of it").unwrap(), b"half");
    proxy.wait_until_met();
    assert_eq!(through(&proxy, b"once only").unwrap(), b"once only");
    proxy.set(Fault::new(Kind::CutAnswer { after: 0 }).at(b"update").times(1));
    assert_eq!(through(&proxy, b"heartbeat").unwrap(), b"heartbeat");
    assert_eq!(through(&proxy, b"an update").unwrap(), b"");
    assert_eq!(through(&proxy, b"an update").unwrap(), b"an update");
    assert_eq!(proxy.cuts(), 3);
    proxy.set(Fault::new(Kind::Slow(Duration::from_millis(20))));
    assert_eq!(through(&proxy, b"slow").unwrap(), b"slow");
    proxy.set(Fault::new(Kind::HalfOpen));
    assert_eq!(through(&proxy, b"nothing").unwrap(), b"");
    proxy.set(Fault::new(Kind::Refuse));
    wait_until("it refuses", || through(&proxy, b"x").is_err());
    proxy.heal();
    wait_until("it listens again", || through(&proxy, b"well").is_ok_and(|got| got == b"well"));
    assert!(proxy.connections() >= 9);
}
