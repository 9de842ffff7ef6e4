#!/usr/bin/env bash
# Sourced by the run.sh of a suite: what it installs, and the daemon that signs for it.

# install_pinned DIR FILE...: whether what the files pin has to be installed in DIR, anew. `pinned DIR FILE...` says that it is.
install_pinned() {
    local to=$1
    shift
    [ "$(cat "$to/pins" 2>/dev/null)" != "$(cat "$@" | sha256sum)" ] || return
    rm -rf "$to"
    mkdir -p "$to"
}
pinned() {
    local to=$1
    shift
    cat "$@" | sha256sum >"$to/pins"
}

# libraries DIR HERE [PIP-OPTION...]: installs in DIR what package-lock.json and requirements.txt in HERE pin.
libraries() {
    local to=$1 here=$2
    shift 2
    install_pinned "$to" "$here/package-lock.json" "$here/requirements.txt" || return 0
    cp "$here/package.json" "$here/package-lock.json" "$to"
    npm ci --prefix "$to" --ignore-scripts --no-audit --no-fund --loglevel=error
    python3 -m venv "$to/venv"
    "$to/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps "$@" -r "$here/requirements.txt"
    pinned "$to" "$here/package-lock.json" "$here/requirements.txt"
}

scratch=$(mktemp -d)
daemon=
stop_kmsignd() {
    [ -z "$daemon" ] || { kill "$daemon" 2>/dev/null && wait "$daemon"; } || true
    daemon=
}
trap 'stop_kmsignd; rm -rf "$scratch"' EXIT

# ready SOCKET LOG: waits until the daemon could sign.
ready() {
    local tries
    for ((tries = 0; ; tries++)); do
        curl --silent --fail --max-time 2 --output /dev/null --unix-socket "$1" http://localhost/readyz && return
        if ((tries == 300)) || ! kill -0 "$daemon" 2>/dev/null; then
            echo "kmsignd did not become ready:" >&2
            cat "$2" >&2
            exit 1
        fi
        sleep 0.1
    done
}

# with_dev KMSIGND COMMAND...: runs the command with the socket of `kmsignd dev` as its last argument. Wallets may be of main
# networks, so that the main networks' own constants are used: none of these coins exist.
with_dev() {
    local kmsignd=$1 dev=$scratch/dev
    shift
    "$kmsignd" dev --dir "$dev" --allow-mainnet >"$scratch/log" 2>&1 </dev/null &
    daemon=$!
    ready "$dev/kmsignd.sock" "$scratch/log"
    "$@" "$dev/kmsignd.sock" || { tail -n 50 "$scratch/log" >&2; exit 1; }
    stop_kmsignd
}

# with_ministack KMSIGND COMMAND...: the same with `kmsignd serve`, whose KMS is the one at KMSIGND_TEST_MINISTACK_URL.
with_ministack() {
    local kmsignd=$1 home=$scratch/serve
    shift
    mkdir -m 700 "$home" "$home/policy.d"
    (
        umask 077
        cat >"$home/policy.d/suite.cedar" <<END
permit (
  principal == User::"$(id -u)",
  action in [Action::"read", Action::"create", Action::"sign", Action::"signMessage", Action::"delegate"],
  resource
);
END
        cat >"$home/kmsignd.toml" <<END
[socket]
path = "$home/kmsignd.sock"
mode = "0600"
group = ""
[store]
path = "$home/kmsignd.db"
[policy]
directory = "$home/policy.d"
[keys]
deployment = "conformance"
[kms]
region = "eu-central-1"
endpoint_url = "$KMSIGND_TEST_MINISTACK_URL"
tagging_endpoint_url = "$KMSIGND_TEST_MINISTACK_URL"
END
    )
    AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test "$kmsignd" serve --config "$home/kmsignd.toml" \
        >"$scratch/log" 2>&1 </dev/null &
    daemon=$!
    ready "$home/kmsignd.sock" "$scratch/log"
    "$@" "$home/kmsignd.sock" || { tail -n 50 "$scratch/log" >&2; exit 1; }
    stop_kmsignd
}
