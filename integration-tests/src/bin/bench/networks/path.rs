//! The way of packets: between containers and through a published port beside a bridge made by hand, and to
//! 127.0.0.1 beside dockerd's proxy and beside what there is at best: the container's own address.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use integration_tests::Engine;
use integration_tests::image::BUSYBOX;

use super::by_hand::{ByHand, beside, forget};
use super::traffic::{Place, Way, connection, gigabyte};
use crate::figure::{Contender, Figure, Pace, REST, Target};

/// Where servers listen, and the host's port that leads there.
const INSIDE: u16 = 5000;
const PUBLISHED: u16 = 8080;
const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 201, 0, 1));
const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

const EQUAL: Pace = Pace {
    runs: 40,
    rest: Duration::from_millis(20),
};
const PROXY: Pace = Pace {
    runs: 20,
    rest: REST,
};

/// One measurement of a way.
type Measure = fn(&Way<'_>) -> f64;

pub(super) fn measure(ours: &Engine, stock: &Engine) -> Vec<Figure> {
    let [server, theirs] = [ours, stock].map(Server::start);
    let client = Server::start_as(ours, &[]);
    let neighbour = format!("gb{}e", std::process::id());
    beside(&neighbour, ours.namespace());
    let by_hand = ByHand::new();
    let outside = Place::named(&neighbour);
    let at = |ip, port| SocketAddr::new(ip, port);
    let way = |server, client, target| Way {
        server,
        listens: at(Ipv4Addr::UNSPECIFIED.into(), INSIDE),
        client,
        target,
    };
    let between = [
        way(&server.place, &client.place, at(server.address, INSIDE)),
        way(
            &by_hand.server,
            &by_hand.client,
            at(Ipv4Addr::new(10, 200, 0, 2).into(), INSIDE),
        ),
    ];
    let published = [
        way(&server.place, &outside, at(HOST, PUBLISHED)),
        way(&by_hand.server, &by_hand.neighbour, at(HOST, PUBLISHED)),
    ];
    let [host, their_host] = [ours, stock].map(|engine| Place::of_process(engine.daemon_pid()));
    let localhost = [
        way(&server.place, &host, at(LOCALHOST, PUBLISHED)),
        way(&theirs.place, &their_host, at(LOCALHOST, PUBLISHED)),
        way(&server.place, &host, at(server.address, INSIDE)),
    ];
    let mut figures = Vec::new();
    for (name, ways) in [
        ("between containers", &between),
        ("through a published port", &published),
    ] {
        figures.extend(equal(&format!("a gigabyte {name}"), "s", ways, gigabyte));
        figures.extend(equal(
            &format!("a connection {name}"),
            "µs",
            ways,
            connection,
        ));
    }
    for (name, unit, measured, at_most) in [
        (
            "a gigabyte to 127.0.0.1",
            "s",
            gigabyte as Measure,
            1.0 / 1.5,
        ),
        ("a connection to 127.0.0.1", "µs", connection, 1.0 / 2.5),
    ] {
        let contenders = contenders(&["gantry", "dockerd", "straight"], &localhost, measured);
        figures.push(PROXY.compare(name, unit, contenders, &[Target::of_dockerd(at_most)]));
    }
    forget(&neighbour);
    figures
}

/// Ours and what was made by hand, and how the two compare round by round.
fn equal(name: &str, unit: &str, ways: &[Way<'_>; 2], measured: Measure) -> [Figure; 2] {
    let contenders = contenders(&["gantry", "by hand"], ways, measured);
    let both = EQUAL.compare(name, unit, contenders, &[]);
    let target = Target::Within {
        low: 0.95,
        high: 1.05,
    };
    let name = format!("{name}, share of one by hand");
    let ratio = both.derived(
        (&name, "×"),
        ("gantry", "by hand"),
        |one, other| one / other,
        target,
    );
    [both, ratio]
}

fn contenders<'a>(names: &[&'a str], ways: &'a [Way<'a>], measured: Measure) -> Vec<Contender<'a>> {
    let contender = |(name, way): (&&'a str, &'a Way<'a>)| Contender {
        name,
        run: Box::new(move || measured(way)),
    };
    names.iter().zip(ways).map(contender).collect()
}

/// A container in whose namespace a server listens.
struct Server {
    place: Place,
    address: IpAddr,
}

impl Server {
    fn start(engine: &Engine) -> Self {
        Self::start_as(engine, &["-p", &format!("{PUBLISHED}:{INSIDE}")])
    }

    fn start_as(engine: &Engine, flags: &[&str]) -> Self {
        let docker = engine.docker();
        let sleep = [BUSYBOX, "sleep", "100000"];
        let id = docker.run(&[&["run", "-d"], flags, &sleep].concat()).ok();
        let format = "{{.State.Pid}} {{.NetworkSettings.Networks.bridge.IPAddress}}";
        let told = docker.run(&["inspect", "-f", format, &id]).ok();
        let (pid, address) = told.split_once(' ').expect("two words");
        Self {
            place: Place::of_process(pid.parse().expect("a number")),
            address: address.parse().expect("an address"),
        }
    }
}
