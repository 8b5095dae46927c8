/* What every loop program shares. Its memory begins with a count; the data follow. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;

struct input {
	u64 n;
	u64 pad;
	u8 data[65536 - 16];
};

#define keep_loop _Pragma("clang loop unroll(disable) vectorize(disable)")
