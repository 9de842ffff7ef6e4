//! A server with a few toy methods on a socket of its own, and clients that speak raw bytes to it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jsonrpsee::{ResponsePayload, RpcModule};
use kmsignd::caller::Caller;
use kmsignd::transport::{Drained, Frame, Hooks, Limits, Listener, Mode, Server, SocketConfig};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinHandle;

/// Longer than anything here takes: what comes later never comes.
const NEVER: Duration = Duration::from_secs(20);

/// What the toy methods do and have done.
pub struct Toys {
    /// `hold` and `slow_read` take one permit to end.
    pub gate: Semaphore,
    pub started: watch::Sender<usize>,
    pub ended: watch::Sender<usize>,
}

impl Toys {
    /// Waits until `count` calls of `hold` have started.
    pub async fn started(&self, count: usize) {
        in_time(self.started.subscribe().wait_for(|started| *started >= count)).await.unwrap();
    }

    pub async fn ended(&self, count: usize) {
        in_time(self.ended.subscribe().wait_for(|ended| *ended >= count)).await.unwrap();
    }
}

pub struct Rig {
    pub path: PathBuf,
    pub toys: Arc<Toys>,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<std::io::Result<Drained>>,
    _directory: tempfile::TempDir,
}

/// Limits in which nothing takes long.
pub fn limits() -> Limits {
    Limits { message_time: Duration::from_millis(300), drain_time: NEVER, ..Limits::default() }
}

impl Rig {
    pub fn new(limits: Limits) -> Self {
        Self::with_hooks(limits, Hooks::default())
    }

    pub fn with_hooks(limits: Limits, hooks: Hooks) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let path = directory.path().join("kmsignd.sock");
        let listener = Listener::bind(&SocketConfig { path: path.clone(), mode: 0o666, group: None }).unwrap();
        Self::serve(listener, path, directory, limits, hooks)
    }

    fn serve(listener: Listener, path: PathBuf, directory: tempfile::TempDir, limits: Limits, hooks: Hooks) -> Self {
        let toys = Arc::new(Toys { gate: Semaphore::new(0), started: watch::Sender::new(0), ended: watch::Sender::new(0) });
        let (stop, stopped) = oneshot::channel::<()>();
        let server = Server::new(module(Arc::clone(&toys)), mode, limits, hooks);
        let server = tokio::spawn(server.serve(listener, async { stopped.await.unwrap_or_default() }));
        Self { path, toys, stop: Some(stop), server, _directory: directory }
    }

    pub async fn connect(&self) -> Client {
        Client::connect(&self.path).await
    }

    /// Tells the server to stop. It has begun to once the path is gone.
    pub async fn stop(&mut self) {
        drop(self.stop.take());
        let path = self.path.clone();
        in_time(async {
            while path.exists() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    pub async fn stopped(&mut self) -> Drained {
        in_time(&mut self.server).await.unwrap().unwrap()
    }
}

fn mode(method: &str) -> Mode {
    if matches!(method, "hold" | "boom") { Mode::Task } else { Mode::Inline }
}

fn module(toys: Arc<Toys>) -> RpcModule<Toys> {
    let mut module = RpcModule::from_arc(toys);
    module
        .register_method("echo", |_, _, extensions| {
            let frame = Frame::take(extensions).unwrap();
            assert!(Frame::take(extensions).is_none());
            let params = frame.params().map(|text| serde_json::from_str::<Value>(text).unwrap());
            ResponsePayload::success(json!({"method": frame.method(), "params": params}))
        })
        .unwrap();
    module
        .register_method("whoami", |_, _, extensions| {
            let caller = extensions.get::<Caller>().unwrap();
            ResponsePayload::success(json!({
                "uid": caller.uid(), "gid": caller.gid(), "groups": caller.groups(),
                "pid": caller.pid(), "executable": caller.executable(), "unit": caller.unit(),
            }))
        })
        .unwrap();
    module.register_method("big", |_, _, _| ResponsePayload::success("x".repeat(1 << 20))).unwrap();
    module
        .register_async_method("slow_read", async |_, toys: Arc<Toys>, _| {
            toys.gate.acquire().await.unwrap().forget();
            ResponsePayload::success("read")
        })
        .unwrap();
    module
        .register_async_method("hold", async |_, toys: Arc<Toys>, _| {
            toys.started.send_modify(|started| *started += 1);
            toys.gate.acquire().await.unwrap().forget();
            toys.ended.send_modify(|ended| *ended += 1);
            ResponsePayload::success("held")
        })
        .unwrap();
    module
        .register_async_method("boom", async |_, _, _| -> ResponsePayload<'static, ()> { panic!("a defect, on purpose") })
        .unwrap();
    module
}

pub async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(NEVER, future).await.expect("it never came")
}

pub struct Client {
    pub stream: UnixStream,
    read: Vec<u8>,
}

impl Client {
    pub fn new(stream: UnixStream) -> Self {
        Self { stream, read: Vec::new() }
    }

    pub async fn connect(path: &Path) -> Self {
        Self::new(in_time(UnixStream::connect(path)).await.unwrap())
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        in_time(self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// Sends a call and does not wait.
    pub async fn call(&mut self, id: u64, method: &str) {
        self.send(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\"}}\n")).await;
    }

    /// The next line, as it is.
    pub async fn line(&mut self) -> String {
        self.until(|read| read.iter().position(|byte| *byte == b'\n').map(|at| at + 1)).await.expect("the stream ended")
    }

    /// The next line, as JSON.
    pub async fn answer(&mut self) -> Value {
        let line = self.line().await;
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// The id and the kind of the next answer, which must be an error.
    pub async fn refusal(&mut self) -> (Value, String) {
        let answer = self.answer().await;
        (answer["id"].clone(), answer["error"]["data"]["kind"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned())
    }

    /// Asserts that the connection lives and that nothing else is answered before this.
    pub async fn assert_alive(&mut self) {
        self.call(4711, "echo").await;
        assert_eq!(self.answer().await["id"], 4711);
    }

    /// One HTTP response: status, head and body.
    pub async fn response(&mut self) -> (u16, String, String) {
        let head_end = |read: &[u8]| read.windows(4).position(|end| end == b"\r\n\r\n").map(|at| at + 4);
        let head = self.until(head_end).await.expect("the stream ended").to_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        let body = self.until(|read| (read.len() >= length).then_some(length)).await.expect("the stream ended");
        (status, head, body)
    }

    /// Everything until the server closes.
    pub async fn rest(mut self) -> String {
        in_time(async {
            // A server that closes while something was sent resets the connection.
            while self.stream.read_buf(&mut self.read).await.is_ok_and(|count| count > 0) {}
        })
        .await;
        String::from_utf8(self.read).unwrap()
    }

    async fn until(&mut self, end: impl Fn(&[u8]) -> Option<usize>) -> Option<String> {
        loop {
            if let Some(end) = end(&self.read) {
                let rest = self.read.split_off(end);
                return Some(String::from_utf8(std::mem::replace(&mut self.read, rest)).unwrap());
            }
            if in_time(self.stream.read_buf(&mut self.read)).await.unwrap() == 0 {
                return None;
            }
        }
    }
}

/// Runs an ignored test of this binary in a process of its own, started by `wrap`.
pub fn run_in_child(test: &str, wrap: impl FnOnce(&mut std::process::Command)) -> String {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    wrap(&mut command);
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{out}\n{err}");
    out.into_owned()
}
