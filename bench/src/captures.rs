//! Two captures of made-up traffic, the same on every machine: whole frames, and frames cut at 96 bytes.
//!
//! A few thousand flows of TCP and UDP over IPv4 and IPv6, some in a VLAN, some ICMP and ARP; sizes as on an access
//! line: mostly full segments and bare acknowledgements. Nothing is random but by a seed.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// A sequence of numbers (SplitMix64, by Steele, Lea and Flood).
pub struct Chance(pub u64);

impl Chance {
    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below another.
    pub fn below(&mut self, n: u64) -> u64 {
        self.draw() % n
    }
}

/// The hosts of the lists: every one is an address inside 10.0.0.0/8 that flows may have.
pub fn hosts(count: usize) -> Vec<[u8; 4]> {
    let mut chance = Chance(7);
    let mut out = std::collections::BTreeSet::new();
    while out.len() < count {
        let n = chance.draw();
        out.insert([10, (n >> 8 & 15) as u8, (n >> 16) as u8, n as u8]);
    }
    out.into_iter().collect()
}

/// One end of a conversation to the other.
struct Flow {
    v6: bool,
    tagged: Option<u16>,
    protocol: u8,
    ports: [u16; 2],
    v4: [[u8; 4]; 2],
    low: [u64; 2],
}

impl Flow {
    fn new(chance: &mut Chance, listed: &[[u8; 4]]) -> Flow {
        // One flow in 25 is a listed host's.
        let address = |chance: &mut Chance, known: bool| match known {
            true => listed[chance.below(listed.len() as u64) as usize],
            false => (chance.draw() as u32 | 0x8000_0000).to_be_bytes(),
        };
        let known = chance.below(25) == 0;
        let v4 = [address(chance, known), address(chance, false)];
        let (protocol, port) = match chance.below(100) {
            0..22 => (6, 443),
            22..37 => (6, 80),
            37..62 => (6, 1024 + chance.below(9000) as u16),
            62..80 => (17, 443),
            80..90 => (17, 53),
            90..97 => (17, 1024 + chance.below(9000) as u16),
            97..99 => (1, 0),
            _ => (0, 0),
        };
        Flow {
            v6: protocol != 0 && chance.below(100) < 18,
            tagged: (chance.below(100) < 6).then(|| 1 + chance.below(100) as u16),
            protocol,
            ports: [32768 + chance.below(28000) as u16, port],
            v4,
            low: [chance.draw(), chance.draw()],
        }
    }

    /// A frame of this flow, of either direction.
    fn frame(&self, chance: &mut Chance, out: &mut Vec<u8>) {
        out.clear();
        let back = usize::from(chance.below(2) == 1);
        let [from, to] = [back, 1 - back];
        out.extend([2, 0, 0, 0, 0, to as u8, 2, 0, 0, 0, 0, from as u8]);
        if let Some(tag) = self.tagged {
            out.extend([0x81, 0]);
            out.extend(tag.to_be_bytes());
        }
        if self.protocol == 0 {
            out.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1]);
            out.extend(self.v4[0]);
            out.extend([0; 6]);
            out.extend(self.v4[1]);
            return out.resize(60, 0);
        }
        let payload = match (self.protocol, self.ports[1], chance.below(100)) {
            (17, 53, _) => 30 + chance.below(200),
            (1, ..) => 56,
            (6, _, 0..40) => 0,
            (_, _, 40..85) => 1400,
            _ => 1 + chance.below(1400),
        } as u16;
        let head = match self.protocol {
            6 => 32,
            _ => 8,
        };
        self.network(out, [from, to], head + payload);
        self.transport(chance, out, [from, to], payload);
        let text: &[u8] = match (payload, chance.below(12), self.protocol) {
            (8.., 0, 6) => b"GET / HTTP/1.1\r\n",
            _ => b"\x17\x03\x03\x05\x00",
        };
        let text = &text[..text.len().min(usize::from(payload))];
        out.extend(text);
        let (word, rest) = (chance.draw().to_le_bytes(), usize::from(payload) - text.len());
        out.extend(word.iter().cycle().take(rest));
    }

    fn network(&self, out: &mut Vec<u8>, [from, to]: [usize; 2], len: u16) {
        if self.v6 {
            out.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            out.extend(len.to_be_bytes());
            out.extend([if self.protocol == 1 { 58 } else { self.protocol }, 64]);
            for end in [from, to] {
                out.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, end as u8]);
                out.extend(self.low[end].to_be_bytes());
            }
            return;
        }
        out.extend([8, 0, 0x45, 0]);
        out.extend((len + 20).to_be_bytes());
        out.extend([0, 0, 0x40, 0, 64, self.protocol, 0, 0]);
        out.extend(self.v4[from]);
        out.extend(self.v4[to]);
    }

    fn transport(&self, chance: &mut Chance, out: &mut Vec<u8>, [from, to]: [usize; 2], payload: u16) {
        if self.protocol == 1 {
            return out.extend([8, 0, 0, 0, 0, 1, 0, 1]);
        }
        out.extend(self.ports[from].to_be_bytes());
        out.extend(self.ports[to].to_be_bytes());
        if self.protocol == 17 {
            out.extend((payload + 8).to_be_bytes());
            return out.extend([0, 0]);
        }
        let flags = match (payload, chance.below(20)) {
            (0, 0) => 2,
            (0, 1) => 0x12,
            (0, 2) => 0x11,
            (0, _) => 0x10,
            _ => 0x18,
        };
        out.extend((chance.draw() as u32).to_be_bytes());
        out.extend((chance.draw() as u32).to_be_bytes());
        out.extend([0x80, flags, 1, 0, 0, 0, 0, 0, 1, 1, 8, 10]);
        out.extend(chance.draw().to_be_bytes());
    }
}

/// Frames without end.
pub struct Traffic {
    chance: Chance,
    flows: Vec<Flow>,
    frame: Vec<u8>,
}

impl Traffic {
    /// Of so many flows, some of which are of the listed hosts.
    pub fn new(flows: usize, listed: &[[u8; 4]]) -> Traffic {
        let mut chance = Chance(1);
        let flows = (0..flows).map(|_| Flow::new(&mut chance, listed)).collect();
        Traffic { chance, flows, frame: Vec::new() }
    }

    /// The next one.
    pub fn next(&mut self) -> &[u8] {
        let flow = self.chance.below(self.flows.len() as u64) as usize;
        self.flows[flow].frame(&mut self.chance, &mut self.frame);
        &self.frame
    }
}

/// Writes a pcap file of so many bytes, with frames cut at `snaplen`.
pub fn write(path: &Path, bytes: u64, snaplen: u32) -> io::Result<u64> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, snaplen, 1] {
        out.write_all(&u32::to_le_bytes(word))?;
    }
    let mut traffic = Traffic::new(4000, &hosts(100));
    let (mut written, mut count, mut time) = (24, 0, 0u64);
    while written < bytes {
        let frame = traffic.next();
        let kept = &frame[..frame.len().min(snaplen as usize)];
        time += 7;
        let head = [
            1_700_000_000 + (time / 1_000_000) as u32,
            (time % 1_000_000) as u32,
            kept.len() as u32,
            frame.len() as u32,
        ];
        out.write_all(head.map(u32::to_le_bytes).as_flattened())?;
        out.write_all(kept)?;
        written += 16 + kept.len() as u64;
        count += 1;
    }
    out.flush()?;
    Ok(count)
}
