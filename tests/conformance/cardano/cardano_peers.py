"""Transactions that pycardano builds, signed by a real daemon, judged by pallas-validate on Conway's rules and read by pycardano.

    cardano_peers.py KMS SOCKET        with JUDGE in the environment; see run.sh

KMSIGND_TEST_CARDANO is how many are generated. KMS names what the daemon signs with: with another one than
`emulator` there are few, and no refusals, which are the daemon's own.
"""

import hashlib
import json
import os
import subprocess
import sys
import threading
from copy import deepcopy
from types import SimpleNamespace

from nacl.signing import VerifyKey
from pycardano import (
    Address,
    Network,
    PaymentVerificationKey,
    Transaction,
    TransactionOutput,
    TransactionWitnessSet,
    VerificationKeyWitness,
)
from pycardano.serialization import NonEmptyOrderedSet

from built import KINDS, SLOT, built
from cases import count, every, random_of, refuses, run
from daemon import Daemon
from spans import parts

NETWORKS = {"mainnet": Network.MAINNET, "preprod": Network.TESTNET, "preview": Network.TESTNET}
PY, RS, NACL = "pycardano 0.19.2", "pallas-validate 1.4.0", "PyNaCl 1.6.2"

kms, socket = sys.argv[1:]
small = kms != "emulator"
kmsignd = Daemon(socket)


class Judge:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.turn = threading.Lock()

    def ask(self, transaction, network, outputs):
        request = {"transaction": transaction, "networkId": network.value, "slot": SLOT, "outputs": outputs}
        with self.turn:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, answer
        return answer


judge = Judge(os.environ["JUDGE"])


def wallet(network, stake=None):
    more = {} if stake is None else {"stakeWalletId": stake.id, "addressType": "base"}
    made = kmsignd.call("wallet_create", userId="peers", asset="ADA", network=network, **more)
    key = PaymentVerificationKey.from_primitive(bytes.fromhex(made["publicKey"]))
    parsed = Address(key.hash(), stake.hash if stake else None, network=NETWORKS[network])
    assert made["address"] == parsed.encode() and made["addressType"] == ("base" if stake else "enterprise"), (made, parsed)
    count(f"{made['addressType']} address of a wallet", PY)
    return SimpleNamespace(
        id=made["walletId"], address=made["address"], key=key, hash=key.hash(), parsed=parsed, network=network, stake=stake
    )


wallets = {network: [wallet(network) for _ in range(3)] for network in NETWORKS}
base_wallets = {network: [wallet(network, of[0]), wallet(network, of[1])] for network, of in wallets.items()}


def resolved(built):
    """resolvedInputs as the daemon takes them."""
    said = []
    for utxo in built.spent:
        value = {"lovelace": str(utxo.output.amount.coin)}
        tokens = {
            f"{policy.payload.hex()}.{name.payload.hex()}" if name.payload else policy.payload.hex(): str(amount)
            for policy, of in (utxo.output.amount.multi_asset or {}).items()
            for name, amount in of.items()
        }
        if tokens:
            value["assets"] = tokens
        said.append(
            {
                "txId": utxo.input.transaction_id.payload.hex(),
                "index": utxo.input.index,
                "address": utxo.output.address.encode(),
                "value": value,
            }
        )
    return said


def outputs(built, more=0):
    """The same for pallas-validate. Withdrawals and deposits, which it does not count, are put into the first input."""
    first = deepcopy(built.spent[0].output)
    first.amount.coin += built.beside + more
    all_outputs = [first, *(utxo.output for utxo in built.spent[1:] + built.referred)]
    return [
        {"txId": utxo.input.transaction_id.payload.hex(), "index": utxo.input.index, "output": output.to_cbor_hex()}
        for utxo, output in zip(built.spent + built.referred, all_outputs, strict=True)
    ]


def id_of(transaction):
    return hashlib.blake2b(parts(bytes.fromhex(transaction))[0], digest_size=32).digest()


