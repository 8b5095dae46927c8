//! Iterators of the running kernel: the entries of a map, the threads of a process, maps by their ids. Skipped, with the
//! reason, where bpf(2) may not be used.
#![cfg(all(target_os = "linux", not(skep_portable)))]

use std::io::Read;
use std::path::{Path, PathBuf};

use skep::backend::{ErrorKind, LoadOptions, Loaded};
use skep::kernel::attach::{Attached, Target};
use skep::kernel::{Kernel, Live};
use skep_object::Spec;
use skep_tests::scenario::root;

fn load(program: &str) -> Option<Live> {
    let kernel = Kernel::new();
    if let Some(why) = kernel.refusal() {
        println!("skipped: {why}");
        return None;
    }
    let bytes = std::fs::read(root().join("tests/objects/iterators.o")).unwrap();
    let options = LoadOptions { programs: vec![program.into()], ..LoadOptions::default() };
    Some(kernel.load(&Spec::from_elf(&bytes).unwrap(), &options).unwrap())
}

fn read(attached: &Attached) -> Vec<u8> {
    let mut bytes = Vec::new();
    attached.read().unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn pairs(bytes: &[u8]) -> Vec<(u64, u64)> {
    let word = |b: &[u8]| u64::from_ne_bytes(b.try_into().unwrap());
    bytes.chunks_exact(16).map(|b| (word(&b[..8]), word(&b[8..]))).collect()
}

/// More entries than one buffer of the kernel's holds, each once; and again when it is read again.
#[test]
fn every_entry_of_a_map_is_walked() {
    let Some(mut live) = load("entries") else { return };
    for key in 0..1000_u32 {
        let square = u64::from(key) * u64::from(key);
        live.map("squares").unwrap().update(&key.to_ne_bytes(), &square.to_ne_bytes(), 0).unwrap();
    }
    let map = |name: &str| Target { map: Some(name.into()), ..Target::default() };
    let attached = live.attach("entries", &map("squares")).unwrap();
    let wanted: Vec<_> = (0..1000).map(|n| (n, n * n)).collect();
    for _ in 0..2 {
        let mut found = pairs(&read(&attached));
        found.sort_unstable();
        assert_eq!(found, wanted);
    }
    live.map("squares").unwrap().delete(&7_u32.to_ne_bytes()).unwrap();
    assert_eq!(pairs(&read(&attached)).len(), 999, "what is there when it is read");
    // The same map by its id.
    let id = skep_sys::info::map(live.map_fd("squares").unwrap()).unwrap().id;
    let by_id = live.attach("entries", &map(&id.to_string())).unwrap();
    assert_eq!(pairs(&read(&by_id)).len(), 999);
    let missing = live.attach("entries", &Target::default()).unwrap_err();
    assert_eq!(missing.hint(), Some("give --map NAME|ID|PATH"));
    assert_eq!(live.attach("entries", &map("circles")).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn the_threads_of_a_process_are_walked() {
    let Some(live) = load("threads") else { return };
    let pid = Some(std::process::id());
    let attached = live.attach("threads", &Target { pid, ..Target::default() }).unwrap();
    let of = |bytes: &[u8]| -> Vec<(u32, u32)> {
        let half = |b: &[u8]| u32::from_ne_bytes(b.try_into().unwrap());
        bytes.chunks_exact(8).map(|b| (half(&b[..4]), half(&b[4..]))).collect()
    };
    let threads = of(&read(&attached));
    assert!(!threads.is_empty());
    assert!(threads.iter().all(|(process, _)| *process == threads[0].0), "{threads:?}");
    let all = of(&read(&live.attach("threads", &Target::default()).unwrap()));
    assert!(all.len() > threads.len() && all.contains(&threads[0]), "of all processes");
}

#[test]
fn maps_are_walked_by_id() {
    let Some(live) = load("maps") else { return };
    let own = skep_sys::info::map(live.map_fd("squares").unwrap()).unwrap().id;
    let attached = live.attach("maps", &Target::default()).unwrap();
    let ids: Vec<u32> =
        read(&attached).chunks_exact(4).map(|b| u32::from_ne_bytes(b.try_into().unwrap())).collect();
    assert!(ids.contains(&own), "{own} in {ids:?}");
    let info = skep_sys::info::link(attached.link_fd().unwrap()).unwrap();
    assert_eq!(info.r#type, skep_abi::LinkType::ITER.0);
    let pid = Some(std::process::id());
    let e = live.attach("maps", &Target { pid, ..Target::default() }).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Invalid, "{e}");
}

/// A cgroup of our own, and one below it; gone when this goes.
struct Groups(PathBuf);

impl Groups {
    fn make() -> Option<Self> {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let root = mounts.lines().find(|l| l.split(' ').nth(2) == Some("cgroup2"))?.split(' ').nth(1)?;
        let own = Path::new(root).join(format!("skep-iter-{}", std::process::id()));
        std::fs::create_dir(&own).ok()?;
        let groups = Self(own);
        std::fs::create_dir(groups.0.join("below")).ok().map(|()| groups)
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(self.0.join("below"));
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// A cgroup's id is its folder's inode.
#[test]
fn a_cgroup_and_those_below_are_walked() {
    let Some(live) = load("cgroups") else { return };
    let Some(groups) = Groups::make() else {
        println!("skipped: no cgroup can be made here");
        return;
    };
    let attached =
        live.attach("cgroups", &Target { cgroup: Some(groups.0.clone()), ..Target::default() }).unwrap();
    let found: Vec<u64> =
        read(&attached).chunks_exact(8).map(|b| u64::from_ne_bytes(b.try_into().unwrap())).collect();
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(path).unwrap());
    assert_eq!(found, [inode(&groups.0), inode(&groups.0.join("below"))]);
}
