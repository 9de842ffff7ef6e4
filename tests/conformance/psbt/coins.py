"""Wallets, coins that pay them, and what is to be spent: what every library builds a PSBT from.

The coins are made up. A signer can't know: all it checks is that a transaction with the input's txid has that output.
"""

import copy
from dataclasses import dataclass, field

from embit import ec, script
from embit.networks import NETWORKS as BITCOIN
from embit.script import Script, Witness
from embit.transaction import Transaction, TransactionInput, TransactionOutput

KINDS = {"BTC": ["p2pkh", "p2sh-p2wpkh", "p2wpkh"], "LTC": ["p2pkh", "p2sh-p2wpkh", "p2wpkh"], "DOGE": ["p2pkh"]}
SIGHASHES = {
    0x01: "ALL",
    0x02: "NONE",
    0x03: "SINGLE",
    0x81: "ALL|ANYONECANPAY",
    0x82: "NONE|ANYONECANPAY",
    0x83: "SINGLE|ANYONECANPAY",
}
# chainparams.cpp of Litecoin Core and of Dogecoin Core, as embit wants a network described.
NETWORKS = {
    ("BTC", "mainnet"): BITCOIN["main"],
    ("BTC", "testnet"): BITCOIN["test"],
    ("BTC", "regtest"): BITCOIN["regtest"],
    ("LTC", "mainnet"): {"p2pkh": b"\x30", "p2sh": b"\x32", "bech32": "ltc"},
    ("LTC", "testnet"): {"p2pkh": b"\x6f", "p2sh": b"\x3a", "bech32": "tltc"},
    ("LTC", "regtest"): {"p2pkh": b"\x6f", "p2sh": b"\x3a", "bech32": "rltc"},
    ("DOGE", "mainnet"): {"p2pkh": b"\x1e", "p2sh": b"\x16"},
    ("DOGE", "testnet"): {"p2pkh": b"\x71", "p2sh": b"\xc4"},
    ("DOGE", "regtest"): {"p2pkh": b"\x6f", "p2sh": b"\xc4"},
}


@dataclass
class Wallet:
    wallet_id: str
    asset: str
    network: str
    kind: str
    address: str
    public_key: bytes

    @classmethod
    def of(cls, made):
        """Of what wallet_create answered. embit derives the same address, or this fails."""
        names = ["walletId", "asset", "network", "addressType", "address", "publicKey"]
        *texts, public_key = (made[name] for name in names)
        wallet = cls(*texts, bytes.fromhex(public_key))
        derived = wallet.script().address(NETWORKS[wallet.asset, wallet.network])
        assert derived == wallet.address, (derived, made)
        return wallet

    def redeem_script(self):
        """The witness program behind a p2sh address."""
        return script.p2wpkh(ec.PublicKey.parse(self.public_key)) if self.kind == "p2sh-p2wpkh" else None

    def script(self):
        if self.kind == "p2sh-p2wpkh":
            return script.p2sh(self.redeem_script())
        return {"p2pkh": script.p2pkh, "p2wpkh": script.p2wpkh}[self.kind](ec.PublicKey.parse(self.public_key))


@dataclass
class Input:
    wallet: Wallet
    previous: Transaction
    vout: int
    sequence: int = 0xFFFFFFFF
    # None leaves the field out, which means ALL.
    sighash: int | None = None
    # A segwit input may carry the output beside the transaction that made it.
    both_utxos: bool = False

    @property
    def output(self):
        return self.previous.vout[self.vout]


@dataclass
class Plan:
    """A transaction to be built, signed and finalized."""

    asset: str
    network: str
    inputs: list[Input]
    outputs: list[TransactionOutput]
    psbt_version: int = 0
    tx_version: int = 2
    locktime: int = 0
    # What is said when it fails.
    name: str = field(default="", compare=False)

    def unsigned(self):
        vin = [TransactionInput(i.previous.txid(), i.vout, sequence=i.sequence) for i in self.inputs]
        return Transaction(version=self.tx_version, vin=vin, vout=copy.deepcopy(self.outputs), locktime=self.locktime)

    def fee(self):
        return sum(i.output.value for i in self.inputs) - sum(o.value for o in self.outputs)

    def address(self, output):
        """None for what has no address."""
        if output.script_pubkey.data[:1] == b"\x6a":
            return None
        return output.script_pubkey.address(NETWORKS[self.asset, self.network])

    def to_json(self):
        """For peers.cjs. Amounts are text: JSON's numbers lose what is over 2^53."""
        return {
            "asset": self.asset,
            "network": self.network,
            "psbtVersion": self.psbt_version,
            "txVersion": self.tx_version,
            "locktime": self.locktime,
            "inputs": [
                {
                    "kind": i.wallet.kind,
                    "publicKey": i.wallet.public_key.hex(),
                    "txid": i.previous.txid().hex(),
                    "vout": i.vout,
                    "sequence": i.sequence,
                    "sighash": i.sighash,
                    "previous": i.previous.serialize().hex(),
                    "bothUtxos": i.both_utxos,
                }
                for i in self.inputs
            ],
            "outputs": [
                {"address": self.address(o), "script": o.script_pubkey.data.hex(), "amount": str(o.value)} for o in self.outputs
            ],
        }


