//! The command-line client; everything is in `kmsignd::client`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(kmsignd::client::run(std::env::args_os().collect()).code())
}
