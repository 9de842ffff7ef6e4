//! What policies and people are told.

use super::*;
use crate::chains::effects::{Effect, EffectKind};

fn of(kind: EffectKind, decoded: &Decoded) -> Vec<&Effect> {
    decoded.effects.iter().filter(|effect| effect.kind == kind).collect()
}

fn decoded(more: &[(u64, Vec<u8>)]) -> Decoded {
    decode(&whole(&body(more), &map(&[])), None).unwrap()
}

/// Of the first key and another's stake.
fn base(payment: u8, stake: u8) -> Vec<u8> {
    [&[0x00][..], &hash(payment), &hash(stake)].concat()
}

fn paying(outputs: &[Vec<u8>]) -> (u64, Vec<u8>) {
    (1, array(outputs))
}

fn tokens(list: &[(u8, &[u8], u64)]) -> Vec<u8> {
    map(&list.iter().map(|(policy, name, q)| (bytes(&[*policy; 28]), map(&[(bytes(name), number(*q))]))).collect::<Vec<_>>())
}

fn credential(number_of_key: u8) -> Vec<u8> {
    array(&[number(0), bytes(&hash(number_of_key))])
}

fn url(text: &str) -> Vec<u8> {
    cbor(|e| {
        e.str(text).unwrap();
    })
}

fn has(decoded: &Decoded, words: &str) -> bool {
    decoded.warnings.iter().any(|warning| warning.contains(words))
}

#[test]
fn a_payment_is_what_leaves_and_its_fee() {
    for said in [None, Some(resolved(&enterprise(1), 10_000_000))] {
        let decoded = decode(&whole(&body(&[]), &map(&[])), said.as_ref()).unwrap();
        let recipient = Some(text(&enterprise(2)));
        assert_eq!(
            decoded.effects,
            [
                Effect { recipient, amount: Some(3_000_000), ..Effect::new(EffectKind::Transfer) },
                Effect { amount: Some(200_000), ..Effect::new(EffectKind::Fee) },
            ]
        );
        assert_eq!((decoded.total_out, decoded.fee, decoded.fee_rate, decoded.unknown_parts), (3_000_000, 200_000, None, false));
        let details = &decoded.details;
        assert_eq!(details["inputsResolved"], said.is_some());
        assert_eq!((&details["validUntil"], &details["validFrom"]), (&json!(1000), &Value::Null));
        assert_eq!((&details["outputs"][0]["change"], &details["outputs"][1]["change"]), (&json!(false), &json!(true)));
        assert_eq!(has(&decoded, "not resolved"), said.is_none());
        assert_eq!(has(&decoded, "caller's word"), said.is_some());
        assert!(decoded.warnings.iter().all(|warning| warning.ends_with('.')), "{:?}", decoded.warnings);
    }
}

#[test]
fn resolved_inputs_must_be_the_inputs_of_the_network_and_worth_what_leaves() {
    let transaction = whole(&body(&[]), &map(&[]));
    let invalid = |said: Value| match decode(&transaction, Some(&said)).unwrap_err() {
        DecodeError::Invalid { field, reason } => {
            assert_eq!(field, "resolvedInputs");
            reason
        }
        other @ DecodeError::Refused { .. } => panic!("{other}"),
    };
    assert!(invalid(json!([])).contains(&format!("{}#0", "01".repeat(32))));
    let mut more = resolved(&enterprise(1), 10_000_000);
    let mut other = more[0].clone();
    other["index"] = json!(1);
    more.as_array_mut().unwrap().push(other);
    assert!(invalid(more).contains("no input"));
    let mainnet = [&[0x61][..], &hash(1)].concat();
    assert_eq!(rule(decode(&transaction, Some(&resolved(&mainnet, 10_000_000)))), Rule::Network);
    for amount in [9_999_999, 10_000_001, 0, u64::MAX] {
        assert_eq!(rule(decode(&transaction, Some(&resolved(&enterprise(1), amount)))), Rule::Amount);
    }
    let mut with_token = resolved(&enterprise(1), 10_000_000);
    with_token[0]["value"]["assets"] = json!({ "07".repeat(28): 1 });
    assert_eq!(rule(decode(&transaction, Some(&with_token))), Rule::Amount);
}

