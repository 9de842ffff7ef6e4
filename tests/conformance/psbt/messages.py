"""Signed messages, checked by bitcoinjs-message, bip322-js and Litecoin Core."""

from collections import Counter

import coins
from coins import KINDS
from daemon import Refused

# strMessageMagic of Bitcoin Core, Litecoin Core and Dogecoin Core, behind its length.
PREFIXES = {
    "BTC": "\x18Bitcoin Signed Message:\n",
    "LTC": "\x19Litecoin Signed Message:\n",
    "DOGE": "\x19Dogecoin Signed Message:\n",
}
FORMATS = {
    "p2pkh": ("legacy", "bip137"),
    "p2sh-p2wpkh": ("bip137",),
    "p2wpkh": ("bip137", "bip322"),
}
# Around the lengths where the length's own encoding changes, and text of more than one byte a letter.
MESSAGES = ["", "a", "kmsignd", "Grüße, κόσμε, 世界 🌍", "line\nline\r\n", " x "]
MESSAGES += ["m" * length for length in (252, 253, 65_535, 65_536)]


def bip322_address(wallet):
    """The Bitcoin address of the same script: BIP-322 signs for a script, and bip322-js reads Bitcoin's addresses alone."""
    return wallet.script().address(coins.NETWORKS["BTC", "mainnet"])


def verified(bench, wallet, message, answer):
    """By whom; each must also refuse another message."""
    verifiers = {}
    signature, address = answer["signature"], answer["address"]
    if answer["format"] == "bip322":
        verifiers["bip322-js"] = lambda text: bench.node.call(
            "messages.bip322", message=text, address=bip322_address(wallet), signature=signature
        )
    else:
        verifiers["bitcoinjs-message"] = lambda text: bench.node.call(
            "messages.bitcoinjsMessage", message=text, address=address, signature=signature, prefix=PREFIXES[wallet.asset]
        )
        if wallet.asset == "BTC":
            verifiers["bip322-js"] = lambda text: bench.node.call(
                "messages.bip322", message=text, address=address, signature=signature
            )
        if (wallet.asset, wallet.network, wallet.kind) == ("LTC", "regtest", "p2pkh"):
            verifiers["litecoind"] = lambda text: bench.litecoin.call("verifymessage", address, signature, text)
    for name, verify in verifiers.items():
        assert verify(message) is True, (name, message, answer)
        assert verify(message + "!") is False, (name, message, answer)
    return verifiers


def messages_verify_elsewhere(bench):
    counts = Counter()
    for asset, network in (("BTC", "mainnet"), ("LTC", "mainnet"), ("LTC", "regtest"), ("DOGE", "mainnet")):
        for kind in KINDS[asset]:
            wallet = bench.of(asset, network, kind)[0]
            for form in FORMATS[kind]:
                for number, message in enumerate(MESSAGES):
                    # By either name of the wallet.
                    named = {"address": wallet.address, "asset": asset, "network": network}
                    by = {"walletId": wallet.wallet_id} if number % 2 else named
                    answer = bench.kmsignd.call("utxo_signMessage", message=message, format=form, **by)
                    assert (answer["address"], answer["format"]) == (wallet.address, form), answer
                    counts.update(f"{name} {asset} {kind} {form}" for name in verified(bench, wallet, message, answer))
    for what, count in sorted(counts.items()):
        print(f"  {what}: {count}")
    return f"{sum(counts.values())} checks"


def a_format_that_the_address_lacks_is_refused(bench):
    refusals = 0
    for kind, forms in FORMATS.items():
        wallet = bench.of("BTC", "mainnet", kind)[0]
        for form in {"legacy", "bip137", "bip322"} - set(forms):
            try:
                answer = bench.kmsignd.call("utxo_signMessage", walletId=wallet.wallet_id, message="kmsignd", format=form)
            except Refused as refused:
                assert refused.kind == "INVALID_PARAMS", refused
                refusals += 1
            else:
                raise AssertionError(f"{kind} {form}: {answer}")
    return f"{refusals} refused"


CASES = [messages_verify_elsewhere, a_format_that_the_address_lacks_is_refused]
