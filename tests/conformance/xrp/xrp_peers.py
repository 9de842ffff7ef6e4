"""Transactions that xrpl-py builds, signed by a real daemon, judged by xrpl (npm) and by xrpl-py.

    xrp_peers.py KMS SOCKET        with NODE_PATH in the environment; see run.sh

KMSIGND_TEST_XRP is how many are generated. KMS names what the daemon signs with: with another one than
`emulator` there are few, and no refusals, which are the daemon's own.
"""

import json
import os
import pathlib
import sys
from types import SimpleNamespace

import xrpl.asyncio.transaction.main as signing_path
from xrpl.core.binarycodec import decode, encode, encode_for_multisigning, encode_for_signing
from xrpl.core.keypairs import derive_classic_address, is_valid_message
from xrpl.models import transactions
from xrpl.transaction import multisign, sign

from cases import count, every, random_of, refuses, run
from daemon import Daemon
from generated import TYPES, generated
from node import Node

HERE = pathlib.Path(__file__).parent
NETWORKS = ("mainnet", "testnet", "devnet")
PY, JS = "xrpl-py 5.2.0", "xrpl 5.3.0"
ORDER_OF_SECP256K1 = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
# The transaction types that are signed; every other one of the ledger's is refused by its name.
SIGNED_TYPES = {kind.split(" ")[0] for kind in TYPES}
# Fields that a Payment has. Those that the daemon sets, or refuses with a reason of their own, come last.
PAYMENT_FIELDS = {
    *("Account", "TransactionType", "Fee", "Sequence", "TicketSequence", "LastLedgerSequence", "Flags", "Memos", "SourceTag"),
    *("AccountTxnID", "Amount", "Destination", "DestinationTag", "InvoiceID", "Paths", "SendMax", "DeliverMin"),
    *("NetworkID", "SigningPubKey", "TxnSignature", "Signers", "Delegate"),
}

kms, socket = sys.argv[1:]
small = kms != "emulator"
kmsignd = Daemon(socket)
node = Node(HERE / "peers.cjs")


def wallet(network, user="peers"):
    made = kmsignd.call("wallet_create", userId=user, asset="XRP", network=network)
    assert derive_classic_address(made["publicKey"].upper()) == made["address"], made
    count("address of a wallet", PY)
    return SimpleNamespace(id=made["walletId"], address=made["address"], key=made["publicKey"].upper(), network=network)


wallets = {network: [wallet(network) for _ in range(3)] for network in NETWORKS}
_sequence = iter(range(1, 10**9))


def signature_of_kms(message, signature):
    """In the place of xrpl-py's own signing: the message is what xrpl-py would sign, the private key the daemon's signature."""
    message = bytes.fromhex(message) if isinstance(message, str) else message
    key, signature = signature
    assert is_valid_message(message, bytes.fromhex(signature), key), "xrpl-py: not a signature of what it would sign"
    return signature


signing_path.keypairs_sign = signature_of_kms


def signer(wallet, signature):
    """A wallet as xrpl-py's sign() takes one."""
    return SimpleNamespace(address=wallet.address, public_key=wallet.key, private_key=(wallet.key, signature))


def ask(wallet, transaction, **more):
    answer = kmsignd.call("xrp_signTransaction", walletId=wallet.id, transaction=transaction, **more)
    assert set(answer) == {"txBlob", "hash", "transaction"}, answer
    return answer


def unsigned(transaction):
    return {name: value for name, value in transaction.items() if name not in ("SigningPubKey", "TxnSignature", "Signers")}


