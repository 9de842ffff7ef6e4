//! What must not be signed is refused by its rule, with the number of the input.

use super::*;

/// Holds if the changed PSBT is refused by this rule, with these words.
#[track_caller]
fn refuses(draft: &Draft, rule: Rule, words: &str, change: impl FnOnce(&mut Maps)) {
    let mut maps = draft.maps();
    change(&mut maps);
    match draft.plan(&maps) {
        Err(DecodeError::Refused { rule: found, reason }) => {
            assert_eq!(found, rule, "{reason}");
            assert!(reason.contains(words), "{reason}");
        }
        other => panic!("{:?}", other.map(|_| ())),
    }
}

/// Holds if the changed PSBT is no PSBT to sign, with these words.
#[track_caller]
fn invalid(draft: &Draft, words: &str, change: impl FnOnce(&mut Maps)) {
    let mut maps = draft.maps();
    change(&mut maps);
    match draft.plan(&maps) {
        Err(DecodeError::Invalid { field, reason }) => {
            assert_eq!(field, "psbt");
            assert!(reason.contains(words), "{reason}");
        }
        other => panic!("{:?}", other.map(|_| ())),
    }
}

/// A well-formed one, with SIGHASH_ALL.
fn signature_of_nothing() -> Vec<u8> {
    let signature = Secp256k1::new().sign_ecdsa(&Message::from_digest([7; 32]), &secret(1));
    bitcoin::ecdsa::Signature::sighash_all(signature).to_vec()
}

fn set(map: &mut Map, key_type: u8, value: impl Into<Vec<u8>>) {
    map.insert(vec![key_type], value.into());
}

fn unset(map: &mut Map, key_type: u8) {
    map.remove(&vec![key_type]).unwrap();
}

fn drafts() -> [Draft; 2] {
    [Draft::of_each_kind(Version::V0), Draft::of_each_kind(Version::V2)]
}

#[test]
fn amounts_that_are_not_proven_are_refused() {
    for draft in drafts() {
        for index in [1, 2] {
            let words = format!("input {index} claims its amount");
            refuses(&draft, Rule::AmountNotProven, &words, |maps| unset(&mut maps.inputs[index], input::NON_WITNESS_UTXO));
        }
        refuses(&draft, Rule::AmountNotProven, "input 0 has no PSBT_IN_NON_WITNESS_UTXO", |maps| {
            unset(&mut maps.inputs[0], input::NON_WITNESS_UTXO);
        });
        let output = draft.spends[0].made_by(0).output[1].clone();
        refuses(&draft, Rule::AmountNotProven, "input 0 claims its amount", |maps| {
            unset(&mut maps.inputs[0], input::NON_WITNESS_UTXO);
            set(&mut maps.inputs[0], input::WITNESS_UTXO, serialize(&output));
        });
        refuses(&draft, Rule::AmountNotProven, "input 0 is p2pkh and has a witness UTXO", |maps| {
            set(&mut maps.inputs[0], input::WITNESS_UTXO, serialize(&output));
        });
    }
}

#[test]
fn a_witness_utxo_alone_is_taken_for_segwit_inputs_where_it_is_allowed() {
    for draft in drafts() {
        let mut maps = draft.maps();
        for index in [1, 2] {
            unset(&mut maps.inputs[index], input::NON_WITNESS_UTXO);
        }
        let (request, plan) = draft.plan_with(&maps, true).unwrap();
        let signed = finish(request, &plan, &draft.signatures(&plan), true).unwrap();
        draft.assert_accepted(&signed.transaction.unwrap().0);
        unset(&mut maps.inputs[0], input::NON_WITNESS_UTXO);
        let output = draft.spends[0].made_by(0).output[1].clone();
        set(&mut maps.inputs[0], input::WITNESS_UTXO, serialize(&output));
        let error = draft.plan_with(&maps, true).unwrap_err();
        assert!(matches!(error, DecodeError::Refused { rule: Rule::AmountNotProven, .. }), "never for p2pkh: {error}");
    }
}

