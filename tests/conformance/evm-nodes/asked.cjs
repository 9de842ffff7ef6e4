// One form for what was asked, what was signed, and what a node says was mined, so that they can be compared.

const { ethers } = require("ethers");

const lower = (text) => text?.toLowerCase() ?? null;
const number = (quantity) => BigInt(quantity ?? 0);

// Some nodes show a legacy transaction's in `v` alone (EIP-155).
function chainId({ chainId, v }) {
  return chainId == null && v != null ? (BigInt(v) - 35n) / 2n : number(chainId);
}

function fees(type, of) {
  if (type < 2) return { gasPrice: number(of.gasPrice) };
  return { maxFeePerGas: number(of.maxFeePerGas), maxPriorityFeePerGas: number(of.maxPriorityFeePerGas) };
}

// Of a transaction in the JSON of Ethereum's RPC: a request, an answer, or a mined transaction.
function ofRpc(json) {
  const type = Number(json.type);
  return {
    type,
    from: lower(json.from),
    chainId: chainId(json),
    nonce: number(json.nonce),
    gas: number(json.gas),
    to: lower(json.to),
    value: number(json.value),
    input: lower(json.input ?? json.data ?? "0x"),
    ...fees(type, json),
    ...(type > 0 && {
      accessList: (json.accessList ?? []).map(({ address, storageKeys }) => [lower(address), storageKeys.map(lower)]),
    }),
    ...(type === 3 && {
      maxFeePerBlobGas: number(json.maxFeePerBlobGas),
      blobVersionedHashes: json.blobVersionedHashes.map(lower),
    }),
    ...(type === 4 && {
      authorizationList: json.authorizationList.map((authorization) => ({
        chainId: number(authorization.chainId),
        address: lower(authorization.address),
        nonce: number(authorization.nonce),
        yParity: number(authorization.yParity),
        r: number(authorization.r),
        s: number(authorization.s),
      })),
    }),
  };
}

// Of a signed transaction's bytes, as ethers reads them and recovers who signed.
function ofRaw(raw) {
  const tx = ethers.Transaction.from(raw);
  return ofRpc({
    type: tx.type,
    from: tx.from,
    chainId: tx.chainId,
    nonce: tx.nonce,
    gas: tx.gasLimit,
    to: tx.to,
    value: tx.value,
    input: tx.data,
    gasPrice: tx.gasPrice,
    maxFeePerGas: tx.maxFeePerGas,
    maxPriorityFeePerGas: tx.maxPriorityFeePerGas,
    accessList: tx.accessList,
    maxFeePerBlobGas: tx.maxFeePerBlobGas,
    blobVersionedHashes: tx.blobVersionedHashes,
    authorizationList: tx.authorizationList?.map(({ signature, ...authorization }) => ({
      ...authorization,
      yParity: signature.yParity,
      r: signature.r,
      s: signature.s,
    })),
  });
}

module.exports = { ofRaw, ofRpc };
