//! utxo_signPsbt through the socket: what is signed, Bitcoin Core's own verifier takes; what must not be, is refused and leaves no trace
//! in KMS.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash as _;
use bitcoin::psbt::PsbtSighashType;
use bitcoin::sighash::EcdsaSighashType;
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, Psbt, PublicKey, ScriptBuf, Transaction, TxIn, TxOut, Txid, WPubkeyHash};
use kmsignd::chains::networks::{NetworkDefaults, Networks};
use kmsignd::chains::tokens::Tokens;
use kmsignd::clock::SystemClock;
use kmsignd::emulator::{Fault, Operation};
use kmsignd::policy::dev_policy;
use kmsignd::store::Store;
use kmsignd::store::wallets::Wallet;
use kmsignd::wallets::content::Lookup;
use kmsignd::wallets::sign_psbt;
use serde_json::{Value, json};

use crate::harness::Daemon;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    P2pkh,
    P2shP2wpkh,
    P2wpkh,
}

const KINDS: [Kind; 3] = [Kind::P2pkh, Kind::P2shP2wpkh, Kind::P2wpkh];

/// The script of a wallet's key, in any form.
fn script(wallet: &Value, kind: Kind) -> ScriptBuf {
    let key: PublicKey = wallet["publicKey"].as_str().unwrap().parse().unwrap();
    let p2wpkh = ScriptBuf::new_p2wpkh(&key.wpubkey_hash().unwrap());
    match kind {
        Kind::P2pkh => ScriptBuf::new_p2pkh(&key.pubkey_hash()),
        Kind::P2wpkh => p2wpkh,
        Kind::P2shP2wpkh => ScriptBuf::new_p2sh(&p2wpkh.script_hash()),
    }
}

fn stranger(number: u8) -> ScriptBuf {
    ScriptBuf::new_p2wpkh(&WPubkeyHash::from_byte_array([number; 20]))
}

/// A transaction that makes a coin, in its second place.
fn funding(script_pubkey: ScriptBuf, amount: u64, number: u8) -> Transaction {
    let previous_output = OutPoint { txid: Txid::from_byte_array([number; 32]), vout: 3 };
    let output = |value, script_pubkey| TxOut { value: Amount::from_sat(value), script_pubkey };
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn { previous_output, ..TxIn::default() }],
        output: vec![output(600, stranger(1)), output(amount, script_pubkey)],
    }
}

/// A PSBT that spends coins of these scripts. Each coin is another one, also of other `series`.
fn psbt(coins: &[(ScriptBuf, u64)], outputs: &[(ScriptBuf, u64)], series: u8) -> Psbt {
    let numbers = series..;
    let made_by: Vec<_> = coins.iter().zip(numbers).map(|((script, amount), n)| funding(script.clone(), *amount, n)).collect();
    let input =
        |made_by: &Transaction| TxIn { previous_output: OutPoint { txid: made_by.compute_txid(), vout: 1 }, ..TxIn::default() };
    let output = |(script_pubkey, amount): &(ScriptBuf, u64)| TxOut {
        value: Amount::from_sat(*amount),
        script_pubkey: script_pubkey.clone(),
    };
    let unsigned = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: made_by.iter().map(input).collect(),
        output: outputs.iter().map(output).collect(),
    };
    let mut psbt = Psbt::from_unsigned_tx(unsigned).unwrap();
    for (input, made_by) in psbt.inputs.iter_mut().zip(made_by) {
        input.non_witness_utxo = Some(made_by);
    }
    psbt
}

fn params(asset: &str, psbt: &Psbt) -> Value {
    json!({ "asset": asset, "psbt": BASE64.encode(psbt.serialize()) })
}

fn with(mut params: Value, name: &str, value: impl Into<Value>) -> Value {
    params[name] = value.into();
    params
}

fn answered(signed: &Value) -> Psbt {
    Psbt::deserialize(&BASE64.decode(signed["psbt"].as_str().unwrap()).unwrap()).unwrap()
}

