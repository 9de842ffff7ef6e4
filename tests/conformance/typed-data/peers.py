"""Writes the digests that eth-account computes: DIRECTORY/eth-account.jsonl of DIRECTORY/cases.jsonl.

    peers.py DIRECTORY
"""

import json
import pathlib
import sys

from eth_account.messages import encode_typed_data
from eth_utils import keccak


DOMAIN = {"name": "string", "version": "string", "chainId": "uint256", "verifyingContract": "address", "salt": "bytes32"}


def digest(typed_data):
    # It wants the domain's type listed.
    listed = [{"name": name, "type": kind} for name, kind in DOMAIN.items() if name in typed_data["domain"]]
    typed_data["types"].setdefault("EIP712Domain", listed)
    signable = encode_typed_data(full_message=typed_data)
    return "0x" + keccak(b"\x19" + signable.version + signable.header + signable.body).hex()


def main():
    directory = pathlib.Path(sys.argv[1])
    with open(directory / "cases.jsonl", encoding="utf-8") as cases, open(directory / "eth-account.jsonl", "w", encoding="utf-8") as out:
        for line in cases:
            case = json.loads(line)
            try:
                row = {"number": case["number"], "digest": digest(case["typedData"])}
            except Exception as error:  # whatever it is, it is what this peer says
                row = {"number": case["number"], "error": f"{type(error).__name__}: {error}"}
            out.write(json.dumps(row) + "\n")


main()
