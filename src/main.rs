//! kmsignd, the daemon.

fn main() -> std::process::ExitCode {
    kmsignd::cli::main()
}
