#!/bin/sh
# Builds the test objects beside their sources. A first line `// cflags: ...` replaces the usual flags.
# usage: tests/objects/build.sh [OUTPUT_DIRECTORY]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$(cd "${1:-$here}" && pwd)
clang=${CLANG:-clang-19}
strip=${LLVM_STRIP:-llvm-strip-19}
# From here, so that no path is in the objects and clang still finds the lines' text.
cd "$here"
for source in *.bpf.c; do
	name=$(basename "$source" .bpf.c)
	flags=$(sed -n '1s,^// cflags: ,,p' "$source")
	# Word splitting of the flags is meant.
	"$clang" ${flags:--O2 -g -target bpf -mcpu=v3} \
		-fdebug-compilation-dir=. -c "$source" -o "$out/$name.o"
	"$strip" -g "$out/$name.o" # drops DWARF, keeps BTF
done
