//! Markers that a program's author named (USDT): each place of one gets a probe, and a record in the map
//! `__bpf_usdt_specs` that tells the program where the arguments are. Which record is the probe's cookie, as `usdt.bpf.h`
//! of libbpf has it; its other map, `__bpf_usdt_ip_to_spec_id`, is for kernels without cookies and stays empty.
//!
//! The record's layout differs between releases of `usdt.bpf.h`, so it is taken from the object's own types.

use skep_backend::{Error, ErrorKind, Map as _};
use skep_btf::{Btf, Type};

use super::event::{RIGHTS, hang};
use super::uprobe::{Spot, open, split};
use super::{Attached, Hook, Program, Target};
use crate::linux::binary::marker_args::{self, Arg, Kind, MOST};
use crate::linux::binary::{Binary, Wanted, find};
use crate::linux::live::Live;
use crate::linux::maps::LiveMap;

pub(super) static HOOK: Hook =
    Hook { name: "usdt", sections: &["usdt", "usdt.s"], needs: &[], attach, remove: None };

const EXAMPLE: &str = "usdt//usr/lib/libc.so.6:libc:setjmp";
const SPECS: &str = "__bpf_usdt_specs";

fn attach(program: &Program<'_>, target: &Target) -> Result<Attached, Error> {
    let (rest, name) = split(program, program.rest(EXAMPLE)?, EXAMPLE)?;
    let (file, provider) = split(program, rest, EXAMPLE)?;
    let path = find(file, &target.search)?;
    let binary = Binary::open(&path, Wanted::Markers)?;
    let mut parts = Vec::new();
    let title = format!("{}:{provider}:{name}", path.display());
    for place in binary.marker(provider, name)? {
        // A program that asks for no argument has no such map, and then the cookie is its own.
        let cookie = match program.live.live_map(SPECS) {
            None => target.cookie,
            Some(map) => {
                let args = arguments(&binary, &title, &place.args)?;
                spec_id(program.live, map, &args, target.cookie)?
            }
        };
        let spot = Spot { offset: place.offset, semaphore: place.semaphore, ret: false };
        let event = open(program, target, binary.path(), spot)?;
        let here = format!("{title} at {:#x}", place.offset);
        parts.push(hang(HOOK.name, program, target, &here, event, cookie)?);
    }
    match parts.len() {
        1 => Ok(parts.remove(0)),
        n => Ok(Attached::several(HOOK.name, format!("{title} ({n} places)"), parts)),
    }
}

fn arguments(binary: &Binary, title: &str, text: &str) -> Result<Vec<Arg>, Error> {
    let wrong = |what: String| Error::new(ErrorKind::Unsupported, format!("{title}: {what}"));
    if marker_args::HERE != Some(binary.machine()) {
        return Err(wrong("it is a program for another kind of machine".into()));
    }
    let args = marker_args::parse(text, binary.machine()).map_err(|part| {
        wrong(format!("an argument is at `{part}`, which no program can read"))
            .with_hint("registers, constants and memory behind registers can be read")
    })?;
    if args.len() > MOST {
        return Err(wrong(format!("it has {} arguments, and there is room for {MOST}", args.len())));
    }
    Ok(args)
}

/// The number of a record: that of one which says the same, or a new one.
fn spec_id(live: &Live, map: &LiveMap, args: &[Arg], cookie: u64) -> Result<u64, Error> {
    let unfit = || {
        let message = format!("map `{SPECS}` has not the layout of libbpf's usdt.bpf.h");
        Error::new(ErrorKind::Invalid, message).with_hint("build the object with its types (-g)")
    };
    let layout = live.types().and_then(|btf| Layout::of(btf, map)).ok_or_else(unfit)?;
    let mut record = vec![0; map.spec().value_size as usize];
    for (n, arg) in args.iter().enumerate() {
        layout.write(&mut record, n, arg)?;
    }
    layout.cookie.write(&mut record, 0, cookie);
    layout.count.write(&mut record, 0, args.len() as u64);
    let mut known = live.usdt_records();
    let id = known.iter().position(|r| *r == record).unwrap_or(known.len());
    let key = u32::try_from(id).ok().filter(|id| *id < map.spec().max_entries).ok_or_else(|| {
        let message = format!("map `{SPECS}` is full: {id} places differ in where their arguments are");
        Error::new(ErrorKind::Unsupported, message).with_hint("define BPF_USDT_MAX_SPEC_CNT larger")
    })?;
    if id == known.len() {
        let wrong = |e| crate::linux::error::refused(&format!("map `{SPECS}`"), e, RIGHTS);
        map.map.update(&key.to_ne_bytes(), &record, 0).map_err(wrong)?;
        known.push(record);
    }
    Ok(u64::from(key))
}

