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
pins=$(cat "$here"/{package-lock.json,requirements.txt,web3j/pom.xml,alloy/Cargo.lock} | sha256sum)

if [ "$(cat "$tools/pins" 2>/dev/null)" != "$pins" ]; then
    rm -rf "$tools"
    mkdir -p "$tools"
    cp "$here/package.json" "$here/package-lock.json" "$tools"
    npm ci --prefix "$tools" --ignore-scripts --no-audit --no-fund --loglevel=error
    python3 -m venv "$tools/venv"
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.txt"
    mvn --quiet --batch-mode -Dstyle.color=never --file "$here/web3j/pom.xml" "-Dmaven.repo.local=$tools/maven" \
        dependency:copy-dependencies "-DoutputDirectory=$tools/web3j/lib"
    echo "$pins" >"$tools/pins"
fi

# What is of our own around the libraries is compiled each time: it takes seconds, and cargo knows what has changed.
javac -d "$tools/web3j/classes" --release 17 -cp "$tools/web3j/lib/*" "$here/web3j/Web3jClient.java"
cargo build --quiet --locked --manifest-path "$here/alloy/Cargo.toml" --target-dir "$tools/alloy"

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
export ALLOY=$tools/alloy/debug/kmsignd-alloy-client
export WEB3J_CLASSPATH="$tools/web3j/classes:$tools/web3j/lib/*"
"$tools/venv/bin/python" "$here/clients.py" "$dir/dev/kmsignd.sock" "$dir/table" || { cat "$dir/log" >&2; exit 1; }
python3 "$here/../documented.py" "EVM client x method" "$dir/table"
