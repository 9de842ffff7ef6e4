//! Every parameter of every method, given everything it must not be. Each error names the parameter, nothing is done, and the
//! connection lives on.

use kmsignd::emulator::Operation;
use kmsignd::rpc::methods::{METHODS, Method, Param, ParamType};
use serde_json::{Value, json};

use crate::harness::{Caller, Daemon};
use crate::method_examples::{DIGEST, Fixture, came_through, examples};

/// What each type of parameter refuses, whatever method it is of. A type without a row here does not compile.
fn bad_values(kind: ParamType) -> Vec<Value> {
    let long = |count: usize| json!("x".repeat(count));
    let values = match kind {
        ParamType::UserId => vec![json!(""), json!("a b"), json!("é"), json!("a\u{0}"), json!("a'b"), long(129)],
        ParamType::Asset => vec![json!(""), json!("XYZ"), json!("BTC "), json!("SOLANA"), long(5000)],
        ParamType::Network => vec![json!(""), json!("no-such"), json!("amoy"), json!("testnet ")],
        ParamType::AddressType => vec![json!(""), json!("p2tr"), json!("eip55"), json!("P2WPKH"), json!("bech32"), json!("base")],
        ParamType::Label | ParamType::RequestId | ParamType::OnBehalfOf => {
            vec![json!(""), json!("a\tb"), json!("\u{7f}"), long(129)]
        }
        ParamType::Reason => vec![json!(""), json!("a\tb"), json!("\u{7f}"), long(257)],
        ParamType::WalletId | ParamType::StakeWalletId | ParamType::FreezeId => vec![
            json!(""),
            json!("0197b2a0"),
            json!("00000000-0000-4000-8000-000000000000"),
            json!("0197b2a07c1e7d3a9f002b1c3d4e5f60"),
            json!("{0197b2a0-7c1e-7d3a-9f00-2b1c3d4e5f60}"),
        ],
        ParamType::KeyArn => vec![
            json!(""),
            json!("alias/hot"),
            json!("arn:aws:kms:eu-central-1:111122223333:alias/hot"),
            json!("1234abcd-12ab-34cd-56ef-1234567890ab"),
            json!("arn:aws:s3:eu-central-1:111122223333:key/1234abcd"),
            json!("arn:aws:kms:eu-central-1:1:key/1234abcd"),
            json!("arn:aws:kms:eu-central-1:111122223333:key/a/b"),
            json!(format!("arn:aws:kms:eu-central-1:111122223333:key/{}", "a".repeat(300))),
        ],
        // Any text may be asked about; see the reads.
        ParamType::Address => vec![],
        ParamType::KeySpec => vec![json!(""), json!("RSA_2048"), json!("ECC_NIST_EDWARDS25519"), json!("ecc_secg_p256k1")],
        ParamType::Digest => vec![
            json!(""),
            json!("0x"),
            json!("00".repeat(31)),
            json!("00".repeat(33)),
            json!("00".repeat(64)),
            json!("0".repeat(63)),
            json!("g0".repeat(32)),
            json!(format!("0x0x{}", "00".repeat(31))),
            json!(format!(" {DIGEST}")),
        ],
        ParamType::Status => vec![json!(""), json!("created"), json!("GONE")],
        ParamType::Limit => vec![json!(0), json!(1001), json!(-1), json!(1.5), json!("10"), json!(1e99), json!(u64::MAX)],
        ParamType::Cursor => vec![json!(""), json!("1"), json!("00000000-0000-4000-8000-000000000000")],
        ParamType::Sequence => vec![json!(-1), json!(1.5), json!("1"), json!(1_u64 << 63), json!(u64::MAX)],
        ParamType::MethodName => vec![json!(""), json!("no_such"), json!("policy_explain"), json!("WALLET_GET")],
        ParamType::Params => vec![json!(1), json!("{}"), json!(true)],
        ParamType::XrpTransaction => vec![json!(""), json!([]), json!({}), json!({ "TransactionType": "Payment" })],
        ParamType::MultiSign => vec![json!("true"), json!(1)],
        ParamType::DestinationTag => vec![json!(-1), json!(1.5), json!("1"), json!(1_u64 << 32)],
        ParamType::SolanaTransaction => vec![json!(""), json!("?"), json!("AAAA"), json!([])],
        ParamType::MessageBase64 => vec![json!("?"), json!([]), json!(1)],
        ParamType::CardanoTransaction => vec![json!(""), json!("0x"), json!("zz"), json!("84"), json!({})],
        ParamType::ResolvedInputs => vec![json!(""), json!({}), json!([1]), json!([{}])],
        // Any text may be typed back; see the deletions.
        ParamType::Confirmation => vec![],
        ParamType::EvmTransaction => vec![json!("0x"), json!(7), json!(true), json!([])],
        ParamType::MessageBytes => vec![json!("0x0"), json!("hello"), json!(" 00"), json!(format!("0x{}", "00".repeat(65_537)))],
        ParamType::MessageText => vec![long(65_537)],
        ParamType::NoPassword => vec![json!("secret"), json!(" ")],
        ParamType::TypedData => vec![json!(""), json!("x"), json!("[]"), json!(7), json!(true)],
        ParamType::Quantity => {
            vec![json!(""), json!("7"), json!("0x"), json!("0xg"), json!(-1), json!(1.5), json!("0x10000000000000000")]
        }
        ParamType::Psbt => vec![json!(""), json!("cHNidA=="), json!("cHNidP8"), json!("!"), json!("70736274ff")],
        ParamType::Finalize => vec![json!("true"), json!(1), json!(0)],
        ParamType::MessageFormat => vec![json!(""), json!("BIP322"), json!("electrum")],
        ParamType::WindowDays => vec![json!(0), json!(6), json!(31), json!(-7), json!(7.5), json!("7"), json!(u64::MAX)],
    };
    let of_other_types = [json!(true), json!(7), json!({}), json!([]), json!(["BTC"])];
    let text = !matches!(
        kind,
        ParamType::Limit
            | ParamType::Sequence
            | ParamType::WindowDays
            | ParamType::Params
            | ParamType::EvmTransaction
            | ParamType::TypedData
            | ParamType::Quantity
            | ParamType::Finalize
            | ParamType::MultiSign
            | ParamType::DestinationTag
    );
    let wrong_types = of_other_types.into_iter().filter(|_| text);
    let never_numbers = [json!(true), json!({}), json!([1])]
        .into_iter()
        .filter(|_| matches!(kind, ParamType::Limit | ParamType::Sequence | ParamType::WindowDays));
    values.into_iter().chain(wrong_types).chain(never_numbers).collect()
}