def judge(wallet, model, answer):
    """Both libraries agree with every byte."""
    blob = answer["txBlob"]
    by_js = node.call("judge", blob=blob, address=wallet.address)
    assert by_js["hash"] == answer["hash"], (by_js, answer)
    # xrpl's codec takes no `<` and `>` in a currency code, which the ledger allows, and reads such a code as hex.
    if not any(sign in json.dumps(answer["transaction"]) for sign in "<>"):
        assert node.call("encode", transaction=answer["transaction"]) == blob
    count("single signature: decode, encode, validate, verifySignature, hashSignedTx", JS)

    said = decode(blob)
    assert encode(said) == blob and encode(answer["transaction"]) == blob
    assert encode(by_js["transaction"]) == blob, by_js
    asked = decode(encode(model.to_xrpl()))
    assert unsigned(said) == unsigned(asked), (said, asked)
    assert encode_for_signing(said) == encode_for_signing({**model.to_xrpl(), "SigningPubKey": wallet.key})
    by_py = sign(model, signer(wallet, said["TxnSignature"]))
    assert by_py.blob() == blob and by_py.get_hash() == answer["hash"], (by_py, answer)
    if "Domain" not in said:  # xrpl-py writes a domain in upper case, and reads none but in lower
        assert transactions.Transaction.from_blob(blob).is_valid()
    count("single signature: decode, sign() over the same bytes, get_hash", PY)
    # Values may be spelled otherwise, but nothing else differs from what was asked for.
    assert set(answer["transaction"]) == set(said), (answer, said)
    return said


def generated_transactions_are_what_both_libraries_make():
    number = int(os.environ.get("KMSIGND_TEST_XRP", "360")) if not small else 2 * len(TYPES)

    def one(index):
        rng = random_of("xrp", index)
        kind = TYPES[index % len(TYPES)]
        network = rng.choice(NETWORKS)
        by = rng.choice(wallets[network])
        model = generated(rng, kind, by.address, 1_000_000 + index, network != "mainnet")
        asked = model.to_xrpl()
        # As xrpl-py gives it, with an empty key, or without; from others it has the key that they know.
        match rng.randrange(3):
            case 0:
                del asked["SigningPubKey"]
            case 1:
                asked["SigningPubKey"] = by.key
        told = kmsignd.told("xrp_signTransaction", walletId=by.id, transaction=asked)
        said = judge(by, model, ask(by, asked))
        assert told["fee"] == int(said["Fee"]) and not told["unknownParts"], (told, said)
        if kind == "Payment of XRP" or said["TransactionType"] == "EscrowCreate":
            assert told["totalOut"] == int(said["Amount"]), (told, said)
            effect = next(one for one in told["effects"] if one["kind"] == "transfer")
            assert (effect["recipient"], effect["amount"]) == (said["Destination"], int(said["Amount"])), (told, said)
            count("what policy is told: amount, recipient and fee of what was read back", PY)
        count(kind + (" with a ticket" if model.ticket_sequence else ""), f"{PY} built it")
        if index % 10 == 0:
            assert decode(ask(by, asked)["txBlob"]) == said, "another answer to the same transaction"

    every(one, range(number))


def payment(by, **more):
    return transactions.Payment(
        account=by.address, destination="rN7n7otQDd6FczFgLdSqtcsAUxDkw6fzRH", amount="25000000", fee="12",
        sequence=next(_sequence), last_ledger_sequence=90_000_000, **more,
    )  # fmt: skip


def changed_bytes_and_high_s_are_refused_by_both():
    for by in wallets["mainnet"][: 1 if small else 3]:
        model = payment(by)
        answer = ask(by, model.to_xrpl())
        said = judge(by, model, answer)
        blob = bytes.fromhex(answer["txBlob"])
        signature = bytes.fromhex(said["TxnSignature"])

        def both(what, changed, by=by):
            raw = encode(changed)
            refuses(lambda: node.call("judge", blob=raw, address=by.address), what, JS)
            refuses(
                lambda: is_valid_message(
                    bytes.fromhex(encode_for_signing(changed)), bytes.fromhex(changed["TxnSignature"]), changed["SigningPubKey"]
                ),
                what,
                PY,
            )

        flipped = signature[:-1] + bytes([signature[-1] ^ 1])
        both("a flipped bit of the signature", {**said, "TxnSignature": flipped.hex().upper()})
        both("another amount", {**said, "Amount": "25000001"})
        both("another sequence", {**said, "Sequence": said["Sequence"] + 1})
        both("another's key", {**said, "SigningPubKey": wallets["testnet"][0].key})
        refuses(lambda: node.call("verifySignature", blob=encode({**said, "TxnSignature": high_s(signature)})), "a high S", JS)
        other = node.call("judge", blob=answer["txBlob"], address=by.address)
        refuses(lambda: decode(blob[:-1].hex()) == other["transaction"], "a blob cut short", PY)