#[test]
fn a_key_that_nothing_asks_for_does_not_sign() {
    let of_other = resolved(&enterprise(2), 10_000_000);
    let decode_with = |more: &[(u64, Vec<u8>)], witnesses: Vec<u8>| decode(&whole(&body(more), &witnesses), Some(&of_other));
    assert_eq!(rule(decode_with(&[], map(&[]))), Rule::NotNeeded);
    assert_eq!(rule(decode_with(&[(14, array(&[bytes(&hash(2))]))], map(&[]))), Rule::NotNeeded);
    decode_with(&[(14, array(&[bytes(&hash(1))]))], map(&[])).unwrap();
    decode_with(&[(4, array(&[array(&[number(9), credential(1), array(&[number(2)])])]))], map(&[])).unwrap();
    let script = |of: u8| keyed(&[(1, array(&[array(&[number(0), bytes(&hash(of))])]))]);
    decode_with(&[], script(1)).unwrap();
    assert_eq!(rule(decode_with(&[], script(2))), Rule::NotNeeded);
    let account = |of: u8| [&[0xe0][..], &hash(of)].concat();
    let withdrawal = |of: u8| [(5, map(&[(bytes(&account(of)), number(0))]))];
    decode_with(&withdrawal(1), map(&[])).unwrap();
    assert_eq!(rule(decode_with(&withdrawal(2), map(&[]))), Rule::NotNeeded);
    // What a script somewhere else asks for is not known.
    let script_spends = resolved(&[&[0x70][..], &[9; 28]].concat(), 10_000_000);
    let referring = whole(&body(&[(18, array(&[input(8, 0)]))]), &map(&[]));
    decode(&referring, Some(&script_spends)).unwrap();
    assert_eq!(rule(decode(&referring, Some(&of_other))), Rule::NotNeeded);
    // Nobody knows without the inputs.
    decode(&whole(&body(&[]), &map(&[])), None).unwrap();
}

#[test]
fn change_is_what_stays_with_stake_and_all() {
    let franken = base(1, 2);
    let own_stake = base(1, 1);
    let pointer = [&[0x40][..], &hash(1), &[1, 2, 3]].concat();
    let script_stake = [&[0x20][..], &hash(1), &[9; 28]].concat();
    let outputs: Vec<_> =
        [&franken, &own_stake, &pointer, &script_stake, &enterprise(1), &base(2, 1)].map(|to| output(to, 1)).into();
    let transaction = whole(&body(&[paying(&outputs)]), &map(&[]));
    let recipients = |signer: &Signer| {
        let decoded = parse(&transaction).unwrap().decode(&network("preview"), signer, None, &Tokens::default()).unwrap();
        let transfers = of(EffectKind::Transfer, &decoded).into_iter().map(|effect| effect.recipient.clone().unwrap());
        (transfers.collect::<Vec<_>>(), decoded)
    };
    let (got, decoded) = recipients(&signer());
    assert_eq!(got, [&franken, &pointer, &script_stake, &base(2, 1)].map(|address| text(address)));
    assert_eq!(decoded.total_out, 4);
    assert!(has(&decoded, "another stake part"));
    // Of a wallet that was made with this stake part it is its own.
    let (got, _) = recipients(&Signer::new(&public(1), Some(&text(&franken))));
    assert_eq!(got, [&pointer, &script_stake, &base(2, 1)].map(|address| text(address)));
}

#[test]
fn tokens_are_told_of_in_whole_ones_where_the_configuration_knows_them() {
    let name = b"USDM";
    let known = format!("{}.{}", "07".repeat(28), hex::encode(name));
    let row =
        |contract: &str| TokenRow { asset: "ADA".into(), network: "preprod".into(), contract: contract.into(), decimals: 6 };
    let networks = Networks::new(&NetworkDefaults::default(), &[]).unwrap();
    let table = Tokens::new(&networks, &[row(&known.to_uppercase())]).unwrap();
    assert!(Tokens::new(&networks, &[row("0xdac17f958d2ee523a2206206994597c13d831ec7")]).is_err());
    assert!(Tokens::new(&networks, &[row(&known), row(&known)]).is_err());

    let value = array(&[number(1_200_000), tokens(&[(7, name, 1_500_000), (8, b"", u64::MAX)])]);
    let minted = map(&[(bytes(&[7; 28]), map(&[(bytes(name), number(5_000_000)), (bytes(b"x"), vec![0x20])]))]);
    let outputs = [array(&[bytes(&enterprise(2)), value.clone()]), array(&[bytes(&enterprise(1)), value])];
    let transaction = parse(&whole(&body(&[paying(&outputs), (9, minted)]), &map(&[]))).unwrap();
    let decoded = transaction.decode(&network("preprod"), &signer(), None, &table).unwrap();
    let got: Vec<_> = of(EffectKind::Token, &decoded)
        .into_iter()
        .map(|effect| (effect.recipient.is_some(), effect.token.clone().unwrap(), effect.amount, effect.unknown_amount))
        .collect();
    assert_eq!(
        got,
        [
            (true, known.clone(), Some(2), false),
            (true, "08".repeat(28), None, true),
            (false, known.clone(), Some(5), false),
            (false, format!("{}.78", "07".repeat(28)), None, true),
        ]
    );
    assert_eq!(decoded.total_out, 1_200_000);
    assert_eq!(decoded.details["mint"][1], json!({ "token": format!("{}.78", "07".repeat(28)), "quantity": "-1" }));
    let elsewhere = transaction.decode(&network("preview"), &signer(), None, &table).unwrap();
    assert!(of(EffectKind::Token, &elsewhere).iter().all(|effect| effect.unknown_amount));
}