/// Holds if every input of the answer's transaction spends its coin, by Bitcoin Core's own verifier.
#[track_caller]
fn assert_spends(signed: &Value, coins: &[(ScriptBuf, u64)]) {
    let bytes = hex::decode(signed["transaction"].as_str().unwrap()).unwrap();
    for (index, (script, amount)) in coins.iter().enumerate() {
        bitcoinconsensus::verify(script.as_bytes(), *amount, &bytes, None, index)
            .unwrap_or_else(|error| panic!("input {index} of {signed}: {error:?}"));
    }
    let transaction: Transaction = bitcoin::consensus::deserialize(&bytes).unwrap();
    assert_eq!(signed["txid"], transaction.compute_txid().to_string());
    assert_eq!(answered(signed).extract_tx_unchecked_fee_rate(), transaction);
    assert_eq!(signed["complete"], true);
}

/// Holds if it is refused by this rule, with these words, and KMS is asked for nothing.
#[track_caller]
fn refuses(daemon: &Daemon, params: Value, rule: &str, words: &str) {
    let before = daemon.kms_log(Operation::Sign).len();
    let error = daemon.fails("TRANSACTION_REFUSED", "utxo_signPsbt", params);
    assert_eq!(error["data"]["rule"], rule, "{error}");
    assert!(error["message"].as_str().unwrap().contains(words), "{error}");
    assert_eq!(daemon.kms_log(Operation::Sign).len(), before);
}

#[test]
fn sign_psbt_of_several_wallets_in_every_form_of_their_keys_is_accepted() {
    let daemon = Daemon::start();
    for asset in ["BTC", "LTC"] {
        let wallets = [daemon.wallet(asset), daemon.wallet(asset)];
        // Of either wallet a coin in each form, whatever its own address type is.
        let owned: Vec<_> = KINDS.iter().flat_map(|kind| wallets.iter().map(move |wallet| (wallet, *kind))).collect();
        let coins: Vec<_> = owned.iter().map(|(wallet, kind)| (script(wallet, *kind), 100_000)).collect();
        let outputs = [(stranger(9), 500_000), (script(&wallets[0], Kind::P2wpkh), 90_000)];
        let before = daemon.kms_effects(Operation::Sign);
        let signed = daemon.ok("utxo_signPsbt", params(asset, &psbt(&coins, &outputs, 10)));
        assert_spends(&signed, &coins);
        assert_eq!(daemon.kms_effects(Operation::Sign), before + 6);
        let expected: Vec<_> = owned
            .iter()
            .enumerate()
            .map(|(input, (wallet, _))| json!({ "input": input, "walletId": wallet["walletId"], "sighashType": "ALL" }))
            .collect();
        assert_eq!(signed["signed"], json!(expected));
    }
    let wallet = daemon.wallet("DOGE");
    let coins = [(script(&wallet, Kind::P2pkh), 500_000_000), (script(&wallet, Kind::P2pkh), 700_000_000)];
    let to = ScriptBuf::new_p2pkh(&bitcoin::PubkeyHash::from_byte_array([9; 20]));
    let signed = daemon.ok("utxo_signPsbt", params("DOGE", &psbt(&coins, &[(to, 1_190_000_000)], 10)));
    assert_spends(&signed, &coins);
    daemon.assert_audit_is_whole();
}

