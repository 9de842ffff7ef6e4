#!/bin/sh
# Runs ministack, a third-party KMS, for the conformance list of tests/it/kms_conformance.rs.
#
#   tests/kms/ministack.sh start    installs it below tests/.tools, starts it on a free port of 127.0.0.1, waits until it
#                                   answers, and prints its URL for KMSIGND_TEST_MINISTACK_URL
#   tests/kms/ministack.sh stop     stops the one that start started
#
# AUTH stays off: the list has cases with requests that AWS refuses before it looks at the signature.
set -eu

tools=$(cd "$(dirname "$0")/.." && pwd)/.tools
requirements=$(cd "$(dirname "$0")" && pwd)/requirements.txt
venv=$tools/ministack
pid_file=$tools/ministack.pid
log=$tools/ministack.log

install() {
    # The copy of the requirements is written last, so an install that was cut off is done again.
    cmp -s "$requirements" "$venv/requirements.txt" && return
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$requirements" >&2
    cp "$requirements" "$venv/requirements.txt"
}

start() {
    mkdir -p "$tools"
    install
    stop
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    SERVICES=kms,tagging BIND_HOST=127.0.0.1 GATEWAY_PORT=$port IOT_MTLS_ENABLED=0 SFTP_ENABLED=0 LOG_LEVEL=WARNING \
        nohup "$venv/bin/ministack" >"$log" 2>&1 </dev/null &
    pid=$!
    echo "$pid" >"$pid_file"
    url=http://127.0.0.1:$port
    tries=0
    until python3 -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=2)' \
        "$url/_ministack/health" 2>/dev/null; do
        tries=$((tries + 1))
        if [ "$tries" -gt 150 ] || ! kill -0 "$pid" 2>/dev/null; then
            echo "ministack did not start; its log is $log" >&2
            stop
            exit 1
        fi
        sleep 0.2
    done
    echo "$url"
}

stop() {
    [ -f "$pid_file" ] || return 0
    pid=$(cat "$pid_file")
    rm -f "$pid_file"
    # Only if the process is still ours: a pid can be used again.
    if tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q "$venv/bin/ministack"; then
        kill "$pid"
        tries=0
        while kill -0 "$pid" 2>/dev/null && [ "$tries" -lt 100 ]; do
            tries=$((tries + 1))
            sleep 0.1
        done
    fi
}

case ${1:-} in
start) start ;;
stop) stop ;;
*)
    echo "usage: $0 start|stop" >&2
    exit 64
    ;;
esac
