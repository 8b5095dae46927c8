// cflags: -O2 -g -Wall -Werror -target bpf -mcpu=v4
#include "workout.h"
