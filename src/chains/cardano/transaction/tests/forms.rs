//! What is read and what is not, and that a witness changes nothing else.

use super::*;

#[test]
fn a_witness_goes_into_every_form_of_witness_set_and_leaves_the_rest() {
    let witness = |number: u8, tx_id: &[u8; 32]| array(&[bytes(&public(number)), bytes(&key(number).sign(tx_id).to_bytes())]);
    for tags_sets in [false, true] {
        let tag: &[u8] = if tags_sets { &[0xd9, 0x01, 0x02] } else { &[] };
        let body = body(&[(0, [tag, &array(&[input(1, 0)])].concat())]);
        let tx_id = parse(&whole(&body, &map(&[]))).unwrap().tx_id();
        let (one, new) = (witness(2, &tx_id), witness(1, &tx_id));
        let script = array(&[array(&[number(0), bytes(&hash(1))])]);
        let cases: Vec<(&str, Vec<u8>, Vec<u8>)> = vec![
            ("empty", vec![0xa0], [&[0xa1, 0x00], tag, &[0x81], &new].concat()),
            ("empty, head of two bytes", vec![0xb8, 0x00], [&[0xa1, 0x00], tag, &[0x81], &new].concat()),
            ("empty, indefinite", vec![0xbf, 0xff], [&[0xbf, 0x00], tag, &[0x81], &new, &[0xff]].concat()),
            ("others", [&[0xa1, 0x01], &script[..]].concat(), [&[0xa2, 0x00], tag, &[0x81], &new, &[0x01], &script].concat()),
            ("empty array", vec![0xa1, 0x00, 0x80], [&[0xa1, 0x00, 0x81], &new[..]].concat()),
            ("array", [&[0xa1, 0x00, 0x81], &one[..]].concat(), [&[0xa1, 0x00, 0x82], &one[..], &new].concat()),
            (
                "indefinite array",
                [&[0xa1, 0x00, 0x9f], &one[..], &[0xff]].concat(),
                [&[0xa1, 0x00, 0x9f], &one[..], &new, &[0xff]].concat(),
            ),
            (
                "set, all indefinite, key in two bytes, others around",
                [&[0xbf, 0x01], &script[..], &[0x18, 0x00, 0xd9, 0x01, 0x02, 0x9f], &one, &[0xff, 0x05, 0x80, 0xff]].concat(),
                [&[0xbf, 0x01], &script[..], &[0x18, 0x00, 0xd9, 0x01, 0x02, 0x9f], &one, &new, &[0xff, 0x05, 0x80, 0xff]]
                    .concat(),
            ),
            (
                "set, longer head",
                [&[0xa1, 0x00, 0xd9, 0x01, 0x02, 0x99, 0x00, 0x01], &one[..]].concat(),
                [&[0xa1, 0x00, 0xd9, 0x01, 0x02, 0x82], &one[..], &new].concat(),
            ),
        ];
        for (name, before, after) in cases {
            let read = parse(&whole(&body, &before)).unwrap_or_else(|error| panic!("{name}: {error}"));
            let signed = read.signed(&public(1), &key(1).sign(&tx_id).to_bytes()).unwrap();
            assert_eq!(signed.transaction, whole(&body, &after), "{name}");
            assert_eq!(signed.witness, hex::encode(&new));
            decode(&signed.transaction, None).unwrap();
        }
    }
}

#[test]
fn the_body_is_hashed_as_it_came() {
    let plain = parse(&whole(&body(&[]), &map(&[]))).unwrap();
    // The same with a fee in more bytes than it needs, and without a length.
    let wide = body(&[(2, vec![0x1b, 0, 0, 0, 0, 0, 3, 13, 64])]);
    let pairs = &body(&[])[1..];
    let indefinite = [&[0xbf], pairs, &[0xff]].concat();
    for other in [wide, indefinite] {
        let read = parse(&whole(&other, &map(&[]))).unwrap();
        assert_eq!((read.body.fee, read.body_bytes()), (plain.body.fee, &other[..]));
        assert_ne!(read.tx_id(), plain.tx_id());
    }
    // And whole transactions without a length.
    let text = hex::encode([&[0x9f], &body(&[])[..], &[0xa0, 0xf5, 0xf6, 0xff]].concat());
    assert_eq!(parse(&text).unwrap().tx_id(), plain.tx_id());
}

