//! `containerd.services.containers.v1`.

use std::pin::Pin;

use futures_util::{Stream, StreamExt};
use gantry_proto::containerd::services::containers::v1::{
    Container as Wire, CreateContainerRequest, CreateContainerResponse, DeleteContainerRequest,
    GetContainerRequest, GetContainerResponse, ListContainerMessage, ListContainersRequest,
    ListContainersResponse, UpdateContainerRequest, UpdateContainerResponse, container,
    containers_server,
};
use gantry_proto::convert::time;
use gantry_proto::{metadata, topic};
use prost_types::Any;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use super::{Shared, key, namespace, required, status};
use crate::event::payload;
use crate::filter::Filter;
use crate::names::{ContainerId, Key};
use crate::store::{Container, ContainerChange, Field, Runtime, StoreError, When};
use crate::typed::Typed;

/// All labels of a key and value together, in bytes.
const LABEL_LIMIT: usize = 4096;

pub(super) struct Service(pub(super) Shared);

fn to_wire(container: Container, spec: &Typed) -> Wire {
    let spec = Some(Any::from(spec)).filter(|spec| !spec.type_url.is_empty());
    Wire {
        id: container.id.into(),
        labels: container.labels,
        image: container.image,
        runtime: Some(container::Runtime {
            name: container.runtime.name,
            options: container.runtime.options.as_ref().map(Any::from),
        }),
        spec,
        snapshotter: container.snapshotter,
        snapshot_key: container.snapshot_key,
        created_at: Some(time::to_wire(container.created_at.into())),
        updated_at: Some(time::to_wire(container.updated_at.into())),
        extensions: container
            .extensions
            .iter()
            .map(|(name, value)| (name.clone(), value.into()))
            .collect(),
        sandbox: container.sandbox,
    }
}

/// The definition and its spec.
fn from_wire(wire: Wire) -> Result<(Container, Typed), Status> {
    let id = ContainerId::parse(&wire.id).map_err(status)?;
    let runtime = wire.runtime.unwrap_or_default();
    let runtime = Runtime {
        name: runtime.name,
        options: runtime.options.map(Typed::from),
    };
    for (label, value) in &wire.labels {
        if label.len() + value.len() > LABEL_LIMIT {
            let shown: String = label.chars().take(64).collect();
            return Err(Status::invalid_argument(format!(
                "label key and value length ({} bytes) greater than maximum size ({LABEL_LIMIT} bytes), key: {shown}: invalid argument",
                label.len() + value.len()
            )));
        }
    }
    let spec = wire.spec.map(Typed::from).unwrap_or_default();
    let mut container = Container::new(id, runtime);
    container.labels = wire.labels;
    container.image = wire.image;
    container.spec_url.clone_from(&spec.url);
    container.snapshotter = wire.snapshotter;
    container.snapshot_key = wire.snapshot_key;
    container.sandbox = wire.sandbox;
    let extensions = wire.extensions.into_iter();
    container.extensions = extensions
        .map(|(name, value)| (name, value.into()))
        .collect();
    Ok((container, spec))
}

impl Service {
    fn list(&self, metadata: &MetadataMap, filters: &[String]) -> Result<Vec<Wire>, Status> {
        let namespace = namespace(metadata)?;
        let filter = Filter::parse(filters).map_err(status)?;
        let all = self.0.store.containers(&namespace).map_err(status)?;
        let mut wanted = Vec::new();
        for container in all
            .into_iter()
            .filter(|container| filter.matches(container))
        {
            let namespace = namespace.clone();
            let id = container.id;
            match self.0.store.container_and_spec(&Key { namespace, id }) {
                Ok((container, spec)) => wanted.push(to_wire(container, &spec)),
                // It was deleted meanwhile.
                Err(StoreError::NoContainer { .. }) => {}
                Err(error) => return Err(status(error)),
            }
        }
        Ok(wanted)
    }
}

#[tonic::async_trait]
impl containers_server::Containers for Service {
    type ListStreamStream =
        Pin<Box<dyn Stream<Item = Result<ListContainerMessage, Status>> + Send>>;

    async fn get(
        &self,
        request: Request<GetContainerRequest>,
    ) -> Result<Response<GetContainerResponse>, Status> {
        let key = key(request.metadata(), &request.get_ref().id)?;
        let (container, spec) = self.0.store.container_and_spec(&key).map_err(status)?;
        let container = Some(to_wire(container, &spec));
        Ok(Response::new(GetContainerResponse { container }))
    }

