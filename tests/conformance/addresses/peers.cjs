// Addresses by bitcoinjs-lib (with the constants of coininfo) and by ethers. Keys: see peer_key in tests/it/addresses.rs.
const { createHash } = require("node:crypto");
const { writeFileSync } = require("node:fs");
const { join } = require("node:path");
const { networks: bitcoin, payments } = require("bitcoinjs-lib");
const coininfo = require("coininfo");
const { SigningKey, computeAddress } = require("ethers");

const keys = Array.from({ length: 1000 }, (_, number) => {
  const secret = createHash("sha256").update(`kmsignd address ${number}`).digest("hex");
  return SigningKey.computePublicKey(`0x${secret}`, true).slice(2);
});

function coin(name) {
  const { versions, bech32 } = coininfo(name);
  return { pubKeyHash: versions.public, scriptHash: versions.scripthash, bech32 };
}

const litecoinTest = coin("LTC-TEST");
const networks = [
  ["BTC", "mainnet", bitcoin.bitcoin],
  ["BTC", "testnet", bitcoin.testnet],
  ["BTC", "signet", bitcoin.testnet],
  ["BTC", "regtest", bitcoin.regtest],
  ["LTC", "mainnet", coin("LTC")],
  ["LTC", "testnet", litecoinTest],
  // coininfo has no regtest; these are CRegTestParams in chainparams.cpp of Litecoin Core and Dogecoin Core.
  ["LTC", "regtest", { ...litecoinTest, bech32: "rltc" }],
  ["DOGE", "mainnet", coin("DOGE")],
  ["DOGE", "testnet", coin("DOGE-TEST")],
  ["DOGE", "regtest", { pubKeyHash: 0x6f, scriptHash: 0xc4 }],
];
const forms = {
  p2wpkh: (given) => payments.p2wpkh(given),
  "p2sh-p2wpkh": (given) => payments.p2sh({ redeem: payments.p2wpkh(given), network: given.network }),
  p2pkh: (given) => payments.p2pkh(given),
};

function write(peer, rows) {
  writeFileSync(join(process.argv[2], `${peer}.jsonl`), rows.map((row) => JSON.stringify(row) + "\n").join(""));
}

write(
  "bitcoinjs-lib",
  networks.flatMap(([asset, name, network]) =>
    Object.entries(forms)
      .filter(([form]) => network.bech32 || form === "p2pkh")
      .flatMap(([addressType, form]) =>
        keys.map((publicKey) => {
          const { address } = form({ pubkey: Buffer.from(publicKey, "hex"), network });
          return { asset, network: name, addressType, publicKey, address };
        }),
      ),
  ),
);
write(
  "ethers",
  ["ETH", "BNB", "POL"].flatMap((asset) =>
    keys.map((publicKey) => ({
      asset,
      network: "mainnet",
      addressType: "eip55",
      publicKey,
      address: computeAddress(`0x${publicKey}`),
    })),
  ),
);
