// The daemon, reached by ethers over its socket.

const assert = require("node:assert/strict");
const { ethers } = require("ethers");
const { ofRaw, ofRpc } = require("./asked.cjs");
const { withBlobs } = require("./blobs.cjs");

class Signer {
  #provider;

  constructor(socket) {
    this.#provider = new ethers.IpcSocketProvider(socket);
  }

  call(method, params) {
    return this.#provider.send(method, params);
  }

  // The error that the daemon gives; fails if it gives none.
  async refusal(method, params) {
    try {
      await this.call(method, params);
    } catch (error) {
      return error.error ?? error.info?.error ?? assert.fail(error);
    }
    return assert.fail(`${method} was not refused`);
  }

  async wallet(asset, userId) {
    return (await this.call("wallet_create", { userId, asset, network: "mainnet" })).address.toLowerCase();
  }

  // Signs a transaction. ethers must read it back as what was asked, from its wallet, and so must the answer's `tx` say.
  async transaction(asked, blobs) {
    const { raw, tx } = await this.call("eth_signTransaction", [asked]);
    const expected = ofRpc(asked);
    assert.deepEqual(ofRaw(raw), expected);
    // As geth's, it does not name who signed.
    assert.deepEqual(ofRpc({ ...tx, from: asked.from }), expected);
    const hash = ethers.keccak256(raw);
    assert.equal(tx.hash, hash);
    // Made when it is sent: with its blobs it takes a quarter of a megabyte and more.
    return { asked: expected, hash, network: () => (blobs ? withBlobs(raw, blobs) : raw) };
  }
}

module.exports = { Signer };