#[test]
fn forged_amounts_are_refused() {
    for draft in drafts() {
        for index in 0..3 {
            let made_by = draft.spends[index].made_by(index);
            let mut richer = made_by.clone();
            richer.output[1].value = Amount::from_sat(1_000_000);
            refuses(&draft, Rule::Amount, &format!("input {index} spends from"), |maps| {
                set(&mut maps.inputs[index], input::NON_WITNESS_UTXO, serialize(&richer));
            });
            if index > 0 {
                for changed in [
                    TxOut { value: Amount::from_sat(99_999), ..made_by.output[1].clone() },
                    TxOut { script_pubkey: script(InputKind::P2wpkh, 50), ..made_by.output[1].clone() },
                ] {
                    refuses(&draft, Rule::Amount, &format!("input {index} has a PSBT_IN_WITNESS_UTXO that is not"), |maps| {
                        set(&mut maps.inputs[index], input::WITNESS_UTXO, serialize(&changed));
                    });
                }
            }
        }
    }
    // An output that the transaction does not have.
    let draft = Draft::of_each_kind(Version::V2);
    refuses(&draft, Rule::Amount, "input 1 spends output 2 of a transaction that has not so many", |maps| {
        set(&mut maps.inputs[1], input::OUTPUT_INDEX, 2u32.to_le_bytes());
    });
}

#[test]
fn sums_that_can_not_be_are_refused() {
    let total = |inputs: &[u64], outputs: &[u64]| {
        let spends = inputs.iter().zip(1..).map(|(amount, number)| spent(InputKind::P2wpkh, number, *amount)).collect();
        let outputs = outputs.iter().map(|amount| (script(InputKind::P2pkh, 60), *amount)).collect();
        Draft::new(Version::V2, spends, outputs)
    };
    let all_bitcoin = 2_100_000_000_000_000;
    refuses(&total(&[1000], &[600, 401]), Rule::Amount, "the outputs are worth 1001, the inputs only 1000", |_| {});
    refuses(&total(&[all_bitcoin, 1], &[1]), Rule::Amount, "input 1 brings the sum over", |_| {});
    refuses(&total(&[1000], &[1, all_bitcoin]), Rule::Amount, "output 1 brings the sum over", |_| {});
    refuses(&total(&[1000, 0], &[1]), Rule::Amount, "input 1 spends a coin worth nothing", |_| {});
    invalid(&total(&[1000], &[u64::MAX]), "output 0 has a negative amount", |_| {});
    let version_0 = Draft { version: Version::V0, ..total(&[1000], &[u64::MAX]) };
    refuses(&version_0, Rule::Amount, "output 0 brings the sum over", |_| {});
    // Dogecoin has more, up to what 64 bits hold.
    let mut dogecoin = total(&[all_bitcoin, all_bitcoin], &[all_bitcoin]);
    dogecoin.network = "DOGE mainnet";
    dogecoin.spends.iter_mut().for_each(|spent| spent.kind = InputKind::P2pkh);
    assert!(dogecoin.plan(&dogecoin.maps()).is_ok());
    dogecoin.spends[0].amount = i64::MAX.cast_unsigned();
    refuses(&dogecoin, Rule::Amount, "input 1 brings the sum over", |_| {});
}

#[test]
fn redeem_scripts_that_are_not_the_wallets_are_refused() {
    for draft in drafts() {
        refuses(&draft, Rule::RedeemScript, "input 1 has a redeem script whose hash is not the output's", |maps| {
            set(&mut maps.inputs[1], input::REDEEM_SCRIPT, script(InputKind::P2wpkh, 9).into_bytes());
        });
        for index in [0, 2] {
            refuses(
                &draft,
                Rule::RedeemScript,
                &format!("input {index} has a redeem script, and its output is not p2sh"),
                |maps| {
                    set(&mut maps.inputs[index], input::REDEEM_SCRIPT, script(InputKind::P2wpkh, 1).into_bytes());
                },
            );
        }
    }
    // A p2sh of another kind, well described.
    let other = ScriptBuf::builder().push_opcode(bitcoin::opcodes::all::OP_PUSHNUM_1).into_script();
    let mut made_by = spent(InputKind::P2wpkh, 1, 5000).made_by(0);
    made_by.output[1].script_pubkey = ScriptBuf::new_p2sh(&other.script_hash());
    let draft = Draft::new(Version::V2, vec![spent(InputKind::P2shP2wpkh, 1, 5000)], vec![(script(InputKind::P2wpkh, 9), 4000)]);
    refuses(&draft, Rule::RedeemScript, "input 0 has a redeem script that is not p2wpkh", |maps| {
        set(&mut maps.inputs[0], input::NON_WITNESS_UTXO, serialize(&made_by));
        unset(&mut maps.inputs[0], input::WITNESS_UTXO);
        set(&mut maps.inputs[0], input::PREVIOUS_TXID, made_by.compute_txid().to_byte_array());
        set(&mut maps.inputs[0], input::REDEEM_SCRIPT, other.into_bytes());
    });
}

