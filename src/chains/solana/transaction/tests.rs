use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use proptest::prelude::*;
use serde_json::{Value, json};
use solana_transaction::versioned::VersionedTransaction;

use super::super::wire::{Instruction, Lookup, Version};
use super::*;
use crate::chains::effects::{Effect, EffectKind};

const VECTORS: &str = include_str!("../../../../tests/vectors/solana/instructions.json");
const SDK: &str = include_str!("../../../../tests/vectors/solana/sdk.json");
const SYSTEM: [u8; 32] = [0; 32];

struct Vector {
    name: String,
    base64: String,
    expect: Value,
}

fn vectors() -> Vec<Vector> {
    let file: Value = serde_json::from_str(VECTORS).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let vector = |value: &Value| Vector {
        name: text(&value["name"]),
        base64: text(&value["transaction"]),
        expect: value["expect"].clone(),
    };
    file["transactions"].as_array().unwrap().iter().map(vector).collect()
}

/// The key of 32 equal bytes.
fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

fn account(number: u8) -> Pubkey {
    Pubkey::new(key(number).verifying_key().to_bytes())
}

fn wallet() -> Pubkey {
    account(1)
}

fn named(name: &str) -> SolanaTransactionRequest {
    let vector = vectors().into_iter().find(|vector| vector.name == name).unwrap_or_else(|| panic!("{name}"));
    parse(&vector.base64).unwrap()
}

fn decoded(name: &str) -> Decoded {
    named(name).decode(&wallet())
}

fn encode(transaction: &Transaction) -> String {
    STANDARD.encode(transaction.to_bytes())
}

/// The same with something changed, read anew.
fn changed(
    request: &SolanaTransactionRequest,
    change: impl FnOnce(&mut Transaction),
) -> Result<SolanaTransactionRequest, DecodeError> {
    let mut transaction = request.0.clone();
    change(&mut transaction);
    parse(&encode(&transaction))
}

fn kinds(decoded: &Decoded) -> Vec<&'static str> {
    decoded.effects.iter().map(|effect| effect.kind.as_str()).collect()
}

fn effect(decoded: &Decoded, kind: EffectKind) -> &Effect {
    decoded.effects.iter().find(|effect| effect.kind == kind).unwrap_or_else(|| panic!("{decoded:?}"))
}

