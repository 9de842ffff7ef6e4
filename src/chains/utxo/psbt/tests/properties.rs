//! Generated PSBTs: each is signed and accepted, and none that was changed in what it spends is.

use bitcoin::consensus::encode::deserialize;
use proptest::prelude::*;

use super::*;

fn any_kind() -> impl Strategy<Value = InputKind> {
    prop::sample::select(&KINDS[..])
}

prop_compose! {
    fn any_spent()(
        kind in any_kind(),
        number in 1u8..=9,
        amount in 10_000u64..1_000_000_000,
        sighash in prop::option::of(prop::sample::select(&SIGHASHES[..])),
    ) -> Spent {
        Spent { kind, number, amount, sighash }
    }
}

prop_compose! {
    fn any_draft()(
        version in prop::sample::select(&[Version::V0, Version::V2][..]),
        spends in prop::collection::vec(any_spent(), 1..6),
        shares in prop::collection::vec((any_kind(), 1u8..=30, 1u64..1_000), 5..8),
        network in prop::sample::select(&["BTC mainnet", "BTC regtest", "LTC mainnet", "DOGE testnet"][..]),
        sequence in any::<u32>(),
        lock_time in any::<u32>(),
    ) -> Draft {
        let mut spends = spends;
        if network.starts_with("DOGE") {
            for spend in &mut spends {
                spend.kind = InputKind::P2pkh;
            }
        }
        let total: u64 = spends.iter().map(|spent| spent.amount).sum();
        let outputs = shares.into_iter().map(|(kind, number, share)| (script(kind, number), total / 10_000 * share)).collect();
        Draft { network, version, spends, outputs, sequence, lock_time }
    }
}

/// Changes something about what one input spends, so that it is no longer proven.
fn tamper(draft: &Draft, maps: &mut Maps, index: usize, how: u8) {
    let index = index % draft.spends.len();
    let spent = &draft.spends[index];
    let mut made_by = spent.made_by(index);
    let map = &mut maps.inputs[index];
    match how {
        0 => made_by.output[1].value = Amount::from_sat(spent.amount + 1),
        1 => made_by.output[1].script_pubkey = script(spent.kind, 99),
        2 => made_by.lock_time = LockTime::from_consensus(7),
        3 => made_by.output.truncate(1),
        4 => {
            map.remove(&vec![input::NON_WITNESS_UTXO]);
            return;
        }
        _ => {
            let claimed = TxOut { value: Amount::from_sat(spent.amount - 1), script_pubkey: script(spent.kind, spent.number) };
            map.insert(vec![input::WITNESS_UTXO], serialize(&claimed));
            return;
        }
    }
    map.insert(vec![input::NON_WITNESS_UTXO], serialize(&made_by));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn generated_psbts_are_signed_and_accepted(draft in any_draft()) {
        let (plan, signed) = draft.sign(&draft.maps(), true);
        let (transaction, txid) = signed.transaction.unwrap();
        draft.assert_accepted(&transaction);
        let transaction: Transaction = deserialize(&hex::decode(&transaction).unwrap()).unwrap();
        prop_assert_eq!(transaction.compute_txid(), txid);
        prop_assert_eq!(read_elsewhere(draft.version, &signed.psbt), transaction);
        // The digests are those of other code.
        if draft.version == Version::V0 {
            let psbt = bitcoin::Psbt::deserialize(&STANDARD.decode(draft.maps().base64()).unwrap()).unwrap();
            let mut cache = bitcoin::sighash::SighashCache::new(&psbt.unsigned_tx);
            for (index, input) in plan.inputs().iter().enumerate() {
                let (message, _) = psbt.sighash_ecdsa(index, &mut cache).unwrap();
                prop_assert_eq!(message, Message::from_digest(input.digest));
            }
        }
    }

    #[test]
    fn generated_psbts_with_an_unproven_coin_are_refused(draft in any_draft(), index in any::<usize>(), how in 0u8..6) {
        let mut maps = draft.maps();
        tamper(&draft, &mut maps, index, how);
        let refused = draft.plan(&maps);
        let is_unproven = matches!(refused, Err(DecodeError::Refused { rule: Rule::Amount | Rule::AmountNotProven, .. }));
        prop_assert!(is_unproven, "{:?}", refused.map(|_| ()));
    }

    #[test]
    fn changed_bytes_are_read_as_something_or_refused(
        draft in any_draft(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = STANDARD.decode(draft.maps().base64()).unwrap();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(request) = parse(&STANDARD.encode(bytes)) {
            prop_assert_eq!(parse(&request.to_base64()).unwrap(), request.clone());
            if let Ok(coins) = coins(&request, &draft.network(), true) {
                let keys: Vec<_> = coins.iter().map(|_| key(1)).collect();
                let _ = plan(&request, coins, &keys);
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&text);
        let _ = parse(&STANDARD.encode([&b"psbt\xff"[..], &bytes].concat()));
    }
}
