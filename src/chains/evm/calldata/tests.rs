use super::*;
use alloy_primitives::address;
use alloy_sol_types::SolCall;
use proptest::prelude::*;

const ONE: Address = address!("1111111111111111111111111111111111111111");
const TWO: Address = address!("2222222222222222222222222222222222222222");

fn word(number: u64) -> String {
    format!("{number:064x}")
}

fn padded(address: Address) -> String {
    format!("{:0>64}", hex::encode(address))
}

fn read(calldata: &str) -> Option<TokenCall> {
    decode(&hex::decode(calldata).unwrap())
}

/// One calldata for each call, written by hand after the ABI specification; selectors as the standards and
/// <https://www.4byte.directory> list them.
fn known() -> Vec<(String, &'static str, Does, Amount)> {
    let [one, two] = [ONE, TWO].map(padded);
    let moved = |from: Option<Address>| Does::Transfer { from, to: TWO };
    let allowed = |owner: Option<Address>| Does::Approve { owner, spender: TWO };
    let seven = Amount::Erc20(U256::from(7));
    let bytes = format!("{}{}", word(3), "abcdef".to_owned() + &"00".repeat(29));
    vec![
        (format!("a9059cbb{two}{}", word(7)), "transfer(address,uint256)", moved(None), seven),
        (format!("23b872dd{one}{two}{}", word(7)), "transferFrom(address,address,uint256)", moved(Some(ONE)), seven),
        (format!("095ea7b3{two}{}", word(7)), "approve(address,uint256)", allowed(None), seven),
        (format!("39509351{two}{}", word(7)), "increaseAllowance(address,uint256)", allowed(None), seven),
        (
            format!("d505accf{one}{two}{}{}{}{}{}", word(7), word(99), word(27), word(1), word(2)),
            "permit(address,address,uint256,uint256,uint8,bytes32,bytes32)",
            allowed(Some(ONE)),
            seven,
        ),
        (format!("42842e0e{one}{two}{}", word(7)), "safeTransferFrom(address,address,uint256)", moved(Some(ONE)), Amount::NoUnit),
        (
            format!("b88d4fde{one}{two}{}{}{bytes}", word(7), word(0x80)),
            "safeTransferFrom(address,address,uint256,bytes)",
            moved(Some(ONE)),
            Amount::NoUnit,
        ),
        (
            format!("f242432a{one}{two}{}{}{}{bytes}", word(7), word(8), word(0xa0)),
            "safeTransferFrom(address,address,uint256,uint256,bytes)",
            moved(Some(ONE)),
            Amount::NoUnit,
        ),
        (
            format!(
                "2eb2c2d6{one}{two}{}{}{}{}{}{}{}{}{}{bytes}",
                word(0xa0),
                word(0x100),
                word(0x160),
                word(2),
                word(5),
                word(6),
                word(2),
                word(50),
                word(60)
            ),
            "safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)",
            moved(Some(ONE)),
            Amount::NoUnit,
        ),
        (format!("a22cb465{two}{}", word(1)), "setApprovalForAll(address,bool)", allowed(None), Amount::NoUnit),
        (format!("a22cb465{two}{}", word(0)), "setApprovalForAll(address,bool)", allowed(None), Amount::NoUnit),
    ]
}

#[test]
fn decode_reads_every_known_call() {
    for (calldata, function, does, amount) in known() {
        let call = read(&calldata).unwrap_or_else(|| panic!("{function}"));
        assert_eq!((call.function, call.does, call.amount), (function, does, amount));
        assert!(call.arguments.as_object().is_some_and(|arguments| !arguments.is_empty()));
    }
    let batch = read(&known()[8].0).unwrap();
    assert_eq!(batch.arguments["tokens"], json!([{ "id": "5", "amount": "50" }, { "id": "6", "amount": "60" }]));
}

