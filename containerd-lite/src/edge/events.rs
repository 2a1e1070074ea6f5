//! `containerd.services.events.v1`.

use std::pin::Pin;

use futures_util::{Stream, StreamExt};
use gantry_proto::containerd::services::events::v1::{
    ForwardRequest, PublishRequest, SubscribeRequest, events_server,
};
use gantry_proto::containerd::types::Envelope;
use tonic::{Request, Response, Status};

use super::{Shared, namespace, required, status};
use crate::event::{Delivery, Event, from_envelope, to_envelope};
use crate::filter::Filter;

pub(super) struct Service(pub(super) Shared);

#[tonic::async_trait]
impl events_server::Events for Service {
    type SubscribeStream = Pin<Box<dyn Stream<Item = Result<Envelope, Status>> + Send>>;

    async fn publish(&self, request: Request<PublishRequest>) -> Result<Response<()>, Status> {
        let namespace = namespace(request.metadata())?;
        let PublishRequest { topic, event } = request.into_inner();
        check_topic(&topic)?;
        let event = Event::now(namespace, &topic, required(event, "event")?.into());
        self.0.journal().append(&event).map_err(status)?;
        Ok(Response::new(()))
    }

    async fn forward(&self, request: Request<ForwardRequest>) -> Result<Response<()>, Status> {
        let envelope = required(request.into_inner().envelope, "envelope")?;
        check_topic(&envelope.topic)?;
        let event = from_envelope(envelope).map_err(status)?;
        self.0.forward(event).await.map_err(status)?;
        Ok(Response::new(()))
    }

    async fn subscribe(
        &self,
        request: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        // All namespaces, as in containerd: a subscriber filters.
        let filter = Filter::parse(&request.into_inner().filters).map_err(status)?;
        let subscription = self.0.subscribe(filter);
        let events = futures_util::stream::unfold(subscription, |mut subscription| async {
            let delivery = match subscription.next().await {
                Ok(Delivery::Event(_, event)) => Ok(to_envelope(&event)),
                Ok(Delivery::Gap(_)) => Err(Status::data_loss(
                    "the subscriber was too slow, events are lost: subscribe again and list",
                )),
                Err(error) => Err(status(error)),
            };
            Some((delivery, subscription))
        });
        Ok(Response::new(events.boxed()))
    }
}

/// containerd's rule: `/`-led words of names.
fn check_topic(topic: &str) -> Result<(), Status> {
    let words = topic.strip_prefix('/').map(|rest| rest.split('/'));
    let valid = words
        .is_some_and(|mut words| words.all(|word| crate::names::ContainerId::parse(word).is_ok()));
    if valid {
        Ok(())
    } else {
        let shown: String = topic.chars().take(128).collect();
        let text = format!("topic {shown:?} must be like /tasks/start: invalid argument");
        Err(Status::invalid_argument(text))
    }
}
