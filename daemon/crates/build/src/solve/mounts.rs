//! `RUN --mount`: what is mounted, fetched and laid out in the step's directories.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gantry_dockerfile::{Mount, MountKind, Origin, RunStep, Sharing, StepMount};
use gantry_ids::Digest;
use gantry_layer::{ChainId, LayerStore, Rootfs};
use rustix::fs::OFlags;

use super::flight::Flight;
use super::run::described;
use super::scratch::{self, Scratch};
use super::stage::{Build, Running};
use super::{files, key};
use crate::fault::Fault;
use crate::port::{Agent, MountSource, ReadyMount};
use crate::{CopyError, Tree};

/// The mounts of a step. Agents, and caches that nobody else may use, are held until it is dropped.
pub(super) struct Mounts<'a> {
    build: &'a Build<'a>,
    step: &'a RunStep,
    /// Per mount: the tree it comes from.
    trees: Vec<Option<Arc<Tree>>>,
    /// Per mount: the stage or image it comes from.
    chains: Vec<Option<Option<ChainId>>>,
    /// Per mount: what it adds to the step's key.
    pub(super) digests: Vec<Digest>,
    agents: Vec<Box<dyn Agent>>,
    locks: Vec<Flight<'a>>,
}

type Ready = (Vec<ReadyMount>, Vec<(String, String)>);

impl<'a> Mounts<'a> {
    /// Opens the trees of all mounts and takes their digests.
    pub(super) fn open(
        build: &'a Build<'a>,
        running: &Running<'_>,
        step: &'a RunStep,
    ) -> Result<Self, Fault> {
        let mut mounts = Self {
            build,
            step,
            trees: Vec::new(),
            chains: Vec::new(),
            digests: Vec::new(),
            agents: Vec::new(),
            locks: Vec::new(),
        };
        for mount in &step.mounts {
            let tree = match mount.origin {
                Some(Origin::Context) => Some(build.context()?),
                Some(Origin::Node(node)) => Some(build.tree_of(running, node)?),
                None => None,
            };
            let mut hasher = key::Hasher::new("mount");
            hasher.part(described(&format!("{:?}", mount.mount)).as_bytes());
            if let (Some(tree), MountKind::Bind) = (&tree, mount.mount.kind) {
                let owners = mount.origin != Some(Origin::Context);
                let exclude = gantry_dockerfile::Patterns::default();
                let reader = files::Reader::new(tree, exclude, owners);
                hasher.part(reader.sources(&[source(&mount.mount)])?.as_bytes());
            }
            mounts.digests.push(hasher.finish());
            mounts.trees.push(tree);
            mounts.chains.push(match mount.origin {
                Some(Origin::Node(node)) => build.chain_of(running, node),
                _ => None,
            });
        }
        Ok(mounts)
    }

    /// Lays everything out; answers the mounts in order, and variables for the program.
    pub(super) fn ready(&mut self, scratch: &mut Scratch) -> Result<Ready, Fault> {
        let (mut ready, mut env) = (Vec::new(), Vec::new());
        let step = self.step;
        for (number, mount) in step.mounts.iter().enumerate() {
            match mount.mount.kind {
                MountKind::Bind => ready.push(self.bind(number, mount, scratch)?),
                MountKind::Cache => ready.push(self.cache(number, mount)?),
                MountKind::Tmpfs => ready.push(ReadyMount {
                    target: target(&mount.mount, ""),
                    source: MountSource::Tmpfs {
                        size_bytes: mount.mount.size.filter(|size| *size > 0),
                    },
                    read_only: false,
                }),
                MountKind::Secret => {
                    self.secret(number, (&mount.mount, scratch), (&mut ready, &mut env))?;
                }
                MountKind::Ssh => {
                    self.agent(number, (&mount.mount, scratch), (&mut ready, &mut env))?;
                }
            }
        }
        if let Some(script) = &step.script {
            let path = scratch.run.join("script");
            write(&path, script.text.as_bytes(), (0o755, 0, 0))?;
            ready.push(host(PathBuf::from(&script.path), path, true));
        }
        Ok((ready, env))
    }

