#!/usr/bin/env bash
# Has pycardano build transactions of Cardano, a daemon sign them, and pallas-validate judge them.
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
tools=$(cd "$2" && pwd)/cardano
# shellcheck source=tests/conformance/daemon.sh
. "$here/../daemon.sh"

if install_pinned "$tools" "$here/requirements.txt" "$here/judge/Cargo.lock"; then
    python3 -m venv "$tools/venv"
    # These have no wheel, and nothing to compile.
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.txt"
    pinned "$tools" "$here/requirements.txt" "$here/judge/Cargo.lock"
fi
# What is of our own around the crate is compiled each time: cargo knows what has changed.
cargo build --quiet --locked --manifest-path "$here/judge/Cargo.toml" --target-dir "$tools/judge"

export JUDGE=$tools/judge/debug/kmsignd-cardano-judge PYTHONPATH=$here/.. PYTHONDONTWRITEBYTECODE=1
with_dev "$kmsignd" "$tools/venv/bin/python" "$here/cardano_peers.py" emulator
[ -z "${KMSIGND_TEST_MINISTACK_URL:-}" ] ||
    with_ministack "$kmsignd" "$tools/venv/bin/python" "$here/cardano_peers.py" ministack