#[test]
fn collateral_is_the_most_that_the_network_may_take() {
    let collateral = (13, array(&[input(2, 0)]));
    let fee = |decoded: &Decoded| {
        let effects = of(EffectKind::Fee, decoded);
        assert_eq!((effects.len(), effects[0].amount), (1, Some(decoded.fee)));
        assert!(decoded.unknown_parts);
        (decoded.fee, effects[0].unknown_amount)
    };
    assert_eq!(fee(&decoded(&[collateral.clone(), (17, number(5_000_000))])), (5_000_000, false));
    assert_eq!(fee(&decoded(&[collateral.clone(), (17, number(5))])), (200_000, false));
    assert_eq!(fee(&decoded(std::slice::from_ref(&collateral))), (u64::MAX, true));
    let mut said = resolved(&enterprise(1), 10_000_000);
    let mut second = said[0].clone();
    (second["txId"], second["value"]["lovelace"]) = (json!("02".repeat(32)), json!(9_000_000));
    said.as_array_mut().unwrap().push(second);
    let decode_with = |more: &[(u64, Vec<u8>)]| {
        decode(&whole(&body(&[std::slice::from_ref(&collateral), more].concat()), &map(&[])), Some(&said))
    };
    // What the caller says of it is not proven.
    assert_eq!(fee(&decode_with(&[]).unwrap()), (u64::MAX, true));
    let back = |to: u8, lovelace| (16, output(&enterprise(to), lovelace));
    assert_eq!(fee(&decode_with(&[back(1, 4_000_000)]).unwrap()), (u64::MAX, true));
    assert_eq!(fee(&decode_with(&[back(1, 4_000_000), (17, number(5_000_000))]).unwrap()), (5_000_000, false));
    assert_eq!(rule(decode_with(&[back(1, 4_000_000), (17, number(5_000_001))])), Rule::Amount);
    assert_eq!(rule(decode_with(&[back(1, 9_000_001)])), Rule::Amount);
    // Where what is left of it goes to somebody else, it is paid to that one.
    let elsewhere = decode_with(&[back(2, 8_000_000)]).unwrap();
    assert_eq!((elsewhere.total_out, of(EffectKind::Transfer, &elsewhere).len()), (8_000_000, 2));
    assert!(has(&elsewhere, "If a script fails"));
}

