// Writes the digests that ethers computes: DIRECTORY/ethers.jsonl of DIRECTORY/cases.jsonl.
//
//   node peers.cjs DIRECTORY
"use strict";

const fs = require("fs");
const path = require("path");
const { TypedDataEncoder } = require("ethers");

const directory = process.argv[2];
const rows = fs
  .readFileSync(path.join(directory, "cases.jsonl"), "utf8")
  .split("\n")
  .filter(Boolean)
  .map((line) => {
    const { number, typedData } = JSON.parse(line);
    const { EIP712Domain, ...types } = typedData.types;
    try {
      const encoder = TypedDataEncoder.from(types);
      if (encoder.primaryType !== typedData.primaryType) throw new Error(`primary type ${encoder.primaryType}`);
      return { number, digest: TypedDataEncoder.hash(typedData.domain, types, typedData.message) };
    } catch (error) {
      return { number, error: error.shortMessage || error.message };
    }
  });
fs.writeFileSync(path.join(directory, "ethers.jsonl"), rows.map((row) => JSON.stringify(row) + "\n").join(""));
