//! Filters over the captures of the suite: what each returns for each packet, beside what libpcap's returns. Both codes
//! are run, and skep's own.

use std::fs::File;
use std::path::Path;

use serde_json::Value;
use skep::capture::Reader;
use skep_filter::{ByteOrder, Code, Database, Dlt, Options, Walk, addr, compile};
use skep_vm::classic::{LoopingFilter, Packet};

use super::{Outcome, text};

/// A capture's packets with their lengths on the wire; its link type, byte order and snapshot length.
struct Capture {
    packets: Vec<(Vec<u8>, u32)>,
    dlt: Dlt,
    order: ByteOrder,
    snaplen: u32,
}

/// What libpcap takes for a snapshot length of 0, and for one that is larger.
const MAX_SNAPLEN: u32 = 262_144;

/// The snapshot length and the byte order that a file's first bytes tell.
fn header(bytes: &[u8]) -> Option<(u32, ByteOrder)> {
    let word = |at: usize, little: bool| -> Option<u32> {
        let b = *bytes.get(at..)?.first_chunk()?;
        Some(if little { u32::from_le_bytes(b) } else { u32::from_be_bytes(b) })
    };
    let order = |little: bool| {
        if little == cfg!(target_endian = "little") { ByteOrder::Same } else { ByteOrder::Swapped }
    };
    let (snaplen, little) = match word(0, false)? {
        // A section header of pcapng, behind which its first interface is described.
        0x0a0d_0d0a => {
            let little = word(8, false)? == 0x4d3c_2b1a;
            (word(word(4, little)? as usize + 12, little)?, little)
        }
        0xd4c3_b2a1 | 0x4d3c_b2a1 => (word(16, true)?, true),
        _ => (word(16, false)?, false),
    };
    Some((if snaplen == 0 || snaplen > MAX_SNAPLEN { MAX_SNAPLEN } else { snaplen }, order(little)))
}

fn read(path: &Path) -> Result<Capture, String> {
    let bytes = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let (snaplen, order) = header(&bytes).ok_or("no capture")?;
    let mut reader = Reader::new(&bytes[..]).map_err(|e| e.to_string())?;
    let (mut packets, mut dlt) = (Vec::new(), None);
    while let Some(packet) = reader.next_packet().map_err(|e| e.to_string())? {
        dlt.get_or_insert(Dlt::from_linktype(packet.link_type.0));
        packets.push((packet.data.to_vec(), packet.orig_len));
    }
    Ok(Capture { packets, dlt: dlt.ok_or("no packet")?, order, snaplen })
}

/// Runs one filter over one capture.
pub(super) fn apply(row: &Value, names: &Database, files: Option<&Path>) -> Outcome {
    let Some(files) = files else {
        return Outcome::Skip("needs the captures of the suite".to_string());
    };
    let capture = match read(&files.join(text(row, "savefile"))) {
        Ok(capture) => capture,
        Err(why) => return Outcome::Fail(format!("{}: {why}", text(row, "savefile"))),
    };
    let theirs = if row["optimize"].as_u64() == Some(1) { Code::Libpcap } else { Code::Plain };
    for code in [theirs, Code::Best] {
        if let Err(why) = run(row, names, &capture, code) {
            return Outcome::Fail(format!(
                "`{}` on {}, {code:?}: {why}",
                text(row, "expr"),
                text(row, "savefile")
            ));
        }
    }
    Outcome::Pass
}

fn run(row: &Value, names: &Database, capture: &Capture, code: Code) -> Result<(), String> {
    let options = Options {
        dlt: capture.dlt,
        snaplen: capture.snaplen,
        netmask: row["netmask"].as_str().and_then(addr::ipv4_prefix).map(|(mask, _)| mask),
        code,
        linux_extensions: false,
        file_order: Some(capture.order),
        walk: Walk::default(),
        loops: true,
    };
    let insns = compile(text(row, "expr"), &options, names).map_err(|e| e.to_string())?;
    let filter = LoopingFilter::new(&insns).map_err(|e| e.to_string())?;
    let mut expected = text(row, "expected").lines();
    for (n, (bytes, len)) in capture.packets.iter().enumerate() {
        let ours = filter.run(&Packet { len: *len, ..Packet::new(bytes) });
        let theirs = expected.next();
        if theirs != Some(ours.to_string().as_str()) {
            return Err(format!("packet {}: {ours}, not {}", n + 1, theirs.unwrap_or("past the last")));
        }
    }
    expected.next().map_or(Ok(()), |_| Err(format!("no more than {} packets", capture.packets.len())))
}

/// A capture that libpcap does not open.
pub(super) fn damaged(row: &Value, files: Option<&Path>) -> Outcome {
    let Some(files) = files else {
        return Outcome::Skip("a damaged capture, not a filter".to_string());
    };
    let path = files.join(text(row, "savefile"));
    let refused = File::open(&path).map_err(|e| e.to_string()).and_then(|file| {
        let mut reader = Reader::new(file).map_err(|e| e.to_string())?;
        reader.next_packet().map(|_| ()).map_err(|e| e.to_string())
    });
    match refused {
        Err(_) => Outcome::Skip("a damaged capture, not a filter: refused by skep, too".to_string()),
        Ok(()) => Outcome::Skip("a damaged capture, not a filter: taken by skep".to_string()),
    }
}
