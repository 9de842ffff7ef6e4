use super::*;

fn mail() -> Json {
    json!({
        "types": {
            "EIP712Domain": [
                { "name": "name", "type": "string" },
                { "name": "version", "type": "string" },
                { "name": "chainId", "type": "uint256" },
                { "name": "verifyingContract", "type": "address" },
            ],
            "Person": [{ "name": "name", "type": "string" }, { "name": "wallet", "type": "address" }],
            "Mail": [
                { "name": "from", "type": "Person" },
                { "name": "to", "type": "Person" },
                { "name": "contents", "type": "string" },
            ],
        },
        "primaryType": "Mail",
        "domain": {
            "name": "Ether Mail",
            "version": "1",
            "chainId": 1,
            "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC",
        },
        "message": {
            "from": { "name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826" },
            "to": { "name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB" },
            "contents": "Hello, Bob!",
        },
    })
}

/// Typed data with one member.
fn one(kind: &str, value: Json) -> Json {
    json!({ "types": { "T": [{ "name": "a", "type": kind }] }, "primaryType": "T", "domain": {}, "message": { "a": value } })
}

fn mail_with(pointer: &str, value: Json) -> Json {
    let mut mail = mail();
    *mail.pointer_mut(pointer).unwrap() = value;
    mail
}

