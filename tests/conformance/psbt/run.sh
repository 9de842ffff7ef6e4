#!/usr/bin/env bash
# Has other people's libraries build PSBTs, a daemon sign them, and the same libraries and Litecoin Core finish them.
#
#   run.sh KMSIGND TOOLSDIR RESULTS
#
# KMSIGND is the binary, built with the emulator. Writes into the file RESULTS what tests/it/psbt_peers.rs has Bitcoin Core's
# verifier check. What is pinned here is installed under TOOLSDIR once and again when a pin changes; nothing outside of it.
set -euo pipefail
[ $# -eq 3 ] || { echo "usage: $0 KMSIGND TOOLSDIR RESULTS" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
kmsignd=$(realpath "$1")
mkdir -p "$2"
tools=$(cd "$2" && pwd)/psbt
results=$(realpath -m "$3")
pins=$(cat "$here/package-lock.json" "$here/requirements.txt" | sha256sum)

litecoind=$("$here/litecoind.sh" "$2/litecoind-0.21.2.1")
if [ "$(cat "$tools/pins" 2>/dev/null)" != "$pins" ]; then
    rm -rf "$tools"
    mkdir -p "$tools"
    cp "$here/package.json" "$here/package-lock.json" "$tools"
    npm ci --prefix "$tools" --ignore-scripts --no-audit --no-fund --loglevel=error
    python3 -m venv "$tools/venv"
    # embit has no wheel, and nothing to compile.
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: --no-binary embit \
        -r "$here/requirements.txt"
    echo "$pins" >"$tools/pins"
fi

dir=$(mktemp -d)
daemon=
node=
cleanup() {
    local pid
    for pid in $daemon $node; do
        { kill "$pid" 2>/dev/null && wait "$pid"; } || true
    done
    rm -rf "$dir"
}
trap cleanup EXIT

# ready WHAT PID LOG COMMAND...: waits until the command succeeds.
ready() {
    local what=$1 pid=$2 log=$3 tries
    shift 3
    for ((tries = 0; ; tries++)); do
        "$@" && return
        if ((tries == 300)) || ! kill -0 "$pid" 2>/dev/null; then
            echo "$what did not become ready:" >&2
            cat "$log" >&2
            exit 1
        fi
        sleep 0.1
    done
}

LITECOIN_PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
LITECOIN_COOKIE=$dir/litecoin/regtest/.cookie
export LITECOIN_PORT LITECOIN_COOKIE
mkdir "$dir/litecoin"
# shellcheck disable=SC2086 # words, as litecoind.sh says
$litecoind -regtest -datadir="$dir/litecoin" -server -listen=0 -connect=0 -dnsseed=0 -upnp=0 -printtoconsole=0 -txindex=1 \
    -rpcbind=127.0.0.1 -rpcallowip=127.0.0.1 -rpcport="$LITECOIN_PORT" -fallbackfee=0.0002 >"$dir/litecoin.log" 2>&1 </dev/null &
node=$!
# Wallets of main networks, so that the main networks' own constants are used: none of these coins exist.
"$kmsignd" dev --dir "$dir/dev" --allow-mainnet >"$dir/log" 2>&1 </dev/null &
daemon=$!
ready kmsignd "$daemon" "$dir/log" \
    curl --silent --fail --max-time 2 --output /dev/null --unix-socket "$dir/dev/kmsignd.sock" http://localhost/readyz
litecoin_answers() {
    [ -f "$LITECOIN_COOKIE" ] && curl --silent --fail --max-time 2 --output /dev/null --user "$(cat "$LITECOIN_COOKIE")" \
        --data '{"id":1,"method":"getblockcount","params":[]}' "http://127.0.0.1:$LITECOIN_PORT/"
}
ready litecoind "$node" "$dir/litecoin.log" litecoin_answers

export NODE_PATH=$tools/node_modules PYTHONPATH=$here/.. PYTHONDONTWRITEBYTECODE=1
"$tools/venv/bin/python" "$here/psbt_peers.py" "$dir/dev/kmsignd.sock" "$results" || { cat "$dir/log" >&2; exit 1; }
