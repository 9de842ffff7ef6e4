//! What a PSBT does, as policy and people see it.

use super::*;
use crate::chains::decoded::Decoded;
use crate::chains::effects::{Effect, EffectKind};
use crate::chains::{AddressType, derive_address, parse_address};
use crate::keys::{KeySpec, PublicKey as WalletKey};

const PAYER: &str = "0197b2a0-7c1e-7d3a-9f00-000000000001";

/// The keys up to 3 are of one wallet that pays, 50 is another wallet's that is disabled, 51 one that signs, the others are strangers'.
fn summarize(draft: &Draft) -> Decoded {
    let (_, plan) = draft.plan(&draft.maps()).unwrap();
    summarize_plan(draft, &plan)
}

fn summarize_plan(draft: &Draft, plan: &Plan) -> Decoded {
    let owner = |(pays_to, _): &(ScriptBuf, u64)| {
        let is = |number: u8| KINDS.iter().any(|kind| script(*kind, number) == *pays_to);
        match () {
            () if (1..=3).any(is) => OutputOwner::Payer { wallet_id: PAYER.to_owned() },
            () if is(50) => OutputOwner::Wallet { signs: false },
            () if is(51) => OutputOwner::Wallet { signs: true },
            () => OutputOwner::Stranger,
        }
    };
    let owners: Vec<_> = draft.outputs.iter().map(owner).collect();
    summary(&draft.network(), plan, &vec![PAYER.to_owned(); draft.spends.len()], &owners)
}

/// Each paying key is a wallet of its own, `w` and its number; the others are strangers'.
fn summarize_wallets(draft: &Draft) -> Decoded {
    let (_, plan) = draft.plan(&draft.maps()).unwrap();
    let payers: Vec<String> = draft.spends.iter().map(|spent| format!("w{}", spent.number)).collect();
    let owner = |(pays_to, _): &(ScriptBuf, u64)| {
        let paid = draft.spends.iter().find(|spent| KINDS.iter().any(|kind| script(*kind, spent.number) == *pays_to));
        paid.map_or(OutputOwner::Stranger, |spent| OutputOwner::Payer { wallet_id: format!("w{}", spent.number) })
    };
    let owners: Vec<_> = draft.outputs.iter().map(owner).collect();
    summary(&draft.network(), &plan, &payers, &owners)
}

fn one_input(amount: u64, outputs: Vec<(ScriptBuf, u64)>) -> Draft {
    Draft::new(Version::V0, vec![spent(InputKind::P2wpkh, 1, amount)], outputs)
}

fn paid(decoded: &Decoded) -> Vec<(EffectKind, Option<u64>, bool)> {
    decoded.effects.iter().map(|effect| (effect.kind, effect.amount, effect.to_own_wallet)).collect()
}

#[test]
fn change_is_what_returns_to_a_paying_wallet_in_any_form() {
    let outputs = vec![
        (script(InputKind::P2pkh, 9), 60_000),
        (script(InputKind::P2wpkh, 1), 10_000),
        (script(InputKind::P2pkh, 1), 10_000),
        (script(InputKind::P2shP2wpkh, 1), 10_000),
        (script(InputKind::P2wpkh, 51), 5_000),
        (script(InputKind::P2wpkh, 50), 4_000),
    ];
    let decoded = summarize(&one_input(100_000, outputs));
    assert_eq!(
        paid(&decoded),
        [
            (EffectKind::Transfer, Some(60_000), false),
            (EffectKind::Transfer, Some(5_000), true),
            (EffectKind::Transfer, Some(4_000), false),
            (EffectKind::Fee, Some(1_000), false),
        ]
    );
    assert_eq!((decoded.total_out, decoded.fee, decoded.unknown_parts), (69_000, 1_000, false));
    assert_eq!(decoded.warnings, [""; 0], "of wallets that can't sign it is told where they are known");
    assert_eq!(decoded.effects[0].recipient.as_deref(), decoded.details["outputs"][0]["address"].as_str());
    let change = |index: usize| decoded.details["outputs"][index]["change"].clone();
    assert_eq!((0..6).map(change).collect::<Vec<_>>(), [false, true, true, true, false, false]);
    assert_eq!(decoded.details["outputs"][1]["walletId"], PAYER);
    assert_eq!(decoded.details["outputs"][5]["walletId"], serde_json::Value::Null);
}