fn published() -> Json {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/evm/eip712.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn data_of(row: &Json) -> Json {
    json!({ "types": row[1], "primaryType": row[2], "domain": row[3], "message": row[4] })
}

#[track_caller]
fn refused(value: &Json) -> (String, String) {
    match parse(value) {
        Err(DecodeError::Invalid { field, reason }) => (field.into_owned(), reason),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn hash(value: &Json) -> Digest32 {
    parse(value).unwrap().digest()
}

#[test]
fn parse_agrees_with_published_digests() {
    let vectors = published();
    let rows = vectors["digests"].as_array().unwrap();
    assert!(rows.len() >= 50);
    for row in rows {
        let data = data_of(row);
        let read = parse(&data).unwrap_or_else(|error| panic!("{}: {error}", row[0]));
        assert_eq!(format!("0x{}", read.digest()), row[5], "{}", row[0]);
        assert_eq!(parse(&Json::String(data.to_string())).unwrap(), read, "{}", row[0]);
        assert_eq!(parse(&serde_json::to_value(&read).unwrap()).unwrap(), read, "{}", row[0]);
    }
}

#[test]
fn encode_type_is_that_of_the_standard() {
    let read = parse(&mail()).unwrap();
    assert_eq!(
        read.message.of().encoded,
        "Mail(Person from,Person to,string contents)Person(string name,address wallet)",
        "EIP-712, section on encodeType"
    );
    assert_eq!(
        hex::encode(read.domain.hash()),
        "f2cee375fa42b42143804025fc449deafd50cc031ca257e0b194a650a912090f",
        "EIP-712, Example.js"
    );
    assert_eq!(
        hex::encode(read.message.hash()),
        "c52c0ee5d84264471806290a3f2c4cecfc5490626bf912d01f240d7a274b371e",
        "EIP-712, Example.js"
    );
}

#[test]
fn two_spellings_of_one_content_are_equal() {
    let read = parse(&mail()).unwrap();
    let mut other = mail();
    other["types"].as_object_mut().unwrap().remove("EIP712Domain");
    other["types"]["Unused"] = json!([{ "name": "a", "type": "uint8" }]);
    for chain_id in [json!("1"), json!("0x1"), json!("0x0001")] {
        other["domain"]["chainId"] = chain_id;
        other["message"]["from"]["wallet"] = json!("0xcd2a3d9f938e13cd947ec05abc7fe734df8dd826");
        let again = parse(&other).unwrap();
        assert_eq!(again, read);
        assert_eq!(serde_json::to_string(&again).unwrap(), serde_json::to_string(&read).unwrap());
    }
    let numbers = [json!(200), json!("200"), json!("0xc8"), json!("0xC8"), json!(format!("0x{:064x}", 200))];
    for number in &numbers {
        assert_eq!(hash(&one("uint8", number.clone())), hash(&one("uint8", numbers[0].clone())));
    }
    assert_eq!(hash(&one("int8", json!(-128))), hash(&one("int8", json!("-128"))));
    assert_eq!(parse(&one("bytes2", json!("0xABcd"))).unwrap(), parse(&one("bytes2", json!("0xabcd"))).unwrap());
}

#[test]
fn arrays_structs_and_recursion_are_read() {
    let nested = |value: Json| hash(&one("uint8[][2]", value));
    assert_ne!(nested(json!([[1], [2, 3]])), nested(json!([[1, 2], [3]])));
    assert_eq!(refused(&one("uint8[][2]", json!([[1]]))).0, "typedData.message.a");
    assert_eq!(refused(&one("uint8[2][]", json!([[1, 2], [3]]))).0, "typedData.message.a[1]");
    let tree = |message: Json| {
        json!({
            "types": { "Tree": [{ "name": "leaf", "type": "int8" }, { "name": "twigs", "type": "Tree[]" }] },
            "primaryType": "Tree",
            "domain": {},
            "message": message,
        })
    };
    let two = tree(json!({ "leaf": 1, "twigs": [{ "leaf": 2, "twigs": [] }] }));
    assert_ne!(hash(&two), hash(&tree(json!({ "leaf": 1, "twigs": [] }))));
    let endless = json!({
        "types": { "Person": [{ "name": "mother", "type": "Person" }] },
        "primaryType": "Person", "domain": {}, "message": { "mother": { "mother": null } },
    });
    assert_eq!(refused(&endless).0, "typedData.message.mother.mother");

    let mut deep = json!({ "leaf": 0, "twigs": [] });
    for _ in 0..15 {
        deep = json!({ "leaf": 0, "twigs": [deep] });
    }
    assert!(parse(&tree(deep.clone())).is_ok());
    assert!(refused(&tree(json!({ "leaf": 0, "twigs": [deep] }))).1.contains("nested deeper than 32"));
}

#[test]
fn values_that_do_not_fit_their_type_are_refused() {
    let power = |bits: u32| num(bits, 0);
    let taken = [
        ("bool", json!(false)),
        ("uint8", json!(255)),
        ("uint256", json!(format!("0x{}", "f".repeat(64)))),
        ("uint64", json!(u64::MAX)),
        ("int8", json!("127")),
        ("int64", json!(i64::MIN)),
        ("int256", json!(format!("-{}", power(255)))),
        ("int256", json!(num(255, 1))),
        ("bytes", json!("0x")),
        ("bytes32", json!(format!("0x{}", "ab".repeat(32)))),
        ("string", json!("")),
        ("address", json!("0xABCDEF0000000000000000000000000000000000")),
        ("uint8[0x]", json!(null)),
    ];
    let (_, taken) = taken.split_last().unwrap();
    for (kind, value) in taken {
        assert!(parse(&one(kind, value.clone())).is_ok(), "{kind} {value}");
    }
    let refused_values = [
        ("bool", json!("true")),
        ("bool", json!(1)),
        ("uint8", json!(256)),
        ("uint8", json!(-1)),
        ("uint8", json!("-1")),
        ("uint8", json!("-0")),
        ("uint8", json!("")),
        ("uint8", json!("0x")),
        ("uint8", json!("07")),
        ("uint8", json!("+7")),
        ("uint8", json!(" 7")),
        ("uint8", json!("7_0")),
        ("uint8", json!("0X7")),
        ("uint8", json!("a")),
        ("uint8", json!(1.0)),
        ("uint8", json!(true)),
        ("uint8", json!(null)),
        ("uint8", json!([7])),
        ("uint256", json!(1e30)),
        ("uint256", json!(power(256))),
        ("uint256", json!(format!("0x1{}", "0".repeat(64)))),
        ("uint256", json!("9".repeat(79))),
        ("int8", json!(128)),
        ("int8", json!(-129)),
        ("int8", json!("0xff")),
        ("int8", json!("-0x1")),
        ("int256", json!(power(255))),
        ("int256", json!(format!("-{}", num(255, -1)))),
        ("bytes", json!("0x0")),
        ("bytes", json!("00")),
        ("bytes", json!("0xzz")),
        ("bytes", json!([0])),
        ("bytes4", json!("0x000000")),
        ("bytes4", json!("0x0000000000")),
        ("string", json!(1)),
        ("string", json!(null)),
        ("address", json!("0x00")),
        ("address", json!("0xcD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826")),
        ("uint8[]", json!("0x00")),
        ("uint8[]", json!({})),
        ("uint8[1]", json!([])),
    ];
    for (kind, value) in refused_values {
        let (field, reason) = refused(&one(kind, value.clone()));
        assert!(field.starts_with("typedData.message.a"), "{kind} {value}: {field} {reason}");
    }
}

/// 2 to this power, less `minus`.
fn num(power: u32, minus: i8) -> String {
    let power = (0..power).fold(alloy_primitives::U512::from(1), |sum, _| sum + sum);
    if minus < 0 { power + alloy_primitives::U512::from(1) } else { power - alloy_primitives::U512::from(minus) }.to_string()
}

#[test]
fn types_that_are_none_are_refused() {
    for kind in [
        "uint",
        "int",
        "uint7",
        "uint264",
        "uint08",
        "int0",
        "bytes0",
        "bytes33",
        "bytes01",
        "fixed",
        "function",
        "Missing",
        "uint8[0]",
        "uint8[01]",
        "uint8[-1]",
        "uint8[",
        "uint8]",
        "uint8[]x",
        "uint8 []",
        "",
        "[]",
        "uint8[99999999999999999999]",
        "T,uint8 b",
        "tuple()",
    ] {
        let (field, _) = refused(&one(kind, json!([])));
        assert!(field.starts_with("typedData.types.T"), "{kind}: {field}");
    }
    let named = |name: &str, member: &str| json!({ "types": { name: [{ "name": member, "type": "bool" }] }, "primaryType": name, "domain": {}, "message": { member: true } });
    for name in ["T", "_", "$a9", "HyperliquidTransaction:UsdSend", "fixedDeposit", "intent", "bytesLike", "uint8x"] {
        assert!(parse(&named(name, "a")).is_ok(), "{name}");
    }
    let long = "a".repeat(129);
    for name in
        ["", "9", "a b", "a(", "a,b", ":a", "a:", "a::b", "é", "uint", "uint8", "uint7", "bytes99", "bool", "function", &long]
    {
        refused(&named(name, "a"));
    }
    for member in ["", "9", "a b", "a)", "a,b", "a:b", "é", &long] {
        refused(&named("T", member));
    }
    // The type string of EIP-2612 is not to be had with other members.
    refused(&named("Permit", "owner,address spender,uint256 value,uint256 nonce,uint256 deadline"));
    refused(&named("EIP712Domain", "a"));
}

#[test]
fn what_is_missing_or_too_much_is_refused() {
    let cases = [
        (json!([]), "typedData"),
        (json!("{}"), "typedData.types"),
        (json!("[]"), "typedData"),
        (json!("{"), "typedData"),
        (mail_with("/primaryType", json!("Nothing")), "typedData.primaryType"),
        (mail_with("/primaryType", json!("EIP712Domain")), "typedData.primaryType"),
        (mail_with("/primaryType", json!(1)), "typedData.primaryType"),
        (mail_with("/types", json!([])), "typedData.types"),
        (mail_with("/types/Mail", json!({})), "typedData.types.Mail"),
        (mail_with("/types/Mail/0", json!({ "name": "from" })), "typedData.types.Mail[0]"),
        (mail_with("/types/Mail/0", json!({ "name": "from", "type": "Person", "x": 1 })), "typedData.types.Mail[0]"),
        (mail_with("/types/Mail/1/name", json!("from")), "typedData.types.Mail[1].name"),
        (mail_with("/types/Person/1/type", json!("Wallet")), "typedData.types.Person.wallet"),
        (mail_with("/domain", json!(null)), "typedData.domain"),
        (mail_with("/domain/chainId", json!(null)), "typedData.domain.chainId"),
        (mail_with("/domain/verifyingContract", json!("CosmosSDK")), "typedData.domain.verifyingContract"),
        (mail_with("/types/EIP712Domain/2/type", json!("uint64")), "typedData.types.EIP712Domain"),
        (mail_with("/types/EIP712Domain", json!([])), "typedData.types.EIP712Domain"),
        (mail_with("/message/from", json!({ "name": "Cow" })), "typedData.message.from.wallet"),
        (mail_with("/message/from", json!(null)), "typedData.message.from"),
        (mail_with("/message", json!("x")), "typedData.message"),
    ];
    for (data, expected) in cases {
        assert_eq!(refused(&data).0, expected, "{data}");
    }
    for (pointer, name, expected) in [
        ("", "extra", "typedData.extra"),
        ("/domain", "chainid", "typedData.domain.chainid"),
        ("/message", "extra", "typedData.message.extra"),
        ("/message/to", "Name", "typedData.message.to.Name"),
    ] {
        let mut data = mail();
        data.pointer_mut(pointer).unwrap()[name] = json!(1);
        if pointer == "/domain" {
            data["types"].as_object_mut().unwrap().remove("EIP712Domain");
        }
        assert_eq!(refused(&data).0, expected);
    }
    let mut swapped = mail();
    swapped["types"]["EIP712Domain"].as_array_mut().unwrap().swap(0, 1);
    assert_eq!(refused(&swapped).0, "typedData.types.EIP712Domain");
    for name in MEMBERS {
        let mut data = mail();
        data.as_object_mut().unwrap().remove(name);
        assert_eq!(refused(&data).0, format!("typedData.{name}"));
    }
}

#[test]
fn string_is_held_to_the_rules_of_a_request() {
    let text = mail().to_string();
    assert!(parse(&json!(format!(" {text}\n"))).is_ok());
    for (from, to) in [
        (r#""contents":"Hello, Bob!""#, r#""contents":"Hello, Bob!","contents":"Hello, Eve!""#),
        (r#""contents":"Hello, Bob!""#, r#""contents":"Hello, Bob!","\u0063ontents":"Hello, Eve!""#),
        (r#""Hello, Bob!""#, r#""\ud800""#),
        (r#""Hello, Bob!""#, &format!("{}{}", "[".repeat(70), "]".repeat(70))),
    ] {
        assert!(text.contains(from));
        let (field, reason) = refused(&json!(text.replacen(from, to, 1)));
        assert!(field == "typedData" && reason.contains("not acceptable JSON"), "{field}: {reason}");
    }
    assert!(refused(&json!(format!("{text}{text}"))).1.contains("not acceptable JSON"));
    assert!(refused(&json!(format!("\"{}\"", "x".repeat(10)))).1.contains("must be an object"), "a string in a string");
}

#[test]
fn bounds_hold() {
    let long = "x".repeat(MAX_BYTES + 1);
    assert!(refused(&json!(long)).1.contains("more than"));
    assert!(refused(&one("string", json!(long))).1.contains("more than"));
    let half = "x".repeat(MAX_BYTES / 2 + 1);
    assert!(refused(&one("string[]", json!([half, half]))).1.contains("more than"));
    assert!(parse(&one("bool[]", json!(vec![true; MAX_VALUES - 1]))).is_ok());
    assert!(refused(&one("bool[]", json!(vec![true; MAX_VALUES]))).1.contains("too much"));
    let types = |count: usize, members: usize, bytes: usize| {
        let members: Vec<_> = (0..members)
            .map(|number| json!({ "name": format!("{}{number:03}", "m".repeat(bytes - 7)), "type": "bool" }))
            .collect();
        let mut data = one("bool", json!(true));
        data["types"].as_object_mut().unwrap().extend((1..count).map(|number| (format!("T{number}"), json!(members))));
        data
    };
    assert!(parse(&types(MAX_TYPES, 1, 8)).is_ok());
    assert!(refused(&types(MAX_TYPES + 1, 1, 8)).1.contains("at most 64"));
    assert!(parse(&types(2, 127, 128)).is_ok());
    assert!(refused(&types(2, 129, 128)).1.contains("too much"));
}

#[test]
fn too_much_is_not_shown() {
    assert_eq!(parse(&mail()).unwrap().details()["message"]["to"]["name"], "Bob");
    let long = parse(&one("string", json!("x".repeat(MAX_SHOWN_BYTES)))).unwrap().details();
    assert!(long.get("message").is_none() && long["tooLongToShow"].as_u64().unwrap() > 64 << 10);
}

/// alloy computes digests too, but does not read recursive types, and orders names with a `$` by what follows them.
#[test]
fn digest_agrees_with_alloy() {
    let mut all: Vec<Json> = published()["digests"].as_array().unwrap().iter().map(data_of).collect();
    all.push(mail());
    let domain = json!({ "name": "x", "version": "2", "chainId": "0x38", "salt": format!("0x{}", "5".repeat(64)) });
    all.push(mail_with("/domain", domain));
    for data in &mut all {
        data["types"].as_object_mut().unwrap().remove("EIP712Domain");
        let read = parse(data).unwrap();
        // What it would take in another sense than ours is left out of the canonical form.
        let theirs: alloy_dyn_abi::TypedData = serde_json::from_value(serde_json::to_value(&read).unwrap()).unwrap();
        assert_eq!(theirs.eip712_signing_hash().unwrap().0, *read.digest().as_bytes(), "{data}");
    }
    assert!(all.len() >= 50);
}
