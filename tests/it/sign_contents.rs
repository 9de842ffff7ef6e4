//! What is decoded, on its way: all signatures or none, each content once for what it spends, replacements only where the policy
//! permits, and an explanation that agrees with the call.

use std::time::Instant;

use kmsignd::emulator::{Defect, Fault, Operation};
use kmsignd::policy::dev_policy;
use serde_json::{Value, json};

use crate::freezes::freeze;
use crate::harness::caller::assert_is;
use crate::harness::{Daemon, wait_until};
use crate::method_examples::{FREEZE, evm_payment, psbt_paying, psbt_paying_all};

const SIGN_PSBT: &str = "utxo_signPsbt";
const SIGN_TRANSACTION: &str = "eth_signTransaction";

fn paying(wallet: &Value, coins: u32, amount: u64) -> Value {
    json!({ "asset": "BTC", "psbt": psbt_paying(wallet, coins, amount) })
}

/// A payment with a nonce and a fee of so many gwei a unit of gas.
fn payment(wallet: &Value, nonce: u64, gwei: u64) -> Value {
    let mut transaction = evm_payment(&wallet["address"]);
    transaction["nonce"] = json!(format!("{nonce:#x}"));
    transaction["maxFeePerGas"] = json!(format!("{:#x}", gwei * 1_000_000_000));
    json!({ "transaction": transaction })
}

fn own_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

#[test]
fn one_failed_signature_of_several_releases_none_and_the_same_content_may_try_again() {
    for (fault, kind) in [
        (Fault::Deny, "KMS_REFUSED"),
        (Fault::Signature(Defect::WrongKey), "SIGNATURE_INVALID"),
        (Fault::Signature(Defect::Truncated), "SIGNATURE_INVALID"),
    ] {
        let daemon = Daemon::start();
        let wallet = daemon.wallet("BTC");
        daemon.fault(Operation::Sign, fault, 1);
        let error = daemon.fails(kind, SIGN_PSBT, paying(&wallet, 5, 490_000));
        assert!(!error.to_string().contains("cHNidP"), "{error}");
        daemon.fails("CONFLICT", SIGN_PSBT, paying(&wallet, 5, 480_000));
        let signed = daemon.ok(SIGN_PSBT, paying(&wallet, 5, 490_000));
        assert_eq!(signed["signed"].as_array().unwrap().len(), 5);
        assert_eq!(daemon.ok(SIGN_PSBT, paying(&wallet, 5, 490_000)), signed);
        daemon.assert_audit_is_whole();
    }
}

#[test]
fn content_of_which_kms_provably_signed_nothing_frees_its_coins() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    daemon.fault(Operation::Sign, Fault::Deny, 1);
    daemon.fails("KMS_REFUSED", SIGN_PSBT, paying(&wallet, 1, 90_000));
    daemon.ok(SIGN_PSBT, paying(&wallet, 1, 80_000));
    daemon.fails("CONFLICT", SIGN_PSBT, paying(&wallet, 1, 90_000));
}

#[test]
fn content_is_signed_again_by_nobody_and_its_nonce_by_nothing_else() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("ETH");
    let first = daemon.ok(SIGN_TRANSACTION, payment(&wallet, 7, 2));
    assert_eq!(daemon.ok(SIGN_TRANSACTION, payment(&wallet, 7, 2)), first);
    let error = daemon.fails("CONFLICT", SIGN_TRANSACTION, payment(&wallet, 7, 3));
    assert_eq!(error["data"]["field"], "nonce");
    daemon.ok(SIGN_TRANSACTION, payment(&wallet, 8, 2));
    assert_eq!(daemon.kms_effects(Operation::Sign), 2);
    let other = daemon.wallet("ETH");
    daemon.ok(SIGN_TRANSACTION, payment(&other, 7, 9));
    daemon.assert_audit_is_whole();
}

#[test]
fn stored_signature_that_somebody_changed_is_not_released() {
    let mut daemon = Daemon::start();
    let wallet = daemon.wallet("ETH");
    daemon.ok(SIGN_TRANSACTION, payment(&wallet, 7, 2));
    daemon.stop();
    daemon.execute(
        "DROP TRIGGER signatures_stay;
         UPDATE signatures SET signature = (SELECT unhex(substr(hex(signature), 1, 126) || '0000') FROM signatures)",
    );
    daemon.start_again();
    daemon.fails("SIGNATURE_INVALID", SIGN_TRANSACTION, payment(&wallet, 7, 2));
}

