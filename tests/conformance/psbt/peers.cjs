// Builds and finalizes PSBTs by bitcoinjs-lib and @scure/btc-signer, and checks messages by bitcoinjs-message and bip322-js.
//
// Reads one JSON request a line, {call, ...}, and answers each with a line {result} or {error}. Plans: Plan.to_json of coins.py.
const { createInterface } = require("node:readline");
const { pathToFileURL } = require("node:url");
const ecc = require("@bitcoinerlab/secp256k1");
const { Verifier } = require("bip322-js");
const bitcoinMessage = require("bitcoinjs-message");
const bitcoin = require("bitcoinjs-lib");
const coininfo = require("coininfo");

bitcoin.initEccLib(ecc);

function coin(name) {
  const { versions, bech32 } = coininfo(name);
  return { pubKeyHash: versions.public, scriptHash: versions.scripthash, bech32 };
}

const networks = {
  "BTC mainnet": bitcoin.networks.bitcoin,
  "BTC testnet": bitcoin.networks.testnet,
  "BTC regtest": bitcoin.networks.regtest,
  "LTC mainnet": coin("LTC"),
  "LTC testnet": coin("LTC-TEST"),
  // coininfo has no regtest; these are CRegTestParams in chainparams.cpp of Litecoin Core and Dogecoin Core.
  "LTC regtest": { ...coin("LTC-TEST"), bech32: "rltc" },
  "DOGE mainnet": coin("DOGE"),
  "DOGE testnet": coin("DOGE-TEST"),
  "DOGE regtest": { pubKeyHash: 0x6f, scriptHash: 0xc4 },
};
const networkOf = (plan) => networks[`${plan.asset} ${plan.network}`];

const bytes = (hex) => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (data) => Buffer.from(data).toString("hex");
const base64 = (data) => Buffer.from(data).toString("base64");

// What an input says besides its outpoint, from the wallet's public key alone.
function spent(input, network) {
  const previous = bitcoin.Transaction.fromHex(input.previous);
  const { script, value } = previous.outs[input.vout];
  const given = { pubkey: bytes(input.publicKey), network };
  const nested = input.kind === "p2sh-p2wpkh" ? bitcoin.payments.p2wpkh(given).output : undefined;
  return { script, value, redeemScript: nested, both: input.bothUtxos && input.kind !== "p2pkh" };
}

const bitcoinjs = {
  build({ plan }) {
    const network = networkOf(plan);
    const psbt = new bitcoin.Psbt({ network });
    psbt.setVersion(plan.txVersion);
    psbt.setLocktime(plan.locktime);
    for (const input of plan.inputs) {
      const { script, value, redeemScript, both } = spent(input, network);
      psbt.addInput({
        hash: input.txid,
        index: input.vout,
        sequence: input.sequence,
        nonWitnessUtxo: bytes(input.previous),
        ...(both && { witnessUtxo: { script, value } }),
        ...(redeemScript && { redeemScript }),
        ...(input.sighash && { sighashType: input.sighash }),
        bip32Derivation: [{ masterFingerprint: bytes("00000000"), path: "m/0", pubkey: bytes(input.publicKey) }],
      });
    }
    for (const { address, script, amount } of plan.outputs) {
      psbt.addOutput({ ...(address ? { address } : { script: bytes(script) }), value: BigInt(amount) });
    }
    return psbt.toBase64();
  },
  finalize({ plan, psbt: text }) {
    const psbt = bitcoin.Psbt.fromBase64(text, { network: networkOf(plan) });
    if (!psbt.validateSignaturesOfAllInputs((key, digest, signature) => ecc.verify(digest, key, signature))) {
      throw new Error("a signature is not valid");
    }
    return psbt.finalizeAllInputs().extractTransaction(true).toHex();
  },
  extract({ plan, psbt }) {
    return bitcoin.Psbt.fromBase64(psbt, { network: networkOf(plan) }).extractTransaction(true).toHex();
  },
  // Adds to what another program built the transactions that made its inputs.
  addPrevious({ plan, psbt: text, previous }) {
    const psbt = bitcoin.Psbt.fromBase64(text, { network: networkOf(plan) });
    previous.forEach((made, index) => psbt.updateInput(index, { nonWitnessUtxo: bytes(made) }));
    return psbt.toBase64();
  },
};

// An ES module, loaded before the first request.
let btcSigner;
const keepAll = { allowUnknownOutputs: true, unknown: "ignore" };

const scure = {
  build({ plan }) {
    const network = networkOf(plan);
    const transaction = new btcSigner.Transaction({
      version: plan.txVersion,
      lockTime: plan.locktime,
      PSBTVersion: plan.psbtVersion,
      ...keepAll,
    });
    for (const input of plan.inputs) {
      const { script, value, redeemScript, both } = spent(input, network);
      transaction.addInput({
        txid: input.txid,
        index: input.vout,
        sequence: input.sequence,
        nonWitnessUtxo: bytes(input.previous),
        ...(both && { witnessUtxo: { script, amount: value } }),
        ...(redeemScript && { redeemScript }),
        ...(input.sighash && { sighashType: input.sighash }),
      });
    }
    for (const { address, script, amount } of plan.outputs) {
      if (address) transaction.addOutputAddress(address, BigInt(amount), network);
      else transaction.addOutput({ script: bytes(script), amount: BigInt(amount) });
    }
    return base64(transaction.toPSBT());
  },
  finalize({ psbt }) {
    const transaction = btcSigner.Transaction.fromPSBT(Buffer.from(psbt, "base64"), keepAll);
    transaction.finalize();
    return hex(transaction.extract());
  },
  extract({ psbt }) {
    return hex(btcSigner.Transaction.fromPSBT(Buffer.from(psbt, "base64"), keepAll).extract());
  },
};

const messages = {
  bitcoinjsMessage: ({ message, address, signature, prefix, anyType }) =>
    bitcoinMessage.verify(message, address, signature, prefix, anyType),
  bip322: ({ message, address, signature }) => Verifier.verifySignature(address, message, signature, true),
};

const libraries = { bitcoinjs, scure, messages };

(async () => {
  // By its path: import does not look into NODE_PATH.
  btcSigner = await import(pathToFileURL(require.resolve("@scure/btc-signer")));
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    let answer;
    try {
      const [library, call] = request.call.split(".");
      answer = { result: libraries[library][call](request) };
    } catch (error) {
      answer = { error: error.stack };
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
  }
})();
