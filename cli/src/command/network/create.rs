//! `gantry network create`.

use anyhow::{Result, bail};
use gantry_engine_api::network::{
    ConfigReference, Ipam, IpamConfig, NetworkCreateRequest, NetworkCreateResponse,
};
use ipnet::IpNet;

use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;
use crate::flags::key_values;

/// Create a network
#[derive(Debug, clap::Args)]
pub(crate) struct Create {
    /// Let containers be connected by hand
    #[arg(long)]
    attachable: bool,
    /// Address that no container gets (name=address)
    #[arg(long, value_name = "map")]
    aux_address: Vec<String>,
    /// The network from which to copy the configuration
    #[arg(
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    config_from: String,
    /// Create a network of configuration only
    #[arg(long)]
    config_only: bool,
    /// Driver of the network
    #[arg(short, long, value_name = "string", default_value = "bridge")]
    driver: String,
    /// Gateway of a subnet
    #[arg(long, value_name = "ipSlice", value_delimiter = ',')]
    gateway: Vec<std::net::IpAddr>,
    /// Create swarm's routing-mesh network
    #[arg(long)]
    ingress: bool,
    /// No access to and from outside
    #[arg(long)]
    internal: bool,
    /// Part of a subnet that containers' addresses come from
    #[arg(long, value_name = "strings", value_delimiter = ',')]
    ip_range: Vec<String>,
    /// Driver that gives addresses
    #[arg(long, value_name = "string", default_value = "default")]
    ipam_driver: String,
    /// Set an option of that driver
    #[arg(long, value_name = "map")]
    ipam_opt: Vec<String>,
    /// Give IPv4 addresses
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    ipv4: Option<bool>,
    /// Give IPv6 addresses
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    ipv6: Option<bool>,
    /// Set a label
    #[arg(long, value_name = "list")]
    label: Vec<String>,
    /// Set an option of the driver
    #[arg(short, long, value_name = "map")]
    opt: Vec<String>,
    /// Scope of the network
    #[arg(
        long,
        value_name = "string",
        default_value = "",
        hide_default_value = true
    )]
    scope: String,
    /// Subnet in CIDR form
    #[arg(long, value_name = "strings", value_delimiter = ',')]
    subnet: Vec<String>,
    #[arg(value_name = "NETWORK")]
    args: Vec<String>,
}

impl Execute for Create {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let request = self.request()?;
        let made: NetworkCreateResponse = cx
            .client()
            .post("/networks/create")
            .json(&request)
            .fetch()
            .await?;
        if !made.warning.is_empty() {
            cx.printer.say(format!("WARNING: {}", made.warning));
        }
        cx.printer.line(made.id)?;
        Ok(Exit::SUCCESS)
    }
}

impl Create {
    fn request(self) -> Result<NetworkCreateRequest> {
        let config = self.pools()?;
        let from = ConfigReference {
            network: self.config_from,
        };
        Ok(NetworkCreateRequest {
            name: self.args.into_iter().next().unwrap_or_default(),
            driver: self.driver,
            scope: self.scope,
            enable_ipv4: self.ipv4,
            enable_ipv6: self.ipv6,
            ipam: Some(Ipam {
                driver: self.ipam_driver,
                options: key_values(&self.ipam_opt).into_iter().collect(),
                config: config.into(),
            }),
            internal: self.internal,
            attachable: self.attachable,
            ingress: self.ingress,
            config_only: self.config_only,
            config_from: (!from.network.is_empty()).then_some(from),
            options: key_values(&self.opt).into_iter().collect(),
            labels: key_values(&self.label).into_iter().collect(),
        })
    }

