//! Containers and networks that come and go at random while daemons are killed: what the engine tells is what the
//! kernel has, and in the end nothing is left.
//!
//! The seed is printed and can be given again as `GANTRY_SEED`; `GANTRY_ROUNDS` asks for more rounds.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use integration_tests::http::{Http, Response};
use integration_tests::image::BUSYBOX;
use integration_tests::{Engine, Kind, eventually};
use serde_json::Value;

use crate::crash::Chance;
use crate::networks_drift::{GONE_WITHIN, links, published, told_by};

/// Rounds where nobody asks for more.
const ROUNDS: u64 = 60;
/// How many there are of each at most.
const CONTAINERS: usize = 8;
const NETWORKS: usize = 5;
const VOLUMES: u64 = 4;
/// What is told is compared with what is there after so many rounds.
const COMPARED: u64 = 10;

/// A request: method, path, body.
type Request = (&'static str, String, String);

/// A container as the engine tells of it.
#[derive(Debug)]
struct Container {
    id: String,
    running: bool,
    /// Names of its networks and its addresses there.
    networks: Vec<(String, String)>,
    /// The host's ports, of IPv4, and where they lead.
    ports: BTreeSet<String>,
    pid: u64,
}

struct World<'a> {
    engine: &'a mut Engine,
    chance: Chance,
}

