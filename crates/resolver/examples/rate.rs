//! How many names a second one server answers, and how long one answer takes: a client that keeps
//! `in flight` questions open, on sockets of the loopback. Arguments: seconds, questions in flight.
//!
//! `cargo run --release -p gantry-resolver --features server --example rate -- 3 16`

use std::error::Error;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use gantry_resolver::serve::{Server, Service, Sockets};
use gantry_resolver::table::{ContainerNames, Membership, NetworkNames};

/// Names that the network knows.
const NAMES: u8 = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(|a| a.parse::<u16>());
    let mut argument = |default| arguments.next().unwrap_or(Ok(default));
    let (seconds, in_flight) = (argument(3)?, argument(16)?);
    let folder = tempfile::tempdir()?;
    write_tables(folder.path())?;
    let sockets = Sockets {
        udp: UdpSocket::bind("127.0.0.1:0")?,
        tcp: TcpListener::bind("127.0.0.1:0")?,
    };
    let address = sockets.udp.local_addr()?;
    let service = Service {
        table: folder.path().join("c"),
        namespace: "/proc/thread-self/ns/net".into(),
    };
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("an event loop");
        runtime.block_on(async {
            let server = Server::open(sockets, &service).expect("a server");
            server.run().await;
        });
    });
    let client = UdpSocket::bind("127.0.0.1:0")?;
    client.connect(address)?;
    client.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut sent = vec![Instant::now(); usize::from(in_flight)];
    let mut times = Vec::new();
    for id in 0..in_flight {
        ask(&client, id)?;
    }
    let start = Instant::now();
    let mut buffer = [0; 512];
    while start.elapsed() < Duration::from_secs(seconds.into()) {
        client.recv(&mut buffer)?;
        let id = u16::from_be_bytes([buffer[0], buffer[1]]);
        times.push(sent[usize::from(id)].elapsed());
        sent[usize::from(id)] = Instant::now();
        ask(&client, id)?;
    }
    let rate = times.len() as f64 / start.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e6;
    println!(
        "{rate:.0} answers/s, median {:.0} µs, p99 {:.0} µs",
        at(50),
        at(99)
    );
    Ok(())
}

fn write_tables(folder: &std::path::Path) -> std::io::Result<()> {
    let container = ContainerNames {
        networks: vec![Membership {
            file: "n".to_owned(),
            ..Membership::default()
        }],
        ..ContainerNames::default()
    };
    let mut network = NetworkNames {
        network: "net".to_owned(),
        ..NetworkNames::default()
    };
    for n in 0..NAMES {
        network.add(&[format!("web-{n}")], Ipv4Addr::new(172, 18, 0, n));
    }
    std::fs::write(folder.join("c"), container.encode())?;
    std::fs::write(folder.join("n"), network.encode())
}

/// The question for `web-<id>`.
fn ask(client: &UdpSocket, id: u16) -> std::io::Result<usize> {
    let name = format!("web-{}", id % u16::from(NAMES));
    let [high, low] = id.to_be_bytes();
    let mut message = vec![high, low, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    message.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    message.extend_from_slice(name.as_bytes());
    message.extend_from_slice(&[0, 0, 1, 0, 1]);
    client.send(&message)
}
