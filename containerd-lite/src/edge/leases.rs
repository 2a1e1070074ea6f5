//! `containerd.services.leases.v1`.

use gantry_proto::containerd::services::leases::v1::{
    AddResourceRequest, CreateRequest, CreateResponse, DeleteRequest, DeleteResourceRequest,
    Lease as Wire, ListRequest, ListResourcesRequest, ListResourcesResponse, ListResponse,
    Resource as WireResource, leases_server,
};
use gantry_proto::convert::time;
use tonic::{Request, Response, Status};

use super::{Shared, namespace, required, status};
use crate::filter::Filter;
use crate::store::{Lease, Resource};

pub(super) struct Service(pub(super) Shared);

fn wire(lease: Lease) -> Wire {
    Wire {
        id: lease.id,
        created_at: Some(time::to_wire(lease.created_at.into())),
        labels: lease.labels,
    }
}

fn resource(wire: Option<WireResource>) -> Result<Resource, Status> {
    let WireResource { id, r#type: kind } = required(wire, "resource")?;
    Ok(Resource { id, kind })
}

#[tonic::async_trait]
impl leases_server::Leases for Service {
    async fn create(
        &self,
        request: Request<CreateRequest>,
    ) -> Result<Response<CreateResponse>, Status> {
        let namespace = namespace(request.metadata())?;
        let CreateRequest { id, labels } = request.into_inner();
        let id = if id.is_empty() { fresh_id()? } else { id };
        if id.contains('/') || id.len() > 256 {
            let text = format!("lease id {id:?}: invalid argument");
            return Err(Status::invalid_argument(text));
        }
        let created = self.0.store.create_lease(namespace, id, labels);
        let lease = Some(wire(created.await.map_err(status)?));
        Ok(Response::new(CreateResponse { lease }))
    }

    async fn delete(&self, request: Request<DeleteRequest>) -> Result<Response<()>, Status> {
        let namespace = namespace(request.metadata())?;
        let deleted = self
            .0
            .store
            .delete_lease(namespace, request.into_inner().id);
        deleted.await.map_err(status)?;
        Ok(Response::new(()))
    }

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        let namespace = namespace(request.metadata())?;
        let filter = Filter::parse(&request.into_inner().filters).map_err(status)?;
        let all = self.0.store.leases(&namespace).map_err(status)?;
        let wanted = all.into_iter().filter(|lease| filter.matches(lease));
        let leases = wanted.map(wire).collect();
        Ok(Response::new(ListResponse { leases }))
    }

    async fn add_resource(
        &self,
        request: Request<AddResourceRequest>,
    ) -> Result<Response<()>, Status> {
        let namespace = namespace(request.metadata())?;
        let request = request.into_inner();
        let resource = resource(request.resource)?;
        let added = self.0.store.lease_resource(namespace, request.id, resource);
        added.await.map_err(status)?;
        Ok(Response::new(()))
    }

    async fn delete_resource(
        &self,
        request: Request<DeleteResourceRequest>,
    ) -> Result<Response<()>, Status> {
        let namespace = namespace(request.metadata())?;
        let request = request.into_inner();
        let resource = resource(request.resource)?;
        let released = self
            .0
            .store
            .release_resource(namespace, request.id, resource);
        released.await.map_err(status)?;
        Ok(Response::new(()))
    }

    async fn list_resources(
        &self,
        request: Request<ListResourcesRequest>,
    ) -> Result<Response<ListResourcesResponse>, Status> {
        let namespace = namespace(request.metadata())?;
        let id = request.into_inner().id;
        let held = self
            .0
            .store
            .lease_resources(&namespace, &id)
            .map_err(status)?;
        let wire = |Resource { id, kind }| WireResource { id, r#type: kind };
        let resources = held.into_iter().map(wire).collect();
        Ok(Response::new(ListResourcesResponse { resources }))
    }
}

/// The kernel's word for "no other".
fn fresh_id() -> Result<String, Status> {
    let uuid = std::fs::read_to_string("/proc/sys/kernel/random/uuid");
    let uuid = uuid.map_err(|error| Status::internal(format!("name a lease: {error}")))?;
    Ok(uuid.trim().to_owned())
}
