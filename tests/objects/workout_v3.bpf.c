// cflags: -O2 -g -Wall -Werror -target bpf -mcpu=v3
#include "workout.h"