impl World<'_> {
    fn call(&self, (method, path, body): &Request) -> Response {
        Http::connect(&self.engine.socket()).call(method, path, body)
    }

    fn get(&self, path: &str) -> Value {
        let answer = self.call(&("GET", path.to_owned(), String::new()));
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    fn containers(&self) -> Vec<Container> {
        let listed = self.get("/containers/json?all=1");
        let ids = listed.as_array().expect("a list").iter();
        ids.map(|one| self.container(text(&one["Id"]))).collect()
    }

    fn container(&self, id: String) -> Container {
        let told = self.get(&format!("/containers/{id}/json"));
        let settings = &told["NetworkSettings"];
        let networks = settings["Networks"].as_object().expect("a map").iter();
        let networks =
            networks.map(|(name, endpoint)| (name.clone(), text(&endpoint["IPAddress"])));
        let ports = settings["Ports"].as_object().into_iter().flatten();
        let of_four = |binding: &&Value| binding["HostIp"] == "0.0.0.0";
        let ports = ports.flat_map(|(_, bindings)| bindings.as_array().into_iter().flatten());
        Container {
            running: told["State"]["Running"] == true,
            networks: networks.collect(),
            ports: ports
                .filter(of_four)
                .map(|b| text(&b["HostPort"]))
                .collect(),
            pid: told["State"]["Pid"].as_u64().expect("a number"),
            id,
        }
    }

    /// The names of the networks that were made here.
    fn networks(&self) -> Vec<String> {
        let listed = self.get("/networks");
        let names = listed.as_array().expect("a list").iter();
        let names = names.map(|network| text(&network["Name"]));
        names.filter(|name| name.starts_with("net-")).collect()
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> Option<&'a T> {
        let index = self.chance.below(all.len().max(1) as u64);
        all.get(usize::try_from(index).expect("small"))
    }

    /// Something to do, if it can be done now.
    fn request(&mut self) -> Option<Request> {
        let (containers, networks) = (self.containers(), self.networks());
        let none = String::new;
        match self.chance.below(10) {
            0 | 1 if networks.len() < NETWORKS => {
                let body = format!("{{\"Name\":\"net-{}\"}}", self.chance.below(1 << 30));
                Some(("POST", "/networks/create".to_owned(), body))
            }
            2..=4 if containers.len() < CONTAINERS => {
                let network = self.one_of(&networks).cloned();
                Some(self.creation(&network.unwrap_or_else(|| "bridge".to_owned())))
            }
            5 => {
                let used = |name: &&String| {
                    let mut members = containers.iter().flat_map(|c| &c.networks);
                    members.any(|(network, _)| network == *name)
                };
                let free: Vec<_> = networks.iter().filter(|name| !used(name)).collect();
                let name = self.one_of(&free)?;
                Some(("DELETE", format!("/networks/{name}"), none()))
            }
            6 => {
                let container = self.one_of(&containers)?;
                let path = format!("/containers/{}?force=1&v=1", container.id);
                Some(("DELETE", path, none()))
            }
            7 | 8 => {
                let (container, network) = (self.one_of(&containers)?, self.one_of(&networks)?);
                let member = container.networks.iter().any(|(name, _)| name == network);
                let what = if member { "disconnect" } else { "connect" };
                let body = format!("{{\"Container\":\"{}\"}}", container.id);
                Some(("POST", format!("/networks/{network}/{what}"), body))
            }
            _ => {
                let idle: Vec<_> = containers.iter().filter(|c| !c.running).collect();
                let container = self.one_of(&idle)?;
                Some((
                    "POST",
                    format!("/containers/{}/start", container.id),
                    none(),
                ))
            }
        }
    }

    fn creation(&mut self, network: &str) -> Request {
        let volume = self.chance.below(VOLUMES);
        let body = format!(
            "{{\"Image\":\"{BUSYBOX}\",\"Cmd\":[\"sleep\",\"100000\"],\"HostConfig\":{{\"NetworkMode\":\"{network}\",\
             \"Binds\":[\"volume-{volume}:/data\"],\"PortBindings\":{{\"80/tcp\":[{{\"HostPort\":\"0\"}}]}}}}}}"
        );
        ("POST", "/containers/create".to_owned(), body)
    }

    fn round(&mut self) {
        let Some(request) = self.request() else {
            return;
        };
        if self.chance.below(15) == 0 {
            return self.cut_off(&request);
        }
        let answer = self.call(&request);
        assert!(answer.status < 300, "{request:?}: {answer:?}");
        if request.1.ends_with("/create") && request.1.starts_with("/containers") {
            let path = format!("/containers/{}/start", text(&answer.json()["Id"]));
            let started = self.call(&("POST", path, String::new()));
            assert_eq!(started.status, 204, "{started:?}");
        }
    }

    /// Asks for something, does not wait for the answer, and kills who would give it.
    fn cut_off(&mut self, (method, path, body): &Request) {
        let mut stream = UnixStream::connect(self.engine.socket()).expect("the engine listens");
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: engine\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).expect("it is sent");
        let (start, pause) = (
            Instant::now(),
            Duration::from_micros(self.chance.below(40_000)),
        );
        while start.elapsed() < pause {
            std::thread::yield_now();
        }
        if self.chance.below(3) == 0 {
            self.engine.kill_supervisor();
        }
        self.engine.kill_daemon();
        self.engine.start_daemon();
    }

    /// Compares what the engine tells with what the kernel has; the latter's own deletions may take a while.
    fn compare(&self) {
        let containers = self.containers();
        let networks = self.networks();
        let running = || containers.iter().filter(|c| c.running);
        let mut addresses = BTreeSet::new();
        for container in running() {
            let told: BTreeSet<_> = container
                .networks
                .iter()
                .map(|(_, ip)| ip.clone())
                .collect();
            for address in &told {
                assert!(
                    addresses.insert(address.clone()),
                    "{address} was given twice"
                );
            }
            assert_eq!(
                addresses_inside(self.engine, container.pid),
                told,
                "{container:?}"
            );
        }
        let bridges = 1 + networks.len();
        let told = (addresses.len(), bridges);
        eventually("devices are as told", GONE_WITHIN, || {
            let there = (links(self.engine, "veth"), links(self.engine, "bridge"));
            (there == told).then_some(())
        });
        let ports: BTreeSet<_> = running().flat_map(|c| c.ports.clone()).collect();
        assert_eq!(published(self.engine), ports, "{containers:?}");
    }

    fn remove_all(&self) {
        for container in self.containers() {
            let path = format!("/containers/{}?force=1&v=1", container.id);
            let gone = self.call(&("DELETE", path, String::new()));
            assert_eq!(gone.status, 204, "{gone:?}");
        }
        for network in self.networks() {
            let gone = self.call(&("DELETE", format!("/networks/{network}"), String::new()));
            assert_eq!(gone.status, 204, "{gone:?}");
        }
        for volume in self.get("/volumes")["Volumes"]
            .as_array()
            .into_iter()
            .flatten()
        {
            // Refused while somebody seems to use it.
            let path = format!("/volumes/{}", text(&volume["Name"]));
            let gone = self.call(&("DELETE", path, String::new()));
            assert_eq!(gone.status, 204, "{gone:?}");
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn addresses_inside(engine: &Engine, pid: u64) -> BTreeSet<String> {
    let mut inside = engine.on_host("nsenter");
    let net = format!("--net=/proc/{pid}/ns/net");
    let told = told_by(inside.args([&net, "ip", "-4", "-o", "address", "show", "scope", "global"]));
    let of_line = |line: &str| {
        let mut words = line.split_whitespace().skip_while(|word| *word != "inet");
        let address = words.nth(1).expect("an address");
        address.split('/').next().expect("an address").to_owned()
    };
    told.lines().map(of_line).collect()
}

#[test]
fn random_rounds_leave_nothing_and_what_is_told_is_there() {
    let rounds = std::env::var("GANTRY_ROUNDS");
    let rounds = rounds.map_or(ROUNDS, |text| text.parse().expect("a number"));
    let mut engine = Engine::of(Kind::Gantry, &[]);
    let mut world = World {
        engine: &mut engine,
        chance: Chance::from_environment(),
    };
    for round in 1..=rounds {
        world.round();
        if round % COMPARED == 0 {
            world.compare();
        }
    }
    world.compare();
    world.remove_all();
    world.compare();
    // The first address is free again, and all that was ever given out.
    let docker = engine.docker();
    docker
        .run(&["run", "-d", "--name", "last", BUSYBOX, "sleep", "1000"])
        .ok();
    let format = "{{.NetworkSettings.IPAddress}}";
    assert_eq!(
        docker.run(&["inspect", "-f", format, "last"]).ok(),
        "172.17.0.2"
    );
    engine.finish();
}
