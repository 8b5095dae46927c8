// cflags: -O2 -g -target bpfeb -mcpu=v3
#include "cpu.h"
