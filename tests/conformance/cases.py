"""Runs the cases of a suite, and counts by whom what was checked."""

import os
import random
import sys
import threading
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

SEED = os.environ.get("KMSIGND_TEST_SEED", "1")
CALLERS = 8

_counts = Counter()
_counting = threading.Lock()


def count(what, by, number=1):
    """Adds to the table. Called after a check has passed."""
    with _counting:
        _counts[what, by] += number


def random_of(*names):
    """Its own for each case and number, so that every one can be made again alone."""
    return random.Random(" ".join(map(str, [SEED, *names])))


def every(work, items):
    """Does the work for each, some at a time. What went wrong first is raised, with the item it went wrong with."""

    def named(item):
        try:
            return work(item)
        except Exception as error:
            raise AssertionError(f"with {item!r:.3000}") from error

    with ThreadPoolExecutor(CALLERS) as callers:
        return list(callers.map(named, items))


def refuses(judge, what, by):
    """A judge that takes a broken one judges nothing: `judge` must give false or raise."""
    try:
        taken = judge()
    except Exception:  # libraries raise whatever they like
        taken = False
    assert not taken, f"{by} takes {what}"
    count(f"{what}: refused", by)


def run(name, cases):
    """Runs them in turn and prints a line for each, then the table. Ends the process: 1 if any failed."""
    failed = 0
    for case in cases:
        started = time.monotonic()
        try:
            case()
            print(f"ok {case.__name__} ({time.monotonic() - started:.1f} s)", flush=True)
        except Exception:  # whatever a library raises is this case's failure
            failed += 1
            print(f"FAILED {case.__name__}\n{traceback.format_exc()[-6_000:]}", flush=True)
    width = max((len(what) for what, _ in _counts), default=0)
    for (what, by), number in sorted(_counts.items()):
        print(f"{what:{width}}  {number:6}  {by}")
    print(f"{name}: {len(cases) - failed} of {len(cases)} cases; seed {SEED}", flush=True)
    sys.exit(1 if failed else 0)