#[track_caller]
fn invalid(text: &str, says: &str) {
    match parse(text) {
        Err(DecodeError::Invalid { field, reason }) => {
            assert_eq!(field, "transaction");
            assert!(reason.contains(says), "{reason} does not say {says}");
        }
        other => panic!("{other:?} instead of {says}"),
    }
}

#[test]
fn what_is_no_transaction_is_refused() {
    let good = whole(&body(&[]), &map(&[]));
    parse(&good).unwrap();
    for short in (0..good.len()).step_by(2) {
        invalid(good.get(..short).unwrap(), if short == 0 { "early" } else { "" });
    }
    invalid(&format!("{good}00"), "goes on");
    invalid("zz", "hex");
    invalid("0", "hex");
    invalid(&"00".repeat(MAX_TRANSACTION_BYTES + 1), "at most 16384");
    invalid(&hex::encode([&[0x85], &body(&[])[..], &[0xa0, 0xf5, 0xf6, 0xf6]].concat()), "too long");
    invalid(&hex::encode([&[0x83], &body(&[])[..], &[0xa0, 0xf6]].concat()), "true or false");
    invalid(&hex::encode([&[0x84], &body(&[])[..], &[0xa0, 0x01, 0xf6]].concat()), "true or false");
    // The metadata of one and the hash of another.
    let with = |body: &[u8], data: &[u8]| hex::encode([&[0x84], body, &[0xa0, 0xf5], data].concat());
    let data = [0xa1, 0x01, 0x61, 0x78];
    let hashed = body(&[(7, bytes(&blake2b_256(&data)))]);
    let read = parse(&with(&hashed, &data)).unwrap();
    assert_eq!(read.auxiliary.unwrap().labels, [1]);
    for wrong in
        [with(&hashed, &[0xf6]), with(&hashed, &[0xa0]), with(&body(&[]), &data), with(&hashed, &[0xa1, 0x18, 0x01, 0x61, 0x78])]
    {
        invalid(&wrong, "auxiliary data");
    }
    for (data, labels) in [
        (vec![0x82, 0xa1, 0x02, 0x00, 0x80], vec![2]),
        (vec![0xd9, 0x01, 0x03, 0xa2, 0x00, 0xa1, 0x19, 0x02, 0xa2, 0x80, 0x01, 0x80], vec![674]),
        (vec![0xd9, 0x01, 0x03, 0xa0], vec![]),
    ] {
        let hashed = body(&[(7, bytes(&blake2b_256(&data)))]);
        assert_eq!(parse(&with(&hashed, &data)).unwrap().auxiliary.unwrap().labels, labels);
    }
}

