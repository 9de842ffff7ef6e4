//! What a person can do about an error. One sentence or one command, never a guess about money: where something may have been
//! done, the only advice is the very same command under the very same id.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::DEFAULT_SOCKET;
use super::error::{ClientError, Refusal};
use super::output::json_line;
use crate::rpc::error_codes::Kind;

/// Longest parameters that are repeated in advice: a PSBT would bury it.
const MAX_ADVISED_BYTES: usize = 4096;

/// What was being done when an error came.
pub struct Attempt {
    pub socket: PathBuf,
    /// The command line as it was given, the program's name first.
    pub line: Vec<OsString>,
    /// The method and the JSON text of its parameters.
    pub call: Option<(String, String)>,
    /// What makes the call safe to repeat.
    pub repeat: Option<Repeat>,
}

/// An id under which a call with an effect happens once.
pub struct Repeat {
    pub flag: &'static str,
    pub id: String,
    /// Whether it is on the command line already.
    pub given: bool,
}

/// What to do after `error`; each line one step.
pub fn after(error: &ClientError, attempt: &Attempt) -> Option<String> {
    match error {
        ClientError::NoDaemon { path, reason } => Some(no_daemon(path, reason.kind())),
        ClientError::TimedOut { .. } => {
            let longer = "if KMS is slow, wait longer with --timeout SECONDS";
            Some(attempt.again().map_or_else(|| longer.to_owned(), |again| format!("{again}\n{longer}")))
        }
        ClientError::Lost(_) => Some(attempt.again().unwrap_or_else(|| "systemctl status kmsignd".to_owned())),
        ClientError::Protocol(_) => {
            let check =
                format!("is it kmsignd that listens at {}? kmsign --version and its own should agree", attempt.socket.display());
            Some(attempt.again().map_or_else(|| check.clone(), |again| format!("{again}\n{check}")))
        }
        ClientError::Refused(refusal) => refused(refusal, attempt),
        ClientError::Usage(_) | ClientError::Input { .. } => Some("kmsign --help".to_owned()),
        ClientError::Unreadable(_)
        | ClientError::UnreadableFile { .. }
        | ClientError::Denied(_)
        | ClientError::Declined
        | ClientError::Unwritten { .. }
        | ClientError::Output(_) => None,
    }
}

fn no_daemon(path: &Path, reason: ErrorKind) -> String {
    if reason == ErrorKind::PermissionDenied {
        let group = group_of(path).unwrap_or_else(|| "kmsign".to_owned());
        return format!("the socket lets in members of the group {group}: sudo usermod -aG {group} $USER, and log in anew");
    }
    "is kmsignd running? systemctl status kmsignd; to try it without installing: kmsignd dev\n\
     a daemon elsewhere is named by --socket PATH or KMSIGN_SOCKET"
        .to_owned()
}

/// The group that the socket admits, or its directory if that is what keeps us out.
fn group_of(path: &Path) -> Option<String> {
    let readable = path.ancestors().find_map(|part| std::fs::metadata(part).ok())?;
    let group = nix::unistd::Group::from_gid(readable.gid().into()).ok()??;
    (group.name != "root").then_some(group.name)
}

fn refused(refusal: &Refusal, attempt: &Attempt) -> Option<String> {
    let later = || match refusal.number("retryAfterMs") {
        Some(millis) => format!("try again in {millis} ms"),
        None => "try again later".to_owned(),
    };
    let kind = match refusal.kind() {
        Some(kind) => kind,
        None if refusal.text("retry") == Some("sameRequestId") => return attempt.again(),
        None => return (refusal.text("retry") == Some("later")).then(later),
    };
    match kind {
        // Their messages name the parameter and what it takes, or where else to ask.
        Kind::ParseError | Kind::InvalidRequest | Kind::InvalidParams | Kind::MethodNotSupported => None,
        Kind::MethodNotFound => Some(format!("{} lists the methods", attempt.command("call rpc.discover"))),
        Kind::Internal => Some(match refusal.text("requestId") {
            Some(id) => format!("journalctl -u kmsignd, under the request {id}"),
            None => "journalctl -u kmsignd".to_owned(),
        }),
        Kind::NotFound if refusal.text("field") == Some("freezeId") => Some(attempt.command("freeze list")),
        Kind::NotFound => Some(attempt.command("wallet list")),
        Kind::KmsUnavailable => Some(format!("{}; is KMS well? {}", later(), attempt.command("status"))),
        Kind::StoreUnavailable | Kind::AuditUnavailable => {
            Some("is the disk full? systemctl status kmsignd; journalctl -u kmsignd".to_owned())
        }
        Kind::ShuttingDown => Some("try again once it runs: systemctl status kmsignd".to_owned()),
        Kind::KmsOutcomeUnknown => attempt.again(),
        Kind::TransactionRefused => {
            refusal.text("rule").map(|rule| format!("the rule is {rule}; a transaction that keeps it may pass"))
        }
        Kind::RateLimited | Kind::Overloaded => Some(later()),
        Kind::Denied => attempt.explain(),
        Kind::ApprovalRequired => Some(match refusal.text("approvalId") {
            Some(id) => format!("a second person has to approve {id}; then repeat the same command with the same id"),
            None => "a second person has to approve it; then repeat the same command with the same id".to_owned(),
        }),
        // It is not the id that is used up, and the message says what is.
        Kind::Conflict if matches!(refusal.text("field"), Some("nonce" | "sequence" | "ticket" | "outpoint")) => None,
        Kind::Conflict => attempt.repeat.as_ref().map(|repeat| format!("take a new {}, or none to have one made", repeat.flag)),
        Kind::Frozen => Some(format!("{} shows what is frozen and why", attempt.command("freeze list"))),
        Kind::KeyNotUsable => Some(format!("{} shows the state of each wallet", attempt.command("wallet list"))),
        Kind::KmsRefused => Some("give the daemon's AWS identity the permission that the message names".to_owned()),
        Kind::SignatureInvalid => Some("do not repeat it; tell who runs the daemon at once".to_owned()),
    }
}