def high_s(der):
    """The same signature with the other S, which the ledger calls not fully canonical."""
    r_end = 4 + der[3]
    s = ORDER_OF_SECP256K1 - int.from_bytes(der[r_end + 2 :], "big")
    s = s.to_bytes(33, "big")
    body = der[2:r_end] + bytes([2, len(s)]) + s
    return (bytes([0x30, len(body)]) + body).hex().upper()


def several_signers_combine_in_either_way():
    for index in range(3 if small else 36):
        rng = random_of("multisign", index)
        network = rng.choice(NETWORKS)
        # An account of a stranger or of ours, none of whose signers it is itself.
        *signers, owner = rng.sample(wallets[network], 3)
        account = rng.choice([owner.address, "rnBFvgZphmN39GWzUJeUitaP22Fr9be75H"])
        model = generated(rng, TYPES[index % len(TYPES)], account, 2_000_000 + index, network != "mainnet")
        asked = model.to_xrpl()

        alone = [ask(by, asked, multiSign=True) for by in signers]
        for by, answer in zip(signers, alone, strict=True):
            judged = node.call("judgeMultisigned", blob=answer["txBlob"])
            assert judged["signers"] == [by.address] and judged["hash"] == answer["hash"], (judged, answer)
        by_js = node.call("multisign", blobs=[answer["txBlob"] for answer in alone])
        parts = [
            sign(model, signer(by, decode(answer["txBlob"])["Signers"][0]["Signer"]["TxnSignature"]), multisign=True)
            for by, answer in zip(signers, alone, strict=True)
        ]
        assert [part.blob() for part in parts] == [answer["txBlob"] for answer in alone]
        by_py = multisign(model, parts)
        assert by_py.blob() == by_js, (by_py, by_js)
        assert unsigned(decode(by_js)) == unsigned(decode(encode(asked)))
        count("multi-signing: encode_for_multisigning, multisign", PY)
        count("multi-signing: encodeForMultiSigning, verify, multisign", JS)

        # Or one after the other, in either order: the second adds its own to what the first gave.
        for first, second in (signers, reversed(signers)):
            one = ask(first, asked, multiSign=True)
            both = ask(second, one["transaction"], multiSign=True)
            judged = node.call("judgeMultisigned", blob=both["txBlob"])
            assert sorted(judged["signers"]) == sorted(by.address for by in signers), judged
            assert judged["hash"] == both["hash"], (judged, both)
            assert both["txBlob"] == by_js, "combined otherwise than by the libraries"
        count("multi-signing one after the other: as the libraries combine", JS)

        swapped = decode(by_js)
        a, b = (entry["Signer"] for entry in swapped["Signers"])
        a["TxnSignature"], b["TxnSignature"] = b["TxnSignature"], a["TxnSignature"]
        refuses(lambda: node.call("judgeMultisigned", blob=encode(swapped)), "two signers' signatures exchanged", JS)
        refuses(
            lambda: is_valid_message(
                bytes.fromhex(encode_for_multisigning(swapped, a["Account"])),
                bytes.fromhex(a["TxnSignature"]),
                a["SigningPubKey"],
            ),
            "two signers' signatures exchanged",
            PY,
        )


def definitions():
    path = pathlib.Path(signing_path.__file__).parents[2] / "core" / "binarycodec" / "definitions" / "definitions.json"
    return json.loads(path.read_text(encoding="utf-8"))


def every_other_type_of_the_ledger_is_refused_by_its_name():
    by = wallets["testnet"][0]
    others = set(definitions()["TRANSACTION_TYPES"]) - SIGNED_TYPES - {"Invalid"}
    assert len(others) > 40, others
    for name in sorted(others):
        asked = {"TransactionType": name, "Account": by.address, "Fee": "12", "Sequence": next(_sequence), "Flags": 0}
        refused = kmsignd.refusal("xrp_signTransaction", walletId=by.id, transaction=asked)
        assert (refused.kind, refused.rule) == ("TRANSACTION_REFUSED", "transactionType"), refused
        assert name in refused.text, refused
        count("kmsignd refuses by name: the ledger's other transaction types", PY)