#[test]
fn details_say_what_people_ask_for() {
    let mut draft = one_input(100_000, vec![(script(InputKind::P2wpkh, 9), 99_000)]);
    draft.lock_time = 800_000;
    let decoded = summarize(&draft);
    let details = &decoded.details;
    // 67.75 virtual bytes of input with a signature of 72, 31 of output, 10.5 of the rest.
    assert_eq!((details["virtualSize"].as_u64(), decoded.fee_rate), (Some(110), Some(10)));
    assert_eq!((&details["version"], &details["lockTime"], &details["replaceable"]), (&2.into(), &800_000.into(), &true.into()));
    let (plan, signed) = draft.sign(&draft.maps(), true);
    assert_eq!(details["txid"], signed.transaction.unwrap().1.to_string());
    let input = &details["inputs"][0];
    assert_eq!(input["outpoint"], plan.inputs()[0].coin.outpoint.to_string());
    let address = bitcoin::Address::from_script(&script(InputKind::P2wpkh, 1), bitcoin::Network::Regtest).unwrap();
    assert_eq!(input["address"], address.to_string());
    assert_eq!((&input["amount"], &input["sighashType"], &input["walletId"]), (&100_000.into(), &"ALL".into(), &PAYER.into()));
    assert_eq!(decoded.warnings, ["it can't be in a block before height 800000"]);
    draft.sequence = 0xffff_ffff;
    let decoded = summarize(&draft);
    assert_eq!((&decoded.details["replaceable"], decoded.warnings.len()), (&false.into(), 0));
    draft.sequence = 144;
    assert!(summarize(&draft).warnings[1].contains("relative lock time"));
}

/// BIP-68 holds from version 2 on, and consensus reads the version without a sign.
#[test]
fn relative_lock_times_are_told_of_whatever_the_version_is_as_a_number_with_a_sign() {
    let mut draft = one_input(100_000, vec![(script(InputKind::P2wpkh, 9), 99_000)]);
    draft.version = Version::V2;
    draft.sequence = 144;
    for (version, waits) in [(1i32, false), (2, true), (i32::MAX, true), (-1, true), (i32::MIN, true), (0, false)] {
        let mut maps = draft.maps();
        maps.global.insert(vec![global::TX_VERSION], version.to_le_bytes().to_vec());
        let (_, plan) = draft.plan(&maps).unwrap();
        let warned = summarize_plan(&draft, &plan).warnings.iter().any(|warning| warning.contains("relative lock time"));
        assert_eq!(warned, waits, "{version}");
    }
}

#[test]
fn what_a_paying_wallet_gets_beyond_what_it_pays_is_a_transfer() {
    // A grain of the hot wallet's must not make the cold wallet's money change.
    let to = |number| script(InputKind::P2wpkh, number);
    let pays = |amounts: &[(u8, u64)], outputs: &[(u8, u64)]| {
        let spends = amounts.iter().map(|(number, amount)| spent(InputKind::P2wpkh, *number, *amount)).collect();
        let outputs = outputs.iter().map(|(number, amount)| (to(*number), *amount)).collect();
        summarize_wallets(&Draft::new(Version::V0, spends, outputs))
    };
    let decoded = pays(&[(1, 1_000_000), (2, 1_000)], &[(2, 1_000_000)]);
    assert_eq!(paid(&decoded), [(EffectKind::Transfer, Some(999_000), true), (EffectKind::Fee, Some(1_000), false)]);
    assert_eq!(decoded.effects[0].recipient.as_deref(), decoded.details["outputs"][0]["address"].as_str());
    assert!(decoded.effects[0].recipient.is_some());
    assert_eq!((decoded.total_out, decoded.fee), (999_000, 1_000));
    let output = &decoded.details["outputs"][0];
    assert_eq!((&output["change"], &output["changeAmount"], &output["walletId"]), (&false.into(), &1_000.into(), &"w2".into()));

    // In the order of the outputs, over all coins of a wallet, and never more than they are worth.
    let decoded = pays(&[(1, 50_000), (2, 30_000), (1, 20_000)], &[(1, 60_000), (9, 5_000), (1, 12_000), (1, 1_000), (2, 1_000)]);
    let transfers = [(5_000, false), (2_000, true), (1_000, true)];
    let expected: Vec<_> = transfers.map(|(amount, own)| (EffectKind::Transfer, Some(amount), own)).into();
    assert_eq!(paid(&decoded), [&expected[..], &[(EffectKind::Fee, Some(21_000), false)]].concat());
    assert_eq!(decoded.total_out, 8_000);
    let told = |name: &str| (0..5).map(|index| decoded.details["outputs"][index][name].clone()).collect::<Vec<_>>();
    assert_eq!(told("change"), [true, false, false, false, true]);
    assert_eq!(told("changeAmount"), [None, None, Some(10_000), None, None].map(serde_json::Value::from));

    // Each gets what it pays, or less.
    let decoded = pays(&[(1, 50_000), (2, 30_000)], &[(2, 30_000), (1, 49_000)]);
    assert_eq!((paid(&decoded), decoded.total_out), (vec![(EffectKind::Fee, Some(1_000), false)], 0));
}

