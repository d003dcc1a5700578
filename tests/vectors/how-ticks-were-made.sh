#!/bin/bash
# Prints the golden frames with a tick, computed with openssl 3 and coreutils only (docs/app-integration.md).
set -eu
bytes() { printf '%b' "$(echo "$1" | sed 's/../\\x&/g')"; }
hex() { od -An -vtx1 | tr -d ' \n'; }
aes() { bytes "$2" | openssl enc -aes-128-ecb -nopad -K "$1" | hex; } # aes KEY BLOCK
sealed() { # sealed IDENTITY_KEY T
    t=$2
    window_key=$(aes "$1" "0000000000000000000000ff0000$(printf '%04x' $((t >> 16 & 0xffff)))")
    eid=$(aes "$window_key" "00000000000000000000000a$(printf '%08x' $((t & 0xfffffc00)))" | head -c16)
    tick=$(printf '%02x' $((t % 1024 / 16)))
    key=$(openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt "hexkey:$window_key" -kdfopt info:'presence tick v1' \
        -binary HKDF | hex)
    mac=$(bytes "$(printf '%08x' $((t >> 10)))$tick" |
        openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | head -c9 | hex)
    echo "{\"identity_key\": \"$1\", \"t\": $t, \"tk\": \"$window_key\", \"eid\": \"$eid\", \"tick_key\": \"$key\", \"tick\": \"$tick\", \"mac\": \"$mac\", \"e1\": \"0201060303aafe1716aafe30ee$eid$tick$mac\"}"
}
for t in 0 2000 131071 131072; do sealed 0102030405060708090a111213141516 $t; done
for t in 1795442707 1795442720 1795443711 4294967295; do sealed 000102030405060708090a0b0c0d0e0f $t; done