/// Good parameters beside which `param` counts.
fn beside(method: &Method, param: &Param, fixture: &Fixture, example: &Value) -> Value {
    match (method.name, param.name) {
        ("wallet_get", "asset") => json!({ "address": fixture.address }),
        ("wallet_get", "network") => json!({ "address": fixture.address, "asset": "ETH" }),
        ("wallet_list", "network") => json!({ "asset": "ETH" }),
        _ => example.clone(),
    }
}

/// Runs `check` on every method with its example, on one connection that must outlive them all.
fn for_every_method(check: impl Fn(&mut Caller, &Method, &Fixture, &Value)) {
    let daemon = Daemon::with_settings(&[("KMSIGND__KEYS__ALLOW_DELETION", "true")]);
    let fixture = Fixture::new(&daemon);
    let mut caller = daemon.connect();
    for (name, _, example) in examples(&fixture) {
        check(&mut caller, METHODS.iter().find(|row| row.name == name).unwrap(), &fixture, &example);
    }
    caller.ok("wallet_get", json!({ "walletId": fixture.wallet_id }));
    assert_eq!(daemon.query("SELECT count(*) FROM wallets WHERE status NOT IN ('CREATED', 'PENDING_DELETION')"), "0");
    daemon.assert_audit_is_whole();
}

