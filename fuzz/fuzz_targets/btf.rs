//! Any bytes as BTF: they parse or are refused; what parses can be walked, dumped, printed, merged, written
//! and relocated against, and comes back from its bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_btf::core::{Reloc, RelocKind, solve};
use skep_btf::ext::BtfExt;
use skep_btf::{Btf, Endian, c, dedup, print, raw};

fuzz_target!(|bytes: &[u8]| {
    let Ok(btf) = Btf::parse(bytes) else { return };
    for t in btf.types() {
        let _ = btf.align_of(t.id());
        let size = btf.size_of(t.id()).unwrap_or(0).min(1 << 12) as usize;
        if let Ok(value) = print::value(&btf, t.id(), &vec![0; size], btf.endian()) {
            let _ = (value.to_json(), value.to_string());
        }
        for kind in (0..13).filter_map(RelocKind::from_number) {
            for access in ["0", "0:0", "0:1:0"] {
                let _ = solve(&btf, &Reloc { type_id: t.id(), access, kind }, &btf);
            }
        }
    }
    let _ = (raw::dump(&btf), c::dump(&btf), BtfExt::parse(bytes, &btf), dedup(&btf, None));
    for endian in [Endian::Little, Endian::Big] {
        let written = btf.to_bytes(endian);
        let back = Btf::parse(&written).expect("what we write we read");
        assert_eq!(back.to_bytes(endian), written);
    }
});
