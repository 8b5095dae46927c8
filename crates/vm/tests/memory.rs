//! Regions, as helpers and embedders see them.

use skep_isa::Endian;
use skep_vm::{
    FaultKind, Memory, MemoryError, PACKET_BASE, Protection, RegionId, function_address, function_slot,
    map_handle, map_index,
};

fn memory() -> Memory {
    Memory::new(Endian::Little)
}

#[test]
fn a_region_ends_where_it_ends() {
    let mut memory = memory();
    let id = memory.add_bytes(&[1, 2, 3, 4], Protection::ReadWrite).expect("a region");
    assert_eq!(memory.read(id.base(), 4), Ok(&[1, 2, 3, 4][..]));
    assert_eq!(memory.read(id.base() + 4, 0), Ok(&[][..]));
    for (addr, len) in [(id.base() + 1, 4), (id.base() + 5, 0), (id.base() - 1, 1), (id.base() - 1, 2)] {
        assert!(memory.read(addr, len).is_err(), "{addr:#x} {len}");
    }
    let fault = memory.read(id.base(), usize::MAX).expect_err("too long");
    assert_eq!(fault.kind, FaultKind::OutOfBounds);
    assert_eq!(fault.near.map(|n| (n.region, n.len)), Some((id, 4)));
}

#[test]
fn read_only_regions_are_not_written() {
    let mut memory = memory();
    let id = memory.add(8, Protection::ReadOnly).expect("a region");
    assert_eq!(memory.write_u32(id.base(), 1).map_err(|f| f.kind), Err(FaultKind::ReadOnly));
    memory.protect(id, Protection::ReadWrite).expect("it exists");
    assert_eq!(memory.write_u32(id.base(), 1), Ok(()));
    assert_eq!(memory.read_u64(id.base()), Ok(1));
}

#[test]
fn numbers_are_in_the_programs_order() {
    let mut memory = Memory::new(Endian::Big);
    let id = memory.add(8, Protection::ReadWrite).expect("a region");
    memory.write_u16(id.base(), 0x1122).expect("in bounds");
    assert_eq!(memory.storage(id).map(|s| s[0]), Some(0x11));
    assert_eq!(memory.read_u32(id.base()), Ok(0x1122_0000));
}

#[test]
fn the_packet_lies_below_four_gigabytes_and_moves_in_its_room() {
    let mut memory = memory();
    let data = memory.set_packet(256, &[1, 2, 3], 64).expect("a packet");
    assert_eq!(data, PACKET_BASE + 256);
    assert!(memory.read(data - 1, 1).is_err());
    assert!(memory.read(data + 3, 1).is_err());
    memory.set_window(RegionId::PACKET, 252..259).expect("inside");
    assert_eq!(memory.read(data - 4, 7), Ok(&[0, 0, 0, 0, 1, 2, 3][..]));
    assert_eq!(memory.set_window(RegionId::PACKET, 0..324), Err(MemoryError::TooLong));
    // A second packet does not show the first.
    memory.storage_mut(RegionId::PACKET).expect("a packet").fill(0xff);
    memory.set_packet(16, &[7], 16).expect("a packet");
    assert_eq!(
        memory.storage(RegionId::PACKET).map(|s| s[..33].iter().map(|b| u32::from(*b)).sum::<u32>()),
        Some(7)
    );
    assert_eq!(memory.window(RegionId::PACKET), Some(16..17));
}

#[test]
fn regions_come_and_go() {
    let mut memory = memory();
    let id = memory.add(8, Protection::ReadWrite).expect("a region");
    memory.replace(id, 16).expect("it exists");
    assert_eq!(memory.read(id.base(), 16).map(<[u8]>::len), Ok(16));
    memory.remove(id).expect("it exists");
    assert_eq!(memory.read(id.base(), 1).map_err(|f| f.kind), Err(FaultKind::Unmapped));
    assert_eq!(memory.remove(id), Err(MemoryError::NoSuchRegion));
    for own in [RegionId::PACKET, RegionId::frame(0)] {
        assert_eq!(memory.remove(own), Err(MemoryError::NoSuchRegion));
    }
    assert_eq!(memory.replace(RegionId::frame(3), 8), Err(MemoryError::NoSuchRegion));
}

#[test]
fn memory_is_limited() {
    let mut memory = memory();
    memory.set_limit(1 << 20);
    assert_eq!(memory.add(1 << 21, Protection::ReadWrite), Err(MemoryError::OutOfMemory));
    assert_eq!(memory.add(usize::MAX, Protection::ReadWrite), Err(MemoryError::TooLong));
    let id = memory.add(1 << 19, Protection::ReadWrite).expect("within the limit");
    assert_eq!(memory.replace(id, 1 << 20), Err(MemoryError::OutOfMemory));
    memory.remove(id).expect("it exists");
    assert!(memory.add(1 << 19, Protection::ReadWrite).is_ok());
}

#[test]
fn copies_may_overlap() {
    let mut memory = memory();
    let id = memory.add_bytes(&[1, 2, 3, 4, 5], Protection::ReadWrite).expect("a region");
    memory.copy(id.base() + 1, id.base(), 4).expect("in bounds");
    assert_eq!(memory.read(id.base(), 5), Ok(&[1, 1, 2, 3, 4][..]));
    assert!(memory.copy(id.base() + 2, id.base(), 4).is_err());
}

#[test]
fn handles_are_names() {
    assert_eq!(map_index(map_handle(7)), Some(7));
    assert_eq!(map_index(map_handle(u32::MAX)), Some(u32::MAX));
    assert_eq!(map_index(map_handle(7) + 1), None);
    assert_eq!(map_index(0), None);
    assert_eq!(function_slot(function_address(9)), Some(9));
    assert_eq!(function_slot(map_handle(9)), None);
    let fault = memory().read(map_handle(3) + 4, 4).expect_err("not memory");
    assert_eq!(fault.kind, FaultKind::MapHandle);
}
