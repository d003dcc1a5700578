#!/bin/bash
# Prints the rows of broadcasts.json, computed with openssl 3 and coreutils only (docs/app-integration.md).
set -eu
bytes() { printf '%b' "$(echo "$1" | sed 's/../\\x&/g')"; }
hex() { od -An -vtx1 | tr -d ' \n'; }
aes() { bytes "$2" | openssl enc -aes-128-ecb -nopad -K "$1" | hex; } # aes KEY BLOCK
prefix=0f1e2d3c4b5a6978
row() { # row IDENTITY_KEY T
    tk=$(aes "$1" "0000000000000000000000ff0000$(printf '%04x' $(($2 >> 16 & 0xffff)))")
    eid=$(aes "$tk" "00000000000000000000000a$(printf '%08x' $(($2 & 0xfffffc00)))" | head -c16)
    echo "{\"identity_key\": \"$1\", \"t\": $2, \"tk\": \"$tk\", \"eid\": \"$eid\", \"e1\": \"0201060303aafe0d16aafe30ee$eid\", \"e2\": \"02011a1aff4c000215$prefix${eid}00000000c5\"}"
}
for t in 0 2000 131071 131072; do row 0102030405060708090a111213141516 $t; done
for t in 1795442707 1795489791 4294967295; do row 000102030405060708090a0b0c0d0e0f $t; done
