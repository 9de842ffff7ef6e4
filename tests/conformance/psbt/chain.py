"""Litecoin on a chain of its own: coins that are really there, PSBTs by the node itself, and blocks that it accepts."""

from decimal import Decimal

from coins import KINDS
from daemon import Refused

MINER, WATCH = "miner", "watch"
# Blocks until a coinbase may be spent.
MATURITY = 100


def coin(minor_units):
    """An amount as the node wants it, without a float on the way."""
    return str(Decimal(minor_units).scaleb(-8))


class Regtest:
    def __init__(self, bench):
        self.bench, self.call = bench, bench.litecoin.call
        self.wallets = {kind: bench.of("LTC", "regtest", kind) for kind in KINDS["LTC"]}
        if MINER in self.call("listwallets"):
            return
        self.call("createwallet", MINER)
        # Watches our wallets by their public keys.
        self.call("createwallet", WATCH, True, True)
        everyone = [wallet for wallets in self.wallets.values() for wallet in wallets]
        watched = [{"desc": bench.litecoin.descriptor(w), "timestamp": 0, "watchonly": True} for w in everyone]
        imported = self.call("importmulti", watched, wallet=WATCH)
        assert all(one["success"] for one in imported), imported
        for wallet in everyone:
            self.mine(wallet.address)
        self.mine(self.call("getnewaddress", wallet=MINER))
        self.mine(self.call("getnewaddress", wallet=MINER), MATURITY)
        for wallet in everyone:
            self.call("sendtoaddress", wallet.address, "1.5", wallet=MINER)
        self.mine(self.call("getnewaddress", wallet=MINER))

    def mine(self, address, blocks=1):
        return self.call("generatetoaddress", blocks, address)

    def unspent(self, wallet):
        """Its coins that can be spent, the one from a block's coinbase first."""
        found = self.call("listunspent", 1, 9_999_999, [wallet.address], wallet=WATCH)
        coinbase = {one["txid"]: "coinbase" in self.previous(one["txid"], True)["vin"][0] for one in found}
        return sorted(found, key=lambda one: not coinbase[one["txid"]])

    def previous(self, txid, verbose=False):
        return self.call("getrawtransaction", txid, verbose)

    def sign(self, psbt, finalize=True):
        answer = self.bench.kmsignd.call("utxo_signPsbt", asset="LTC", network="regtest", psbt=psbt, finalize=finalize)
        assert answer["complete"] is True, answer
        return answer

    def confirm(self, transaction):
        """The node takes it into its memory pool and into a block."""
        [tested] = self.call("testmempoolaccept", [transaction])
        assert tested["allowed"], tested
        txid = self.call("sendrawtransaction", transaction)
        self.mine(self.call("getnewaddress", wallet=MINER))
        mined = self.previous(txid, True)
        assert mined["confirmations"] == 1, mined
        return txid


def litecoin_confirms_what_its_createpsbt_began(bench):
    """createpsbt and utxoupdatepsbt by the node, the transactions that made the inputs added by bitcoinjs-lib."""
    regtest = Regtest(bench)
    plan = {"asset": "LTC", "network": "regtest"}
    mixed = [wallets[0] for wallets in regtest.wallets.values()]
    for name, wallets in [*((kind, wallets[1:3]) for kind, wallets in regtest.wallets.items()), ("mixed", mixed)]:
        spent = [regtest.unspent(wallet)[0] for wallet in wallets]
        inputs = [{"txid": one["txid"], "vout": one["vout"], "sequence": 0xFFFFFFFD} for one in spent]
        share = sum(int(Decimal(str(one["amount"])).scaleb(8)) for one in spent) // 2
        outputs = [{regtest.call("getnewaddress", wallet=MINER): coin(share)}, {wallets[0].address: coin(share - 20_000)}]
        begun = regtest.call("createpsbt", inputs, outputs)
        updated = regtest.call("utxoupdatepsbt", begun, [bench.litecoin.descriptor(wallet) for wallet in wallets])
        try:
            regtest.sign(updated)
        except Refused as refused:
            assert (refused.kind, refused.rule) == ("TRANSACTION_REFUSED", "amountNotProven"), refused
        else:
            raise AssertionError(f"{name}: amounts that nothing proves were signed")
        made = [regtest.previous(one["txid"]) for one in spent]
        proven = bench.node.call("bitcoinjs.addPrevious", plan=plan, psbt=updated, previous=made)
        unfinished, finished = regtest.sign(proven, finalize=False), regtest.sign(proven)
        assert [one["walletId"] for one in finished["signed"]] == [wallet.wallet_id for wallet in wallets], finished
        assert bench.litecoin.finalize(unfinished["psbt"]) == finished["transaction"], finished

        # Not confirmed yet, a higher fee: the signer has no permission to replace.
        [paid, change] = outputs
        bumped = {address: coin(int(Decimal(amount).scaleb(8)) - 50_000) for address, amount in change.items()}
        replacing = regtest.call("createpsbt", inputs, [paid, bumped])
        replacing = regtest.call("utxoupdatepsbt", replacing, [bench.litecoin.descriptor(wallet) for wallet in wallets])
        replacing = bench.node.call("bitcoinjs.addPrevious", plan=plan, psbt=replacing, previous=made)
        try:
            regtest.sign(replacing)
        except Refused as refused:
            assert refused.kind == "CONFLICT", refused
        else:
            raise AssertionError(f"{name}: a second transaction on the same outpoints was signed")
        assert regtest.confirm(finished["transaction"]) == finished["txid"], finished
    return "p2pkh, p2sh-p2wpkh, p2wpkh and mixed in a block each, 4 replacements refused"


def litecoin_confirms_what_its_watching_wallet_made(bench):
    """walletcreatefundedpsbt of a wallet that has public keys alone: it gives all that is needed."""
    regtest = Regtest(bench)
    for wallets in regtest.wallets.values():
        [spent] = regtest.unspent(wallets[0])[-1:]
        options = {"changeAddress": wallets[0].address, "includeWatching": True, "feeRate": "0.0001", "replaceable": True}
        paid = [{regtest.call("getnewaddress", wallet=MINER): "0.25"}]
        inputs = [{"txid": spent["txid"], "vout": spent["vout"]}]
        funded = regtest.call("walletcreatefundedpsbt", inputs, paid, 0, options, wallet=WATCH)
        unfinished, finished = regtest.sign(funded["psbt"], finalize=False), regtest.sign(funded["psbt"])
        assert bench.litecoin.finalize(unfinished["psbt"]) == finished["transaction"], finished
        assert regtest.confirm(finished["transaction"]) == finished["txid"], finished
    return "p2pkh, p2sh-p2wpkh and p2wpkh in a block each"


CASES = [litecoin_confirms_what_its_createpsbt_began, litecoin_confirms_what_its_watching_wallet_made]
