//! The rules of requestId, for every method of the table that takes one.

use kmsignd::emulator::{Fault, Operation, Script};
use kmsignd::rpc::methods::{METHODS, Method};
use serde_json::{Value, json};

use crate::freezes::freeze;
use crate::harness::users::{ALICE, BOB, can_be_others};
use crate::harness::{Caller, Daemon, wait_until};
use crate::method_examples::{FREEZE, Fixture, examples};

const PERMIT_ALL: &str = "permit (principal, action, resource);";
const UNFINISHED: &str = "SELECT count(*) FROM requests WHERE request_id = 'r' AND answered_at IS NULL";
const ANSWERED: &str = "SELECT count(*) FROM requests WHERE request_id = 'r' AND answered_at IS NOT NULL";

fn daemon() -> Daemon {
    // A key that a crash left is looked for, and made again only after that.
    let settings = [("KMSIGND__KEYS__RECONCILE_GRACE_SECONDS", "1"), ("KMSIGND__KEYS__ALLOW_DELETION", "true")];
    Daemon::with_policy(PERMIT_ALL, &settings)
}

/// Brings the wallet to where the method's example does something.
fn prepare(daemon: &Daemon, method: &str, wallet: &Value) {
    match method {
        "wallet_enable" => drop(daemon.ok("wallet_disable", json!({ "walletId": wallet["walletId"], "reason": "to enable it" }))),
        "kms_cancelKeyDeletion" => {
            drop(daemon.ok("kms_deleteKey", json!({ "keyId": wallet["kmsKeyId"], "confirm": wallet["address"] })));
        }
        "admin_unfreeze" => return freeze(daemon, FREEZE, "\"all\""),
        _ => return,
    }
    daemon.wait_for_key_drives();
}

/// A method, on a daemon of its own with one wallet.
struct Case {
    daemon: Daemon,
    method: &'static Method,
    /// The parameter that holds the id.
    field: &'static str,
    example: Value,
    wallet: Value,
}

impl Case {
    fn new(method: &'static Method, field: &'static str) -> Self {
        let daemon = daemon();
        let wallet = daemon.wallet("ETH");
        prepare(&daemon, method.name, &wallet);
        let fixture = Fixture::with(&wallet, |asset| daemon.wallet(asset));
        let example = examples(&fixture).into_iter().find(|(name, ..)| *name == method.name).unwrap().2;
        Self { daemon, method, field, example, wallet }
    }

    fn with_id(&self, id: &str) -> Value {
        let mut params = self.example.clone();
        params[self.field] = json!(id);
        params
    }

    /// Another content: every method with a requestId takes onBehalfOf.
    fn other_with_id(&self, id: &str) -> Value {
        let mut params = self.with_id(id);
        params["onBehalfOf"] = json!("somebody else");
        params
    }

    /// The bytes of the answer to `r`.
    fn answer(&self) -> String {
        self.daemon.connect().result_text(self.method.name, &self.with_id("r"))
    }

    #[track_caller]
    fn fails(&self, kind: &str, params: Value) {
        let error = self.daemon.fails(kind, self.method.name, params);
        assert_eq!(error["data"]["requestId"], "r", "{}: {error}", self.method.name);
        if kind == "CONFLICT" {
            assert_eq!(error["data"]["field"], *self.field, "{}: {error}", self.method.name);
        }
    }

    fn restart_with(&mut self, policy: &str) {
        self.daemon.stop();
        self.daemon.write_policy(policy);
        self.daemon.start_again();
    }

    fn forget_the_answer(&self) {
        self.daemon.execute("UPDATE requests SET answer = NULL, answered_at = NULL WHERE request_id = 'r'");
    }

    fn count(&self, sql: &str) -> usize {
        self.daemon.query(sql).parse().unwrap()
    }
}

