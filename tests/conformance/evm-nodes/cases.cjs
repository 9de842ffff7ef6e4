// What is tried on every chain. Each transaction is signed once, and mined by all of the chain's nodes.

const assert = require("node:assert/strict");
const { ethers } = require("ethers");

const GWEI = 10n ** 9n;
const PRICE = { gasPrice: 30n * GWEI };
const FEES = { maxFeePerGas: 30n * GWEI, maxPriorityFeePerGas: 2n * GWEI };
const RECIPIENT = "0x00000000000000000000000000000000005eaf00";
const TRANSFER = { to: RECIPIENT, value: 1_234_567_890_123_456_789n };
const ECRECOVER = "0x0000000000000000000000000000000000000001";

// In their order: those below use the contracts of the first.
const CASES = {
  "contract deployed": async (chain) => {
    chain.token = await chain.deploys(0, PRICE, "Token", 10n ** 24n);
    chain.delegate = await chain.deploys(1, { ...PRICE, accessList: [] }, "Delegate");
    chain.signatures = await chain.deploys(2, FEES, "Signatures");
  },
  "legacy (EIP-155)": (chain) => chain.mines(0, { ...TRANSFER, ...PRICE }),
  "EIP-2930": (chain) => chain.mines(1, { ...TRANSFER, ...PRICE, accessList: accessList(chain) }),
  "EIP-1559": (chain) => chain.mines(2, { ...TRANSFER, ...FEES, accessList: accessList(chain) }),
  "EIP-4844, its blobs attached after signing": (chain) => {
    const blobVersionedHashes = chain.blobs.map(({ versionedHash }) => versionedHash);
    return chain.mines(3, { ...TRANSFER, ...FEES, maxFeePerBlobGas: 3n * GWEI, blobVersionedHashes });
  },
  "EIP-7702, its authorization by evm_signAuthorization": async (chain) => {
    const { wallet, authority, delegate } = chain;
    const delegates = async (account, contract, nonce) => {
      const authorizationList = [await chain.authorizes(account, contract, nonce)];
      await chain.mines(4, { to: RECIPIENT, ...FEES, authorizationList });
    };
    const delegated = ethers.concat(["0xef0100", delegate]);
    await delegates(authority, delegate, 0n);
    await chain.hasCode(authority, delegated);
    await chain.gives(ethers.zeroPadValue(authority, 32), "Delegate", "whoAmI", [], authority);
    await delegates(authority, ethers.ZeroAddress, 1n);
    await chain.hasCode(authority, "0x");
    // The sender's own account: the transaction takes one nonce, the authorization the next.
    await delegates(wallet, delegate, chain.nonce + 1n);
    chain.nonce++;
    await chain.hasCode(wallet, delegated);
  },
  "ERC-20 transfer": async (chain) => {
    const { abi } = chain.contracts.Token;
    const amount = 5n * 10n ** 18n;
    const input = abi.encodeFunctionData("transfer", [RECIPIENT, amount]);
    for (const receipt of await chain.mines(2, { to: chain.token, input, ...FEES })) {
      const { from, to, amount: moved } = abi.parseLog(receipt.logs[0]).args;
      assert.deepEqual([from.toLowerCase(), to.toLowerCase(), moved], [chain.wallet, RECIPIENT, amount]);
    }
    await chain.gives(ethers.toBeHex(amount, 32), "Token", "balanceOf", [RECIPIENT], chain.token);
  },
  "personal_sign and eth_sign, recovered on chain": async (chain) => {
    const { signer, wallet, signatures, random } = chain;
    for (const length of [0, 1, 31, 32, 99, 1000]) {
      const message = random.bytes(length);
      for (const signature of [
        await signer.call("personal_sign", [message, wallet]),
        await signer.call("eth_sign", [wallet, message]),
      ]) {
        await chain.recovers(ethers.hashMessage(ethers.getBytes(message)), signature);
        await chain.gives(ethers.zeroPadValue(wallet, 32), "Signatures", "personal", [message, signature], signatures);
      }
    }
  },
  "eth_signTypedData_v4, recovered on chain": async (chain) => {
    const { signer, wallet, signatures } = chain;
    const typedData = mail(chain.chainId, signatures, wallet);
    const signature = await signer.call("eth_signTypedData_v4", [wallet, typedData]);
    await chain.gives(ethers.zeroPadValue(wallet, 32), "Signatures", "typed", [typedData.message, signature], signatures);
  },
  "fee bump refused, what was signed first mined": async (chain) => {
    const { signer, nodes } = chain;
    const asked = chain.asks(2, { ...TRANSFER, ...FEES });
    const first = await signer.transaction(asked);
    assert.equal((await signer.transaction(asked)).hash, first.hash, "the same content again has the same signature");
    const bumped = { ...asked, maxFeePerGas: ethers.toQuantity(2n * FEES.maxFeePerGas) };
    const { code, data } = await signer.refusal("eth_signTransaction", [bumped]);
    assert.deepEqual([code, data.kind], [-32010, "CONFLICT"]);
    for (const node of nodes) await node.mine(first);
  },
};