    /// A path of a tree. What is written into it goes nowhere: it is an overlay of its own.
    fn bind(
        &self,
        number: usize,
        mount: &StepMount,
        scratch: &mut Scratch,
    ) -> Result<ReadyMount, Fault> {
        let tree = self.trees[number].as_ref().ok_or(Fault::NoContext)?;
        let rw = scratch.disk.join(format!("bind-{number}"));
        let rootfs = match &self.chains[number] {
            Some(chain) => {
                let layers = self.build.solver.parts.images.layers();
                layers.rootfs(chain.as_ref(), &rw)?
            }
            None => {
                let path = tree.path().map_err(Fault::io("find the build context"))?;
                above(&path, &rw).map_err(Fault::io("make the directory of a mount"))?
            }
        };
        let failed = "mount files for a step";
        let opened = rootfs.open().map_err(Fault::io(failed))?;
        let name = format!("bind-{number}");
        let at = scratch.attach(&opened, &name).map_err(Fault::io(failed))?;
        let inside = Tree::open(&at).map_err(Fault::io(failed))?;
        let path = source(&mount.mount);
        let found = inside
            .at(&path, OFlags::PATH)
            .map_err(|error| match error {
                rustix::io::Errno::NOENT => CopyError::NotFound(path.clone()),
                error => CopyError::read(&path, error),
            })?;
        let path = Tree::new(found).path().map_err(Fault::io(failed))?;
        Ok(host(target(&mount.mount, ""), path, mount.mount.read_only))
    }

    /// A directory that outlives the build.
    fn cache(&mut self, number: usize, step: &StepMount) -> Result<ReadyMount, Fault> {
        let (build, mount) = (self.build, &step.mount);
        let at = target(mount, "");
        let id = mount.id.clone().unwrap_or_else(|| at.display().to_string());
        let mut name = key::Hasher::new("cache mount");
        let space = build.prepared.arguments.cache_space.as_str();
        name.part(match space {
            "" => id,
            space => format!("{space}/{id}"),
        });
        name.part(
            step.origin
                .map(|_| self.digests[number].hex())
                .unwrap_or_default(),
        );
        let name = name.finish();
        let mut path = scratch::caches(&build.solver.parts.root).join(name.hex());
        match mount.sharing.unwrap_or(Sharing::Shared) {
            Sharing::Shared => {}
            Sharing::Locked => {
                let lock = build.solver.flights.take(name, build.stop);
                self.locks.push(lock.ok_or(Fault::Cancelled)?);
            }
            Sharing::Private => {
                let (lock, own) = build.solver.flights.take_free(&name);
                self.locks.push(lock);
                path = path.with_file_name(own.hex());
            }
        }
        if !path.exists() {
            self.new_cache(number, step, &path)?;
        }
        Ok(host(at, path, mount.read_only))
    }

    fn new_cache(&self, number: usize, step: &StepMount, path: &Path) -> Result<(), Fault> {
        let mount = &step.mount;
        let failed = || format!("make the cache mount {}", path.display());
        let made = scratch::make(path).and_then(|()| {
            let mode = mount.mode.unwrap_or(0o755);
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
            chown(
                path,
                Some(mount.uid.unwrap_or(0)),
                Some(mount.gid.unwrap_or(0)),
            )
        });
        made.map_err(Fault::io(failed()))?;
        let Some(from) = &self.trees[number] else {
            return Ok(());
        };
        let to = Tree::open(path).map_err(Fault::io(failed()))?;
        let copied = crate::copy::contents(from, &source(mount), &to);
        copied.inspect_err(|_| drop(fs::remove_dir_all(path)))?;
        Ok(())
    }

