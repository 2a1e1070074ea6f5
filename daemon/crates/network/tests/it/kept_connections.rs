//! A container that goes takes its own connections with it, and nobody else's.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::lab::{HOST, HOST6, LAN, LAN6, Namespace, command, in_lab, tcp};
use crate::six::{Member, with_subnets};
use crate::talk::{BRIEFLY, PATIENCE};

/// A server of both families that sends back what it gets of one connection, until that ends.
fn echo(namespace: &Namespace, port: u16) -> JoinHandle<()> {
    let listener = namespace.run(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut byte = [0];
        while matches!(stream.read(&mut byte), Ok(1)) {
            let _ = stream.write_all(&byte);
        }
    })
}

fn open(from: &Namespace, address: impl Into<IpAddr>, port: u16) -> TcpStream {
    let server = SocketAddr::new(address.into(), port);
    let stream = from.run(|| TcpStream::connect_timeout(&server, PATIENCE).unwrap());
    assert!(lives(&stream, PATIENCE), "{server}");
    stream
}

/// Does what is said come back?
fn lives(mut stream: &TcpStream, patience: Duration) -> bool {
    stream.set_read_timeout(Some(patience)).unwrap();
    let mut byte = [0];
    stream.write_all(b"x").is_ok() && stream.read_exact(&mut byte).is_ok()
}

#[test]
fn connections_of_others_live_on_and_those_of_the_container_end() {
    in_lab(|lab| {
        let engine = lab.engine();
        engine.networks.create(&with_subnets("both", &[])).unwrap();
        let stays = Member::join(&engine, "both", vec![tcp(8080, 80), tcp(8081, 81)]);
        let goes = Member::join(&engine, "both", vec![]);
        let servers = [
            echo(&stays.inside, 80),
            echo(&stays.inside, 81),
            echo(&lab.lan, 7000),
            echo(&lab.lan, 7001),
            echo(&lab.lan, 7002),
        ];
        let kept = [
            open(&lab.lan, HOST, 8080),
            open(&lab.lan, HOST6, 8081),
            open(&stays.inside, LAN, 7000),
            open(&stays.inside, LAN6, 7001),
        ];
        let ended = open(&goes.inside, LAN6, 7002);
        let tracked = || command("conntrack -L -f ipv6");
        let address = goes.ip6().to_string();
        assert!(tracked().contains(&address), "{}", tracked());
        engine.networks.release(&goes.endpoint.container).unwrap();
        assert!(!tracked().contains(&address), "{}", tracked());
        for (n, stream) in kept.iter().enumerate() {
            assert!(lives(stream, PATIENCE), "connection {n}");
        }
        assert!(!lives(&ended, BRIEFLY));
        drop((kept, ended));
        engine.networks.release(&stays.endpoint.container).unwrap();
        drop(servers);
    });
}
