//! Our bridges in the chains that other firewalls keep for such rules.
//!
//! An accept in a table of ours cannot undo another table's drop. Where a firewall that drops what is
//! forwarded has a chain for the rules of others, two rules per bridge are put there, each with the engine's
//! tag, behind what is there already (ADR 35). What containers may get is decided in our own table, as ever.

use std::collections::BTreeSet;

use gantry_ids::EngineId;
use gantry_netlink::nft::{self, Batch, Expression, Family, Verdict};

use super::{Networks, lock};
use crate::names;
use crate::store;

/// Families, tables and chains: Docker's documented one, and ufw's for routed packets.
const HOOKS: [(Family, &str, &str); 4] = [
    (Family::Ipv4, "filter", "DOCKER-USER"),
    (Family::Ipv6, "filter", "DOCKER-USER"),
    (Family::Ipv4, "filter", "ufw-user-forward"),
    (Family::Ipv6, "filter", "ufw6-user-forward"),
];

/// Has a family a chain for rules like ours?
pub(super) fn has_hook(socket: &mut gantry_netlink::Socket, family: Family, table: &str) -> bool {
    let mut hooks = HOOKS.iter().filter(|(f, t, _)| (*f, *t) == (family, table));
    hooks.any(|(_, table, chain)| {
        nft::chain_exists(socket, family, (*table, *chain)).unwrap_or_default()
    })
}

impl Networks {
    /// Has our rules be where they are to be, and nowhere else. What cannot be done is told in the log.
    pub(super) fn settle_hooks(&self) {
        if !self.config.firewall {
            return;
        }
        for (family, table, chain) in HOOKS {
            let ours = match family {
                Family::Ipv6 => store::Family::V6,
                Family::Ipv4 | Family::Inet => store::Family::V4,
            };
            let bridges: BTreeSet<_> = {
                let state = self.state();
                let rules = state.rules().into_iter();
                let own = rules.filter(|r| store::Family::of(r.subnet.addr()) == ours);
                own.map(|r| r.bridge).collect()
            };
            let mut socket = lock(&self.netfilter);
            let settled = settle(&mut socket, family, (table, chain), |rules| {
                plan(self.config.engine, family, (table, chain), &bridges, rules)
            });
            match settled {
                Ok(true) => tracing::info!(
                    "the bridges of this engine are let through in chain {chain} of table {table}"
                ),
                Ok(false) => {}
                Err(error) => {
                    let error = gantry_errors::chain(&error).to_string();
                    tracing::warn!(
                        error,
                        "containers may be cut off: chain {chain} of table {table} does not take rules for them"
                    );
                }
            }
        }
    }
}

fn settle(
    socket: &mut gantry_netlink::Socket,
    family: Family,
    place: (&str, &str),
    plan: impl FnOnce(&[nft::ForeignRule]) -> Batch,
) -> Result<bool, gantry_netlink::Error> {
    if !nft::chain_exists(socket, family, place)? {
        return Ok(false);
    }
    let batch = plan(&nft::rules(socket, family, place)?);
    if batch.is_empty() {
        return Ok(false);
    }
    batch.commit(socket)?;
    Ok(true)
}

/// What is to be done to a chain that holds these rules; empty where it is as it is to be.
fn plan(
    engine: EngineId,
    family: Family,
    (table, chain): (&str, &str),
    bridges: &BTreeSet<String>,
    rules: &[nft::ForeignRule],
) -> Batch {
    let own = format!("{} ", names::table(engine));
    let mut batch = Batch::new(family, table);
    let mut wanted: Vec<(String, [Expression; 2])> = Vec::new();
    for bridge in bridges {
        wanted.push((format!("{own}from {bridge}"), Expression::input_is(bridge)));
        wanted.push((format!("{own}to {bridge}"), Expression::output_is(bridge)));
    }
    for rule in rules {
        let tag = rule.tag.as_deref().unwrap_or_default();
        if !tag.starts_with(&own) {
            continue;
        }
        match wanted.iter().position(|(text, _)| text == tag) {
            Some(there) => drop(wanted.remove(there)),
            None => {
                batch.delete_rule(chain, rule.handle);
            }
        }
    }
    // Older engines end their chain by a return, behind which nothing is seen.
    let end = rules.last().filter(|rule| rule.unconditional);
    for (tag, condition) in wanted {
        let accept = Expression::Decide(Verdict::Accept);
        let rule = [&condition[..], &[accept]].concat();
        batch.put_tagged_rule(chain, end.map(|rule| rule.handle), &tag, &rule);
    }
    batch
}