#[test]
fn decode_of_bytes_too_many_or_too_few_reads_nothing() {
    for (calldata, function, ..) in known() {
        for more in ["00", &"00".repeat(32), "ff"] {
            assert_eq!(read(&format!("{calldata}{more}")), None, "{function}");
        }
        for less in [2, 64, calldata.len() - 8, calldata.len() - 6] {
            assert_eq!(read(calldata.get(..calldata.len() - less).unwrap()), None, "{function} without {less}");
        }
    }
    assert_eq!(decode(&[]), None);
}

#[test]
fn decode_of_dirty_padding_reads_nothing() {
    for (calldata, function, ..) in known() {
        // The first argument is an address each time: twelve zeros in front.
        for byte in [4, 10, 15] {
            let mut dirty = hex::decode(&calldata).unwrap();
            dirty[byte] = 1;
            assert_eq!(decode(&dirty), None, "{function}, byte {byte}");
        }
    }
    let [one, two] = [ONE, TWO].map(padded);
    assert_eq!(read(&format!("a22cb465{two}{}", word(2))), None, "a bool is 0 or 1");
    let v = format!("d505accf{one}{two}{}{}{}{}{}", word(7), word(99), word(256 + 27), word(1), word(2));
    assert_eq!(read(&v), None, "a uint8 has eight bits");
}

#[test]
fn decode_of_another_layout_of_dynamic_arguments_reads_nothing() {
    let [one, two] = [ONE, TWO].map(padded);
    let body = |offset: u64, rest: &str| format!("b88d4fde{one}{two}{}{}{rest}", word(7), word(offset));
    let bytes = format!("{}{}", word(3), "abcdef".to_owned() + &"00".repeat(29));
    assert!(read(&body(0x80, &bytes)).is_some());
    assert_eq!(read(&body(0xa0, &format!("{}{bytes}", word(0)))), None, "a gap");
    assert_eq!(read(&body(0x40, &bytes)), None, "it overlaps");
    assert_eq!(read(&body(u64::MAX, &bytes)), None, "it is far outside");
    let dirty = format!("{}{}", word(3), "abcdef".to_owned() + &"00".repeat(28) + "01");
    assert_eq!(read(&body(0x80, &dirty)), None, "dirty padding after the bytes");
    let uneven = Erc1155::safeBatchTransferFromCall {
        from: ONE,
        to: TWO,
        ids: vec![U256::from(1)],
        amounts: Vec::new(),
        data: Vec::new().into(),
    };
    assert_eq!(decode(&uneven.abi_encode()), None, "an id without an amount");
}

#[test]
fn amounts_that_limit_nothing_are_told() {
    let most = U256::from(1) << 96;
    assert!(Amount::Erc20(U256::MAX).is_unlimited() && Amount::Erc20(most - U256::from(1)).is_unlimited());
    assert!(!Amount::Erc20(most - U256::from(2)).is_unlimited());
}

proptest! {
    #[test]
    fn decode_of_any_bytes_reads_only_what_it_would_write(number in 0..11usize, place in any::<usize>(), byte in any::<u8>()) {
        let mut calldata = hex::decode(&known()[number].0).unwrap();
        let place = place % calldata.len();
        let before = decode(&calldata).unwrap();
        let same = calldata[place] == byte;
        calldata[place] = byte;
        // Whatever is still read after a byte changed is another call, or the same of other arguments.
        if let Some(after) = decode(&calldata) {
            let is_signature = before.function.starts_with("permit");
            let is_data = before.arguments.get("dataBytes").is_some();
            prop_assert!(same || is_signature || is_data || after != before);
        }
    }

    #[test]
    fn decode_of_generated_calls_gives_their_arguments(to in any::<[u8; 20]>(), amount in any::<[u8; 32]>()) {
        let (to, amount) = (Address::from(to), U256::from_be_bytes(amount));
        let call = decode(&Erc20::transferCall { to, amount }.abi_encode()).unwrap();
        prop_assert_eq!((call.does, call.amount), (Does::Transfer { from: None, to }, Amount::Erc20(amount)));
    }
}
