// web3.js: Web3 over web3-providers-ipc.

const assert = require("node:assert/strict");
const { RLP } = require("@ethereumjs/rlp");
const { Web3 } = require("web3");
const { getEncodedEip712Data } = require("web3-eth-abi");
const { TransactionFactory, recover } = require("web3-eth-accounts");
const { IpcProvider } = require("web3-providers-ipc");
const { bytesToHex, hexToBytes, keccak256, padLeft, toHex, uint8ArrayConcat, utf8ToHex } = require("web3-utils");

// What web3.js has types for. Of other transactions its own call drops the members that it does not know.
const OWN = ["legacy", "EIP-2930", "EIP-1559"];

module.exports = async (socket, plan) => {
  const web3 = new Web3(new IpcProvider(socket));
  const { address, message, typedData } = plan;
  const raw = (method, params) => web3.requestManager.send({ method, params });
  const signed = {};

  const authorization = await raw("evm_signAuthorization", plan.authorization);
  const { chainId, nonce, yParity, r, s } = authorization;
  assert.equal(signer(5, fields([chainId, authorization.address, nonce]), [yParity, r, s]), address);
  signed.evm_signAuthorization = { how: "raw", authorization };

  for (const [kind, planned] of Object.entries(plan.transactions)) {
    const request = kind === "EIP-7702" ? { ...planned, authorizationList: [authorization] } : planned;
    if (OWN.includes(kind)) {
      const answer = await web3.eth.signTransaction(request);
      const read = TransactionFactory.fromSerializedData(hexToBytes(answer.raw));
      assert.equal(web3.eth.accounts.recoverTransaction(answer.raw), address);
      assert.equal(answer.tx.hash, bytesToHex(read.hash()));
      signed[kind] = { how: "own", raw: answer.raw };
    } else {
      await assert.rejects(web3.eth.signTransaction(request), /blobVersionedHashes|maxFeePerBlobGas|authorizationList/);
      const answer = await raw("eth_signTransaction", [request]);
      const type = Number(request.type);
      const [...read] = RLP.decode(hexToBytes(answer.raw).slice(1));
      const signature = read.splice(-3).map(hexed);
      assert.deepEqual(read.map(hexed), unsigned(type, request).map(hexed));
      assert.equal(signer(type, read, signature), address);
      signed[kind] = { how: "raw", ...answer };
    }
  }

  const check = (signature) => assert.equal(recover(message, signature), address);
  const checkTyped = (signature) => assert.equal(recover(keccak256(getEncodedEip712Data(typedData)), signature, true), address);
  for (const [method, how, checks, sign] of [
    ["personal_sign", "own", check, () => web3.eth.personal.sign(utf8ToHex(message), address, "")],
    ["eth_sign", "own", check, () => web3.eth.sign(utf8ToHex(message), address)],
    ["eth_signTypedData_v4", "own", checkTyped, () => web3.eth.signTypedData(address, typedData, false)],
    ["eth_signTypedData", "own", checkTyped, () => web3.eth.signTypedData(address, typedData, true)],
  ]) {
    const signature = await sign();
    checks(signature);
    signed[method] = { how, signature };
  }

  return {
    client: `web3.js ${Web3.version}`,
    accounts: await web3.eth.getAccounts(),
    chainId: String(await web3.eth.getChainId()),
    version: await web3.eth.getNodeInfo(),
    codes: await Promise.all(
      plan.refused.map((method) =>
        raw(method, []).then(
          () => null,
          (error) => error.cause?.code,
        ),
      ),
    ),
    signed,
  };
};

// The fields of a transaction of EIP-4844 or EIP-7702 but for its signature, which web3.js has no type for.
function unsigned(type, request) {
  const { chainId, nonce, maxPriorityFeePerGas, maxFeePerGas, gas, to, value, input } = request;
  const more =
    type === 3
      ? [request.maxFeePerBlobGas, request.blobVersionedHashes]
      : [request.authorizationList.map((one) => [one.chainId, one.address, one.nonce, one.yParity, one.r, one.s])];
  return fields([chainId, nonce, maxPriorityFeePerGas, maxFeePerGas, gas, to, value, input, request.accessList, ...more]);
}

// For RLP: numbers without leading zeros, addresses, hashes and input as they are.
function fields(values) {
  return values.map((value) => {
    if (Array.isArray(value)) return fields(value);
    if (value.length >= 42 && value.length % 2 === 0) return hexToBytes(value);
    return value === "0x0" ? new Uint8Array() : hexToBytes(padLeft(value, value.length - 2 + (value.length % 2)));
  });
}

const hexed = (value) => (Array.isArray(value) ? value.map(hexed) : bytesToHex(value));

function signer(type, content, [yParity, r, s]) {
  const hash = keccak256(uint8ArrayConcat(Uint8Array.of(type), RLP.encode(content)));
  return recover(hash, toHex(27 + Number(yParity === "0x" ? 0 : yParity)), padLeft(r, 64), padLeft(s, 64), true);
}
