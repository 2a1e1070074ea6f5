//! The messages inside events: those this program publishes, and what it understands of a shim's.

use std::collections::BTreeMap;

use gantry_proto::containerd::events::{
    ContainerCreate, ContainerDelete, ContainerUpdate, NamespaceCreate, NamespaceDelete,
    NamespaceUpdate, TaskDelete, TaskExecAdded, TaskExecStarted, TaskExit, TaskOom, TaskPaused,
    TaskResumed, TaskStart, container_create,
};
use gantry_proto::convert::{any, time};
use prost::{Message, Name};
use prost_types::Any;

use crate::names::{ContainerId, ExecId};
use crate::store::Container;
use crate::task::{Exit, ProcessId, Sight};
use crate::typed::Typed;

fn pack<M: Message + Name>(message: &M) -> Typed {
    any::pack(message).into()
}

/// `/tasks/exit` of a process.
pub(crate) fn exit(id: &ContainerId, process: &ProcessId, pid: u32, exit: Exit) -> Typed {
    pack(&TaskExit {
        container_id: id.to_string(),
        id: match process {
            ProcessId::Init => id.to_string(),
            ProcessId::Exec(exec) => exec.to_string(),
        },
        pid,
        exit_status: exit.status,
        exited_at: Some(time::to_wire(exit.at)),
    })
}

/// `/tasks/delete` of a task.
pub(crate) fn delete(id: &ContainerId, pid: u32, exit: Exit) -> Typed {
    pack(&TaskDelete {
        container_id: id.to_string(),
        pid,
        exit_status: exit.status,
        exited_at: Some(time::to_wire(exit.at)),
        id: String::new(),
    })
}

/// `/containers/create`.
pub(crate) fn container_create(container: &Container) -> Typed {
    pack(&ContainerCreate {
        id: container.id.to_string(),
        image: container.image.clone(),
        runtime: Some(container_create::Runtime {
            name: container.runtime.name.clone(),
            options: container.runtime.options.as_ref().map(Any::from),
        }),
    })
}

/// `/containers/update`.
pub(crate) fn container_update(container: &Container) -> Typed {
    pack(&ContainerUpdate {
        id: container.id.to_string(),
        image: container.image.clone(),
        labels: container.labels.clone(),
        snapshot_key: container.snapshot_key.clone(),
    })
}

/// `/containers/delete`.
pub(crate) fn container_delete(id: &ContainerId) -> Typed {
    let id = id.to_string();
    pack(&ContainerDelete { id })
}

/// `/namespaces/create`.
pub(crate) fn namespace_create(name: &str, labels: &BTreeMap<String, String>) -> Typed {
    let (name, labels) = (name.to_owned(), labels.clone());
    pack(&NamespaceCreate { name, labels })
}

/// `/namespaces/update`.
pub(crate) fn namespace_update(name: &str, labels: &BTreeMap<String, String>) -> Typed {
    let (name, labels) = (name.to_owned(), labels.clone());
    pack(&NamespaceUpdate { name, labels })
}

/// `/namespaces/delete`.
pub(crate) fn namespace_delete(name: &str) -> Typed {
    let name = name.to_owned();
    pack(&NamespaceDelete { name })
}

/// What a shim's event says about its task's processes; `None` when it changes nothing here.
pub(crate) fn sight(payload: &Typed) -> Option<(ContainerId, Sight)> {
    let any = Any::from(payload);
    let process = |container: &str, id: &str| {
        if id.is_empty() || id == container {
            Some(ProcessId::Init)
        } else {
            ExecId::parse(id).ok().map(ProcessId::Exec)
        }
    };
    let (container, sight) = if let Ok(m) = any::unpack::<TaskStart>(&any) {
        let process = ProcessId::Init;
        let pid = m.pid;
        (m.container_id, Sight::Started { process, pid })
    } else if let Ok(m) = any::unpack::<TaskExit>(&any) {
        let exit = Exit {
            status: m.exit_status,
            at: time::from_wire(m.exited_at.as_ref()).unwrap_or_else(std::time::SystemTime::now),
        };
        let process = process(&m.container_id, &m.id)?;
        (m.container_id, Sight::Exited { process, exit })
    } else if let Ok(m) = any::unpack::<TaskExecStarted>(&any) {
        let process = process(&m.container_id, &m.exec_id)?;
        let pid = m.pid;
        (m.container_id, Sight::Started { process, pid })
    } else if let Ok(m) = any::unpack::<TaskPaused>(&any) {
        (m.container_id, Sight::Paused)
    } else if let Ok(m) = any::unpack::<TaskResumed>(&any) {
        (m.container_id, Sight::Resumed)
    } else {
        return None;
    };
    Some((ContainerId::parse(&container).ok()?, sight))
}

/// A field of a payload, for filters (`event.container_id==…`).
pub(crate) fn field(payload: &Typed, name: &str) -> Option<String> {
    let any = Any::from(payload);
    macro_rules! look {
        ($($message:ident { $($field:ident),+ })*) => {
            $(if any::is::<$message>(&any) {
                let message = any::unpack::<$message>(&any).ok()?;
                return match name {
                    $(stringify!($field) => Some(message.$field),)+
                    _ => None,
                };
            })*
        };
    }
    look! {
        TaskStart { container_id }
        TaskExit { container_id, id }
        TaskDelete { container_id, id }
        TaskOom { container_id }
        TaskExecAdded { container_id, exec_id }
        TaskExecStarted { container_id, exec_id }
        TaskPaused { container_id }
        TaskResumed { container_id }
        ContainerCreate { id, image }
        ContainerUpdate { id, image, snapshot_key }
        ContainerDelete { id }
        NamespaceCreate { name }
        NamespaceUpdate { name }
        NamespaceDelete { name }
    }
    None
}
