"""PSBTs of other libraries, signed by a real daemon, finalized by the same libraries and by Litecoin Core.

    psbt_peers.py SOCKET RESULTS        with NODE_PATH, LITECOIN_PORT and LITECOIN_COOKIE in the environment; see run.sh

Writes into RESULTS every transaction with the outputs that it spends, for tests/it/psbt_peers.rs. One line a case; exits 1 if
any failed.
"""

import json
import os
import pathlib
import random
import sys
import threading
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import chain
import coins
import libraries
import messages
import psbt_maps
from coins import KINDS, SIGHASHES
from daemon import Daemon, Refused
from litecoin import Litecoin
from node import Node

HERE = pathlib.Path(__file__).parent
GENERATED = int(os.environ.get("KMSIGND_TEST_PSBTS", "1000"))
SEED = int(os.environ.get("KMSIGND_TEST_SEED", "1"))
CALLERS = 8
MANY_INPUTS = 200


class Bench:
    """What every case has at hand."""

    def __init__(self, socket):
        self.kmsignd = Daemon(socket)
        self.node = Node(HERE / "peers.cjs")
        self.libraries = libraries.all_of(self.node)
        self.litecoin = Litecoin(int(os.environ["LITECOIN_PORT"]), os.environ["LITECOIN_COOKIE"])
        self.seed = SEED
        self.results = []
        self.adding = threading.Lock()
        made = [
            (asset, network, kind)
            for network in ("mainnet", "testnet", "regtest")
            for asset, kinds in KINDS.items()
            for kind in kinds
            for _ in range(3)
            if network != "regtest" or asset == "LTC"
        ]
        with ThreadPoolExecutor(CALLERS) as callers:
            self.wallets = list(callers.map(lambda what: self.wallet(*what), made))

    def wallet(self, asset, network, kind):
        made = self.kmsignd.call("wallet_create", userId="peers", asset=asset, network=network, addressType=kind)
        return coins.Wallet.of(made)

    def of(self, asset, network, kind=None):
        return [w for w in self.wallets if (w.asset, w.network) == (asset, network) and kind in (None, w.kind)]

    def random(self, *names):
        """Its own for each case and number, so that every one can be made again alone."""
        return random.Random(" ".join(map(str, [self.seed, *names])))

    def sign(self, plan, psbt, finalize):
        answer = self.kmsignd.call("utxo_signPsbt", asset=plan.asset, network=plan.network, psbt=psbt, finalize=finalize)
        signed = [
            {"input": number, "walletId": spent.wallet.wallet_id, "sighashType": SIGHASHES[spent.sighash or 1]}
            for number, spent in enumerate(plan.inputs)
        ]
        assert answer["complete"] is True and answer["signed"] == signed, (answer, signed)
        assert set(answer) == {"psbt", "complete", "signed"} | ({"transaction", "txid"} if finalize else set()), answer
        return answer

    def finish(self, library, plan, psbt, signed):
        """Finalizes what was signed without, by the library and by Litecoin Core; both give the same transaction."""
        sighashes = [i.sighash or 1 for i in plan.inputs]
        psbt_maps.check_only_signed(psbt, signed["psbt"], [i.wallet.public_key for i in plan.inputs], sighashes)
        transaction = library.finalize(plan, signed["psbt"])
        if plan.psbt_version == 0:
            assert self.litecoin.finalize(signed["psbt"]) == transaction
        return transaction

    def keep(self, plan, transaction):
        """Nothing but signatures was added to what was planned; the signatures are tests/it/psbt_peers.rs's to check."""
        assert libraries.unsigned_part(transaction) == plan.unsigned().serialize(), transaction
        spent = [{"scriptHex": i.output.script_pubkey.data.hex(), "amount": i.output.value} for i in plan.inputs]
        row = {"case": plan.name, "asset": plan.asset, "txHex": transaction, "prevouts": spent}
        with self.adding:
            self.results.append(row)

    def both_ways(self, library, plan):
        """Signs it without and with finalizing: the daemon's transaction is the one that the library makes."""
        psbt = library.build(plan)
        by_library = self.finish(library, plan, psbt, self.sign(plan, psbt, finalize=False))
        finalized = self.sign(plan, psbt, finalize=True)
        assert finalized["transaction"] == by_library, (finalized, by_library)
        assert finalized["txid"] == libraries.txid(by_library), finalized
        assert library.extract(plan, finalized["psbt"]) == by_library, finalized
        assert self.sign(plan, psbt, finalize=True) == finalized, "another answer to the same content"
        self.keep(plan, by_library)

    def refused(self, plan, psbt, kind, rule=None):
        try:
            answer = self.kmsignd.call("utxo_signPsbt", asset=plan.asset, network=plan.network, psbt=psbt)
        except Refused as refused:
            assert (refused.kind, refused.rule) == (kind, rule), refused
        else:
            raise AssertionError(f"{plan.name} was signed: {answer}")


