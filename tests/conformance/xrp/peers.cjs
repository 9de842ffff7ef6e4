// Judges by xrpl. One JSON request a line, {call, ...}, and one line of answer; see node.py.
const { createInterface } = require("node:readline");
const {
  classicAddressToXAddress,
  decode,
  deriveAddress,
  encode,
  encodeForMultiSigning,
  hashes,
  multisign,
  validate,
  verifyKeypairSignature,
  verifySignature,
} = require("xrpl");

const calls = {
  // What a signed transaction says, once everything that xrpl can say about it is yes.
  judge({ blob, address }) {
    const transaction = decode(blob);
    if (encode(transaction) !== blob) throw new Error("xrpl would write other bytes");
    validate(transaction);
    if (!verifySignature(blob)) throw new Error("verifySignature says no");
    if (deriveAddress(transaction.SigningPubKey) !== address) throw new Error("another account's key");
    return { transaction, hash: hashes.hashSignedTx(blob) };
  },
  // The same for one signed by several; their addresses in the ledger's order.
  judgeMultisigned({ blob }) {
    const transaction = decode(blob);
    if (encode(transaction) !== blob) throw new Error("xrpl would write other bytes");
    validate(transaction);
    const { Signers, ...signed } = transaction;
    const signers = Signers.map(({ Signer: { Account, SigningPubKey, TxnSignature } }) => {
      const message = encodeForMultiSigning(signed, Account);
      if (!verifyKeypairSignature(message, TxnSignature, SigningPubKey)) throw new Error(`${Account} did not sign this`);
      if (deriveAddress(SigningPubKey) !== Account) throw new Error(`not the key of ${Account}`);
      return Account;
    });
    return { transaction, signers, hash: hashes.hashSignedTx(blob) };
  },
  verifySignature: ({ blob }) => verifySignature(blob),
  multisign: ({ blobs }) => multisign(blobs),
  encode: ({ transaction }) => encode(transaction),
  xAddress: ({ address, tag, isTest }) => classicAddressToXAddress(address, tag ?? false, isTest),
};

(async () => {
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    let answer;
    try {
      answer = { result: calls[request.call](request) };
    } catch (error) {
      answer = { error: error.stack };
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
  }
})();
