//! Batches of nf_tables as `nft` reads them.

use std::net::IpAddr;

use gantry_netlink::nft::{
    self, BaseChain, Batch, CtKey, Data, DataType, Element, Expression, Family, FibResult, Hook,
    MetaKey, PayloadBase, Register, Set, Value, Verdict, priority,
};
use rustix::io::Errno;

use crate::{in_new_namespace, json, netfilter_socket};

const TABLE: &str = "gantry_test";

/// A table with every kind of chain, map and expression the engine uses.
fn everything() -> Batch {
    let mut batch = Batch::new(Family::Ipv4, TABLE);
    let host = [DataType::Protocol, DataType::Port];
    let target = [DataType::Address, DataType::Port];
    batch
        .add_table()
        .add_chain("net_a")
        .add_base_chain(
            "prerouting",
            BaseChain::Nat {
                hook: Hook::Prerouting,
                priority: priority::DSTNAT,
            },
        )
        .add_base_chain(
            "forward",
            BaseChain::Filter {
                hook: Hook::Forward,
                priority: priority::FILTER,
            },
        )
        .add_base_chain(
            "postrouting",
            BaseChain::Nat {
                hook: Hook::Postrouting,
                priority: priority::SRCNAT,
            },
        )
        .add_set(&Set {
            name: "ports",
            key: &host,
            data: Data::Fields(&target),
            interval: false,
        })
        .add_set(&Set {
            name: "ranges",
            key: &host,
            data: Data::Fields(&[DataType::Address]),
            interval: true,
        })
        .add_set(&Set {
            name: "bridges",
            key: &[DataType::Interface],
            data: Data::Verdict,
            interval: false,
        })
        .add_set(&Set {
            name: "subnets",
            key: &[DataType::Address],
            data: Data::Verdict,
            interval: true,
        });
    fill(&mut batch);
    nat_rules(&mut batch);
    filter_rules(&mut batch);
    batch
}

fn fill(batch: &mut Batch) {
    let container = IpAddr::from([172, 17, 0, 2]);
    let jump = || Verdict::Jump("net_a".to_owned());
    batch
        .add_elements(
            "ports",
            &[Element::value(
                &[Value::Protocol(6), Value::Port(8080)],
                &[Value::Address(container), Value::Port(80)],
            )],
        )
        .add_elements(
            "ranges",
            &[Element::range(
                &[Value::Protocol(17), Value::Port(10000)],
                &[Value::Protocol(17), Value::Port(26383)],
                &[Value::Address(container)],
            )],
        )
        .add_elements(
            "bridges",
            &[Element::verdict(
                &[Value::Interface("br0".to_owned())],
                jump(),
            )],
        )
        .add_elements(
            "subnets",
            &Element::network_verdict(IpAddr::from([172, 17, 0, 0]), 16, jump()),
        );
}

fn nat_rules(batch: &mut Batch) {
    let r = Register;
    let key = [
        Expression::Meta {
            key: MetaKey::TransportProtocol,
            to: r(0),
        },
        Expression::Payload {
            base: PayloadBase::Transport,
            offset: 2,
            length: 2,
            to: r(1),
        },
    ];
    let mut dnat = key.to_vec();
    dnat.push(Expression::Lookup {
        map: "ports".to_owned(),
        key: r(0),
        to: r(4),
    });
    dnat.push(Expression::DestinationNat {
        family: Family::Ipv4,
        address: r(4),
        port: Some(r(5)),
    });
    let mut ranges = key.to_vec();
    ranges.push(Expression::Lookup {
        map: "ranges".to_owned(),
        key: r(0),
        to: r(4),
    });
    ranges.push(Expression::DestinationNat {
        family: Family::Ipv4,
        address: r(4),
        port: None,
    });
    batch
        .add_rule("prerouting", &dnat)
        .add_rule("prerouting", &ranges);
}

fn filter_rules(batch: &mut Batch) {
    let r = Register;
    let local = [
        Expression::Fib {
            result: FibResult::DestinationType,
            to: r(0),
        },
        Expression::Compare {
            register: r(0),
            how: nft::Comparison::NotEqual,
            value: FibResult::LOCAL.to_ne_bytes().to_vec(),
        },
        Expression::Decide(Verdict::Return),
    ];
    let by_bridge = [
        Expression::Meta {
            key: MetaKey::OutputInterface,
            to: r(0),
        },
        Expression::LookupVerdict {
            map: "bridges".to_owned(),
            key: r(0),
        },
    ];
    let by_source = [
        Expression::Payload {
            base: PayloadBase::Network,
            offset: 12,
            length: 4,
            to: r(0),
        },
        Expression::LookupVerdict {
            map: "subnets".to_owned(),
            key: r(0),
        },
    ];
    let established = [
        &Expression::ct_has(CtKey::State, CtKey::ESTABLISHED | CtKey::RELATED)[..],
        &[Expression::Decide(Verdict::Accept)],
    ]
    .concat();
    let masquerade = [
        &Expression::output_is_not("br0")[..],
        &[Expression::Masquerade],
    ]
    .concat();
    batch
        .add_rule("prerouting", &local)
        .add_rule("forward", &by_bridge)
        .add_rule("forward", &established)
        .add_rule("postrouting", &by_source)
        .add_rule("postrouting", &masquerade);
}

