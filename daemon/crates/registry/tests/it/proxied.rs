//! Registries behind a proxy that TLS passes through unread (`CONNECT`).

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use gantry_registry::{ProxyOptions, RegistryOptions};

use crate::peer::{PeerRegistry, Setup};
use crate::stand::Stand;

/// A proxy that leads to `to`, whatever host it is asked for, and remembers what it was asked.
struct Tunnels {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Tunnels {
    fn start(to: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        // They end with the test's process.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let noted = Arc::clone(&noted);
                std::thread::spawn(move || tunnel(client, to, &noted));
            }
        });
        Self { port, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("nobody panics with it").clone()
    }
}

/// Answers one `CONNECT` and copies both ways until both ends are closed.
fn tunnel(mut client: TcpStream, to: u16, asked: &Mutex<Vec<String>>) {
    let mut from = BufReader::new(client.try_clone().expect("a second handle"));
    let mut line = String::new();
    from.read_line(&mut line).expect("a line");
    asked
        .lock()
        .expect("nobody panics with it")
        .push(line.trim_end().to_owned());
    while line.trim_end() != "" {
        line.clear();
        from.read_line(&mut line).expect("a line");
    }
    let server = TcpStream::connect(("127.0.0.1", to)).expect("the registry");
    client
        .write_all(b"HTTP/1.1 200 OK\r\n\r\n")
        .expect("the client reads");
    let (mut up, mut down) = (server.try_clone().expect("a second handle"), server);
    let sending = std::thread::spawn(move || {
        // Either end may be gone already.
        let _ = std::io::copy(&mut from, &mut up);
        let _ = up.shutdown(Shutdown::Write);
    });
    let _ = std::io::copy(&mut down, &mut client);
    let _ = client.shutdown(Shutdown::Write);
    sending.join().expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_goes_through_a_proxy_unread() {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["far.example".to_owned()]).unwrap();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let registry = PeerRegistry::with(&Setup {
        tls: Some((cert.clone(), key)),
        ..Setup::default()
    });
    let proxy = Tunnels::start(registry.port);
    let host = "far.example:5443";
    let certs = dir.path().join("certs.d").join(host);
    std::fs::create_dir_all(&certs).unwrap();
    let hosts = format!("server = \"https://{host}\"\nca = \"{}\"\n", cert.display());
    std::fs::write(certs.join("hosts.toml"), hosts).unwrap();
    let options = RegistryOptions {
        certs_dirs: vec![dir.path().join("certs.d")],
        proxy: ProxyOptions {
            https: format!("http://127.0.0.1:{}", proxy.port),
            ..ProxyOptions::default()
        },
        ..RegistryOptions::default()
    };
    let name = format!("{host}/team/app:1");
    let stand = Stand::with(options.clone());
    stand.import(&name, &[("a", vec![1; 200_000])]);
    stand.push(&name).await.unwrap();
    Stand::with(options).pull(&name).await.unwrap();
    let asked = proxy.asked();
    assert!(!asked.is_empty());
    for line in &asked {
        assert_eq!(line, "CONNECT far.example:5443 HTTP/1.1");
    }
}
