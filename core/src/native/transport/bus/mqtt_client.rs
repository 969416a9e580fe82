//! Plain messages over MQTT 5.
use rumqttc::{AsyncClient, Event, Incoming, PublishOptions, QoS, SubscribeFilter, SubscribeReasonCode};
use tokio::sync::oneshot;

use super::address::{Delivery, Server};
use super::client::{Ask, Carried, ClientEvent, Outgoing};
use super::mqtt::{OFFLINE, ONLINE, QUEUE, options, quality, told};
use crate::error::Result;

/// Carries messages until the connection ends, which is why, or until the client is closed.
pub(super) async fn carry(server: &Server, delivery: Delivery, carried: Carried<'_>) -> Result<()> {
    let Carried { options: wanted, filters, early, asks, events: heard, state } = carried;
    let own = || format!("confmesh-{:016x}{:016x}", entropy(), entropy());
    let will = wanted.status.clone().map(|topic| (topic, OFFLINE.to_owned()));
    let options = options(server, delivery, wanted.client_id.clone().unwrap_or_else(own), will).await?;
    let (client, mut events) = AsyncClient::builder(options)
        .capacity(QUEUE)
        .try_build()
        .map_err(|error| server.unreachable(&error.to_string()))?;
    let ended = |_| server.unreachable("the connection ended");
    let retained = PublishOptions::at_least_once().retained();
    let listened: Vec<String> = filters.iter().chain(&wanted.status).cloned().collect();
    if !listened.is_empty() {
        client.subscribe_many(listened.iter().map(|filter| own_left_out(filter))).await.map_err(ended)?;
    }
    if let Some(status) = &wanted.status {
        client.publish(status.clone(), ONLINE, retained.clone()).await.map_err(ended)?;
    }
    let is_status = |topic: &[u8]| wanted.status.as_ref().is_some_and(|status| status.as_bytes() == topic);
    let listen = async {
        let mut is_up = false;
        loop {
            match events.poll().await.map_err(|error| told(server, &error))? {
                Event::Incoming(Incoming::ConnAck(_))
                    if listened.is_empty() && !std::mem::replace(&mut is_up, true) =>
                {
                    Carried::up(state, heard).await;
                }
                Event::Incoming(Incoming::SubAck(answer)) => {
                    let is_refused = |code: &SubscribeReasonCode| !matches!(code, SubscribeReasonCode::Success(_));
                    if let Some(code) = answer.return_codes.iter().find(|code| is_refused(code)) {
                        return Err(server.unreachable(&format!("it may not listen: {code:?}")));
                    }
                    if !std::mem::replace(&mut is_up, true) {
                        Carried::up(state, heard).await;
                    }
                }
                // The broker found out late that an earlier connection has ended.
                Event::Incoming(Incoming::Publish(publish)) if is_status(&publish.topic) => {
                    if let Some(status) = wanted.status.as_ref().filter(|_| publish.payload != ONLINE.as_bytes()) {
                        let again = client.try_publish(status.clone(), ONLINE, retained.clone());
                        again.map_err(|_| server.unreachable("what is said does not get to the broker"))?;
                    }
                }
                Event::Incoming(Incoming::Publish(publish)) => {
                    // What is no text is no topic that anybody here listens to.
                    let Ok(topic) = String::from_utf8(publish.topic.to_vec()) else { continue };
                    let (payload, is_retained) = (publish.payload.to_vec(), publish.retain);
                    if heard.send(ClientEvent::Message { topic, payload, is_retained }).await.is_err() {
                        return Ok(());
                    }
                }
                Event::Incoming(Incoming::Disconnect(goodbye)) => {
                    let hint = "a client that comes under the name of another one sends it away";
                    let why = format!("the broker says {:?}", goodbye.reason_code);
                    return Err(server.unreachable(&why).with_hint(hint));
                }
                _ => {}
            }
        }
    };
    let speak = async {
        while let Some((message, done)) = early.pop_front() {
            publish(&client, message, Some(done)).await.map_err(ended)?;
        }
        while let Some(ask) = asks.recv().await {
            match ask {
                Ask::Publish(message, done) => publish(&client, message, done).await.map_err(ended)?,
                Ask::Subscribe(filter) => {
                    client.subscribe_many([own_left_out(&filter)]).await.map_err(ended)?;
                    filters.push(filter);
                }
                Ask::Close(done) => {
                    if let Some(status) = &wanted.status {
                        let gone = client.publish_tracked(status.clone(), OFFLINE, retained.clone());
                        let _ = gone.await.map_err(ended)?.wait_async().await; // what fails here is over anyway
                    }
                    let _ = done.send(()); // nobody may wait any more
                    return Ok(());
                }
            }
        }
        Ok(())
    };
    tokio::select! {
        ended = listen => ended,
        ended = speak => ended,
    }
}

async fn publish(
    client: &AsyncClient,
    message: Outgoing,
    done: Option<oneshot::Sender<Result<()>>>,
) -> Result<(), rumqttc::ClientError> {
    let Outgoing { topic, payload, qos, retain } = message;
    let options = PublishOptions::new(quality(qos)).retain(retain);
    let Some(done) = done else { return client.publish(topic, payload, options).await };
    let sent = client.publish_tracked(topic, payload, options).await?;
    tokio::spawn(async move {
        let lost = |error| crate::Error::new(crate::Code::Unreachable, format!("the message did not arrive: {error}"));
        let _ = done.send(sent.wait_async().await.map(drop).map_err(lost)); // nobody may wait any more
    });
    Ok(())
}

/// What this client says itself it need not hear.
fn own_left_out(filter: &str) -> SubscribeFilter {
    let mut filter = SubscribeFilter::new(filter.to_owned(), QoS::AtLeastOnce);
    filter.nolocal = true;
    filter
}

fn entropy() -> u64 {
    getrandom::u64().unwrap_or_default()
}