#[test]
fn sign_psbt_again_gives_the_same_bytes_and_another_spend_of_its_coin_conflicts() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    let coins = [(script(&wallet, Kind::P2wpkh), 100_000), (script(&wallet, Kind::P2pkh), 100_000)];
    let first = psbt(&coins, &[(stranger(9), 190_000)], 10);
    let signed = daemon.ok("utxo_signPsbt", params("BTC", &first));
    let asked = daemon.kms_log(Operation::Sign).len();
    assert_eq!(daemon.ok("utxo_signPsbt", params("BTC", &first)), signed, "by the coins");
    let identified = with(params("BTC", &first), "requestId", "r");
    assert_eq!(daemon.ok("utxo_signPsbt", identified.clone()), signed);
    assert_eq!(daemon.ok("utxo_signPsbt", identified), signed, "by the requestId");
    // Not finalized it has the same signatures.
    let partial = answered(&daemon.ok("utxo_signPsbt", with(params("BTC", &first), "finalize", false)));
    let signatures: Vec<_> = partial.inputs.iter().map(|input| input.partial_sigs.values().next().unwrap().to_vec()).collect();
    let spent = answered(&signed);
    assert_eq!(spent.inputs[0].final_script_witness.as_ref().unwrap().nth(0), Some(&signatures[0][..]));
    assert_eq!(daemon.kms_log(Operation::Sign).len(), asked, "KMS is asked for no signature twice");

    let other = psbt(&coins[..1], &[(stranger(8), 90_000)], 10);
    let error = daemon.fails("CONFLICT", "utxo_signPsbt", params("BTC", &other));
    assert_eq!(error["data"]["field"], "outpoint", "{error}");
    let mut none = first.clone();
    none.inputs[0].sighash_type = Some(EcdsaSighashType::None.into());
    daemon.fails("CONFLICT", "utxo_signPsbt", params("BTC", &none));
    assert_eq!(daemon.kms_log(Operation::Sign).len(), asked);
}

#[test]
fn sign_psbt_without_finalizing_answers_the_psbt_with_signatures_alone() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    let coins: Vec<_> = KINDS.iter().map(|kind| (script(&wallet, *kind), 50_000)).collect();
    let asked = psbt(&coins, &[(stranger(9), 140_000)], 10);
    let signed = daemon.ok("utxo_signPsbt", with(params("BTC", &asked), "finalize", false));
    assert_eq!((&signed["complete"], signed.get("transaction"), signed.get("txid")), (&json!(true), None, None));
    let mut partial = answered(&signed);
    assert_eq!(partial.unsigned_tx, asked.unsigned_tx);
    for input in &mut partial.inputs {
        let key: PublicKey = wallet["publicKey"].as_str().unwrap().parse().unwrap();
        assert_eq!(input.partial_sigs.keys().collect::<Vec<_>>(), [&key]);
        input.partial_sigs.clear();
        input.redeem_script = None;
    }
    assert_eq!(partial, asked, "nothing else changed");
    // What came back is signed as it stands, and finalized.
    let again = json!({ "asset": "BTC", "psbt": signed["psbt"] });
    assert_spends(&daemon.ok("utxo_signPsbt", again), &coins);
}

