//! `gantry container …` and its short forms.

use crate::command::inspect::InspectContainer;
use crate::dispatch::{Arity, Verb};

mod cp;
mod create;
mod each;
mod exec;
mod export;
mod logs;
mod ls;
mod rm;
mod run;
mod session;
mod start;
mod stop;
mod summary;
mod top;
mod update;
mod wait;

pub(crate) use each::finish;
pub(crate) use rm::prune;
pub(crate) use session::{Attachment, Left};
pub(crate) use summary::{LISTING, ellipsis, row};

/// The first twelve digits of an id.
pub(crate) fn short_id(id: &str) -> &str {
    let hex = id.strip_prefix("sha256:").unwrap_or(id);
    hex.get(..12).unwrap_or(hex)
}

pub(super) const VERBS: &[Verb] = &[
    Verb::new::<start::Attach>(
        &["container attach", "attach"],
        "[OPTIONS] CONTAINER",
        "Attach local standard input, output, and error streams to a running container",
        Arity::Exactly(1),
    ),
    Verb::new::<export::Commit>(
        &["container commit", "commit"],
        "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
        "Create a new image from a container's changes",
        Arity::Between(1, 2),
    ),
    Verb::new::<create::Create>(
        &["container create", "create"],
        "[OPTIONS] IMAGE [COMMAND] [ARG...]",
        "Create a new container",
        Arity::AtLeast(1),
    )
    .stopping(),
    Verb::new::<top::Diff>(
        &["container diff", "diff"],
        "CONTAINER",
        "Inspect changes to files or directories on a container's filesystem",
        Arity::Exactly(1),
    ),
    Verb::new::<exec::Exec>(
        &["container exec", "exec"],
        "[OPTIONS] CONTAINER COMMAND [ARG...]",
        "Execute a command in a running container",
        Arity::AtLeast(2),
    )
    .stopping(),
    Verb::new::<export::Export>(
        &["container export", "export"],
        "[OPTIONS] CONTAINER",
        "Export a container's filesystem as a tar archive",
        Arity::Exactly(1),
    ),
    Verb::new::<stop::Kill>(
        &["container kill", "kill"],
        "[OPTIONS] CONTAINER [CONTAINER...]",
        "Kill one or more running containers",
        Arity::AtLeast(1),
    ),
    Verb::new::<logs::Logs>(
        &["container logs", "logs"],
        "[OPTIONS] CONTAINER",
        "Fetch the logs of a container",
        Arity::Exactly(1),
    ),
    Verb::new::<ls::Ls>(
        &["container ls", "container list", "container ps", "ps"],
        "[OPTIONS]",
        "List containers",
        Arity::Exactly(0),
    ),
    Verb::new::<stop::Pause>(
        &["container pause", "pause"],
        "CONTAINER [CONTAINER...]",
        "Pause all processes within one or more containers",
        Arity::AtLeast(1),
    ),
    Verb::new::<top::Port>(
        &["container port", "port"],
        "[OPTIONS] CONTAINER [PRIVATE_PORT[/PROTO]]",
        "List port mappings or a specific mapping for the container",
        Arity::Between(1, 2),
    ),
    Verb::new::<rm::Prune>(
        &["container prune"],
        "[OPTIONS]",
        "Remove all stopped containers",
        Arity::Exactly(0),
    ),
    Verb::new::<rm::Rename>(
        &["container rename", "rename"],
        "CONTAINER NEW_NAME",
        "Rename a container",
        Arity::Exactly(2),
    ),
    Verb::new::<stop::Restart>(
        &["container restart", "restart"],
        "[OPTIONS] CONTAINER [CONTAINER...]",
        "Restart one or more containers",
        Arity::AtLeast(1),
    ),
    Verb::new::<rm::Rm>(
        &["container rm", "container remove", "rm"],
        "[OPTIONS] CONTAINER [CONTAINER...]",
        "Remove one or more containers",
        Arity::AtLeast(1),
    ),
    Verb::new::<run::Run>(
        &["container run", "run"],
        "[OPTIONS] IMAGE [COMMAND] [ARG...]",
        "Create and run a new container from an image",
        Arity::AtLeast(1),
    )
    .stopping(),
    Verb::new::<start::Start>(
        &["container start", "start"],
        "[OPTIONS] CONTAINER [CONTAINER...]",
        "Start one or more stopped containers",
        Arity::AtLeast(1),
    ),
    Verb::new::<stop::Stop>(
        &["container stop", "stop"],
        "[OPTIONS] CONTAINER [CONTAINER...]",
        "Stop one or more running containers",
        Arity::AtLeast(1),
    ),
    Verb::new::<top::Top>(
        &["container top", "top"],
        "CONTAINER [ps OPTIONS]",
        "Display the running processes of a container",
        Arity::AtLeast(1),
    )
    .stopping(),
    Verb::new::<stop::Unpause>(
        &["container unpause", "unpause"],
        "CONTAINER [CONTAINER...]",
        "Unpause all processes within one or more containers",
        Arity::AtLeast(1),
    ),
    Verb::new::<update::Update>(
        &["container update", "update"],
        "[OPTIONS] CONTAINER [CONTAINER...]",
        "Update configuration of one or more containers",
        Arity::AtLeast(1),
    ),
    Verb::new::<wait::Wait>(
        &["container wait", "wait"],
        "CONTAINER [CONTAINER...]",
        "Block until one or more containers stop, then print their exit codes",
        Arity::AtLeast(1),
    ),
    Verb::new::<InspectContainer>(
        &["container inspect"],
        "[OPTIONS] CONTAINER [CONTAINER...]",
        "Display detailed information on one or more containers",
        Arity::AtLeast(1),
    ),
    Verb::new::<cp::Cp>(
        &["container cp", "cp"],
        "[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n\tdocker cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
        "Copy files/folders between a container and the local filesystem",
        Arity::Exactly(2),
    ),
];