#[test]
fn scripts_that_no_wallet_has_are_foreign() {
    let secp = Secp256k1::new();
    let taproot = ScriptBuf::new_p2tr(&secp, key(1).x_only_public_key().0, None);
    let p2pk = ScriptBuf::new_p2pk(&bitcoin::PublicKey::new(key(1)));
    let p2wsh = ScriptBuf::new_p2wsh(&p2pk.wscript_hash());
    for (script_pubkey, words) in [
        (taproot, "input 1 is p2tr: taproot needs Schnorr signatures, which KMS does not make"),
        (p2pk, "input 1 has a script that no wallet of BTC regtest has"),
        (p2wsh, "input 1 has a script that no wallet of BTC regtest has"),
        (ScriptBuf::new(), "input 1 has a script that no wallet of BTC regtest has"),
    ] {
        let mut made_by = spent(InputKind::P2wpkh, 1, 5000).made_by(0);
        made_by.output[1].script_pubkey = script_pubkey;
        refuses(&Draft::of_each_kind(Version::V2), Rule::ForeignInput, words, |maps| {
            set(&mut maps.inputs[1], input::NON_WITNESS_UTXO, serialize(&made_by));
            unset(&mut maps.inputs[1], input::WITNESS_UTXO);
            set(&mut maps.inputs[1], input::PREVIOUS_TXID, made_by.compute_txid().to_byte_array());
        });
    }
    let dogecoin = Draft { network: "DOGE mainnet", ..Draft::of_each_kind(Version::V0) };
    refuses(&dogecoin, Rule::ForeignInput, "input 1 has a script that no wallet of DOGE mainnet has", |_| {});
    // The key that was found for it is not its.
    let draft = Draft::of_each_kind(Version::V0);
    let request = parse(&draft.maps().base64()).unwrap();
    let found = coins(&request, &draft.network(), false).unwrap();
    let error = plan(&request, found, &[key(1), key(2), key(4)]).unwrap_err().to_string();
    assert!(error.contains("input 2 has a script that is not of its wallet's key"), "{error}");
}

#[test]
fn sighash_types_that_ecdsa_does_not_have_are_refused() {
    for draft in drafts() {
        for number in [0u32, 4, 0x80, 0x84, 0x41, 0x101, u32::MAX] {
            refuses(&draft, Rule::Sighash, "input 2 has sighash type", |maps| {
                set(&mut maps.inputs[2], input::SIGHASH_TYPE, number.to_le_bytes());
            });
        }
        let mut fewer = draft.clone();
        fewer.outputs.truncate(2);
        for sighash in [EcdsaSighashType::Single, EcdsaSighashType::SinglePlusAnyoneCanPay] {
            refuses(&fewer, Rule::Sighash, "input 2 has sighash SINGLE, and there is no output of its number", |maps| {
                set(&mut maps.inputs[2], input::SIGHASH_TYPE, sighash.to_u32().to_le_bytes());
            });
        }
    }
}