#[test]
fn sign_psbt_names_the_input_that_is_not_to_be_signed() {
    let daemon = Daemon::start();
    let (wallet, litecoin) = (daemon.wallet("BTC"), daemon.wallet("LTC"));
    let own = |kind| (script(&wallet, kind), 50_000);
    let asked = |second| psbt(&[own(Kind::P2wpkh), second, own(Kind::P2pkh)], &[(stranger(9), 140_000)], 10);

    refuses(&daemon, params("BTC", &asked((stranger(5), 50_000))), "foreignInput", "input 1 belongs to no wallet here");
    // Another chain's wallet is no wallet of this one, though its scripts look the same.
    let of_litecoin = asked((script(&litecoin, Kind::P2wpkh), 50_000));
    refuses(&daemon, params("BTC", &of_litecoin), "foreignInput", "input 1 belongs to no wallet here");
    refuses(&daemon, params("DOGE", &asked(own(Kind::P2pkh))), "foreignInput", "input 0");

    // Whose key it is, the PSBT may say as it likes.
    let mut claimed = asked((stranger(5), 50_000));
    let key = wallet["publicKey"].as_str().unwrap().parse().unwrap();
    claimed.inputs[1].bip32_derivation.insert(key, Default::default());
    refuses(&daemon, params("BTC", &claimed), "foreignInput", "input 1 belongs to no wallet here");

    let mut forged = asked(own(Kind::P2shP2wpkh));
    let mut richer = forged.inputs[1].non_witness_utxo.clone().unwrap();
    richer.output[1].value = Amount::from_sat(50_000_000);
    forged.inputs[1].witness_utxo = Some(richer.output[1].clone());
    refuses(&daemon, params("BTC", &forged), "amount", "input 1");
    forged.inputs[1].non_witness_utxo = Some(richer);
    refuses(&daemon, params("BTC", &forged), "amount", "input 1 spends from");

    let mut wrong = asked(own(Kind::P2shP2wpkh));
    wrong.inputs[1].redeem_script = Some(stranger(7));
    refuses(&daemon, params("BTC", &wrong), "redeemScript", "input 1");

    let mut taproot = asked(own(Kind::P2wpkh));
    taproot.inputs[1].tap_merkle_root = Some(bitcoin::TapNodeHash::from_byte_array([1; 32]));
    refuses(&daemon, params("BTC", &taproot), "unknownField", "input 1 has PSBT_IN_TAP_MERKLE_ROOT: taproot needs Schnorr");

    let mut odd = asked(own(Kind::P2wpkh));
    odd.inputs[1].sighash_type = Some(PsbtSighashType::from_u32(0));
    refuses(&daemon, params("BTC", &odd), "sighash", "input 1");

    let mut final_already = asked(own(Kind::P2wpkh));
    final_already.inputs[1].final_script_sig = Some(ScriptBuf::from_bytes(vec![0x51]));
    refuses(&daemon, params("BTC", &final_already), "alreadySigned", "input 1");

    let spends_more = psbt(&[own(Kind::P2wpkh)], &[(stranger(9), 50_001)], 10);
    refuses(&daemon, params("BTC", &spends_more), "amount", "the outputs are worth 50001, the inputs only 50000");

    // Nothing of that took a coin: it can be spent still.
    let good = asked(own(Kind::P2shP2wpkh));
    daemon.ok("utxo_signPsbt", params("BTC", &good));
    daemon.assert_audit_is_whole();
}

#[test]
fn sign_psbt_with_a_witness_utxo_alone_needs_the_configuration() {
    let asked = |wallet: &Value, kind| {
        let mut asked = psbt(&[(script(wallet, kind), 50_000)], &[(stranger(9), 49_000)], 10);
        asked.inputs[0].witness_utxo = Some(asked.inputs[0].non_witness_utxo.take().unwrap().output[1].clone());
        asked
    };
    let strict = Daemon::start();
    let wallet = strict.wallet("BTC");
    for kind in KINDS {
        refuses(&strict, params("BTC", &asked(&wallet, kind)), "amountNotProven", "input 0 claims its amount");
    }
    let lax = Daemon::with_settings(&[("KMSIGND__NETWORKS__ALLOW_WITNESS_UTXO_ONLY", "true")]);
    let wallet = lax.wallet("BTC");
    for kind in [Kind::P2wpkh, Kind::P2shP2wpkh] {
        let signed = lax.ok("utxo_signPsbt", params("BTC", &asked(&wallet, kind)));
        assert_spends(&signed, &[(script(&wallet, kind), 50_000)]);
    }
    refuses(&lax, params("BTC", &asked(&wallet, Kind::P2pkh)), "amountNotProven", "input 0 claims its amount");

    // Two claims about one coin's amount are never both signed: together they could burn what neither said.
    let coins = [(script(&wallet, Kind::P2wpkh), 50_000), (script(&wallet, Kind::P2wpkh), 50_000)];
    let mut claim = psbt(&coins, &[(stranger(9), 60_000)], 30);
    for input in &mut claim.inputs {
        input.witness_utxo = Some(input.non_witness_utxo.take().unwrap().output[1].clone());
    }
    lax.ok("utxo_signPsbt", params("BTC", &claim));
    claim.inputs[1].witness_utxo.as_mut().unwrap().value = Amount::from_sat(40_000);
    lax.fails("CONFLICT", "utxo_signPsbt", params("BTC", &claim));
}

