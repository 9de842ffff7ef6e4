#!/usr/bin/env bash
# Has transactions that a daemon signs mined by anvil and hardhat, on the chain ids of ETH, BNB and POL.
#
#   run.sh KMSIGND TOOLSDIR
#
# KMSIGND is the binary, built with the emulator. The nodes, pinned here, are installed under TOOLSDIR once and again when a pin
# changes. KMSIGND_TEST_SEED and KMSIGND_TEST_TRANSACTIONS: see nodes.cjs.
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: $0 KMSIGND TOOLSDIR" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
kmsignd=$(realpath "$1")
mkdir -p "$2"
tools=$(cd "$2" && pwd)/evm-nodes
pins=$(sha256sum <"$here/package-lock.json")

if [ "$(cat "$tools/pins" 2>/dev/null)" != "$pins" ]; then
    rm -rf "$tools"
    mkdir -p "$tools"
    cp "$here/package.json" "$here/package-lock.json" "$tools"
    npm ci --prefix "$tools" --ignore-scripts --no-audit --no-fund --loglevel=error
    echo "$pins" >"$tools/pins"
fi
# Hardhat runs where it is installed, and keeps a cache beside its file.
cp "$here/hardhat.config.cjs" "$tools"

dir=$(mktemp -d)
started=()
cleanup() {
    ((${#started[@]} == 0)) || { kill "${started[@]}" 2>/dev/null; wait "${started[@]}"; } || true
    rm -rf "$dir"
}
trap cleanup EXIT

# Runs COMMAND... in the background, with its output in the file NAME.
start() {
    local name=$1
    shift
    "$@" >"$dir/$name" 2>&1 </dev/null &
    started+=($!)
}

# Waits until the file NAME of what PID writes has a line that matches the pattern, and prints what matched.
wait_for() {
    local pid=$1 name=$2 pattern=$3 tries
    for ((tries = 0; tries < 300; tries++)); do
        grep -aoE -m1 "$pattern" "$dir/$name" && return
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.2
    done
    echo "$name did not become ready:" >&2
    cat "$dir/$name" >&2
    return 1
}

start kmsignd "$kmsignd" dev --dir "$dir/dev" --allow-mainnet
for chain in 1 56 137; do
    start "anvil-$chain" "$tools/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil" \
        --host 127.0.0.1 --port 0 --chain-id "$chain" --base-fee 0 --gas-limit $((2 ** 36))
    (
        cd "$tools"
        export CI=true HARDHAT_DISABLE_TELEMETRY_PROMPT=true CHAIN_ID=$chain
        exec node node_modules/hardhat/internal/cli/bootstrap.js --config hardhat.config.cjs node --hostname 127.0.0.1 --port 0
    ) >"$dir/hardhat-$chain" 2>&1 </dev/null &
    started+=($!)
done
wait_for "${started[0]}" kmsignd 'serves on ' >/dev/null
nodes=()
index=1
for chain in 1 56 137; do
    for name in anvil hardhat; do
        address=$(wait_for "${started[index++]}" "$name-$chain" '(Listening on |server at http://)127\.0\.0\.1:[0-9]+')
        nodes+=("$chain=http://127.0.0.1:${address##*:}")
    done
done

export NODE_PATH=$tools/node_modules
node "$here/nodes.cjs" "$dir/dev/kmsignd.sock" "$dir/table" "${nodes[@]}" || { cat "$dir/kmsignd" >&2; exit 1; }
python3 "$here/../documented.py" "EVM node x type" "$dir/table"
