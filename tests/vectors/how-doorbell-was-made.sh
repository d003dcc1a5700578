#!/bin/bash
# Prints the golden answers at the doorbell, computed with openssl 3 and coreutils only (docs/doorbell.md).
set -eu
window_key=00112233445566778899aabbccddeeff
slot=1753362
start=$(printf '%08x' $((slot * 1024)))
eid=$(printf '%b' "$(echo 00000000000000000000000a$start | sed 's/../\\x&/g')" |
    openssl enc -aes-128-ecb -nopad -K $window_key | head -c8 | od -An -vtx1 | tr -d ' \n')
echo "eid        $eid"
challenge=01000102030405060708090a0b0c0d0e0f

answer_key=$(openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt hexkey:$window_key -kdfopt info:'presence doorbell v1' \
    -binary HKDF | od -An -vtx1 | tr -d ' \n')
echo "answer_key $answer_key"

hex() { printf '%s' "$1" | od -An -vtx1 | tr -d ' \n'; }
answer() { # answer N SERIES [VERSION], in hex
    signed=${3:-01}$eid$1$2
    content=$(hex 'presence doorbell answer v1')00${challenge}04$(hex acme)07$(hex fi-0042)$(printf '%08x' $slot)$signed
    mac=$(printf '%b' "$(echo "$content" | sed 's/../\\x&/g')" |
        openssl dgst -sha256 -mac HMAC -macopt "hexkey:$answer_key" -binary | head -c16 | od -An -vtx1 | tr -d ' \n')
    echo "$signed$mac"
}
printf 'one reading     '; answer 01 00c4                  # 0.0 s ago, -60 dBm
printf 'three readings  '; answer 03 28c215ca03c9          # 4.0 s -62, 2.1 s -54, 0.3 s -55
printf 'the extremes    '; answer 02 ff810014              # 25.5 s -127, 0.0 s +20
printf 'two bells       '; answer 03 28c20115ca0003c901 02 # bell 1: 4.0 s -62, bell 0: 2.1 s -54, bell 1: 0.3 s -55
