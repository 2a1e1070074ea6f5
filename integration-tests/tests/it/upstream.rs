//! Names that the engine does not know, asked of a name server that nobody here wrote: dnsmasq.

use std::io::{Read, Write};
use std::net::{SocketAddrV4, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::process::{Child, Stdio};
use std::time::Duration;

use gantry_linux::namespace::{Namespaces, join};
use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, eventually};

const LIMIT: Duration = Duration::from_secs(30);
/// Where dnsmasq listens, and where nobody does.
const SERVER: &str = "10.123.0.1";
const SILENT: &str = "10.123.0.99";
/// The container's own.
const INSIDE: SocketAddrV4 = SocketAddrV4::new(std::net::Ipv4Addr::new(127, 0, 0, 11), 53);

const A: u16 = 1;
const PTR: u16 = 12;
const TXT: u16 = 16;
const AAAA: u16 = 28;
const NO_SUCH_NAME: u8 = 3;

/// Ended when dropped.
struct Upstream(Child);

impl Upstream {
    /// On a device of its own in the engine's host.
    fn start(engine: &Engine) -> Self {
        for words in [
            "link add up0 type bridge",
            "address add 10.123.0.1/24 dev up0",
            "link set up0 up",
        ] {
            let status = engine.on_host("ip").args(words.split(' ')).status();
            assert!(status.is_ok_and(|status| status.success()), "ip {words}");
        }
        let texts: Vec<String> = (0..12).map(|n| format!("{n:0>200}")).collect();
        let mut command = engine.on_host("dnsmasq");
        command
            .args([
                "--keep-in-foreground",
                "--conf-file=/dev/null",
                "--pid-file",
            ])
            .args([
                "--no-resolv",
                "--no-hosts",
                "--user=root",
                "--bind-interfaces",
            ])
            .args([
                "--except-interface=lo",
                "--local=/corp.test/",
                "--edns-packet-max=4096",
            ])
            .arg(format!("--listen-address={SERVER}"))
            .arg("--host-record=host.corp.test,10.1.2.3,2001:db8::5")
            .arg(format!("--txt-record=big.corp.test,{}", texts.join(",")));
        let child = command.stderr(Stdio::null()).spawn();
        let upstream = Self(child.expect("dnsmasq starts (`cargo xtask test` installs it)"));
        let place = Place::of(&format!("/run/netns/{}", engine.namespace()));
        eventually("dnsmasq answers", LIMIT, || {
            let server = SocketAddrV4::new(SERVER.parse().expect("an address"), 53);
            place.by_udp(server, &question("host.corp.test", A, None))
        });
        upstream
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A network namespace to ask from.
struct Place(std::fs::File);

impl Place {
    fn of(path: &str) -> Self {
        Self(std::fs::File::open(path).expect("a network namespace"))
    }

    fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let visit = || {
            join(self.0.as_fd(), Namespaces::NETWORK).expect("these tests run as root");
            work()
        };
        std::thread::scope(|scope| scope.spawn(visit).join().expect("no panic"))
    }

    fn by_udp(&self, server: SocketAddrV4, question: &[u8]) -> Option<Vec<u8>> {
        self.run(|| {
            let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
            socket.connect(server).ok()?;
            socket.set_read_timeout(Some(LIMIT)).ok()?;
            socket.send(question).ok()?;
            let mut answer = vec![0; 65_535];
            let length = socket.recv(&mut answer).ok()?;
            answer.truncate(length);
            Some(answer)
        })
    }

    fn by_tcp(&self, server: SocketAddrV4, question: &[u8]) -> Option<Vec<u8>> {
        self.run(|| {
            let mut stream = TcpStream::connect(server).ok()?;
            stream.set_read_timeout(Some(LIMIT)).ok()?;
            let length = u16::try_from(question.len()).ok()?;
            stream.write_all(&length.to_be_bytes()).ok()?;
            stream.write_all(question).ok()?;
            let mut length = [0; 2];
            stream.read_exact(&mut length).ok()?;
            let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut answer).ok()?;
            Some(answer)
        })
    }
}

