//! The table of operations: every instruction of BPF, once.
//!
//! [`for_each_op!`] hands all rows to a macro of the caller's choice. Decoding, encoding, both
//! assemblers, both disassemblers and the reference are such callbacks, or read the static rows that
//! one of them makes. To add an instruction is to add a row here.
//!
//! A row reads so:
//!
//! ```text
//! div64_imm = 0x37 [off 1] (dst imm) V4 "6.6" "4.1" "dst = dst s/ imm, ..."
//! |           |    |       |         |  |     |     what it does, in a line
//! |           |    |       |         |  |     section of RFC 9669, or - for what only Linux or LLVM has
//! |           |    |       |         |  first Linux that takes it, or -
//! |           |    |       |         first cpu version (of LLVM's -mcpu) that has it
//! |           |    |       operands, see below; every other field must be zero
//! |           |    a field with a fixed value, by which rows of one opcode are told apart
//! |           opcode
//! its name
//!     { Alu { width: W64, op: AluOp::Sdiv, dst, src: Imm(imm) } }       the Op: pattern and expression at once
//!     ["r$dst s/= $imm"] ["sdiv|sdiv64 %r$dst, $imm"];                  its spellings
//! ```
//!
//! Operands are named by what they become in the [`Op`](crate::Op): `dst`, `src`, `off` and `imm` are
//! the fields of the slot; `near` and `far` are a jump distance in `off` and in `imm`; `module` is
//! `off`; `to` and `from` are the halves of `imm`; `imm64` is `imm` and the next slot's `imm`, `low`
//! the former alone.
//!
//! Spellings: the first list is the kernel's dialect: first as the kernel prints, then as LLVM prints,
//! where that differs, then whatever else is accepted. The second is the mnemonic dialect, the
//! first printed, the rest accepted. See the template module for the placeholders.
//!
//! Rows of one opcode stand together, those with a fixed field before the one without. A constant
//! evaluation holds this. The habit is wasmtime's: `for_each_op!` of `pulley/src/lib.rs`.
#[rustfmt::skip]
macro_rules! for_each_op {
    ($callback:ident) => {
        $callback! {
            // Arithmetic on 32 bits. The upper half of the destination becomes zero.
            add32_imm = 0x04 [] (dst imm) V1 "3.18" "4.1" "dst += imm"
                { Alu { width: W32, op: AluOp::Add, dst, src: Imm(imm) } } ["w$dst += $imm"] ["add32 %r$dst, $imm"];
            add32_reg = 0x0c [] (dst src) V1 "3.18" "4.1" "dst += src"
                { Alu { width: W32, op: AluOp::Add, dst, src: Reg(src) } } ["w$dst += w$src"] ["add32 %r$dst, %r$src"];
            sub32_imm = 0x14 [] (dst imm) V1 "3.18" "4.1" "dst -= imm"
                { Alu { width: W32, op: AluOp::Sub, dst, src: Imm(imm) } } ["w$dst -= $imm"] ["sub32 %r$dst, $imm"];
            sub32_reg = 0x1c [] (dst src) V1 "3.18" "4.1" "dst -= src"
                { Alu { width: W32, op: AluOp::Sub, dst, src: Reg(src) } } ["w$dst -= w$src"] ["sub32 %r$dst, %r$src"];
            mul32_imm = 0x24 [] (dst imm) V1 "3.18" "4.1" "dst *= imm"
                { Alu { width: W32, op: AluOp::Mul, dst, src: Imm(imm) } } ["w$dst *= $imm"] ["mul32 %r$dst, $imm"];
            mul32_reg = 0x2c [] (dst src) V1 "3.18" "4.1" "dst *= src"
                { Alu { width: W32, op: AluOp::Mul, dst, src: Reg(src) } } ["w$dst *= w$src"] ["mul32 %r$dst, %r$src"];
            sdiv32_imm = 0x34 [off 1] (dst imm) V4 "6.6" "4.1" "dst = dst s/ imm, truncating; by zero gives 0"
                { Alu { width: W32, op: AluOp::Sdiv, dst, src: Imm(imm) } } ["w$dst s/= $imm"] ["sdiv32 %r$dst, $imm"];
            div32_imm = 0x34 [] (dst imm) V1 "3.18" "4.1" "dst = dst / imm, unsigned; by zero gives 0"
                { Alu { width: W32, op: AluOp::Div, dst, src: Imm(imm) } } ["w$dst /= $imm"] ["div32 %r$dst, $imm"];
            sdiv32_reg = 0x3c [off 1] (dst src) V4 "6.6" "4.1" "dst = dst s/ src, truncating; by zero gives 0"
                { Alu { width: W32, op: AluOp::Sdiv, dst, src: Reg(src) } } ["w$dst s/= w$src"] ["sdiv32 %r$dst, %r$src"];
            div32_reg = 0x3c [] (dst src) V1 "3.18" "4.1" "dst = dst / src, unsigned; by zero gives 0"
                { Alu { width: W32, op: AluOp::Div, dst, src: Reg(src) } } ["w$dst /= w$src"] ["div32 %r$dst, %r$src"];
            or32_imm = 0x44 [] (dst imm) V1 "3.18" "4.1" "dst |= imm"
                { Alu { width: W32, op: AluOp::Or, dst, src: Imm(imm) } } ["w$dst |= $imm"] ["or32 %r$dst, $imm"];
            or32_reg = 0x4c [] (dst src) V1 "3.18" "4.1" "dst |= src"
                { Alu { width: W32, op: AluOp::Or, dst, src: Reg(src) } } ["w$dst |= w$src"] ["or32 %r$dst, %r$src"];
            and32_imm = 0x54 [] (dst imm) V1 "3.18" "4.1" "dst &= imm"
                { Alu { width: W32, op: AluOp::And, dst, src: Imm(imm) } } ["w$dst &= $imm"] ["and32 %r$dst, $imm"];
            and32_reg = 0x5c [] (dst src) V1 "3.18" "4.1" "dst &= src"
                { Alu { width: W32, op: AluOp::And, dst, src: Reg(src) } } ["w$dst &= w$src"] ["and32 %r$dst, %r$src"];
            lsh32_imm = 0x64 [] (dst imm) V1 "3.18" "4.1" "dst <<= imm, the distance masked to the width"
                { Alu { width: W32, op: AluOp::Lsh, dst, src: Imm(imm) } } ["w$dst <<= $imm"] ["lsh32 %r$dst, $imm"];
            lsh32_reg = 0x6c [] (dst src) V1 "3.18" "4.1" "dst <<= src, the distance masked to the width"
                { Alu { width: W32, op: AluOp::Lsh, dst, src: Reg(src) } } ["w$dst <<= w$src"] ["lsh32 %r$dst, %r$src"];
            rsh32_imm = 0x74 [] (dst imm) V1 "3.18" "4.1" "dst >>= imm, logical, the distance masked to the width"
                { Alu { width: W32, op: AluOp::Rsh, dst, src: Imm(imm) } } ["w$dst >>= $imm"] ["rsh32 %r$dst, $imm"];
            rsh32_reg = 0x7c [] (dst src) V1 "3.18" "4.1" "dst >>= src, logical, the distance masked to the width"
                { Alu { width: W32, op: AluOp::Rsh, dst, src: Reg(src) } } ["w$dst >>= w$src"] ["rsh32 %r$dst, %r$src"];
            smod32_imm = 0x94 [off 1] (dst imm) V4 "6.6" "4.1" "dst = dst s% imm, truncating; by zero keeps dst"
                { Alu { width: W32, op: AluOp::Smod, dst, src: Imm(imm) } } ["w$dst s%= $imm"] ["smod32 %r$dst, $imm"];
            mod32_imm = 0x94 [] (dst imm) V1 "3.18" "4.1" "dst = dst % imm, unsigned; by zero keeps dst"
                { Alu { width: W32, op: AluOp::Mod, dst, src: Imm(imm) } } ["w$dst %= $imm"] ["mod32 %r$dst, $imm"];
            smod32_reg = 0x9c [off 1] (dst src) V4 "6.6" "4.1" "dst = dst s% src, truncating; by zero keeps dst"
                { Alu { width: W32, op: AluOp::Smod, dst, src: Reg(src) } } ["w$dst s%= w$src"] ["smod32 %r$dst, %r$src"];
            mod32_reg = 0x9c [] (dst src) V1 "3.18" "4.1" "dst = dst % src, unsigned; by zero keeps dst"
                { Alu { width: W32, op: AluOp::Mod, dst, src: Reg(src) } } ["w$dst %= w$src"] ["mod32 %r$dst, %r$src"];
            xor32_imm = 0xa4 [] (dst imm) V1 "3.18" "4.1" "dst ^= imm"
                { Alu { width: W32, op: AluOp::Xor, dst, src: Imm(imm) } } ["w$dst ^= $imm"] ["xor32 %r$dst, $imm"];
            xor32_reg = 0xac [] (dst src) V1 "3.18" "4.1" "dst ^= src"
                { Alu { width: W32, op: AluOp::Xor, dst, src: Reg(src) } } ["w$dst ^= w$src"] ["xor32 %r$dst, %r$src"];
            mov32_imm = 0xb4 [] (dst imm) V1 "3.18" "4.1" "dst = imm"
                { Alu { width: W32, op: AluOp::Mov, dst, src: Imm(imm) } } ["w$dst = $imm"] ["mov32 %r$dst, $imm"];
            movsx8_32 = 0xbc [off 8] (dst src) V4 "6.6" "4.1" "dst = the low 8 bits of src, sign-extended"
                { Movsx { width: W32, from: Size::B, dst, src } } ["w$dst = (s8)w$src"] ["movsx832 %r$dst, %r$src"];
            movsx16_32 = 0xbc [off 16] (dst src) V4 "6.6" "4.1" "dst = the low 16 bits of src, sign-extended"
                { Movsx { width: W32, from: Size::H, dst, src } } ["w$dst = (s16)w$src"] ["movsx1632 %r$dst, %r$src"];
            mov32_reg = 0xbc [] (dst src) V1 "3.18" "4.1" "dst = src"
                { Alu { width: W32, op: AluOp::Mov, dst, src: Reg(src) } } ["w$dst = w$src"] ["mov32 %r$dst, %r$src"];
            arsh32_imm = 0xc4 [] (dst imm) V1 "3.18" "4.1" "dst >>= imm, arithmetic, the distance masked to the width"
                { Alu { width: W32, op: AluOp::Arsh, dst, src: Imm(imm) } } ["w$dst s>>= $imm"] ["arsh32 %r$dst, $imm"];
            arsh32_reg = 0xcc [] (dst src) V1 "3.18" "4.1" "dst >>= src, arithmetic, the distance masked to the width"
                { Alu { width: W32, op: AluOp::Arsh, dst, src: Reg(src) } } ["w$dst s>>= w$src"]
                ["arsh32 %r$dst, %r$src"];
            neg32 = 0x84 [] (dst) V1 "3.18" "4.1" "dst = -dst"
                { Neg { width: W32, dst } } ["w$dst = -w$dst"] ["neg32 %r$dst"];

            // Arithmetic on 64 bits.
            add64_imm = 0x07 [] (dst imm) V1 "3.18" "4.1" "dst += imm"
                { Alu { width: W64, op: AluOp::Add, dst, src: Imm(imm) } } ["r$dst += $imm"] ["add|add64 %r$dst, $imm"];
            add64_reg = 0x0f [] (dst src) V1 "3.18" "4.1" "dst += src"
                { Alu { width: W64, op: AluOp::Add, dst, src: Reg(src) } } ["r$dst += r$src"]
                ["add|add64 %r$dst, %r$src"];
            sub64_imm = 0x17 [] (dst imm) V1 "3.18" "4.1" "dst -= imm"
                { Alu { width: W64, op: AluOp::Sub, dst, src: Imm(imm) } } ["r$dst -= $imm"] ["sub|sub64 %r$dst, $imm"];
            sub64_reg = 0x1f [] (dst src) V1 "3.18" "4.1" "dst -= src"
                { Alu { width: W64, op: AluOp::Sub, dst, src: Reg(src) } } ["r$dst -= r$src"]
                ["sub|sub64 %r$dst, %r$src"];
            mul64_imm = 0x27 [] (dst imm) V1 "3.18" "4.1" "dst *= imm"
                { Alu { width: W64, op: AluOp::Mul, dst, src: Imm(imm) } } ["r$dst *= $imm"] ["mul|mul64 %r$dst, $imm"];
            mul64_reg = 0x2f [] (dst src) V1 "3.18" "4.1" "dst *= src"
                { Alu { width: W64, op: AluOp::Mul, dst, src: Reg(src) } } ["r$dst *= r$src"]
                ["mul|mul64 %r$dst, %r$src"];
            sdiv64_imm = 0x37 [off 1] (dst imm) V4 "6.6" "4.1" "dst = dst s/ imm, truncating; by zero gives 0"
                { Alu { width: W64, op: AluOp::Sdiv, dst, src: Imm(imm) } } ["r$dst s/= $imm"]
                ["sdiv|sdiv64 %r$dst, $imm"];
            div64_imm = 0x37 [] (dst imm) V1 "3.18" "4.1" "dst = dst / imm, unsigned; by zero gives 0"
                { Alu { width: W64, op: AluOp::Div, dst, src: Imm(imm) } } ["r$dst /= $imm"] ["div|div64 %r$dst, $imm"];
            sdiv64_reg = 0x3f [off 1] (dst src) V4 "6.6" "4.1" "dst = dst s/ src, truncating; by zero gives 0"
                { Alu { width: W64, op: AluOp::Sdiv, dst, src: Reg(src) } } ["r$dst s/= r$src"]
                ["sdiv|sdiv64 %r$dst, %r$src"];
            div64_reg = 0x3f [] (dst src) V1 "3.18" "4.1" "dst = dst / src, unsigned; by zero gives 0"
                { Alu { width: W64, op: AluOp::Div, dst, src: Reg(src) } } ["r$dst /= r$src"]
                ["div|div64 %r$dst, %r$src"];
            or64_imm = 0x47 [] (dst imm) V1 "3.18" "4.1" "dst |= imm"
                { Alu { width: W64, op: AluOp::Or, dst, src: Imm(imm) } } ["r$dst |= $imm"] ["or|or64 %r$dst, $imm"];
            or64_reg = 0x4f [] (dst src) V1 "3.18" "4.1" "dst |= src"
                { Alu { width: W64, op: AluOp::Or, dst, src: Reg(src) } } ["r$dst |= r$src"] ["or|or64 %r$dst, %r$src"];
            and64_imm = 0x57 [] (dst imm) V1 "3.18" "4.1" "dst &= imm"
                { Alu { width: W64, op: AluOp::And, dst, src: Imm(imm) } } ["r$dst &= $imm"] ["and|and64 %r$dst, $imm"];
            and64_reg = 0x5f [] (dst src) V1 "3.18" "4.1" "dst &= src"
                { Alu { width: W64, op: AluOp::And, dst, src: Reg(src) } } ["r$dst &= r$src"]
                ["and|and64 %r$dst, %r$src"];
            lsh64_imm = 0x67 [] (dst imm) V1 "3.18" "4.1" "dst <<= imm, the distance masked to the width"
                { Alu { width: W64, op: AluOp::Lsh, dst, src: Imm(imm) } } ["r$dst <<= $imm"] ["lsh|lsh64 %r$dst, $imm"];
            lsh64_reg = 0x6f [] (dst src) V1 "3.18" "4.1" "dst <<= src, the distance masked to the width"
                { Alu { width: W64, op: AluOp::Lsh, dst, src: Reg(src) } } ["r$dst <<= r$src"]
                ["lsh|lsh64 %r$dst, %r$src"];
            rsh64_imm = 0x77 [] (dst imm) V1 "3.18" "4.1" "dst >>= imm, logical, the distance masked to the width"
                { Alu { width: W64, op: AluOp::Rsh, dst, src: Imm(imm) } } ["r$dst >>= $imm"] ["rsh|rsh64 %r$dst, $imm"];
            rsh64_reg = 0x7f [] (dst src) V1 "3.18" "4.1" "dst >>= src, logical, the distance masked to the width"
                { Alu { width: W64, op: AluOp::Rsh, dst, src: Reg(src) } } ["r$dst >>= r$src"]
                ["rsh|rsh64 %r$dst, %r$src"];
            smod64_imm = 0x97 [off 1] (dst imm) V4 "6.6" "4.1" "dst = dst s% imm, truncating; by zero keeps dst"
                { Alu { width: W64, op: AluOp::Smod, dst, src: Imm(imm) } } ["r$dst s%= $imm"]
                ["smod|smod64 %r$dst, $imm"];
            mod64_imm = 0x97 [] (dst imm) V1 "3.18" "4.1" "dst = dst % imm, unsigned; by zero keeps dst"
                { Alu { width: W64, op: AluOp::Mod, dst, src: Imm(imm) } } ["r$dst %= $imm"] ["mod|mod64 %r$dst, $imm"];
            smod64_reg = 0x9f [off 1] (dst src) V4 "6.6" "4.1" "dst = dst s% src, truncating; by zero keeps dst"
                { Alu { width: W64, op: AluOp::Smod, dst, src: Reg(src) } } ["r$dst s%= r$src"]
                ["smod|smod64 %r$dst, %r$src"];
            mod64_reg = 0x9f [] (dst src) V1 "3.18" "4.1" "dst = dst % src, unsigned; by zero keeps dst"
                { Alu { width: W64, op: AluOp::Mod, dst, src: Reg(src) } } ["r$dst %= r$src"]
                ["mod|mod64 %r$dst, %r$src"];
            xor64_imm = 0xa7 [] (dst imm) V1 "3.18" "4.1" "dst ^= imm"
                { Alu { width: W64, op: AluOp::Xor, dst, src: Imm(imm) } } ["r$dst ^= $imm"] ["xor|xor64 %r$dst, $imm"];
            xor64_reg = 0xaf [] (dst src) V1 "3.18" "4.1" "dst ^= src"
                { Alu { width: W64, op: AluOp::Xor, dst, src: Reg(src) } } ["r$dst ^= r$src"]
                ["xor|xor64 %r$dst, %r$src"];
            mov64_imm = 0xb7 [] (dst imm) V1 "3.18" "4.1" "dst = imm"
                { Alu { width: W64, op: AluOp::Mov, dst, src: Imm(imm) } } ["r$dst = $imm"] ["mov|mov64 %r$dst, $imm"];
            movsx8_64 = 0xbf [off 8] (dst src) V4 "6.6" "4.1" "dst = the low 8 bits of src, sign-extended"
                { Movsx { width: W64, from: Size::B, dst, src } } ["r$dst = (s8)r$src"] ["movsx864 %r$dst, %r$src"];
            movsx16_64 = 0xbf [off 16] (dst src) V4 "6.6" "4.1" "dst = the low 16 bits of src, sign-extended"
                { Movsx { width: W64, from: Size::H, dst, src } } ["r$dst = (s16)r$src"] ["movsx1664 %r$dst, %r$src"];
            movsx32_64 = 0xbf [off 32] (dst src) V4 "6.6" "4.1" "dst = the low 32 bits of src, sign-extended"
                { Movsx { width: W64, from: Size::W, dst, src } } ["r$dst = (s32)r$src"] ["movsx3264 %r$dst, %r$src"];
            addr_space_cast = 0xbf [off 1] (dst src to from) V1 "6.9" - "dst = src, cast between the arena's address spaces"
                { AddrSpaceCast { dst, src, to, from } } ["r$dst = addr_space_cast(r$src, $to, $from)"]
                ["addr_space_cast %r$dst, %r$src, $to, $from"];
            mov64_reg = 0xbf [] (dst src) V1 "3.18" "4.1" "dst = src"
                { Alu { width: W64, op: AluOp::Mov, dst, src: Reg(src) } } ["r$dst = r$src"] ["mov|mov64 %r$dst, %r$src"];
            arsh64_imm = 0xc7 [] (dst imm) V1 "3.18" "4.1" "dst >>= imm, arithmetic, the distance masked to the width"
                { Alu { width: W64, op: AluOp::Arsh, dst, src: Imm(imm) } } ["r$dst s>>= $imm"]
                ["arsh|arsh64 %r$dst, $imm"];
            arsh64_reg = 0xcf [] (dst src) V1 "3.18" "4.1" "dst >>= src, arithmetic, the distance masked to the width"
                { Alu { width: W64, op: AluOp::Arsh, dst, src: Reg(src) } } ["r$dst s>>= r$src"]
                ["arsh|arsh64 %r$dst, %r$src"];
            neg64 = 0x87 [] (dst) V1 "3.18" "4.1" "dst = -dst"
                { Neg { width: W64, dst } } ["r$dst = -r$dst"] ["neg|neg64 %r$dst"];

            // Byte order.
            le16 = 0xd4 [imm 16] (dst) V1 "3.18" "4.2" "dst = the low 16 bits of dst, in little-endian order"
                { Swap { kind: SwapKind::ToLe, size: Size::H, dst } } ["r$dst = le16 r$dst"] ["le16 %r$dst"];
            le32 = 0xd4 [imm 32] (dst) V1 "3.18" "4.2" "dst = the low 32 bits of dst, in little-endian order"
                { Swap { kind: SwapKind::ToLe, size: Size::W, dst } } ["r$dst = le32 r$dst"] ["le32 %r$dst"];
            le64 = 0xd4 [imm 64] (dst) V1 "3.18" "4.2" "dst = the low 64 bits of dst, in little-endian order"
                { Swap { kind: SwapKind::ToLe, size: Size::Dw, dst } } ["r$dst = le64 r$dst"] ["le64 %r$dst"];
            be16 = 0xdc [imm 16] (dst) V1 "3.18" "4.2" "dst = the low 16 bits of dst, in big-endian order"
                { Swap { kind: SwapKind::ToBe, size: Size::H, dst } } ["r$dst = be16 r$dst"] ["be16 %r$dst"];
            be32 = 0xdc [imm 32] (dst) V1 "3.18" "4.2" "dst = the low 32 bits of dst, in big-endian order"
                { Swap { kind: SwapKind::ToBe, size: Size::W, dst } } ["r$dst = be32 r$dst"] ["be32 %r$dst"];
            be64 = 0xdc [imm 64] (dst) V1 "3.18" "4.2" "dst = the low 64 bits of dst, in big-endian order"
                { Swap { kind: SwapKind::ToBe, size: Size::Dw, dst } } ["r$dst = be64 r$dst"] ["be64 %r$dst"];
            bswap16 = 0xd7 [imm 16] (dst) V4 "6.6" "4.2" "dst = the low 16 bits of dst, bytes swapped"
                { Swap { kind: SwapKind::Swap, size: Size::H, dst } } ["r$dst = bswap16 r$dst"] ["swap16|bswap16 %r$dst"];
            bswap32 = 0xd7 [imm 32] (dst) V4 "6.6" "4.2" "dst = the low 32 bits of dst, bytes swapped"
                { Swap { kind: SwapKind::Swap, size: Size::W, dst } } ["r$dst = bswap32 r$dst"] ["swap32|bswap32 %r$dst"];
            bswap64 = 0xd7 [imm 64] (dst) V4 "6.6" "4.2" "dst = the low 64 bits of dst, bytes swapped"
                { Swap { kind: SwapKind::Swap, size: Size::Dw, dst } } ["r$dst = bswap64 r$dst"]
                ["swap64|bswap64 %r$dst"];

            // Jumps.
            ja = 0x05 [] (near) V1 "3.18" "4.3" "goes to the target, 16 bits away"
                { Jump { off: near, long: false } } ["goto $near"] ["ja $near"];
            ja32 = 0x06 [] (far) V4 "6.6" "4.3" "goes to the target, 32 bits away"
                { Jump { off: far, long: true } } ["gotol $far"] ["ja32 $far"];
            jeq64_imm = 0x15 [] (dst imm off) V1 "3.18" "4.3" "goes to the target if dst == imm"
                { Branch { width: W64, cond: Cond::Eq, dst, src: Imm(imm), off } } ["if r$dst == $hex goto $near"]
                ["jeq|jeq64 %r$dst, $imm, $near"];
            jeq64_reg = 0x1d [] (dst src off) V1 "3.18" "4.3" "goes to the target if dst == src"
                { Branch { width: W64, cond: Cond::Eq, dst, src: Reg(src), off } } ["if r$dst == r$src goto $near"]
                ["jeq|jeq64 %r$dst, %r$src, $near"];
            jgt64_imm = 0x25 [] (dst imm off) V1 "3.18" "4.3" "goes to the target if dst > imm"
                { Branch { width: W64, cond: Cond::Gt, dst, src: Imm(imm), off } } ["if r$dst > $hex goto $near"]
                ["jgt|jgt64 %r$dst, $imm, $near"];
            jgt64_reg = 0x2d [] (dst src off) V1 "3.18" "4.3" "goes to the target if dst > src"
                { Branch { width: W64, cond: Cond::Gt, dst, src: Reg(src), off } } ["if r$dst > r$src goto $near"]
                ["jgt|jgt64 %r$dst, %r$src, $near"];
            jge64_imm = 0x35 [] (dst imm off) V1 "3.18" "4.3" "goes to the target if dst >= imm"
                { Branch { width: W64, cond: Cond::Ge, dst, src: Imm(imm), off } } ["if r$dst >= $hex goto $near"]
                ["jge|jge64 %r$dst, $imm, $near"];
            jge64_reg = 0x3d [] (dst src off) V1 "3.18" "4.3" "goes to the target if dst >= src"
                { Branch { width: W64, cond: Cond::Ge, dst, src: Reg(src), off } } ["if r$dst >= r$src goto $near"]
                ["jge|jge64 %r$dst, %r$src, $near"];
            jset64_imm = 0x45 [] (dst imm off) V1 "3.18" "4.3" "goes to the target if dst & imm is not zero"
                { Branch { width: W64, cond: Cond::Set, dst, src: Imm(imm), off } } ["if r$dst & $hex goto $near"]
                ["jset|jset64 %r$dst, $imm, $near"];
            jset64_reg = 0x4d [] (dst src off) V1 "3.18" "4.3" "goes to the target if dst & src is not zero"
                { Branch { width: W64, cond: Cond::Set, dst, src: Reg(src), off } } ["if r$dst & r$src goto $near"]
                ["jset|jset64 %r$dst, %r$src, $near"];
            jne64_imm = 0x55 [] (dst imm off) V1 "3.18" "4.3" "goes to the target if dst != imm"
                { Branch { width: W64, cond: Cond::Ne, dst, src: Imm(imm), off } } ["if r$dst != $hex goto $near"]
                ["jne|jne64 %r$dst, $imm, $near"];
            jne64_reg = 0x5d [] (dst src off) V1 "3.18" "4.3" "goes to the target if dst != src"
                { Branch { width: W64, cond: Cond::Ne, dst, src: Reg(src), off } } ["if r$dst != r$src goto $near"]
                ["jne|jne64 %r$dst, %r$src, $near"];
            jsgt64_imm = 0x65 [] (dst imm off) V1 "3.18" "4.3" "goes to the target if dst > imm, signed"
                { Branch { width: W64, cond: Cond::Sgt, dst, src: Imm(imm), off } } ["if r$dst s> $hex goto $near"]
                ["jsgt|jsgt64 %r$dst, $imm, $near"];
            jsgt64_reg = 0x6d [] (dst src off) V1 "3.18" "4.3" "goes to the target if dst > src, signed"
                { Branch { width: W64, cond: Cond::Sgt, dst, src: Reg(src), off } } ["if r$dst s> r$src goto $near"]
                ["jsgt|jsgt64 %r$dst, %r$src, $near"];
            jsge64_imm = 0x75 [] (dst imm off) V1 "3.18" "4.3" "goes to the target if dst >= imm, signed"
                { Branch { width: W64, cond: Cond::Sge, dst, src: Imm(imm), off } } ["if r$dst s>= $hex goto $near"]
                ["jsge|jsge64 %r$dst, $imm, $near"];
            jsge64_reg = 0x7d [] (dst src off) V1 "3.18" "4.3" "goes to the target if dst >= src, signed"
                { Branch { width: W64, cond: Cond::Sge, dst, src: Reg(src), off } } ["if r$dst s>= r$src goto $near"]
                ["jsge|jsge64 %r$dst, %r$src, $near"];
            jlt64_imm = 0xa5 [] (dst imm off) V2 "4.14" "4.3" "goes to the target if dst < imm"
                { Branch { width: W64, cond: Cond::Lt, dst, src: Imm(imm), off } } ["if r$dst < $hex goto $near"]
                ["jlt|jlt64 %r$dst, $imm, $near"];
            jlt64_reg = 0xad [] (dst src off) V2 "4.14" "4.3" "goes to the target if dst < src"
                { Branch { width: W64, cond: Cond::Lt, dst, src: Reg(src), off } } ["if r$dst < r$src goto $near"]
                ["jlt|jlt64 %r$dst, %r$src, $near"];
            jle64_imm = 0xb5 [] (dst imm off) V2 "4.14" "4.3" "goes to the target if dst <= imm"
                { Branch { width: W64, cond: Cond::Le, dst, src: Imm(imm), off } } ["if r$dst <= $hex goto $near"]
                ["jle|jle64 %r$dst, $imm, $near"];
            jle64_reg = 0xbd [] (dst src off) V2 "4.14" "4.3" "goes to the target if dst <= src"
                { Branch { width: W64, cond: Cond::Le, dst, src: Reg(src), off } } ["if r$dst <= r$src goto $near"]
                ["jle|jle64 %r$dst, %r$src, $near"];
            jslt64_imm = 0xc5 [] (dst imm off) V2 "4.14" "4.3" "goes to the target if dst < imm, signed"
                { Branch { width: W64, cond: Cond::Slt, dst, src: Imm(imm), off } } ["if r$dst s< $hex goto $near"]
                ["jslt|jslt64 %r$dst, $imm, $near"];
            jslt64_reg = 0xcd [] (dst src off) V2 "4.14" "4.3" "goes to the target if dst < src, signed"
                { Branch { width: W64, cond: Cond::Slt, dst, src: Reg(src), off } } ["if r$dst s< r$src goto $near"]
                ["jslt|jslt64 %r$dst, %r$src, $near"];
            jsle64_imm = 0xd5 [] (dst imm off) V2 "4.14" "4.3" "goes to the target if dst <= imm, signed"
                { Branch { width: W64, cond: Cond::Sle, dst, src: Imm(imm), off } } ["if r$dst s<= $hex goto $near"]
                ["jsle|jsle64 %r$dst, $imm, $near"];
            jsle64_reg = 0xdd [] (dst src off) V2 "4.14" "4.3" "goes to the target if dst <= src, signed"
                { Branch { width: W64, cond: Cond::Sle, dst, src: Reg(src), off } } ["if r$dst s<= r$src goto $near"]
                ["jsle|jsle64 %r$dst, %r$src, $near"];
            jeq32_imm = 0x16 [] (dst imm off) V3 "5.1" "4.3" "goes to the target if the lower halves: dst == imm"
                { Branch { width: W32, cond: Cond::Eq, dst, src: Imm(imm), off } } ["if w$dst == $hex goto $near"]
                ["jeq32 %r$dst, $imm, $near"];
            jeq32_reg = 0x1e [] (dst src off) V3 "5.1" "4.3" "goes to the target if the lower halves: dst == src"
                { Branch { width: W32, cond: Cond::Eq, dst, src: Reg(src), off } } ["if w$dst == w$src goto $near"]
                ["jeq32 %r$dst, %r$src, $near"];
            jgt32_imm = 0x26 [] (dst imm off) V3 "5.1" "4.3" "goes to the target if the lower halves: dst > imm"
                { Branch { width: W32, cond: Cond::Gt, dst, src: Imm(imm), off } } ["if w$dst > $hex goto $near"]
                ["jgt32 %r$dst, $imm, $near"];
            jgt32_reg = 0x2e [] (dst src off) V3 "5.1" "4.3" "goes to the target if the lower halves: dst > src"
                { Branch { width: W32, cond: Cond::Gt, dst, src: Reg(src), off } } ["if w$dst > w$src goto $near"]
                ["jgt32 %r$dst, %r$src, $near"];
            jge32_imm = 0x36 [] (dst imm off) V3 "5.1" "4.3" "goes to the target if the lower halves: dst >= imm"
                { Branch { width: W32, cond: Cond::Ge, dst, src: Imm(imm), off } } ["if w$dst >= $hex goto $near"]
                ["jge32 %r$dst, $imm, $near"];
            jge32_reg = 0x3e [] (dst src off) V3 "5.1" "4.3" "goes to the target if the lower halves: dst >= src"
                { Branch { width: W32, cond: Cond::Ge, dst, src: Reg(src), off } } ["if w$dst >= w$src goto $near"]
                ["jge32 %r$dst, %r$src, $near"];
            jset32_imm = 0x46 [] (dst imm off) V3 "5.1" "4.3" "goes to the target if the lower halves: dst & imm is not zero"
                { Branch { width: W32, cond: Cond::Set, dst, src: Imm(imm), off } } ["if w$dst & $hex goto $near"]
                ["jset32 %r$dst, $imm, $near"];
            jset32_reg = 0x4e [] (dst src off) V3 "5.1" "4.3" "goes to the target if the lower halves: dst & src is not zero"
                { Branch { width: W32, cond: Cond::Set, dst, src: Reg(src), off } } ["if w$dst & w$src goto $near"]
                ["jset32 %r$dst, %r$src, $near"];
            jne32_imm = 0x56 [] (dst imm off) V3 "5.1" "4.3" "goes to the target if the lower halves: dst != imm"
                { Branch { width: W32, cond: Cond::Ne, dst, src: Imm(imm), off } } ["if w$dst != $hex goto $near"]
                ["jne32 %r$dst, $imm, $near"];
            jne32_reg = 0x5e [] (dst src off) V3 "5.1" "4.3" "goes to the target if the lower halves: dst != src"
                { Branch { width: W32, cond: Cond::Ne, dst, src: Reg(src), off } } ["if w$dst != w$src goto $near"]
                ["jne32 %r$dst, %r$src, $near"];
            jsgt32_imm = 0x66 [] (dst imm off) V3 "5.1" "4.3" "goes to the target if the lower halves: dst > imm, signed"
                { Branch { width: W32, cond: Cond::Sgt, dst, src: Imm(imm), off } } ["if w$dst s> $hex goto $near"]
                ["jsgt32 %r$dst, $imm, $near"];
            jsgt32_reg = 0x6e [] (dst src off) V3 "5.1" "4.3" "goes to the target if the lower halves: dst > src, signed"
                { Branch { width: W32, cond: Cond::Sgt, dst, src: Reg(src), off } } ["if w$dst s> w$src goto $near"]
                ["jsgt32 %r$dst, %r$src, $near"];
            jsge32_imm = 0x76 [] (dst imm off) V3 "5.1" "4.3" "goes to the target if the lower halves: dst >= imm, signed"
                { Branch { width: W32, cond: Cond::Sge, dst, src: Imm(imm), off } } ["if w$dst s>= $hex goto $near"]
                ["jsge32 %r$dst, $imm, $near"];
            jsge32_reg = 0x7e [] (dst src off) V3 "5.1" "4.3" "goes to the target if the lower halves: dst >= src, signed"
                { Branch { width: W32, cond: Cond::Sge, dst, src: Reg(src), off } } ["if w$dst s>= w$src goto $near"]
                ["jsge32 %r$dst, %r$src, $near"];
            jlt32_imm = 0xa6 [] (dst imm off) V3 "5.1" "4.3" "goes to the target if the lower halves: dst < imm"
                { Branch { width: W32, cond: Cond::Lt, dst, src: Imm(imm), off } } ["if w$dst < $hex goto $near"]
                ["jlt32 %r$dst, $imm, $near"];
            jlt32_reg = 0xae [] (dst src off) V3 "5.1" "4.3" "goes to the target if the lower halves: dst < src"
                { Branch { width: W32, cond: Cond::Lt, dst, src: Reg(src), off } } ["if w$dst < w$src goto $near"]
                ["jlt32 %r$dst, %r$src, $near"];
            jle32_imm = 0xb6 [] (dst imm off) V3 "5.1" "4.3" "goes to the target if the lower halves: dst <= imm"
                { Branch { width: W32, cond: Cond::Le, dst, src: Imm(imm), off } } ["if w$dst <= $hex goto $near"]
                ["jle32 %r$dst, $imm, $near"];
            jle32_reg = 0xbe [] (dst src off) V3 "5.1" "4.3" "goes to the target if the lower halves: dst <= src"
                { Branch { width: W32, cond: Cond::Le, dst, src: Reg(src), off } } ["if w$dst <= w$src goto $near"]
                ["jle32 %r$dst, %r$src, $near"];
            jslt32_imm = 0xc6 [] (dst imm off) V3 "5.1" "4.3" "goes to the target if the lower halves: dst < imm, signed"
                { Branch { width: W32, cond: Cond::Slt, dst, src: Imm(imm), off } } ["if w$dst s< $hex goto $near"]
                ["jslt32 %r$dst, $imm, $near"];
            jslt32_reg = 0xce [] (dst src off) V3 "5.1" "4.3" "goes to the target if the lower halves: dst < src, signed"
                { Branch { width: W32, cond: Cond::Slt, dst, src: Reg(src), off } } ["if w$dst s< w$src goto $near"]
                ["jslt32 %r$dst, %r$src, $near"];
            jsle32_imm = 0xd6 [] (dst imm off) V3 "5.1" "4.3" "goes to the target if the lower halves: dst <= imm, signed"
                { Branch { width: W32, cond: Cond::Sle, dst, src: Imm(imm), off } } ["if w$dst s<= $hex goto $near"]
                ["jsle32 %r$dst, $imm, $near"];
            jsle32_reg = 0xde [] (dst src off) V3 "5.1" "4.3" "goes to the target if the lower halves: dst <= src, signed"
                { Branch { width: W32, cond: Cond::Sle, dst, src: Reg(src), off } } ["if w$dst s<= w$src goto $near"]
                ["jsle32 %r$dst, %r$src, $near"];
            may_goto = 0xe5 [] (off) V1 "6.9" - "goes to the target once the program's loop budget is spent"
                { MayGoto { off } } ["may_goto $near"] ["may_goto $near"];

            // Calls and return.
            call_helper = 0x85 [src 0] (imm) V1 "3.18" "4.3.1" "r0 = the helper with this number, of r1 to r5"
                { Call(CallTarget::Helper(imm)) } ["call $helper"] ["call $helper", "call helper $helper"];
            call_local = 0x85 [src 1] (imm) V1 "4.16" "4.3.2" "r0 = the subprogram at the target, of r1 to r5"
                { Call(CallTarget::Subprog(imm)) } ["call $call"] ["call local $call"];
            call_kfunc = 0x85 [src 2] (imm off) V1 "5.13" "4.3.1" "r0 = the kernel function with this BTF id, of r1 to r5"
                { Call(CallTarget::Kfunc { btf_id: imm, module: off }) } ["call kfunc $kfunc"] ["call runtime $kfunc"];
            callx = 0x8d [] (dst) V1 - - "r0 = the function that dst names, of r1 to r5"
                { Call(CallTarget::Register(dst)) } ["callx r$dst", "callx r$dst", "call r$dst"]
                ["call %r$dst", "callx %r$dst", "call helper %r$dst"];
            exit = 0x95 [] () V1 "3.18" "4.3" "returns r0 to the caller"
                { Exit } ["exit"] ["exit"];

            // Loads and stores.
            ldxb = 0x71 [] (dst src off) V1 "3.18" "5.1" "dst = 8 bits at src + off, zero-extended"
                { Load { size: Size::B, signed: false, dst, src, off } }
                ["r$dst = *(u8 *)(r$src$mem)", "w$dst = *(u8 *)(r$src$mem)"] ["ldxb %r$dst, [%r$src$mem]"];
            ldxh = 0x69 [] (dst src off) V1 "3.18" "5.1" "dst = 16 bits at src + off, zero-extended"
                { Load { size: Size::H, signed: false, dst, src, off } }
                ["r$dst = *(u16 *)(r$src$mem)", "w$dst = *(u16 *)(r$src$mem)"] ["ldxh %r$dst, [%r$src$mem]"];
            ldxw = 0x61 [] (dst src off) V1 "3.18" "5.1" "dst = 32 bits at src + off, zero-extended"
                { Load { size: Size::W, signed: false, dst, src, off } }
                ["r$dst = *(u32 *)(r$src$mem)", "w$dst = *(u32 *)(r$src$mem)"] ["ldxw %r$dst, [%r$src$mem]"];
            ldxdw = 0x79 [] (dst src off) V1 "3.18" "5.1" "dst = 64 bits at src + off"
                { Load { size: Size::Dw, signed: false, dst, src, off } } ["r$dst = *(u64 *)(r$src$mem)"]
                ["ldxdw %r$dst, [%r$src$mem]"];
            ldxsb = 0x91 [] (dst src off) V4 "6.6" "5.2" "dst = 8 bits at src + off, sign-extended"
                { Load { size: Size::B, signed: true, dst, src, off } } ["r$dst = *(s8 *)(r$src$mem)"]
                ["ldxsb %r$dst, [%r$src$mem]"];
            ldxsh = 0x89 [] (dst src off) V4 "6.6" "5.2" "dst = 16 bits at src + off, sign-extended"
                { Load { size: Size::H, signed: true, dst, src, off } } ["r$dst = *(s16 *)(r$src$mem)"]
                ["ldxsh %r$dst, [%r$src$mem]"];
            ldxsw = 0x81 [] (dst src off) V4 "6.6" "5.2" "dst = 32 bits at src + off, sign-extended"
                { Load { size: Size::W, signed: true, dst, src, off } } ["r$dst = *(s32 *)(r$src$mem)"]
                ["ldxsw %r$dst, [%r$src$mem]"];
            stb = 0x72 [] (dst off imm) V1 "3.18" "5.1" "8 bits at dst + off = imm"
                { Store { size: Size::B, dst, off, src: Imm(imm) } } ["*(u8 *)(r$dst$mem) = $imm"]
                ["stb [%r$dst$mem], $imm"];
            sth = 0x6a [] (dst off imm) V1 "3.18" "5.1" "16 bits at dst + off = imm"
                { Store { size: Size::H, dst, off, src: Imm(imm) } } ["*(u16 *)(r$dst$mem) = $imm"]
                ["sth [%r$dst$mem], $imm"];
            stw = 0x62 [] (dst off imm) V1 "3.18" "5.1" "32 bits at dst + off = imm"
                { Store { size: Size::W, dst, off, src: Imm(imm) } } ["*(u32 *)(r$dst$mem) = $imm"]
                ["stw [%r$dst$mem], $imm"];
            stdw = 0x7a [] (dst off imm) V1 "3.18" "5.1" "64 bits at dst + off = imm, sign-extended"
                { Store { size: Size::Dw, dst, off, src: Imm(imm) } } ["*(u64 *)(r$dst$mem) = $imm"]
                ["stdw [%r$dst$mem], $imm"];
            stxb = 0x73 [] (dst off src) V1 "3.18" "5.1" "8 bits at dst + off = src"
                { Store { size: Size::B, dst, off, src: Reg(src) } }
                ["*(u8 *)(r$dst$mem) = r$src", "*(u8 *)(r$dst$mem) = w$src"] ["stxb [%r$dst$mem], %r$src"];
            stxh = 0x6b [] (dst off src) V1 "3.18" "5.1" "16 bits at dst + off = src"
                { Store { size: Size::H, dst, off, src: Reg(src) } }
                ["*(u16 *)(r$dst$mem) = r$src", "*(u16 *)(r$dst$mem) = w$src"] ["stxh [%r$dst$mem], %r$src"];
            stxw = 0x63 [] (dst off src) V1 "3.18" "5.1" "32 bits at dst + off = src"
                { Store { size: Size::W, dst, off, src: Reg(src) } }
                ["*(u32 *)(r$dst$mem) = r$src", "*(u32 *)(r$dst$mem) = w$src"] ["stxw [%r$dst$mem], %r$src"];
            stxdw = 0x7b [] (dst off src) V1 "3.18" "5.1" "64 bits at dst + off = src"
                { Store { size: Size::Dw, dst, off, src: Reg(src) } } ["*(u64 *)(r$dst$mem) = r$src"]
                ["stxdw [%r$dst$mem], %r$src"];

            // Atomics.
            load_acquire_b = 0xd3 [imm 0x100] (dst src off) V4 "6.15" - "dst = 8 bits at src + off, with acquire ordering"
                { LoadAcquire { size: Size::B, dst, src, off } }
                ["r$dst = load_acquire((u8 *)(r$src$mem))", "w$dst = load_acquire((u8 *)(r$src$mem))"]
                ["load_acquire_b %r$dst, [%r$src$mem]"];
            store_release_b = 0xd3 [imm 0x110] (dst src off) V4 "6.15" - "8 bits at dst + off = src, with release ordering"
                { StoreRelease { size: Size::B, dst, src, off } }
                ["store_release((u8 *)(r$dst$mem), r$src)", "store_release((u8 *)(r$dst$mem), w$src)"]
                ["store_release_b [%r$dst$mem], %r$src"];
            load_acquire_h = 0xcb [imm 0x100] (dst src off) V4 "6.15" - "dst = 16 bits at src + off, with acquire ordering"
                { LoadAcquire { size: Size::H, dst, src, off } }
                ["r$dst = load_acquire((u16 *)(r$src$mem))", "w$dst = load_acquire((u16 *)(r$src$mem))"]
                ["load_acquire_h %r$dst, [%r$src$mem]"];
            store_release_h = 0xcb [imm 0x110] (dst src off) V4 "6.15" - "16 bits at dst + off = src, with release ordering"
                { StoreRelease { size: Size::H, dst, src, off } }
                ["store_release((u16 *)(r$dst$mem), r$src)", "store_release((u16 *)(r$dst$mem), w$src)"]
                ["store_release_h [%r$dst$mem], %r$src"];
            atomic32_add = 0xc3 [imm 0x00] (dst off src) V1 "3.18" "5.3" "32 bits at dst + off += src, atomically"
                { Atomic { op: AtomicOp::Add, size: Size::W, fetch: false, dst, src, off } }
                ["lock *(u32 *)(r$dst$mem) += r$src", "lock *(u32 *)(r$dst$mem) += w$src"]
                ["lock add32 [%r$dst$mem], %r$src", "stxxaddw [%r$dst$mem], %r$src"];
            atomic32_fetch_add = 0xc3 [imm 0x01] (dst off src) V3 "5.12" "5.3" "src = the old 32 bits at dst + off, which += src, atomically"
                { Atomic { op: AtomicOp::Add, size: Size::W, fetch: true, dst, src, off } }
                [
                    "r$src = atomic_fetch_add((u32 *)(r$dst$mem), r$src)",
                    "w$src = atomic_fetch_add((u32 *)(r$dst$mem), w$src)",
                ] ["lock fetch add32 [%r$dst$mem], %r$src"];
            atomic32_or = 0xc3 [imm 0x40] (dst off src) V3 "5.12" "5.3" "32 bits at dst + off |= src, atomically"
                { Atomic { op: AtomicOp::Or, size: Size::W, fetch: false, dst, src, off } }
                ["lock *(u32 *)(r$dst$mem) |= r$src", "lock *(u32 *)(r$dst$mem) |= w$src"]
                ["lock or32 [%r$dst$mem], %r$src"];
            atomic32_fetch_or = 0xc3 [imm 0x41] (dst off src) V3 "5.12" "5.3" "src = the old 32 bits at dst + off, which |= src, atomically"
                { Atomic { op: AtomicOp::Or, size: Size::W, fetch: true, dst, src, off } }
                [
                    "r$src = atomic_fetch_or((u32 *)(r$dst$mem), r$src)",
                    "w$src = atomic_fetch_or((u32 *)(r$dst$mem), w$src)",
                ] ["lock fetch or32 [%r$dst$mem], %r$src"];
            atomic32_and = 0xc3 [imm 0x50] (dst off src) V3 "5.12" "5.3" "32 bits at dst + off &= src, atomically"
                { Atomic { op: AtomicOp::And, size: Size::W, fetch: false, dst, src, off } }
                ["lock *(u32 *)(r$dst$mem) &= r$src", "lock *(u32 *)(r$dst$mem) &= w$src"]
                ["lock and32 [%r$dst$mem], %r$src"];
            atomic32_fetch_and = 0xc3 [imm 0x51] (dst off src) V3 "5.12" "5.3" "src = the old 32 bits at dst + off, which &= src, atomically"
                { Atomic { op: AtomicOp::And, size: Size::W, fetch: true, dst, src, off } }
                [
                    "r$src = atomic_fetch_and((u32 *)(r$dst$mem), r$src)",
                    "w$src = atomic_fetch_and((u32 *)(r$dst$mem), w$src)",
                ] ["lock fetch and32 [%r$dst$mem], %r$src"];
            atomic32_xor = 0xc3 [imm 0xa0] (dst off src) V3 "5.12" "5.3" "32 bits at dst + off ^= src, atomically"
                { Atomic { op: AtomicOp::Xor, size: Size::W, fetch: false, dst, src, off } }
                ["lock *(u32 *)(r$dst$mem) ^= r$src", "lock *(u32 *)(r$dst$mem) ^= w$src"]
                ["lock xor32 [%r$dst$mem], %r$src"];
            atomic32_fetch_xor = 0xc3 [imm 0xa1] (dst off src) V3 "5.12" "5.3" "src = the old 32 bits at dst + off, which ^= src, atomically"
                { Atomic { op: AtomicOp::Xor, size: Size::W, fetch: true, dst, src, off } }
                [
                    "r$src = atomic_fetch_xor((u32 *)(r$dst$mem), r$src)",
                    "w$src = atomic_fetch_xor((u32 *)(r$dst$mem), w$src)",
                ] ["lock fetch xor32 [%r$dst$mem], %r$src"];
            atomic32_xchg = 0xc3 [imm 0xe1] (dst off src) V3 "5.12" "5.3" "swaps src and the 32 bits at dst + off, atomically"
                { Atomic { op: AtomicOp::Xchg, size: Size::W, fetch: true, dst, src, off } }
                ["r$src = atomic_xchg((u32 *)(r$dst$mem), r$src)", "w$src = xchg32_32(r$dst$mem, w$src)"]
                ["lock xchg32 [%r$dst$mem], %r$src", "lock fetch xchg32 [%r$dst$mem], %r$src"];
            atomic32_cmpxchg = 0xc3 [imm 0xf1] (dst off src) V3 "5.12" "5.3" "if the 32 bits at dst + off equal r0 they become src; r0 = the old ones, atomically"
                { Atomic { op: AtomicOp::Cmpxchg, size: Size::W, fetch: true, dst, src, off } }
                [
                    "r0 = atomic_cmpxchg((u32 *)(r$dst$mem), r0, r$src)",
                    "w0 = cmpxchg32_32(r$dst$mem, w0, w$src)",
                ] ["lock cmpxchg32 [%r$dst$mem], %r$src", "lock fetch cmpxchg32 [%r$dst$mem], %r$src"];
            load_acquire_w = 0xc3 [imm 0x100] (dst src off) V4 "6.15" - "dst = 32 bits at src + off, with acquire ordering"
                { LoadAcquire { size: Size::W, dst, src, off } }
                ["r$dst = load_acquire((u32 *)(r$src$mem))", "w$dst = load_acquire((u32 *)(r$src$mem))"]
                ["load_acquire_w %r$dst, [%r$src$mem]"];
            store_release_w = 0xc3 [imm 0x110] (dst src off) V4 "6.15" - "32 bits at dst + off = src, with release ordering"
                { StoreRelease { size: Size::W, dst, src, off } }
                ["store_release((u32 *)(r$dst$mem), r$src)", "store_release((u32 *)(r$dst$mem), w$src)"]
                ["store_release_w [%r$dst$mem], %r$src"];
            atomic64_add = 0xdb [imm 0x00] (dst off src) V1 "3.18" "5.3" "64 bits at dst + off += src, atomically"
                { Atomic { op: AtomicOp::Add, size: Size::Dw, fetch: false, dst, src, off } }
                ["lock *(u64 *)(r$dst$mem) += r$src"]
                [
                    "lock add [%r$dst$mem], %r$src",
                    "lock add64 [%r$dst$mem], %r$src",
                    "stxxadddw [%r$dst$mem], %r$src",
                ];
            atomic64_fetch_add = 0xdb [imm 0x01] (dst off src) V3 "5.12" "5.3" "src = the old 64 bits at dst + off, which += src, atomically"
                { Atomic { op: AtomicOp::Add, size: Size::Dw, fetch: true, dst, src, off } }
                [
                    "r$src = atomic64_fetch_add((u64 *)(r$dst$mem), r$src)",
                    "r$src = atomic_fetch_add((u64 *)(r$dst$mem), r$src)",
                ] ["lock fetch add [%r$dst$mem], %r$src", "lock fetch add64 [%r$dst$mem], %r$src"];
            atomic64_or = 0xdb [imm 0x40] (dst off src) V3 "5.12" "5.3" "64 bits at dst + off |= src, atomically"
                { Atomic { op: AtomicOp::Or, size: Size::Dw, fetch: false, dst, src, off } }
                ["lock *(u64 *)(r$dst$mem) |= r$src"] ["lock or [%r$dst$mem], %r$src", "lock or64 [%r$dst$mem], %r$src"];
            atomic64_fetch_or = 0xdb [imm 0x41] (dst off src) V3 "5.12" "5.3" "src = the old 64 bits at dst + off, which |= src, atomically"
                { Atomic { op: AtomicOp::Or, size: Size::Dw, fetch: true, dst, src, off } }
                [
                    "r$src = atomic64_fetch_or((u64 *)(r$dst$mem), r$src)",
                    "r$src = atomic_fetch_or((u64 *)(r$dst$mem), r$src)",
                ] ["lock fetch or [%r$dst$mem], %r$src", "lock fetch or64 [%r$dst$mem], %r$src"];
            atomic64_and = 0xdb [imm 0x50] (dst off src) V3 "5.12" "5.3" "64 bits at dst + off &= src, atomically"
                { Atomic { op: AtomicOp::And, size: Size::Dw, fetch: false, dst, src, off } }
                ["lock *(u64 *)(r$dst$mem) &= r$src"]
                ["lock and [%r$dst$mem], %r$src", "lock and64 [%r$dst$mem], %r$src"];
            atomic64_fetch_and = 0xdb [imm 0x51] (dst off src) V3 "5.12" "5.3" "src = the old 64 bits at dst + off, which &= src, atomically"
                { Atomic { op: AtomicOp::And, size: Size::Dw, fetch: true, dst, src, off } }
                [
                    "r$src = atomic64_fetch_and((u64 *)(r$dst$mem), r$src)",
                    "r$src = atomic_fetch_and((u64 *)(r$dst$mem), r$src)",
                ] ["lock fetch and [%r$dst$mem], %r$src", "lock fetch and64 [%r$dst$mem], %r$src"];
            atomic64_xor = 0xdb [imm 0xa0] (dst off src) V3 "5.12" "5.3" "64 bits at dst + off ^= src, atomically"
                { Atomic { op: AtomicOp::Xor, size: Size::Dw, fetch: false, dst, src, off } }
                ["lock *(u64 *)(r$dst$mem) ^= r$src"]
                ["lock xor [%r$dst$mem], %r$src", "lock xor64 [%r$dst$mem], %r$src"];
            atomic64_fetch_xor = 0xdb [imm 0xa1] (dst off src) V3 "5.12" "5.3" "src = the old 64 bits at dst + off, which ^= src, atomically"
                { Atomic { op: AtomicOp::Xor, size: Size::Dw, fetch: true, dst, src, off } }
                [
                    "r$src = atomic64_fetch_xor((u64 *)(r$dst$mem), r$src)",
                    "r$src = atomic_fetch_xor((u64 *)(r$dst$mem), r$src)",
                ] ["lock fetch xor [%r$dst$mem], %r$src", "lock fetch xor64 [%r$dst$mem], %r$src"];
            atomic64_xchg = 0xdb [imm 0xe1] (dst off src) V3 "5.12" "5.3" "swaps src and the 64 bits at dst + off, atomically"
                { Atomic { op: AtomicOp::Xchg, size: Size::Dw, fetch: true, dst, src, off } }
                ["r$src = atomic64_xchg((u64 *)(r$dst$mem), r$src)", "r$src = xchg_64(r$dst$mem, r$src)"]
                [
                    "lock xchg [%r$dst$mem], %r$src",
                    "lock fetch xchg [%r$dst$mem], %r$src",
                    "lock xchg64 [%r$dst$mem], %r$src",
                ];
            atomic64_cmpxchg = 0xdb [imm 0xf1] (dst off src) V3 "5.12" "5.3" "if the 64 bits at dst + off equal r0 they become src; r0 = the old ones, atomically"
                { Atomic { op: AtomicOp::Cmpxchg, size: Size::Dw, fetch: true, dst, src, off } }
                [
                    "r0 = atomic64_cmpxchg((u64 *)(r$dst$mem), r0, r$src)",
                    "r0 = cmpxchg_64(r$dst$mem, r0, r$src)",
                ]
                [
                    "lock cmpxchg [%r$dst$mem], %r$src",
                    "lock fetch cmpxchg [%r$dst$mem], %r$src",
                    "lock cmpxchg64 [%r$dst$mem], %r$src",
                ];
            load_acquire_dw = 0xdb [imm 0x100] (dst src off) V4 "6.15" - "dst = 64 bits at src + off, with acquire ordering"
                { LoadAcquire { size: Size::Dw, dst, src, off } } ["r$dst = load_acquire((u64 *)(r$src$mem))"]
                ["load_acquire_dw %r$dst, [%r$src$mem]"];
            store_release_dw = 0xdb [imm 0x110] (dst src off) V4 "6.15" - "64 bits at dst + off = src, with release ordering"
                { StoreRelease { size: Size::Dw, dst, src, off } } ["store_release((u64 *)(r$dst$mem), r$src)"]
                ["store_release_dw [%r$dst$mem], %r$src"];

            // Wide loads: two slots; the source field says what the 64 bits mean.
            lddw = 0x18 [src 0] (dst imm64) V1 "3.18" "5.4" "dst = a 64-bit constant"
                { LoadImm { dst, source: ImmSource::Value, imm: imm64 } } ["r$dst = $imm64 ll"] ["lddw %r$dst, $imm64"];
            lddw_map_fd = 0x18 [src 1] (dst low) V1 "3.18" "5.4.1" "dst = the map with this file descriptor"
                { LoadImm { dst, source: ImmSource::MapFd, imm: low } }
                ["r$dst = map[fd:$low]", "r$dst = map[fd:$low]", "r$dst = map[id:$low]", "r$dst = map[$map]"]
                ["lddw %r$dst, map[fd:$low]", "lddw %r$dst, map[$map]"];
            lddw_map_value = 0x18 [src 2] (dst imm64) V1 "5.2" "5.4.1" "dst = an address in the first value of the map with this file descriptor"
                { LoadImm { dst, source: ImmSource::MapValue, imm: imm64 } }
                [
                    "r$dst = map[fd:$low][0]+$high",
                    "r$dst = map[fd:$low][0]+$high",
                    "r$dst = map[id:$low][0]+$high",
                    "r$dst = map[$map][0]+$high",
                ] ["lddw %r$dst, map[fd:$low][0]+$high", "lddw %r$dst, map[$map][0]+$high"];
            lddw_btf_id = 0x18 [src 3] (dst imm64) V1 "5.10" "5.4.2" "dst = the kernel variable with this BTF id, in the BTF of this descriptor"
                { LoadImm { dst, source: ImmSource::BtfId, imm: imm64 } }
                ["r$dst = btf[id:$low][$high]", "r$dst = btf[id:$low][$high]", "r$dst = btf[$ksym]"]
                ["lddw %r$dst, btf[id:$low][$high]", "lddw %r$dst, btf[$ksym]"];
            lddw_func = 0x18 [src 4] (dst low) V1 "5.13" "5.4" "dst = the address of a subprogram"
                { LoadImm { dst, source: ImmSource::Func, imm: low } }
                ["r$dst = subprog[$func]", "r$dst = subprog[$func]", "r$dst = $symbol ll"]
                ["lddw %r$dst, subprog[$func]"];
            lddw_map_idx = 0x18 [src 5] (dst low) V1 "5.14" "5.4.1" "dst = the map at this index of fd_array"
                { LoadImm { dst, source: ImmSource::MapIdx, imm: low } } ["r$dst = map[idx:$low]"]
                ["lddw %r$dst, map[idx:$low]"];
            lddw_map_idx_value = 0x18 [src 6] (dst imm64) V1 "5.14" "5.4.1" "dst = an address in the first value of the map at this index of fd_array"
                { LoadImm { dst, source: ImmSource::MapIdxValue, imm: imm64 } } ["r$dst = map[idx:$low][0]+$high"]
                ["lddw %r$dst, map[idx:$low][0]+$high"];

            // Packet access of classic BPF: r6 holds the context, r0 takes the value, r1 to r5 are lost.
            ldabsb = 0x30 [] (imm) V1 "3.18" "5.5" "r0 = 8 bits at imm of the packet, in host order; ends the program if there are none"
                { LoadAbs { size: Size::B, imm } } ["r0 = *(u8 *)skb[$imm]"] ["ldabsb $imm"];
            ldabsh = 0x28 [] (imm) V1 "3.18" "5.5" "r0 = 16 bits at imm of the packet, in host order; ends the program if there are none"
                { LoadAbs { size: Size::H, imm } } ["r0 = *(u16 *)skb[$imm]"] ["ldabsh $imm"];
            ldabsw = 0x20 [] (imm) V1 "3.18" "5.5" "r0 = 32 bits at imm of the packet, in host order; ends the program if there are none"
                { LoadAbs { size: Size::W, imm } } ["r0 = *(u32 *)skb[$imm]"] ["ldabsw $imm"];
            ldindb = 0x50 [] (src imm) V1 "3.18" "5.5" "r0 = 8 bits at src + imm of the packet, in host order; ends the program if there are none"
                { LoadInd { size: Size::B, src, imm } } ["r0 = *(u8 *)skb[r$src$plus]"] ["ldindb %r$src, $imm"];
            ldindh = 0x48 [] (src imm) V1 "3.18" "5.5" "r0 = 16 bits at src + imm of the packet, in host order; ends the program if there are none"
                { LoadInd { size: Size::H, src, imm } } ["r0 = *(u16 *)skb[r$src$plus]"] ["ldindh %r$src, $imm"];
            ldindw = 0x40 [] (src imm) V1 "3.18" "5.5" "r0 = 32 bits at src + imm of the packet, in host order; ends the program if there are none"
                { LoadInd { size: Size::W, src, imm } } ["r0 = *(u32 *)skb[r$src$plus]"] ["ldindw %r$src, $imm"];
        }
    };
}
pub(crate) use for_each_op;
