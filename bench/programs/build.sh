#!/bin/sh
# Rebuilds the objects of the loop programs.
set -e
cd "$(dirname "$0")"
for source in *.bpf.c; do
	clang-19 -O2 -target bpf -mcpu=v2 -c "$source" -o "${source%.c}.o"
done
