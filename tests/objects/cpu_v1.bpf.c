// cflags: -O2 -g -target bpf -mcpu=v1
#include "cpu.h"