#[test]
fn replacement_is_signed_only_if_the_policy_permits_it_and_sees_what_it_replaces() {
    let uid = own_uid();
    let replacing = format!(
        r#"{}
        @id("bump") permit (principal == User::"{uid}", action == Action::"replace", resource)
        when {{ context has replaced && context.replaced.fee < context.fee && context.replaced.recipients == context.recipients }};"#,
        dev_policy(uid)
    );
    let daemon = Daemon::with_policy(&replacing, &[]);
    let wallet = daemon.wallet("ETH");
    let first = daemon.ok(SIGN_TRANSACTION, payment(&wallet, 7, 5));
    daemon.fails("CONFLICT", SIGN_TRANSACTION, payment(&wallet, 7, 4));
    let mut elsewhere = payment(&wallet, 7, 9);
    elsewhere["transaction"]["to"] = json!("0x1c7D4B196Cb0C7B01d743Fbc6116a902379C7238");
    daemon.fails("CONFLICT", SIGN_TRANSACTION, elsewhere.clone());
    let explain = |params: &Value| daemon.ok("policy_explain", json!({ "method": SIGN_TRANSACTION, "params": params }));
    let explained = explain(&elsewhere);
    assert_eq!((&explained["decision"], &explained["summary"]["action"]), (&json!("deny"), &json!("replace")), "{explained}");
    assert!(explained["summary"].get("replaces").is_none(), "what others pay is not shown: {explained}");
    assert!(explained["summary"]["warnings"].to_string().contains("would be replaced"), "{explained}");

    let bump = payment(&wallet, 7, 6);
    let explained = explain(&bump);
    assert_eq!(explained["decision"], "allow", "{explained}");
    assert_eq!(explained["summary"]["replaces"]["fee"], 5 * 21_000);
    daemon.ok(SIGN_TRANSACTION, bump.clone());
    daemon.ok(SIGN_TRANSACTION, bump);
    assert_eq!(daemon.ok(SIGN_TRANSACTION, payment(&wallet, 7, 5)), first, "it was released, and can't be taken back");
    assert_eq!(daemon.kms_effects(Operation::Sign), 2);

    let btc = daemon.wallet("BTC");
    daemon.ok(SIGN_PSBT, paying(&btc, 2, 199_000));
    daemon.ok(SIGN_PSBT, paying(&btc, 2, 198_000));
    daemon.fails("CONFLICT", SIGN_PSBT, paying(&btc, 2, 199_500));
    daemon.assert_audit_is_whole();
}

#[test]
fn fee_over_the_configured_limit_is_refused_whatever_the_policy_says() {
    let mut daemon = Daemon::stopped(&dev_policy(own_uid()), &[]);
    daemon
        .add_config("[[limits.max_fee]]\nasset = \"BTC\"\namount = 1000\n[[limits.max_fee]]\nasset = \"ETH\"\namount = 42000\n");
    daemon.start_again();
    let (btc, eth) = (daemon.wallet("BTC"), daemon.wallet("ETH"));
    for (method, over, within) in [
        (SIGN_PSBT, paying(&btc, 1, 98_999), paying(&btc, 1, 99_000)),
        (SIGN_TRANSACTION, payment(&eth, 1, 3), payment(&eth, 1, 2)),
    ] {
        let explain =
            |params: &Value| daemon.ok("policy_explain", json!({ "method": method, "params": params }))["decision"].take();
        assert_eq!((explain(&over), explain(&within)), (json!("deny"), json!("allow")));
        let error = daemon.fails("TRANSACTION_REFUSED", method, over);
        assert_eq!(error["data"]["rule"], "maxFee");
        daemon.ok(method, within);
    }
    assert_eq!(daemon.kms_effects(Operation::Sign), 2);
}

