//! `gantry stop`, `restart`, `kill`, `pause`, `unpause`: signals and the freezer.

use anyhow::Result;

use super::each::each;
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;

/// Stop one or more running containers
#[derive(Debug, clap::Args)]
pub(crate) struct Stop {
    /// Signal to send to the container
    #[arg(short, long, value_name = "string")]
    signal: Option<String>,
    /// Seconds to wait before killing the container
    #[arg(short, long = "timeout", alias = "time", value_name = "int")]
    timeout: Option<i64>,
    #[arg(value_name = "CONTAINER")]
    args: Vec<String>,
}

impl Execute for Stop {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let call = |name: &str| {
            cx.client()
                .post(format!("/containers/{name}/stop"))
                .maybe("signal", self.signal.clone())
                .maybe("t", self.timeout.map(|seconds| seconds.to_string()))
                .done()
        };
        each(cx, &self.args, call).await
    }
}

/// Restart one or more containers
#[derive(Debug, clap::Args)]
pub(crate) struct Restart {
    /// Signal to send to the container
    #[arg(short, long, value_name = "string")]
    signal: Option<String>,
    /// Seconds to wait before killing the container
    #[arg(short, long = "timeout", alias = "time", value_name = "int")]
    timeout: Option<i64>,
    #[arg(value_name = "CONTAINER")]
    args: Vec<String>,
}

impl Execute for Restart {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let call = |name: &str| {
            cx.client()
                .post(format!("/containers/{name}/restart"))
                .maybe("signal", self.signal.clone())
                .maybe("t", self.timeout.map(|seconds| seconds.to_string()))
                .done()
        };
        each(cx, &self.args, call).await
    }
}

/// Kill one or more running containers
#[derive(Debug, clap::Args)]
pub(crate) struct Kill {
    /// Signal to send to the container (KILL if none is named)
    #[arg(short, long, value_name = "string")]
    signal: Option<String>,
    #[arg(value_name = "CONTAINER")]
    args: Vec<String>,
}

impl Execute for Kill {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let call = |name: &str| {
            let signal = self.signal.clone();
            cx.client()
                .post(format!("/containers/{name}/kill"))
                .maybe("signal", signal)
                .done()
        };
        each(cx, &self.args, call).await
    }
}

/// Pause all processes within one or more containers
#[derive(Debug, clap::Args)]
pub(crate) struct Pause {
    #[arg(value_name = "CONTAINER")]
    args: Vec<String>,
}

impl Execute for Pause {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        each(cx, &self.args, |name| {
            cx.client().post(format!("/containers/{name}/pause")).done()
        })
        .await
    }
}

/// Unpause all processes within one or more containers
#[derive(Debug, clap::Args)]
pub(crate) struct Unpause {
    #[arg(value_name = "CONTAINER")]
    args: Vec<String>,
}

impl Execute for Unpause {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        each(cx, &self.args, |name| {
            cx.client()
                .post(format!("/containers/{name}/unpause"))
                .done()
        })
        .await
    }
}
