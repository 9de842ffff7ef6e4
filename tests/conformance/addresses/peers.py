"""Addresses by embit (Bitcoin), pycoin (Litecoin, Dogecoin), eth-keys, xrpl-py, solders and pycardano.

Keys: see peer_key and key_for in tests/it/addresses.rs. A row may have `tag`, which is in an X-address of the XRP Ledger, and
`stakeKey`, the public key that a base address of Cardano has beside its own.
"""

import hashlib
import json
import pathlib
import sys

from embit import ec, script
from embit.networks import NETWORKS
from eth_keys import keys as eth_keys
from pycardano import Address, Network, PaymentSigningKey, StakeSigningKey
from pycoin.encoding.hash import hash160
from pycoin.symbols.doge import network as doge
from pycoin.symbols.ltc import network as litecoin
from pycoin.symbols.xdt import network as doge_test
from pycoin.symbols.xlt import network as litecoin_test
from solders.keypair import Keypair
from xrpl.core.addresscodec import classic_address_to_xaddress
from xrpl.core.keypairs import derive_classic_address

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


def xrp():
    for number, secret in enumerate(SECRETS):
        key = ec.PrivateKey(secret).get_public_key().sec()
        address = derive_classic_address(key.hex().upper())
        # Of each length.
        tag = int.from_bytes(hashlib.sha256(secret).digest()[:4], "big") >> number % 33
        for network in ("mainnet", "testnet", "devnet"):
            yield "XRP", network, "classic", key, address
            x_address = classic_address_to_xaddress(address, tag, network != "mainnet")
            yield "XRP", network, "x-address", key, x_address, {"tag": tag}


def solana():
    for secret in SECRETS:
        key = Keypair.from_seed(secret).pubkey()
        for network in ("mainnet", "testnet", "devnet"):
            yield "SOL", network, "base58", bytes(key), str(key)


def cardano():
    names = {"mainnet": Network.MAINNET, "preprod": Network.TESTNET, "preview": Network.TESTNET}
    keys = [PaymentSigningKey.from_primitive(secret).to_verification_key() for secret in SECRETS]
    stakes = [StakeSigningKey.from_primitive(secret).to_verification_key() for secret in SECRETS]
    for number, key in enumerate(keys):
        stake = stakes[(number + 1) % len(stakes)]
        for name, network in names.items():
            yield "ADA", name, "enterprise", bytes(key.payload), Address(key.hash(), network=network).encode()
            address = Address(key.hash(), stake.hash(), network=network).encode()
            yield "ADA", name, "base", bytes(key.payload), address, {"stakeKey": stake.payload.hex()}


def write(peer, rows):
    with open(pathlib.Path(sys.argv[1]) / f"{peer}.jsonl", "w", encoding="ascii") as file:
        for asset, network, form, key, address, *more in rows:
            row = {"asset": asset, "network": network, "addressType": form, "publicKey": key.hex(), "address": address}
            file.write(json.dumps(row | (more[0] if more else {})) + "\n")


write("embit", embit())
write("pycoin", pycoin())
write("eth-keys", ethereum())
write("xrpl-py", xrp())
write("solders", solana())
write("pycardano", cardano())
