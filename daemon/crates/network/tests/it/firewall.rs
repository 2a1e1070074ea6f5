//! The table in `nft`'s words, and the tables of others.

use std::sync::Arc;

use crate::lab::{command, in_lab, tcp};

#[test]
fn a_foreign_forward_drop_is_reported() {
    in_lab(|lab| {
        command("nft add table ip filter");
        command(
            "nft add chain ip filter FORWARD {type filter hook forward priority 0;policy drop;}",
        );
        let engine = lab.engine();
        let warnings = engine
            .networks
            .recover(&std::collections::BTreeSet::new())
            .unwrap()
            .warnings;
        assert!(
            warnings
                .iter()
                .any(|w| w.contains("chain FORWARD of nftables table ip filter drops")),
            "{warnings:?}"
        );
    });
}

#[test]
fn the_table_reads_as_the_packet_path_is_drawn() {
    in_lab(|lab| {
        let engine = lab.engine();
        let container = engine.container("c", vec![tcp(8080, 80)]);
        let (table, network) = (
            engine.table(),
            container.endpoint.network.short().to_owned(),
        );
        let bridge = format!("gantry{}", engine.config.engine);
        for wanted in [
            "type filter hook prerouting priority mangle; policy accept;".to_owned(),
            "iifname vmap @from_bridge".to_owned(),
            "oifname vmap @to_bridge".to_owned(),
            "fib daddr type local jump publish".to_owned(),
            "dnat ip to meta l4proto . th dport map @ports".to_owned(),
            format!("\"{bridge}\" : jump to_{network}"),
            format!("172.17.0.0/16 : jump out_{network}"),
            format!("oifname != \"{bridge}\" masquerade"),
            "ct status dnat accept".to_owned(),
            "tcp . 8080 : 172.17.0.2 . 80".to_owned(),
        ] {
            assert!(table.contains(&wanted), "{wanted:?} is not in\n{table}");
        }
    });
}

#[test]
fn rules_that_others_flush_are_put_back_at_once() {
    in_lab(|lab| {
        let networks = gantry_network::Networks::open(
            lab.config("engine"),
            Arc::new(gantry_network::MemoryStore::default()),
        );
        let networks = Arc::new(networks.unwrap());
        networks.watch_firewall().unwrap();
        for _ in 0..3 {
            command("nft flush ruleset");
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
            while !command("nft list tables").contains("gantry_") {
                assert!(
                    std::time::Instant::now() < deadline,
                    "the rules are not back"
                );
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        }
    });
}