#[test]
fn what_the_ledger_refuses_of_a_body_is_refused() {
    let refused = |more: &[(u64, Vec<u8>)], says: &str| invalid(&whole(&body(more), &map(&[])), says);
    let token = |names: &[(Vec<u8>, Vec<u8>)]| map(&[(bytes(&[7; 28]), map(names))]);
    let valued = |value: Vec<u8>| array(&[array(&[bytes(&enterprise(2)), value])]);
    let of_tokens = |tokens: Vec<u8>| valued(array(&[number(1), tokens]));
    let reward = [&[0xe0][..], &[5; 28]].concat();

    refused(&[(0, array(&[]))], "no input");
    refused(&[(0, array(&[input(1, 0), input(1, 0)]))], "twice in a set");
    refused(&[(0, array(&[input(1, 0), array(&[bytes(&[1; 32]), vec![0x18, 0x00]])]))], "twice in a set");
    refused(&[(0, array(&[input(1, 65_536)]))], "65535");
    refused(&[(0, array(&[array(&[bytes(&[1; 31]), number(0)])]))], "32 bytes");
    refused(&[(0, array(&[array(&[bytes(&[1; 32])])]))], "too short");
    refused(&[(0, array(&[array(&[bytes(&[1; 32]), number(0), number(0)])]))], "too long");
    refused(&[(0, [&[0xd9, 0x01, 0x03], &array(&[input(1, 0)])[..]].concat())], "an array");
    refused(&[(13, array(&[input(1, 0), input(1, 0)]))], "twice in a set");
    refused(&[(18, array(&[input(1, 0), input(1, 0)]))], "twice in a set");
    refused(&[(14, array(&[bytes(&[1; 28]), bytes(&[1; 28])]))], "twice in a set");
    refused(&[(2, vec![0x20])], "not negative");
    refused(&[(2, vec![0xc2, 0x41, 0x05])], "not negative");
    refused(&[(2, vec![0xfb, 0, 0, 0, 0, 0, 0, 0, 0])], "not negative");
    refused(&[(15, number(2))], "network id");
    refused(&[(11, bytes(&[0; 31]))], "32 bytes");
    refused(&[(7, vec![0x5f, 0x58, 0x20, 0xff])], "one piece");

    refused(&[(1, valued(vec![0x20]))], "not negative");
    refused(&[(1, of_tokens(token(&[(bytes(b"a"), number(0))])))], "amount of 0");
    refused(&[(1, of_tokens(token(&[])))], "without a token");
    refused(&[(1, of_tokens(token(&[(bytes(&[0; 33]), number(1))])))], "32 bytes");
    refused(&[(1, of_tokens(token(&[(bytes(b"a"), number(1)), (bytes(b"a"), number(2))])))], "token twice");
    let twice = map(&[7, 7].map(|policy| (bytes(&[policy; 28]), map(&[(bytes(b"a"), number(1))]))));
    refused(&[(1, of_tokens(twice.clone()))], "policy twice");
    refused(&[(9, twice)], "policy twice");
    refused(&[(9, token(&[(bytes(b"a"), vec![0x3b, 0x80, 0, 0, 0, 0, 0, 0, 0])]))], "64 bits");
    refused(&[(1, of_tokens(token(&[(bytes(b"a"), vec![0x20])])))], "not negative");
    refused(&[(1, array(&[array(&[bytes(&enterprise(2))])]))], "too short");
    refused(&[(1, array(&[array(&[bytes(&reward), number(1)])]))], "reward account");
    refused(&[(1, array(&[array(&[bytes(&[&enterprise(2)[..], &[0]].concat()), number(1)])]))], "an address of Cardano");
    refused(&[(1, array(&[map(&[(number(0), bytes(&enterprise(2)))])]))], "without an address or an amount");
    let output = |more: (u64, Vec<u8>)| array(&[keyed(&[(0, bytes(&enterprise(2))), (1, number(1)), more])]);
    refused(&[(1, output((1, number(1))))], "key twice in an output");
    refused(&[(1, output((2, array(&[number(2), number(0)]))))], "datum");
    refused(&[(1, output((2, array(&[number(1), bytes(&[0])]))))], "tag 24");
    refused(&[(1, output((2, array(&[number(1), vec![0xd8, 0x18, 0x42, 0x00, 0x00]]))))], "goes on after");
    refused(&[(1, output((3, bytes(&[0]))))], "tag 24");
    assert!(parse(&whole(&body(&[(1, output((2, array(&[number(1), vec![0xd8, 0x18, 0x41, 0x00]]))))]), &map(&[]))).is_ok());

    refused(&[(5, map(&[(bytes(&reward), number(1)), (bytes(&reward), number(1))]))], "twice");
    refused(&[(5, map(&[(bytes(&enterprise(1)), number(1))]))], "29 bytes");
    refused(&[(4, array(&[array(&[number(0), array(&[number(2), bytes(&[1; 28])])])]))], "credential");
    refused(&[(4, array(&[array(&[number(9), array(&[number(0), bytes(&[1; 28])]), array(&[number(4)])])]))], "DRep");
    let registration = array(&[number(0), array(&[number(0), bytes(&[1; 28])])]);
    refused(&[(4, array(&[registration.clone(), registration]))], "twice in a set");

    let twice = [&body(&[])[..], &[0x02, 0x00]].concat();
    invalid(&whole(&[&[0xa5], &twice[1..]].concat(), &map(&[])), "key 2 twice");
    for missing in [0_u64, 1, 2] {
        let pairs = [(0, array(&[input(1, 0)])), (1, array(&[])), (2, number(1))];
        let kept: Vec<_> = pairs.into_iter().filter(|(key, _)| *key != missing).collect();
        invalid(&whole(&keyed(&kept), &map(&[])), "has no");
    }
}

