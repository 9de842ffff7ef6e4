use alloy_primitives::{b256, keccak256};
use serde_json::{Value as Json, json};

use super::*;
use crate::chains::evm::typed_data::parse;
use crate::chains::networks::{NetworkDefaults, Networks};
use crate::chains::parse_address;
use crate::chains::tokens::TokenRow;

const WALLET: &str = "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826";
const OTHER: &str = "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB";
/// Configured, with 6 decimals.
const TOKEN: &str = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48";
const UNKNOWN_TOKEN: &str = "0x6B175474E89094C44Da98b954EedeAC495271d0F";
const PERMIT2_TEXT: &str = "0x000000000022D473030F116dDEE9F6B43aC78BA3";
const SAFE: &str = "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC";

fn decoded(data: &Json) -> Result<Decoded, DecodeError> {
    let networks = Networks::new(&NetworkDefaults::default(), &[]).unwrap();
    let row = TokenRow { asset: "ETH".to_owned(), network: "mainnet".to_owned(), contract: TOKEN.to_owned(), decimals: 6 };
    let tokens = Tokens::new(&networks, &[row]).unwrap();
    let mainnet = networks.resolve("ETH", Some("mainnet")).unwrap();
    let (signer, _) = parse_address(&mainnet, WALLET).unwrap();
    decode(&parse(data).unwrap(), &mainnet, &tokens, &signer)
}

/// Typed data whose types are those of an `encodeType`; its members are in the order of the type.
fn data(encoded: &str, domain: Json, values: Json) -> Json {
    let mut types = serde_json::Map::new();
    let mut primary = None;
    for definition in encoded.split_terminator(')') {
        let (name, members) = definition.split_once('(').unwrap();
        primary.get_or_insert(name);
        let members = members.split(',').map(|member| {
            let (kind, name) = member.split_once(' ').unwrap();
            json!({ "name": name, "type": kind })
        });
        types.insert(name.to_owned(), members.collect());
    }
    let names = types[primary.unwrap()].as_array().unwrap().iter().map(|member| member["name"].as_str().unwrap().to_owned());
    let message: serde_json::Map<_, _> = names.zip(values.as_array().unwrap().iter().cloned()).collect();
    json!({ "types": types, "primaryType": primary, "domain": domain, "message": message })
}

fn of_contract(contract: &str) -> Json {
    json!({ "name": "USD Coin", "version": "2", "chainId": 1, "verifyingContract": contract })
}

fn of_permit2() -> Json {
    json!({ "name": "Permit2", "chainId": 1, "verifyingContract": PERMIT2_TEXT })
}

fn of_safe() -> Json {
    json!({ "chainId": 1, "verifyingContract": SAFE })
}

fn permit(contract: &str, value: &str) -> Json {
    data(PERMIT, of_contract(contract), json!([WALLET, OTHER, value, 0, 9]))
}

/// `approval recipient token amount`, each effect so.
#[track_caller]
fn effects(data: &Json) -> (Vec<String>, bool) {
    let decoded = decoded(data).unwrap();
    assert_eq!(decoded.fee, 0);
    (decoded.effects.iter().map(in_words).collect(), decoded.unknown_parts)
}

fn in_words(effect: &Effect) -> String {
    assert!(!effect.to_own_wallet, "that is for the caller to say");
    let amount = effect.amount.map(|amount| amount.to_string());
    assert!(!(amount.is_some() && effect.unknown_amount));
    let parts = [effect.recipient.clone(), effect.token.clone(), effect.program.clone(), effect.selector.clone(), amount];
    let mut words = vec![effect.kind.as_str().to_owned()];
    words.extend(parts.into_iter().flatten());
    words.extend(effect.unknown_amount.then(|| "unknown".to_owned()));
    words.join(" ")
}

fn all_known(effects: &[String]) -> (Vec<String>, bool) {
    (effects.to_vec(), false)
}

fn unknown(contract: &str) -> (Vec<String>, bool) {
    (vec![format!("message {contract} unknown")], true)
}