// A chain with its nodes, and two wallets of ours on it: one that pays, and one that authorizes.
class Chain {
  nonce = 0n;

  constructor(of) {
    Object.assign(this, of);
  }

  // Runs every case. `report(name)` is called when one has passed on all nodes.
  async run(report) {
    this.wallet = await this.signer.wallet(this.asset, "cases");
    this.authority = await this.signer.wallet(this.asset, "cases");
    for (const node of this.nodes) await node.fund([this.wallet]);
    for (const [name, passes] of Object.entries(CASES)) {
      await passes(this);
      report(name);
    }
  }

  // A request with the wallet's next nonce.
  asks(type, members) {
    const { wallet: from, chainId } = this;
    const asked = { from, type: `0x${type}`, chainId, nonce: this.nonce++, gas: 3_000_000n, value: 0n, ...members };
    return quantities(asked);
  }

  // Has it signed and mined, and gives the receipts.
  async mines(type, members) {
    const signed = await this.signer.transaction(this.asks(type, members), type === 3 ? this.blobs : undefined);
    const receipts = [];
    for (const node of this.nodes) receipts.push(await node.mine(signed));
    return receipts;
  }

  // Gives the contract's address.
  async deploys(type, members, name, ...args) {
    const { bytecode, abi } = this.contracts[name];
    const receipts = await this.mines(type, { input: ethers.concat([bytecode, abi.encodeDeploy(args)]), ...members });
    const addresses = new Set(receipts.map(({ contractAddress }) => contractAddress));
    assert.equal(addresses.size, 1);
    return [...addresses][0];
  }

  async authorizes(address, contract, nonce) {
    const params = quantities({ address, chainId: this.chainId, contract, nonce });
    const signed = await this.signer.call("evm_signAuthorization", params);
    const recovered = ethers.verifyAuthorization({ address: contract, chainId: this.chainId, nonce }, signed);
    assert.equal(recovered.toLowerCase(), address);
    return signed;
  }

  // A call of a contract gives this on every node.
  async gives(expected, contract, method, args, to) {
    await this.#answers(expected, { to, data: this.contracts[contract].abi.encodeFunctionData(method, args) });
  }

  // The precompile recovers the wallet from a signature over the digest.
  async recovers(digest, signature) {
    const { v, r, s } = ethers.Signature.from(signature);
    const data = ethers.concat([digest, ethers.toBeHex(v, 32), r, s]);
    await this.#answers(ethers.zeroPadValue(this.wallet, 32), { to: ECRECOVER, data });
  }

  async #answers(expected, call) {
    for (const node of this.nodes) assert.equal(await node.call("eth_call", call, "latest"), expected, node.name);
  }

  async hasCode(address, code) {
    for (const node of this.nodes) assert.equal(await node.call("eth_getCode", address, "latest"), code, node.name);
  }
}

function quantities(members) {
  const quantity = ([name, value]) => [name, typeof value === "bigint" ? ethers.toQuantity(value) : value];
  return Object.fromEntries(Object.entries(members).map(quantity));
}

function accessList({ token, delegate }) {
  return [
    { address: token, storageKeys: [ethers.ZeroHash, ethers.id("slot")] },
    { address: delegate, storageKeys: [] },
  ];
}

// What the contract Signatures knows the types of.
function mail(chainId, verifyingContract, wallet) {
  const members = (types) => Object.entries(types).map(([name, type]) => ({ name, type }));
  return {
    types: {
      EIP712Domain: members({ name: "string", version: "string", chainId: "uint256", verifyingContract: "address" }),
      Person: members({ name: "string", wallet: "address" }),
      Mail: members({ from: "Person", to: "Person[]", contents: "string", amounts: "uint256[2]", attachment: "bytes" }),
    },
    primaryType: "Mail",
    domain: { name: "Peers", version: "1", chainId: Number(chainId), verifyingContract },
    message: {
      from: { name: "Ähre", wallet },
      to: [
        { name: "Bob", wallet: RECIPIENT },
        { name: "", wallet: ethers.ZeroAddress },
      ],
      contents: "Hello, Bob!",
      amounts: ["1", ethers.MaxUint256.toString()],
      attachment: "0x00ff10",
    },
  };
}

module.exports = { CASES, Chain };
