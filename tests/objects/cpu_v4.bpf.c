// cflags: -O2 -g -target bpf -mcpu=v4
#include "cpu.h"