#[test]
fn keys_and_certificates_that_are_not_known_are_refused_by_their_number() {
    let certificate = |kind: u64| array(&[array(&[number(kind), bytes(&[1; 28])])]);
    let witnesses = keyed(&[(8, array(&[]))]);
    let output = array(&[keyed(&[(0, bytes(&enterprise(2))), (1, number(1)), (4, number(1))])]);
    for (transaction, says) in [
        (whole(&body(&[(6, array(&[]))]), &map(&[])), "key 6 (update)"),
        (whole(&body(&[(10, number(0))]), &map(&[])), "key 10"),
        (whole(&body(&[(23, number(0))]), &map(&[])), "key 23"),
        (whole(&body(&[]), &witnesses), "key 8"),
        (whole(&body(&[(1, output)]), &map(&[])), "key 4"),
        (whole(&body(&[(4, certificate(5))]), &map(&[])), "type 5"),
        (whole(&body(&[(4, certificate(6))]), &map(&[])), "type 6"),
        (whole(&body(&[(4, certificate(19))]), &map(&[])), "type 19"),
    ] {
        let Err(DecodeError::Refused { rule, reason }) = parse(&transaction) else { panic!("{says}") };
        assert_eq!(rule, Rule::UnknownField);
        assert!(reason.contains(says), "{reason}");
    }
}

#[test]
fn witness_sets_that_say_two_things_are_refused() {
    let witness = array(&[bytes(&public(1)), bytes(&[0; 64])]);
    invalid(&whole(&body(&[]), &keyed(&[(0, array(&[witness.clone(), witness.clone()]))])), "two witnesses of one key");
    invalid(&whole(&body(&[]), &keyed(&[(0, array(&[])), (0, array(&[]))])), "key 0 twice");
    invalid(&whole(&body(&[]), &keyed(&[(0, array(&[array(&[bytes(&public(1)), bytes(&[0; 63])])]))])), "64 bytes");
    invalid(&whole(&body(&[]), &keyed(&[(1, number(0))])), "an array");
    let transaction = whole(&body(&[]), &keyed(&[(0, array(&[witness]))]));
    assert_eq!(rule(decode(&transaction, None)), Rule::AlreadySigned);
}

#[test]
fn a_transaction_that_gets_too_long_by_the_witness_is_refused_before_it_is_signed() {
    let labels = |bytes: usize| [&[0xa1, 0x01, 0x59], &u16::try_from(bytes).unwrap().to_be_bytes()[..], &vec![0; bytes]].concat();
    let with = |bytes_of_data: usize| {
        let data = labels(bytes_of_data);
        let body = body(&[(7, bytes(&blake2b_256(&data)))]);
        hex::encode([&[0x84], &body[..], &[0xa0, 0xf5], &data].concat())
    };
    let witness = 103;
    let most = MAX_TRANSACTION_BYTES - with(0).len() / 2 - witness + 2;
    let (fits, too_long) =
        ((0..=most).rev().find(|size| decode(&with(*size), None).is_ok()).unwrap(), |size| decode(&with(size), None));
    let read = parse(&with(fits)).unwrap();
    let signed = read.signed(&public(1), &key(1).sign(&read.tx_id()).to_bytes()).unwrap();
    assert_eq!(signed.transaction.len() / 2, MAX_TRANSACTION_BYTES);
    let DecodeError::Invalid { reason, .. } = too_long(fits + 1).unwrap_err() else { panic!() };
    assert!(reason.contains("16385 bytes with the wallet's witness"), "{reason}");
}

