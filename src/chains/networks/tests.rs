use super::*;

fn networks(utxo: Option<&str>, evm: Option<&str>) -> Networks {
    let defaults = NetworkDefaults { utxo: utxo.map(str::to_owned), evm: evm.map(str::to_owned), ..NetworkDefaults::default() };
    Networks::new(&defaults, &[]).unwrap()
}

fn chain(asset: &str, network: &str, chain_id: u64) -> EvmChain {
    EvmChain { asset: asset.to_owned(), network: network.to_owned(), chain_id, testnet: false }
}

fn with_chains(chains: &[EvmChain]) -> Result<Networks, NetworkConfigError> {
    Networks::new(&NetworkDefaults::default(), chains)
}

#[test]
fn resolve_knows_every_network_of_the_contract() {
    let networks = networks(None, None);
    for (asset, names) in [
        ("BTC", "mainnet testnet signet regtest"),
        ("LTC", "mainnet testnet regtest"),
        ("DOGE", "mainnet testnet regtest"),
        ("ETH", "mainnet sepolia hoodi holesky goerli"),
        ("BNB", "mainnet testnet"),
        ("POL", "mainnet amoy"),
        ("XRP", "mainnet testnet devnet"),
        ("SOL", "mainnet testnet devnet"),
        ("ADA", "mainnet preprod preview"),
    ] {
        for name in names.split(' ') {
            let network = networks.resolve(asset, Some(name)).unwrap();
            assert_eq!((network.asset(), network.network()), (asset, name));
            assert_eq!(network.is_mainnet(), name == "mainnet");
            assert_eq!(network.chain_id().is_some(), network.family() == "evm");
            assert_eq!(network.address_types().first(), Some(&network.default_address_type()));
            let is_edwards = ["SOL", "ADA"].contains(&asset);
            let spec = if is_edwards { KeySpec::EccNistEdwards25519 } else { KeySpec::EccSecgP256k1 };
            assert_eq!(network.key_spec(), spec);
        }
    }
    assert_eq!(networks.iter().count(), 28);
}

#[test]
fn resolve_without_network_takes_the_default_or_the_assets_own_test_network() {
    // Asset by asset, in the order BTC LTC DOGE, ETH BNB POL.
    for (default, expected) in [
        (None, ["testnet", "testnet", "testnet"]),
        (Some("testnet"), ["testnet", "testnet", "testnet"]),
        (Some("signet"), ["signet", "testnet", "testnet"]),
        (Some("regtest"), ["regtest", "regtest", "regtest"]),
        (Some("MAINNET"), ["mainnet", "mainnet", "mainnet"]),
    ] {
        let networks = networks(default, None);
        let got = ["BTC", "LTC", "DOGE"].map(|asset| networks.resolve(asset, None).unwrap());
        assert_eq!(got.each_ref().map(Network::network), expected, "{default:?}");
    }
    for (default, expected) in [
        (None, ["sepolia", "testnet", "amoy"]),
        (Some("sepolia"), ["sepolia", "testnet", "amoy"]),
        (Some("hoodi"), ["hoodi", "testnet", "amoy"]),
        (Some("amoy"), ["sepolia", "testnet", "amoy"]),
        (Some("testnet"), ["sepolia", "testnet", "amoy"]),
        (Some("mainnet"), ["mainnet", "mainnet", "mainnet"]),
    ] {
        let networks = networks(None, default);
        let got = ["ETH", "BNB", "POL"].map(|asset| networks.resolve(asset, None).unwrap());
        assert_eq!(got.each_ref().map(Network::network), expected, "{default:?}");
    }
}

#[test]
fn resolve_takes_aliases_in_any_case() {
    let networks = networks(None, None);
    for (ticker, asset) in
        [("bsc", "BNB"), ("BSC", "BNB"), ("bnb", "BNB"), ("Polygon", "POL"), ("MATIC", "POL"), ("btc", "BTC"), ("eth", "ETH")]
    {
        assert_eq!(networks.resolve(ticker, Some("MainNet")).unwrap().to_string(), format!("{asset} mainnet"));
        assert_eq!(networks.canonical_asset(ticker), Some(asset));
    }
    assert_eq!(networks.resolve("POL", None).unwrap().aliases(), ["POLYGON", "MATIC"]);
    assert_eq!(networks.resolve("BTC", None).unwrap().aliases(), [""; 0]);
    assert_eq!(networks.canonical_asset("xrp"), Some("XRP"));
}

