"""The libraries that build PSBTs and finalize what was signed. Each builds with its own code, from public keys alone."""

import bdkpython as bdk
from embit import ec
from embit.finalizer import finalize_psbt
from embit.psbt import PSBT, DerivationPath
from embit.script import Script, Witness
from embit.transaction import Transaction

from coins import SIGHASHES

SEGWIT = ("p2sh-p2wpkh", "p2wpkh")


class NodeLibrary:
    assets = ("BTC", "LTC", "DOGE")
    one_owner = False

    def __init__(self, node, call, name, versions):
        self.node, self.prefix, self.name, self.versions = node, call, name, versions

    def build(self, plan):
        return self.node.call(f"{self.prefix}.build", plan=plan.to_json())

    def finalize(self, plan, psbt):
        return self.node.call(f"{self.prefix}.finalize", plan=plan.to_json(), psbt=psbt)

    def extract(self, plan, psbt):
        return self.node.call(f"{self.prefix}.extract", plan=plan.to_json(), psbt=psbt)


class Embit:
    name = "embit 0.8.0"
    assets = ("BTC", "LTC", "DOGE")
    versions = (0, 2)
    one_owner = False

    @staticmethod
    def build(plan):
        psbt = PSBT(plan.unsigned(), unknown={}, version=plan.psbt_version or None)
        for scope, spent in zip(psbt.inputs, plan.inputs, strict=True):
            scope.unknown = {}  # else all of them share one
            scope.non_witness_utxo = spent.previous
            if spent.both_utxos and spent.wallet.kind in SEGWIT:
                scope.witness_utxo = spent.output
            scope.redeem_script = spent.wallet.redeem_script()
            scope.sighash_type = spent.sighash
            scope.bip32_derivations[ec.PublicKey.parse(spent.wallet.public_key)] = DerivationPath(bytes(4), [0])
        for scope in psbt.outputs:
            scope.unknown = {}
        return psbt.to_base64()

    @staticmethod
    def finalize(_plan, psbt):
        return finalize_psbt(PSBT.from_base64(psbt)).serialize().hex()

    # It takes final scripts as they are.
    extract = finalize


class Bdk:
    """A descriptor wallet of the first input's public key; the others' coins are foreign to it, and come after its own.
    A sequence and a sighash type are all its inputs'."""

    name = "bdkpython 3.1.1"
    assets = ("BTC",)
    versions = (0,)
    one_owner = True
    networks = {"mainnet": bdk.Network.BITCOIN, "testnet": bdk.Network.TESTNET, "regtest": bdk.Network.REGTEST}
    descriptors = {"p2pkh": "pkh({})", "p2sh-p2wpkh": "sh(wpkh({}))", "p2wpkh": "wpkh({})"}
    # Weight units of a signature and a key where they stand, by which it would choose a fee.
    satisfaction = {"p2pkh": 4 * 107, "p2sh-p2wpkh": 4 * 23 + 108, "p2wpkh": 108}

    def wallet(self, owner):
        network = self.networks[owner.network]
        kind = bdk.NetworkKind.MAIN if owner.network == "mainnet" else bdk.NetworkKind.TEST
        descriptor = bdk.Descriptor(self.descriptors[owner.kind].format(owner.public_key.hex()), kind)
        wallet = bdk.Wallet.create_single(descriptor, network, bdk.Persister.new_in_memory())
        address = str(wallet.reveal_next_address(bdk.KeychainKind.EXTERNAL).address)
        assert address == owner.address, (address, owner)
        return wallet

    def build(self, plan, only_witness_utxo=False):
        owner = plan.inputs[0].wallet
        wallet = self.wallet(owner)
        builder = bdk.TxBuilder().manually_selected_only().ordering(bdk.TxOrdering.UNTOUCHED).allow_dust(True)
        builder = builder.version(plan.tx_version).fee_absolute(bdk.Amount.from_sat(plan.fee()))
        lock = bdk.LockTime.BLOCKS if plan.locktime < 500_000_000 else bdk.LockTime.SECONDS
        builder = builder.nlocktime(lock(plan.locktime))
        builder = builder.set_exact_sequence(plan.inputs[0].sequence)
        if only_witness_utxo:
            builder = builder.only_witness_utxo()
        sighash = plan.inputs[0].sighash
        if sighash:
            builder = builder.sighash(sighash_name(sighash))
        for spent in plan.inputs:
            made = bdk.Transaction(spent.previous.serialize())
            at = bdk.OutPoint(txid=made.compute_txid(), vout=spent.vout)
            if spent.wallet == owner:
                wallet.apply_unconfirmed_txs([bdk.UnconfirmedTx(tx=made, last_seen=1)])
                builder = builder.add_utxo(at)
            else:
                weight = self.satisfaction[spent.wallet.kind]
                builder = builder.add_foreign_utxo_with_sequence(at, self.foreign(spent, made), weight, spent.sequence)
        for output in plan.outputs:
            script = bdk.Script(output.script_pubkey.data)
            builder = builder.add_recipient(script, bdk.Amount.from_sat(output.value))
        return builder.finish(wallet).serialize()

    @staticmethod
    def foreign(spent, made):
        redeem = spent.wallet.redeem_script()
        empty = dict.fromkeys(["witness_script", "final_script_sig", "final_script_witness", "tap_key_sig", "tap_internal_key"])
        maps = ["partial_sigs", "bip32_derivation", "ripemd160_preimages", "sha256_preimages", "hash160_preimages"]
        maps += ["hash256_preimages", "tap_script_sigs", "tap_scripts", "tap_key_origins", "proprietary", "unknown"]
        return bdk.Input(
            non_witness_utxo=made,
            witness_utxo=made.output()[spent.vout] if spent.wallet.kind in SEGWIT else None,
            sighash_type=sighash_name(spent.sighash) if spent.sighash else None,
            redeem_script=bdk.Script(redeem.data) if redeem else None,
            tap_merkle_root=None,
            **empty,
            **{name: {} for name in maps},
        )

    @staticmethod
    def finalize(_plan, psbt):
        done = bdk.Psbt(psbt).finalize()
        assert done.could_finalize, done.errors
        return done.psbt.extract_tx_unchecked_fee_rate().serialize().hex()

    @staticmethod
    def extract(_plan, psbt):
        return bdk.Psbt(psbt).extract_tx_unchecked_fee_rate().serialize().hex()


def sighash_name(sighash):
    """As rust-bitcoin writes it."""
    return "|".join(f"SIGHASH_{part}" for part in SIGHASHES[sighash].split("|"))


def all_of(node):
    return [
        NodeLibrary(node, "bitcoinjs", "bitcoinjs-lib 7.0.5", (0,)),
        NodeLibrary(node, "scure", "@scure/btc-signer 2.4.1", (0, 2)),
        Embit(),
        Bdk(),
    ]


def unsigned_part(transaction):
    """The transaction, in hex, without its signatures."""
    transaction = Transaction.parse(bytes.fromhex(transaction))
    for spent in transaction.vin:
        spent.script_sig, spent.witness = Script(), Witness()
    return transaction.serialize()


def txid(transaction):
    return Transaction.parse(bytes.fromhex(transaction)).txid().hex()