    async fn list(
        &self,
        request: Request<ListContainersRequest>,
    ) -> Result<Response<ListContainersResponse>, Status> {
        let containers = self.list(request.metadata(), &request.get_ref().filters)?;
        Ok(Response::new(ListContainersResponse { containers }))
    }

    async fn list_stream(
        &self,
        request: Request<ListContainersRequest>,
    ) -> Result<Response<Self::ListStreamStream>, Status> {
        let containers = self.list(request.metadata(), &request.get_ref().filters)?;
        let messages = futures_util::stream::iter(containers).map(|container| {
            let container = Some(container);
            Ok(ListContainerMessage { container })
        });
        Ok(Response::new(messages.boxed()))
    }

    async fn create(
        &self,
        request: Request<CreateContainerRequest>,
    ) -> Result<Response<CreateContainerResponse>, Status> {
        let namespace = namespace(request.metadata())?;
        let when = if metadata::is_unsynced(request.metadata()) {
            When::Seen
        } else {
            When::Synced
        };
        let wire = required(request.into_inner().container, "container")?;
        let (container, spec) = from_wire(wire)?;
        if container.runtime.name.is_empty() {
            let text = "container.Runtime.Name must be set: invalid argument";
            return Err(Status::invalid_argument(text));
        }
        let store = &self.0.store;
        let (definition, bytes) = (container.clone(), spec.value.clone());
        let created = store.create_container(namespace.clone(), definition, bytes, when);
        created.await.map_err(status)?;
        let payload = payload::container_create(&container);
        self.0.announce(namespace, topic::CONTAINER_CREATE, payload);
        let container = Some(to_wire(container, &spec));
        Ok(Response::new(CreateContainerResponse { container }))
    }

    async fn update(
        &self,
        request: Request<UpdateContainerRequest>,
    ) -> Result<Response<UpdateContainerResponse>, Status> {
        let namespace = namespace(request.metadata())?;
        let request = request.into_inner();
        let wire = required(request.container, "container")?;
        let paths = request
            .update_mask
            .map(|mask| mask.paths)
            .unwrap_or_default();
        let fields = fields(&paths)?;
        let (container, spec) = from_wire(wire)?;
        let id = container.id.clone();
        let key = Key {
            namespace: namespace.clone(),
            id,
        };
        let spec = spec.value;
        let change = ContainerChange {
            container,
            spec,
            fields,
        };
        let updated = self.0.store.update_container(key.clone(), change);
        let container = updated.await.map_err(status)?;
        let payload = payload::container_update(&container);
        self.0.announce(namespace, topic::CONTAINER_UPDATE, payload);
        let (container, spec) = self.0.store.container_and_spec(&key).map_err(status)?;
        let container = Some(to_wire(container, &spec));
        Ok(Response::new(UpdateContainerResponse { container }))
    }

    async fn delete(
        &self,
        request: Request<DeleteContainerRequest>,
    ) -> Result<Response<()>, Status> {
        let key = key(request.metadata(), &request.get_ref().id)?;
        self.0
            .store
            .delete_container(key.clone())
            .await
            .map_err(status)?;
        let payload = payload::container_delete(&key.id);
        self.0
            .announce(key.namespace, topic::CONTAINER_DELETE, payload);
        Ok(Response::new(()))
    }
}

/// What an update mask names; none means all that may change.
fn fields(paths: &[String]) -> Result<Vec<Field>, Status> {
    if paths.is_empty() {
        return Ok(vec![
            Field::Labels,
            Field::Image,
            Field::Spec,
            Field::SnapshotKey,
            Field::Extensions,
            Field::Sandbox,
        ]);
    }
    let field = |path: &String| {
        Ok(match path.split_once('.') {
            Some(("labels", label)) => Field::Label(label.to_owned()),
            Some(("extensions", name)) => Field::Extension(name.to_owned()),
            _ => match path.as_str() {
                "labels" => Field::Labels,
                "image" => Field::Image,
                "spec" => Field::Spec,
                "snapshot_key" | "snapshotkey" => Field::SnapshotKey,
                "extensions" => Field::Extensions,
                "sandbox" | "sandboxid" => Field::Sandbox,
                _ => {
                    let text = format!("cannot update {path:?} field: invalid argument");
                    return Err(Status::invalid_argument(text));
                }
            },
        })
    };
    paths.iter().map(field).collect()
}
