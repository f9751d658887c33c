//! A board in Redis on which workers keep what they felt of limits: each key's rate, until when it is blocked, and who
//! needs how much of it.
//!
//! Only a customer's first call waits for it, so that no limit is felt for that others know. A few times a second, and at once
//! when a limit was met or a customer is new here, a worker hangs up what it knows of the keys it calls and reads what all
//! know, in one script. From that it takes its share by itself: what the content ones leave
//! is divided evenly among those with calls that wait. Without Redis it goes on with the share it last had; should
//! that be too little, its rate grows, and should it be too much, the limit is met and the rate falls.
//!
//! Names of keys are hashes. What is hung up is gone after an hour, and a worker that is silent after two seconds.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::key::{Belief, Key, Others};
use super::{Shared, State};
use crate::queue::redis::{Outage, failed};
use crate::queue::{QueueError, RedisQueue};

/// How often the board is looked at while there are calls.
const EVERY: Duration = Duration::from_millis(200);
/// A key that was not called for so long is no business of this worker's.
const ACTIVE: Duration = Duration::from_secs(2);
/// Keys on the board at once; further customers are paced by this worker alone.
const MOST: usize = 64;
/// Longer than that nobody waits for it.
const PATIENCE: Duration = Duration::from_secs(2);
const WHAT: &str = "the limits that workers share";

/// For each key: hangs up what this worker thinks and needs, and tells what all think and the others need. The higher
/// turn holds; where it is the same, the higher rate and the longer block.
const EXCHANGE: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local own = 'w:' .. ARGV[1]
local replies = {}
for i, key in ipairs(KEYS) do
  local at = 1 + (i - 1) * 6
  local turn, rate, ceiling = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local till = now + tonumber(ARGV[at + 4])
  local kept = redis.call('HMGET', key, 'turn', 'rate', 'ceiling', 'till')
  if kept[1] then
    local kept_turn, kept_rate = tonumber(kept[1]), tonumber(kept[2])
    if kept_turn > turn then
      turn, rate, ceiling, till = kept_turn, kept_rate, tonumber(kept[3]), tonumber(kept[4])
    elseif kept_turn == turn then
      if kept_rate > rate then rate, ceiling = kept_rate, tonumber(kept[3]) end
      till = math.max(till, tonumber(kept[4]))
    end
  end
  redis.call('HSET', key, 'turn', turn, 'rate', tostring(rate), 'ceiling', tostring(ceiling), 'till', till,
    own, now .. ' ' .. ARGV[at + 5] .. ' ' .. ARGV[at + 6])
  redis.call('PEXPIRE', key, 3600000)
  local content, used, hungry = 0, 0, 0
  local fields = redis.call('HGETALL', key)
  for j = 1, #fields, 2 do
    if string.sub(fields[j], 1, 2) == 'w:' and fields[j] ~= own then
      local seen, calls, is_hungry = string.match(fields[j + 1], '(%S+) (%S+) (%S+)')
      if now - tonumber(seen) > 2000 then
        redis.call('HDEL', key, fields[j])
      elseif is_hungry == '1' then
        used, hungry = used + tonumber(calls), hungry + 1
      else
        content = content + tonumber(calls)
      end
    end
  end
  replies[i] = { turn, tostring(rate), tostring(ceiling), math.max(0, till - now), tostring(content), tostring(used), hungry }
end
return replies
";

/// What the script tells of a key: turn, rate, ceiling, milliseconds it is blocked for; and of the others' calls.
type Told = (u64, f64, f64, u64, f64, f64, u32);

/// This worker's part in the sharing of limits.
pub(super) struct Sharing {
    board: Board,
    /// Goes on for as long as the pacer lives.
    exchanging: OnceLock<AbortOnDropHandle<()>>,
}

#[derive(Clone)]
struct Board {
    redis: RedisQueue,
    partner: Arc<str>,
    worker: Arc<str>,
}

impl Sharing {
    pub(super) fn new(redis: RedisQueue, partner: &str, worker: Uuid) -> Self {
        let board = Board {
            redis,
            partner: partner.into(),
            worker: worker.simple().to_string().into(),
        };
        Self {
            board,
            exchanging: OnceLock::new(),
        }
    }

    /// Begins to exchange, unless that has begun.
    pub(super) fn join(&self, shared: &Arc<Shared>) {
        self.exchanging.get_or_init(|| {
            shared.state().await_board();
            #[expect(clippy::disallowed_methods, reason = "it is aborted with the pacer it belongs to")]
            let exchanging = tokio::spawn(self.board.clone().serve(shared.clone()));
            AbortOnDropHandle::new(exchanging)
        });
    }
}

