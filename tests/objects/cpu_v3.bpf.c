// cflags: -O2 -g -target bpf -mcpu=v3
#include "cpu.h"
