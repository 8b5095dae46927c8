//! Captures built byte by byte, as other tools write them, and damaged ones.

use super::*;

fn put(out: &mut Vec<u8>, big: bool, words: &[u32]) {
    for w in words {
        out.extend(if big { w.to_be_bytes() } else { w.to_le_bytes() });
    }
}

fn pcap(magic: u32, big: bool, records: &[(u32, u32, &[u8])]) -> Vec<u8> {
    let mut f = Vec::new();
    put(&mut f, big, &[magic, if big { 0x0002_0004 } else { 0x0004_0002 }, 0, 0, 65_535, 1]);
    for (s, frac, data) in records {
        put(&mut f, big, &[*s, *frac, data.len() as u32, 1500]);
        f.extend(*data);
    }
    f
}

fn block(big: bool, kind: u32, body: &[u8]) -> Vec<u8> {
    let mut f = Vec::new();
    let len = body.len() as u32 + 12;
    put(&mut f, big, &[kind, len]);
    f.extend(body);
    put(&mut f, big, &[len]);
    f
}

fn section(big: bool) -> Vec<u8> {
    let mut body = Vec::new();
    put(&mut body, big, &[0x1a2b_3c4d, if big { 0x0001_0000 } else { 1 }, !0, !0]);
    block(big, 0x0a0d_0d0a, &body)
}

fn interface(big: bool, link: u16, snap: u32, options: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(if big { link.to_be_bytes() } else { link.to_le_bytes() });
    body.extend([0, 0]);
    put(&mut body, big, &[snap]);
    body.extend(options);
    block(big, 1, &body)
}

fn enhanced(big: bool, interface: u32, ticks: u64, data: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    let n = data.len() as u32;
    put(&mut body, big, &[interface, (ticks >> 32) as u32, ticks as u32, n, n + 5]);
    body.extend(data);
    body.resize(body.len().next_multiple_of(4), 0);
    block(big, 6, &body)
}

/// Bytes, time, interface, link type.
type Got = (Vec<u8>, Option<u64>, u32, LinkType);

/// All that comes out, and the error that ended it.
fn read(bytes: &[u8]) -> (Vec<Got>, Option<Error>) {
    let mut got = Vec::new();
    let mut r = match Reader::new(bytes) {
        Ok(r) => r,
        Err(e) => return (got, Some(e)),
    };
    loop {
        match r.next_packet() {
            Ok(Some(p)) => got.push((p.data.to_vec(), p.timestamp_ns, p.interface, p.link_type)),
            Ok(None) => return (got, None),
            Err(e) => return (got, Some(e)),
        }
    }
}

#[test]
fn pcap_of_either_order_and_resolution() {
    for big in [false, true] {
        for (magic, unit) in [(0xa1b2_c3d4, 1000), (0xa1b2_3c4d, 1)] {
            let f = pcap(magic, big, &[(7, 5, b"abc"), (8, 0, b"")]);
            let (got, e) = read(&f);
            assert!(e.is_none(), "{e:?}");
            let eth = LinkType::ETHERNET;
            assert_eq!(got[0], (b"abc".to_vec(), Some(7_000_000_000 + 5 * unit), 0, eth));
            assert_eq!(got[1], (vec![], Some(8_000_000_000), 0, eth));
        }
    }
}

