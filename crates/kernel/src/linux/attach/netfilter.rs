//! netfilter: packets at the hooks that iptables and nftables use, in this thread's network namespace. By link only.

use skep_abi::{AttachType, nearest};
use skep_backend::{Error, ErrorKind};
use skep_sys::prog::Target as On;
use skep_sys::{Cap, Errno, link};

use super::target::missing;
use super::{Attached, Hook, Program, Target};
use crate::linux::error::refused;

pub(super) static HOOK: Hook =
    Hook { name: "netfilter", sections: &["netfilter"], needs: &["--hook"], attach, remove: None };

/// `NFPROTO_*`.
const FAMILIES: &[(&str, u32)] = &[("ipv4", 2), ("ipv6", 10)];
/// `NF_INET_*`, in the kernel's words and in those of iptables.
const HOOKS: &[(&str, &str, u32)] = &[
    ("pre_routing", "prerouting", 0),
    ("local_in", "input", 1),
    ("forward", "forward", 2),
    ("local_out", "output", 3),
    ("post_routing", "postrouting", 4),
];

/// `ipv4/local_in`: family and hook.
fn parse(text: &str) -> Result<(u32, u32), Error> {
    let wrong = |what: &str, part: &str, known: Vec<&str>| {
        let hint = match nearest(part, known.iter().copied()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("there are {}", known.join(", ")),
        };
        Error::new(ErrorKind::Invalid, format!("netfilter has no {what} `{part}`")).with_hint(hint)
    };
    let (family, hook) = text.split_once('/').unwrap_or(("ipv4", text));
    let known = || FAMILIES.iter().map(|f| f.0).collect();
    let pf = FAMILIES.iter().find(|f| f.0 == family).ok_or_else(|| wrong("family", family, known()))?;
    let known = || HOOKS.iter().map(|h| h.0).collect();
    let found = HOOKS.iter().find(|h| h.0 == hook || h.1 == hook.to_ascii_lowercase());
    Ok((pf.1, found.ok_or_else(|| wrong("hook", hook, known()))?.2))
}

fn attach(program: &Program<'_>, target: &Target) -> Result<Attached, Error> {
    let text = target.hook.as_deref();
    let text =
        text.ok_or_else(|| missing(program.name, "a hook", "--hook, such as `--hook ipv4/local_in`"))?;
    let (pf, hooknum) = parse(text)?;
    let priority = target.priority.unwrap_or(0);
    let more = link::More::Netfilter { pf, hooknum, priority, flags: 0 };
    let link = link::create(program.fd, On::Ifindex(0), AttachType::NETFILTER, 0, &more).map_err(|e| {
        let error =
            refused(&format!("program `{}` can't be attached to {text}", program.name), e, &[Cap::NET_ADMIN]);
        match e {
            Errno::EBUSY => error.with_hint(format!(
                "another program has priority {priority} there, and each must have its own: give --priority"
            )),
            _ => error,
        }
    })?;
    Ok(Attached::link(HOOK.name, format!("{text} (priority {priority})"), link))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn hooks_are_known_by_both_names() {
        assert_eq!(parse("ipv4/local_in").ok(), Some((2, 1)));
        assert_eq!(parse("ipv6/FORWARD").ok(), Some((10, 2)));
        assert_eq!(parse("prerouting").ok(), Some((2, 0)));
        assert_eq!(parse("ipv4/local_inn").unwrap_err().hint(), Some("did you mean `local_in`?"));
        assert!(parse("arp/local_in").is_err());
        assert!(parse("").is_err());
    }
}
