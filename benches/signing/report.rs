//! How figures are written.

/// Milliseconds with two decimals.
pub fn ms(seconds: f64) -> String {
    format!("{:.2}", seconds * 1000.0)
}

pub fn ratio(measured: f64, against: f64) -> String {
    format!("{:.2}", measured / against)
}

pub fn row(cells: &[(usize, String)]) -> String {
    cells.iter().map(|(width, text)| format!("{text:>width$}")).collect()
}

/// What this ran on.
pub fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "kmsignd {} on {cores} cores of {model}; load average {}",
        env!("CARGO_PKG_VERSION"),
        load.split(' ').next().unwrap_or("?")
    )
}