#[test]
fn fields_that_a_signer_must_understand_are_refused() {
    let preimage = b"preimage".to_vec();
    let sha256 = bitcoin::hashes::sha256::Hash::hash(&preimage).to_byte_array();
    for (key, value, name) in [
        (vec![0x05], vec![0x51], "PSBT_IN_WITNESS_SCRIPT"),
        (vec![0x09], vec![], "PSBT_IN_POR_COMMITMENT"),
        ([&[0x0b][..], &sha256].concat(), preimage, "PSBT_IN_SHA256"),
        (vec![0x13], vec![1; 64], "PSBT_IN_TAP_KEY_SIG"),
        ([&[0x14][..], &[2; 64]].concat(), vec![1; 65], "PSBT_IN_TAP_SCRIPT_SIG"),
        ([&[0x15][..], &[0xc0; 33]].concat(), vec![0x51, 0xc0], "PSBT_IN_TAP_LEAF_SCRIPT"),
        ([&[0x16][..], &[2; 32]].concat(), vec![0; 5], "PSBT_IN_TAP_BIP32_DERIVATION"),
        (vec![0x17], vec![2; 32], "PSBT_IN_TAP_INTERNAL_KEY"),
        (vec![0x18], vec![2; 32], "PSBT_IN_TAP_MERKLE_ROOT"),
        ([&[0x1a][..], &key(1).serialize()].concat(), vec![], "PSBT_IN_MUSIG2_PARTICIPANT_PUBKEYS"),
        (vec![0x20], vec![2; 32], "PSBT_IN_SP_TWEAK"),
    ] {
        for draft in drafts() {
            refuses(&draft, Rule::UnknownField, &format!("input 1 has {name}: "), |maps| {
                maps.inputs[1].insert(key.clone(), value.clone());
            });
        }
    }
    let [version_0, version_2] = drafts();
    refuses(&version_0, Rule::UnknownField, "the global map has PSBT_GLOBAL_GENERIC_SIGNED_MESSAGE", |maps| {
        set(&mut maps.global, 0x09, b"hello");
    });
    refuses(&version_2, Rule::UnknownField, "output 1 has PSBT_OUT_SP_V0_INFO", |maps| {
        set(&mut maps.outputs[1], 0x09, vec![2; 66]);
    });
    let litecoin = Draft { network: "LTC mainnet", ..version_0.clone() };
    refuses(&litecoin, Rule::UnknownField, "the global map has field 0x90 of MWEB", |maps| set(&mut maps.global, 0x90, [1; 32]));
    refuses(&litecoin, Rule::UnknownField, "input 2 has field 0x97 of MWEB", |maps| set(&mut maps.inputs[2], 0x97, [1; 8]));
    refuses(&litecoin, Rule::UnknownField, "output 0 has field 0x91 of MWEB", |maps| set(&mut maps.outputs[0], 0x91, [1; 33]));
    let mut elsewhere = version_0.maps();
    set(&mut elsewhere.inputs[2], 0x97, [1; 8]);
    assert!(version_0.plan(&elsewhere).is_ok(), "elsewhere these types have no meaning, and are passed through");
}

#[test]
fn inputs_that_are_signed_already_are_refused() {
    for draft in drafts() {
        for (key_type, value) in [(input::FINAL_SCRIPTSIG, vec![0x51]), (input::FINAL_SCRIPTWITNESS, vec![1, 1, 7])] {
            refuses(&draft, Rule::AlreadySigned, "input 2 has PSBT_IN_FINAL", |maps| set(&mut maps.inputs[2], key_type, value));
        }
        let signed = Maps::of(&draft.sign(&draft.maps(), false).1.psbt);
        let own = |number: u8| [&[input::PARTIAL_SIG][..], &key(number).serialize()].concat();
        let signature = |index: usize, number| signed.inputs[index][&own(number)].clone();
        // Of the wallet's key, over something else; of another key; with another sighash type than it was made for.
        refuses(&draft, Rule::AlreadySigned, "input 2 has a signature already", |maps| {
            maps.inputs[2].insert(own(3), signature(1, 2));
        });
        refuses(&draft, Rule::AlreadySigned, "input 2 has a signature already", |maps| {
            maps.inputs[2].insert(own(9), signature(2, 3));
        });
        refuses(&draft, Rule::AlreadySigned, "input 2 has a signature already", |maps| {
            let mut other = signature(2, 3);
            *other.last_mut().unwrap() = 0x81;
            maps.inputs[2].insert(own(3), other);
        });
        refuses(&draft, Rule::AlreadySigned, "input 2 has a signature already", |maps| {
            maps.inputs[2].insert(own(3), signature(2, 3));
            set(&mut maps.inputs[2], input::SIGHASH_TYPE, 0x81u32.to_le_bytes());
        });
    }
}