/// The constants that the contracts themselves have.
#[test]
fn types_are_those_of_the_contracts() {
    let published = [
        (PERMIT, b256!("6e71edae12b1b97f4d1f60370fef10105fa2faae0126114a169c64845d6126c9")),
        (DAI_PERMIT, b256!("ea2aa0a1be11a07ed86d755c93467f4f82362b452371d1ba94d1715123511acb")),
        (TRANSFER_WITH_AUTHORIZATION, b256!("7c7c6cdb67a18743f49ec6fa9b35f50d52ed05cbed4cc592e13b44501c1a2267")),
        (RECEIVE_WITH_AUTHORIZATION, b256!("d099cc98ef71107a616c4f0f941f04c322d8e254fe26b3c6668db87aae413de8")),
        (CANCEL_AUTHORIZATION, b256!("158b0a9edf7a828aad02f63cd515c68ef2f50ba807396f6d12842833a1597429")),
        (PERMIT_SINGLE, b256!("f3841cd1ff0085026a6327b620b67997ce40f282c88a8e905a7a5626e310f3d0")),
        (PERMIT_BATCH, b256!("af1b0d30d2cab0380e68f0689007e3254993c596f2fdd0aaa7f4d04f79440863")),
        (PERMIT_TRANSFER, b256!("939c21a48a8dbe3a9a2404a1d46691e4d39f6583d6ec6b35714604c986d80106")),
        (PERMIT_BATCH_TRANSFER, b256!("fcf35f5ac6a2c28868dc44c302166470266239195f02b0ee408334829333b766")),
        (TOKEN_PERMISSIONS, b256!("618358ac3db8dc274f0cd8829da7e234bd48cd73c4a740aede1adec9846d06a1")),
        (SAFE_TX, b256!("bb8310d486368db6bd6f849402fdd73ad53d316b5a4b2644ad6efe0f941286d8")),
        (SAFE_DOMAINS[0], b256!("47e79534a245952e8b16893a336b85a3d9ea9fa8c573f3d803afb92a79469218")),
        (SAFE_DOMAINS[1], b256!("035aff83d86937d35b32e04f0ddc6ff469290eef2f1b692d8a815c89404d4749")),
        (PERMIT2_DOMAIN, b256!("8cad95687ba82c2ce50e74f7b754645e5117c3a5bec8151c0726d5857980a866")),
    ];
    for (encoded, hash) in published {
        assert_eq!(keccak256(encoded), hash, "{encoded}");
    }
}

#[test]
fn permit_is_an_approval() {
    let approval = |token: &str, amount: &str| all_known(&[format!("approval {OTHER} {token} {amount}")]);
    assert_eq!(effects(&permit(TOKEN, "1500001")), approval(TOKEN, "2"));
    assert_eq!(effects(&permit(TOKEN, "0")), approval(TOKEN, "0"));
    assert_eq!(effects(&permit(UNKNOWN_TOKEN, "1")), approval(UNKNOWN_TOKEN, "unknown"));
    let unlimited = permit(TOKEN, &U256::MAX.to_string());
    assert_eq!(effects(&unlimited), approval(TOKEN, &u64::MAX.to_string()));
    assert!(decoded(&unlimited).unwrap().warnings[0].contains("any amount"));

    let dai = |allowed: bool| data(DAI_PERMIT, of_contract(TOKEN), json!([WALLET, OTHER, 0, 9, allowed]));
    assert_eq!(effects(&dai(true)), approval(TOKEN, &u64::MAX.to_string()));
    assert_eq!(effects(&dai(false)), approval(TOKEN, "0"));
}

#[test]
fn permit_of_another_owner_is_warned_of() {
    assert!(decoded(&permit(TOKEN, "1")).unwrap().warnings.is_empty());
    let mut other = permit(TOKEN, "1");
    other["message"]["owner"] = json!(OTHER);
    let decoded = decoded(&other).unwrap();
    assert_eq!((decoded.effects.len(), decoded.effects[0].kind), (1, EffectKind::Approval));
    assert_eq!(decoded.warnings, [format!("Its owner is {OTHER}, not the wallet that signs.")]);
}