#[test]
fn sign_psbt_with_another_sighash_needs_the_action_sign_partial() {
    let uid = nix::unistd::geteuid().as_raw();
    let without = dev_policy(uid).replace("    Action::\"signPartial\",\n", "");
    assert_ne!(without, dev_policy(uid));
    let daemon = Daemon::with_policy(&without, &[]);
    let wallet = daemon.wallet("BTC");
    let sighashes = [
        (EcdsaSighashType::None, "NONE"),
        (EcdsaSighashType::Single, "SINGLE"),
        (EcdsaSighashType::AllPlusAnyoneCanPay, "ALL|ANYONECANPAY"),
        (EcdsaSighashType::NonePlusAnyoneCanPay, "NONE|ANYONECANPAY"),
        (EcdsaSighashType::SinglePlusAnyoneCanPay, "SINGLE|ANYONECANPAY"),
    ];
    let coins: Vec<_> = KINDS.iter().map(|kind| (script(&wallet, *kind), 50_000)).collect();
    let outputs = [(stranger(7), 40_000), (stranger(8), 40_000), (stranger(9), 40_000)];
    let asked = |sighash: EcdsaSighashType, series| {
        let mut asked = psbt(&coins, &outputs, series);
        asked.inputs[1].sighash_type = Some(sighash.into());
        asked
    };
    for (sighash, _) in sighashes {
        let error = daemon.fails("DENIED", "utxo_signPsbt", params("BTC", &asked(sighash, 10)));
        assert!(error["message"].as_str().unwrap().contains("signPartial"), "{error}");
    }
    assert_eq!(daemon.kms_log(Operation::Sign).len(), 0);
    daemon.ok("utxo_signPsbt", params("BTC", &asked(EcdsaSighashType::All, 10)));
    daemon.set_policy(&dev_policy(uid));
    for ((sighash, word), series) in sighashes.into_iter().zip([20, 30, 40, 50, 60]) {
        let signed = daemon.ok("utxo_signPsbt", params("BTC", &asked(sighash, series)));
        assert_spends(&signed, &coins);
        let words: Vec<_> = (0..3).map(|input| signed["signed"][input]["sighashType"].as_str().unwrap().to_owned()).collect();
        assert_eq!(words, ["ALL", word, "ALL"]);
    }
}

#[test]
fn sign_psbt_with_a_fee_over_the_limit_is_refused_and_says_so_when_explained() {
    let mut daemon = Daemon::stopped(&dev_policy(nix::unistd::geteuid().as_raw()), &[]);
    daemon.add_config("[[limits.max_fee]]\nasset = \"BTC\"\namount = 1000\n");
    daemon.start_again();
    let wallet = daemon.wallet("BTC");
    let asked = |fee: u64| psbt(&[(script(&wallet, Kind::P2wpkh), 50_000)], &[(stranger(9), 50_000 - fee)], 10);
    refuses(&daemon, params("BTC", &asked(1001)), "maxFee", "the fee may come to 1001");
    let explained = daemon.ok("policy_explain", json!({ "method": "utxo_signPsbt", "params": params("BTC", &asked(1001)) }));
    assert_eq!(explained["decision"], "deny", "{explained}");
    daemon.ok("utxo_signPsbt", params("BTC", &asked(1000)));
}