    fn secret(
        &self,
        number: usize,
        (mount, scratch): (&Mount, &Scratch),
        (ready, env): (&mut Vec<ReadyMount>, &mut Vec<(String, String)>),
    ) -> Result<(), Fault> {
        let named = mount.id.as_ref().or(mount.source.as_ref());
        let id = match (named, &mount.target) {
            (Some(id), _) => id.clone(),
            (None, Some(target)) => target.rsplit('/').next().unwrap_or(target).to_owned(),
            (None, None) => mount.env.clone().unwrap_or_default(),
        };
        let Some(bytes) = self.build.client.keys.secret(&id)? else {
            if mount.required {
                return Err(Fault::Missing { kind: "secret", id });
            }
            return Ok(());
        };
        if let Some(name) = &mount.env {
            env.push((name.clone(), String::from_utf8_lossy(&bytes).into_owned()));
            if mount.target.is_none() {
                return Ok(());
            }
        }
        let path = scratch.run.join(format!("secret-{number}"));
        let owner = (mount.uid.unwrap_or(0), mount.gid.unwrap_or(0));
        write(
            &path,
            &bytes,
            (mount.mode.unwrap_or(0o400), owner.0, owner.1),
        )?;
        let base = id.rsplit('/').next().unwrap_or(&id);
        let default = format!("/run/secrets/{base}");
        ready.push(host(target(mount, &default), path, true));
        Ok(())
    }

    fn agent(
        &mut self,
        number: usize,
        (mount, scratch): (&Mount, &Scratch),
        (ready, env): (&mut Vec<ReadyMount>, &mut Vec<(String, String)>),
    ) -> Result<(), Fault> {
        let id = mount.id.clone().unwrap_or_else(|| "default".to_owned());
        let path = scratch.run.join(format!("agent-{number}"));
        let Some(agent) = self.build.client.keys.agent(&id, &path)? else {
            if mount.required {
                return Err(Fault::Missing { kind: "agent", id });
            }
            return Ok(());
        };
        let owned = fs::set_permissions(
            &path,
            fs::Permissions::from_mode(mount.mode.unwrap_or(0o600)),
        )
        .and_then(|()| {
            chown(
                &path,
                Some(mount.uid.unwrap_or(0)),
                Some(mount.gid.unwrap_or(0)),
            )
        });
        owned.map_err(Fault::io("make an agent's socket"))?;
        self.agents.push(agent);
        let at = target(mount, &format!("/run/buildkit/ssh_agent.{number}"));
        if !env.iter().any(|(name, _)| name == "SSH_AUTH_SOCK") {
            env.push(("SSH_AUTH_SOCK".to_owned(), at.display().to_string()));
        }
        ready.push(host(at, path, false));
        Ok(())
    }
}

fn source(mount: &Mount) -> String {
    mount.source.clone().unwrap_or_else(|| "/".to_owned())
}

fn target(mount: &Mount, default: &str) -> PathBuf {
    PathBuf::from(mount.target.as_deref().unwrap_or(default))
}

const fn host(target: PathBuf, path: PathBuf, read_only: bool) -> ReadyMount {
    ReadyMount {
        target,
        source: MountSource::Host(path),
        read_only,
    }
}

/// A writable directory above one that must not change.
fn above(lower: &Path, rw: &Path) -> std::io::Result<Rootfs> {
    let (upper, work) = (rw.join("upper"), rw.join("work"));
    scratch::make(&upper)?;
    scratch::make(&work)?;
    let stat = fs::metadata(lower)?;
    fs::set_permissions(&upper, fs::Permissions::from_mode(stat.mode() & 0o7777))?;
    chown(&upper, Some(stat.uid()), Some(stat.gid()))?;
    Ok(Rootfs {
        chain: None,
        mounts: Vec::new(),
        upper,
        work,
        lowers: vec![lower.to_owned()],
        lease: gantry_layer::Lease::default(),
    })
}

fn write(path: &Path, bytes: &[u8], (mode, uid, gid): (u32, u32, u32)) -> Result<(), Fault> {
    let mut options = fs::OpenOptions::new();
    let written = options.write(true).create_new(true).mode(0o600).open(path);
    let written = written.and_then(|mut file| {
        file.write_all(bytes)?;
        chown(path, Some(uid), Some(gid))?;
        file.set_permissions(fs::Permissions::from_mode(mode))
    });
    written.map_err(Fault::io("write a file for a step"))
}
