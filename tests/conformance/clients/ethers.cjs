// ethers: IpcSocketProvider and its JsonRpcSigner.

const assert = require("node:assert/strict");
const ethers = require("ethers");

module.exports = async (socket, plan) => {
  const provider = new ethers.IpcSocketProvider(socket);
  const signer = await provider.getSigner(plan.address);
  const { address, message, typedData } = plan;
  const { EIP712Domain: _, ...types } = typedData.types;
  const signed = {};

  const authorization = await provider.send("evm_signAuthorization", plan.authorization);
  assert.equal(ethers.verifyAuthorization(listed(authorization), authorization), address);
  signed.evm_signAuthorization = { how: "raw", authorization };

  for (const [kind, planned] of Object.entries(plan.transactions)) {
    const { from, type, gas: gasLimit, input: data, nonce, ...rest } = planned;
    const request = { ...rest, type: Number(type), gasLimit, data, nonce: Number(nonce) };
    if (kind === "EIP-7702") request.authorizationList = [listed(authorization)];
    // The signer's own call leaves out the fee of blobs, and nothing is guessed.
    const how = kind === "EIP-4844" ? "raw" : "own";
    if (how === "raw") await assert.rejects(signer.signTransaction(request), /maxFeePerBlobGas/);
    const answer =
      how === "own" ? await signer.signTransaction(request) : await provider.send("eth_signTransaction", [planned]);
    const read = ethers.Transaction.from(answer.raw);
    const asked = ethers.Transaction.from(request);
    assert.equal(read.from, from);
    assert.equal(read.unsignedSerialized, asked.unsignedSerialized);
    signed[kind] = { how, ...answer };
  }

  const recover = (signature) => assert.equal(ethers.verifyMessage(message, signature), address);
  const recoverTyped = (signature) =>
    assert.equal(ethers.verifyTypedData(typedData.domain, types, typedData.message, signature), address);
  for (const [method, how, check, sign] of [
    ["personal_sign", "own", recover, () => signer.signMessage(message)],
    ["eth_sign", "own", recover, () => signer._legacySignMessage(message)],
    ["eth_signTypedData_v4", "own", recoverTyped, () => signer.signTypedData(typedData.domain, types, typedData.message)],
    ["eth_signTypedData", "raw", recoverTyped, () => provider.send("eth_signTypedData", [address, typedData])],
  ]) {
    const signature = await sign();
    check(signature);
    signed[method] = { how, signature };
  }

  return {
    client: `ethers ${ethers.version}`,
    accounts: (await provider.listAccounts()).map((account) => account.address),
    chainId: String((await provider.getNetwork()).chainId),
    version: await provider.send("web3_clientVersion", []),
    codes: await Promise.all(
      plan.refused.map((method) =>
        provider.send(method, []).then(
          () => null,
          (error) => error.error?.code,
        ),
      ),
    ),
    signed,
  };
};

// As ethers has an authorization in a transaction.
function listed({ address, chainId, nonce, ...signature }) {
  return { address, chainId, nonce, signature: { ...signature, yParity: Number(signature.yParity) } };
}
