// cflags: -O2 -g -Wall -Werror -target bpf -mcpu=v2
#include "workout.h"
