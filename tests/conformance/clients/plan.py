"""What each client is asked to have signed, and what must be in what it got. Judged by eth-account, whichever client it was."""

import json

import rlp
from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from eth_utils import keccak, to_canonical_address

SEPOLIA = 11155111
GWEI = 10**9
RECIPIENT = "0x00000000219ab540356cBB839Cbe05303d7705Fa"
CONTRACT = "0xcA11bde05977b3631167028862bE2a173976CA11"
MESSAGE = "Grüße an kmsignd, 签名"

# A method that nobody has, and one that a signer without a node can't have.
REFUSED = {
    "kmsignd_noSuchMethod": (-32601, "METHOD_NOT_FOUND"),
    "eth_blockNumber": (-32004, "METHOD_NOT_SUPPORTED"),
}
TRANSACTIONS = ["legacy", "EIP-2930", "EIP-1559", "EIP-4844", "EIP-7702"]
MESSAGES = ["personal_sign", "eth_sign"]
TYPED_DATA = ["eth_signTypedData_v4", "eth_signTypedData"]
KINDS = [*TRANSACTIONS, *MESSAGES, *TYPED_DATA, "evm_signAuthorization"]


def typed_data(chain_id=SEPOLIA):
    def members(**types):
        return [{"name": name, "type": of} for name, of in types.items()]

    return {
        "types": {
            "EIP712Domain": members(name="string", version="string", chainId="uint256", verifyingContract="address"),
            "Person": members(name="string", wallets="address[]"),
            "Mail": members(
                **{
                    "from": "Person",
                    "to": "Person[]",
                    "contents": "string",
                    "urgent": "bool",
                    "weight": "int64",
                    "seal": "bytes32",
                }
            ),
        },
        "primaryType": "Mail",
        "domain": {"name": "Ether Mail", "version": "1", "chainId": chain_id, "verifyingContract": CONTRACT},
        "message": {
            "from": {"name": "Cow", "wallets": [RECIPIENT, CONTRACT]},
            "to": [{"name": "Bob", "wallets": [CONTRACT]}, {"name": "", "wallets": []}],
            "contents": "Hello, Bob!",
            "urgent": True,
            "weight": -7,
            "seal": "0x" + "5e" * 32,
        },
    }


def plan(address, number):
    """What the client of this number signs. It has nonces of its own: of two contents with one nonce, one is refused."""
    nonce = 100 * number
    access_list = [{"address": CONTRACT, "storageKeys": ["0x" + "00" * 31 + "07", "0x" + "ff" * 32]}]
    price = {"gasPrice": hex(30 * GWEI)}
    fees = {"maxFeePerGas": hex(31 * GWEI), "maxPriorityFeePerGas": hex(2 * GWEI)}
    parts = {
        "legacy": {**price, "type": "0x0"},
        "EIP-2930": {**price, "type": "0x1", "accessList": access_list},
        "EIP-1559": {**fees, "type": "0x2", "accessList": access_list},
        "EIP-4844": {
            **fees,
            "type": "0x3",
            "accessList": [],
            "maxFeePerBlobGas": hex(3 * GWEI),
            "blobVersionedHashes": ["0x01" + "ab" * 31, "0x01" + "cd" * 31],
        },
        "EIP-7702": {**fees, "type": "0x4", "accessList": []},
    }
    transactions = {
        kind: {
            "from": address,
            "to": RECIPIENT,
            "chainId": hex(SEPOLIA),
            "nonce": hex(nonce + offset),
            "gas": hex(200_000 + offset),
            "value": hex(10**18 + number),
            "input": "0x228d9fe4" + f"{number:02x}" * 32,
            **parts[kind],
        }
        for offset, kind in enumerate(TRANSACTIONS)
    }
    return {
        "address": address,
        "transactions": transactions,
        # Which the transaction of EIP-7702 takes with it.
        "authorization": {
            "address": address,
            "chainId": hex(SEPOLIA),
            "contract": CONTRACT,
            "nonce": hex(nonce + len(TRANSACTIONS)),
        },
        "message": MESSAGE,
        "typedData": typed_data(),
        "refused": list(REFUSED),
    }


def check_signed(planned, signed):
    """Everything of the plan, and nothing else, signed by its wallet."""
    assert sorted(signed) == sorted(KINDS), sorted(signed)
    address = planned["address"]
    authorization = signed["evm_signAuthorization"]["authorization"]
    check_authorization(planned, authorization)
    for kind, asked in planned["transactions"].items():
        if kind == "EIP-7702":
            asked = {**asked, "authorizationList": [authorization]}
        check_transaction(asked, signed[kind]["raw"])
        if "tx" in signed[kind]:
            assert signed[kind]["tx"]["hash"] == "0x" + keccak(hexstr=signed[kind]["raw"]).hex(), signed[kind]
    for method in MESSAGES:
        check_message(address, planned["message"], signed[method]["signature"])
    for method in TYPED_DATA:
        check_typed_data(address, planned["typedData"], signed[method]["signature"])


def check_transaction(asked, raw):
    assert Account.recover_transaction(raw) == asked["from"], (asked, raw)
    read = bytes.fromhex(raw[2:])
    kind = int(asked["type"], 16)
    if kind > 0:
        assert read[0] == kind, raw
        read = read[1:]
    *fields, _, _, _ = rlp.decode(read)
    assert fields == expected_fields(kind, asked), (asked, raw)


def expected_fields(kind, asked):
    """A transaction's fields in their order, but for its signature, as RLP has them."""

    def numbers(*names):
        return [number(asked[name]) for name in names]

    call = [data(asked.get("to") or "0x"), *numbers("value"), data(asked["input"])]
    if kind == 0:
        return numbers("nonce", "gasPrice", "gas") + call
    fees = ["gasPrice"] if kind == 1 else ["maxPriorityFeePerGas", "maxFeePerGas"]
    access_list = [[data(entry["address"]), [data(key) for key in entry["storageKeys"]]] for entry in asked["accessList"]]
    fields = numbers("chainId", "nonce", *fees, "gas") + call + [access_list]
    if kind == 3:
        fields += [*numbers("maxFeePerBlobGas"), [data(blob) for blob in asked["blobVersionedHashes"]]]
    if kind == 4:
        members = ["chainId", "address", "nonce", "yParity", "r", "s"]
        fields += [
            [
                [data(one[name]) if name == "address" else number(one[name]) for name in members]
                for one in asked["authorizationList"]
            ]
        ]
    return fields


def check_authorization(planned, signed):
    asked = planned["authorization"]
    assert signed["address"].lower() == asked["contract"].lower(), signed
    assert int(signed["chainId"], 16) == SEPOLIA and signed["nonce"] == asked["nonce"], signed
    content = rlp.encode([number(asked["chainId"]), data(asked["contract"]), number(asked["nonce"])])
    vrs = [int(signed[name], 16) for name in ("yParity", "r", "s")]
    recovered = Account._recover_hash(keccak(b"\x05" + content), vrs=(vrs[0] + 27, *vrs[1:]))
    assert recovered == planned["address"], (recovered, signed)


def check_message(address, message, signature):
    message = encode_defunct(text=message) if isinstance(message, str) else encode_defunct(message)
    assert Account.recover_message(message, signature=signature) == address, signature


def check_typed_data(address, typed, signature):
    assert Account.recover_message(encode_typed_data(full_message=typed), signature=signature) == address, signature


def number(quantity):
    value = int(quantity, 16)
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def data(text):
    return to_canonical_address(text) if len(text) == 42 else bytes.fromhex(text[2:])


def as_json(value):
    return json.dumps(value, separators=(",", ":"))
