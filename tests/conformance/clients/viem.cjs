// viem: a wallet client over ipc(), with a JSON-RPC account.

const assert = require("node:assert/strict");
const viem = require("viem");
const { ipc } = require("viem/node");
const { recoverAuthorizationAddress } = require("viem/utils");
const { version } = require("viem/package.json");

module.exports = async (socket, plan) => {
  const { address, message, typedData } = plan;
  const wallet = viem.createWalletClient({ account: address, transport: ipc(socket, { retryCount: 0 }) });
  const signed = {};

  const authorization = await wallet.request({ method: "evm_signAuthorization", params: plan.authorization });
  const numbers = {
    ...authorization,
    chainId: Number(authorization.chainId),
    nonce: Number(authorization.nonce),
    yParity: Number(authorization.yParity),
  };
  assert.equal(await recoverAuthorizationAddress({ authorization: numbers, signature: numbers }), address);
  signed.evm_signAuthorization = { how: "raw", authorization };

  const numeric = ["gas", "gasPrice", "maxFeePerGas", "maxPriorityFeePerGas", "maxFeePerBlobGas", "value"];
  for (const [kind, { from: _, type, input: data, nonce, chainId, ...planned }] of Object.entries(plan.transactions)) {
    const request = {
      ...planned,
      data,
      nonce: Number(nonce),
      type: ["legacy", "eip2930", "eip1559", "eip4844", "eip7702"][Number(type)],
    };
    for (const name of numeric) if (name in planned) request[name] = BigInt(planned[name]);
    if (kind === "EIP-7702") request.authorizationList = [numbers];
    const answer = await wallet.signTransaction({ ...request, chain: null });
    assert.equal(await viem.recoverTransactionAddress({ serializedTransaction: answer.raw }), address);
    const { r, s, v, yParity } = viem.parseTransaction(answer.raw);
    assert.equal(viem.serializeTransaction({ ...request, chainId: Number(chainId) }, { r, s, v, yParity }), answer.raw);
    signed[kind] = { how: "own", ...answer };
  }

  const recover = async (signature) => assert.equal(await viem.recoverMessageAddress({ message, signature }), address);
  const recoverTyped = async (signature) =>
    assert.equal(await viem.recoverTypedDataAddress({ ...typedData, signature }), address);
  for (const [method, how, check, sign] of [
    ["personal_sign", "own", recover, () => wallet.signMessage({ message })],
    ["eth_sign", "raw", recover, () => wallet.request({ method: "eth_sign", params: [address, viem.toHex(message)] })],
    ["eth_signTypedData_v4", "own", recoverTyped, () => wallet.signTypedData(typedData)],
    [
      "eth_signTypedData",
      "raw",
      recoverTyped,
      () => wallet.request({ method: "eth_signTypedData", params: [address, typedData] }),
    ],
  ]) {
    const signature = await sign();
    await check(signature);
    signed[method] = { how, signature };
  }

  return {
    client: `viem ${version}`,
    accounts: await wallet.getAddresses(),
    chainId: String(await wallet.getChainId()),
    version: await wallet.request({ method: "web3_clientVersion" }),
    codes: await Promise.all(
      plan.refused.map((method) =>
        wallet.request({ method }).then(
          () => null,
          (error) => error.code,
        ),
      ),
    ),
    signed,
  };
};