#[test]
fn domain_must_be_of_the_wallets_chain() {
    let mut other = permit(TOKEN, "1");
    for chain_id in [json!(5), json!("0x38"), json!(U256::MAX.to_string())] {
        other["domain"]["chainId"] = chain_id;
        assert!(matches!(decoded(&other), Err(DecodeError::Refused { rule: Rule::ChainId, .. })));
    }
    other["domain"].as_object_mut().unwrap().remove("chainId");
    let (effects, unknown_parts) = effects(&other);
    assert!(effects[0].starts_with("approval") && unknown_parts);
    assert!(decoded(&other).unwrap().warnings[0].contains("no chain"));
}

#[test]
fn authorizations_of_eip_3009_move_tokens() {
    for encoded in [TRANSFER_WITH_AUTHORIZATION, RECEIVE_WITH_AUTHORIZATION] {
        let nonce = format!("0x{}", "7".repeat(64));
        let transfer = data(encoded, of_contract(TOKEN), json!([WALLET, OTHER, "1000000", 0, 9, nonce]));
        assert_eq!(effects(&transfer), all_known(&[format!("token {OTHER} {TOKEN} 1")]));
        let transfer = data(encoded, of_contract(UNKNOWN_TOKEN), json!([OTHER, OTHER, "1000000", 0, 9, nonce]));
        assert_eq!(effects(&transfer), all_known(&[format!("token {OTHER} {UNKNOWN_TOKEN} unknown")]));
        assert_eq!(decoded(&transfer).unwrap().warnings, [format!("Its from is {OTHER}, not the wallet that signs.")]);
    }
    let cancel = data(CANCEL_AUTHORIZATION, of_contract(TOKEN), json!([WALLET, format!("0x{}", "7".repeat(64))]));
    assert_eq!(effects(&cancel), all_known(&[format!("authority {TOKEN}")]));
}

#[test]
fn permit2_is_an_approval_of_each_token() {
    let details = |token: &str, amount: &str| json!({ "token": token, "amount": amount, "expiration": 9, "nonce": 0 });
    let approval = |token: &str, amount: &str| format!("approval {OTHER} {token} {PERMIT2_TEXT} {amount}");
    let single = |amount: &str| data(PERMIT_SINGLE, of_permit2(), json!([details(TOKEN, amount), OTHER, 9]));
    assert_eq!(effects(&single("2000000")), all_known(&[approval(TOKEN, "2")]));
    let most = (U256::MAX >> 96usize).to_string();
    assert_eq!(effects(&single(&most)), all_known(&[approval(TOKEN, &u64::MAX.to_string())]));
    assert!(decoded(&single(&most)).unwrap().warnings[0].contains("any amount"));

    let several = json!([details(TOKEN, "1"), details(UNKNOWN_TOKEN, "1")]);
    let batch = data(PERMIT_BATCH, of_permit2(), json!([several, OTHER, 9]));
    assert_eq!(effects(&batch), all_known(&[approval(TOKEN, "1"), approval(UNKNOWN_TOKEN, "unknown")]));
    assert_eq!(effects(&data(PERMIT_BATCH, of_permit2(), json!([[], OTHER, 9]))), unknown(PERMIT2_TEXT));

    let permitted = json!({ "token": TOKEN, "amount": "1" });
    let transfer = data(PERMIT_TRANSFER, of_permit2(), json!([permitted, OTHER, 0, 9]));
    assert_eq!(effects(&transfer), all_known(&[approval(TOKEN, "1")]));
    let batch = data(PERMIT_BATCH_TRANSFER, of_permit2(), json!([[permitted, permitted], OTHER, 0, 9]));
    assert_eq!(effects(&batch), all_known(&[approval(TOKEN, "1"), approval(TOKEN, "1")]));
}

