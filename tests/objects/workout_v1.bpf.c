// cflags: -O2 -g -Wall -Werror -target bpf -mcpu=v1
#include "workout.h"
