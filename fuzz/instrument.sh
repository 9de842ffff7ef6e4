#!/bin/sh
# RUSTC_WRAPPER of run.sh: measures the coverage of what reads what callers send, and of nothing else. The rest of the dependency tree
# would take several times as long to build, and what goes on in a TLS library steers no input. These flags are what cargo-fuzz gives
# without a sanitizer; a stable compiler has them.
#
# `--cfg fuzzing` is left out on purpose: `bitcoin` then takes wrong hashes for right.
rustc=$1
shift
name='' target=''
previous=''
for argument; do
    case $previous in
    --crate-name) name=$argument ;;
    --target) target=$argument ;;
    esac
    previous=$argument
done
case $name in
kmsignd | request | *_transaction | typed_data | psbt | serde_json | hex | base64 | bitcoin | psbt_v2 | alloy_rlp | alloy_consensus | \
    alloy_eips | alloy_primitives | alloy_sol_types | alloy_dyn_abi | bs58 | minicbor | pallas_* | solana_message)
    # Build scripts and macros run on the host, without libFuzzer.
    if [ -n "$target" ]; then
        set -- "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
            -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
            -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1
    fi
    ;;
esac
exec "$rustc" "$@"
