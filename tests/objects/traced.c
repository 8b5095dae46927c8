/* A process to be traced, compiled by the test that traces it. It waits for a line, does everything as often as its
 * first argument says, tells what its semaphore was, and ends; with the argument `burn` it keeps a CPU busy instead. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Raised by whoever listens to the marker `numbers`. */
__attribute__((section(".probes"), visibility("default"))) volatile unsigned short skep_semaphore;

/* A marker: a note that names this place and the operands of its arguments. */
#define MARKER(name, semaphore, args, ...)                                                   \
	__asm__ volatile("990: nop\n"                                                        \
			 ".pushsection .note.stapsdt,\"\",\"note\"\n"                        \
			 ".balign 4\n"                                                       \
			 ".4byte 992f-991f, 994f-993f, 3\n"                                  \
			 "991: .asciz \"stapsdt\"\n"                                         \
			 "992: .balign 4\n"                                                  \
			 "993: .8byte 990b, skep_base, " semaphore "\n"                      \
			 ".asciz \"skep\"\n.asciz \"" name "\"\n.asciz \"" args "\"\n"       \
			 "994: .balign 4\n"                                                  \
			 ".popsection\n" ::__VA_ARGS__)

__asm__(".pushsection .stapsdt.base,\"a\",\"progbits\"\n.globl skep_base\n.hidden skep_base\nskep_base: .space 1\n.popsection\n");

__attribute__((noinline)) int traced_add(int a, int b)
{
	__asm__ volatile("" : "+r"(a), "+r"(b));
	return a + b;
}

__attribute__((noinline)) int traced_mul(int a, int b)
{
	__asm__ volatile("" : "+r"(a), "+r"(b));
	return a * b;
}

static long burn(void)
{
	struct timespec now, begun;
	volatile long rounds = 0;

	clock_gettime(CLOCK_MONOTONIC, &begun);
	do {
		for (int i = 0; i < 100000; i++)
			rounds++;
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while ((now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1000000 < 400);
	return rounds;
}

int main(int argc, char **argv)
{
	long table[4] = {11, -22, 33, -44};
	unsigned semaphore;
	long sum = 0;
	char line[8];

	if (argc < 2 || !fgets(line, sizeof(line), stdin))
		return 1;
	if (!strcmp(argv[1], "burn"))
		return burn() == 0;
	semaphore = skep_semaphore;
	for (int i = 0; i < atoi(argv[1]); i++) {
		sum += traced_add(i, 2) + traced_mul(i, 3);
		syscall(SYS_getppid);
		/* A register, a constant, memory, signed and not; no compiler would write an index for the last. */
		MARKER("numbers", "skep_semaphore", "-4@%[a] 8@%[b] -8@%[c]", [a] "r"(-i), [b] "i"(71), [c] "m"(table[1]));
		MARKER("twice", "0", "4@%[a]", [a] "r"(i));
	}
	MARKER("twice", "0", "4@%[a]", [a] "r"(1000));
#ifdef __x86_64__
	MARKER("indexed", "0", "-8@8(%[t],%[n],8)", [t] "r"(table), [n] "r"(2L));
#endif
	printf("%u %ld\n", semaphore, sum);
	return 0;
}
