//! A raw newline echo on a Unix socket, in a process of its own: the ceiling of what a socket can do here.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;

pub struct Echo {
    child: Child,
    pub socket: PathBuf,
}

impl Echo {
    pub fn start(directory: &Path) -> anyhow::Result<Self> {
        let socket = directory.canonicalize()?.join("echo.sock");
        let child = Command::new(std::env::current_exe()?).arg("echo").arg(&socket).spawn()?;
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(Self { child, socket })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends back whatever comes, until it is killed.
pub fn serve(socket: &str) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = UnixListener::bind(socket)?;
        loop {
            let (mut stream, _) = listener.accept().await?;
            tokio::spawn(async move {
                let mut buffer = Vec::with_capacity(1 << 16);
                while stream.read_buf(&mut buffer).await.is_ok_and(|read| read > 0) {
                    if stream.write_all(&buffer).await.is_err() {
                        return;
                    }
                    buffer.clear();
                }
            });
        }
    })
}
