// Transactions at random, all of which must be signed, and be taken by every node.

const { ethers } = require("ethers");

// Calls in flight to the daemon for each of the three chains; its limit on a connection is 128.
const IN_FLIGHT = 32;
const TYPES = ["legacy (EIP-155)", "EIP-2930", "EIP-1559", "EIP-4844", "EIP-7702"];
// Makes a contract without code, whatever follows it.
const CREATION = "0x60006000f3";
// Of calls that a decoder may know: transfer, transferFrom, approve, increaseAllowance, permit, two safeTransferFrom,
// setApprovalForAll.
const SELECTORS = [
  "0xa9059cbb",
  "0x23b872dd",
  "0x095ea7b3",
  "0x39509351",
  "0xd505accf",
  "0x42842e0e",
  "0xf242432a",
  "0xa22cb465",
];
const GWEI = 1_000_000_000n;

const quantity = ethers.toQuantity;

// Has `count` transactions of a type signed and mined by the chain's nodes. Gives the errors with which any was refused.
async function runGenerated({ signer, random, chainId, asset, nodes, blobs, type, count }) {
  const [wallet, authority] = [await signer.wallet(asset, "generated"), await signer.wallet(asset, "generated")];
  for (const node of nodes) await node.fund([wallet]);

  const requests = Array.from({ length: count }, (_, nonce) =>
    request(random, type, { wallet, authority, chainId, nonce, blobs }),
  );
  const refused = [];
  const signed = await inParallel(requests, async ({ ours, ...asked }) => {
    try {
      if (ours) asked.authorizationList.push(await signer.call("evm_signAuthorization", ours));
      const attached = asked.blobVersionedHashes?.map((hash) => blobs.find(({ versionedHash }) => versionedHash === hash));
      return await signer.transaction(asked, attached);
    } catch (error) {
      if (error.error?.code === undefined) throw error;
      refused.push({ error: error.error, asked });
    }
  });
  // With a nonce missing the rest can't be mined.
  if (refused.length === 0) for (const node of nodes) await node.mineAll(signed);
  return refused;
}

// The request, with the parameters of an authorization of ours as `ours`.
function request(random, type, { wallet, authority, chainId, nonce, blobs }) {
  const creates = type < 3 && random.below(10) === 0;
  const input = creates ? ethers.concat([CREATION, random.bytes(random.below(200))]) : data(random);
  const asked = {
    from: wallet,
    type: quantity(type),
    chainId: quantity(chainId),
    nonce: quantity(nonce),
    value: quantity(random.bits(80)),
    [random.oneOf(["input", "data"])]: input,
  };
  // More than EIP-2028, EIP-3860, EIP-7623 and EIP-7702 ask for at most.
  let gas = 250_000 + 50 * ethers.dataLength(input);
  if (!creates) {
    const to = random.bytes(20);
    asked.to = random.below(2) === 0 ? to : ethers.getAddress(to);
  }
  if (type > 0) {
    asked.accessList = random.list(4, () => ({
      address: random.bytes(20),
      storageKeys: random.list(3, () => random.bytes(32)),
    }));
    for (const { storageKeys } of asked.accessList) gas += 2400 + 1900 * storageKeys.length;
  }
  asked.gas = quantity(gas + random.below(1_000_000));
  if (type < 2) {
    asked.gasPrice = quantity(GWEI + random.bits(40));
  } else {
    const tip = random.bits(36);
    asked.maxPriorityFeePerGas = quantity(tip);
    asked.maxFeePerGas = quantity(GWEI + tip + random.bits(40));
  }
  if (type === 3) {
    asked.maxFeePerBlobGas = quantity(GWEI + random.bits(40));
    asked.blobVersionedHashes = [random.oneOf(blobs).versionedHash];
  }
  if (type === 4) {
    asked.authorizationList = Array.from({ length: 1 + random.below(2) }, () => authorized(random, chainId));
    if (random.below(2) === 0) {
      asked.ours = { address: authority, chainId: quantity(chainId), contract: random.bytes(20), nonce: quantity(nonce) };
    }
  }
  return asked;
}

// An authorization by a key that is none of ours.
function authorized(random, chainId) {
  const stranger = new ethers.Wallet(random.bytes(32));
  const { address, nonce, signature } = stranger.authorizeSync({ address: random.bytes(20), chainId, nonce: random.below(3) });
  const { yParity, r, s } = signature;
  return { chainId: quantity(chainId), address, nonce: quantity(nonce), yParity: quantity(yParity), r, s };
}

// Nothing, anything, or what looks like a call that is known, with arguments or without sense.
function data(random) {
  switch (random.below(4)) {
    case 0:
      return "0x";
    case 1:
      return random.bytes(random.below(300));
    case 2:
      return ethers.concat([random.oneOf(SELECTORS), random.bytes(random.below(100))]);
    default: {
      const words = Array.from({ length: random.below(8) }, () => ethers.toBeHex(random.bits(random.oneOf([8, 160, 256])), 32));
      return ethers.concat([random.oneOf(SELECTORS), ...words]);
    }
  }
}

async function inParallel(items, each) {
  const results = new Array(items.length);
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) results[index] = await each(items[index]);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  return results;
}

module.exports = { TYPES, runGenerated };