#[test]
fn where_another_wallets_coins_can_take_the_place_of_its_own_nothing_is_change() {
    let draft = |first: Option<EcdsaSighashType>, second: Option<EcdsaSighashType>| {
        let spends = vec![
            Spent { sighash: first, ..spent(InputKind::P2wpkh, 1, 50_000) },
            Spent { sighash: second, ..spent(InputKind::P2wpkh, 2, 50_000) },
        ];
        let outputs = vec![(script(InputKind::P2wpkh, 1), 49_000), (script(InputKind::P2wpkh, 2), 48_000)];
        let decoded = summarize_wallets(&Draft::new(Version::V0, spends, outputs));
        (0..2).map(|index| decoded.details["outputs"][index]["change"].as_bool().unwrap()).collect::<Vec<_>>()
    };
    let anyone = Some(EcdsaSighashType::AllPlusAnyoneCanPay);
    assert_eq!(draft(None, None), [true, true]);
    assert_eq!(draft(anyone, None), [true, false]);
    assert_eq!(draft(None, anyone), [false, true]);
    assert_eq!(draft(anyone, anyone), [false, false]);
}

/// Two transactions with one output and different coins, both ALL|ANYONECANPAY, make one that pays the output once: the rest is fee.
#[test]
fn what_is_signed_anyonecanpay_may_all_become_fee() {
    let output = (script(InputKind::P2wpkh, 9), 99_000);
    let draft = |coins: &[(u8, u64)]| {
        let sighash = EcdsaSighashType::AllPlusAnyoneCanPay;
        let spends = coins.iter().map(|(number, amount)| spent(InputKind::P2wpkh, *number, *amount).signed(sighash)).collect();
        Draft::new(Version::V0, spends, vec![output.clone()])
    };
    let (one, other) = (draft(&[(1, 100_000)]), draft(&[(2, 100_001)]));
    let sign = |draft: &Draft| -> Transaction {
        let transaction = draft.sign(&draft.maps(), true).1.transaction.unwrap().0;
        bitcoin::consensus::encode::deserialize(&hex::decode(transaction).unwrap()).unwrap()
    };
    let mut merged = sign(&one);
    merged.input.extend(sign(&other).input);
    draft(&[(1, 100_000), (2, 100_001)]).assert_accepted(&hex::encode(serialize(&merged)));
    let burnt = 100_000 + 100_001 - 99_000;

    let told = [&one, &other].map(summarize);
    assert!(told.iter().map(|decoded| decoded.fee).sum::<u64>() >= burnt);
    for (decoded, amount) in told.iter().zip([100_000, 100_001]) {
        let fee = decoded.effects.last().unwrap();
        assert_eq!((fee.kind, fee.amount, fee.unknown_amount), (EffectKind::Fee, Some(amount), true));
        assert_eq!((decoded.fee, decoded.total_out, decoded.unknown_parts), (amount, 99_000, true));
        assert_eq!(decoded.fee_rate, Some(amount.div_ceil(decoded.details["virtualSize"].as_u64().unwrap())));
        assert!(decoded.warnings.iter().any(|warning| warning.contains("may become fee")), "{:?}", decoded.warnings);
    }
}