#[test]
fn pcapng_blocks_of_every_packet_kind_in_either_order() {
    for big in [false, true] {
        // Ticks of 2^-10 s, 100 s later; and the default, microseconds.
        let mut options = vec![];
        let short = |n: u16| if big { n.to_be_bytes() } else { n.to_le_bytes() };
        options.extend([short(9), short(1)].concat());
        options.extend([0x8a, 0, 0, 0]);
        options.extend([short(14), short(8)].concat());
        options.extend(if big { 100i64.to_be_bytes() } else { 100i64.to_le_bytes() });
        options.extend([0; 4]);
        let mut simple = Vec::new();
        put(&mut simple, big, &[9]);
        simple.extend(b"snapped!");
        let mut obsolete = Vec::new();
        obsolete.extend([short(1), short(0)].concat());
        put(&mut obsolete, big, &[0, 4_000_000, 2, 2]);
        obsolete.extend(b"ob\0\0");
        let file = [
            section(big),
            interface(big, 101, 6, &options),
            interface(big, 1, 0, &[]),
            block(big, 0x0bad, b"new!"),
            enhanced(big, 0, 1536, b"one"),
            enhanced(big, 1, 3_000_000, b"two2"),
            block(big, 3, &simple),
            block(big, 2, &obsolete),
            section(!big),
            interface(!big, 1, 0, &[]),
            enhanced(!big, 0, 9_000_000, b"second section"),
        ]
        .concat();
        let (got, e) = read(&file);
        assert!(e.is_none(), "{e:?}");
        let (raw, eth) = (LinkType::RAW, LinkType::ETHERNET);
        assert_eq!(got[0], (b"one".to_vec(), Some(101_500_000_000), 0, raw));
        assert_eq!(got[1], (b"two2".to_vec(), Some(3_000_000_000), 1, eth));
        assert_eq!(got[2], (b"snappe".to_vec(), None, 0, raw));
        assert_eq!(got[3], (b"ob".to_vec(), Some(4_000_000_000), 1, eth));
        assert_eq!(got[4], (b"second section".to_vec(), Some(9_000_000_000), 0, eth));
        assert_eq!(got.len(), 5);
    }
}

#[test]
fn what_is_written_is_read_back() {
    let packets = [
        Packet::new(&[1; 60]).at(1_700_000_000_123_456_789),
        Packet { interface: 2, ..Packet::new(&[2; 61]) },
    ];
    for ng in [false, true] {
        let mut file = Vec::new();
        let eth = LinkType::ETHERNET;
        let mut w =
            if ng { Writer::pcapng(&mut file, &[eth]) } else { Writer::pcap(&mut file, eth) }.unwrap();
        for p in &packets {
            w.write(p).unwrap();
        }
        let wrong = Packet { link_type: LinkType::RAW, ..packets[0] };
        assert!(w.write(&wrong).unwrap_err().to_string().contains("link type raw"));
        w.finish().unwrap();
        let (got, e) = read(&file);
        assert!(e.is_none(), "{e:?}");
        assert_eq!(got[0], (vec![1; 60], Some(1_700_000_000_123_456_789), 0, eth));
        assert_eq!(got[1], (vec![2; 61], Some(0), if ng { 2 } else { 0 }, eth));
    }
}

#[test]
fn errors_name_the_place_and_what_came_before_is_kept() {
    let f = pcap(0xa1b2_c3d4, false, &[(1, 0, b"whole"), (2, 0, b"cut off")]);
    let (got, e) = read(&f[..f.len() - 2]);
    let e = e.unwrap();
    assert_eq!(got.len(), 1);
    assert!(e.is_truncated());
    assert_eq!(e.offset(), 24 + 16 + 5);
    assert_eq!(e.to_string(), "the capture ends in the middle of a packet at byte 45");

    let mut f = pcap(0xa1b2_c3d4, false, &[(1, 0, b"long")]);
    f[32..36].copy_from_slice(&[0xff; 4]);
    let e = read(&f).1.unwrap();
    assert!(e.to_string().starts_with("malformed capture at byte 24: a packet of 4294967311 bytes"), "{e}");

    let f = [section(false), enhanced(false, 3, 0, b"x")].concat();
    let e = read(&f).1.unwrap();
    assert_eq!(e.to_string(), "malformed capture at byte 28: a packet of interface 3, and 0 are described");

    assert!(read(b"").1.unwrap().to_string().contains("empty"));
    assert!(read(b"\x7fELF and more than that").1.unwrap().hint().is_some());
}

