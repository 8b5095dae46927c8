/* Frames in the input: 256 of 64 bytes, each an Ethernet header, for one in four a VLAN tag, IPv4 or IPv6, TCP or UDP. */
static inline __attribute__((always_inline)) u16 be16(volatile u8 *p)
{
	return (u16)(p[0] << 8 | p[1]);
}
static inline __attribute__((always_inline)) u32 word(volatile u8 *p)
{
	return *(volatile u16 *)p | (u32) * (volatile u16 *)(p + 2) << 16;
}
#define frame(in, i) ((volatile u8 *)(in)->data + (((i) * 64) & 16320))
