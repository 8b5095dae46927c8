/*
 * A driver for uBPF (https://github.com/iovisor/ubpf), and an example of one in C: see ../README.md for the lines it speaks.
 * cc -O2 ubpf.c -o ubpf -lubpf     ubpf: its compiler; ubpf -i: its interpreter
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ubpf.h>

static uint64_t table[256];

static uint64_t lookup(uint64_t key, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	return table[key & 255];
}

static void *whole_file(const char *name, size_t *len)
{
	FILE *f = fopen(name, "rb");
	if (!f)
		return NULL;
	size_t room = 1 << 20;
	void *bytes = malloc(room);
	*len = bytes ? fread(bytes, 1, room, f) : 0;
	fclose(f);
	return bytes;
}

static uint64_t thread_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

int main(int argc, char **argv)
{
	int interpret = argc > 1 && !strcmp(argv[1], "-i");
	char line[4096], *why = NULL;
	size_t memory_len = 0, code_len = 0;
	void *memory = NULL;
	struct ubpf_vm *vm = NULL;
	ubpf_jit_fn jit = NULL;

	for (uint64_t i = 0; i < 256; i++)
		table[i] = i * 0x9e3779b97f4a7c15ull;
	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = 0;
		if (!strncmp(line, "memory ", 7)) {
			memory = whole_file(line + 7, &memory_len);
			puts(memory ? "ok" : "no such file");
		} else if (!strncmp(line, "code ", 5)) {
			void *code = whole_file(line + 5, &code_len);
			vm = ubpf_create();
			ubpf_register(vm, 1, "lookup", as_external_function_t((void *)lookup));
			ubpf_toggle_undefined_behavior_check(vm, false);
			if (!code || ubpf_load(vm, code, code_len, &why) || (!interpret && !(jit = ubpf_compile(vm, &why))))
				printf("no %s\n", why ? why : "such file");
			else
				puts("ok");
		} else if (!strncmp(line, "run ", 4) && (jit || (interpret && vm))) {
			uint64_t times = strtoull(line + 4, NULL, 10), result = 0, start = thread_ns();
			for (uint64_t i = 0; i < times; i++)
				if (!interpret)
					result = jit(memory, memory_len);
				else if (ubpf_exec(vm, memory, memory_len, &result))
					return 1;
			printf("%llu %llu\n", (unsigned long long)result, (unsigned long long)(thread_ns() - start));
		} else {
			puts("no such request");
		}
		fflush(stdout);
	}
	return 0;
}