/// Every single-byte change of small files, and cuts at every place: an answer, always, and the same
/// one when the reader is asked again.
#[test]
fn damage_never_panics() {
    let ng = [
        section(false),
        interface(false, 1, 0, &[9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]),
        enhanced(false, 0, 77, b"hello"),
        block(false, 5, &[0; 12]),
        block(false, 4, &[1, 0, 8, 0, 127, 0, 0, 1, b'a', b'b', b'c', 0, 0, 0, 0, 0]),
    ]
    .concat();
    let old = pcap(0xa1b2_3c4d, true, &[(1, 0, b"abcdef"), (2, 3, b"g")]);
    for file in [ng, old] {
        for at in 0..file.len() {
            read(&file[..at]);
            for value in [0, 1, 3, 4, 12, 16, 0x7f, 0x80, 0xff, file[at] ^ 0x20] {
                let mut f = file.clone();
                f[at] = value;
                let Ok(mut r) = Reader::new(f.as_slice()) else { continue };
                while let Ok(Some(_)) = r.next_packet() {}
                let again = r.next_packet().map(|p| p.is_some()).map_err(|e| e.to_string());
                assert_ne!(again, Ok(true));
            }
        }
    }
}

/// A pcap file of records of many lengths.
fn mixed(magic: u32, big: bool) -> (Vec<u8>, Vec<Vec<u8>>) {
    let packets: Vec<Vec<u8>> = (0..4000u32).map(|n| vec![n as u8; (n * 37 % 1500) as usize + 1]).collect();
    let records: Vec<(u32, u32, &[u8])> =
        packets.iter().enumerate().map(|(n, data)| (1000 + n as u32, n as u32, data.as_slice())).collect();
    (pcap(magic, big, &records), packets)
}

#[test]
fn records_are_what_one_after_the_other_gives() {
    for (magic, big) in [(0xa1b2_c3d4, false), (0xa1b2_3c4d, true)] {
        let (file, packets) = mixed(magic, big);
        let mut reader = Reader::new(file.as_slice()).unwrap();
        let mut got = Vec::new();
        loop {
            // What is not taken comes again.
            let some = reader.records().unwrap().into_iter().flatten().take(70);
            got.extend(some.map(|packet| packet.data.to_vec()));
            if let Some(packet) = reader.next_packet().unwrap() {
                got.push(packet.data.to_vec());
            } else {
                break;
            }
        }
        assert!(got == packets);
        assert_eq!(reader.offset(), file.len() as u64);
    }
    let cut = &mixed(0xa1b2_c3d4, false).0[..30_000];
    let mut reader = Reader::new(cut).unwrap();
    assert!(reader.records().unwrap().unwrap().count() > 30);
    assert!(reader.records().is_err_and(|e| e.is_truncated()));
}

#[test]
fn a_record_is_found_from_anywhere() {
    for (magic, big) in [(0xa1b2_c3d4, false), (0xa1b2_3c4d, true)] {
        let (file, packets) = mixed(magic, big);
        let header = Reader::new(file.as_slice()).unwrap().header().unwrap();
        let mut starts = vec![24];
        for packet in &packets {
            starts.push(starts[starts.len() - 1] + 16 + packet.len());
        }
        for from in (24..file.len() / 2).step_by(977) {
            let next = starts[starts.partition_point(|start| *start < from)];
            assert_eq!(header.guess(&file[from..]), Some(next - from));
            let reader = Reader::of(header, std::io::empty()).moved(std::io::empty(), 0);
            assert_eq!(reader.format(), Format::Pcap);
        }
        let from = starts[100];
        let mut reader = Reader::of(header, file.as_slice()).moved(&file[from..], from as u64);
        assert_eq!(reader.next_packet().unwrap().unwrap().data, packets[100]);
        assert_eq!(reader.offset(), starts[101] as u64);
        assert!(header.guess(&[0; 5000]).is_none());
    }
}

#[test]
fn a_file_is_copied_as_it_is_also_in_parts() {
    let (file, _) = mixed(0xa1b2_c3d4, false);
    let mut reader = Reader::new(file.as_slice()).unwrap();
    let mut writer = Writer::pcap_like(Vec::new(), &reader.header().unwrap()).unwrap();
    let mut part = writer.part();
    let mut n = 0;
    while let Some(packet) = reader.next_packet().unwrap() {
        n += 1;
        match n % 100 {
            0 => {
                part.write(&packet).unwrap();
                writer.append(&mut part).unwrap();
            }
            1..50 => part.write(&packet).unwrap(),
            50 => {
                writer.append(&mut part).unwrap();
                writer.write(&packet).unwrap();
            }
            _ => writer.write(&packet).unwrap(),
        }
    }
    assert!(writer.finish().unwrap() == file);
}