def every(bench, work, items):
    """Does the work for each, some at a time; what went wrong first is raised, with the plan's name."""

    def named(item):
        try:
            work(item)
        except Exception as error:
            raise AssertionError(f"{item[-1].name}: {error}") from error

    with ThreadPoolExecutor(CALLERS) as callers:
        list(callers.map(named, items))
    return len(items)


def every_kind_version_and_sighash_type(bench):
    """library x asset x kind (and all kinds in one) x version x sighash type, two or three wallets in each PSBT."""
    plans = []
    for library in bench.libraries:
        for asset in library.assets:
            chosen = {kind: bench.of(asset, "mainnet", kind)[:2] for kind in KINDS[asset]}
            if len(chosen) > 1:
                chosen["mixed"] = [wallets[0] for wallets in chosen.values()]
            for kind, wallets in chosen.items():
                for version in library.versions:
                    for sighash in [None, *SIGHASHES]:
                        name = f"{library.name} {asset} {kind} v{version} {SIGHASHES.get(sighash, 'no sighash type')}"
                        given = {"psbt_version": version, "sighash": sighash, "one_owner": library.one_owner}
                        plan = coins.plan(bench.random(name), wallets, outputs=len(wallets), name=name, **given)
                        plans.append((library, plan))
    return f"{every(bench, lambda item: bench.both_ways(*item), plans)} PSBTs"


def generated(bench):
    """Small ones as they come, none refused: half are finalized by the daemon, half by their library."""
    counts, refusals = Counter(), []

    def plan(number):
        rand = bench.random("generated", number)
        library = rand.choice(bench.libraries)
        asset = rand.choice(library.assets)
        wallets = rand.choices(bench.of(asset, "testnet"), k=rand.randint(1, 3))
        partial = rand.random() < 0.2
        sighash = rand.choice(list(SIGHASHES)) if partial else rand.choice([None, 1])
        version = rand.choice(library.versions)
        name = f"generated {number} {library.name} {asset}"
        # A signature of SINGLE covers the output beside its input, so there must be one.
        given = {"psbt_version": version, "sighash": sighash, "one_owner": library.one_owner, "outputs": 3 if partial else None}
        planned = coins.plan(rand, wallets, name=name, **given)
        if partial and not library.one_owner:
            for spent in planned.inputs:
                spent.sighash = rand.choice([None, *SIGHASHES])
        counts.update([f"{library.name} {asset} v{version}"])
        return library, number % 2 == 0, planned

    def work(item):
        library, finalize, plan = item
        psbt = library.build(plan)
        try:
            signed = bench.sign(plan, psbt, finalize)
        except Refused as refused:
            refusals.append(f"{plan.name}: {refused}")
            return
        bench.keep(plan, signed["transaction"] if finalize else bench.finish(library, plan, psbt, signed))

    plans = [plan(number) for number in range(GENERATED)]
    every(bench, work, plans)
    for what, count in sorted(counts.items()):
        print(f"  {what}: {count}")
    inputs = sum(len(plan.inputs) for _, _, plan in plans)
    assert not refusals, f"{len(refusals)} of {GENERATED} refused: {refusals[:5]}"
    return f"{GENERATED} PSBTs of {inputs} inputs, {len(refusals)} refusals"


def many_inputs_of_several_wallets(bench):
    library = bench.libraries[0]
    wallets = bench.of("BTC", "testnet")
    rand = bench.random("many inputs")
    plan = coins.plan(rand, rand.choices(wallets, k=MANY_INPUTS), name=f"{MANY_INPUTS} inputs")
    assert {i.wallet.wallet_id for i in plan.inputs} == {w.wallet_id for w in wallets}
    bench.both_ways(library, plan)
    return f"{MANY_INPUTS} inputs of {len(wallets)} wallets"


def amounts_beyond_bitcoins(bench):
    """More koinu than there are satoshis, and more than JavaScript's numbers hold."""
    plans = []
    for asset, amount in (("DOGE", 500_000_000 * 10**8), ("LTC", 60_000_000 * 10**8)):
        for library in bench.libraries:
            if asset in library.assets:
                name = f"{library.name} {asset} {amount}"
                wallets = bench.of(asset, "mainnet")[:1]
                plans.append((library, coins.plan(bench.random(name), wallets, amount=amount, name=name)))
    return f"{every(bench, lambda item: bench.both_ways(*item), plans)} PSBTs"


