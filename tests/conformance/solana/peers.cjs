// @solana/kit builds and checks, litesvm executes. One JSON request a line, {call, ...}, and one line of answer; see node.py.
const { createInterface } = require("node:readline");
const kit = require("@solana/kit");
const system = require("@solana-program/system");
const token = require("@solana-program/token");
const { FailedTransactionMetadata, LiteSVM } = require("litesvm");

const bytes = (base64) => Uint8Array.from(Buffer.from(base64, "base64"));
const base64 = (data) => Buffer.from(data).toString("base64");
const MEMO = kit.address("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr");
// One for each SignatureFailure of TransactionErrorFieldless, whose names litesvm leaves out of its JavaScript.
const SIGNATURE_FAILURE = 11;

// Each instruction of a plan; see plans.py.
const instructions = {
  transfer: ({ from, to, lamports }) =>
    system.getTransferSolInstruction({ source: signer(from), destination: to, amount: BigInt(lamports) }),
  createAccount: ({ from, account, lamports, space, owner }) =>
    system.getCreateAccountInstruction({
      payer: signer(from),
      newAccount: signer(account),
      lamports: BigInt(lamports),
      space: BigInt(space),
      programAddress: owner,
    }),
  advanceNonce: ({ nonce, authority }) =>
    system.getAdvanceNonceAccountInstruction({ nonceAccount: nonce, nonceAuthority: signer(authority) }),
  initializeNonce: ({ nonce, authority }) =>
    system.getInitializeNonceAccountInstruction({ nonceAccount: nonce, nonceAuthority: authority }),
  initializeMint: ({ mint, decimals, authority, program }) =>
    token.getInitializeMint2Instruction({ mint, decimals, mintAuthority: authority }, { programAddress: program }),
  mintTo: ({ mint, account, authority, amount, program }) =>
    token.getMintToInstruction(
      { mint, token: account, mintAuthority: signer(authority), amount: BigInt(amount) },
      { programAddress: program },
    ),
  createTokenAccount: ({ payer, account, owner, mint, program }) =>
    token.getCreateAssociatedTokenIdempotentInstruction({
      payer: signer(payer),
      ata: account,
      owner,
      mint,
      tokenProgram: program,
    }),
  transferChecked: ({ source, mint, destination, owner, amount, decimals, program }) =>
    token.getTransferCheckedInstruction(
      { source, mint, destination, authority: signer(owner), amount: BigInt(amount), decimals },
      { programAddress: program },
    ),
  memo: ({ text, by }) => ({
    programAddress: MEMO,
    accounts: [{ address: by, role: kit.AccountRole.READONLY_SIGNER }],
    data: new TextEncoder().encode(text),
  }),
};

// Whose signature is the daemon's or another's to add: kit needs to know no more.
const signer = (address) => kit.createNoopSigner(kit.address(address));

let svm;

const calls = {
  start() {
    svm = new LiteSVM();
  },
  fund: ({ address, lamports }) => svm.airdrop(address, kit.lamports(BigInt(lamports))) instanceof FailedTransactionMetadata,
  blockhash() {
    svm.expireBlockhash();
    return svm.latestBlockhash();
  },
  // In text: a lamport count may be more than JSON's numbers hold.
  balance: ({ address }) => String(svm.getBalance(address) ?? 0),
  rent: ({ space }) => String(svm.minimumBalanceForRentExemption(BigInt(space))),
  data({ address }) {
    const account = svm.getAccount(address);
    return account.exists ? base64(account.data) : null;
  },
  place({ address, owner, data }) {
    const space = BigInt(bytes(data).length);
    const lamports = kit.lamports(svm.minimumBalanceForRentExemption(space));
    svm.setAccount({ address, data: bytes(data), executable: false, lamports, programAddress: owner, space });
    svm.warpToSlot(svm.getClock().slot + 10n);
  },
  // Whether it was executed, and if not whether for its signatures.
  execute({ transaction }) {
    const decoded = kit.getTransactionDecoder().decode(bytes(transaction));
    if (base64(kit.getTransactionEncoder().encode(decoded)) !== transaction) throw new Error("kit writes other bytes");
    let done;
    try {
      done = svm.sendTransaction(decoded);
    } catch (error) {
      return { executed: false, signatures: false, why: error.message };
    }
    if (!(done instanceof FailedTransactionMetadata))
      return { executed: true, signature: kit.getBase58Decoder().decode(done.signature()) };
    return { executed: false, signatures: done.err() !== SIGNATURE_FAILURE, why: done.toString() };
  },

  build({ plan }) {
    const { version, payer, blockhash, nonce, units, price, tables } = plan;
    let message = kit.createTransactionMessage({ version });
    message = kit.setTransactionMessageFeePayer(payer, message);
    message = kit.appendTransactionMessageInstructions(
      plan.instructions.map((one) => instructions[one.kind](one)),
      message,
    );
    if (nonce) {
      // kit puts AdvanceNonceAccount in front by itself.
      message = kit.setTransactionMessageLifetimeUsingDurableNonce(
        { nonce: nonce.value, nonceAccountAddress: nonce.account, nonceAuthorityAddress: nonce.authority },
        message,
      );
    } else {
      message = kit.setTransactionMessageLifetimeUsingBlockhash({ blockhash, lastValidBlockHeight: 1_000_000n }, message);
    }
    if (units) message = kit.setTransactionMessageComputeUnitLimit(units, message);
    if (price) message = kit.setTransactionMessageComputeUnitPrice(BigInt(price), message);
    if (Object.keys(tables).length > 0) message = kit.compressTransactionMessageUsingAddressLookupTables(message, tables);
    return kit.getBase64EncodedWireTransaction(kit.compileTransaction(message));
  },
  // Which of the signers that the message asks for have signed it.
  async verify({ transaction }) {
    const { messageBytes, signatures } = kit.getTransactionDecoder().decode(bytes(transaction));
    const verified = {};
    for (const [address, signature] of Object.entries(signatures)) {
      const key = await kit.getPublicKeyFromAddress(kit.address(address));
      verified[address] = signature !== null && (await kit.verifySignature(key, signature, messageBytes));
    }
    return verified;
  },

  // The bytes of an off-chain message, and whether the signature is the signer's over them.
  async message({ text, version, domain, address, signature }) {
    const envelope = envelopeOf(text, version, domain, [{ address: kit.address(address) }]);
    const signatures = { [address]: kit.getBase58Encoder().encode(signature) };
    let verified = true;
    try {
      await kit.verifyOffchainMessageEnvelope({ content: envelope.content, signatures });
    } catch {
      verified = false;
    }
    return { signed: base64(envelope.content), verified };
  },
};

function envelopeOf(text, version, domain, requiredSignatories) {
  if (version === 1) return kit.compileOffchainMessageEnvelope({ version, content: text, requiredSignatories });
  const applicationDomain = kit.offchainMessageApplicationDomain(domain);
  // The narrowest that has room for the text, and for what stands before it.
  const formats = [
    kit.offchainMessageContentRestrictedAsciiOf1232BytesMax,
    kit.offchainMessageContentUtf8Of1232BytesMax,
    kit.offchainMessageContentUtf8Of65535BytesMax,
  ];
  for (const format of formats) {
    try {
      return kit.compileOffchainMessageEnvelope({ version, applicationDomain, content: format(text), requiredSignatories });
    } catch (error) {
      if (format === formats.at(-1)) throw error;
    }
  }
}

(async () => {
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line);
    let answer;
    try {
      answer = { result: (await calls[request.call](request)) ?? null };
    } catch (error) {
      answer = { error: error.stack };
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
  }
})();
