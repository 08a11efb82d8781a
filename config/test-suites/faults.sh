#!/bin/sh
# lockstep in a test written in shell: a mail through a greylisting path is put off, once, and is
# taken when it comes again. Needs swaks, which exits with 24 when no recipient is accepted.
set -eu

lockstep=${LOCKSTEP:-lockstep}
folder=$(mktemp -d)
"$lockstep" fault --listen 127.0.0.1:0 --transcripts "$folder/transcripts" \
    'command RCPT new=1s do answer "451 4.7.1 Greylisted"' \
    >"$folder/ready" 2>"$folder/log" &
program=$!
trap '[ -z "$program" ] || kill -KILL "$program"; rm -rf "$folder"' EXIT

fail() {
    echo "failed: $1" >&2
    cat "$folder/ready" "$folder/log" >&2
    exit 1
}

# Waits for "ready, listening on 127.0.0.1:PORT, seed N".
tries=0
until port=$(sed -n 's/.*listening on 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$folder/ready") &&
    [ -n "$port" ]; do
    tries=$((tries + 1))
    if [ $tries -gt 100 ] || ! kill -0 "$program"; then
        fail "lockstep did not start"
    fi
    sleep 0.1
done

# Stands for the program under test.
send() {
    swaks --server "127.0.0.1:$port" --from app@example.com --to me@example.com >"$folder/said"
}

code=0
send || code=$?
[ $code -eq 24 ] || fail "the first try was not put off: swaks ended with $code"
sleep 1
send || fail "the second try was not taken"
kill "$program"
wait "$program" || fail "lockstep ended with $?"
program=
[ "$(grep -l 'C< 451 4.7.1 Greylisted' "$folder"/transcripts/*.smtp | wc -l)" -eq 1 ] ||
    fail "not exactly one session was put off"
echo "passed"