def what_is_not_proven_or_not_ours_is_refused(bench):
    bitcoinjs, _, embit, bdk = bench.libraries
    wallets = {kind: bench.of("BTC", "mainnet", kind)[0] for kind in KINDS["BTC"]}

    def plan(name, *wallets):
        return coins.plan(bench.random(name), list(wallets), one_owner=True, name=name)

    unproven = plan("witness_utxo alone", wallets["p2wpkh"])
    bench.refused(unproven, bdk.build(unproven, only_witness_utxo=True), "TRANSACTION_REFUSED", "amountNotProven")

    stranger = coins.Wallet("", "BTC", "mainnet", "p2wpkh", "", coins.ec.PrivateKey(bytes(31) + b"\x01").get_public_key().sec())
    foreign = plan("foreign input", wallets["p2pkh"], stranger)
    bench.refused(foreign, bitcoinjs.build(foreign), "TRANSACTION_REFUSED", "foreignInput")

    forged = plan("forged amount", wallets["p2wpkh"])
    psbt = libraries.PSBT.from_base64(embit.build(forged))
    output = forged.inputs[0].output
    psbt.inputs[0].witness_utxo = coins.TransactionOutput(output.value + 1, output.script_pubkey)
    bench.refused(forged, psbt.to_base64(), "TRANSACTION_REFUSED", "amount")

    redeem = plan("wrong redeem script", wallets["p2sh-p2wpkh"])
    psbt = libraries.PSBT.from_base64(embit.build(redeem))
    psbt.inputs[0].redeem_script = wallets["p2wpkh"].script()
    bench.refused(redeem, psbt.to_base64(), "TRANSACTION_REFUSED", "redeemScript")

    single = coins.plan(bench.random("single"), [wallets["p2pkh"], wallets["p2wpkh"]], outputs=1, sighash=0x03, name="SINGLE")
    bench.refused(single, embit.build(single), "TRANSACTION_REFUSED", "sighash")

    # Nothing of a refused one holds anything up: with all that was missing it is signed.
    for honest, library in ((unproven, bdk), (forged, embit), (redeem, embit)):
        bench.both_ways(library, honest)
    return "5 refused, 3 of them signed once put right"


def a_redeem_script_left_out_is_put_in(bench):
    """The daemon knows it: without it the library could not finalize."""
    embit = bench.libraries[2]
    for asset in ("BTC", "LTC"):
        name = f"no redeem script {asset}"
        plan = coins.plan(bench.random(name), bench.of(asset, "mainnet", "p2sh-p2wpkh"), name=name)
        with_it = embit.build(plan)
        psbt = libraries.PSBT.from_base64(with_it)
        for scope in psbt.inputs:
            scope.redeem_script = None
        signed = bench.sign(plan, psbt.to_base64(), finalize=False)
        bench.keep(plan, bench.finish(embit, plan, with_it, signed))
    return "2 PSBTs"


def another_content_on_the_same_outpoint_is_a_conflict(bench):
    for asset in ("BTC", "DOGE"):
        library = bench.libraries[0]
        plan = coins.plan(bench.random("conflict", asset), bench.of(asset, "mainnet")[:1], name=f"conflict {asset}")
        bench.both_ways(library, plan)
        plan.outputs[0].value -= 100
        bench.refused(plan, library.build(plan), "CONFLICT")
    return "2 refused"


CASES = [
    every_kind_version_and_sighash_type,
    amounts_beyond_bitcoins,
    generated,
    many_inputs_of_several_wallets,
    what_is_not_proven_or_not_ours_is_refused,
    a_redeem_script_left_out_is_put_in,
    another_content_on_the_same_outpoint_is_a_conflict,
    *chain.CASES,
    *messages.CASES,
]


def main():
    socket, results = sys.argv[1:]
    bench = Bench(socket)
    print(f"seed {bench.seed}, {len(bench.wallets)} wallets", flush=True)
    failed = 0
    for case in CASES:
        started = time.monotonic()
        try:
            said = case(bench)
            print(f"ok {case.__name__}: {said} ({time.monotonic() - started:.1f} s)", flush=True)
        except Exception:  # whatever a library raises is this case's failure
            failed += 1
            print(f"FAILED {case.__name__}\n{traceback.format_exc()[-6_000:]}", flush=True)
    bench.node.stop()
    pathlib.Path(results).write_text(json.dumps(bench.results), encoding="ascii")
    print(f"psbt_peers: {len(CASES) - failed} of {len(CASES)}; {len(bench.results)} transactions")
    sys.exit(1 if failed else 0)


main()