fn for_every_method(check: impl Fn(Case)) {
    let methods: Vec<_> = METHODS.iter().filter_map(|method| Some((method, method.request_id_param()?))).collect();
    assert!(methods.len() >= 5);
    for (method, field) in methods {
        check(Case::new(method, field));
    }
}

#[test]
fn repeat_of_any_method_gets_the_same_bytes_through_crashes_and_another_content_never() {
    for_every_method(|mut case| {
        let first = case.answer();
        for _ in 0..3 {
            assert_eq!(case.answer(), first);
            case.fails("CONFLICT", case.other_with_id("r"));
            case.daemon.crash();
            case.daemon.start_again();
        }
        assert_eq!(case.count(ANSWERED), 1);
        case.daemon.assert_audit_is_whole();
    });
}

#[test]
fn repeat_of_any_method_under_another_is_another_request() {
    let daemon = daemon();
    let fixture = Fixture::new(&daemon);
    let mut expected = 0;
    for (name, _, mut params) in examples(&fixture) {
        let method = METHODS.iter().find(|method| method.name == name).unwrap();
        if let Some(field) = method.request_id_param() {
            params[field] = json!("r");
            if name == "admin_unfreeze" {
                freeze(&daemon, FREEZE, "\"all\"");
            }
            daemon.ok(name, params);
            expected += 1;
        }
    }
    assert_eq!(daemon.query(ANSWERED), expected.to_string());
}

#[test]
fn repeat_of_any_method_by_another_uid_is_another_request() {
    if !can_be_others("repeat_of_any_method_by_another_uid_is_another_request") {
        return;
    }
    for_every_method(|case| {
        case.daemon.open_socket_to_all();
        let call = |uid: u32, params: Value| case.daemon.connect_as(uid, &[]).call(case.method.name, params);
        let alices = call(ALICE, case.with_id("r")).unwrap();
        // What Alice did may have made it impossible, as disabling a disabled wallet is.
        if let Err(error) = call(BOB, case.other_with_id("r")) {
            assert_ne!(error["data"]["field"], *case.field, "{error}");
        }
        assert_eq!(call(ALICE, case.with_id("r")), Ok(alices));
        call(ALICE, case.other_with_id("r")).unwrap_err();
    });
}

