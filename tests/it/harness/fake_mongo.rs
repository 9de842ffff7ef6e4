//! A server that speaks enough of MongoDB's protocol for the outbox, and answers what a test tells it: what a real server says
//! only when something is wrong with it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use ::mongodb::bson::{Bson, Document, doc};

/// What the server has, and what it was asked.
#[derive(Default)]
pub struct State {
    /// The version of each wallet on the primary.
    pub versions: BTreeMap<String, i64>,
    /// Wallets that no majority has yet.
    pub on_the_primary_only: BTreeSet<String>,
    /// Every `update` command.
    pub updates: Vec<Document>,
}

/// Answers an `update`.
type Update = Box<dyn FnMut(&mut State, &[Document]) -> Document + Send>;

/// The server. It ends with its process.
pub struct FakeMongo {
    port: u16,
    shared: Arc<Mutex<(State, Update)>>,
}

impl FakeMongo {
    /// One that is no primary: it takes nothing.
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let update: Update = Box::new(|_, _| no_primary());
        let shared = Arc::new(Mutex::new((State::default(), update)));
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&serving);
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { port, shared }
    }

    pub fn uri(&self) -> String {
        format!("mongodb://127.0.0.1:{}/test?directConnection=true", self.port)
    }

    /// From now on an `update` is answered so. The answer is the test's, and so is what it does to the state.
    pub fn answer(&self, update: impl FnMut(&mut State, &[Document]) -> Document + Send + 'static) {
        self.shared.lock().unwrap().1 = Box::new(update);
    }

    /// From now on it is well.
    pub fn heal(&self) {
        self.answer(|state, updates| take(state, updates.iter()));
    }

    pub fn look<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.shared.lock().unwrap().0)
    }
}

/// The walletId that an entry of `updates` is about.
pub fn id_of(update: &Document) -> String {
    update.get_document("q").unwrap().get_str("providerId").unwrap().to_owned()
}

/// Does what a well server does with these.
pub fn take<'a>(state: &mut State, updates: impl Iterator<Item = &'a Document>) -> Document {
    let mut taken = 0;
    for update in updates {
        let version = update.get_document("u").unwrap().get_document("$set").unwrap().get_i64("version").unwrap();
        state.versions.insert(id_of(update), version);
        taken += 1;
    }
    doc! { "n": taken, "nModified": taken, "ok": 1.0 }
}

pub fn no_primary() -> Document {
    doc! { "ok": 0.0, "code": 10107, "codeName": "NotWritablePrimary", "errmsg": "not primary" }
}

fn serve(mut stream: TcpStream, shared: &Mutex<(State, Update)>) {
    while let Ok((request_id, command, legacy)) = read(&mut stream) {
        let answer = answer(&command, &mut shared.lock().unwrap());
        if write(&mut stream, request_id, &answer, legacy).is_err() {
            return;
        }
    }
}

fn answer(command: &Document, (state, update): &mut (State, Update)) -> Document {
    let (name, _) = command.iter().next().unwrap();
    match name.as_str() {
        "hello" | "ismaster" | "isMaster" => doc! {
            "helloOk": true, "ismaster": true, "isWritablePrimary": true, "maxBsonObjectSize": 16 << 20,
            "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000, "minWireVersion": 0, "maxWireVersion": 21,
            "readOnly": false, "ok": 1.0,
        },
        "update" => {
            state.updates.push(command.clone());
            let updates: Vec<Document> =
                command.get_array("updates").unwrap().iter().map(|update| update.as_document().unwrap().clone()).collect();
            update(state, &updates)
        }
        "find" => first_batch(found(command, state)),
        "listIndexes" => first_batch(Vec::new()),
        _ => doc! { "ok": 1.0 },
    }
}

/// The versions that are asked for. By anything else than providerIds nothing is found.
fn found(command: &Document, state: &State) -> Vec<Document> {
    let majority = command.get_document("readConcern").is_ok_and(|concern| concern.get_str("level").unwrap() == "majority");
    let asked = command.get_document("filter").unwrap().get_document("providerId").and_then(|ids| ids.get_array("$in"));
    let there = |id: &&str| state.versions.contains_key(*id) && !(majority && state.on_the_primary_only.contains(*id));
    let asked = asked.into_iter().flatten().filter_map(Bson::as_str).filter(there);
    asked.map(|id| doc! { "providerId": id, "version": state.versions[id] }).collect()
}

fn first_batch(documents: Vec<Document>) -> Document {
    doc! { "cursor": { "id": 0_i64, "ns": "test.wallets", "firstBatch": documents }, "ok": 1.0 }
}

const OP_REPLY: i32 = 1;
const OP_QUERY: i32 = 2004;
const OP_MSG: i32 = 2013;

/// One request: its id, its command, and whether it came in the old form, as the first hello does.
fn read(stream: &mut TcpStream) -> io::Result<(i32, Document, bool)> {
    let mut header = [0; 16];
    stream.read_exact(&mut header)?;
    let number = |at: usize| i32::from_le_bytes(header[at..at + 4].try_into().unwrap());
    let mut body = vec![0; usize::try_from(number(0)).unwrap() - header.len()];
    stream.read_exact(&mut body)?;
    let at = match number(12) {
        // Flags, and the kind of the one section.
        OP_MSG => 5,
        // Flags, the collection's name, and two numbers.
        OP_QUERY => 4 + body[4..].iter().position(|byte| *byte == 0).unwrap() + 1 + 8,
        other => panic!("operation {other}"),
    };
    Ok((number(4), Document::from_reader(&body[at..]).unwrap(), number(12) == OP_QUERY))
}

fn write(stream: &mut TcpStream, request_id: i32, answer: &Document, legacy: bool) -> io::Result<()> {
    let mut body = Vec::new();
    if legacy {
        body.extend([0; 16]);
        body.extend(1_i32.to_le_bytes());
    } else {
        body.extend([0; 5]);
    }
    answer.to_writer(&mut body).unwrap();
    let length = i32::try_from(body.len() + 16).unwrap();
    let operation = if legacy { OP_REPLY } else { OP_MSG };
    let header: Vec<u8> = [length, 1, request_id, operation].into_iter().flat_map(i32::to_le_bytes).collect();
    stream.write_all(&[header, body].concat())
}
