#!/usr/bin/env bash
# Runs a server that speaks MongoDB's protocol, for the tests whose names contain `mongodb`.
#
#   tests/mongodb/server.sh start      starts one on a free port of 127.0.0.1, waits until it listens, and prints its URI for
#                                      KMSIGND_TEST_MONGODB_URI
#   tests/mongodb/server.sh secured    another one, with TLS and SCRAM, and prints its URI for KMSIGND_TEST_MONGODB_SECURED_URI;
#                                      nothing, and why on stderr, where that can't be had
#   tests/mongodb/server.sh stop       stops what was started
#
# The first of these that there is: KMSIGND_TEST_MONGODB_URI itself, a mongod on the PATH, FerretDB built by Go from
# tests/mongodb/ferretdb, which pins it and says in ferretdb.patch what is changed in it. FerretDB has no replica set and ignores
# write concerns; what a server says when they matter, the tests in tests/it/mongo_answers.rs say themselves.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
tools=$(dirname "$here")/.tools
state_file=$tools/mongodb.state
# Named for what it is made of: another patch is another server.
ferretdb=$tools/ferretdb-1.24.2-$(cksum <"$here/ferretdb/ferretdb.patch" | cut -d ' ' -f 1)/ferretdb

# FerretDB wants its version in a file that its module does not ship: the build is of a copy that has it.
build_ferretdb() {
    [ ! -x "$ferretdb" ] || return 0
    local source build
    mkdir -p "$(dirname "$ferretdb")"
    build=$(mktemp -d)
    (
        cd "$here/ferretdb"
        go mod download github.com/FerretDB/FerretDB
        source=$(go list -m -f '{{.Dir}}' github.com/FerretDB/FerretDB)
        cp -r --no-preserve=mode "$source" "$build/source"
        patch --quiet --strip=1 --directory="$build/source" --input="$here/ferretdb/ferretdb.patch"
        echo v1.24.2 >"$build/source/build/version/version.txt"
        cp go.mod "$build/go.mod"
        cp go.sum "$build/go.sum"
        go mod edit -replace "github.com/FerretDB/FerretDB=$build/source" "$build/go.mod"
        go build -modfile="$build/go.mod" -buildvcs=false -o "$build/ferretdb" github.com/FerretDB/FerretDB/cmd/ferretdb
    ) >&2
    mv "$build/ferretdb" "$ferretdb"
    rm -rf "$build"
}

listens() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

free_port() {
    local port
    for _ in $(seq 100); do
        port=$((20000 + RANDOM % 12000))
        listens "$port" || break
    done
    echo "$port"
}

# Starts the command given and waits until it listens on the port: launch PORT DIRECTORY COMMAND...
launch() {
    local port=$1 directory=$2 pid
    shift 2
    nohup "$@" >"$directory/log" 2>&1 </dev/null &
    pid=$!
    echo "$pid $directory $1" >>"$state_file"
    for _ in $(seq 300); do
        if listens "$port"; then
            return
        fi
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    echo "$1 does not listen; it said:" >&2
    tail -n 20 "$directory/log" >&2
    return 1
}

run_ferretdb() { # PORT DIRECTORY MORE-OPTIONS...
    local port=$1 directory=$2
    shift 2
    build_ferretdb
    launch "$port" "$directory" "$ferretdb" --handler=sqlite --sqlite-url="file:$directory/" --state-dir="$directory" \
        --debug-addr=- --log-level=error --telemetry=disable "$@"
}

start() {
    if [ -n "${KMSIGND_TEST_MONGODB_URI:-}" ]; then
        echo "$KMSIGND_TEST_MONGODB_URI"
        return
    fi
    local directory port
    mkdir -p "$tools"
    directory=$(mktemp -d)
    port=$(free_port)
    if command -v mongod >/dev/null; then
        launch "$port" "$directory" "$(command -v mongod)" --dbpath "$directory" --bind_ip 127.0.0.1 --port "$port"
    else
        run_ferretdb "$port" "$directory" --listen-addr="127.0.0.1:$port"
    fi
    echo "mongodb://127.0.0.1:$port"
}

secured() {
    local directory port ca
    if [ -n "${KMSIGND_TEST_MONGODB_SECURED_URI:-}" ]; then
        echo "$KMSIGND_TEST_MONGODB_SECURED_URI"
        return
    fi
    if ! command -v openssl >/dev/null; then
        echo "openssl is not installed, so there is no certificate for a server with TLS" >&2
        return
    fi
    mkdir -p "$tools"
    directory=$(mktemp -d)
    port=$(free_port)
    ca=$directory/ca.pem
    (
        cd "$directory"
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out "$ca" -days 2 -subj "/CN=test CA" \
            -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign"
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj "/CN=localhost"
        printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n' >server.ext
        openssl x509 -req -in server.csr -CA "$ca" -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile server.ext
    ) >"$directory/openssl.log" 2>&1
    run_ferretdb "$port" "$directory" --listen-addr= --listen-tls="127.0.0.1:$port" \
        --listen-tls-cert-file="$directory/server.pem" --listen-tls-key-file="$directory/server.key" \
        --test-enable-new-auth --setup-database=admin --setup-username=kmsignd --setup-password='pass/word@1'
    echo "mongodb://kmsignd:pass%2Fword%401@localhost:$port/?tls=true&tlsCAFile=$ca&authSource=admin"
}

stop() {
    [ -f "$state_file" ] || return 0
    local pid directory command
    while read -r pid directory command; do
        # Only if the process is still ours: a pid can be used again.
        if [ -r "/proc/$pid/cmdline" ] && tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF "$command"; then
            kill "$pid"
            for _ in $(seq 100); do
                kill -0 "$pid" 2>/dev/null || break
                sleep 0.1
            done
        fi
        rm -rf "$directory"
    done <"$state_file"
    rm -f "$state_file"
}

case ${1:-} in
start) start ;;
secured) secured ;;
stop) stop ;;
*)
    echo "usage: $0 start|secured|stop" >&2
    exit 64
    ;;
esac
