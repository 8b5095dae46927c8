#!/bin/sh
# Rebuilds the objects of the loop programs: as they are, and as XDP programs that a verifier accepts. With names, only those.
set -e
cd "$(dirname "$0")"
clang="clang-19 -O2 -Wall -target bpf -ffile-prefix-map=$PWD=."
xdp() { # source object flags...
	source=$1 object=$2
	shift 2
	$clang -g -mcpu=v3 "$@" -c "$source" -o "$object"
	llvm-strip-19 -g "$object" # drops DWARF, keeps BTF
}
[ $# -gt 0 ] || set -- $(ls *.bpf.c | sed 's/\.bpf\.c$//') packets
for name; do
	if [ "$name" = packets ]; then
		xdp packets.xdp.c packets.xdp.o
		continue
	fi
	$clang -mcpu=v2 -c "$name.bpf.c" -o "$name.bpf.o"
	# shellcheck disable=SC2046 # the flags are words
	xdp "$name.bpf.c" "$name.xdp.o" -DVERIFIED $(sed -n "s,^// verified: ,,p" "$name.bpf.c")
done
