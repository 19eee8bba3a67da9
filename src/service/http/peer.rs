//! Who on this machine has opened a connection: the kernel's table of sockets says which user each belongs to.
//!
//! A socket that its process has closed shows as root's there, so one counts only while it is established and has an
//! inode.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

const ESTABLISHED: &str = "01";
/// Whom the kernel names where it can't name a user of this namespace.
pub(super) const NOBODY: u32 = 65_534;

/// The user who has the other end of a connection between `peer` and `own`; `None`: that can't be told.
pub(super) fn user(peer: SocketAddr, own: SocketAddr) -> Option<u32> {
    ["/proc/self/net/tcp", "/proc/self/net/tcp6"].iter().find_map(|table| user_in(&std::fs::read_to_string(table).ok()?, peer, own))
}

fn user_in(table: &str, peer: SocketAddr, own: SocketAddr) -> Option<u32> {
    let ends: Vec<(String, String)> = [plain, mapped].iter().map(|written| (written(peer), written(own))).collect();
    let mut found = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [_, local, remote, state, _, _, _, user, _, inode, ..] = fields.as_slice() else { return None };
        let is_it = ends.iter().any(|(peer, own)| local == peer && remote == own);
        (is_it && *state == ESTABLISHED && *inode != "0").then(|| user.parse::<u32>().ok())?
    });
    found.next().filter(|user| *user != NOBODY)
}

/// An address as the table writes it: words of four bytes, each in the order of this machine.
fn plain(address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) => written(&ip.octets(), address.port()),
        IpAddr::V6(ip) => written(&ip.octets(), address.port()),
    }
}

/// The same of an IPv4 address on a socket of IPv6.
fn mapped(address: SocketAddr) -> String {
    let ip: Ipv6Addr = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    written(&ip.octets(), address.port())
}

fn written(octets: &[u8], port: u16) -> String {
    let words = octets.as_chunks::<4>().0.iter().map(|word| format!("{:08X}", u32::from_ne_bytes(*word)));
    format!("{}:{port:04X}", words.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_its_users_only_while_its_process_has_it() {
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let (peer, own) = (address("127.0.0.1:40000"), address("127.0.0.1:9464"));
        let line = |state: &str, user: u32, inode: u32| {
            format!("head\n 0: {} {} {state} 00000000:00000000 00:00000000 00000000 {user} 0 {inode} 1\n", plain(peer), plain(own))
        };
        assert_eq!(user_in(&line("01", 1000, 77), peer, own), Some(1000));
        assert_eq!(user_in(&line("01", 1000, 77), own, peer), None);
        for closed in [line("05", 0, 77), line("06", 0, 0), line("01", 0, 0), line("01", 65_534, 77)] {
            assert_eq!(user_in(&closed, peer, own), None, "{closed}");
        }
    }

    #[test]
    fn this_process_finds_itself() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let client = std::net::TcpStream::connect(listener.local_addr().expect("its address")).expect("a connection");
        let (server, peer) = listener.accept().expect("the connection");
        let own = server.local_addr().expect("an address");
        assert_eq!(user(peer, own), Some(rustix::process::geteuid().as_raw()));
        drop(client);
        assert_eq!(user(peer, own), None);
    }
}
