"""What transactions are to do, from which both libraries build."""

import struct
from dataclasses import asdict, dataclass, field

from solders import compute_budget, system_program
from solders.address_lookup_table_account import AddressLookupTableAccount
from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.message import Message, MessageV0
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

SYSTEM = "11111111111111111111111111111111"
TOKEN = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
TOKEN_2022 = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb"
ASSOCIATED_TOKEN = "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL"
MEMO = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"
MINT_BYTES = 82
NONCE_BYTES = 80


@dataclass
class Plan:
    """Addresses are in base58, amounts in minor units; `kind` names an instruction in peers.cjs and in Solders below."""

    version: int | str  # "legacy" or 0
    payer: str
    blockhash: str
    instructions: list
    units: int | None = None
    price: int | None = None
    tables: dict = field(default_factory=dict)
    nonce: dict | None = None

    def to_json(self):
        return asdict(self)


class Kit:
    name = "@solana/kit 8.4.0"

    def __init__(self, node):
        self.node = node

    def build(self, plan):
        return self.node.call("build", plan=plan.to_json())


class Solders:
    name = "solders 0.29.0"

    def build(self, plan):
        """In base64 in no case: bytes, with a place for each signature."""
        done = []
        if plan.nonce:
            done.append({"kind": "advanceNonce", "nonce": plan.nonce["account"], "authority": plan.nonce["authority"]})
        done += plan.instructions
        instructions = [getattr(self, one["kind"])(one) for one in done]
        budget = []
        if plan.units:
            budget.append(compute_budget.set_compute_unit_limit(plan.units))
        if plan.price:
            budget.append(compute_budget.set_compute_unit_price(plan.price))
        # A nonce is advanced by the first instruction or not at all.
        at = 1 if plan.nonce else 0
        instructions[at:at] = budget
        payer, lifetime = key(plan.payer), Hash.from_string(plan.nonce["value"] if plan.nonce else plan.blockhash)
        if plan.version == 0:
            tables = [AddressLookupTableAccount(key(at), [key(one) for one in held]) for at, held in plan.tables.items()]
            message = MessageV0.try_compile(payer, instructions, tables, lifetime)
        else:
            message = Message.new_with_blockhash(instructions, payer, lifetime)
        places = [Signature.default()] * message.header.num_required_signatures
        return bytes(VersionedTransaction.populate(message, places))

    def transfer(self, one):
        return system_program.transfer(
            {"from_pubkey": key(one["from"]), "to_pubkey": key(one["to"]), "lamports": one["lamports"]}
        )

    def createAccount(self, one):
        return system_program.create_account(
            {
                "from_pubkey": key(one["from"]),
                "to_pubkey": key(one["account"]),
                "lamports": one["lamports"],
                "space": one["space"],
                "owner": key(one["owner"]),
            }
        )

    def advanceNonce(self, one):
        return system_program.advance_nonce_account(
            {"nonce_pubkey": key(one["nonce"]), "authorized_pubkey": key(one["authority"])}
        )

    def initializeNonce(self, one):
        return system_program.initialize_nonce_account({"nonce_pubkey": key(one["nonce"]), "authority": key(one["authority"])})

    # solders has nothing that writes the token programs' instructions: layouts of spl-token's TokenInstruction.

    def initializeMint(self, one):
        data = bytes([20, one["decimals"]]) + bytes(key(one["authority"])) + bytes([0])
        return Instruction(key(one["program"]), data, [writable(one["mint"])])

    def mintTo(self, one):
        accounts = [writable(one["mint"]), writable(one["account"]), signs(one["authority"])]
        return Instruction(key(one["program"]), struct.pack("<BQ", 7, one["amount"]), accounts)

    def createTokenAccount(self, one):
        accounts = [
            AccountMeta(key(one["payer"]), is_signer=True, is_writable=True),
            writable(one["account"]),
            *(AccountMeta(key(each), False, False) for each in (one["owner"], one["mint"], SYSTEM, one["program"])),
        ]
        return Instruction(key(ASSOCIATED_TOKEN), bytes([1]), accounts)

    def transferChecked(self, one):
        accounts = [
            writable(one["source"]),
            AccountMeta(key(one["mint"]), False, False),
            writable(one["destination"]),
            signs(one["owner"]),
        ]
        return Instruction(key(one["program"]), struct.pack("<BQB", 12, one["amount"], one["decimals"]), accounts)

    def memo(self, one):
        return Instruction(key(MEMO), one["text"].encode(), [signs(one["by"])])


def key(text):
    return Pubkey.from_string(text)


def writable(text):
    return AccountMeta(key(text), is_signer=False, is_writable=True)


def signs(text):
    return AccountMeta(key(text), is_signer=True, is_writable=False)