#[test]
fn amounts_that_are_only_claimed_are_told_of() {
    let spends = (1..=3).map(|number| spent(InputKind::P2wpkh, number, 50_000)).collect();
    let draft = Draft::new(Version::V0, spends, vec![(script(InputKind::P2wpkh, 9), 149_000)]);
    let summarize = |claimed: usize| {
        let mut maps = draft.maps();
        for map in &mut maps.inputs[..claimed] {
            map.remove(&vec![input::NON_WITNESS_UTXO]).unwrap();
        }
        summarize_plan(&draft, &draft.plan_with(&maps, true).unwrap().1)
    };
    for (claimed, words) in [(1, "the amount of 1 input is only claimed"), (2, "the amounts of 2 inputs"), (3, "of 3 inputs")] {
        let decoded = summarize(claimed);
        assert!(decoded.warnings[0].contains(words), "{:?}", decoded.warnings);
        // One alone can't lie: its signature would be worthless.
        assert_eq!(decoded.unknown_parts, claimed > 1);
        assert_eq!(decoded.effects.last().map(|fee| (fee.kind, fee.unknown_amount)), Some((EffectKind::Fee, claimed > 1)));
    }
    let decoded = summarize(0);
    assert!(decoded.warnings.is_empty() && !decoded.unknown_parts, "{:?}", decoded.warnings);
}

#[test]
fn lists_are_bounded() {
    let spends = (0..300).map(|_| spent(InputKind::P2wpkh, 1, 1_000)).collect();
    let outputs = (0..300).map(|_| (script(InputKind::P2wpkh, 9), 100)).collect();
    let decoded = summarize(&Draft::new(Version::V0, spends, outputs));
    let length = |name: &str| decoded.details[name].as_array().unwrap().len();
    assert_eq!((length("inputs"), length("outputs"), decoded.warnings.len()), (100, 100, 101));
    assert_eq!((&decoded.details["inputCount"], &decoded.details["outputCount"]), (&300.into(), &300.into()));
    assert_eq!(decoded.effects.len(), 301, "effects are whole: policy judges each");
}

#[test]
fn a_sighash_that_leaves_outputs_open_says_how_much() {
    use EcdsaSighashType as Sighash;
    let draft = |sighash, change| {
        let spends = vec![spent(InputKind::P2wpkh, 1, 100_000).signed(sighash), spent(InputKind::P2wpkh, 2, 50_000)];
        Draft::new(Version::V0, spends, vec![(script(InputKind::P2wpkh, change), 60_000), (script(InputKind::P2wpkh, 9), 80_000)])
    };
    for (sighash, open) in [
        (Sighash::None, Some(100_000)),
        (Sighash::NonePlusAnyoneCanPay, Some(100_000)),
        (Sighash::Single, Some(40_000)),
        (Sighash::SinglePlusAnyoneCanPay, Some(40_000)),
        (Sighash::All, None),
        (Sighash::AllPlusAnyoneCanPay, None),
    ] {
        let decoded = summarize(&draft(sighash, 1));
        let anyone_can_pay = sighash.to_u32() & 0x80 != 0;
        let to_fee = if anyone_can_pay { Some(100_000) } else { open };
        assert_eq!(decoded.unknown_parts, to_fee.is_some(), "{sighash:?}");
        let anywhere = Effect { amount: open, unknown_amount: true, ..Effect::new(EffectKind::Transfer) };
        assert_eq!(decoded.effects.contains(&anywhere), open.is_some(), "{sighash:?}");
        let most = |known: u64, open: Option<u64>| (known + open.unwrap_or(0)).min(150_000);
        assert_eq!((decoded.total_out, decoded.fee), (most(80_000, open), most(10_000, to_fee)), "{sighash:?}");
        let fee = decoded.effects.last().unwrap();
        assert_eq!((fee.kind, fee.unknown_amount), (EffectKind::Fee, to_fee.is_some()));
        let anyone = decoded.warnings.iter().any(|warning| warning.contains("inputs may be added"));
        assert_eq!(anyone, anyone_can_pay);
    }
    // An output worth more than its input: nothing of the input is open.
    let mut single = draft(Sighash::Single, 1);
    single.spends.swap(0, 1);
    single.spends[0].sighash = Some(Sighash::Single);
    single.spends[1].sighash = None;
    let decoded = summarize(&single);
    assert_eq!((decoded.total_out, decoded.fee, decoded.unknown_parts), (80_000, 10_000, true));
}

