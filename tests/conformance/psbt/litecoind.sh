#!/bin/sh
# Puts Litecoin Core, and the libraries that it needs beside a C++ run-time and OpenSSL, below a directory, from Debian's
# packages and without installing them.
#
#   litecoind.sh DIR       prints how to run it: words for the shell. Exits 77 where the packages can't be had
#
# These are the packages of Debian 12, whose names tell their versions.
set -eu
[ $# -eq 1 ] || { echo "usage: $0 DIR" >&2; exit 64; }
packages="litecoind=0.21.2.1-1+b1 libboost-filesystem1.74.0 libboost-thread1.74.0 libdb5.3++ libevent-2.1-7
    libevent-core-2.1-7 libevent-pthreads-2.1-7 libfmt9 libleveldb1d libminiupnpc17 libsnappy1v5"

unavailable() {
    echo "SKIPPED litecoind 0.21.2.1: $1" >&2
    exit 77
}

download() {
    # shellcheck disable=SC2086 # a list
    (cd "$1/deb" && apt-get download -qq $packages >&2)
}

if [ ! -f "$1/complete" ]; then
    command -v apt-get >/dev/null || unavailable "this is not Debian"
    rm -rf "$1"
    mkdir -p "$1/deb" "$1/root"
    # Package lists may be missing, or too old to name files that are still there.
    download "$1" 2>/dev/null || { [ "$(id -u)" -eq 0 ] && apt-get update -qq >&2 && download "$1"; } ||
        unavailable "its packages can't be downloaded"
    for package in "$1"/deb/*.deb; do
        dpkg-deb --extract "$package" "$1/root"
    done
    rm -r "$1/deb"
    touch "$1/complete"
fi

root=$(cd "$1/root" && pwd)
library_path=$(dirname "$(find "$root/usr/lib" -name 'libleveldb.so.1d' | head -n 1)")
LD_LIBRARY_PATH=$library_path "$root/usr/lib/litecoin/litecoind" --version | grep -q 'v0\.21\.2\.1' ||
    unavailable "it does not run here"
# What /usr/bin/litecoind starts; that one writes into the home directory first.
echo "env LD_LIBRARY_PATH=$library_path $root/usr/lib/litecoin/litecoind"