    /// Each subnet with the range, gateway and addresses that lie within it. What cannot be read is
    /// left to the engine, which says so.
    fn pools(&self) -> Result<Vec<IpamConfig>> {
        if self.subnet.len() < self.ip_range.len() || self.subnet.len() < self.gateway.len() {
            bail!("every ip-range or gateway must have a corresponding subnet");
        }
        let mut pools: Vec<IpamConfig> = Vec::new();
        for subnet in &self.subnet {
            if pools.iter().any(|other| overlap(&other.subnet, subnet)) {
                bail!("multiple overlapping subnet configuration is not supported");
            }
            pools.push(IpamConfig {
                subnet: subnet.clone(),
                ..IpamConfig::default()
            });
        }
        for range in &self.ip_range {
            let pool = holder(&mut pools, range, &format!("range {range}"))?;
            if !pool.ip_range.is_empty() {
                let (other, subnet) = (&pool.ip_range, &pool.subnet);
                bail!(
                    "cannot configure multiple ranges ({range}, {other}) on the same subnet ({subnet})"
                );
            }
            pool.ip_range.clone_from(range);
        }
        for gateway in self.gateway.iter().map(ToString::to_string) {
            let pool = holder(&mut pools, &gateway, &format!("gateway {gateway}"))?;
            if !pool.gateway.is_empty() {
                let (other, subnet) = (&pool.gateway, &pool.subnet);
                bail!(
                    "cannot configure multiple gateways ({gateway}, {other}) for the same subnet ({subnet})"
                );
            }
            pool.gateway.clone_from(&gateway);
        }
        for (name, address) in key_values(&self.aux_address) {
            let pool = holder(&mut pools, &address, &format!("aux-address {address}"))?;
            pool.auxiliary_addresses.insert(name, address);
        }
        Ok(pools)
    }
}

/// An address or block as a block.
fn block(text: &str) -> Option<IpNet> {
    let address = || text.parse::<std::net::IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(address)
}

fn overlap(one: &str, other: &str) -> bool {
    let (Some(one), Some(other)) = (block(one), block(other)) else {
        return false;
    };
    one.contains(&other.network()) || other.contains(&one.network())
}

/// The subnet that an address or block lies in.
fn holder<'a>(pools: &'a mut [IpamConfig], text: &str, what: &str) -> Result<&'a mut IpamConfig> {
    let wanted = block(text);
    let holds = |pool: &&mut IpamConfig| {
        let (Some(subnet), Some(wanted)) = (block(&pool.subnet), wanted) else {
            return false;
        };
        subnet.contains(&wanted.network())
    };
    match pools.iter_mut().find(holds) {
        Some(pool) => Ok(pool),
        None => bail!("no matching subnet for {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        create: Create,
    }

    fn request(words: &[&str]) -> Result<NetworkCreateRequest> {
        let line = Line::try_parse_from([&["x"], words, &["n"]].concat())?;
        line.create.request()
    }

    #[test]
    fn subnets_get_what_lies_within_them() {
        let made = request(&[
            "--subnet",
            "10.5.0.0/16,10.6.0.0/16",
            "--gateway",
            "10.6.0.254",
            "--ip-range",
            "10.5.1.0/24",
            "--aux-address",
            "a=10.5.1.1",
            "--internal",
            "-o",
            "k=v",
        ])
        .unwrap();
        let config = made.ipam.unwrap().config;
        assert_eq!(
            (config[0].ip_range.as_str(), config[1].gateway.as_str()),
            ("10.5.1.0/24", "10.6.0.254")
        );
        assert_eq!(config[0].auxiliary_addresses["a"], "10.5.1.1");
        assert!(made.internal && made.options["k"] == "v" && made.enable_ipv4.is_none());
        assert_eq!(request(&["--ipv6"]).unwrap().enable_ipv6, Some(true));
        assert_eq!(request(&["--ipv4=false"]).unwrap().enable_ipv4, Some(false));
    }

    #[test]
    fn what_lies_nowhere_is_refused_in_dockers_words() {
        let refused = |words: &[&str]| request(words).unwrap_err().to_string();
        let subnet = ["--subnet", "10.6.0.0/24"];
        let with = |more: [&'static str; 2]| refused(&[&subnet[..], &more].concat());
        assert_eq!(
            with(["--gateway", "10.7.0.1"]),
            "no matching subnet for gateway 10.7.0.1"
        );
        assert_eq!(
            with(["--ip-range", "10.7.0.0/25"]),
            "no matching subnet for range 10.7.0.0/25"
        );
        assert_eq!(
            with(["--aux-address", "a=10.8.0.1"]),
            "no matching subnet for aux-address 10.8.0.1"
        );
        assert_eq!(
            refused(&["--gateway", "10.6.0.1"]),
            "every ip-range or gateway must have a corresponding subnet"
        );
        assert_eq!(
            with(["--subnet", "10.6.0.0/25"]),
            "multiple overlapping subnet configuration is not supported"
        );
    }
}
