//! `gantry cp`, both directions, and tar streams by `-`.

use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use gantry_engine_api::container::PathStat;

use crate::archive::{CopyPath, Layout, Stat, pack, plan, unpack};
use crate::client::{Client, ClientError, Reply, upload};
use crate::context::Context;
use crate::dispatch::Execute;
use crate::exit::Exit;

/// Copy files/folders between a container and the local filesystem
#[derive(Debug, clap::Args)]
pub(crate) struct Cp {
    /// Keep owners
    #[arg(short, long)]
    archive: bool,
    /// Copy what a symbolic link in SRC_PATH points to
    #[arg(short = 'L', long)]
    follow_link: bool,
    /// Do not tell how much was copied
    #[arg(short, long)]
    quiet: bool,
    #[arg(value_name = "SRC", allow_hyphen_values = true)]
    args: Vec<String>,
}

/// `CONTAINER:PATH`; a local path with a colon begins with `/` or `.`.
fn split(arg: &str) -> (Option<&str>, &str) {
    if arg.starts_with('/') || arg.starts_with('.') {
        return (None, arg);
    }
    match arg.split_once(':') {
        Some((container, path)) if !container.is_empty() => (Some(container), path),
        _ => (None, arg),
    }
}

impl Execute for Cp {
    async fn execute(self, cx: &Context) -> Result<Exit> {
        let [source, target] = self.args.as_slice() else {
            bail!("cp takes two paths")
        };
        if source.is_empty() {
            bail!("source can not be empty");
        }
        if target.is_empty() {
            bail!("destination can not be empty");
        }
        match (split(source), split(target)) {
            ((Some(_), _), (Some(_), _)) => bail!("copying between containers is not supported"),
            ((Some(container), path), (None, local)) => {
                self.copy_out(cx, container, &CopyPath::new(path), local)
                    .await
            }
            ((None, local), (Some(container), path)) => {
                self.copy_in(cx, local, container, &CopyPath::new(path))
                    .await
            }
            ((None, _), (None, _)) => bail!("must specify at least one container source"),
        }
    }
}

/// What is known of a path in a container, from the header that stat and get answer with.
fn stat_of(reply: &Reply) -> Result<PathStat> {
    let header = reply.headers().get("x-docker-container-path-stat");
    let header = header.context("the engine's answer lacks the path's status")?;
    let json = base64::engine::general_purpose::STANDARD.decode(header.as_bytes())?;
    Ok(serde_json::from_slice(&json)?)
}

/// Bits of Go's `os.FileMode`.
const GO_DIRECTORY: u32 = 1 << 31;
const GO_SYMLINK: u32 = 1 << 27;

async fn stat(client: &Client, container: &str, path: &str) -> Result<PathStat> {
    let call = client
        .head(format!("/containers/{container}/archive"))
        .query("path", path);
    stat_of(&call.send().await?)
}

/// The path that a symbolic link in a container points to.
fn link_target(path: &CopyPath, stat: &PathStat) -> Option<CopyPath> {
    if stat.mode & GO_SYMLINK == 0 {
        return None;
    }
    let target = &stat.link_target;
    Some(CopyPath::new(if target.starts_with('/') {
        target.clone()
    } else {
        format!("{}/{target}", path.parent())
    }))
}

impl Cp {
    async fn copy_in(
        &self,
        cx: &Context,
        local: &str,
        container: &str,
        path: &CopyPath,
    ) -> Result<Exit> {
        let client = cx.client();
        let mut target = path.clone();
        let mut found = stat(client, container, &path.text).await.ok();
        if let Some(real) = found.as_ref().and_then(|stat| link_target(path, stat)) {
            found = stat(client, container, &real.text).await.ok();
            target = real;
        }
        let kind = match &found {
            None => Stat::Missing,
            Some(stat) if stat.mode & GO_DIRECTORY != 0 => Stat::Directory,
            Some(_) => Stat::Other,
        };
        if local == "-" {
            if kind != Stat::Directory {
                bail!(
                    "destination \"{container}:{}\" must be a directory",
                    path.text
                );
            }
            let body = upload(|out| io::copy(&mut io::stdin().lock(), out).map(drop));
            self.put(client, container, target.clean(), body).await?;
            return Ok(Exit::SUCCESS);
        }
        let source = Source::look(local, self.follow_link)?;
        let plan = plan(source.is_dir, &target, kind)?;
        let top = plan.top.unwrap_or(source.top);
        let body = upload(move |out| pack(&source.path, &top, out));
        self.put(client, container, &plan.folder, body).await?;
        self.told(&format!("{container}:{}", path.text));
        Ok(Exit::SUCCESS)
    }