#[track_caller]
fn refuses(caller: &mut Caller, field: &str, method: &str, params: Value) -> String {
    let error = caller.fails("INVALID_PARAMS", method, params.clone());
    let named = error["data"]["field"].as_str().unwrap();
    // Of a list it may be a part.
    assert!(named == field || named.starts_with(&format!("{field}[")), "{method} {params}: {error}");
    let message = error["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with(&format!("{named}: ")) && message.len() > named.len() + 4, "{method} {params}: {message}");
    message
}

#[test]
fn call_with_a_bad_value_in_any_parameter_names_it() {
    let daemon = Daemon::start();
    let fixture = Fixture::new(&daemon);
    let mut caller = daemon.connect();
    for (name, _, example) in examples(&fixture) {
        let method = METHODS.iter().find(|row| row.name == name).unwrap();
        for param in method.params {
            for bad in bad_values(param.kind) {
                let mut params = beside(method, param, &fixture, &example);
                params[param.name] = bad;
                refuses(&mut caller, param.name, name, params);
            }
        }
    }
    assert_eq!(
        (daemon.kms_log(Operation::CreateKey).len(), daemon.kms_log(Operation::Sign).len()),
        (Fixture::WALLETS, 0),
        "nothing was done"
    );
    // What is found out by decoding alone is recorded as refused.
    let mut records = daemon.audit();
    records.retain(|record| record["kind"] != "refusal");
    assert_eq!(records.len(), 1 + 2 * Fixture::WALLETS, "a start and the wallets");
}

#[test]
fn call_without_a_required_parameter_names_it() {
    for_every_method(|caller, method, _, example| {
        for param in method.params.iter().filter(|param| param.required) {
            let mut params = example.clone();
            params[param.name] = Value::Null;
            refuses(caller, param.name, method.name, params.clone());
            params.as_object_mut().unwrap().remove(param.name);
            refuses(caller, param.name, method.name, params);
        }
    });
}

#[test]
fn call_with_null_for_an_optional_parameter_counts_it_as_absent() {
    for_every_method(|caller, method, _, example| {
        let mut params = example.clone();
        for param in method.params.iter().filter(|param| example.get(param.name).is_none()) {
            params[param.name] = Value::Null;
        }
        let outcome = caller.call(method.name, params);
        assert!(came_through(method.name, &outcome), "{}: {outcome:?}", method.name);
    });
}

#[test]
fn call_with_an_unknown_parameter_names_it_and_the_nearest() {
    for_every_method(|caller, method, _, example| {
        let mut params = example.clone();
        params["callerUid"] = json!(0);
        refuses(caller, "callerUid", method.name, params);
        if let Some(param) = method.params.first() {
            let mut params = example.clone();
            let misspelled = format!("{}s", param.name);
            params[&misspelled] = json!("x");
            let message = refuses(caller, &misspelled, method.name, params);
            assert!(message.contains(&format!("`{}`", param.name)), "{message}");
        }
    });
    let daemon = Daemon::start();
    let error = daemon.fails("INVALID_PARAMS", "eth_accounts", json!({ "x".repeat(10_000): 1 }));
    assert!(error.to_string().len() < 500, "a name is not sent back at any length");
}

#[test]
fn call_by_position_is_taken_where_the_row_says_so() {
    for_every_method(|caller, method, _, example| {
        let positional: Vec<&Param> = method.params.iter().filter(|param| !param.by_name_only).collect();
        if !method.by_position {
            refuses(caller, "params", method.name, json!(["x"]));
            if method.params.iter().all(|param| !param.required) && method.name != "wallet_get" {
                caller.ok(method.name, json!([]));
            }
            return;
        }
        let good: Vec<Value> = positional.iter().map(|param| example.get(param.name).cloned().unwrap_or_default()).collect();
        caller.ok(method.name, json!(good));
        let mut long = good.clone();
        long.push(json!("one more"));
        refuses(caller, "params", method.name, json!(long));
        for (place, param) in positional.iter().enumerate() {
            for bad in bad_values(param.kind) {
                let mut values = good.clone();
                values[place] = bad;
                refuses(caller, param.name, method.name, json!(values));
            }
            if param.required {
                refuses(caller, param.name, method.name, json!(good[..place]));
            }
        }
    });
}

#[test]
fn call_with_params_that_are_no_container_or_have_a_key_twice_is_refused() {
    let daemon = Daemon::start();
    let mut caller = daemon.connect();
    for method in METHODS {
        for params in ["7", "\"x\"", "true"] {
            caller.send_raw(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}","params":{params}}}"#, method.name));
            let error = caller.receive()["error"].take();
            assert!(matches!(error["data"]["kind"].as_str(), Some("INVALID_REQUEST" | "INVALID_PARAMS")), "{error}");
        }
        for twice in [r#"{"userId":"a","userId":"a"}"#, r#"{"x":{"a":1,"\u0061":2}}"#] {
            caller.send_raw(&format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}","params":{twice}}}"#, method.name));
            assert_eq!(caller.receive()["error"]["data"]["kind"], "PARSE_ERROR", "{} {twice}", method.name);
        }
    }
    caller.ok("eth_accounts", json!([]));
}

#[test]
fn call_with_a_key_that_is_no_wallets_is_not_found_in_that_parameter() {
    let daemon = Daemon::start();
    let wallet = daemon.wallet("BTC");
    let own = wallet["kmsKeyId"].as_str().unwrap();
    let others = [
        own.replace("key/", "key/ffff"),
        own.replace("eu-central-1", "us-west-2"),
        own.replace("111122223333", "444455556666"),
        own.replace("arn:aws:", "arn:aws-cn:"),
    ];
    for key in others {
        for (field, method, params) in [
            ("keyId", "kms_signTransactionHash", json!([key, DIGEST])),
            ("keyId", "kms_getPublicKey", json!([key])),
            ("kmsKeyId", "wallet_get", json!({ "kmsKeyId": key })),
        ] {
            let error = daemon.fails("NOT_FOUND", method, params);
            assert_eq!(error["data"]["field"], field, "{error}");
            assert!(!error.to_string().contains("arn:"), "{error}");
        }
    }
    assert_eq!(daemon.kms_log(Operation::Sign).len(), 0);
}

#[test]
fn wallet_get_takes_exactly_one_name_of_the_wallet() {
    let daemon = Daemon::start();
    let Fixture { wallet_id, key_id, address, .. } = Fixture::new(&daemon);
    let mut caller = daemon.connect();
    for params in [
        json!({}),
        json!({ "walletId": wallet_id, "kmsKeyId": key_id }),
        json!({ "walletId": wallet_id, "address": address }),
        json!({ "kmsKeyId": key_id, "address": address }),
    ] {
        refuses(&mut caller, "walletId", "wallet_get", params);
    }
    refuses(&mut caller, "asset", "wallet_get", json!({ "address": address, "network": "sepolia" }));
    refuses(&mut caller, "asset", "wallet_list", json!({ "network": "sepolia" }));
    for with_id in [json!({ "walletId": wallet_id, "asset": "BTC" }), json!({ "kmsKeyId": key_id, "asset": "ETH" })] {
        refuses(&mut caller, "asset", "wallet_get", with_id);
    }
    refuses(&mut caller, "network", "wallet_get", json!({ "walletId": wallet_id, "network": "sepolia" }));
}

#[test]
fn create_with_what_kms_cannot_do_says_why() {
    let daemon = Daemon::start();
    let mut caller = daemon.connect();
    let create = |extra: Value| {
        let mut params = json!({ "userId": "user123", "asset": "BTC" });
        params.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        params
    };
    let taproot = refuses(&mut caller, "addressType", "wallet_create", create(json!({ "addressType": "p2tr" })));
    assert!(taproot.contains("Schnorr"), "{taproot}");
    let unknown = refuses(&mut caller, "asset", "wallet_create", create(json!({ "asset": "XYZ" })));
    assert!(unknown.contains("BTC") && unknown.contains("MATIC"), "it lists what there is: {unknown}");
    let network = refuses(&mut caller, "network", "wallet_create", create(json!({ "network": "sepolia" })));
    assert!(network.contains("signet"), "{network}");
    let doge = create(json!({ "asset": "DOGE", "addressType": "p2wpkh" }));
    assert!(refuses(&mut caller, "addressType", "wallet_create", doge).contains("p2pkh"));
    for name in ["derivationPath", "path", "accountIndex", "mnemonic"] {
        let derived = refuses(&mut caller, name, "wallet_create", create(json!({ name: "m/84'/0'/0'" })));
        assert!(derived.contains("not derived") && derived.contains("BIP-32 or CIP-1852"), "{derived}");
        let by_position = json!({ "userId": "user123", "asset": "ADA", name: 0 });
        assert!(refuses(&mut caller, name, "kms_createKey", by_position).contains("not derived"));
    }
}

#[test]
fn explain_with_bad_parameters_of_the_explained_call_names_them_within_params() {
    let daemon = Daemon::start();
    let fixture = Fixture::new(&daemon);
    let mut caller = daemon.connect();
    for (method, field, params) in [
        ("wallet_get", "params.walletId", json!({ "walletId": "x" })),
        ("kms_signTransactionHash", "params.transactionHash", json!([fixture.key_id, "00"])),
        (
            "kms_signTransactionHash",
            "params.requestId",
            json!({ "keyId": fixture.key_id, "transactionHash": DIGEST, "requestId": "" }),
        ),
        ("eth_accounts", "params.x", json!({ "x": 1 })),
    ] {
        refuses(&mut caller, field, "policy_explain", json!({ "method": method, "params": params }));
    }
}

#[test]
fn key_that_serde_json_keeps_to_itself_is_refused() {
    // With it a text would be read as JSON once more, past every check: here as the number 5, and as a wallet id given twice.
    let daemon = Daemon::start();
    for params in [
        json!({ "limit": { "$serde_json::private::RawValue": "5" } }),
        json!({ "$serde_json::private::RawValue": "{\"limit\":5,\"limit\":6}" }),
    ] {
        daemon.fails("PARSE_ERROR", "wallet_list", params);
    }
}

#[test]
fn name_of_a_megabyte_is_refused_without_a_search_for_the_nearest() {
    let daemon = Daemon::start();
    let long = "wallet_gett".repeat(100_000);
    let method = daemon.connect().call(&long, json!({})).unwrap_err();
    assert!(!method["message"].as_str().unwrap().contains("did you mean"), "{method}");
    let param = daemon.connect().call("wallet_get", json!({ long: 1 })).unwrap_err();
    assert!(!param["message"].as_str().unwrap().contains("did you mean"), "{param}");
}