#[test]
fn permit2_with_a_witness_is_an_approval_with_unknown_parts() {
    let permitted = json!({ "token": TOKEN, "amount": "1" });
    for (start, permitted) in WITNESS_TRANSFERS.into_iter().zip([permitted.clone(), json!([permitted])]) {
        let encoded = |of_token: &str| format!("{start}Order witness)Order(bytes32 hash){of_token}");
        let witness = json!({ "hash": format!("0x{}", "7".repeat(64)) });
        let order = data(&encoded(TOKEN_PERMISSIONS), of_permit2(), json!([permitted, OTHER, 0, 9, witness]));
        assert_eq!(effects(&order), (vec![format!("approval {OTHER} {TOKEN} {PERMIT2_TEXT} 1")], true));
        // The order of its members decides which word is the amount.
        let turned = data(
            &encoded("TokenPermissions(uint256 amount,address token)"),
            of_permit2(),
            json!([permitted, OTHER, 0, 9, witness]),
        );
        assert_eq!(effects(&turned), unknown(PERMIT2_TEXT));
    }
}

#[test]
fn permit2_elsewhere_is_unknown() {
    let details = json!({ "token": TOKEN, "amount": "1", "expiration": 9, "nonce": 0 });
    let single = |domain: Json| data(PERMIT_SINGLE, domain, json!([details, OTHER, 9]));
    let mut domains = [of_permit2(), of_permit2(), of_permit2()];
    domains[0]["verifyingContract"] = json!(SAFE);
    domains[1]["name"] = json!("Permit3");
    domains[2]["version"] = json!("1");
    for domain in domains {
        let contract = domain["verifyingContract"].as_str().unwrap().to_owned();
        assert_eq!(effects(&single(domain)), unknown(&contract));
    }
}

/// to, value, data, operation; nothing is refunded.
fn safe_tx(to: &str, value: &str, calldata: &str, operation: u8) -> Json {
    let zero = Account::ZERO.to_string();
    data(SAFE_TX, of_safe(), json!([to, value, calldata, operation, 0, 0, 0, zero, zero, 0]))
}

#[test]
fn safe_transaction_moves_what_it_says() {
    let transfer = safe_tx(OTHER, "1000000001", "0x", 0);
    assert_eq!(effects(&transfer), all_known(&[format!("transfer {OTHER} {SAFE} 2")]));
    assert_eq!(decoded(&transfer).unwrap().total_out, 2);
    assert_eq!(effects(&safe_tx(OTHER, "0", "0x", 0)), all_known(&[format!("transfer {OTHER} {SAFE} 0")]));

    let mut of_old_safe = transfer.clone();
    of_old_safe["domain"].as_object_mut().unwrap().remove("chainId");
    assert_eq!(effects(&of_old_safe), (vec![format!("transfer {OTHER} {SAFE} 2")], true));
    let mut elsewhere = transfer;
    elsewhere["domain"]["name"] = json!("Safe");
    assert_eq!(effects(&elsewhere), unknown(SAFE));
}

#[test]
fn safe_transaction_that_calls_or_hands_over_is_unknown() {
    let call = safe_tx(OTHER, "1", "0xdeadbeef00", 0);
    assert_eq!(effects(&call), (vec![format!("transfer {OTHER} {SAFE} 1"), format!("call {OTHER} 0xdeadbeef unknown")], true));
    assert_eq!(effects(&safe_tx(OTHER, "0", "0xdead", 0)), (vec![format!("call {OTHER} unknown")], true));
    let own = safe_tx(SAFE, "0", "0x0d582f13", 0);
    assert_eq!(effects(&own), (vec![format!("authority {SAFE} 0x0d582f13 unknown")], true), "addOwnerWithThreshold");
    let delegated = safe_tx(OTHER, "0", "0x8d80ff0a", 1);
    assert_eq!(effects(&delegated), (vec![format!("authority {OTHER} 0x8d80ff0a unknown")], true), "multiSend");
    assert!(decoded(&delegated).unwrap().warnings.iter().any(|warning| warning.contains("delegatecall")));
    let (of_bare_delegatecall, unknown_parts) = effects(&safe_tx(OTHER, "0", "0x", 1));
    assert!(unknown_parts && of_bare_delegatecall.contains(&format!("authority {OTHER} unknown")));
    assert!(effects(&safe_tx(OTHER, "0", "0x", 2)).1, "there is no third operation");
}