#[test]
fn transactions_of_kit_read_and_write_back_the_same() {
    for Vector { name, base64, .. } in vectors() {
        let request = parse(&base64).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(serde_json::to_value(&request).unwrap(), json!(base64), "{name}");
        let message = request.message_bytes();
        for (signer, signature) in request.signatures() {
            let Some(signature) = signature else { continue };
            let key = VerifyingKey::from_bytes(signer.as_bytes()).unwrap();
            key.verify_strict(&message, &Signature::from_bytes(signature)).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        assert!(request.place_of(&wallet()).is_some(), "{name}");
    }
}

#[test]
fn transaction_of_the_sdk_reads_and_is_unknown() {
    let file: Value = serde_json::from_str(SDK).unwrap();
    let request = parse(file["transaction"].as_str().unwrap()).unwrap();
    let (signer, signature) = request.signatures().next().unwrap();
    let key = VerifyingKey::from_bytes(signer.as_bytes()).unwrap();
    key.verify_strict(&request.message_bytes(), &Signature::from_bytes(signature.unwrap())).unwrap();
    let decoded = request.decode(signer);
    assert!(decoded.unknown_parts);
    assert_eq!(kinds(&decoded), ["call", "fee"]);
}

#[test]
fn instructions_read_as_what_they_were_built_of() {
    for Vector { name, base64, expect } in vectors() {
        let decoded = parse(&base64).unwrap().decode(&wallet());
        let first = &decoded.details["instructions"][0];
        let Some(members) = expect.as_object() else {
            assert!(decoded.unknown_parts, "{name}");
            assert!(first.get("instruction").is_none(), "{name}: {first}");
            let call = effect(&decoded, EffectKind::Call);
            assert!(call.unknown_amount && call.program.is_some(), "{name}");
            assert!(
                decoded
                    .warnings
                    .iter()
                    .any(|warning| warning.contains("in the name of the wallet") || warning.contains("none of its accounts"))
            );
            continue;
        };
        for (member, value) in members {
            assert_eq!(&first[member], value, "{name}: {member} of {first}");
        }
        assert_eq!(decoded.unknown_parts, name.contains("looked-up"), "{name}: {decoded:?}");
    }
}

#[test]
fn what_gives_control_away_is_an_authority_effect() {
    let giving = [
        "assign",
        "nonce",
        "approve",
        "setAuthority",
        "closeAccount",
        "freezeAccount",
        "thawAccount",
        "allocate of",
        "allocateWithSeed",
    ];
    let harmless = ["upgradeNonceAccount", "withdrawNonceAccount"];
    for Vector { name, base64, .. } in vectors() {
        let decoded = parse(&base64).unwrap().decode(&wallet());
        let gives =
            giving.iter().any(|word| name.to_lowercase().contains(&word.to_lowercase())) && !harmless.contains(&name.as_str());
        assert_eq!(kinds(&decoded).contains(&"authority"), gives, "{name}: {decoded:?}");
    }
    // Its own account is handed over with the one that it makes.
    let mut request = named("createAccountAllowPrefund");
    let own = request.place_of(&wallet()).unwrap();
    request.0.message.instructions[0].accounts[0] = u8::try_from(own).unwrap();
    assert!(kinds(&request.decode(&wallet())).contains(&"authority"));
    let set = decoded("Token setAuthority");
    assert_eq!(effect(&set, EffectKind::Authority).recipient, Some(Pubkey::new([0x21; 32]).to_string()));
}

#[test]
fn withdrawal_from_the_wallets_own_account_leaves_it_whatever_authority_is_named() {
    let mut request = named("withdrawNonceAccount");
    let own = u8::try_from(request.place_of(&wallet()).unwrap()).unwrap();
    let accounts = &mut request.0.message.instructions[0].accounts;
    (accounts[0], accounts[4]) = (own, accounts[1]);
    let decoded = request.decode(&wallet());
    let withdrawn = effect(&decoded, EffectKind::Transfer).amount.unwrap();
    assert!(withdrawn > 0 && decoded.total_out == withdrawn, "{decoded:?}");
}

#[test]
fn effects_of_authority_say_by_what_instruction() {
    let selectors = |name: &str| {
        let decoded = decoded(name);
        let authority = decoded.effects.into_iter().filter(|effect| effect.kind == EffectKind::Authority);
        authority.map(|effect| effect.selector.unwrap()).collect::<Vec<_>>()
    };
    for Vector { name, .. } in vectors() {
        assert!(selectors(&name).iter().all(|selector| !selector.is_empty()), "{name}");
    }
    assert_eq!(selectors("assign"), ["assign"]);
}

#[test]
fn instruction_with_anything_more_or_less_is_unknown() {
    // With one account less these are the same: a seed's base and the rent may be left out.
    let optional = |name: &str, accounts: usize| matches!((name, accounts), ("createAccountWithSeed", 3) | ("syncNative", 2));
    for Vector { name, base64, expect } in vectors() {
        let Some(instruction) = expect["instruction"].as_str() else { continue };
        let request = parse(&base64).unwrap();
        let unknown = |what: &str, change: &dyn Fn(&mut Instruction)| {
            let mut changed = request.clone();
            change(&mut changed.0.message.instructions[0]);
            let decoded = changed.decode(&wallet());
            let first = &decoded.details["instructions"][0];
            assert!(first.get("instruction").is_none() && decoded.unknown_parts, "{name} with {what}: {first}");
            assert!(decoded.effects.iter().any(|effect| effect.kind == EffectKind::Call && effect.unknown_amount));
        };
        if instruction != "memo" {
            unknown("a byte more", &|instruction| instruction.data.push(0));
            // Of one that is made, nothing says so too.
            if !["create", "createIdempotent"].contains(&instruction) {
                unknown("a byte less", &|instruction| instruction.data.truncate(instruction.data.len() - 1));
            }
        }
        if !instruction.starts_with("initializeMultisig") {
            // Index 0 is the payer, which signs.
            let last = u8::try_from(request.0.message.keys.len() - 1).unwrap();
            unknown("an account more", &|instruction| instruction.accounts.push(last));
            let accounts = request.0.message.instructions[0].accounts.len();
            if accounts > 0 && instruction != "memo" && !optional(instruction, accounts) && !name.contains("several signers") {
                unknown("an account less", &|instruction| instruction.accounts.truncate(accounts - 1));
            }
        }
    }
}

#[test]
fn transfers_count_what_leaves_the_wallet() {
    for (name, out) in [
        ("transfer", 1_234_567),
        ("transfer v0", u64::MAX),
        ("transferWithSeed", 5),
        ("createAccount", 2_039_280),
        ("createAccountWithSeed", 7),
        ("createAccountAllowPrefund", 3),
        ("withdrawNonceAccount", 6),
        ("transfer that another pays", 2),
        ("transfer to a looked-up account", 2),
        ("Token create", 2_039_280),
        ("Token-2022 create", 2_248_080),
        ("Token transferChecked", 0),
        ("assign", 0),
    ] {
        assert_eq!(decoded(name).total_out, out, "{name}");
    }
    let paid = decoded("transfer");
    assert_eq!(kinds(&paid), ["transfer", "fee"]);
    let transfer = effect(&paid, EffectKind::Transfer);
    assert_eq!((transfer.amount, transfer.unknown_amount), (Some(1_234_567), false));
    assert_eq!(transfer.recipient, Some(Pubkey::new([0x21; 32]).to_string()));
    assert!(paid.warnings.is_empty(), "{paid:?}");

    // What another lets go, and what comes back, does not leave.
    assert_eq!(named("transfer").decode(&account(7)).total_out, 0);
    let own = changed(&named("transfer"), |transaction| transaction.message.instructions[0].accounts = vec![0, 0]).unwrap();
    assert_eq!(own.decode(&wallet()).total_out, 0);

    let several = changed(&named("transfer v0"), |transaction| {
        let again = transaction.message.instructions[0].clone();
        transaction.message.instructions.push(again);
    });
    assert_eq!(several.unwrap().decode(&wallet()).total_out, u64::MAX, "it saturates");
}

#[test]
fn tokens_are_told_in_whole_ones_rounded_up() {
    let mint = Some(Pubkey::new([0x23; 32]).to_string());
    for program in ["Token", "Token-2022"] {
        let checked = decoded(&format!("{program} transferChecked"));
        let token = effect(&checked, EffectKind::Token);
        assert_eq!((token.amount, &token.token, token.unknown_amount), (Some(2), &mint, false));
        assert_eq!(token.recipient, Some(Pubkey::new([0x25; 32]).to_string()));
        assert!(checked.warnings[0].contains("whose that is"), "{checked:?}");

        let plain = decoded(&format!("{program} transfer"));
        let token = effect(&plain, EffectKind::Token);
        assert_eq!((token.amount, &token.token, token.unknown_amount), (None, &None, true));
        assert!(!plain.unknown_parts);

        let burn = decoded(&format!("{program} burnChecked"));
        assert_eq!(effect(&burn, EffectKind::Token).amount, Some(1), "4 / 10^20, rounded up");
        assert!(effect(&decoded(&format!("{program} burn")), EffectKind::Token).unknown_amount);

        let approved = decoded(&format!("{program} approveChecked"));
        assert_eq!(kinds(&approved), ["approval", "authority", "fee"]);
        assert_eq!(effect(&approved, EffectKind::Approval).amount, Some(1));
        assert_eq!(effect(&approved, EffectKind::Authority).recipient, Some(Pubkey::new([0x21; 32]).to_string()));
        assert!(effect(&decoded(&format!("{program} closeAccount")), EffectKind::Authority).unknown_amount);
    }
}

#[test]
fn owner_of_a_token_account_is_told_if_the_transaction_makes_it() {
    let owner = Pubkey::new([0x26; 32]).to_string();
    for program in ["Token", "Token-2022"] {
        let name = format!("{program} createIdempotent, then transferChecked");
        let told = decoded(&name);
        assert_eq!(told.details["instructions"][1]["destinationOwner"], json!(owner));
        assert!(told.warnings.is_empty(), "{told:?}");
        assert_eq!(kinds(&told), ["transfer", "create", "token", "fee"]);

        let reversed = changed(&named(&name), |transaction| transaction.message.instructions.reverse()).unwrap();
        let told = reversed.decode(&wallet());
        assert!(told.details["instructions"][0].get("destinationOwner").is_none());

        // Another account than the owner's own is what no program would make.
        let mut other = named(&name);
        let made = usize::from(other.0.message.instructions[0].accounts[1]);
        other.0.message.keys[made] = Pubkey::new([0x55; 32]);
        assert!(other.decode(&wallet()).unknown_parts);
    }
}

#[test]
fn token_account_of_several_is_known_if_all_of_them_sign() {
    let request = named("Token transferChecked of several signers");
    let silent = u8::try_from(request.0.message.keys.len() - 1).unwrap();
    let unknown = |change: &dyn Fn(&mut Instruction)| {
        let mut changed = request.clone();
        change(&mut changed.0.message.instructions[0]);
        changed.decode(&wallet()).unknown_parts
    };
    assert!(!unknown(&|_| {}));
    assert!(unknown(&|instruction| instruction.accounts.push(silent)), "one that does not sign");
    assert!(unknown(&|instruction| instruction.accounts[3] = 0), "an owner who signs needs nobody beside it");
    assert!(unknown(&|instruction| instruction.accounts.extend([0; 10])), "more than eleven");
}

#[test]
fn durable_nonce_is_found_wherever_a_validator_finds_it() {
    let request = named("advanceNonceAccount");
    let decoded = request.decode(&wallet());
    assert_eq!(kinds(&decoded), ["authority", "transfer", "fee"]);
    assert_eq!(decoded.details["durableNonce"]["nonceAccount"], json!(Pubkey::new([0x22; 32]).to_string()));
    assert_eq!(decoded.details["durableNonce"]["authority"], json!(wallet().to_string()));
    assert!(decoded.warnings[0].contains("does not expire"));
    assert!(!decoded.unknown_parts);

    let mut longer = request.clone();
    longer.0.message.instructions[0].data.push(0);
    let decoded = longer.decode(&wallet());
    assert_eq!(kinds(&decoded), ["authority", "call", "transfer", "fee"]);
    assert!(decoded.unknown_parts && decoded.details.get("durableNonce").is_some());

    let second = changed(&request, |transaction| transaction.message.instructions.reverse()).unwrap().decode(&wallet());
    assert!(second.details.get("durableNonce").is_none());
    assert_eq!(kinds(&second), ["transfer", "authority", "fee"]);
}

#[test]
fn fee_is_a_maximum_of_what_the_payer_pays() {
    for (name, fee) in [
        ("transfer", 5_000),
        ("createAccount", 10_000),
        // 200,001 units at 7 millionths are 1.400007 lamports.
        ("setComputeUnitLimit", 5_002),
        // Without a limit: 200,000 for the transfer and 3,000 for the price itself.
        ("setComputeUnitPrice", 5_000 + 203_000),
        ("transfer that another pays", 0),
    ] {
        let decoded = decoded(name);
        assert_eq!(decoded.fee, fee, "{name}");
        let effects: Vec<_> = decoded.effects.iter().filter(|effect| effect.kind == EffectKind::Fee).collect();
        assert_eq!(effects.iter().filter_map(|effect| effect.amount).sum::<u64>(), fee);
        assert_eq!(effects.len(), usize::from(fee > 0));
    }
    let request = named("setComputeUnitPrice");
    let with = |change: &dyn Fn(&mut Vec<Instruction>)| {
        let mut changed = request.clone();
        change(&mut changed.0.message.instructions);
        changed.decode(&wallet()).fee
    };
    assert_eq!(with(&|all| all[0].data = [&[3][..], &u64::MAX.to_le_bytes()].concat()), 3_744_689_046_963_043_978);
    let limit = |units: u32| [&[2][..], &units.to_le_bytes()].concat();
    let at_most = |all: &mut Vec<Instruction>| {
        all.push(Instruction { data: limit(u32::MAX), ..all[0].clone() });
        all[0].data = [&[3][..], &u64::MAX.to_le_bytes()].concat();
    };
    assert_eq!(with(&at_most), u64::MAX, "1.4 million units are the most, and it saturates");
    // Validators read what is in front of more bytes, and so does the fee.
    assert_eq!(with(&|all| all[0].data.push(0)), 208_000);
    assert_eq!(with(&|all| all.push(Instruction { data: limit(0), ..all[0].clone() })), 5_000);
    assert_eq!(with(&|all| all.extend(vec![all[1].clone(); 20])), 5_000 + 1_400_000);
}

#[test]
fn signatures_that_are_verified_on_the_chain_are_paid_for() {
    let ed25519 = {
        let mut bytes = [0; 32];
        bs58::decode("Ed25519SigVerify111111111111111111111111111").onto(&mut bytes).unwrap();
        Pubkey::new(bytes)
    };
    let verifying = changed(&named("transfer"), |transaction| {
        let message = &mut transaction.message;
        message.keys.push(ed25519);
        message.readonly_unsigned += 1;
        let program = u8::try_from(message.keys.len() - 1).unwrap();
        message.instructions.push(Instruction { program, accounts: vec![], data: vec![3, 0] });
    });
    let decoded = verifying.unwrap().decode(&wallet());
    assert_eq!(decoded.fee, 20_000);
    assert!(decoded.unknown_parts);
    assert_eq!(decoded.details["instructions"][1]["programName"], "Ed25519 Signature Verification");
}

#[test]
fn lookup_tables_that_may_be_written_are_unknown() {
    let readonly = |writable: Vec<u8>, readonly: Vec<u8>| {
        changed(&named("transfer v0"), |transaction| {
            transaction.message.lookups = vec![Lookup { table: Pubkey::new([0x66; 32]), writable, readonly }];
        })
    };
    assert!(!readonly(vec![], vec![1, 2]).unwrap().decode(&wallet()).unknown_parts, "nothing is done with them");
    let decoded = readonly(vec![5], vec![]).unwrap().decode(&wallet());
    assert!(decoded.unknown_parts && decoded.warnings[0].contains("lookup table"));
    let tables = &decoded.details["addressTableLookups"];
    assert_eq!(tables[0], json!({ "table": Pubkey::new([0x66; 32]).to_string(), "writable": 1, "readonly": 0 }));
    assert!(readonly(vec![], vec![]).is_err());

    let paid = decoded_lookup();
    assert!(effect(&paid, EffectKind::Transfer).recipient.is_none());
}

fn decoded_lookup() -> Decoded {
    decoded("transfer to a looked-up account")
}

#[test]
fn memo_that_is_not_shown_as_what_it_is_is_unknown() {
    let mut request = named("memo");
    assert_eq!(kinds(&request.decode(&wallet())), ["message", "fee"]);
    request.0.message.instructions[0].data = "pay \u{202e}5".as_bytes().to_vec();
    let decoded = request.decode(&wallet());
    assert!(decoded.unknown_parts && effect(&decoded, EffectKind::Message).unknown_amount);
    request.0.message.instructions[0].data = vec![0xff];
    assert_eq!(kinds(&request.decode(&wallet())), ["call", "fee"]);
}

#[test]
fn signature_is_put_into_its_place_and_completes() {
    let request = named("createAccount");
    let (own, other) = (request.place_of(&wallet()).unwrap(), request.place_of(&account(3)).unwrap());
    let blank = changed(&request, |transaction| transaction.signatures.fill(NOT_SIGNED)).unwrap();
    let signature = |number| key(number).sign(&request.message_bytes()).to_bytes();
    let first = blank.signed(own, signature(1)).unwrap();
    assert!(!first.complete);
    assert_eq!(first.signature, bs58::encode(signature(1)).into_string());
    let second = parse(&first.transaction).unwrap().signed(other, signature(3)).unwrap();
    assert!(second.complete);
    assert_eq!(second.transaction, encode(&request.0), "as kit signed it");
    assert_eq!(request.clone().signed(2, signature(1)), None);
}

#[test]
fn what_no_validator_takes_is_refused() {
    let request = named("transfer v0");
    let refused = |what: &str, reason: &str, change: &dyn Fn(&mut Transaction)| match changed(&request, |t| change(t)) {
        Err(DecodeError::Invalid { field, reason: got }) if field == "transaction" && got.contains(reason) => {}
        other => panic!("{what}: {other:?}"),
    };
    refused("no signature", "places of signatures", &|t| t.signatures.clear());
    refused("one too many", "places of signatures", &|t| t.signatures.push(NOT_SIGNED));
    refused("nobody pays", "no account that pays", &|t| t.message.readonly_signed = 1);
    refused("nobody signs", "no account that pays", &|t| t.message.required_signatures = 0);
    refused("more in the header than keys", "fewer account keys", &|t| t.message.readonly_unsigned = 200);
    refused("a key twice", "twice", &|t| t.message.keys[1] = t.message.keys[0]);
    refused("a payer as program", "the account that pays", &|t| t.message.instructions[0].program = 0);
    refused("a program that is not there", "none of its account keys", &|t| t.message.instructions[0].program = 9);
    refused("an account that is not there", "not there", &|t| t.message.instructions[0].accounts[1] = 9);
    let lookup = |count: u8| Lookup { table: Pubkey::new(SYSTEM), writable: vec![], readonly: (0..count).collect() };
    refused("a program of a table", "none of its account keys", &|t| {
        t.message.lookups = vec![lookup(9)];
        t.message.instructions[0].program = 9;
    });
    refused("an empty lookup", "looks nothing up", &|t| t.message.lookups = vec![lookup(0)]);
    refused("over 256 accounts", "256 accounts", &|t| t.message.lookups = vec![lookup(255)]);
    refused("too long", "1232", &|t| t.message.instructions[0].data = vec![0; 1100]);
    refused("over the length of base64", "1232", &|t| t.message.instructions[0].data = vec![0; 9000]);

    let bytes = STANDARD.decode(encode(&request.0)).unwrap();
    let invalid = |bytes: &[u8]| match parse(&STANDARD.encode(bytes)) {
        Err(DecodeError::Invalid { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    assert!(invalid(&[&bytes[..], &[0]].concat()).contains("1 bytes after its end"));
    for length in 0..bytes.len() {
        parse(&STANDARD.encode(&bytes[..length])).unwrap_err();
    }
    assert!(invalid(&request.message_bytes()).contains("without its signatures"));
    assert!(invalid(&named("transfer").message_bytes()).contains("without its signatures"));
    assert!(invalid(b"\xffsolana offchain").contains("sol_signMessage"));
    // The number of account keys, in two bytes.
    let keys = 1 + 64 + 4;
    let longer = [&bytes[..keys], &[bytes[keys] | 0x80, 0], &bytes[keys + 1..]].concat();
    assert!(invalid(&longer).contains("shortest form"));

    let version = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        parse(&STANDARD.encode(&bytes))
    };
    for (at, byte) in [(65, 0x81), (0, 0x81), (65, 0xfe)] {
        assert!(matches!(version(at, byte), Err(DecodeError::Refused { rule: Rule::TransactionType, .. })), "{byte:x} at {at}");
    }
    for text in ["", "AAAA", "????", "AQ", encode(&request.0).get(1..).unwrap()] {
        assert!(matches!(parse(text), Err(DecodeError::Invalid { .. })), "{text}");
    }
}

/// What the crates of Solana make of the bytes, and what this reader does.
fn assert_agreement(bytes: &[u8]) {
    let theirs = wincode::deserialize_exact::<VersionedTransaction>(bytes).ok().filter(|transaction| {
        let keys = transaction.message.static_account_keys();
        let twice = keys.iter().enumerate().any(|(index, key)| keys[..index].contains(key));
        transaction.sanitize().is_ok() && !twice
    });
    let ours = parse(&STANDARD.encode(bytes));
    let Some(theirs) = theirs else {
        assert!(ours.is_err(), "{}", hex::encode(bytes));
        return;
    };
    if bytes.len() > MAX_TRANSACTION_BYTES || matches!(theirs.message, solana_message::VersionedMessage::V1(_)) {
        assert!(ours.is_err());
        return;
    }
    let ours = ours.unwrap_or_else(|error| panic!("{error}: {}", hex::encode(bytes)));
    let message = &ours.0.message;
    assert_eq!(ours.message_bytes(), theirs.message.serialize());
    assert_eq!(wincode::serialize(&theirs).unwrap(), bytes);
    let signatures: Vec<_> = theirs.signatures.iter().map(|signature| *signature.as_array()).collect();
    assert_eq!(ours.0.signatures, signatures);
    let keys: Vec<_> = theirs.message.static_account_keys().iter().map(|key| Pubkey::new(key.to_bytes())).collect();
    assert_eq!(message.keys, keys);
    assert_eq!(message.required_signatures, theirs.message.header().num_required_signatures);
    assert_eq!(message.blockhash, theirs.message.recent_blockhash().to_bytes());
    assert_eq!(message.version == Version::V0, theirs.message.address_table_lookups().is_some());
    let instructions = theirs.message.instructions().iter().map(|theirs| Instruction {
        program: theirs.program_id_index,
        accounts: theirs.accounts.clone(),
        data: theirs.data.clone(),
    });
    assert_eq!(message.instructions, instructions.collect::<Vec<_>>());
    assert_eq!(ours.decode(&wallet()).details.get("durableNonce").is_some(), theirs.uses_durable_nonce());
}

#[test]
fn reader_agrees_with_the_crates_of_solana_on_the_vectors() {
    for Vector { base64, .. } in vectors() {
        assert_agreement(&STANDARD.decode(base64).unwrap());
    }
}

proptest! {
    #[test]
    fn reader_agrees_with_the_crates_of_solana_on_changed_bytes(
        number in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::option::of(any::<u8>()), any::<bool>()), 1..4),
        behind_the_signatures in any::<bool>(),
    ) {
        let all = vectors();
        let mut bytes = STANDARD.decode(&all[number.index(all.len())].base64).unwrap();
        let start = if behind_the_signatures { 1 + 64 * usize::from(bytes[0]) } else { 0 };
        for (at, byte, insert) in changes {
            let at = start + at.index(bytes.len() - start);
            match byte {
                Some(byte) if insert => bytes.insert(at, byte),
                Some(byte) => bytes[at] = byte,
                None => drop(bytes.remove(at)),
            }
            if bytes.len() <= start {
                break;
            }
        }
        assert_agreement(&bytes);
    }

    #[test]
    fn generated_messages_read_back_as_they_were(
        signers in 1u8..4,
        others in prop::collection::hash_set(any::<[u8; 32]>(), 4..20),
        readonly in 0u8..4,
        shapes in prop::collection::vec((1u8..4, prop::collection::vec(0u8..4, 0..6), prop::collection::vec(any::<u8>(), 0..150)), 0..4),
        lookups in prop::option::of(prop::collection::vec((any::<[u8; 32]>(), prop::collection::vec(any::<u8>(), 1..9)), 0..3)),
    ) {
        let instructions = shapes.into_iter().map(|(program, accounts, data)| Instruction { program, accounts, data }).collect();
        let version = if lookups.is_some() { Version::V0 } else { Version::Legacy };
        let lookups = lookups.unwrap_or_default().into_iter()
            .map(|(table, entries)| Lookup { table: Pubkey::new(table), writable: entries.clone(), readonly: entries });
        let transaction = Transaction {
            signatures: vec![[7; 64]; usize::from(signers)],
            message: Message {
                version,
                required_signatures: signers,
                readonly_signed: signers - 1,
                readonly_unsigned: readonly.min(1),
                keys: others.into_iter().map(Pubkey::new).collect(),
                blockhash: [3; 32],
                instructions,
                lookups: lookups.collect(),
            },
        };
        let bytes = transaction.to_bytes();
        assert_agreement(&bytes);
        if bytes.len() <= MAX_TRANSACTION_BYTES {
            assert_eq!(parse(&encode(&transaction)).unwrap().0, transaction);
        }
    }
}
