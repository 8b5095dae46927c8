//! Filters that walk past VLAN tags, extension headers and into tunnels take the packets that a plain reference takes.

use skep::filter::{Code, Database, Dlt, Options, Walk, compile};
use skep::vm::classic::{Filter, LoopingFilter, Packet};
use skep_tests::filters::Random;
use skep_tests::walked::{Expr, Link, inner, outer, packet};

/// SKEP_WALKED=N tries more.
fn filters() -> u64 {
    std::env::var("SKEP_WALKED").ok().and_then(|n| n.parse().ok()).unwrap_or(600)
}

fn walk(n: usize) -> Walk {
    Walk { ipv6_ext: n & 1 != 0, transport6: n & 2 != 0, any_vlan: n & 4 != 0, inner: n & 8 != 0 }
}

#[test]
fn walks_find_what_a_reference_finds() {
    let (mut pairs, mut taken, mut left, mut inside) = (0_u64, 0_u64, 0_u64, 0_u64);
    for seed in 0..filters() {
        let mut r = Random::new(seed);
        let walk = walk(seed as usize % 16);
        let (link, dlt) = [
            (Link::Ethernet, Dlt::EN10MB),
            (Link::Ethernet, Dlt::EN10MB),
            (Link::Cooked, Dlt::LINUX_SLL),
            (Link::Raw, Dlt::RAW),
        ][r.below(4)];
        let expr = Expr::random(&mut r, link, walk, 3);
        let text = expr.to_string();
        let code = if seed % 5 == 0 { Code::Plain } else { Code::Best };
        if code == Code::Plain && text.contains("protochain") {
            continue; // libpcap's loop
        }
        let options = Options { dlt, code, walk, ..Options::default() };
        let insns = match compile(&text, &options, &Database::new()) {
            Ok(insns) => insns,
            Err(e) if e.message() == "expression rejects all packets" => continue,
            Err(e) => panic!("{walk:?} `{text}`: {e}"),
        };
        let filter = Filter::new(&insns).unwrap_or_else(|e| panic!("{walk:?} `{text}`: {e}"));
        let compiled = Filter::compiled(&insns).unwrap_or_else(|e| panic!("{walk:?} `{text}`: {e}"));
        for _ in 0..60 {
            let bytes = packet(&mut r, link);
            let ours = filter.run(&Packet::new(&bytes)) != 0;
            assert_eq!(compiled.run(&Packet::new(&bytes)) != 0, ours, "{walk:?} `{text}` on {bytes:02x?}");
            // A walk that would leave the packet takes it nowhere; that is tested for itself.
            let Some(layers) = outer(&bytes, link, walk) else { continue };
            let Some(within) = (if walk.inner { inner(&layers, walk.ipv6_ext) } else { Some(None) }) else {
                continue;
            };
            let Some(theirs) = expr.holds(&layers, walk) else { continue };
            let theirs = theirs
                || match &within {
                    Some(within) => match expr.holds(within, walk) {
                        Some(holds) => holds,
                        None => continue,
                    },
                    None => false,
                };
            assert_eq!(
                ours, theirs,
                "seed {seed}, {dlt:?}, {walk:?}, {code:?}, `{text}` on {bytes:02x?}\n{layers:#?}\n{within:#?}"
            );
            pairs += 1;
            taken += u64::from(ours);
            inside += u64::from(within.is_some());
            left += u64::from(bytes.len() < 60);
        }
    }
    assert_eq!(left, 0);
    assert!(taken * 10 > pairs && taken * 10 < pairs * 9, "{taken} of {pairs} taken");
    assert!(inside * 20 > pairs, "{inside} of {pairs} held a packet");
    println!("{pairs} pairs, {taken} taken, {inside} with a packet inside");
}

/// IPv6 with so many headers before TCP: an authentication header, then options.
fn chain(headers: usize) -> Vec<u8> {
    let next = |left: usize| if left == 0 { 6 } else { 60 };
    let mut b = vec![0x60, 0, 0, 0, 0, 0, if headers == 0 { 6 } else { 51 }, 64];
    b.resize(40, 1);
    for left in (0..headers).rev() {
        match left + 1 == headers {
            true => b.extend([next(left), 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]),
            false => b.extend([next(left), 0, 1, 4, 0, 0, 0, 0]),
        }
    }
    b.resize(b.len() + 20, 0);
    b
}

#[test]
fn chains_are_followed_for_eight_headers_or_by_a_loop() {
    let make = |loops, code| {
        let options = Options { dlt: Dlt::RAW, code, loops, ..Options::default() };
        compile("ip6 protochain 6", &options, &Database::new()).expect("a filter")
    };
    let written = Filter::new(&make(false, Code::Best)).expect("Linux takes it");
    assert!(Filter::new(&make(true, Code::Best)).is_err(), "it jumps backwards");
    let looping = LoopingFilter::new(&make(true, Code::Best)).expect("within itself");
    let libpcap = LoopingFilter::new(&make(false, Code::Libpcap)).expect("within itself");
    for headers in [0, 1, 2, 7, 8, 9, 30] {
        let bytes = chain(headers);
        let packet = Packet::new(&bytes);
        assert_ne!(looping.run(&packet), 0, "{headers}");
        assert_eq!(written.run(&packet) != 0, headers <= 8, "{headers}");
        // What an authentication header says comes next libpcap knows, but not where that is.
        assert_eq!(libpcap.run(&packet) != 0, headers <= 1, "{headers}");
    }
    // An authentication header of which libpcap's loop never gets away.
    let mut endless = vec![0x60, 0, 0, 0, 0, 0, 51, 64];
    endless.resize(40, 0);
    endless.extend([51, 8, 0, 0]);
    endless.resize(100, 0);
    let packet = Packet::new(&endless);
    assert_eq!((libpcap.run(&packet), looping.run(&packet)), (0, 0));
}