/// A field: its first bit in the record, and how many it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field {
    bit: usize,
    bits: usize,
}

impl Field {
    fn of(btf: &Btf, ty: Type<'_>, name: &str) -> Option<Self> {
        let m = ty.members().find(|m| m.name == name)?;
        let bits = if m.bits == 0 { btf.size_of(m.ty).ok()? * 8 } else { u32::from(m.bits) };
        Some(Self { bit: m.bit_offset as usize, bits: (bits as usize).min(64) })
    }

    /// Writes a number, from a place so many bits on. Bits are counted as little-endian machines do, which are the ones
    /// whose markers are read.
    fn write(self, record: &mut [u8], on: usize, value: u64) {
        for n in 0..self.bits {
            let at = self.bit + on + n;
            if let Some(byte) = record.get_mut(at / 8) {
                let bit = 1 << (at % 8);
                *byte = if value >> n & 1 == 1 { *byte | bit } else { *byte & !bit };
            }
        }
    }
}

/// `struct __bpf_usdt_spec`, as the object was built with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    /// Where arguments begin, and the bits from one to the next.
    args: usize,
    stride: usize,
    cookie: Field,
    count: Field,
    value: Field,
    kind: Field,
    reg: Field,
    signed: Field,
    bitshift: Field,
    /// The index register and its scale, which older releases have not.
    sib: Option<[Field; 2]>,
}

impl Layout {
    fn of(btf: &Btf, map: &LiveMap) -> Option<Self> {
        let spec = btf.skip_modifiers(map.spec().btf_value?).ok()?;
        let args = spec.members().find(|m| m.name == "args")?;
        let array = btf.skip_modifiers(args.ty).ok()?.array().filter(|a| a.len as usize >= MOST)?;
        let arg = btf.skip_modifiers(array.element).ok()?;
        let field = |name| Field::of(btf, arg, name);
        Some(Self {
            args: args.bit_offset as usize,
            stride: btf.size_of(array.element).ok()? as usize * 8,
            cookie: Field::of(btf, spec, "usdt_cookie")?,
            count: Field::of(btf, spec, "arg_cnt")?,
            value: field("val_off")?,
            kind: field("arg_type")?,
            reg: field("reg_off")?,
            signed: field("arg_signed")?,
            bitshift: field("arg_bitshift")?,
            sib: field("idx_reg_off").zip(field("scale_bitshift")).map(|(a, b)| [a, b]),
        })
    }

    fn write(&self, record: &mut [u8], n: usize, arg: &Arg) -> Result<(), Error> {
        let on = self.args + n * self.stride;
        let kind = match arg.kind {
            Kind::Const => 0,
            Kind::Reg => 1,
            Kind::Deref => 2,
            Kind::Sib => 3,
        };
        if arg.kind == Kind::Sib {
            let Some([index, scale]) = self.sib else {
                let message = "an argument is behind a register and an index, which this object can't read";
                return Err(Error::new(ErrorKind::Unsupported, message)
                    .with_hint("build it with the usdt.bpf.h of libbpf 1.7 or newer"));
            };
            index.write(record, on, u64::from(arg.index));
            scale.write(record, on, u64::from(arg.shift));
        }
        self.value.write(record, on, arg.offset as u64);
        self.kind.write(record, on, kind);
        self.reg.write(record, on, u64::from(arg.reg));
        self.signed.write(record, on, u64::from(arg.signed));
        self.bitshift.write(record, on, 64 - u64::from(arg.size) * 8);
        Ok(())
    }
}