#[test]
fn safe_transaction_that_calls_a_token_is_read() {
    let word = |address: &str| format!("{}{}", "00".repeat(12), address.strip_prefix("0x").unwrap());
    let transfer = format!("0xa9059cbb{}{:064x}", word(WALLET), 1_500_000);
    assert_eq!(effects(&safe_tx(TOKEN, "0", &transfer, 0)), all_known(&[format!("token {WALLET} {TOKEN} {SAFE} 0xa9059cbb 2")]));
    let other = format!("token {WALLET} {UNKNOWN_TOKEN} {SAFE} 0xa9059cbb unknown");
    assert_eq!(effects(&safe_tx(UNKNOWN_TOKEN, "0", &transfer, 0)), all_known(&[other]));
    let approve = format!("0x095ea7b3{}{}", word(OTHER), "f".repeat(64));
    let unlimited = safe_tx(TOKEN, "0", &approve, 0);
    assert_eq!(effects(&unlimited), all_known(&[format!("approval {OTHER} {TOKEN} {SAFE} 0x095ea7b3 {}", u64::MAX)]));
    assert!(decoded(&unlimited).unwrap().warnings.iter().any(|warning| warning.contains("any amount")));
    let all = format!("0xa22cb465{}{:064x}", word(OTHER), 1);
    assert_eq!(
        effects(&safe_tx(TOKEN, "0", &all, 0)),
        all_known(&[format!("approval {OTHER} {TOKEN} {SAFE} 0xa22cb465 unknown")])
    );
    let of_other = format!("0x23b872dd{}{}{:064x}", word(OTHER), word(WALLET), 1);
    assert!(decoded(&safe_tx(TOKEN, "0", &of_other, 0)).unwrap().warnings.iter().any(|warning| warning.contains(OTHER)));
    let delegated = safe_tx(TOKEN, "0", &transfer, 1);
    assert_eq!(
        effects(&delegated),
        (vec![format!("authority {TOKEN} 0xa9059cbb unknown")], true),
        "its code, on the Safe's own storage"
    );
}

#[test]
fn safe_transaction_that_refunds_gas_pays_an_unknown_amount() {
    let zero = Account::ZERO.to_string();
    let refunded =
        |token: &str, receiver: &str| data(SAFE_TX, of_safe(), json!([OTHER, 1, "0x", 0, 0, 9, 1, token, receiver, 0]));
    let paid = |refund: String| all_known(&[format!("transfer {OTHER} {SAFE} 1"), refund]);
    assert_eq!(effects(&refunded(&zero, &zero)), paid(format!("transfer {SAFE} unknown")));
    assert_eq!(effects(&refunded(TOKEN, WALLET)), paid(format!("token {WALLET} {TOKEN} {SAFE} unknown")));
}

#[test]
fn everything_else_is_a_message_of_unknown_meaning() {
    let no_contract = json!({ "name": "USD Coin", "chainId": 1 });
    let (words, unknown_parts) = effects(&data(PERMIT, no_contract, json!([WALLET, OTHER, 1, 0, 9])));
    assert_eq!((words, unknown_parts), (vec!["message unknown".to_owned()], true));
    for (encoded, values) in [
        ("SafeMessage(bytes message)", json!(["0x00"])),
        // One bit less in a member, or one more member, is another type.
        ("Permit(address owner,address spender,uint256 value,uint256 nonce,uint248 deadline)", json!([WALLET, OTHER, 1, 0, 9])),
        (
            "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline,bool a)",
            json!([WALLET, OTHER, 1, 0, 9, true]),
        ),
        ("Permit(address spender,address owner,uint256 value,uint256 nonce,uint256 deadline)", json!([OTHER, WALLET, 1, 0, 9])),
        ("permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)", json!([WALLET, OTHER, 1, 0, 9])),
        ("Permit(address spender,uint256 tokenId,uint256 nonce,uint256 deadline)", json!([OTHER, 1, 0, 9])),
    ] {
        assert_eq!(effects(&data(encoded, of_contract(TOKEN), values)), unknown(TOKEN), "{encoded}");
    }
    assert_eq!(decoded(&permit(TOKEN, "1")).unwrap().details["message"]["spender"], OTHER);
}