#[test]
fn outputs_without_an_address_are_unknown_parts() {
    let data = ScriptBuf::new_op_return(b"memo");
    let odd = ScriptBuf::from_bytes(vec![0x51]);
    for (pays_to, amount, kind) in [
        (data.clone(), 0, EffectKind::Message),
        (data, 700, EffectKind::Transfer),
        (odd, 700, EffectKind::Transfer),
        (ScriptBuf::new_p2pk(&bitcoin::PublicKey::new(key(9))), 700, EffectKind::Transfer),
    ] {
        let decoded = summarize(&one_input(100_000, vec![(pays_to, amount), (script(InputKind::P2wpkh, 9), 95_000)]));
        assert!(decoded.unknown_parts);
        assert_eq!(
            (decoded.effects[0].kind, &decoded.effects[0].recipient, decoded.effects[0].amount),
            (kind, &None, Some(amount))
        );
        assert!(decoded.details["outputs"][0]["script"].is_string());
        assert_eq!(decoded.total_out, 95_000 + amount);
    }
}

#[test]
fn fees_and_dust_that_look_wrong_are_warned_of() {
    let warnings = |amount, outputs| summarize(&one_input(amount, outputs)).warnings;
    let to = |number| script(InputKind::P2wpkh, number);
    assert_eq!(warnings(100_000, vec![(to(9), 95_000)]), [""; 0]);
    assert!(warnings(100_000, vec![(to(9), 90_000)])[0].contains("more than a tenth"));
    assert_eq!(warnings(100_000, vec![(to(9), 90_910)]), [""; 0]);
    assert!(warnings(9_000_000, vec![(to(9), 8_880_000)])[0].contains("far more than any block needs"));
    assert!(
        warnings(100_000, vec![(to(9), 95_000), (to(9), 293)])[0]
            .contains("output 1 is worth 293, and nodes relay none below 294")
    );
    let mut dogecoin =
        one_input(1_000_000_000, vec![(script(InputKind::P2pkh, 9), 990_000_000), (script(InputKind::P2pkh, 9), 999_999)]);
    dogecoin.network = "DOGE mainnet";
    dogecoin.spends[0].kind = InputKind::P2pkh;
    assert_eq!(summarize(&dogecoin).warnings, ["output 1 is worth 999999, and nodes relay none below 1000000"]);
}

#[test]
fn scripts_are_told_by_the_addresses_of_their_network() {
    let wallet_key = WalletKey::from_bytes(KeySpec::EccSecgP256k1, &key(7).serialize()).unwrap();
    let types = [
        (AddressType::P2pkh, InputKind::P2pkh),
        (AddressType::P2shP2wpkh, InputKind::P2shP2wpkh),
        (AddressType::P2wpkh, InputKind::P2wpkh),
    ];
    let networks = Networks::new(&NetworkDefaults::default(), &[]).unwrap();
    for network in networks.iter().filter(|network| network.family() == "utxo") {
        for (address_type, kind) in types {
            let told = crate::chains::utxo::address_of_script(network, script(kind, 7).as_bytes());
            let derived = derive_address(network, address_type, &wallet_key).ok();
            if derived.is_some() || address_type == AddressType::P2wpkh {
                assert_eq!(told, derived, "{network} {address_type}");
            }
            if let Some(told) = told {
                assert_eq!(parse_address(network, told.as_str()).unwrap().0, told, "{network} {address_type}");
            }
        }
    }
    // The same as other code says, for every standard script of Bitcoin.
    let bitcoin = network("BTC mainnet");
    let scripts = [
        script(InputKind::P2pkh, 7),
        script(InputKind::P2shP2wpkh, 7),
        script(InputKind::P2wpkh, 7),
        ScriptBuf::new_p2wsh(&script(InputKind::P2pkh, 7).wscript_hash()),
        ScriptBuf::new_p2tr(&Secp256k1::new(), key(7).x_only_public_key().0, None),
    ];
    for script in scripts {
        let elsewhere = bitcoin::Address::from_script(&script, bitcoin::Network::Bitcoin).unwrap().to_string();
        assert_eq!(crate::chains::utxo::address_of_script(&bitcoin, script.as_bytes()).unwrap().as_str(), elsewhere);
    }
    assert_eq!(crate::chains::utxo::address_of_script(&network("ETH mainnet"), script(InputKind::P2pkh, 7).as_bytes()), None);
}
