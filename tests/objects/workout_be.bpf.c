// cflags: -O2 -g -Wall -Werror -target bpfeb -mcpu=v3
#include "workout.h"
