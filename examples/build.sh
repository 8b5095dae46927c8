#!/bin/sh
# Builds the examples' objects: the same sources give the same bytes, wherever they lie.
# usage: examples/build.sh [OUTPUT_DIRECTORY]
# `cargo xtask examples` does the same, for the objects of tests/ too.
set -eu
cd "$(dirname "$0")"
out=${1:-.}
clang=${CLANG:-clang-19}
strip=${LLVM_STRIP:-llvm-strip-19}
for source in *.bpf.c; do
	object=$out/$(basename "$source" .bpf.c).o
	# The kernel's headers of the machine's own architecture; only their types of fixed width matter.
	"$clang" -O2 -g -Wall -Werror -target bpf -mcpu=v3 -ffile-prefix-map="$PWD/=" \
		-fdebug-compilation-dir=. -I"/usr/include/$(uname -m)-linux-gnu" -c "$source" -o "$object"
	"$strip" -g "$object" # drops DWARF, keeps BTF
done
