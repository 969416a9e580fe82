//! Plain messages over channels of Redis.
use futures_util::StreamExt;
use redis::{AsyncConnectionConfig, RedisError};

use super::address::Server;
use super::client::{Ask, Carried, ClientEvent};
use super::redis::{ANSWER_WITHIN, CONNECT_WITHIN, Redis};
use crate::error::Result;

/// Carries messages until the connection ends, which is why, or until the client is closed.
pub(super) async fn carry(server: &Server, carried: Carried<'_>) -> Result<()> {
    let Carried { filters, early, asks, events, state, .. } = carried;
    let redis = Redis(server.clone());
    let client = redis.client().await?;
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_WITHIN))
        .set_response_timeout(Some(ANSWER_WITHIN));
    let told = |error: RedisError| redis.told(&error);
    let mut publisher = client.get_multiplexed_async_connection_with_config(&config).await.map_err(told)?;
    let subscribe = async {
        let mut subscriber = client.get_async_pubsub().await?;
        if !filters.is_empty() {
            subscriber.subscribe(&*filters).await?;
        }
        Ok(subscriber)
    };
    let subscriber = tokio::time::timeout(CONNECT_WITHIN, subscribe).await;
    let (mut sink, mut heard) = subscriber.map_err(|_| server.unreachable("no answer"))?.map_err(told)?.split();
    Carried::up(state, events).await;
    let listen = async {
        while let Some(message) = heard.next().await {
            let (topic, payload) = (message.get_channel_name().to_owned(), message.get_payload_bytes().to_vec());
            if events.send(ClientEvent::Message { topic, payload, is_retained: false }).await.is_err() {
                return Ok(());
            }
        }
        Err(server.unreachable("the connection ended"))
    };
    let speak = async {
        loop {
            let ask = match early.pop_front() {
                Some((message, done)) => Ask::Publish(message, Some(done)),
                None => match asks.recv().await {
                    Some(ask) => ask,
                    None => return Ok(()),
                },
            };
            match ask {
                Ask::Publish(message, done) => {
                    let mut command = redis::cmd("PUBLISH");
                    command.arg(message.topic).arg(message.payload);
                    let sent = command.query_async::<()>(&mut publisher).await.map_err(told);
                    if let Some(done) = done {
                        let _ = done.send(sent.clone()); // nobody may wait any more
                    }
                    sent?;
                }
                Ask::Subscribe(channel) => {
                    sink.subscribe(&channel).await.map_err(told)?;
                    filters.push(channel);
                }
                Ask::Close(done) => {
                    let _ = done.send(()); // as above
                    return Ok(());
                }
            }
        }
    };
    tokio::select! {
        ended = listen => ended,
        ended = speak => ended,
    }
}