impl Attempt {
    /// The same command line, its id on it; `None` if the call has none.
    fn again(&self) -> Option<String> {
        let repeat = self.repeat.as_ref()?;
        let mut words: Vec<String> = self.line.iter().map(|word| quoted(&word.to_string_lossy())).collect();
        if !repeat.given {
            // An option behind `--` would be none.
            let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
            words.splice(end..end, [repeat.flag.to_owned(), quoted(&repeat.id)]);
        }
        let input = if words.iter().any(|word| word == "-") { ", with the same standard input" } else { "" };
        Some(format!("it may have happened, so repeat exactly this{input}: {}", words.join(" ")))
    }

    /// The command that asks the policy about the same call.
    fn explain(&self) -> Option<String> {
        let (method, params) = self.call.as_ref()?;
        if method == "policy_explain" || params.len() > MAX_ADVISED_BYTES {
            return None;
        }
        Some(self.command(&format!("policy explain {} {}", quoted(method), quoted(&json_line(params)))))
    }

    /// Another command of kmsign to the same daemon.
    fn command(&self, words: &str) -> String {
        match self.socket.to_str() {
            Some(DEFAULT_SOCKET) | None => format!("kmsign {words}"),
            Some(socket) => format!("kmsign --socket {} {words}", quoted(socket)),
        }
    }
}

/// A word as a POSIX shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    fn attempt(line: &[&str], repeat: Option<Repeat>) -> Attempt {
        Attempt {
            socket: DEFAULT_SOCKET.into(),
            line: line.iter().map(OsString::from).collect(),
            call: Some(("wallet_create".to_owned(), r#"{"label":"it's"}"#.to_owned())),
            repeat,
        }
    }

    fn refusal(kind: &str, more: &str) -> ClientError {
        let json = format!(r#"{{"code":1,"message":"m","data":{{"kind":"{kind}"{more}}}}}"#);
        ClientError::Refused(Refusal::read(&RawValue::from_string(json).unwrap()).unwrap())
    }

    #[test]
    fn next_step_after_a_lost_outcome_is_the_same_line_with_the_same_id() {
        let repeat = |given| Some(Repeat { flag: "--request-id", id: "r 1".to_owned(), given });
        let made = attempt(&["kmsign", "wallet", "create", "--label", "a b"], repeat(false));
        let text = after(&refusal("KMS_OUTCOME_UNKNOWN", ""), &made).unwrap();
        assert!(text.ends_with("kmsign wallet create --label 'a b' --request-id 'r 1'"), "{text}");
        let given = attempt(&["kmsign", "key", "sign", "--request-id", "r 1"], repeat(true));
        let text = after(&ClientError::Lost(ErrorKind::UnexpectedEof.into()), &given).unwrap();
        assert!(text.ends_with("kmsign key sign --request-id 'r 1'"), "{text}");
        let behind = attempt(&["kmsign", "key", "sign", "--", "w", "d"], repeat(false));
        let text = after(&refusal("KMS_OUTCOME_UNKNOWN", ""), &behind).unwrap();
        assert!(text.ends_with("kmsign key sign --request-id 'r 1' -- w d"), "{text}");
    }

    #[test]
    fn next_step_after_a_denial_asks_the_policy_of_the_same_daemon() {
        let mut denied = attempt(&["kmsign"], None);
        denied.socket = "/tmp/a b.sock".into();
        assert_eq!(
            after(&refusal("DENIED", ""), &denied).unwrap(),
            r#"kmsign --socket '/tmp/a b.sock' policy explain wallet_create '{"label":"it'\''s"}'"#
        );
    }

    #[test]
    fn next_step_after_a_limit_names_the_time() {
        let text = after(&refusal("OVERLOADED", r#","retryAfterMs":250"#), &attempt(&["kmsign"], None)).unwrap();
        assert_eq!(text, "try again in 250 ms");
    }

    #[test]
    fn next_step_of_an_unknown_kind_follows_its_retry_word() {
        let none = attempt(&["kmsign"], None);
        assert_eq!(after(&refusal("BRAND_NEW", r#","retry":"later""#), &none).unwrap(), "try again later");
        assert_eq!(after(&refusal("BRAND_NEW", r#","retry":"never""#), &none), None);
    }
}
