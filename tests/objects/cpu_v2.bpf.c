// cflags: -O2 -g -target bpf -mcpu=v2
#include "cpu.h"