def ask(wallet, transaction, **more):
    """Has it signed. The body, and what is not a witness, are the same bytes; of the witnesses, one has come."""
    answer = kmsignd.call("ada_signTransaction", walletId=wallet.id, transaction=transaction, **more)
    assert set(answer) == {"transaction", "witness", "txId"}, answer
    (body, had, rest), (same_body, has, same_rest) = (parts(bytes.fromhex(one)) for one in (transaction, answer["transaction"]))
    assert (body, rest) == (same_body, same_rest), (transaction, answer)
    assert answer["txId"] == id_of(transaction).hex(), answer

    witness = VerificationKeyWitness.from_cbor(answer["witness"])
    key = VerifyKey(bytes(wallet.key.payload))
    assert bytes(witness.vkey.payload) == bytes(key), witness
    key.verify(id_of(transaction), witness.signature)
    refuses(lambda: key.verify(body, witness.signature), "the body, and not its hash, as what was signed", NACL)
    count("one witness, verified over the id", NACL)

    read = Transaction.from_cbor(answer["transaction"])
    assert read.transaction_body == Transaction.from_cbor(transaction).transaction_body
    # It writes an output that it has read as a map as a list, and gives the transaction another id.
    if read.transaction_body.to_cbor() == body:
        assert read.id.payload.hex() == answer["txId"], answer
        count("read back: the same id", PY)
    had, has = (TransactionWitnessSet.from_cbor(one) for one in (had, has))
    one_more = [*(had.vkey_witnesses or []), witness]
    assert sorted(one.to_cbor_hex() for one in has.vkey_witnesses) == sorted(one.to_cbor_hex() for one in one_more), (had, has)
    has.vkey_witnesses = had.vkey_witnesses
    assert has.to_cbor() == had.to_cbor(), (had, has)
    again = kmsignd.call("ada_signTransaction", walletId=wallet.id, transaction=transaction, **more)
    assert again == answer, "another answer to the same"
    count("read back: nothing changed but one witness more", PY)
    return answer


def with_witnesses(transaction, change):
    """The transaction with its witnesses, a list, changed, and no other byte."""
    body, witnesses, rest = parts(bytes.fromhex(transaction))
    witnesses = TransactionWitnessSet.from_cbor(witnesses)
    witnesses.vkey_witnesses = change(list(witnesses.vkey_witnesses or []))
    return (b"\x84" + body + witnesses.to_cbor() + rest).hex()


def sign_others(built, transaction, tagged):
    """What pycardano's own keys sign, in a set or in a list."""
    signed = [VerificationKeyWitness(key.to_verification_key(), key.sign(id_of(transaction))) for key in built.others]
    return with_witnesses(transaction, lambda had: NonEmptyOrderedSet(had + signed) if tagged else had + signed)


def signed_by_all(rng, built):
    transaction = built.transaction.to_cbor_hex()
    turns = [*built.wallets, *([None] if built.others else [])]
    rng.shuffle(turns)
    for one in turns:
        if one is None:
            transaction = sign_others(built, transaction, tagged=rng.random() < 0.5)
        else:
            more = {"resolvedInputs": resolved(built)} if rng.random() < 0.7 else {}
            transaction = ask(one, transaction, **more)["transaction"]
    return transaction


def without_witness(transaction, key):
    return with_witnesses(transaction, lambda had: [one for one in had if bytes(one.vkey.payload) != bytes(key.payload)] or None)


def with_bit_flipped(transaction, rng):
    def flip(witnesses):
        place = rng.randrange(len(witnesses))
        signature = bytearray(witnesses[place].signature)
        signature[rng.randrange(64)] ^= 1 << rng.randrange(8)
        witnesses[place] = VerificationKeyWitness(witnesses[place].vkey, bytes(signature))
        return witnesses

    return with_witnesses(transaction, flip)


def told(made):
    """Policy is told what leaves for others, deposits among it, by whoever reads pycardano's transaction."""
    by, body = made.wallets[0], made.transaction.transaction_body
    said = kmsignd.told(
        "ada_signTransaction", walletId=by.id, transaction=made.transaction.to_cbor_hex(), resolvedInputs=resolved(made)
    )
    leaves = [output for output in body.outputs if output.address != by.parsed]
    deposit = -made.beside if made.kind == "stake registration" else 0
    assert said["totalOut"] == sum(output.amount.coin for output in leaves) + deposit, (made, said)
    recipients = [
        (one["recipient"], one["amount"]) for one in said["effects"] if one["kind"] == "transfer" and "recipient" in one
    ]
    assert sorted(recipients) == sorted((output.address.encode(), output.amount.coin) for output in leaves), (made, said)
    if made.kind != "collateral and a reference input":  # the collateral may be taken in its place
        assert said["fee"] == body.fee, (made, said)
    assert said["details"]["inputsResolved"] is True, said
    count("what policy is told: amounts, recipients and fee of what was built", PY)


