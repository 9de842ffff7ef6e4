// One node, over JSON-RPC.

const assert = require("node:assert/strict");
const { setTimeout } = require("node:timers/promises");
const { ofRpc } = require("./asked.cjs");

class Node {
  #url;
  #id = 0;

  constructor(url, name, version) {
    this.#url = url;
    this.name = name;
    this.version = version;
  }

  static async at(url) {
    const client = await new Node(url).call("web3_clientVersion");
    const [, name, version] = /^(anvil|HardhatNetwork)\/v?([^/+-]+)/.exec(client);
    return new Node(url, name === "anvil" ? "anvil" : "hardhat", version);
  }

  async call(method, ...params) {
    const [result] = await this.batch([[method, params]]);
    return result;
  }

  // The results of [method, params] each, in their order; throws if one failed.
  async batch(calls) {
    const requests = calls.map(([method, params]) => ({ jsonrpc: "2.0", id: ++this.#id, method, params }));
    const response = await fetch(this.#url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(requests),
      signal: AbortSignal.timeout(60_000),
    });
    const answers = new Map((await response.json()).map((answer) => [answer.id, answer]));
    return requests.map(({ id, method }) => {
      const { result, error } = answers.get(id) ?? {};
      if (result === undefined) throw new Error(`${this.name}: ${method}: ${JSON.stringify(error)}`);
      return result;
    });
  }

  async fund(addresses) {
    const plenty = "0x" + "f".repeat(50);
    await this.batch(addresses.map((address) => ["hardhat_setBalance", [address, plenty]]));
  }

  // Has one transaction mined, in a block of its own, and gives its receipt.
  async mine(signed) {
    assert.equal(await this.call("eth_sendRawTransaction", signed.network()), signed.hash);
    // Anvil answers before it has mined.
    for (let tries = 0; (await this.call("eth_getTransactionReceipt", signed.hash)) === null; tries++) {
      assert.ok(tries < 600, `${this.name} does not mine ${signed.hash}`);
      await setTimeout(50);
    }
    const [receipt] = await this.#check([signed]);
    return receipt;
  }

  // Has many mined, in as many blocks as the node needs.
  async mineAll(all) {
    // https://github.com/NomicFoundation/hardhat/issues/5024: hardhat takes blobs only if it mines them at once.
    if (this.name === "hardhat" && all[0]?.asked.type === 3) {
      for (const signed of all) await this.mine(signed);
      return;
    }
    await this.call("evm_setAutomine", false);
    for (const some of inBatches(all)) {
      const hashes = await this.batch(some.map((signed) => ["eth_sendRawTransaction", [signed.network()]]));
      assert.equal(hashes.join(), some.map(({ hash }) => hash).join());
    }
    const waiting = new Map(all.map((signed) => [signed.hash, signed]));
    while (waiting.size > 0) {
      await this.call("evm_mine");
      const { transactions } = await this.call("eth_getBlockByNumber", "latest", false);
      assert.notEqual(transactions.length, 0, `${this.name} leaves ${waiting.size} transactions waiting`);
      await this.#check(transactions.map((hash) => waiting.get(hash)));
      for (const hash of transactions) waiting.delete(hash);
    }
    await this.call("evm_setAutomine", true);
  }

  // What the node shows of mined transactions must be what was asked for. Gives the receipts.
  async #check(all) {
    const receipts = [];
    for (const some of inBatches(all)) {
      const found = await this.batch([
        ...some.map(({ hash }) => ["eth_getTransactionByHash", [hash]]),
        ...some.map(({ hash }) => ["eth_getTransactionReceipt", [hash]]),
      ]);
      for (const [index, { asked, hash }] of some.entries()) {
        const receipt = found[some.length + index];
        assert.deepEqual(ofRpc(found[index]), asked);
        assert.equal(receipt.from.toLowerCase(), asked.from);
        assert.equal(receipt.status, "0x1", `${this.name}: ${hash} failed`);
        receipts.push(receipt);
      }
    }
    return receipts;
  }
}

// Split so that a node takes each, blobs and all.
function* inBatches(all) {
  const size = all[0]?.asked.type === 3 ? 3 : 200;
  for (let start = 0; start < all.length; start += size) yield all.slice(start, start + size);
}

module.exports = { Node };
