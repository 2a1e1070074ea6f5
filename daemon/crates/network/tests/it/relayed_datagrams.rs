//! UDP to `[::1]` and to containers without IPv6, which the kernel cannot carry.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::thread;

use crate::lab::{HOST6, command, in_lab, tcp, udp};
use crate::six::{Member, with_subnets};
use crate::talk::{BRIEFLY, PATIENCE, Server, converse};

/// A socket of IPv6 that talks to this one.
fn client(address: Ipv6Addr, port: u16) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?;
    socket.connect((address, port))?;
    Ok(socket)
}

fn ask(address: Ipv6Addr, port: u16) -> io::Result<IpAddr> {
    converse(&client(address, port)?, PATIENCE)
}

fn ask_briefly(address: Ipv6Addr, port: u16) -> io::Result<IpAddr> {
    converse(&client(address, port)?, BRIEFLY)
}

#[test]
fn datagrams_are_relayed_where_the_kernel_has_no_way() {
    in_lab(|lab| {
        let engine = lab.engine();
        let old = engine.container("old", vec![udp(&tcp(5300, 53))]);
        let shown: Vec<_> = old.endpoint.ports.iter().map(|p| p.host_ip).collect();
        assert_eq!(
            shown,
            ["0.0.0.0", "::"].map(|ip| ip.parse::<IpAddr>().unwrap())
        );
        engine.networks.create(&with_subnets("net", &[])).unwrap();
        let new = Member::join(&engine, "net", vec![udp(&tcp(5301, 53))]);
        let server = Server::udp(&old.namespace, 53);
        let _other = Server::udp_of_both(&new.inside, 53);
        for port in [5300, 5301] {
            ask(Ipv6Addr::LOCALHOST, port).expect("a process of the host by [::1]");
        }
        lab.lan
            .run(|| ask(HOST6, 5300))
            .expect("a container without IPv6, by IPv6");
        // The daemon is away, and back.
        let engine = engine.restarted();
        ask(Ipv6Addr::LOCALHOST, 5300).expect("it is back");
        drop(server);
        engine.networks.release(old.id()).unwrap();
        ask_briefly(Ipv6Addr::LOCALHOST, 5300).expect_err("released");
        UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 5300)).expect("the port is free");
        let next = engine.container("next", vec![udp(&tcp(5300, 54))]);
        let _server = Server::udp(&next.namespace, 54);
        ask(Ipv6Addr::LOCALHOST, 5300).expect("its next owner");
    });
}

#[test]
fn an_answer_leaves_by_the_address_that_was_asked() {
    in_lab(|lab| {
        let engine = lab.engine();
        let echo = engine.container("echo", vec![udp(&tcp(5300, 53))]);
        let _server = Server::udp(&echo.namespace, 53);
        let second = Ipv6Addr::new(0x2001, 0xdb8, 0x99, 0, 0, 0, 0, 3);
        command(&format!("ip address add {second}/64 dev lan0 nodad"));
        // A socket that is connected hears nobody else.
        for address in [HOST6, second] {
            lab.lan
                .run(|| ask(address, 5300))
                .unwrap_or_else(|error| panic!("{address}: {error}"));
        }
        // One socket that asks both hears both.
        lab.lan.run(|| {
            let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
            for address in [HOST6, second] {
                socket.connect((address, 5300)).unwrap();
                converse(&socket, PATIENCE).unwrap_or_else(|error| panic!("{address}: {error}"));
            }
        });
        engine.networks.release(echo.id()).unwrap();
    });
}

#[test]
fn each_client_has_a_session_of_its_own_and_gets_its_own_answers() {
    in_lab(|lab| {
        let engine = lab.engine();
        let echo = engine.container("echo", vec![udp(&tcp(5300, 53))]);
        let socket = echo
            .namespace
            .run(|| UdpSocket::bind(("0.0.0.0", 53)).unwrap());
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let stop = b"stop".as_slice();
        let server = thread::spawn(move || {
            let mut buffer = vec![0; 65_535];
            let mut seen = std::collections::BTreeSet::<SocketAddr>::new();
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                if &buffer[..length] == stop {
                    break;
                }
                seen.insert(from);
                socket.send_to(&buffer[..length], from).unwrap();
            }
            seen.len()
        });
        let clients: Vec<_> = (0..20)
            .map(|_| client(Ipv6Addr::LOCALHOST, 5300).unwrap())
            .collect();
        for round in 0..3_u32 {
            for (n, client) in (0_u32..).zip(&clients) {
                let mut said = vec![u8::try_from(n).unwrap(); 1000 + 3000 * round as usize];
                said.extend(round.to_ne_bytes());
                client.set_read_timeout(Some(PATIENCE)).unwrap();
                client.send(&said).unwrap();
                let mut heard = vec![0; 65_535];
                let length = client.recv(&mut heard).unwrap();
                assert_eq!(heard[..length], said);
            }
        }
        // More clients than there may be sessions: the silent ones make room.
        for _ in 0..1100 {
            let one = client(Ipv6Addr::LOCALHOST, 5300).unwrap();
            one.set_read_timeout(Some(PATIENCE)).unwrap();
            one.send(b"x").unwrap();
            one.recv(&mut [0; 8]).unwrap();
        }
        clients[0].send(stop).unwrap();
        // Some of those clients got the number of one before them, and with it that one's session.
        let sessions = server.join().unwrap();
        assert!((1025..=1120).contains(&sessions), "{sessions}");
        engine.networks.release(echo.id()).unwrap();
    });
}
