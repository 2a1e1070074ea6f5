//! `gantry network connect` and `network disconnect`.

use anyhow::{Result, bail};
use gantry_engine_api::network::{
    ConnectRequest, DisconnectRequest, EndpointIpamConfig, EndpointSettings,
};

use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;

/// Connect a container to a network
#[derive(Debug, clap::Args)]
pub(crate) struct Connect {
    /// Add an alias in the network
    #[arg(long, value_name = "strings", value_delimiter = ',')]
    alias: Vec<String>,
    /// Set an option of the driver
    #[arg(long, value_name = "strings", value_delimiter = ',')]
    driver_opt: Vec<String>,
    /// The network with the highest leads out of the container
    #[arg(
        long,
        value_name = "int",
        default_value_t = 0,
        hide_default_value = true,
        allow_negative_numbers = true
    )]
    gw_priority: i64,
    /// IPv4 address (172.30.100.104)
    #[arg(long, value_name = "string")]
    ip: Option<String>,
    /// IPv6 address (2001:db8::33)
    #[arg(long, value_name = "string")]
    ip6: Option<String>,
    /// Add a link to another container
    #[arg(long, value_name = "list")]
    link: Vec<String>,
    /// Add a link-local address
    #[arg(long, value_name = "strings", value_delimiter = ',')]
    link_local_ip: Vec<String>,
    #[arg(value_name = "NETWORK CONTAINER")]
    args: Vec<String>,
}

impl Execute for Connect {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let (network, container) = pair(self.args);
        let mut driver_opts = gantry_engine_api::Map::empty();
        for option in &self.driver_opt {
            let Some((key, value)) = option.split_once('=').filter(|(key, _)| !key.is_empty())
            else {
                bail!("invalid key/value pair format in driver options");
            };
            driver_opts.insert(key.trim().to_lowercase(), value.trim().to_owned());
        }
        let settings = EndpointSettings {
            ipam_config: Some(EndpointIpamConfig {
                ipv4_address: self.ip.unwrap_or_default(),
                ipv6_address: self.ip6.unwrap_or_default(),
                link_local_ips: self.link_local_ip.into(),
            }),
            links: self.link.into(),
            aliases: self.alias.into(),
            driver_opts,
            gw_priority: self.gw_priority,
            ..EndpointSettings::default()
        };
        let request = ConnectRequest {
            container,
            endpoint_config: Some(settings),
        };
        let path = format!("/networks/{network}/connect");
        cx.client().post(path).json(&request).done().await?;
        Ok(Exit::SUCCESS)
    }
}

/// Disconnect a container from a network
#[derive(Debug, clap::Args)]
pub(crate) struct Disconnect {
    /// Disconnect even a container that is no more
    #[arg(short, long)]
    force: bool,
    #[arg(value_name = "NETWORK CONTAINER")]
    args: Vec<String>,
}

impl Execute for Disconnect {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let (network, container) = pair(self.args);
        let request = DisconnectRequest {
            container,
            force: self.force,
        };
        let path = format!("/networks/{network}/disconnect");
        cx.client().post(path).json(&request).done().await?;
        Ok(Exit::SUCCESS)
    }
}

/// The two words that the commands are given; their number was checked before.
fn pair(words: Vec<String>) -> (String, String) {
    let mut words = words.into_iter();
    let mut next = || words.next().unwrap_or_default();
    (next(), next())
}