def funding(random, payees):
    """A transaction that pays each of these (wallet, amount), among others, and which outputs these are."""
    vin = []
    for _ in range(random.randint(1, 2)):
        unlocking = Script(random.randbytes(random.choice([0, 22, 106])))
        made_up = TransactionInput(random.randbytes(32), random.randrange(4), unlocking)
        if random.random() < 0.5:
            made_up.witness = Witness([random.randbytes(71), random.randbytes(33)])
        vin.append(made_up)
    paid = [(TransactionOutput(amount, wallet.script()), number) for number, (wallet, amount) in enumerate(payees)]
    for _ in range(random.randrange(3)):
        paid.append((TransactionOutput(random.randrange(1, 10**8), stranger(random, payees[0][0].asset)), None))
    random.shuffle(paid)
    at = {number: vout for vout, (_, number) in enumerate(paid) if number is not None}
    made = Transaction(version=random.choice([1, 2]), vin=vin, vout=[output for output, _ in paid], locktime=0)
    return made, [at[number] for number in range(len(payees))]


def stranger(random, asset):
    """A script of somebody else."""
    hash160, hash256 = random.randbytes(20), random.randbytes(32)
    scripts = [b"\x76\xa9\x14" + hash160 + b"\x88\xac", b"\xa9\x14" + hash160 + b"\x87"]
    if asset != "DOGE":
        scripts += [b"\x00\x14" + hash160, b"\x00\x20" + hash256]
    if asset == "BTC":
        # Any x coordinate will do where nobody spends; this one is on the curve, which bitcoinjs-lib asks for.
        scripts.append(b"\x51\x20" + ec.PrivateKey(hash256).xonly())
    return Script(random.choice(scripts))


def plan(random, wallets, outputs=None, sighash=None, psbt_version=0, amount=None, one_owner=False, name=""):
    """A plan that spends a made-up coin of each wallet: one may be there twice. `one_owner`: see Bdk."""
    if one_owner:
        wallets = sorted(wallets, key=lambda wallet: wallet != wallets[0])
    asset, network = wallets[0].asset, wallets[0].network
    amounts = [amount or random.randrange(10_000, random.choice([10**5, 10**7, 10**10])) for _ in wallets]
    inputs = []
    if len(wallets) > 1 and random.random() < 0.2:
        made, vouts = funding(random, list(zip(wallets, amounts)))
        inputs = [Input(wallet, made, vout) for wallet, vout in zip(wallets, vouts)]
    else:
        for wallet, value in zip(wallets, amounts):
            made, [vout] = funding(random, [(wallet, value)])
            inputs.append(Input(wallet, made, vout))
    sequences = [0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 1]
    common = random.choice(sequences)
    for spent in inputs:
        spent.sequence = common if one_owner else random.choice(sequences)
        spent.sighash = sighash
        spent.both_utxos = random.random() < 0.5
    fee = random.randrange(200, min(5_000, sum(amounts) // 2))
    shares = split(random, sum(amounts) - fee, outputs or random.randint(1, 3))
    payments = [TransactionOutput(share, stranger(random, asset)) for share in shares]
    if random.random() < 0.5:
        payments[-1].script_pubkey = random.choice(wallets).script()
    if outputs is None and random.random() < 0.1:
        payments.append(TransactionOutput(0, Script(b"\x6a\x08" + random.randbytes(8))))
    return Plan(
        asset,
        network,
        inputs,
        payments,
        psbt_version=psbt_version,
        tx_version=random.choice([1, 2]),
        locktime=random.choice([0, 0, 100, 1_700_000_000]),
        name=name,
    )


def split(random, total, parts):
    cuts = sorted(random.sample(range(1, total), parts - 1))
    return [high - low for low, high in zip([0, *cuts], [*cuts, total])]
