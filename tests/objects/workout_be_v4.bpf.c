// cflags: -O2 -g -Wall -Werror -target bpfeb -mcpu=v4
#include "workout.h"
