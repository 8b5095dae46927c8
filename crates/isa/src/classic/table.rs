//! The table of classic BPF: every operation of the 1992 machine, once.
//!
//! [`for_each_classic!`] hands all rows to a macro of the caller's choice, as the table of the extended
//! machine does. A row reads so:
//!
//! ```text
//! ldh_abs = 0x28 (k) "ldh" "$abs" "$fact" "A = 16 bits at k of the packet" { LoadAbs { size: Size::H, k } };
//! |         |    |   |     |      |      |                                 the Op: pattern and expression at once
//! |         |    |   |     |      |      what it does, in a line
//! |         |    |   |     |      operand as bpf_asm(1) spells it
//! |         |    |   |     operand as tcpdump -d spells it
//! |         |    |   mnemonic
//! |         |    the fields that it uses; the machine ignores the others
//! |         code
//! its name
//! ```
//!
//! Placeholders of the operands: `$d` is k in decimal, signed; `$x` is k in hex; `$abs` and `$fact` are
//! `[k]`, or the name of what Linux keeps at that negative offset, as tcpdump and as bpf_asm write it; `$to` is the target of `ja`, `$jumps` the two of a branch.
//!
//! Sources: McCanne and Jacobson, "The BSD Packet Filter" (1993); Linux `linux/filter.h`; the spellings are those
//! of libpcap's `bpf_image` and of the kernel's `tools/bpf/bpf_asm`.
#[rustfmt::skip]
macro_rules! for_each_classic {
    ($callback:ident) => {
        $callback! {
            // Loads into A.
            ldw_abs = 0x20 (k) "ld" "$abs" "$fact" "A = 32 bits at k of the packet" { LoadAbs { size: Size::W, k } };
            ldh_abs = 0x28 (k) "ldh" "$abs" "$fact" "A = 16 bits at k of the packet" { LoadAbs { size: Size::H, k } };
            ldb_abs = 0x30 (k) "ldb" "$abs" "$fact" "A = 8 bits at k of the packet" { LoadAbs { size: Size::B, k } };
            ldw_ind = 0x40 (k) "ld" "[x + $d]" "[x + $d]" "A = 32 bits at X + k of the packet" { LoadInd { size: Size::W, k } };
            ldh_ind = 0x48 (k) "ldh" "[x + $d]" "[x + $d]" "A = 16 bits at X + k of the packet" { LoadInd { size: Size::H, k } };
            ldb_ind = 0x50 (k) "ldb" "[x + $d]" "[x + $d]" "A = 8 bits at X + k of the packet" { LoadInd { size: Size::B, k } };
            ld_imm = 0x00 (k) "ld" "#$x" "#$x" "A = k" { LoadImm { k } };
            ld_mem = 0x60 (k) "ld" "M[$d]" "M[$d]" "A = memory word k" { LoadMem { k } };
            ld_len = 0x80 () "ld" "#pktlen" "#len" "A = the length of the packet" { LoadLen };

            // Loads into X.
            ldx_imm = 0x01 (k) "ldx" "#$x" "#$x" "X = k" { LoadxImm { k } };
            ldx_mem = 0x61 (k) "ldx" "M[$d]" "M[$d]" "X = memory word k" { LoadxMem { k } };
            ldx_len = 0x81 () "ldx" "#pktlen" "#len" "X = the length of the packet" { LoadxLen };
            ldx_msh = 0xb1 (k) "ldxb" "4*([$d]&0xf)" "4*([$d]&0xf)" "X = 4 times the low half of the byte at k: the length of an IPv4 header" { LoadxMsh { k } };

            // Stores.
            st = 0x02 (k) "st" "M[$d]" "M[$d]" "memory word k = A" { Store { k } };
            stx = 0x03 (k) "stx" "M[$d]" "M[$d]" "memory word k = X" { Storex { k } };

            // Arithmetic on 32 bits, unsigned.
            add_k = 0x04 (k) "add" "#$d" "#$d" "A += k" { Alu { op: AluOp::Add, src: K(k) } };
            add_x = 0x0c () "add" "x" "x" "A += X" { Alu { op: AluOp::Add, src: X } };
            sub_k = 0x14 (k) "sub" "#$d" "#$d" "A -= k" { Alu { op: AluOp::Sub, src: K(k) } };
            sub_x = 0x1c () "sub" "x" "x" "A -= X" { Alu { op: AluOp::Sub, src: X } };
            mul_k = 0x24 (k) "mul" "#$d" "#$d" "A *= k" { Alu { op: AluOp::Mul, src: K(k) } };
            mul_x = 0x2c () "mul" "x" "x" "A *= X" { Alu { op: AluOp::Mul, src: X } };
            div_k = 0x34 (k) "div" "#$d" "#$d" "A /= k" { Alu { op: AluOp::Div, src: K(k) } };
            div_x = 0x3c () "div" "x" "x" "A /= X; the filter returns 0 if X is 0" { Alu { op: AluOp::Div, src: X } };
            or_k = 0x44 (k) "or" "#$x" "#$x" "A |= k" { Alu { op: AluOp::Or, src: K(k) } };
            or_x = 0x4c () "or" "x" "x" "A |= X" { Alu { op: AluOp::Or, src: X } };
            and_k = 0x54 (k) "and" "#$x" "#$x" "A &= k" { Alu { op: AluOp::And, src: K(k) } };
            and_x = 0x5c () "and" "x" "x" "A &= X" { Alu { op: AluOp::And, src: X } };
            lsh_k = 0x64 (k) "lsh" "#$d" "#$d" "A <<= k" { Alu { op: AluOp::Lsh, src: K(k) } };
            lsh_x = 0x6c () "lsh" "x" "x" "A <<= X, the distance masked to 5 bits" { Alu { op: AluOp::Lsh, src: X } };
            rsh_k = 0x74 (k) "rsh" "#$d" "#$d" "A >>= k, logical" { Alu { op: AluOp::Rsh, src: K(k) } };
            rsh_x = 0x7c () "rsh" "x" "x" "A >>= X, logical, the distance masked to 5 bits" { Alu { op: AluOp::Rsh, src: X } };
            neg = 0x84 () "neg" "" "" "A = -A" { Neg };
            mod_k = 0x94 (k) "mod" "#$d" "#$d" "A %= k" { Alu { op: AluOp::Mod, src: K(k) } };
            mod_x = 0x9c () "mod" "x" "x" "A %= X; the filter returns 0 if X is 0" { Alu { op: AluOp::Mod, src: X } };
            xor_k = 0xa4 (k) "xor" "#$x" "#$x" "A ^= k" { Alu { op: AluOp::Xor, src: K(k) } };
            xor_x = 0xac () "xor" "x" "x" "A ^= X" { Alu { op: AluOp::Xor, src: X } };

            // Jumps, forward only, counted from the next instruction.
            ja = 0x05 (k) "ja" "$to" "$to" "goes k instructions on" { Jump { k } };
            jeq_k = 0x15 (k jt jf) "jeq" "#$x" "#$x$jumps" "goes jt on if A == k, else jf" { Branch { cond: Cond::Eq, src: K(k), jt, jf } };
            jeq_x = 0x1d (jt jf) "jeq" "x" "x$jumps" "goes jt on if A == X, else jf" { Branch { cond: Cond::Eq, src: X, jt, jf } };
            jgt_k = 0x25 (k jt jf) "jgt" "#$x" "#$x$jumps" "goes jt on if A > k, else jf" { Branch { cond: Cond::Gt, src: K(k), jt, jf } };
            jgt_x = 0x2d (jt jf) "jgt" "x" "x$jumps" "goes jt on if A > X, else jf" { Branch { cond: Cond::Gt, src: X, jt, jf } };
            jge_k = 0x35 (k jt jf) "jge" "#$x" "#$x$jumps" "goes jt on if A >= k, else jf" { Branch { cond: Cond::Ge, src: K(k), jt, jf } };
            jge_x = 0x3d (jt jf) "jge" "x" "x$jumps" "goes jt on if A >= X, else jf" { Branch { cond: Cond::Ge, src: X, jt, jf } };
            jset_k = 0x45 (k jt jf) "jset" "#$x" "#$x$jumps" "goes jt on if A & k is not 0, else jf" { Branch { cond: Cond::Set, src: K(k), jt, jf } };
            jset_x = 0x4d (jt jf) "jset" "x" "x$jumps" "goes jt on if A & X is not 0, else jf" { Branch { cond: Cond::Set, src: X, jt, jf } };

            // Ends and moves.
            ret_k = 0x06 (k) "ret" "#$d" "#$d" "the filter returns k: how many bytes to keep, 0 for none" { RetK { k } };
            ret_a = 0x16 () "ret" "" "a" "the filter returns A" { RetA };
            tax = 0x07 () "tax" "" "" "X = A" { Tax };
            txa = 0x87 () "txa" "" "" "A = X" { Txa };
        }
    };
}
pub(crate) use for_each_classic;
