//! Any text as a pcap filter: it compiles or is refused with a place inside the text, and what compiles is a filter
//! that the kernel's rules allow, unless it loops as libpcap's protochain does.
#![no_main]

use libfuzzer_sys::fuzz_target;
use skep_filter::{Code, Database, Options, compile};
use skep_isa::classic::check_socket;

fuzz_target!(|data: &[u8]| {
    let Some((&first, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let code = [Code::Plain, Code::Libpcap, Code::Best][usize::from(first % 3)];
    let options = Options { code, ..Options::default() };
    match compile(text, &options, &Database::new()) {
        Ok(insns) if !text.contains("protochain") && insns.len() <= 4096 => {
            // A constant division by zero is the text's own doing, and Linux refuses it.
            let _ = check_socket(&insns);
        }
        Ok(_) => {}
        Err(e) => assert!(e.span().end <= text.len()),
    }
});
