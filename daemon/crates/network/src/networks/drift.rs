//! What others did to the engine's published ports while it was away: put right with its start, and told.

use std::collections::BTreeSet;

use gantry_netlink::nft;

use super::{Networks, lock};
use crate::error::NetworkError;
use crate::{bridge, firewall, names};

/// Elements by family and map.
type Held = BTreeSet<(u8, &'static str, Vec<u8>)>;

impl Networks {
    /// Puts the table in place of what is there; where an earlier daemon's was and did not hold what the books
    /// say, that is a warning.
    pub(super) fn take_firewall_over(&self) -> Result<(), NetworkError> {
        let before = self.held()?;
        self.rebuild_firewall()?;
        let (Some(before), Some(after)) = (before, self.held()?) else {
            return Ok(());
        };
        let (lost, foreign) = (
            after.difference(&before).count(),
            before.difference(&after).count(),
        );
        if (lost, foreign) != (0, 0) {
            let table = names::table(self.config.engine);
            let warning = format!(
                "nftables table {table} was put right: {lost} published ports were missing, {foreign} belonged to nothing"
            );
            self.state().warnings.push(warning);
        }
        Ok(())
    }

    /// What the table holds of endpoints; none where there is no table.
    fn held(&self) -> Result<Option<Held>, NetworkError> {
        if !self.config.firewall {
            return Ok(None);
        }
        let table = names::table(self.config.engine);
        let mut socket = lock(&self.netfilter);
        let families = [nft::Family::Ipv4, nft::Family::Ipv6];
        let families = families
            .into_iter()
            .take(if bridge::kernel_has_ipv6() { 2 } else { 1 });
        let mut held = None;
        for family in families {
            for map in firewall::MAPS {
                let elements = nft::elements(&mut socket, family, (table.as_str(), map))
                    .map_err(NetworkError::Firewall)?;
                // That of IPv6 is there only while a network has it.
                if let Some(elements) = elements {
                    let elements = elements.into_iter().map(|e| (family as u8, map, e));
                    held.get_or_insert_with(Held::new).extend(elements);
                }
            }
        }
        Ok(held)
    }
}
