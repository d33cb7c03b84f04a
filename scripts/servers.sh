#!/bin/sh
# The servers that the tests start for themselves. What is missing is installed if we may, else named.
set -eu

missing=
need() { # PROGRAM PACKAGE [FOLDER…]: a program on the path, or in a folder where Debian keeps it
    program=$1 package=$2
    shift 2
    command -v "$program" >/dev/null 2>&1 && return
    for folder in "$@"; do
        [ -x "$folder/$program" ] && return
    done
    missing="$missing $package"
}
look() {
    missing=
    need initdb postgresql /usr/lib/postgresql/*/bin
    need psql postgresql-client /usr/lib/postgresql/*/bin
    need redis-server redis-server
    need redis-cli redis-tools
    need rabbitmq-server rabbitmq-server /usr/lib/rabbitmq/bin
    need epmd erlang-base
    need faketime faketime
    need haproxy haproxy /usr/sbin
    need sqlite3 sqlite3
    # A client of another language reads what we publish; it comes by pip into a folder of the tests' own.
    need python3 python3
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
}

look
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing, for the tests:$missing" >&2
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 # one word for every package
    { apt-get update -q && apt-get install -q -y --no-install-recommends $missing; } >&2 || true
    look
    [ -z "$missing" ] && exit 0
fi
echo "the tests start servers of their own, and these are missing: install$missing" >&2
exit 1
