"""Third-party clients list accounts and sign each kind of content, each unchanged, over the socket of a real daemon.

    clients.py SOCKET TABLE       with what run.sh puts into the environment

One line a case; TABLE gets the table of docs/interoperability.md; exits 1 if any failed.
"""

import functools
import hashlib
import json
import os
import pathlib
import sys
import traceback

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from eth_keys import keys as eth_keys

import web3py
from commands import cast, curl, curl_call, run
from plan import KINDS, REFUSED, SEPOLIA, TRANSACTIONS, as_json, check_signed, plan
from quirks import QUIRKS, Quirks

SOCKET, TABLE = sys.argv[1:]
HERE = pathlib.Path(__file__).parent
SIGNATURES = 32


def call(method, params=None):
    answer = curl_call(SOCKET, method, params)
    assert "result" in answer, answer
    return answer["result"]


WALLETS = {asset: call("wallet_create", {"userId": "clients", "asset": asset}) for asset in ("ETH", "BNB", "POL", "BTC")}
ACCOUNTS = {WALLETS[asset]["address"] for asset in ("ETH", "BNB", "POL")}
ETHER = WALLETS["ETH"]["address"]


def program(*command):
    """A client with a program of its own, which takes the plan as JSON."""
    return lambda socket, planned: json.loads(run(*command, socket, as_json(planned)))


def javascript(name):
    return program("node", str(HERE / "clients.cjs"), name)


CLIENTS = {
    "web3.py": web3py.sync,
    "web3.py async": web3py.asynchronous,
    "ethers": javascript("ethers"),
    "viem": javascript("viem"),
    "web3.js": javascript("web3js"),
    "web3j": program("java", "-cp", os.environ["WEB3J_CLASSPATH"], "Web3jClient"),
    "alloy": program(os.environ["ALLOY"]),
    "cast": cast,
    "curl": curl,
}
REPORTS = {}


def client_signs(name):
    number = 1 + list(CLIENTS).index(name)
    planned = plan(ETHER, number)
    report = CLIENTS[name](SOCKET, planned)
    accounts = [account.lower() for account in report["accounts"]]
    assert sorted(accounts) == sorted(account.lower() for account in ACCOUNTS), accounts
    assert int(report["chainId"]) == SEPOLIA, report["chainId"]
    assert report["version"].startswith("kmsignd/"), report["version"]
    assert report["codes"] == [
        None if method in report.get("unasked", []) else code for method, (code, _) in REFUSED.items()
    ], report
    check_signed(planned, report["signed"])
    REPORTS[name] = report


def refusals_say_what_to_do():
    for method, (code, kind) in REFUSED.items():
        error = curl_call(SOCKET, method)["error"]
        assert error["code"] == code and error["message"], error
        assert error["data"] == {"kind": kind, "retry": "never"}, error


def signatures_verify_elsewhere():
    """cryptography (OpenSSL) checks the DER form, eth_keys recovers the address from r, s and the recovery id."""
    ether = WALLETS["ETH"]
    spki = call("kms_getPublicKey", {"keyId": ether["kmsKeyId"]})["spki"]
    pem = f"-----BEGIN PUBLIC KEY-----\n{spki}\n-----END PUBLIC KEY-----\n".encode()
    public_key = serialization.load_pem_public_key(pem)
    for number in range(SIGNATURES):
        digest = hashlib.sha256(f"kmsignd clients {number}".encode()).digest()
        signed = call("kms_signTransactionHash", {"keyId": ether["kmsKeyId"], "transactionHash": digest.hex()})
        public_key.verify(bytes.fromhex(signed["der"]), digest, ec.ECDSA(Prehashed(hashes.SHA256())))
        compact = bytes.fromhex(signed["signature"]) + bytes([signed["recoveryId"]])
        recovered = eth_keys.Signature(compact).recover_public_key_from_msg_hash(digest)
        assert recovered.to_checksum_address() == ether["address"], (digest.hex(), signed)
        assert recovered.to_compressed_bytes().hex() == signed["publicKey"] == ether["publicKey"], signed


def write_table():
    """For each client: how each kind was asked for."""
    rows = [["", *[report["client"] for report in REPORTS.values()]], ["---"] * (1 + len(REPORTS))]
    rows.append(["eth_accounts", *[report.get("lists", "own") for report in REPORTS.values()]])
    for kind in KINDS:
        label = f"eth_signTransaction, {kind}" if kind in TRANSACTIONS else kind
        rows.append([label, *[report["signed"][kind]["how"] for report in REPORTS.values()]])
    pathlib.Path(TABLE).write_text("".join(f"| {' | '.join(row)} |\n" for row in rows))


CASES = {f"{name} signs each kind": functools.partial(client_signs, name) for name in CLIENTS}
CASES |= {case.__name__: case for case in (refusals_say_what_to_do, signatures_verify_elsewhere)}
QUIRKY = Quirks(SOCKET, ETHER)
CASES |= {f"{quirk.__name__}: {quirk.__doc__}": functools.partial(quirk, QUIRKY) for quirk in QUIRKS}

failed = 0
for title, case in CASES.items():
    try:
        case()
        print(f"ok {title}", flush=True)
    except Exception:  # whatever a client raises is this case's failure
        failed += 1
        print(f"FAILED {title}\n{traceback.format_exc()}", flush=True)
print(f"clients: {len(CASES) - failed} of {len(CASES)}")
if failed:
    sys.exit(1)
write_table()
