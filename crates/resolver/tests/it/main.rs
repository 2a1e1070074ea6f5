//! The server over real sockets: names of the tables, and what no table knows.
#![allow(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use gantry_resolver::serve::{Server, Service, Sockets};
use gantry_resolver::table::{ContainerNames, Membership, NetworkNames};

const WEB: Ipv4Addr = Ipv4Addr::new(172, 18, 0, 2);

/// A server on a thread of its own, and the folder of its tables.
struct Lab {
    folder: tempfile::TempDir,
    udp: SocketAddr,
    tcp: SocketAddr,
}

impl Lab {
    fn start(container: &ContainerNames, network: &NetworkNames) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("c"), container.encode()).unwrap();
        fs::write(folder.path().join("n"), network.encode()).unwrap();
        let sockets = Sockets {
            udp: UdpSocket::bind("127.0.0.1:0").unwrap(),
            tcp: TcpListener::bind("127.0.0.1:0").unwrap(),
        };
        let (udp, tcp) = (
            sockets.udp.local_addr().unwrap(),
            sockets.tcp.local_addr().unwrap(),
        );
        let service = Service {
            table: folder.path().join("c"),
            namespace: "/proc/thread-self/ns/net".into(),
        };
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async { Server::open(sockets, &service).unwrap().run().await });
        });
        Self { folder, udp, tcp }
    }

    fn put(&self, name: &str, text: &str) {
        let new = self.folder.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.folder.path().join(name)).unwrap();
    }

    fn ask(&self, question: &[u8]) -> Vec<u8> {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        client.send_to(question, self.udp).unwrap();
        let mut answer = vec![0; 4096];
        let length = client.recv(&mut answer).unwrap();
        answer.truncate(length);
        answer
    }

    fn ask_by_stream(&self, question: &[u8]) -> Vec<u8> {
        use std::io::{Read, Write};
        let mut client = TcpStream::connect(self.tcp).unwrap();
        client
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let length = u16::try_from(question.len()).unwrap().to_be_bytes();
        client.write_all(&[&length, question].concat()).unwrap();
        let mut length = [0; 2];
        client.read_exact(&mut length).unwrap();
        let mut answer = vec![0; u16::from_be_bytes(length).into()];
        client.read_exact(&mut answer).unwrap();
        answer
    }
}

fn question(name: &str) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend_from_slice(label.as_bytes());
    }
    message.extend_from_slice(&[0, 0, 1, 0, 1]);
    message
}

fn rcode(answer: &[u8]) -> u8 {
    answer[3] & 0x0f
}

fn on_network(forward: bool) -> ContainerNames {
    ContainerNames {
        networks: vec![Membership {
            file: "n".to_owned(),
            ..Membership::default()
        }],
        forward,
        ..ContainerNames::default()
    }
}

fn with_web(extra: usize) -> NetworkNames {
    let mut names = NetworkNames {
        network: "net".to_owned(),
        ..NetworkNames::default()
    };
    names.add(&["web".to_owned()], WEB);
    for n in 0..extra {
        let address = Ipv4Addr::from(0x0a00_0000 + u32::try_from(n).unwrap());
        names.add(&["many".to_owned()], address);
    }
    names
}

#[test]
fn names_are_answered_and_follow_their_tables() {
    let lab = Lab::start(&on_network(false), &with_web(0));
    let answer = lab.ask(&question("web"));
    assert_eq!((rcode(&answer), answer[7]), (0, 1));
    assert!(answer.ends_with(&WEB.octets()));
    assert_eq!(answer, lab.ask_by_stream(&question("web")));
    let unknown = lab.ask(&question("db"));
    assert_eq!(rcode(&unknown), 2, "who has no way out asks nobody");
    let mut names = with_web(0);
    names.add(&["db".to_owned()], Ipv4Addr::new(172, 18, 0, 9));
    lab.put("n", &names.encode());
    assert_eq!(lab.ask(&question("db"))[7], 1);
    lab.put("c", &ContainerNames::default().encode());
    assert_eq!(rcode(&lab.ask(&question("web"))), 2, "off the network");
}

#[test]
fn what_does_not_fit_a_datagram_fits_a_stream() {
    let lab = Lab::start(&on_network(false), &with_web(200));
    let cut = lab.ask(&question("many"));
    assert!(cut.len() <= 512 && cut[2] & 2 != 0);
    let whole = lab.ask_by_stream(&question("many"));
    assert_eq!((whole[2] & 2, whole[7]), (0, 200));
}

#[test]
fn nonsense_is_survived() {
    let lab = Lab::start(&on_network(false), &with_web(0));
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    for length in 0..64_u8 {
        let junk = vec![length.wrapping_mul(37); length.into()];
        client.send_to(&junk, lab.udp).unwrap();
    }
    drop(TcpStream::connect(lab.tcp).unwrap());
    assert_eq!(lab.ask(&question("web"))[7], 1);
}

#[test]
fn who_knows_nobody_to_ask_is_told_so() {
    let lab = Lab::start(&on_network(true), &with_web(0));
    assert_eq!(rcode(&lab.ask(&question("example.org"))), 2);
    let mut local = on_network(true);
    local.single_label_is_local = true;
    lab.put("c", &local.encode());
    let answer = lab.ask(&question("single"));
    assert_eq!((rcode(&answer), answer[7]), (0, 0));
}