fn listing() -> String {
    let output = std::process::Command::new("nft")
        .args(["list", "ruleset"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn nft_reads_the_table_as_it_was_meant() {
    in_new_namespace(|| {
        let mut socket = netfilter_socket();
        everything().commit(&mut socket).unwrap();
        let listing = listing();
        for wanted in [
            "table ip gantry_test {",
            "type inet_proto . inet_service : ipv4_addr . inet_service",
            "elements = { tcp . 8080 : 172.17.0.2 . 80 }",
            "elements = { udp . 10000-26383 : 172.17.0.2 }",
            "elements = { \"br0\" : jump net_a }",
            "elements = { 172.17.0.0/16 : jump net_a }",
            "type nat hook prerouting priority dstnat; policy accept;",
            "type filter hook forward priority filter; policy accept;",
            "fib daddr type != local return",
            "dnat ip to meta l4proto . th dport map @ports",
            "oifname vmap @bridges",
            "ct state established,related accept",
            "ip saddr vmap @subnets",
            "oifname != \"br0\" masquerade",
        ] {
            assert!(listing.contains(wanted), "{wanted:?} is not in\n{listing}");
        }
        json("nft", &["-j", "list", "ruleset"]);
        let chains = nft::chains(&mut socket, Family::Ipv4).unwrap();
        assert!(
            chains
                .iter()
                .any(|c| c.table == TABLE && c.name == "forward" && c.is_at(Hook::Forward))
        );
    });
}

#[test]
fn a_refused_message_undoes_the_whole_batch_and_is_named() {
    in_new_namespace(|| {
        let mut socket = netfilter_socket();
        let mut batch = everything();
        batch
            .add_rule("no_such_chain", &[Expression::Masquerade])
            .add_chain("after");
        let error = batch.commit(&mut socket).unwrap_err();
        assert_eq!(error.to_string(), "add rule to chain no_such_chain");
        assert_eq!(error.errno(), Some(Errno::NOENT));
        assert!(!nft::table_exists(&mut socket, Family::Ipv4, TABLE).unwrap());
        everything()
            .commit(&mut socket)
            .expect("the socket is good for the next batch");
        assert!(nft::table_exists(&mut socket, Family::Ipv4, TABLE).unwrap());
    });
}

#[test]
fn a_table_is_replaced_in_one_batch_and_a_thousand_elements_come_and_go() {
    in_new_namespace(|| {
        let mut socket = netfilter_socket();
        everything().commit(&mut socket).unwrap();
        let port = |n: u16| {
            let target = [
                Value::Address(IpAddr::from([172, 17, 0, 9])),
                Value::Port(n),
            ];
            Element::value(&[Value::Protocol(6), Value::Port(n)], &target)
        };
        let many: Vec<_> = (20000..21000).map(port).collect();
        let mut batch = Batch::new(Family::Ipv4, TABLE);
        batch.add_elements("ports", &many);
        batch.commit(&mut socket).unwrap();
        let count = |listing: &str| listing.matches("tcp . 20").count();
        assert_eq!(count(&listing()), 1000);
        let mut batch = Batch::new(Family::Ipv4, TABLE);
        batch.delete_elements("ports", &many);
        batch.commit(&mut socket).unwrap();
        assert_eq!(count(&listing()), 0);

        let mut batch = Batch::new(Family::Ipv4, TABLE);
        batch.delete_elements("ports", &many[..1]);
        assert_eq!(
            batch.commit(&mut socket).unwrap_err().errno(),
            Some(Errno::NOENT)
        );

        let mut batch = Batch::new(Family::Ipv4, TABLE);
        batch
            .add_table()
            .delete_table()
            .add_table()
            .add_chain("only");
        batch.commit(&mut socket).unwrap();
        assert!(listing().contains("chain only") && !listing().contains("prerouting"));
        let mut batch = Batch::new(Family::Ipv4, TABLE);
        batch.delete_chain("only").delete_table();
        batch.commit(&mut socket).unwrap();
        assert_eq!(listing(), "");
        Batch::new(Family::Ipv4, TABLE)
            .commit(&mut socket)
            .expect("nothing to do is done");
    });
}
