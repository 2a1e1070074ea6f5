//! `containerd.services.namespaces.v1`. Namespaces themselves are in no namespace.

use gantry_proto::containerd::services::namespaces::v1::{
    CreateNamespaceRequest, CreateNamespaceResponse, DeleteNamespaceRequest, GetNamespaceRequest,
    GetNamespaceResponse, ListNamespacesRequest, ListNamespacesResponse, Namespace as Wire,
    UpdateNamespaceRequest, UpdateNamespaceResponse, namespaces_server,
};
use gantry_proto::topic;
use tonic::{Request, Response, Status};

use super::{Shared, required, status};
use crate::event::payload;
use crate::names::Namespace;
use crate::store::LabelChange;

pub(super) struct Service(pub(super) Shared);

#[tonic::async_trait]
impl namespaces_server::Namespaces for Service {
    async fn get(
        &self,
        request: Request<GetNamespaceRequest>,
    ) -> Result<Response<GetNamespaceResponse>, Status> {
        let name = Namespace::parse(&request.into_inner().name).map_err(status)?;
        let labels = self.0.store.namespace(&name).map_err(status)?;
        let name = name.into();
        let namespace = Some(Wire { name, labels });
        Ok(Response::new(GetNamespaceResponse { namespace }))
    }

    async fn list(
        &self,
        _: Request<ListNamespacesRequest>,
    ) -> Result<Response<ListNamespacesResponse>, Status> {
        let all = self.0.store.namespaces().map_err(status)?;
        let wire = |(name, labels)| Wire { name, labels };
        let namespaces = all.into_iter().map(wire).collect();
        Ok(Response::new(ListNamespacesResponse { namespaces }))
    }

    async fn create(
        &self,
        request: Request<CreateNamespaceRequest>,
    ) -> Result<Response<CreateNamespaceResponse>, Status> {
        let wire = required(request.into_inner().namespace, "namespace")?;
        let name = Namespace::parse(&wire.name).map_err(status)?;
        let created = self
            .0
            .store
            .create_namespace(name.clone(), wire.labels.clone());
        created.await.map_err(status)?;
        let payload = payload::namespace_create(&wire.name, &wire.labels);
        self.0.announce(name, topic::NAMESPACE_CREATE, payload);
        let namespace = Some(wire);
        Ok(Response::new(CreateNamespaceResponse { namespace }))
    }

    async fn update(
        &self,
        request: Request<UpdateNamespaceRequest>,
    ) -> Result<Response<UpdateNamespaceResponse>, Status> {
        let request = request.into_inner();
        let wire = required(request.namespace, "namespace")?;
        let name = Namespace::parse(&wire.name).map_err(status)?;
        let paths = request
            .update_mask
            .map(|mask| mask.paths)
            .unwrap_or_default();
        let change = label_change(&paths)?;
        let updated = self
            .0
            .store
            .update_namespace(name.clone(), wire.labels, change);
        let labels = updated.await.map_err(status)?;
        let payload = payload::namespace_update(name.as_str(), &labels);
        self.0
            .announce(name.clone(), topic::NAMESPACE_UPDATE, payload);
        let name = name.into();
        let namespace = Some(Wire { name, labels });
        Ok(Response::new(UpdateNamespaceResponse { namespace }))
    }

    async fn delete(
        &self,
        request: Request<DeleteNamespaceRequest>,
    ) -> Result<Response<()>, Status> {
        let name = Namespace::parse(&request.into_inner().name).map_err(status)?;
        let deleted = self.0.store.delete_namespace(name.clone());
        deleted.await.map_err(status)?;
        let payload = payload::namespace_delete(name.as_str());
        self.0.announce(name, topic::NAMESPACE_DELETE, payload);
        Ok(Response::new(()))
    }
}

fn label_change(paths: &[String]) -> Result<LabelChange, Status> {
    let mut keys = Vec::new();
    for path in paths {
        match path.strip_prefix("labels") {
            Some("") => return Ok(LabelChange::All),
            Some(key) if key.starts_with('.') => keys.push(key[1..].to_owned()),
            _ => {
                let text = format!("cannot update {path:?} field: invalid argument");
                return Err(Status::invalid_argument(text));
            }
        }
    }
    Ok(if keys.is_empty() {
        LabelChange::All
    } else {
        LabelChange::Only(keys)
    })
}