    async fn put(
        &self,
        client: &Client,
        container: &str,
        folder: &str,
        body: crate::client::Body,
    ) -> Result<(), ClientError> {
        client
            .put(format!("/containers/{container}/archive"))
            .query("path", folder)
            .query("noOverwriteDirNonDir", "true")
            .maybe("copyUIDGID", self.archive.then_some("true"))
            .stream(body, "application/x-tar")
            .done()
            .await
    }

    async fn copy_out(
        &self,
        cx: &Context,
        container: &str,
        path: &CopyPath,
        local: &str,
    ) -> Result<Exit> {
        let client = cx.client();
        let mut source = path.clone();
        let mut followed = None;
        if self.follow_link {
            let found = stat(client, container, &path.text).await;
            if let Some(real) = found.ok().and_then(|stat| link_target(path, &stat)) {
                followed = Some(path.base().to_owned());
                source = real;
            }
        }
        let folder = Path::new(local)
            .parent()
            .filter(|dir| !dir.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|dir| local != "-" && !dir.is_dir()) {
            let folder = std::path::absolute(folder)?;
            bail!(
                "invalid output path: directory \"{}\" does not exist",
                folder.display()
            );
        }
        let call = client.get(format!("/containers/{container}/archive"));
        let mut reply = call.query("path", source.text.as_str()).send().await?;
        if local == "-" {
            while let Some(chunk) = reply.chunk().await? {
                cx.printer.raw(&chunk)?;
            }
            return Ok(Exit::SUCCESS);
        }
        let is_dir = stat_of(&reply)?.mode & GO_DIRECTORY != 0;
        let plan = plan(is_dir, &CopyPath::new(local), local_stat(local))?;
        let layout = Layout {
            top: plan.top.or(followed),
            whole: source.clean() == "/",
            owners: self.archive,
        };
        for text in lay_out(reply, PathBuf::from(plan.folder), layout).await? {
            cx.printer.say(format!("WARNING: left out: {text}"));
        }
        self.told(local);
        Ok(Exit::SUCCESS)
    }

    fn told(&self, target: &str) {
        if !self.quiet && io::stderr().is_terminal() {
            eprintln!("Successfully copied to {target}");
        }
    }
}

/// What is at the local target; a symbolic link counts as what it points to.
fn local_stat(path: &str) -> Stat {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Stat::Directory,
        Ok(_) => Stat::Other,
        Err(_) => Stat::Missing,
    }
}

/// Unpacks on a thread of its own while the body arrives; the channel between is bounded.
async fn lay_out(mut reply: Reply, folder: PathBuf, layout: Layout) -> Result<Vec<String>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(8);
    let unpacking = tokio::task::spawn_blocking(move || {
        unpack(
            Chunks {
                receiver,
                rest: bytes::Bytes::new(),
            },
            &folder,
            &layout,
        )
    });
    let mut broken = None;
    loop {
        let piece = match reply.chunk().await {
            Ok(Some(chunk)) => Ok(chunk),
            Ok(None) => break,
            Err(error) => {
                broken = Some(error);
                Err(io::Error::from(io::ErrorKind::UnexpectedEof))
            }
        };
        let last = piece.is_err();
        if sender.send(piece).await.is_err() || last {
            break;
        }
    }
    drop(sender);
    let end = unpacking.await?;
    match broken {
        Some(error) => Err(error.into()),
        None => end,
    }
}

/// Reads what arrives through a channel.
struct Chunks {
    receiver: tokio::sync::mpsc::Receiver<io::Result<bytes::Bytes>>,
    rest: bytes::Bytes,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.receiver.blocking_recv() {
                Some(chunk) => self.rest = chunk?,
                None => return Ok(0),
            }
        }
        let taken = self.rest.len().min(buffer.len());
        buffer[..taken].copy_from_slice(&self.rest.split_to(taken));
        Ok(taken)
    }
}

/// The local side of a copy into a container.
struct Source {
    path: PathBuf,
    is_dir: bool,
    /// The name of the archive's top entry.
    top: String,
}

impl Source {
    fn look(text: &str, follow: bool) -> Result<Self> {
        let given = CopyPath::new(text);
        let absolute = std::path::absolute(given.clean())?;
        // A trailing slash or dot asks for what a link points to.
        let through = follow || given.asserts_directory();
        let found = if through {
            std::fs::metadata(&absolute)
        } else {
            std::fs::symlink_metadata(&absolute)
        };
        let found = found.with_context(|| format!("lstat {}", absolute.display()))?;
        if given.asserts_directory() && !found.is_dir() {
            bail!("not a directory");
        }
        let top = if given.ends_in_dot() {
            ".".to_owned()
        } else {
            absolute.file_name().map_or_else(
                || ".".to_owned(),
                |name| name.to_string_lossy().into_owned(),
            )
        };
        let path = if through {
            std::fs::canonicalize(&absolute)?
        } else {
            absolute
        };
        Ok(Self {
            path,
            is_dir: found.is_dir(),
            top,
        })
    }
}