#[test]
fn explain_a_psbt_tells_change_from_recipients_and_names_wallets_that_do_not_sign() {
    let daemon = Daemon::start();
    let [payer, other, disabled] = [daemon.wallet("BTC"), daemon.wallet("BTC"), daemon.wallet("BTC")];
    daemon.ok("wallet_disable", json!({ "walletId": disabled["walletId"], "reason": "a test" }));
    let outputs = [
        (stranger(9), 10_000),
        (script(&payer, Kind::P2pkh), 20_000),
        (script(&other, Kind::P2wpkh), 30_000),
        (script(&disabled, Kind::P2shP2wpkh), 35_000),
    ];
    let asked = psbt(&[(script(&payer, Kind::P2wpkh), 100_000)], &outputs, 10);
    let explained = daemon.ok("policy_explain", json!({ "method": "utxo_signPsbt", "params": params("BTC", &asked) }));
    let summary = &explained["summary"];
    assert_eq!(explained["decision"], "allow", "{explained}");
    assert_eq!((&summary["totalOut"], &summary["fee"]), (&json!(75_000), &json!(5_000)), "{summary}");
    let told: Vec<_> = summary["effects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|effect| json!([effect["kind"], effect["amount"], effect["toOwnWallet"]]))
        .collect();
    let expected = [
        json!(["transfer", 10_000, false]),
        json!(["transfer", 30_000, true]),
        json!(["transfer", 35_000, false]),
        json!(["fee", 5_000, false]),
    ];
    assert_eq!(told, expected);
    let (address, id) = (summary["effects"][2]["recipient"].as_str().unwrap(), disabled["walletId"].as_str().unwrap());
    let warning = format!("{address} is the address of the wallet {id}, which is DISABLED and can't sign.");
    assert!(summary["warnings"].as_array().unwrap().contains(&json!(warning)), "{summary}");
    assert_eq!(summary["details"]["txid"], asked.unsigned_tx.compute_txid().to_string());
    assert_eq!(daemon.kms_log(Operation::Sign).len(), 0);

    // A wallet that does not sign does not pay.
    let from_disabled = psbt(&[(script(&disabled, Kind::P2wpkh), 100_000)], &outputs[..1], 20);
    daemon.fails("KEY_NOT_USABLE", "utxo_signPsbt", params("BTC", &from_disabled));
}

#[test]
fn explain_a_psbt_by_which_one_wallet_pays_another_that_puts_in_a_grain() {
    let daemon = Daemon::start();
    let [cold, hot] = [daemon.wallet("BTC"), daemon.wallet("BTC")];
    let coins = [(script(&cold, Kind::P2wpkh), 1_000_000), (script(&hot, Kind::P2wpkh), 1_000)];
    let asked = psbt(&coins, &[(script(&hot, Kind::P2pkh), 1_000_000)], 10);
    let explained = daemon.ok("policy_explain", json!({ "method": "utxo_signPsbt", "params": params("BTC", &asked) }));
    let summary = &explained["summary"];
    assert_eq!((&summary["totalOut"], &summary["fee"]), (&json!(999_000), &json!(1_000)), "{summary}");
    let effect = &summary["effects"][0];
    assert_eq!((&effect["amount"], &effect["toOwnWallet"]), (&json!(999_000), &json!(true)), "{summary}");
    assert_eq!(effect["recipient"], summary["details"]["outputs"][0]["address"]);
    assert_spends(&daemon.ok("utxo_signPsbt", params("BTC", &asked)), &coins);
}

/// Whoever may not read a wallet hears of its coin what is said of a stranger's.
#[test]
fn first_foreign_input_is_the_same_for_a_hidden_wallet_as_for_nobodys() {
    let mut daemon = Daemon::start();
    let [open, hidden] = [daemon.wallet("BTC"), daemon.wallet("BTC")];
    daemon.stop();
    let store = Store::open(&daemon.database_path(), Arc::new(SystemClock)).unwrap();
    let networks = Networks::new(&NetworkDefaults::default(), &[]).unwrap();
    let network = networks.resolve("BTC", open["network"].as_str()).unwrap();
    let tokens = Tokens::default();
    let lookup = Lookup { store: &store, networks: &networks, tokens: &tokens, allow_witness_utxo_only: false };
    let found = |coins: &[ScriptBuf], hides: bool, change: &dyn Fn(&mut Psbt)| {
        let coins: Vec<_> = coins.iter().map(|script| (script.clone(), 50_000)).collect();
        let mut asked = psbt(&coins, &[(stranger(9), 10_000)], 10);
        change(&mut asked);
        let request = kmsignd::chains::utxo::psbt::parse(&BASE64.encode(asked.serialize())).unwrap();
        let may_read = |wallet: &Wallet| !hides || hidden["walletId"] != wallet.wallet_id.to_string();
        sign_psbt::first_foreign(&lookup, &network, &request, &may_read).unwrap()
    };
    let own = |wallet| script(wallet, Kind::P2wpkh);
    let nothing = |_: &mut Psbt| {};
    assert_eq!(found(&[own(&open), own(&hidden)], true, &nothing), Some(1));
    assert_eq!(found(&[own(&open), own(&hidden)], false, &nothing), None);
    assert_eq!(found(&[own(&open), stranger(5), own(&hidden)], true, &nothing), Some(1));
    assert_eq!(found(&[own(&hidden), stranger(5)], true, &nothing), Some(0));
    assert_eq!(found(&[script(&open, Kind::P2pkh), script(&hidden, Kind::P2pkh)], true, &nothing), Some(1), "in every form");
    assert_eq!(found(&[own(&open), stranger(5)], true, &nothing), None, "nothing is hidden");
    let spoilt = |asked: &mut Psbt| asked.inputs[0].sighash_type = Some(PsbtSighashType::from_u32(0));
    assert_eq!(found(&[own(&open), own(&hidden)], true, &spoilt), None, "that is wrong whosever the coins are");
}

#[test]
fn sign_psbt_of_two_hundred_inputs_is_all_or_nothing() {
    let daemon = Daemon::start();
    let wallets = [daemon.wallet("BTC"), daemon.wallet("BTC"), daemon.wallet("BTC")];
    let coins: Vec<_> = (0..200).map(|index| (script(&wallets[index % 3], KINDS[index % 2 + 1]), 10_000)).collect();
    let asked = params("BTC", &psbt(&coins, &[(stranger(9), 1_900_000)], 20));
    daemon.fault(Operation::Sign, Fault::Deny, 1);
    let error = daemon.fails("KMS_REFUSED", "utxo_signPsbt", asked.clone());
    assert!(!error.to_string().contains("cHNidP"), "nothing of what the others gave leaves: {error}");
    let signed = daemon.ok("utxo_signPsbt", asked);
    assert_spends(&signed, &coins);
    daemon.assert_audit_is_whole();
}

#[test]
fn sign_psbt_of_version_2_answers_in_version_2() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    let coins: Vec<_> = KINDS.iter().map(|kind| (script(&wallet, *kind), 50_000)).collect();
    let outputs = [(stranger(9), 100_000), (script(&wallet, Kind::P2wpkh), 40_000)];
    let built = psbt(&coins, &outputs, 10);
    let mut second = psbt_v2::v2::Creator::new().constructor_modifiable();
    for (input, made_by) in built.unsigned_tx.input.iter().zip(&built.inputs) {
        let mut spent = psbt_v2::v2::Input::new(&input.previous_output);
        spent.non_witness_utxo = made_by.non_witness_utxo.clone();
        second = second.input(spent);
    }
    for output in &built.unsigned_tx.output {
        second = second.output(psbt_v2::v2::Output::new(output.clone()));
    }
    let asked = json!({ "asset": "BTC", "psbt": BASE64.encode(second.psbt().unwrap().serialize()) });
    let signed = daemon.ok("utxo_signPsbt", with(asked.clone(), "finalize", false));
    let partial = psbt_v2::v2::Psbt::deserialize(&BASE64.decode(signed["psbt"].as_str().unwrap()).unwrap()).unwrap();
    assert_eq!(partial.global.tx_modifiable_flags, 0, "what is signed is not modifiable");
    assert!(partial.inputs.iter().all(|input| input.partial_sigs.len() == 1));
    let signed = daemon.ok("utxo_signPsbt", asked);
    let bytes = hex::decode(signed["transaction"].as_str().unwrap()).unwrap();
    for (index, (script, amount)) in coins.iter().enumerate() {
        bitcoinconsensus::verify(script.as_bytes(), *amount, &bytes, None, index).unwrap();
    }
    // It is the same content as in version 0: no coin is spent twice by writing it otherwise.
    let asked_kms = daemon.kms_log(Operation::Sign).len();
    let as_version_0 = daemon.ok("utxo_signPsbt", params("BTC", &built));
    assert_eq!((&as_version_0["transaction"], daemon.kms_log(Operation::Sign).len()), (&signed["transaction"], asked_kms));
}
