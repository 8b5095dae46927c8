#!/bin/sh
# Builds the examples' objects beside their sources: the same sources give the same bytes.
# usage: examples/build.sh [OUTPUT_DIRECTORY]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here}
clang=${CLANG:-clang-19}
strip=${LLVM_STRIP:-llvm-strip-19}
for source in "$here"/*.bpf.c; do
	name=$(basename "$source" .bpf.c)
	# The kernel's headers of the machine's own architecture; only their types of fixed width matter.
	"$clang" -O2 -g -Wall -Werror -target bpf -mcpu=v3 -ffile-prefix-map="$here/=" \
		-fdebug-compilation-dir=. -I"/usr/include/$(uname -m)-linux-gnu" -c "$source" -o "$out/$name.o"
	"$strip" -g "$out/$name.o" # drops DWARF, keeps BTF
done
