//! The stores there are, built as the configuration says. The one place that knows which services can be stores.

mod limit_board;

use std::sync::Arc;

use self::limit_board::RedisLimitBoard;
use crate::clock::Clock;
use crate::config::{Config, StoreConfig};
use crate::partner_center::PartnerCenter;
use crate::queue::Queue;
use crate::store::remote::RemoteStore;
use crate::store::{Sources, Stores};

/// The stores of the configuration besides the ledger's database. Limits of services are shared with the other workers of
/// the queue, if that is a Redis.
pub(crate) fn stores(config: &Config, queue: Option<&Queue>) -> anyhow::Result<Stores> {
    let remote = partner_center(config, queue)?;
    let address = |(name, store): (&String, &StoreConfig)| (name.clone(), store.url.reveal().to_owned());
    Ok(Stores {
        sources: Sources::new(config.stores.iter().map(address)).and_remote(remote.clone()),
        remote: remote.filter(|_| config.partner_center.enabled),
    })
}

fn partner_center(config: &Config, queue: Option<&Queue>) -> anyhow::Result<Option<Arc<dyn RemoteStore>>> {
    let Some(settings) = config.partner_center.settings()? else {
        return Ok(None);
    };
    let store = PartnerCenter::new(settings, Clock::system())
        .map_err(|error| anyhow::anyhow!("Partner Center cannot be used: {error}"))?;
    if let (true, Some(Queue::Redis(redis))) = (config.partner_center.enabled, queue) {
        let worker = Clock::system().fresh_id();
        store.share_limits(Arc::new(RedisLimitBoard::new(redis.clone(), worker)));
    }
    Ok(Some(Arc::new(store)))
}