#[test]
fn certificates_pay_deposits_and_give_stake_and_votes_away() {
    let pool = bytes(&[6; 28]);
    let key_drep = array(&[number(0), bytes(&[5; 28])]);
    let certificate = |members: &[Vec<u8>]| decoded(&[(4, array(&[array(members)]))]);
    let account = "stake_test1";
    let kinds = |decoded: &Decoded| {
        let mut kinds: Vec<_> = decoded.effects.iter().map(|effect| effect.kind.as_str()).collect();
        kinds.retain(|kind| !["transfer", "fee"].contains(kind));
        (kinds.join(" "), decoded.total_out, decoded.unknown_parts)
    };
    let told = |words: &str, out: u64, unknown: bool| (words.to_owned(), 3_000_000 + out, unknown);

    let registration = certificate(&[number(7), credential(3), number(2_000_000)]);
    assert_eq!(kinds(&registration), told("create", 2_000_000, false));
    let create = of(EffectKind::Create, &registration)[0];
    assert_eq!((create.amount, create.unknown_amount), (Some(2_000_000), false));
    assert!(create.recipient.as_ref().unwrap().starts_with(account));
    let unsaid = certificate(&[number(0), credential(1)]);
    assert_eq!(kinds(&unsaid), told("create", 0, false));
    assert!(of(EffectKind::Create, &unsaid)[0].unknown_amount);
    assert_eq!(kinds(&certificate(&[number(1), credential(1)])), told("delegate", 0, false));
    assert_eq!(kinds(&certificate(&[number(8), credential(1), number(2_000_000)])), told("delegate", 0, false));
    let delegation = certificate(&[number(2), credential(1), pool.clone()]);
    assert_eq!(kinds(&delegation), told("delegate", 0, false));
    let to = of(EffectKind::Delegate, &delegation)[0].recipient.clone().unwrap();
    assert!(to.starts_with("pool1"), "{to}");
    assert_eq!(delegation.details["certificates"][0]["own"], true);
    for (drep, name) in [
        (key_drep.clone(), "drep1"),
        (array(&[number(1), bytes(&[5; 28])]), "drep1"),
        (array(&[number(2)]), "drep_always_abstain"),
        (array(&[number(3)]), "drep_always_no_confidence"),
    ] {
        let delegation = certificate(&[number(9), credential(1), drep]);
        let to = of(EffectKind::Delegate, &delegation)[0].recipient.clone().unwrap();
        assert!(to.starts_with(name), "{to}");
    }
    assert_eq!(
        kinds(&certificate(&[number(10), credential(1), pool.clone(), key_drep.clone()])),
        told("delegate delegate", 0, false)
    );
    assert_eq!(kinds(&certificate(&[number(11), credential(1), pool.clone(), number(9)])), told("create delegate", 9, false));
    assert_eq!(kinds(&certificate(&[number(12), credential(1), key_drep.clone(), number(9)])), told("create delegate", 9, false));
    let all = certificate(&[number(13), credential(1), pool.clone(), key_drep, number(9)]);
    assert_eq!(kinds(&all), told("create delegate delegate", 9, false));

    assert_eq!(kinds(&certificate(&[number(4), pool.clone(), number(500)])), told("authority", 0, false));
    let zero = || number(0);
    let pool_registration =
        [number(3), pool, bytes(&[0; 32]), zero(), zero(), zero(), zero(), array(&[]), array(&[]), vec![0xf6]];
    assert_eq!(kinds(&certificate(&pool_registration)), told("authority", 0, true));
    assert_eq!(kinds(&certificate(&[number(14), credential(1), credential(2)])), told("authority", 0, true));
    let anchor = array(&[url("https://example.org"), bytes(&[0; 32])]);
    assert_eq!(kinds(&certificate(&[number(15), credential(1), vec![0xf6]])), told("authority", 0, false));
    assert_eq!(kinds(&certificate(&[number(16), credential(1), number(500), anchor.clone()])), told("authority", 500, false));
    assert_eq!(kinds(&certificate(&[number(17), credential(1), number(500)])), told("authority", 0, false));
    assert_eq!(kinds(&certificate(&[number(18), credential(1), anchor.clone()])), told("authority", 0, false));

    // Votes and proposals.
    let action = array(&[bytes(&[4; 32]), number(0)]);
    let votes = map(&[(array(&[number(2), bytes(&hash(1))]), map(&[(action, array(&[number(1), vec![0xf6]]))]))]);
    assert_eq!(kinds(&decoded(&[(19, votes)])), told("authority", 0, true));
    let account = [&[0xe0][..], &hash(1)].concat();
    let proposal = |deposit| array(&[number(deposit), bytes(&account), array(&[number(6)]), anchor.clone()]);
    assert_eq!(kinds(&decoded(&[(20, array(&[proposal(70), proposal(71)]))])), told("authority authority", 141, true));
    // A gift to the treasury.
    let gift = decoded(&[(22, number(7))]);
    assert_eq!((gift.total_out, of(EffectKind::Transfer, &gift).len()), (3_000_007, 2));
}

