//! What came of a restore, for a person.

use std::fmt::Write;

use crate::store::restore::{Finding, RestoreReport, Source};

/// The report as text, every finding with its reason.
pub fn text(report: &RestoreReport) -> String {
    let mut text = String::new();
    let mut line = |words: String| {
        // Writing to a text can't fail.
        let _ = writeln!(text, "{words}");
    };
    let again = if report.resumed { ", in more than one go" } else { "" };
    line(match report.source {
        Source::File => format!("restored from a backup{again}; its wallets are now"),
        source => format!("restored from {}: {} wallets put in{again}; all wallets are now", source.as_str(), report.restored),
    });
    for (status, count) in &report.wallets {
        line(format!("  {status:<17} {count}"));
    }
    if report.versions_raised > 0 {
        line(format!("versions taken above MongoDB's: {}", report.versions_raised));
    }
    for (what, findings) in [
        ("in quarantine (not proven, DISABLED, not to be enabled)", &report.quarantined),
        ("skipped (no wallet could be read)", &report.skipped),
        ("missing (one source has it, the other has not)", &report.missing),
        ("changed (the stricter state holds)", &report.changed),
    ] {
        list(&mut line, what, findings);
    }
    for note in &report.notes {
        line(format!("note: {note}"));
    }
    line("last audit checkpoint of the lost store: none is known".to_owned());
    line(format!("frozen by {}: {}", report.freeze_id, report.freeze_reason));
    line(format!(
        "next: start the daemon, compare with the chains what was signed, then: kmsign freeze lift {} --reason ...",
        report.freeze_id
    ));
    text
}

fn list(line: &mut impl FnMut(String), what: &str, findings: &[Finding]) {
    if findings.is_empty() {
        return;
    }
    line(format!("{what}: {}", findings.len()));
    for finding in findings {
        // Documents are others' writing.
        let printable = |text: &str| text.chars().map(|c| if c.is_control() { '?' } else { c }).collect::<String>();
        let key = finding.kms_key_id.as_deref().map_or_else(String::new, |key| format!(" ({})", printable(key)));
        line(format!("  {}{key}: {}", printable(&finding.subject), printable(&finding.reason)));
    }
}