def every_other_field_of_the_ledger_is_refused_by_its_name():
    by = wallets["testnet"][0]
    values = {"UInt8": 1, "UInt16": 1, "UInt32": 1, "UInt64": "1", "Hash128": "0" * 32, "Hash160": "0" * 40, "Hash256": "0" * 64,
              "Amount": "1", "AccountID": by.address, "Blob": "00", "STObject": {}, "STArray": [], "Vector256": []}  # fmt: skip
    tried = 0
    for name, field in definitions()["FIELDS"]:
        if not field["isSerialized"] or name in PAYMENT_FIELDS:
            continue
        asked = {**payment(by).to_xrpl(), name: values.get(field["type"], 1)}
        refused = kmsignd.refusal("xrp_signTransaction", walletId=by.id, transaction=asked)
        assert (refused.kind, refused.rule) == ("TRANSACTION_REFUSED", "unknownField"), refused
        assert name in refused.text, refused
        tried += 1
    assert tried > 150, tried
    for name in ("hash", "date", "ledger_index", "meta", "ctid", "destination", "Destinationtag", "Fee "):
        refused = kmsignd.refusal("xrp_signTransaction", walletId=by.id, transaction={**payment(by).to_xrpl(), name: 1})
        assert refused.rule == "unknownField" and name in refused.text, refused
        tried += 1
    count("kmsignd refuses by name: fields that a Payment does not have", PY, tried)


def what_is_not_ours_to_sign_is_refused():
    by, other = wallets["testnet"][:2]

    def refused(what, kind, transaction, rule=None, wallet=by, **more):
        said = kmsignd.refusal("xrp_signTransaction", walletId=wallet.id, transaction=transaction, **more)
        assert said.kind == kind and (rule is None or said.rule == rule), (what, said)
        count(f"kmsignd refuses {what}", PY)

    model = payment(by)
    signed = ask(by, model.to_xrpl())["transaction"]
    refused("another payment with the same sequence", "CONFLICT", {**model.to_xrpl(), "Amount": "1"})
    refused("what is signed already", "TRANSACTION_REFUSED", signed, "alreadySigned")
    refused("another's account", "TRANSACTION_REFUSED", payment(other).to_xrpl(), "notNeeded")
    refused("one's own account among its signers", "TRANSACTION_REFUSED", payment(by).to_xrpl(), multiSign=True)
    wrong_key = {**payment(by).to_xrpl(), "SigningPubKey": other.key}
    assert kmsignd.refusal("xrp_signTransaction", walletId=by.id, transaction=wrong_key)
    count("kmsignd refuses another's key", PY)
    x_address = node.call("xAddress", address=other.address, tag=7, isTest=False)
    main_net = {**payment(by).to_xrpl(), "Destination": x_address}
    assert kmsignd.refusal("xrp_signTransaction", walletId=by.id, transaction=main_net)
    count("kmsignd refuses an X-address of the main network on a test network", JS)
    x_address = node.call("xAddress", address=other.address, tag=7, isTest=True)
    assert kmsignd.refusal(
        "xrp_signTransaction",
        walletId=by.id,
        transaction={**payment(by).to_xrpl(), "Destination": x_address, "DestinationTag": 8},
    )
    count("kmsignd refuses an X-address and another tag", JS)
    for value in ("1.0000000000000001", "12345678901234567", "1e97", "1e-98", "NaN", "0x10", ""):
        asked = {**payment(by).to_xrpl(), "Amount": {"currency": "USD", "issuer": other.address, "value": value}}
        refuses(lambda asked=asked: encode(asked), "an amount that does not fit", PY)
        assert kmsignd.refusal("xrp_signTransaction", walletId=by.id, transaction=asked), value
        count("kmsignd refuses an amount that does not fit", PY)
    for field in ("Fee", "Sequence", "Amount", "Destination", "Account", "TransactionType"):
        lacking = payment(by).to_xrpl()
        del lacking[field]
        said = kmsignd.refusal("xrp_signTransaction", walletId=by.id, transaction=lacking)
        assert field in said.text or field in (said.field or ""), said
        count("kmsignd refuses by name: a required field that is missing", PY)


CASES = [
    generated_transactions_are_what_both_libraries_make,
    changed_bytes_and_high_s_are_refused_by_both,
    several_signers_combine_in_either_way,
]
OWN = [
    every_other_type_of_the_ledger_is_refused_by_its_name,
    every_other_field_of_the_ledger_is_refused_by_its_name,
    what_is_not_ours_to_sign_is_refused,
]
run(f"xrp_peers with the KMS {kms}", CASES if small else CASES + OWN)
