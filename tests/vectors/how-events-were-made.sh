#!/bin/sh
# Prints the ids and subjects of the golden events, computed with openssl and coreutils only.
# The visit: ref a1a2a3a4a5a6a7a8 enters store fi-0042 at 2026-11-23T14:05:14Z (1795442714), re-entry cooldown 900 s.
set -eu
store_key=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f
pairwise_key=a1a2a3a4a5a6a7a86f66666572732d6d # the ref, and the first 8 letters of "offers-main"
bucket=$((1795442714 / 900))

hmac() { openssl dgst -sha256 -mac HMAC -macopt "hexkey:$1" -binary; }
id() { hmac "$store_key" | base32 -w0 | cut -c1-26 | tr 'A-Z' 'a-z'; }
subject() { printf 'p_'; hmac "$pairwise_key" | head -c16 | base64 -w0 | tr '+/' '-_' | tr -d '='; echo; }

entered=$(printf 'presence event v1\0presence.entered.v1\0offers-main\0\241\242\243\244\245\246\247\250\0%s' "$bucket" | id)
echo "entered   $entered"
printf 'left      '; printf 'presence event v1\0presence.left.v1\0offers-main\0%s\0000' "$entered" | id
printf 'withdrawn '; printf 'presence event v1\0presence.withdrawn.v1\0offers-main\0%s\0000' "$entered" | id
printf 'subject, 2026-11-23        '; printf 'presence subject v1\0002026-11-23' | subject
printf 'subject, with "profiling"  '; printf 'presence subject v1\0stable' | subject