#[test]
fn resolved_inputs_are_read_in_their_one_form() {
    let good = resolved(&enterprise(1), 5);
    let read = parse_resolved_inputs(&good).unwrap();
    let spelled = json!([{
        "txId": "01".repeat(32), "index": 0, "address": text(&enterprise(1)).to_uppercase(),
        "value": { "lovelace": "5", "assets": { "00".repeat(28): 0 } },
    }]);
    assert_eq!(parse_resolved_inputs(&spelled).unwrap(), read);
    assert_eq!(
        serde_json::to_value(&read).unwrap(),
        json!([{ "txId": "01".repeat(32), "index": 0, "address": text(&enterprise(1)), "lovelace": 5, "assets": {} }])
    );
    let policy = "Aa".repeat(28);
    let mut with_tokens = good.clone();
    with_tokens[0]["value"]["assets"] = json!({ policy.clone(): "18446744073709551615", format!("{policy}.FF"): 2 });
    let tokens = &parse_resolved_inputs(&with_tokens).unwrap()[0].amounts.tokens;
    assert_eq!(
        tokens.iter().map(|(asset, _)| asset.to_string()).collect::<Vec<_>>(),
        ["aa".repeat(28), format!("{}.ff", "aa".repeat(28))]
    );

    let changed = |member: &str, value: Value| {
        let mut said = good.clone();
        let path = member.split('.').fold(&mut said[0], |at, name| &mut at[name]);
        *path = value;
        said
    };
    for (said, field) in [
        (json!({}), "resolvedInputs"),
        (json!([1]), "resolvedInputs[0]"),
        (json!([good[0], good[0]]), "resolvedInputs[1]"),
        (Value::Array(vec![good[0].clone(); MAX_RESOLVED_INPUTS + 1]), "resolvedInputs"),
        (changed("other", json!(1)), "resolvedInputs[0]"),
        (changed("txId", json!("01")), "resolvedInputs[0].txId"),
        (changed("txId", json!(format!("0x{}", "01".repeat(31)))), "resolvedInputs[0].txId"),
        (changed("index", json!(65_536)), "resolvedInputs[0].index"),
        (changed("index", json!("0")), "resolvedInputs[0].index"),
        (changed("address", json!("addr1")), "resolvedInputs[0].address"),
        (changed("address", json!("a".repeat(200))), "resolvedInputs[0].address"),
        (changed("value", json!(5)), "resolvedInputs[0].value"),
        (changed("value.other", json!(5)), "resolvedInputs[0].value"),
        (changed("value.lovelace", json!(-1)), "resolvedInputs[0].value.lovelace"),
        (changed("value.lovelace", json!(1.5)), "resolvedInputs[0].value.lovelace"),
        (changed("value.lovelace", json!("05")), "resolvedInputs[0].value.lovelace"),
        (changed("value.lovelace", json!("+5")), "resolvedInputs[0].value.lovelace"),
        (changed("value.lovelace", json!("18446744073709551616")), "resolvedInputs[0].value.lovelace"),
        (changed("value.assets", json!([])), "resolvedInputs[0].value.assets"),
        (changed("value.assets", json!({ "aa": 1 })), "resolvedInputs[0].value.assets"),
        (changed("value.assets", json!({ format!("{policy}."): 1 })), "resolvedInputs[0].value.assets"),
        (changed("value.assets", json!({ format!("{policy}.{}", "00".repeat(33)): 1 })), "resolvedInputs[0].value.assets"),
        (changed("value.assets", json!({ policy.clone(): -1 })), "resolvedInputs[0].value.assets"),
        (changed("value.assets", json!({ policy.clone(): 1, policy.to_lowercase(): 1 })), "resolvedInputs[0].value.assets"),
    ] {
        let Err(DecodeError::Invalid { field: got, .. }) = parse_resolved_inputs(&said) else { panic!("{field}: {said}") };
        assert_eq!(got, field, "{said}");
    }
}

#[test]
fn the_seed_with_everything_in_it_is_read() {
    use base64::Engine as _;
    let seed = include_str!("../../../../../fuzz/corpus/cardano_transaction/everything.b64");
    let seed = hex::encode(base64::engine::general_purpose::STANDARD.decode(seed.trim()).unwrap());
    let decoded = decode(&seed, None).unwrap();
    assert_eq!(decoded.details["certificates"].as_array().unwrap().len(), 4);
    assert_eq!((decoded.details["votes"][0]["count"].clone(), decoded.unknown_parts), (json!(1), true));
    let read = parse(&seed).unwrap();
    let signed = read.signed(&public(1), &key(1).sign(&read.tx_id()).to_bytes()).unwrap();
    let signed = hex::decode(signed.transaction).unwrap();
    let theirs: conway::Tx = minicbor::decode(&signed).unwrap();
    assert_eq!(theirs.transaction_body.raw_cbor(), read.body_bytes());
    assert_eq!(theirs.transaction_witness_set.vkeywitness.as_ref().unwrap().len(), 1);
}
