//! `RUN`: mounts made ready, a program run, what the runtime left taken away.

use gantry_dockerfile::{Network, RunStep, Security};
use gantry_ids::Digest;
use gantry_layer::Rootfs;

use super::layer::Sought;
use super::mounts::Mounts;
use super::stage::{Build, Running};
use super::tell::Work;
use super::{key, stubs::Stubs};
use crate::HostNetwork;
use crate::fault::Fault;
use crate::port::{ReadyMount, Run};
use crate::progress::{Ending, Stream, What};

impl Build<'_> {
    pub(super) fn run(
        &self,
        running: &mut Running<'_>,
        (step, code): (&RunStep, &str),
        work: &Work<'_>,
    ) -> Result<Ending, Fault> {
        if step.security == Security::Insecure {
            return Err(Fault::NotBuilt("RUN --security=insecure"));
        }
        if step.devices.iter().any(|device| device.required) {
            return Err(Fault::NotBuilt("RUN --device"));
        }
        let network = match step.network {
            Network::Default => self.request.network.as_str(),
            Network::None => "none",
            Network::Host => "host",
        };
        if network == "host" && self.request.host_network == HostNetwork::Refused {
            return Err(Fault::NotEntitled("network.host"));
        }
        let mut mounts = Mounts::open(self, running, step)?;
        let place = (network, self.prepared.arguments.hostname.as_str());
        let key = key::run(running.key(), step, &mounts.digests, place);
        let counter = running.counter.clone();
        let classic = |what: What| {
            if let Some(counter) = &counter {
                counter.tell(what);
            }
        };
        self.layer(running, &Sought::of(key, code), |rootfs, scratch| {
            let (ready, env) = mounts.ready(scratch)?;
            let mut step = step.clone();
            step.env.extend(env);
            let id = gantry_ids::ContainerId::generate().to_string();
            classic(What::Running(id.clone()));
            let output = |stream: Stream, bytes: &[u8]| {
                work.log(stream, bytes);
                classic(What::Wrote(stream, bytes.to_vec()));
            };
            self.program(rootfs, (&id, &step, &ready, network), &output)
        })
    }

    fn program(
        &self,
        rootfs: &Rootfs,
        (id, step, mounts, network): (&str, &RunStep, &[ReadyMount], &str),
        output: &(dyn Fn(Stream, &[u8]) + Sync),
    ) -> Result<(), Fault> {
        let stubs = Stubs::expect(rootfs, mounts)?;
        let run = Run {
            build: &self.id,
            id,
            step,
            rootfs,
            mounts,
            network,
            extra_hosts: &self.request.extra_hosts,
            limits: &self.request.limits,
            hostname: &self.prepared.arguments.hostname,
        };
        let code = self.solver.parts.runner.run(&run, output, self.stop)?;
        if code != 0 {
            if let Some(visitor) = &self.client.on_fail {
                visitor.failed(&run, self.stop);
            }
            return Err(Fault::Exit {
                command: step.args.join(" "),
                code,
            });
        }
        stubs.remove(rootfs)
    }
}

/// What a mount's text adds to a key.
pub(super) fn described(text: &str) -> Digest {
    let mut hasher = key::Hasher::new("mount");
    hasher.part(text);
    hasher.finish()
}
