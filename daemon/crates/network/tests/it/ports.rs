//! Which host ports are given, held and refused.

use std::net::{Ipv4Addr, TcpListener};

use gantry_errors::chain;
use gantry_network::{HostPort, PortRequest};

use crate::lab::{at, in_lab, tcp, udp};
use crate::talk::{Server, ask};

#[test]
fn conflicts_are_told_in_dockerds_words() {
    in_lab(|lab| {
        let engine = lab.engine();
        let first = engine.container("first", vec![tcp(8080, 80)]);
        let error = engine.connect("second", vec![tcp(8080, 81)]).unwrap_err();
        let text = chain(&error).to_string();
        let (head, tail) = text.split_at(text.find('(').unwrap());
        assert_eq!(
            head,
            "driver failed programming external connectivity on endpoint second "
        );
        assert!(
            tail.ends_with("): Bind for 0.0.0.0:8080 failed: port is already allocated"),
            "{text}"
        );

        let process = TcpListener::bind("0.0.0.0:9000").unwrap();
        let error = engine.connect("third", vec![tcp(9000, 80)]).unwrap_err();
        let text = chain(&error).to_string();
        let wanted = "): failed to bind host port for 0.0.0.0:9000:172.17.0.3:80/tcp: address already in use";
        assert!(text.ends_with(wanted), "{text}");
        drop(process);
        let foreign = at(Ipv4Addr::new(10, 98, 3, 3), &tcp(9009, 1));
        let text = chain(&engine.connect("fourth", vec![foreign]).unwrap_err()).to_string();
        assert!(
            text.ends_with(": cannot assign requested address"),
            "{text}"
        );
        engine.networks.release(first.id()).unwrap();
        drop(first);
        engine.assert_clean();
    });
}

#[test]
fn a_published_port_cannot_be_taken_by_a_process() {
    in_lab(|lab| {
        let engine = lab.engine();
        let container = engine.container("c", vec![tcp(8080, 80)]);
        assert!(TcpListener::bind("0.0.0.0:8080").is_err());
        assert!(TcpListener::bind("127.0.0.1:8080").is_err());
        let engine = engine.restarted();
        assert!(
            TcpListener::bind("0.0.0.0:8080").is_err(),
            "held again after a restart"
        );
        engine.networks.release(container.id()).unwrap();
        // A program that another test starts at this moment has a copy of every descriptor until it runs.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while TcpListener::bind("0.0.0.0:8080").is_err() {
            assert!(std::time::Instant::now() < deadline, "it is still held");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    });
}

#[test]
fn ranges_and_free_ports_pass_over_what_is_taken() {
    in_lab(|lab| {
        let engine = lab.engine();
        let any = |host_port| {
            vec![PortRequest {
                host_port,
                ..tcp(1, 80)
            }]
        };
        let process = TcpListener::bind("0.0.0.0:9000").unwrap();
        let range = HostPort::FirstFree {
            first: 9000,
            last: 9001,
        };
        let one = engine.container("a", any(range));
        assert_eq!(one.endpoint.ports[0].host_port, 9001);
        let text = engine.connect("b", any(range)).unwrap_err().to_string();
        assert!(text.ends_with("): all ports are allocated"), "{text}");
        drop(process);
        let two = engine.container("c", any(HostPort::Any));
        let low: u16 = crate::lab::command("cat /proc/sys/net/ipv4/ip_local_port_range")
            .split_whitespace()
            .next()
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(two.endpoint.ports[0].host_port, low);
    });
}

#[test]
fn sixteen_thousand_ports_are_one_element_and_all_lead_inside() {
    in_lab(|lab| {
        let engine = lab.engine();
        let ports: Vec<_> = (40000..=56383)
            .map(|p| tcp(p, p))
            .chain([udp(&tcp(40000, 40000))])
            .collect();
        let container = engine.container("c", ports);
        let table = engine.table();
        assert!(table.contains("tcp . 40000-56383 : 172.17.0.2"), "{table}");
        for port in [40000, 50001, 56383] {
            let _server = Server::tcp(&container.namespace, port);
            lab.lan.run(|| ask(crate::lab::HOST, port)).unwrap();
        }
        engine.networks.release(container.id()).unwrap();
        drop(container);
        engine.assert_clean();
    });
}