def generated_transactions_are_accepted_and_broken_ones_are_not():
    number = int(os.environ.get("KMSIGND_TEST_CARDANO", "140")) if not small else len(KINDS)

    def one(index):
        rng = random_of("cardano", index)
        network = rng.choice(list(NETWORKS))
        kind = KINDS[index % len(KINDS)]
        made = built(rng, kind, wallets[network], base_wallets[network])
        told(made)
        signed = signed_by_all(rng, made)
        of = NETWORKS[network]
        accepted = judge.ask(signed, of, outputs(made))
        assert accepted == {"txId": made.transaction.id.payload.hex()}, (accepted, signed)
        count("the id of what was built", PY)
        where = "base" if made.wallets[0].stake else "enterprise"
        count(f"{kind}: accepted", RS)
        count(f"from {where} addresses: accepted", RS)

        def refused(what, answer, rules):
            assert any(rule in answer.get("refused", "") for rule in rules), (what, answer)
            count(f"{what}: refused ({answer['refused']})", RS)

        other = Network.TESTNET if of == Network.MAINNET else Network.MAINNET
        refused("the other network", judge.ask(signed, other, outputs(made)), ["OutputWrongNetworkID"])
        more = rng.choice([-1, 1])
        refused("a lovelace more or less", judge.ask(signed, of, outputs(made, more)), ["PreservationOfValue"])
        refused(
            "a flipped bit of a signature",
            judge.ask(with_bit_flipped(signed, rng), of, outputs(made)),
            ["WrongSig", "VKWrongSignature"],
        )
        # The key of the first input; for those of certificates and withdrawals pallas-validate does not look.
        lacking = without_witness(signed, made.wallets[0].key)
        refused("the witness left out", judge.ask(lacking, of, outputs(made)), ["VKWitnessMissing", "ReqSignerMissing"])

    every(one, range(number))


def what_is_not_to_be_signed_is_refused():
    def made(kind="one input and one output", network="preprod", name="own"):
        return built(random_of("refusal", name, kind), kind, wallets[network], [])

    def refused(what, wallet, transaction, kinds, rule=None, **more):
        said = kmsignd.refusal("ada_signTransaction", walletId=wallet.id, transaction=transaction, **more)
        assert said.kind in kinds and (rule is None or said.rule == rule), (what, said)
        count(f"kmsignd refuses {what}", PY)

    one = made()
    by = one.wallets[0]
    raw = one.transaction.to_cbor_hex()
    broken = ["INVALID_PARAMS", "TRANSACTION_REFUSED"]
    stranger = next(each for each in wallets["preprod"] if each not in one.wallets)
    refused("the other network", wallets["mainnet"][0], raw, ["TRANSACTION_REFUSED"], "network")
    refused("no input of the wallet", stranger, raw, ["TRANSACTION_REFUSED"], "notNeeded", resolvedInputs=resolved(one))
    wrong = resolved(one)
    wrong[0]["value"]["lovelace"] = str(int(wrong[0]["value"]["lovelace"]) + 1)
    refused("inputs of another value", by, raw, ["TRANSACTION_REFUSED"], "amount", resolvedInputs=wrong)
    refused("an input not resolved", by, raw, ["INVALID_PARAMS"], resolvedInputs=[])
    extra = made(name="extra")
    refused("an input that there is not", by, raw, ["INVALID_PARAMS"], resolvedInputs=resolved(one) + resolved(extra))
    refused("a byte too many", by, raw + "00", broken)
    refused("a byte too few", by, raw[:-2], broken)
    refused("the body alone", by, one.transaction.transaction_body.to_cbor_hex(), broken)

    several = made("several signers")
    bad = with_bit_flipped(sign_others(several, several.transaction.to_cbor_hex(), tagged=True), random_of("bad"))
    refused("another's witness that is none", several.wallets[0], bad, ["TRANSACTION_REFUSED"], "alreadySigned")

    ask(by, raw)
    other = deepcopy(one.transaction)
    other.transaction_body.outputs[0] = TransactionOutput(stranger.parsed, other.transaction_body.outputs[0].amount)
    refused("another content on the same inputs", by, other.to_cbor_hex(), ["CONFLICT"])


def addresses_with_a_stake_wallet_are_those_of_pycardano():
    for network, of in base_wallets.items():
        for one in of:
            said = kmsignd.call("address_validate", asset="ADA", network=network, address=one.address)
            assert said["valid"] and said["addressType"] == "base", said
            account = Address(staking_part=one.stake.hash, network=NETWORKS[network]).encode()
            said = kmsignd.call("address_validate", asset="ADA", network=network, address=account)
            assert not said["valid"], said
            count("base addresses, and stake addresses as payable to: told apart", PY)


CASES = [generated_transactions_are_accepted_and_broken_ones_are_not]
OWN = [what_is_not_to_be_signed_is_refused, addresses_with_a_stake_wallet_are_those_of_pycardano]
run(f"cardano_peers with the KMS {kms}", CASES if small else CASES + OWN)
