#!/bin/sh
# Has other implementations compute the digests of typed data that tests/it/typed_data_peers.rs compares with ours.
#
#   run.sh OUTDIR TOOLSDIR
#
# Writes OUTDIR/cases.jsonl, by KMSIGND_TEST_SEED (1), and OUTDIR/<peer>.jsonl. The peers, pinned here, are installed under TOOLSDIR
# once and again when a pin changes.
set -eu
[ $# -eq 2 ] || { echo "usage: $0 OUTDIR TOOLSDIR" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1" "$2"
out=$(cd "$1" && pwd)
tools=$(cd "$2" && pwd)/typed-data
pins=$(cat "$here/package-lock.json" "$here/requirements.txt" | sha256sum)

if [ "$(cat "$tools/pins" 2>/dev/null)" != "$pins" ]; then
    rm -rf "$tools"
    mkdir -p "$tools"
    cp "$here/package.json" "$here/package-lock.json" "$tools"
    npm ci --prefix "$tools" --no-audit --no-fund --loglevel=error
    python3 -m venv "$tools/venv"
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.txt"
    echo "$pins" >"$tools/pins"
fi

"$tools/venv/bin/python" "$here/generate.py" "${KMSIGND_TEST_SEED:-1}" "$out/cases.jsonl"
NODE_PATH="$tools/node_modules" node "$here/peers.cjs" "$out"
"$tools/venv/bin/python" "$here/peers.py" "$out"