/// A question (RFC 1035, section 4), with room for an answer of so many bytes if that is said (RFC 6891).
fn question(name: &str, kind: u16, room: Option<u16>) -> Vec<u8> {
    let mut bytes = vec![
        0x12,
        0x34,
        1,
        0,
        0,
        1,
        0,
        0,
        0,
        0,
        0,
        u8::from(room.is_some()),
    ];
    for label in name.split('.') {
        bytes.push(u8::try_from(label.len()).expect("a short label"));
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend(kind.to_be_bytes());
    bytes.extend([0, 1]);
    if let Some(room) = room {
        bytes.extend([0, 0, 41]);
        bytes.extend(room.to_be_bytes());
        bytes.extend([0; 6]);
    }
    bytes
}

/// What an answer says: that it is cut, its code, how many records, and all its bytes.
struct Answer {
    cut: bool,
    code: u8,
    records: u8,
    bytes: Vec<u8>,
}

impl Answer {
    fn of(bytes: Option<Vec<u8>>) -> Self {
        let bytes = bytes.expect("an answer");
        assert_eq!(bytes[..2], [0x12, 0x34]);
        Self {
            cut: bytes[2] & 2 != 0,
            code: bytes[3] & 15,
            records: bytes[7],
            bytes,
        }
    }

    fn has(&self, data: &[u8]) -> bool {
        self.bytes.windows(data.len()).any(|window| window == data)
    }
}

#[test]
fn names_of_elsewhere_are_asked_of_a_real_server() {
    let engine = Engine::start();
    let docker = engine.docker();
    let _upstream = Upstream::start(&engine);
    docker.run(&["network", "create", "net"]).ok();
    // Whom it asks first says nothing.
    let run = [
        "run",
        "-d",
        "--name",
        "asker",
        "--network",
        "net",
        "--dns",
        SILENT,
        "--dns",
        SERVER,
        "--dns-search",
        "corp.test",
        BUSYBOX,
        "sleep",
        "1000",
    ];
    docker.run(&run).ok();
    let pid = docker
        .run(&["inspect", "-f", "{{.State.Pid}}", "asker"])
        .ok();
    let place = Place::of(&format!("/proc/{pid}/ns/net"));
    let ask = |name, kind, room| Answer::of(place.by_udp(INSIDE, &question(name, kind, room)));

    let answer = ask("host.corp.test", A, None);
    assert!(answer.code == 0 && answer.records == 1 && answer.has(&[10, 1, 2, 3]));
    let answer = ask("host.corp.test", AAAA, None);
    assert!(answer.has(&[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]));
    let answer = ask("3.2.1.10.in-addr.arpa", PTR, None);
    assert!(answer.has(b"\x04host\x04corp\x04test\0"));
    let answer = ask("nothing.corp.test", A, None);
    assert_eq!((answer.code, answer.records), (NO_SUCH_NAME, 0));

    // More than a datagram may hold that nobody said more about.
    let answer = ask("big.corp.test", TXT, None);
    assert!(
        answer.cut && answer.bytes.len() <= 512,
        "{}",
        answer.bytes.len()
    );
    let by_tcp = place.by_tcp(INSIDE, &question("big.corp.test", TXT, None));
    let answer = Answer::of(by_tcp);
    assert!(
        !answer.cut && answer.bytes.len() > 2400,
        "{}",
        answer.bytes.len()
    );
    let answer = ask("big.corp.test", TXT, Some(4096));
    assert!(
        !answer.cut && answer.bytes.len() > 2400,
        "{}",
        answer.bytes.len()
    );

    // The container's own programs complete names by the search list.
    let ping = docker.run(&["exec", "asker", "ping", "-c", "1", "-W", "1", "host"]);
    assert!(ping.out.starts_with("PING host (10.1.2.3)"), "{ping:?}");
    engine.finish();
}
