#!/bin/sh
# Fuzzes what reads callers' bytes, with libFuzzer and a stable compiler.
#
#   run.sh SECONDS [TARGET...]
#
# Each target gets so many seconds, two of them at a time, beginning with fuzz/corpus/TARGET. What it finds on the way is kept below
# $CARGO_TARGET_DIR/fuzz/found, so that the next run goes on from there; an input that breaks something is left in
# $CARGO_TARGET_DIR/fuzz/broken and named. cargo-fuzz itself is not used: it sets `--cfg fuzzing`, under which `bitcoin` takes wrong
# hashes for right.
set -eu
[ $# -ge 1 ] || { echo "usage: $0 SECONDS [TARGET...]" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
seconds=$1
shift
[ $# -gt 0 ] || set -- request evm_transaction typed_data psbt xrp_transaction solana_transaction cardano_transaction
build=$(mkdir -p "${CARGO_TARGET_DIR:-$here/../target}/fuzz" && cd "${CARGO_TARGET_DIR:-$here/../target}/fuzz" && pwd)
host=$(rustc -vV | sed -n 's/^host: //p')

# A target of its own, even if it is the host's: only then cargo tells what runs at build time from what is fuzzed.
CARGO_TARGET_DIR=$build RUSTC_WRAPPER=$here/instrument.sh \
    cargo build --locked --manifest-path "$here/Cargo.toml" --target "$host" --bins

# Fuzzes one target, and tells of it once it is done.
fuzz() {
    target=$1
    found=$build/found/$target seeds=$build/seeds/$target broken=$build/broken/$target
    rm -rf "$seeds"
    mkdir -p "$found" "$seeds" "$broken"
    # Binary seeds are kept as base64.
    for seed in "$here/corpus/$target"/*; do
        case $seed in
        *.b64) base64 -d "$seed" >"$seeds/$(basename "$seed" .b64)" ;;
        *) cp "$seed" "$seeds" ;;
        esac
    done
    broke=''
    "$build/$host/debug/$target" "$found" "$seeds" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=65536 \
        -dict="$here/words.dict" -artifact_prefix="$broken/" -print_final_stats=1 -verbosity=1 2>"$build/$target.log" || broke=yes
    echo "fuzz $target for $seconds s, from $(find "$seeds" -type f | wc -l) seeds"
    sed -n 's/^stat:://p; s/^Done /done: /p' "$build/$target.log"
    grep -E 'cov: [0-9]+' "$build/$target.log" | tail -n 1
    [ -n "$broke" ] || return 0
    echo "$target broke: see $broken" >&2
    tail -n 40 "$build/$target.log" >&2
    return 1
}

status=0
while [ $# -gt 0 ]; do
    fuzz "$1" &
    first=$!
    shift
    if [ $# -gt 0 ]; then
        fuzz "$1" || status=1
        shift
    fi
    wait "$first" || status=1
done
exit $status
