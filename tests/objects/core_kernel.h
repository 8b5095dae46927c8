/* Declarations for the CO-RE test programs: no kernel header is used. Types are cut down, reordered or
 * bent on purpose: it is the relocations that must find the real ones. */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))
#define CORE __attribute__((preserve_access_index))

enum field_info { BYTE_OFFSET, BYTE_SIZE, EXISTS, SIGNED, LSHIFT_U64, RSHIFT_U64 };
enum type_id_info { LOCAL, TARGET };
enum type_info { TYPE_EXISTS, TYPE_SIZE, TYPE_MATCHES };
enum enumval_info { ENUMVAL_EXISTS, ENUMVAL_VALUE };

#define FIELD(what, access) __builtin_preserve_field_info(access, what)
#define TYPE_ID(what, type) __builtin_btf_type_id(*(type *)0, what)
#define TYPE(what, type) __builtin_preserve_type_info(*(type *)0, what)
#define ENUMVAL(what, type, value) __builtin_preserve_enum_value(*(type *)value, what)

char LICENSE[] SEC("license") = "Dual MIT/GPL";
