//! Any bytes as a capture, plain or packed: the reader ends, gives the same error again, and what it
//! read is written and read back as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skep::capture::{MAX_RECORD, Reader, Writer};

/// A small file may unpack to a very long stream; that many packets are enough.
const PACKETS: usize = 10_000;

fuzz_target!(|data: &[u8]| {
    let Ok(mut reader) = Reader::new(data) else { return };
    let mut copy = Writer::pcapng(Vec::new(), &[]).expect("writes to memory");
    let mut packets = Vec::new();
    while packets.len() < PACKETS {
        match reader.next_packet() {
            Ok(Some(p)) => {
                assert!(p.data.len() <= MAX_RECORD);
                if copy.write(&p).is_ok() {
                    packets.push((p.data.to_vec(), p.timestamp_ns.unwrap_or(0), p.interface));
                }
            }
            Ok(None) => break,
            Err(first) => {
                let again = reader.next_packet().expect_err("an error stays").to_string();
                assert_eq!(again, first.to_string());
                break;
            }
        }
    }
    let copy = copy.finish().expect("writes to memory");
    let mut reader = Reader::new(copy.as_slice()).expect("what we write we read");
    for (data, time, interface) in packets {
        let p = reader.next_packet().expect("whole").expect("as many as were written");
        assert_eq!((p.data, p.timestamp_ns, p.interface), (data.as_slice(), Some(time), interface));
    }
    assert!(reader.next_packet().expect("whole").is_none());
});
