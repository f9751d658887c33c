//! The board in Redis on which workers keep what they felt of a store's limits.
//!
//! Each key is a hash: the estimate that holds, and a field per worker of what it does with the key. An exchange is one
//! script, so workers need no lock.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::queue::redis::{RedisOutage, failed};
use crate::queue::{QueueError, RedisQueue};
use crate::store::kit::pace::{BoardError, KeyReport, KeyState, LimitBoard, Others, SharedEstimate};

/// Longer than that nobody waits for it.
const PATIENCE: Duration = Duration::from_secs(2);
const WHAT: &str = "the limits that workers share";

/// For each key: puts up what this worker thinks and needs, and tells what all think and the others need. The higher
/// version holds; where it is the same, the higher rate and the longer block.
const EXCHANGE: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local own = 'w:' .. ARGV[1]
local replies = {}
for i, key in ipairs(KEYS) do
  local at = 1 + (i - 1) * 6
  local version, rate, ceiling = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local till = now + tonumber(ARGV[at + 4])
  local kept = redis.call('HMGET', key, 'version', 'rate', 'ceiling', 'till')
  if kept[1] then
    local kept_version, kept_rate = tonumber(kept[1]), tonumber(kept[2])
    if kept_version > version then
      version, rate, ceiling, till = kept_version, kept_rate, tonumber(kept[3]), tonumber(kept[4])
    elseif kept_version == version then
      if kept_rate > rate then rate, ceiling = kept_rate, tonumber(kept[3]) end
      till = math.max(till, tonumber(kept[4]))
    end
  end
  redis.call('HSET', key, 'version', version, 'rate', tostring(rate), 'ceiling', tostring(ceiling), 'till', till,
    own, now .. ' ' .. ARGV[at + 5] .. ' ' .. ARGV[at + 6])
  redis.call('PEXPIRE', key, 3600000)
  local satisfied, backlogged, backlogged_workers = 0, 0, 0
  local fields = redis.call('HGETALL', key)
  for j = 1, #fields, 2 do
    if string.sub(fields[j], 1, 2) == 'w:' and fields[j] ~= own then
      local seen, calls, is_backlogged = string.match(fields[j + 1], '(%S+) (%S+) (%S+)')
      if now - tonumber(seen) > 2000 then
        redis.call('HDEL', key, fields[j])
      elseif is_backlogged == '1' then
        backlogged, backlogged_workers = backlogged + tonumber(calls), backlogged_workers + 1
      else
        satisfied = satisfied + tonumber(calls)
      end
    end
  end
  replies[i] = { version, tostring(rate), tostring(ceiling), math.max(0, till - now), tostring(satisfied), tostring(backlogged), backlogged_workers }
end
return replies
";

/// What the script tells of a key: version, rate, ceiling, milliseconds it is blocked for; and of the others' calls.
type BoardReply = (u64, f64, f64, u64, f64, f64, u32);

/// A board in Redis.
pub(super) struct RedisLimitBoard {
    redis: RedisQueue,
    worker: String,
    outage: Mutex<RedisOutage>,
}

impl RedisLimitBoard {
    /// This worker's place at the board of that Redis.
    pub(super) fn new(redis: RedisQueue, worker: Uuid) -> Self {
        Self {
            redis,
            worker: worker.simple().to_string(),
            outage: Mutex::default(),
        }
    }

    async fn run(&self, reports: &[KeyReport]) -> Result<Vec<KeyState>, QueueError> {
        let mut connection = self.redis.connection().await?;
        let mut command = redis::cmd("EVAL");
        command.arg(EXCHANGE).arg(reports.len());
        for report in reports {
            command.arg(self.redis.key(&format!("pace:{}", report.name)));
        }
        command.arg(&self.worker);
        for report in reports {
            add(report, &mut command);
        }
        let told: Vec<BoardReply> = command.query_async(&mut connection).await.map_err(failed)?;
        Ok(told.into_iter().map(state).collect())
    }
}

impl LimitBoard for RedisLimitBoard {
    fn exchange<'a>(&'a self, reports: &'a [KeyReport]) -> BoxFuture<'a, Result<Vec<KeyState>, BoardError>> {
        async move {
            let exchanged = tokio::time::timeout(PATIENCE, self.run(reports)).await;
            let silent = |_| Err(QueueError::Unavailable("it does not answer".to_owned()));
            let states = exchanged
                .unwrap_or_else(silent)
                .map_err(|error| BoardError(error.to_string()))?;
            self.outage.lock().await.over(WHAT);
            Ok(states)
        }
        .boxed()
    }

    fn wait_out<'a>(&'a self, error: &'a BoardError) -> BoxFuture<'a, ()> {
        async move { self.outage.lock().await.wait(WHAT, error).await }.boxed()
    }
}

fn add(report: &KeyReport, command: &mut redis::Cmd) {
    command
        .arg(report.estimate.version)
        .arg(report.estimate.rate.unwrap_or_default())
        .arg(report.estimate.ceiling)
        .arg(report.blocked_for.as_millis() as u64)
        .arg(report.calls)
        .arg(u8::from(report.is_backlogged));
}

fn state(told: BoardReply) -> KeyState {
    let (version, rate, ceiling, block, satisfied, backlogged, backlogged_workers) = told;
    KeyState {
        estimate: SharedEstimate {
            rate: (rate > 0.0).then_some(rate),
            ceiling,
            version,
        },
        blocked_for: Duration::from_millis(block),
        others: Others {
            satisfied,
            backlogged,
            backlogged_workers,
        },
    }
}