#[test]
fn repeat_of_any_method_while_the_first_runs_shares_its_end() {
    for_every_method(|case| {
        let slow = [Operation::CreateKey, Operation::DescribeKey, Operation::Sign];
        case.daemon.faults().change(|switches| switches.latency_ms = slow.map(|operation| (operation, 200)).into());
        let before = case.daemon.audited("intent").len();
        let mut callers: Vec<Caller> = (0..6).map(|_| case.daemon.connect()).collect();
        for caller in &mut callers {
            caller.send(case.method.name, &case.with_id("r"));
        }
        wait_until("the first runs", || case.daemon.audited("intent").len() > before);
        case.fails("CONFLICT", case.other_with_id("r"));
        let answers: Vec<Value> = callers.iter_mut().map(|caller| caller.receive()["result"].take()).collect();
        assert!(!answers[0].is_null() && answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        assert_eq!(case.daemon.audited("intent").len(), before + 1, "{}", case.method.name);
        assert_eq!(case.daemon.audited("repeat").len(), 5, "{}", case.method.name);
    });
}

#[test]
fn retry_of_any_method_after_a_crash_takes_over_what_was_begun() {
    let hangs = |case: &Case, late: bool, fault: Fault| -> Vec<Script> {
        let key = case.wallet["kmsKeyId"].as_str().unwrap();
        let any_of_the_wallet = Script { operation: None, key: Some(key.to_owned()), times: 1000, fault };
        let next = |operation| Script::next(operation, fault).times(1000);
        if late {
            vec![next(Operation::GetPublicKey), next(Operation::Sign)]
        } else {
            vec![any_of_the_wallet, next(Operation::CreateKey)]
        }
    };
    for (late, fault) in
        [(false, Fault::HangBefore), (false, Fault::HangAfter), (true, Fault::HangBefore), (true, Fault::HangAfter)]
    {
        for_every_method(|mut case| {
            let scripts = hangs(&case, late, fault);
            case.daemon.faults().change(|switches| switches.scripts = scripts.clone());
            case.daemon.connect().send(case.method.name, &case.with_id("r"));
            let hung = |case: &Case| case.daemon.faults().get().scripts != scripts;
            wait_until("it waits for KMS, or needs none", || {
                case.count(ANSWERED) == 1 || (case.count(UNFINISHED) == 1 && hung(&case))
            });
            case.daemon.crash();
            case.daemon.faults().set(Default::default());
            // What it does leaves nothing in the store, so that this is what a crash right before its outcome leaves.
            if case.method.name == "admin_reload" {
                case.forget_the_answer();
            }
            case.daemon.start_again();
            case.fails("CONFLICT", case.other_with_id("r"));
            wait_until("it has its answer", || match case.daemon.call(case.method.name, case.with_id("r")) {
                Ok(_) => true,
                // A key that may exist is looked for first.
                Err(error) => {
                    assert_eq!(
                        (&error["data"]["kind"], case.method.action.as_str()),
                        (&json!("KMS_OUTCOME_UNKNOWN"), "create"),
                        "{error}"
                    );
                    false
                }
            });
            let answer = case.answer();
            case.daemon.crash();
            case.daemon.start_again();
            assert_eq!(case.answer(), answer);
            case.fails("CONFLICT", case.other_with_id("r"));
            let made = usize::from(case.method.action.as_str() == "create");
            assert_eq!(case.count("SELECT count(*) FROM wallets"), Fixture::WALLETS + made);
            case.daemon.assert_audit_is_whole();
        });
    }
}

#[test]
fn repeat_of_any_method_is_judged_again_and_a_denial_binds_nothing() {
    for_every_method(|mut case| {
        case.restart_with("");
        case.fails("DENIED", case.other_with_id("r"));
        case.restart_with(PERMIT_ALL);
        let answer = case.answer();
        case.restart_with("");
        case.fails("DENIED", case.with_id("r"));
        case.restart_with(PERMIT_ALL);
        assert_eq!(case.answer(), answer, "it was kept all the same");
    });
}

#[test]
fn repeat_of_any_method_whose_answer_is_kept_no_longer_is_a_conflict() {
    for_every_method(|mut case| {
        case.answer();
        case.daemon.wait_for_key_drives();
        case.daemon.stop();
        case.daemon.execute("UPDATE requests SET answered_at = 1");
        case.daemon.start_again();
        wait_until("the old answer is dropped", || case.count("SELECT count(*) FROM requests WHERE answer IS NOT NULL") == 0);
        let asked = case.daemon.emulator().log().entries().iter().filter(|entry| entry.effect).count();
        for params in [case.with_id("r"), case.other_with_id("r")] {
            case.fails("CONFLICT", params);
        }
        assert_eq!(case.daemon.emulator().log().entries().iter().filter(|entry| entry.effect).count(), asked);
    });
}

#[test]
fn error_of_any_method_names_the_request_id_that_it_was_given() {
    for_every_method(|case| {
        let mut params = case.with_id("r");
        params["noSuchThing"] = json!(1);
        case.fails("INVALID_PARAMS", params.clone());
        params.as_object_mut().unwrap().remove(case.field);
        let error = case.daemon.fails("INVALID_PARAMS", case.method.name, params);
        assert_eq!(error["data"].get("requestId"), None, "{error}");
    });
    let daemon = Daemon::start();
    let by_position = daemon.fails("INVALID_PARAMS", "kms_signTransactionHash", json!(["no ARN", "00", "r"]));
    assert_eq!(by_position["data"]["requestId"], "r");
    let unreadable = daemon.fails("INVALID_PARAMS", "admin_reload", json!({ "requestId": "" }));
    assert_eq!(unreadable["data"].get("requestId"), None);
}