#[test]
fn what_is_no_transaction_is_invalid() {
    let [version_0, version_2] = drafts();
    for (draft, change) in [
        (&version_2, (|maps| maps.inputs[2] = maps.inputs[1].clone()) as fn(&mut Maps)),
        (&version_0, |maps| {
            let unsigned = maps.global.get_mut(&vec![global::UNSIGNED_TX]).unwrap();
            // The third input's outpoint becomes the second's.
            unsigned.copy_within(5 + 41..5 + 41 + 36, 5 + 82);
        }),
    ] {
        invalid(draft, "input 2 spends a coin that another input spends too", change);
    }
    invalid(&version_2, "input 0 makes new coins", |maps| {
        set(&mut maps.inputs[0], input::PREVIOUS_TXID, [0; 32]);
        set(&mut maps.inputs[0], input::OUTPUT_INDEX, u32::MAX.to_le_bytes());
    });
    invalid(&version_2, "input 1 has PSBT_IN_NON_WITNESS_UTXO that is no transaction", |maps| {
        set(&mut maps.inputs[1], input::NON_WITNESS_UTXO, b"no transaction");
    });
    for version in [1u32, 3, u32::MAX] {
        invalid(&version_2, &format!("has version {version}; versions 0 and 2 are known"), |maps| {
            set(&mut maps.global, global::VERSION, version.to_le_bytes());
        });
    }
    let nothing = Draft { outputs: Vec::new(), ..version_0.clone() };
    invalid(&nothing, "needs at least one input and one output", |_| {});
    let nobody = Draft { spends: Vec::new(), ..version_2.clone() };
    invalid(&nobody, "needs at least one input and one output", |_| {});
}

#[test]
fn what_is_too_much_is_invalid() {
    let draft = Draft::of_each_kind(Version::V2);
    for (key_type, count) in [(global::INPUT_COUNT, 2001u16), (global::OUTPUT_COUNT, 3001)] {
        invalid(&draft, "must have at most 2000 inputs and 3000 outputs", |maps| {
            set(&mut maps.global, key_type, [&[0xfd], &count.to_le_bytes()[..]].concat());
        });
    }
    let heavy = Draft::new(
        Version::V0,
        (0..700).map(|_| spent(InputKind::P2pkh, 1, 1000)).collect(),
        vec![(script(InputKind::P2wpkh, 9), 1000)],
    );
    invalid(&heavy, "when signed; nodes relay at most 400000", |_| {});
    // Found before any digest is made, of which this signature would be wrong.
    invalid(&heavy, "when signed; nodes relay at most 400000", |maps| {
        maps.inputs[0].insert([&[input::PARTIAL_SIG][..], &key(1).serialize()].concat(), signature_of_nothing());
    });
    // And before any wallet is looked for, where it can be.
    for version in [Version::V0, Version::V2] {
        let carrying = |bytes: usize| {
            let outputs = (0..11).map(|_| (ScriptBuf::from_bytes([&[0x6a][..], &vec![0; bytes]].concat()), 0)).collect();
            parse(&Draft::new(version, vec![spent(InputKind::P2pkh, 1, 1000)], outputs).maps().base64())
        };
        let error = carrying(9_090).unwrap_err().to_string();
        assert!(error.contains("before it is signed; nodes relay at most 400000"), "{error}");
        assert!(carrying(9_060).is_ok());
    }
    let long = "A".repeat(MAX_BASE64_BYTES + 4);
    assert!(parse(&long).unwrap_err().to_string().contains("must have at most 4194304 characters"));
    invalid(&draft, "has more fields than", |maps| {
        maps.outputs[0] = (0..=1u32 << 15).map(|number| ([&[0xf0][..], &number.to_le_bytes()].concat(), Vec::new())).collect();
    });
}

#[test]
fn networks_without_psbts_are_refused() {
    let request = parse(&Draft::of_each_kind(Version::V0).maps().base64()).unwrap();
    let error = coins(&request, &network("ETH mainnet"), false).unwrap_err();
    assert!(matches!(error, DecodeError::Invalid { ref field, .. } if field == "asset"), "{error}");
}