#[test]
fn deposits_and_withdrawals_are_part_of_what_must_be_even() {
    let decode_with =
        |more: &[(u64, Vec<u8>)], lovelace| decode(&whole(&body(more), &map(&[])), Some(&resolved(&enterprise(1), lovelace)));
    let certificates = |list: &[Vec<u8>]| (4, array(list));
    let registration = array(&[number(7), credential(1), number(2_000_000)]);
    let refund = array(&[number(8), credential(2), number(500_000)]);
    decode_with(&[certificates(std::slice::from_ref(&registration))], 12_000_000).unwrap();
    assert_eq!(rule(decode_with(&[certificates(std::slice::from_ref(&registration))], 10_000_000)), Rule::Amount);
    decode_with(&[certificates(&[registration, refund])], 11_500_000).unwrap();
    let account = [&[0xe0][..], &hash(1)].concat();
    let withdrawal = (5, map(&[(bytes(&account), number(1_000_000))]));
    let withdrawn = decode_with(std::slice::from_ref(&withdrawal), 9_000_000).unwrap();
    assert_eq!(withdrawn.details["withdrawals"][0]["own"], true);
    decode_with(&[withdrawal, (22, number(400))], 9_000_400).unwrap();
    // Deposits that are not said are what is left.
    let unsaid = [certificates(&[array(&[number(0), credential(1)])])];
    let left = decode_with(&unsaid, 12_000_000).unwrap();
    assert_eq!(left.total_out, 5_000_000);
    assert!(has(&left, "2000000 lovelace are for deposits"));
    assert_eq!(rule(decode_with(&unsaid, 9_999_999)), Rule::Amount);
    let open = decode_with(&[certificates(&[array(&[number(1), credential(1)])])], 8_000_000).unwrap();
    assert!(has(&open, "could not be compared"));
}

#[test]
fn what_scripts_may_do_is_unknown() {
    let datum = array(&[number(1), vec![0xd8, 0x18, 0x41, 0x00]]);
    let with = |entry: (u64, Vec<u8>)| paying(&[keyed(&[(0, bytes(&enterprise(2))), (1, number(3_000_000)), entry])]);
    assert!(!decoded(&[]).unknown_parts);
    for more in [
        (11, bytes(&[0; 32])),
        (18, array(&[input(7, 0)])),
        with((2, datum)),
        with((2, array(&[number(0), bytes(&[0; 32])]))),
        with((3, vec![0xd8, 0x18, 0x41, 0x00])),
    ] {
        assert!(decoded(std::slice::from_ref(&more)).unknown_parts, "{more:?}");
    }
    for key in 3..=7 {
        assert!(decode(&whole(&body(&[]), &keyed(&[(key, array(&[]))])), None).unwrap().unknown_parts);
    }
    let marked = hex::encode([&[0x84], &body(&[])[..], &[0xa0, 0xf4, 0xf6]].concat());
    let marked = decode(&marked, None).unwrap();
    assert!(has(&marked, "scripts fail"));
    assert_eq!(marked.details["isValid"], false);
}

#[test]
fn everything_that_names_a_network_must_name_the_wallets() {
    let refused = |more: &[(u64, Vec<u8>)]| rule(decode(&whole(&body(more), &map(&[])), None));
    let mainnet = [&[0x61][..], &hash(2)].concat();
    let account = |header: u8| [&[header][..], &hash(1)].concat();
    let withdrawal = |header| [(5, map(&[(bytes(&account(header)), number(1))]))];
    assert_eq!(refused(&[(15, number(1))]), Rule::Network);
    assert_eq!(refused(&[paying(&[output(&mainnet, 1)])]), Rule::Network);
    assert_eq!(refused(&[(16, output(&mainnet, 1))]), Rule::Network);
    assert_eq!(refused(&withdrawal(0xe1)), Rule::Network);
    assert_eq!(refused(&withdrawal(0xf1)), Rule::Network);
    let byron = bitcoin::base58::decode("Ae2tdPwUPEZLs4HtbuNey7tK4hTKrwNwYtGqp7bDfCy2WdR3P6735W5Yfpe").unwrap();
    assert_eq!(refused(&[paying(&[output(&byron, 1)])]), Rule::Network);
    decoded(&[(15, number(0))]);
    decoded(&withdrawal(0xe0));
    let anchor = array(&[url(""), bytes(&[0; 32])]);
    let proposal = array(&[number(1), bytes(&account(0xe1)), array(&[number(6)]), anchor]);
    assert_eq!(refused(&[(20, array(&[proposal]))]), Rule::Network);
}

#[test]
fn fees_and_times_that_are_odd_are_warned_of() {
    let odd = decoded(&[(2, number(400_000))]);
    assert!(has(&odd, "more than a tenth"));
    assert!(has(&decoded(&[(2, number(10_000_001))]), "far more than any"));
    assert!(!has(&odd, "no end of validity"));
    let pairs = [(0, array(&[input(1, 0)])), (1, array(&[output(&enterprise(2), 3_000_000)])), (2, number(200_000))];
    assert!(has(&decode(&whole(&keyed(&pairs), &map(&[])), None).unwrap(), "no end of validity"));
}
