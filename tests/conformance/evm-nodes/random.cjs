// Reproducible randomness: SHA-256 of the seed and a counter.

const { createHash } = require("node:crypto");

class Random {
  #seed;
  #count = 0;

  constructor(seed) {
    this.#seed = seed;
  }

  // As 0x-hex.
  bytes(length) {
    const blocks = [];
    for (let made = 0; made < length; made += 32) {
      blocks.push(createHash("sha256").update(`${this.#seed} ${this.#count++}`).digest());
    }
    return "0x" + Buffer.concat(blocks).subarray(0, length).toString("hex");
  }

  // Of as many bits, each length as likely as another, so that small and large ones both come.
  bits(most) {
    const length = this.below(most + 1);
    return length === 0 ? 0n : BigInt(this.bytes(32)) >> BigInt(256 - length);
  }

  below(limit) {
    return Number(BigInt(this.bytes(6)) % BigInt(limit));
  }

  oneOf(list) {
    return list[this.below(list.length)];
  }

  list(most, make) {
    return Array.from({ length: this.below(most + 1) }, make);
  }
}

module.exports = { Random };
