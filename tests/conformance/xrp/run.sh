#!/usr/bin/env bash
# Has xrpl-py build transactions of the XRP Ledger, a daemon sign them, and xrpl and xrpl-py judge them.
#
#   run.sh KMSIGND TOOLSDIR
#
# KMSIGND is the binary, built with the emulator. With KMSIGND_TEST_MINISTACK_URL, another one serves with that KMS and signs a few.
# What is pinned here is installed under TOOLSDIR once and again when a pin changes; nothing outside of it.
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: $0 KMSIGND TOOLSDIR" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
kmsignd=$(realpath "$1")
mkdir -p "$2"
tools=$(cd "$2" && pwd)/xrp
# shellcheck source=tests/conformance/daemon.sh
. "$here/../daemon.sh"

# ECPy has no wheel, and nothing to compile.
libraries "$tools" "$here"

export NODE_PATH=$tools/node_modules PYTHONPATH=$here/.. PYTHONDONTWRITEBYTECODE=1
with_dev "$kmsignd" "$tools/venv/bin/python" "$here/xrp_peers.py" emulator
[ -z "${KMSIGND_TEST_MINISTACK_URL:-}" ] ||
    with_ministack "$kmsignd" "$tools/venv/bin/python" "$here/xrp_peers.py" ministack