#[test]
fn explanation_decodes_and_decides_as_the_call_and_signs_nothing() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    let params = paying(&wallet, 3, 250_000);
    let explained = daemon.ok("policy_explain", json!({ "method": SIGN_PSBT, "params": params }));
    assert_eq!(explained["decision"], "allow");
    let summary = &explained["summary"];
    assert_eq!(summary["wallets"], json!([wallet["walletId"]]));
    assert_eq!((&summary["totalOut"], &summary["fee"]), (&json!(250_000), &json!(50_000)));
    let kinds: Vec<_> = summary["effects"].as_array().unwrap().iter().map(|effect| effect["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["transfer", "fee"]);
    assert_eq!(daemon.kms_log(Operation::Sign).len(), 0);
    assert_eq!(daemon.query("SELECT count(*) FROM guards"), "0");

    let error = daemon.fails(
        "TRANSACTION_REFUSED",
        "policy_explain",
        json!({ "method": SIGN_PSBT, "params": {
        "asset": "BTC", "psbt": psbt_paying(&wallet, 1, 200_000)
    } }),
    );
    assert_eq!(error, daemon.fails("TRANSACTION_REFUSED", SIGN_PSBT, paying(&wallet, 1, 200_000)));
}

#[test]
fn audit_says_what_was_decoded_once_for_each_call() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    daemon.ok(SIGN_PSBT, paying(&wallet, 2, 150_000));
    let of_psbt = |kind: &str| daemon.audited(kind).into_iter().rfind(|record| record["method"] == SIGN_PSBT).unwrap();
    let intent = of_psbt("intent");
    let summary = &intent["summary"];
    assert_eq!((&summary["totalOut"], &summary["fee"], &summary["effectsInAll"]), (&json!(150_000), &json!(50_000), &json!(2)));
    assert_eq!(intent["walletId"], wallet["walletId"]);
    assert!(of_psbt("outcome").get("summary").is_none(), "an outcome's is its intent's");
    daemon.fails("CONFLICT", SIGN_PSBT, paying(&wallet, 2, 140_000));
    assert_eq!(of_psbt("refusal")["summary"]["totalOut"], 140_000);
}

#[test]
fn several_inputs_are_withheld_together_by_a_freeze_and_by_a_stopped_wallet() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    daemon.faults().change(|switches| switches.latency_ms = [(Operation::Sign, 600)].into());
    let mut caller = daemon.connect();
    caller.send(SIGN_PSBT, &paying(&wallet, 3, 290_000));
    wait_until("KMS is asked", || daemon.audited("intent").iter().any(|record| record["method"] == SIGN_PSBT));
    freeze(&daemon, FREEZE, "\"all\"");
    assert_is("FROZEN", &caller.receive()["error"]);
    daemon.ok("admin_unfreeze", json!({ "freezeId": FREEZE, "reason": "checked" }));
    daemon.faults().set(Default::default());
    daemon.fails("CONFLICT", SIGN_PSBT, paying(&wallet, 3, 280_000));
    daemon.ok(SIGN_PSBT, paying(&wallet, 3, 290_000));
    daemon.ok("wallet_disable", json!({ "walletId": wallet["walletId"], "reason": "a test" }));
    daemon.fails("KEY_NOT_USABLE", SIGN_PSBT, paying(&wallet, 3, 290_000));
}

#[test]
fn payment_to_thousands_is_judged_recipient_by_recipient_and_can_be_replaced() {
    const PAYEES: u64 = 3000;
    let uid = own_uid();
    // Neither policy says that nothing is looked at: each recipient is.
    let policy = format!(
        r#"permit (principal == User::"{uid}", action in [Action::"read", Action::"create", Action::"audit"], resource);
        permit (principal == User::"{uid}", action in [Action::"sign", Action::"replace"], resource)
        when {{
            if context has effect then (if context.effect has amount then context.effect.amount < 5500000 else true) else true
        }};"#
    );
    let daemon = Daemon::with_policy(&policy, &[]);
    let wallet = daemon.wallet("BTC");
    let paying = |last: u64| {
        let amounts: Vec<u64> = (1..PAYEES).map(|number| 600 + number % 7).chain([last]).collect();
        json!({ "asset": "BTC", "psbt": psbt_paying_all(&wallet, 90, &amounts) })
    };
    daemon.ok(SIGN_PSBT, paying(2_000_000));
    daemon.ok(SIGN_PSBT, paying(1_900_000));
    daemon.fails("DENIED", SIGN_PSBT, paying(5_500_000));
    let effects = |kind: &str| {
        let record = daemon.audited(kind).into_iter().rfind(|record| record["method"] == SIGN_PSBT).unwrap();
        (record["summary"]["effects"].as_array().unwrap().len(), record["summary"]["effectsInAll"].as_u64().unwrap())
    };
    assert_eq!((effects("intent"), effects("denial")), ((3001, 3001), (100, 3001)), "what was signed is recorded whole");
    daemon.assert_audit_is_whole();
}

#[test]
fn signatures_of_many_inputs_are_asked_for_at_once() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    daemon.faults().change(|switches| switches.latency_ms = [(Operation::Sign, 200)].into());
    let timed = |coins: u32| {
        let began = Instant::now();
        daemon.ok(SIGN_PSBT, paying(&wallet, coins, 90_000));
        began.elapsed()
    };
    let (one, sixty) = (timed(1), timed(60));
    assert!(sixty < one * 20, "one input takes {one:?}, sixty take {sixty:?}");
    assert_eq!(daemon.kms_effects(Operation::Sign), 61);
}