#[test]
fn resolve_of_an_unknown_name_says_what_is_accepted() {
    const ASSETS: &str = "BTC, LTC, DOGE, ETH, BNB, BSC, POL, POLYGON, MATIC, XRP, SOL, ADA";
    let networks = networks(None, None);
    let refusal = |asset: &str, network| {
        let error = networks.resolve(asset, network).unwrap_err();
        (error.field(), error.to_string())
    };
    assert_eq!(refusal("XMR", None), ("asset", format!("must be one of {ASSETS}")));
    assert_eq!(refusal("", None), ("asset", format!("must be one of {ASSETS}")));
    assert_eq!(refusal("SOLANA", None), ("asset", format!("must be one of {ASSETS}")));
    assert_eq!(refusal("bsc", Some("sepolia")), ("network", "must be one of mainnet, testnet for BNB".to_owned()));
    assert_eq!(refusal("LTC", Some("signet")), ("network", "must be one of mainnet, testnet, regtest for LTC".to_owned()));
}

#[test]
fn default_evm_is_the_network_that_the_default_names() {
    for (default, chain_id) in [(None, 11_155_111), (Some("mainnet"), 1), (Some("testnet"), 97), (Some("Amoy"), 80_002)] {
        assert_eq!(networks(None, default).default_evm().chain_id(), Some(chain_id));
    }
}

#[test]
fn new_with_an_unknown_default_is_refused() {
    for (utxo, evm, accepted) in [
        (Some("sepolia"), None, "mainnet, testnet, signet, regtest"),
        (None, Some("regtest"), "mainnet, sepolia, hoodi, holesky, goerli, testnet, amoy"),
        (None, Some(""), "mainnet, sepolia, hoodi, holesky, goerli, testnet, amoy"),
    ] {
        let defaults =
            NetworkDefaults { utxo: utxo.map(str::to_owned), evm: evm.map(str::to_owned), ..NetworkDefaults::default() };
        let error = Networks::new(&defaults, &[]).unwrap_err().to_string();
        assert!(error.ends_with(&format!("expected one of {accepted}")), "{error}");
    }
}

#[test]
fn new_with_a_configured_chain_serves_it() {
    let local = EvmChain { testnet: true, ..chain("eth", "Anvil", 31_337) };
    let defaults = NetworkDefaults { evm: Some("anvil".to_owned()), ..NetworkDefaults::default() };
    let networks = Networks::new(&defaults, &[chain("AVAX", "c-chain", 43_114), local]).unwrap();

    assert_eq!(networks.default_evm().to_string(), "ETH anvil");
    assert!(!networks.default_evm().is_mainnet());
    assert_eq!(networks.resolve("ETH", None).unwrap().chain_id(), Some(31_337));

    let avalanche = networks.resolve("avax", Some("C-Chain")).unwrap();
    assert!(avalanche.is_mainnet(), "unless it is said to be a test network");
    let error = networks.resolve("avax", None).unwrap_err();
    assert_eq!(error.to_string(), "is needed: AVAX has no default network; expected one of c-chain");
    assert_eq!(error.field(), "network");
    assert!(networks.resolve("nope", None).unwrap_err().to_string().ends_with(", ADA, AVAX"));
}

#[test]
fn new_with_a_bad_chain_is_refused() {
    use NetworkConfigError as E;
    let refusal = |chains: &[EvmChain]| with_chains(chains).unwrap_err();
    let long = "X".repeat(17);
    for asset in ["", "A B", "É", long.as_str()] {
        assert!(matches!(refusal(&[chain(asset, "main", 7)]), E::Asset(_)), "{asset}");
    }
    for network in ["", "a_b", "a b", &"x".repeat(33)] {
        assert!(matches!(refusal(&[chain("ARB", network, 7)]), E::Network(_)), "{network}");
    }
    for chain_id in [0, MAX_CHAIN_ID + 1, u64::MAX] {
        assert_eq!(refusal(&[chain("ARB", "one", chain_id)]), E::ChainId(chain_id));
    }
    for asset in ["BTC", "doge", "SOL", "xrp"] {
        assert_eq!(refusal(&[chain(asset, "evm", 7)]), E::ForeignAsset(asset.to_uppercase()));
    }
    assert!(matches!(refusal(&[chain("matic", "amoy", 7)]), E::Duplicate(_)));
    assert!(matches!(refusal(&[chain("ARB", "one", 7), chain("arb", "ONE", 8)]), E::Duplicate(_)));
    let taken = refusal(&[chain("ARB", "one", 137)]).to_string();
    assert_eq!(taken, "networks.evm_chains: chain_id 137 of ARB one is taken by POL mainnet");
}

#[test]
fn networks_of_two_registries_are_equal_by_value() {
    let set: std::collections::HashSet<Network> =
        [networks(None, None), networks(None, Some("amoy"))].iter().flat_map(|n| n.iter().cloned().collect::<Vec<_>>()).collect();
    assert_eq!(set.len(), 28);
}
