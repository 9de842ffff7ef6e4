"""Addresses by embit (Bitcoin), pycoin (Litecoin, Dogecoin) and eth-keys. Keys: see peer_key in tests/it/addresses.rs."""

import hashlib
import json
import pathlib
import sys

from embit import ec, script
from embit.networks import NETWORKS
from eth_keys import keys as eth_keys
from pycoin.encoding.hash import hash160
from pycoin.symbols.doge import network as doge
from pycoin.symbols.ltc import network as litecoin
from pycoin.symbols.xdt import network as doge_test
from pycoin.symbols.xlt import network as litecoin_test

SECRETS = [hashlib.sha256(f"kmsignd address {number}".encode()).digest() for number in range(1000)]


def embit():
    names = {"mainnet": "main", "testnet": "test", "signet": "signet", "regtest": "regtest"}
    for secret in SECRETS:
        key = ec.PrivateKey(secret).get_public_key()
        forms = {
            "p2wpkh": script.p2wpkh(key),
            "p2sh-p2wpkh": script.p2sh(script.p2wpkh(key)),
            "p2pkh": script.p2pkh(key),
        }
        for network, embit_name in names.items():
            for form, output in forms.items():
                yield "BTC", network, form, key.sec(), output.address(NETWORKS[embit_name])


def pycoin():
    for secret in SECRETS:
        key = litecoin.keys.private(int.from_bytes(secret, "big")).sec()
        key_hash = hash160(key)
        for network, coin in (("mainnet", litecoin), ("testnet", litecoin_test)):
            yield "LTC", network, "p2wpkh", key, coin.address.for_p2pkh_wit(key_hash)
            yield "LTC", network, "p2sh-p2wpkh", key, coin.address.for_p2s(b"\x00\x14" + key_hash)
            yield "LTC", network, "p2pkh", key, coin.address.for_p2pkh(key_hash)
        for network, coin in (("mainnet", doge), ("testnet", doge_test)):
            yield "DOGE", network, "p2pkh", key, coin.address.for_p2pkh(key_hash)


def ethereum():
    for secret in SECRETS:
        key = eth_keys.PrivateKey(secret).public_key
        for asset in ("ETH", "BNB", "POL"):
            yield asset, "mainnet", "eip55", key.to_compressed_bytes(), key.to_checksum_address()


def write(peer, rows):
    with open(pathlib.Path(sys.argv[1]) / f"{peer}.jsonl", "w", encoding="ascii") as file:
        for asset, network, form, key, address in rows:
            row = {"asset": asset, "network": network, "addressType": form, "publicKey": key.hex(), "address": address}
            file.write(json.dumps(row) + "\n")


write("embit", embit())
write("pycoin", pycoin())
write("eth-keys", ethereum())
