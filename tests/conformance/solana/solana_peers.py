"""Transactions that @solana/kit and solders build, signed by a real daemon, checked by both and executed by litesvm.

    solana_peers.py KMS SOCKET        with NODE_PATH in the environment; see run.sh

KMSIGND_TEST_SOLANA is how many are generated. KMS names what the daemon signs with: with another one than
`emulator` there are few, and no refusals, which are the daemon's own.
"""

import base64
import os
import pathlib
import sys
from types import SimpleNamespace

from solders.hash import Hash
from solders.keypair import Keypair
from solders.message import MessageV1, from_bytes_versioned, to_bytes_versioned
from solders.signature import Signature
from solders.system_program import TransferParams, transfer
from solders.token.associated import get_associated_token_address
from solders.token.state import TokenAccount
from solders.transaction import VersionedTransaction

from cases import count, every, random_of, refuses, run
from daemon import Daemon
from node import Node
from plans import MINT_BYTES, NONCE_BYTES, SYSTEM, TOKEN, TOKEN_2022, Kit, Plan, Solders, key

HERE = pathlib.Path(__file__).parent
NETWORKS = ("mainnet", "testnet", "devnet")
JS, PY, SVM = Kit.name, Solders.name, "litesvm 1.5.0"
LOOKUP_TABLES = "AddressLookupTab1e1111111111111111111111111"
# ProgramState::LookupTable: a tag, never deactivated, extended in slot 0 from index 0 on, without authority, padding.
LOOKUP_TABLE_HEADER = bytes([1, 0, 0, 0]) + b"\xff" * 8 + bytes(8 + 1 + 33 + 2)
SIGNATURE_FEE = 5_000
# The application domain of the off-chain messages that are signed.
NO_DOMAIN = SYSTEM

kms, socket = sys.argv[1:]
small = kms != "emulator"
kmsignd = Daemon(socket)
node = Node(HERE / "peers.cjs")
libraries = [Kit(node), Solders()]
node.call("start")


def wallet(network):
    made = kmsignd.call("wallet_create", userId="peers", asset="SOL", network=network)
    assert str(key(made["address"])) == made["address"] and bytes(key(made["address"])).hex() == made["publicKey"], made
    count("address of a wallet", PY)
    assert node.call("fund", address=made["address"], lamports=10**13) is False
    return SimpleNamespace(id=made["walletId"], address=made["address"], network=network)


wallets = [wallet(network) for network in NETWORKS for _ in range(2)]


class Local:
    """A signer that the daemon knows nothing of."""

    def __init__(self, rng):
        self.keypair = Keypair.from_seed(rng.randbytes(32))
        self.address = str(self.keypair.pubkey())

    def sign(self, transaction):
        parsed = VersionedTransaction.from_bytes(base64.b64decode(transaction))
        signed_as = parsed.message.account_keys.index(self.keypair.pubkey())
        signatures = parsed.signatures
        signatures[signed_as] = self.keypair.sign_message(to_bytes_versioned(parsed.message))
        return text(bytes(VersionedTransaction.populate(parsed.message, signatures)))


def text(data):
    return data if isinstance(data, str) else base64.b64encode(data).decode()


def plan_of(version, payer, instructions, **more):
    return Plan(version, payer, node.call("blockhash"), instructions, **more)


def ask(wallet, transaction):
    """Has it signed. Nothing but its signature may have come."""
    answer = kmsignd.call("sol_signTransaction", walletId=wallet.id, transaction=transaction)
    assert set(answer) == {"transaction", "signature", "complete"}, answer
    before, after = (VersionedTransaction.from_bytes(base64.b64decode(one)) for one in (transaction, answer["transaction"]))
    assert text(bytes(after)) == answer["transaction"]
    message = to_bytes_versioned(before.message)
    assert to_bytes_versioned(after.message) == message and base64.b64decode(answer["transaction"]).endswith(message)
    place = before.message.account_keys.index(key(wallet.address))
    expected = before.signatures
    expected[place] = Signature.from_string(answer["signature"])
    assert after.signatures == expected, (before, after)
    assert expected[place].verify(key(wallet.address), message), "solders: not its signature"
    assert after.verify_with_results()[place]
    verified = node.call("verify", transaction=answer["transaction"])
    assert verified[wallet.address], verified
    assert answer["complete"] == all(verified.values()) == all(after.verify_with_results()), (answer, verified)
    assert kmsignd.call("sol_signTransaction", walletId=wallet.id, transaction=transaction) == answer, (
        "another answer to the same"
    )
    count("one signature added, nothing else changed, verified", PY)
    count("signature verified", JS)
    return answer


