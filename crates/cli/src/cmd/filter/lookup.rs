//! Names as this machine knows them: its files, and its resolver for hosts.

use std::net::{IpAddr, ToSocketAddrs};

use skep::filter::{Database, Names, Ports};

/// The files under /etc, read once, and the resolver.
pub(super) struct System(Database);

impl System {
    pub(super) fn new() -> System {
        // A file that is not there knows no names.
        let file = |name: &str| std::fs::read_to_string(format!("/etc/{name}")).unwrap_or_default();
        System(
            Database::new()
                .hosts(&file("hosts"))
                .networks(&file("networks"))
                .ethers(&file("ethers"))
                .services(&file("services"))
                .protocols(&file("protocols")),
        )
    }
}

impl Names for System {
    fn host(&self, name: &str) -> Vec<IpAddr> {
        let known = self.0.host(name);
        if !known.is_empty() {
            return known;
        }
        let mut found: Vec<IpAddr> =
            (name, 0).to_socket_addrs().into_iter().flatten().map(|a| a.ip()).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    fn network(&self, name: &str) -> Option<u32> {
        self.0.network(name)
    }

    fn ether(&self, name: &str) -> Option<[u8; 6]> {
        self.0.ether(name)
    }

    fn ports(&self, name: &str) -> Ports {
        self.0.ports(name)
    }

    fn protocol(&self, name: &str) -> Option<u8> {
        self.0.protocol(name)
    }
}
