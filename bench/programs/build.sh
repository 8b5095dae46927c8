#!/bin/sh
# Rebuilds the objects of the loop programs: as they are, and as XDP programs that a verifier accepts.
set -e
cd "$(dirname "$0")"
for source in *.bpf.c; do
	clang-19 -O2 -target bpf -mcpu=v2 -c "$source" -o "${source%.c}.o"
	clang-19 -O2 -g -target bpf -mcpu=v3 -DVERIFIED $(sed -n "s,^// verified: ,,p" "$source") -c "$source" -o "${source%.bpf.c}.xdp.o"
done
clang-19 -O2 -g -target bpf -mcpu=v3 -c packets.xdp.c -o packets.xdp.o