def sign_all(rng, transaction, signers):
    """Those of the daemon and those of others, in any order."""
    order = list(signers)
    rng.shuffle(order)
    complete = False
    for one in order:
        if isinstance(one, Local):
            transaction = one.sign(transaction)
        else:
            answer = ask(one, transaction)
            transaction, complete = answer["transaction"], answer["complete"]
    assert complete or isinstance(order[-1], Local), "all have signed, and it says that one is missing"
    return transaction


def balance(address):
    return int(node.call("balance", address=address))


def executed(transaction, what, by):
    done = node.call("execute", transaction=transaction)
    assert done["executed"], (what, by, done)
    count(f"{what}, built by {by}: executed", SVM)
    return done


def not_for_its_signatures(transaction, what):
    done = node.call("execute", transaction=transaction)
    assert not done["executed"] and not done["signatures"], (what, done)
    count(f"{what}: refused for its signatures", SVM)


def fee_of(signers, plan):
    priority = -(-(plan.units or 0) * (plan.price or 0) // 1_000_000) if plan.price else 0
    return SIGNATURE_FEE * len(signers) + priority


def told_as_executed(wallet, transaction, plan, sent, pays):
    """The amounts that policy judges are those that leave the wallet when litesvm executes it, which is checked after."""
    told = kmsignd.told("sol_signTransaction", walletId=wallet.id, transaction=transaction)
    signers = VersionedTransaction.from_bytes(base64.b64decode(transaction)).message.header.num_required_signatures
    fee = fee_of(range(signers), plan) if pays else 0
    assert (told["totalOut"], told["fee"], told["unknownParts"]) == (sent, fee, False), (plan, told)
    count("what policy is told leaves the wallet: what left it", SVM)


def transfers_are_executed_to_the_lamport():
    number = int(os.environ.get("KMSIGND_TEST_SOLANA", "200")) if not small else 8
    for index in range(number):
        rng = random_of("transfers", index)
        library = libraries[index % 2]
        version = ("legacy", 0)[index // 2 % 2]
        ours = rng.choice(wallets)
        # Who pays the fee: the wallet itself, another of ours, or somebody else.
        payer = rng.choice([ours, ours, rng.choice(wallets), Local(rng)])
        sender = rng.choice([ours, ours, ours, Local(rng)]) if payer == ours else ours
        for one in (payer, sender):
            if isinstance(one, Local):
                node.call("fund", address=one.address, lamports=10**12)
        transfers = [
            {
                "kind": "transfer",
                "from": sender.address,
                "to": Local(rng).address,
                "lamports": rng.randint(10**6, 10 ** rng.randint(7, 10)),
            }
            for _ in range(rng.randint(1, 4))
        ]
        memo = [{"kind": "memo", "text": "zahlung ✓", "by": sender.address}] if rng.random() < 0.3 else []
        plan = plan_of(version, payer.address, transfers + memo)
        if rng.random() < 0.5:
            plan.units = rng.randint(100_000, 400_000)
            plan.price = rng.randint(1, 2_000_000)
        signers = {one.address: one for one in (payer, sender)}.values()
        before = {one.address: balance(one.address) for one in signers}
        for one in signers:
            if not isinstance(one, Local):
                told_as_executed(
                    one,
                    text(library.build(plan)),
                    plan,
                    sum(each["lamports"] for each in transfers if one == sender),
                    one == payer,
                )
        signed = sign_all(rng, text(library.build(plan)), signers)
        what = f"{'v0' if version == 0 else version} transfer, {len(signers)} signer{'s' * (len(signers) - 1)}"
        executed(signed, what, library.name)
        sent = sum(one["lamports"] for one in transfers)
        before[sender.address] -= sent
        before[payer.address] -= fee_of(signers, plan)
        assert before == {one.address: balance(one.address) for one in signers}, (plan, before)
        assert all(balance(one["to"]) == one["lamports"] for one in transfers), plan


def flipped_bits_and_missing_signatures_are_refused():
    for index in range(4 if small else 24):
        rng = random_of("flips", index)
        library, version, by = libraries[index % 2], ("legacy", 0)[index // 2 % 2], rng.choice(wallets)
        lamports = 0x0102030405
        plan = plan_of(
            version, by.address, [{"kind": "transfer", "from": by.address, "to": Local(rng).address, "lamports": lamports}]
        )
        unsigned = text(library.build(plan))
        signed = bytearray(base64.b64decode(ask(by, unsigned)["transaction"]))

        def flipped(at, signed=signed, rng=rng):
            changed = bytearray(signed)
            changed[at] ^= 1 << rng.randrange(8)
            return text(bytes(changed))

        def both(changed, what, by=by):
            parsed = VersionedTransaction.from_bytes(base64.b64decode(changed))
            refuses(lambda: all(parsed.verify_with_results()), what, PY)
            refuses(lambda: all(node.call("verify", transaction=changed).values()), what, JS)
            not_for_its_signatures(changed, what)

        both(flipped(1 + rng.randrange(64)), "a flipped bit of the signature")
        at = bytes(signed).index(lamports.to_bytes(8, "little")) + rng.randrange(4)
        both(flipped(at), "a flipped bit of the message")
        both(unsigned, "no signature")
        executed(text(bytes(signed)), "the unchanged one", library.name)


def tokens_move_by_transfer_checked():
    for program, name in ((TOKEN, "SPL Token"), (TOKEN_2022, "Token-2022")):
        for index in range(2 if small else 16):
            rng = random_of("tokens", name, index)
            library, version = libraries[index % 2], ("legacy", 0)[index // 2 % 2]
            owner, payer = rng.choice(wallets), rng.choice([*wallets, Local(rng)])
            if isinstance(payer, Local):
                node.call("fund", address=payer.address, lamports=10**12)
            mint, receiver, decimals = Local(rng), Local(rng), rng.randint(0, 9)
            ours, theirs = (
                str(get_associated_token_address(key(one.address), key(mint.address), key(program))) for one in (owner, receiver)
            )
            of = {"mint": mint.address, "program": program}
            rent = int(node.call("rent", space=MINT_BYTES))

            def do(what, instructions, signers, library=library, version=version, payer=payer, rng=rng):
                plan = plan_of(version, payer.address, instructions)
                signed = sign_all(rng, text(library.build(plan)), {one.address: one for one in (payer, *signers)}.values())
                executed(signed, what, library.name)

            created = {"kind": "createAccount", "from": payer.address, "account": mint.address, "lamports": rent}
            made = [
                {**created, "space": MINT_BYTES, "owner": program},
                {"kind": "initializeMint", "decimals": decimals, "authority": owner.address, **of},
            ]
            do(f"{name}: mint created", made, [mint])
            account = {"kind": "createTokenAccount", "payer": payer.address, **of}
            minted = [
                {**account, "account": ours, "owner": owner.address},
                {"kind": "mintTo", "account": ours, "authority": owner.address, "amount": 10**12, **of},
            ]
            do(f"{name}: minted", minted, [owner])
            amount = rng.randint(1, 10**11)
            moved = [
                {**account, "account": theirs, "owner": receiver.address},
                {"kind": "transferChecked", "source": ours, "destination": theirs, "owner": owner.address, "amount": amount,
                 "decimals": decimals, **of},
            ]  # fmt: skip
            plan = plan_of(version, payer.address, moved)
            told = kmsignd.told("sol_signTransaction", walletId=owner.id, transaction=text(library.build(plan)))
            effects = [one for one in told["effects"] if one["kind"] == "token"]
            assert [(one["token"], one["recipient"]) for one in effects] == [(mint.address, theirs)], told
            assert effects[0]["amount"] == -(-amount // 10**decimals), (amount, decimals, told)
            assert not told["unknownAmount"] and not told["unknownParts"], told
            do(f"{name}: TransferChecked", moved, [owner])
            held = [token_amount(one) for one in (ours, theirs)]
            assert held == [10**12 - amount, amount], held


def token_amount(address):
    return TokenAccount.from_bytes(base64.b64decode(node.call("data", address=address))[:165]).amount


def lookup_tables_and_durable_nonces_are_executed():
    for index in range(2 if small else 8):
        rng = random_of("tables", index)
        library, by = libraries[index % 2], rng.choice(wallets)
        receivers = [Local(rng).address for _ in range(4)]
        table = Local(rng).address
        state = LOOKUP_TABLE_HEADER + b"".join(bytes(key(one)) for one in receivers)
        node.call("place", address=table, owner=LOOKUP_TABLES, data=text(state))
        transfers = [{"kind": "transfer", "from": by.address, "to": to, "lamports": 5_000_000} for to in receivers]
        plan = plan_of(0, by.address, transfers, tables={table: receivers})
        unsigned = text(library.build(plan))
        parsed = VersionedTransaction.from_bytes(base64.b64decode(unsigned))
        assert parsed.message.address_table_lookups and len(parsed.message.account_keys) == 2, parsed
        executed(ask(by, unsigned)["transaction"], "v0 with a lookup table", library.name)
        assert [balance(one) for one in receivers] == [5_000_000] * 4

        version = ("legacy", 0)[index // 2 % 2]
        nonce, to = Local(rng), Local(rng).address
        rent = int(node.call("rent", space=NONCE_BYTES))
        made = [
            {
                "kind": "createAccount",
                "from": by.address,
                "account": nonce.address,
                "lamports": rent,
                "space": NONCE_BYTES,
                "owner": SYSTEM,
            },
            {"kind": "initializeNonce", "nonce": nonce.address, "authority": by.address},
        ]
        signed = sign_all(rng, text(library.build(plan_of(version, by.address, made))), [by, nonce])
        executed(signed, "nonce account created", library.name)
        # bincode of Versions::Current(State::Initialized): two tags of 4 bytes, the authority, the nonce.
        value = base64.b64decode(node.call("data", address=nonce.address))[40:72]
        durable = {"account": nonce.address, "authority": by.address, "value": str(Hash(value))}
        pay = {"kind": "transfer", "from": by.address, "to": to, "lamports": 5_000_000}
        plan = plan_of(version, by.address, [pay], nonce=durable)
        node.call("blockhash")
        executed(ask(by, text(library.build(plan)))["transaction"], "a durable nonce used", library.name)
        assert balance(to) == 5_000_000


TEXTS = [
    "Sign in to kmsignd",
    " ~",
    "x",
    "Grüße, 世界 🙂",
    "two\nlines",
    # kit counts what stands before the text, 85 bytes, into the 1232 bytes of the formats 0 and 1.
    "a" * (1232 - 85),
    "a" * (1232 - 84),
    "ä" * 573,
    "ä" * 574,
    # What KMS signs at most, 4096 bytes, without what stands before the text.
    "a" * (4096 - 85),
]


def messages_are_verified_in_the_off_chain_format():
    generated = [
        "".join(chr(random_of("text", index).randint(0x20, 0x7E)) for _ in range(1 + index * 7))
        for index in range(4 if small else 60)
    ]

    def one(said):
        by = random_of("message", said).choice(wallets)
        answer = kmsignd.call("sol_signMessage", walletId=by.id, message=text(said.encode()))
        signature = answer["signature"]
        asked = {"address": by.address, "signature": signature, "version": 0, "domain": NO_DOMAIN}
        formed = node.call("message", text=said, **asked)
        assert formed["verified"], (said, answer, formed)
        count("message: verifyOffchainMessageEnvelope, version 0", JS)
        signed = base64.b64decode(formed["signed"])
        assert Signature.from_string(signature).verify(key(by.address), signed), said
        count("message: Signature.verify over kit's bytes", PY)
        refuses(lambda: node.call("message", text=said + ".", **asked)["verified"], "another message", JS)
        refuses(lambda: Signature.from_string(signature).verify(key(by.address), signed[:-1] + bytes([signed[-1] ^ 1])), "another message", PY)
        other = next(one for one in wallets if one != by)
        refuses(lambda: node.call("message", text=said, **{**asked, "address": other.address})["verified"], "another signer", JS)
        refuses(lambda: Signature.from_string(signature).verify(key(by.address), said.encode()), "the bare text", PY)

    every(one, TEXTS + generated)


def transactions_as_messages_are_refused():
    by = wallets[0]
    for library in libraries:
        for version in ("legacy", 0):
            plan = plan_of(
                version, by.address, [{"kind": "transfer", "from": by.address, "to": wallets[1].address, "lamports": 1}]
            )
            whole = base64.b64decode(text(library.build(plan)))
            message = to_bytes_versioned(VersionedTransaction.from_bytes(whole).message)
            from_bytes_versioned(message)
            for what, data in (("a whole transaction", whole), ("a transaction's message", message)):
                assert kmsignd.refusal("sol_signMessage", walletId=by.id, message=text(data))
                count(f"kmsignd refuses {what} as text to sign", library.name)


def what_is_no_transaction_to_sign_is_refused():
    by, other, stranger = wallets[0], wallets[1], Local(random_of("stranger"))
    pay = [{"kind": "transfer", "from": by.address, "to": stranger.address, "lamports": 1_000_000}]

    def refused(what, transaction, rule=None, wallet=by):
        said = kmsignd.refusal("sol_signTransaction", walletId=wallet.id, transaction=text(transaction))
        assert said.kind in ("INVALID_PARAMS", "TRANSACTION_REFUSED") and (rule is None or said.rule == rule), (what, said)
        count(f"kmsignd refuses {what}", library.name)

    for library in libraries:
        for version in ("legacy", 0):
            whole = base64.b64decode(text(library.build(plan_of(version, by.address, pay))))
            refused("a transaction that is not the wallet's", whole, "notNeeded", other)
            refused("a byte too many", whole + b"\0")
            refused("a byte too few", whole[:-1])
            refused("no place for the signature", b"\0" + whole[65:])
            refused("a place too many for signatures", b"\2" + bytes(64) + whole[1:])
            refused("a count in more bytes than it needs", b"\x81\0" + whole[1:])
            refused("a signature that is none", bytes([1]) + bytes(range(64)) + whole[65:], "alreadySigned")
            two = base64.b64decode(text(library.build(plan_of(version, stranger.address, pay))))
            refused("another's signature that is none", bytes([2]) + bytes(range(64)) + two[65:], "alreadySigned")
    library = libraries[1]
    compiled = MessageV1.try_compile(
        key(by.address),
        [transfer(TransferParams(from_pubkey=key(by.address), to_pubkey=key(stranger.address), lamports=1))],
        Hash.from_string(node.call("blockhash")),
    )
    refused("a message of version 1", bytes(VersionedTransaction.populate(compiled, [Signature.default()])))


CASES = [
    transfers_are_executed_to_the_lamport,
    flipped_bits_and_missing_signatures_are_refused,
    tokens_move_by_transfer_checked,
    lookup_tables_and_durable_nonces_are_executed,
    messages_are_verified_in_the_off_chain_format,
]
OWN = [transactions_as_messages_are_refused, what_is_no_transaction_to_sign_is_refused]
run(f"solana_peers with the KMS {kms}", CASES if small else CASES + OWN)
