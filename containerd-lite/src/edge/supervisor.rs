//! `gantry.supervisor.v1`: the journal for subscribers that come back.

use std::pin::Pin;

use futures_util::{Stream, StreamExt};
use gantry_proto::gantry::supervisor::v1::subscribe_response::Message;
use gantry_proto::gantry::supervisor::v1::{
    Cursor as Wire, Entry, Ready, SubscribeRequest, SubscribeResponse, supervisor_server,
};
use tonic::{Request, Response, Status};

use super::{Shared, status};
use crate::event::{Cursor, Delivery, Subscription, to_envelope};
use crate::filter::Filter;

pub(super) struct Service(pub(super) Shared);

fn wire(cursor: &Cursor) -> Wire {
    Wire {
        journal: cursor.journal.to_string(),
        sequence: cursor.sequence,
    }
}

fn ready(head: &Cursor, resumed: bool) -> SubscribeResponse {
    let head = Some(wire(head));
    let message = Some(Message::Ready(Ready { head, resumed }));
    SubscribeResponse { message }
}

#[tonic::async_trait]
impl supervisor_server::Supervisor for Service {
    type SubscribeStream = Pin<Box<dyn Stream<Item = Result<SubscribeResponse, Status>> + Send>>;

    async fn subscribe(
        &self,
        request: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let SubscribeRequest { after, filters } = request.into_inner();
        let filter = Filter::parse(&filters).map_err(status)?;
        let journal = self.0.journal();
        let after = after.map(|after| Cursor {
            journal: after.journal.into(),
            sequence: after.sequence,
        });
        let resumed = after
            .and_then(|after| Subscription::resume(journal, &after, filter.clone()))
            .map(|subscription| (ready(&journal.head(), true), subscription));
        let (first, subscription) = resumed.unwrap_or_else(|| {
            let (head, subscription) = Subscription::from_now(journal, filter);
            (ready(&head, false), subscription)
        });
        let entries = futures_util::stream::unfold(subscription, |mut subscription| async {
            let delivery = match subscription.next().await {
                Ok(Delivery::Event(cursor, event)) => Ok(SubscribeResponse {
                    message: Some(Message::Entry(Entry {
                        cursor: Some(wire(&cursor)),
                        envelope: Some(to_envelope(&event)),
                    })),
                }),
                Ok(Delivery::Gap(cursor)) => Ok(ready(&cursor, false)),
                Err(error) => Err(status(error)),
            };
            Some((delivery, subscription))
        });
        let first = futures_util::stream::iter([Ok(first)]);
        Ok(Response::new(first.chain(entries).boxed()))
    }
}
