#!/usr/bin/env bash
# Has other people's clients talk to a daemon, each unchanged and as its users use it.
#
#   run.sh KMSIGND TOOLSDIR
#
# KMSIGND is the binary, built with the emulator. The clients, pinned here, are installed under TOOLSDIR once and again when
# a pin changes.
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: $0 KMSIGND TOOLSDIR" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
kmsignd=$(realpath "$1")
mkdir -p "$2"
tools=$(cd "$2" && pwd)/clients
pins=$(cat "$here/package-lock.json" "$here/requirements.txt" | sha256sum)

if [ "$(cat "$tools/pins" 2>/dev/null)" != "$pins" ]; then
    rm -rf "$tools"
    mkdir -p "$tools"
    cp "$here/package.json" "$here/package-lock.json" "$tools"
    npm ci --prefix "$tools" --ignore-scripts --no-audit --no-fund --loglevel=error
    python3 -m venv "$tools/venv"
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.txt"
    echo "$pins" >"$tools/pins"
fi

dir=$(mktemp -d)
daemon=
cleanup() {
    [ -z "$daemon" ] || { kill "$daemon" 2>/dev/null && wait "$daemon"; } || true
    rm -rf "$dir"
}
trap cleanup EXIT

"$kmsignd" dev --dir "$dir/dev" >"$dir/log" 2>&1 </dev/null &
daemon=$!
for ((tries = 0; ; tries++)); do
    curl --silent --fail --max-time 2 --output /dev/null --unix-socket "$dir/dev/kmsignd.sock" http://localhost/readyz && break
    if ((tries == 150)) || ! kill -0 "$daemon" 2>/dev/null; then
        echo "kmsignd did not become ready:" >&2
        cat "$dir/log" >&2
        exit 1
    fi
    sleep 0.2
done

export NODE_PATH=$tools/node_modules CAST=$tools/node_modules/@foundry-rs/cast-linux-amd64/bin/cast
"$tools/venv/bin/python" "$here/clients.py" "$dir/dev/kmsignd.sock" || { cat "$dir/log" >&2; exit 1; }
