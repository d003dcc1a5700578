#!/bin/bash
# Prints the golden messages of a satellite, computed with openssl 3 and coreutils only (presence/core/recognition/satellite_message.py).
set -eu
key=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
nonce=a0a1a2a3a4a5a6a7
session=b0b1b2b3b4b5b6b7

hex() { printf '%s' "$1" | od -An -vtx1 | tr -d ' \n'; }
heard() { # heard SENT READINGS, in hex; of the satellite pavement in store fi-0042 of the chain acme
    body=01$nonce$session$1$2
    content=$(hex 'presence satellite heard v1')0004$(hex acme)07$(hex fi-0042)08$(hex pavement)$body
    mac=$(printf '%b' "$(echo "$content" | sed 's/../\\x&/g')" |
        openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | head -c16 | od -An -vtx1 | tr -d ' \n')
    echo "$body$mac"
}
printf 'a heartbeat       '; heard 000000000bb8 ''                              # after 3 s
printf 'one reading       '; heard 000000000fa0 007bc4001122334455667788        # 123 ms ago, -60 dBm
# 2,000 ms ago, -126 dBm, ten bytes behind the EID; and just now, 0 dBm, after 8,900 years
printf 'the extremes      '; heard ffffffffffff 07d0820affffffffffffffff0102030405060708090a0000000000000000000000ff