impl Board {
    async fn serve(self, shared: Arc<Shared>) {
        let mut outage = Outage::default();
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = shared.met.notified() => {}
            }
            let exchanged = tokio::time::timeout(PATIENCE, self.exchange(&shared)).await;
            let silent = |_| Err(QueueError::Unavailable("it does not answer".to_owned()));
            match exchanged.unwrap_or_else(silent) {
                Ok(()) => outage.over(WHAT),
                Err(error) => {
                    shared.state().go_on_without_board();
                    shared.timed.notify_one();
                    outage.wait(WHAT, &error).await;
                }
            }
        }
    }

    async fn exchange(&self, shared: &Shared) -> Result<(), QueueError> {
        let (customers, reports) = shared.state().report(Instant::now());
        if reports.is_empty() {
            return Ok(());
        }
        let mut connection = self.redis.connection().await?;
        let mut command = redis::cmd("EVAL");
        command.arg(EXCHANGE).arg(customers.len());
        for customer in &customers {
            command.arg(self.name(customer.as_deref()));
        }
        command.arg(&*self.worker);
        for report in reports {
            report.add_to(&mut command);
        }
        let told: Vec<Told> = command.query_async(&mut connection).await.map_err(failed)?;
        let now = Instant::now();
        let mut state = shared.state();
        for (customer, told) in customers.iter().zip(told) {
            let key = match customer {
                None => Some(&mut state.keys.partner),
                Some(customer) => state.keys.customers.get_mut(customer),
            };
            if let Some(key) = key {
                take(key, told, now);
            }
        }
        state.is_shared = true;
        if customers.len() == MOST {
            state.stop_waiting();
        }
        drop(state);
        // Somebody's turn may have come nearer.
        shared.timed.notify_one();
        Ok(())
    }

    fn name(&self, customer: Option<&str>) -> String {
        let whose = Sha256::digest(format!("{}\n{}", self.partner, customer.unwrap_or_default()));
        let mut short = [0; 16];
        short.copy_from_slice(&whose[..16]);
        self.redis.key(&format!("pace:{:032x}", u128::from_be_bytes(short)))
    }
}

fn take(key: &mut Key, told: Told, now: Instant) {
    let (turn, rate, ceiling, block, content, used, hungry) = told;
    key.others = Others { content, used, hungry };
    key.awaits_board = false;
    let belief = Belief::told((rate > 0.0).then_some(rate), ceiling, turn);
    key.adopt(belief, Duration::from_millis(block), now);
}

/// What this worker thinks and needs of a key.
struct Report {
    belief: Belief,
    block: Duration,
    calls: f64,
    is_hungry: bool,
}

impl Report {
    fn of(key: &Key, now: Instant, waits: bool) -> Self {
        Self {
            belief: key.belief,
            block: key.blocked_until.saturating_duration_since(now),
            calls: key.recent.rate(now),
            is_hungry: waits && key.is_bound(),
        }
    }

    fn add_to(&self, command: &mut redis::Cmd) {
        command
            .arg(self.belief.turn)
            .arg(self.belief.rate.unwrap_or_default())
            .arg(self.belief.ceiling)
            .arg(self.block.as_millis() as u64)
            .arg(self.calls)
            .arg(u8::from(self.is_hungry));
    }
}

impl State {
    /// From now on a key is looked up before it is called for the first time.
    fn await_board(&mut self) {
        self.is_shared = true;
        self.keys.partner.awaits_board = true;
    }

    fn go_on_without_board(&mut self) {
        self.is_shared = false;
        self.stop_waiting();
    }

    fn stop_waiting(&mut self) {
        self.keys.partner.awaits_board = false;
        self.keys
            .customers
            .values_mut()
            .for_each(|key| key.awaits_board = false);
    }

    /// The keys in use, the partner's (which is no customer's) first, and what there is to tell of them.
    fn report(&self, now: Instant) -> (Vec<Option<String>>, Vec<Report>) {
        let partner = &self.keys.partner;
        let is_active = |key: &Key| {
            key.awaits_board || now.saturating_duration_since(key.called_at) < ACTIVE || now < key.blocked_until
        };
        if self.waiting.is_empty() && !is_active(partner) {
            return (Vec::new(), Vec::new());
        }
        let mut names = vec![None];
        let mut reports = vec![Report::of(partner, now, !self.waiting.is_empty())];
        for (customer, key) in &self.keys.customers {
            let waits = self.waiting.contains_key(customer);
            if names.len() < MOST && !customer.is_empty() && (waits || is_active(key)) {
                names.push(Some(customer.clone()));
                reports.push(Report::of(key, now, waits));
            }
        }
        (names, reports)
    }
}
