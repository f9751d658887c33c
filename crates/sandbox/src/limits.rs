//! Limits of calls of a partner, in all and for one customer. Windows are as long as the limits say, and stand
//! each for itself: one customer's calls never wait for another's.

use std::collections::HashMap;

use uuid::Uuid;

use super::Options;

/// Calls since when, per partner and customer.
#[derive(Default)]
pub(super) struct Windows(HashMap<(Uuid, Option<String>), (i64, u32)>);

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;

impl Windows {
    /// Counts a call, or says for how many seconds it has to wait.
    pub(super) fn take(
        &mut self,
        options: &Options,
        partner: Uuid,
        customer: Option<&str>,
        now: i64,
    ) -> Result<(), i64> {
        let own = customer.map(|customer| {
            (
                (partner, Some(customer.to_ascii_lowercase())),
                options.rate_limit,
                SECOND,
            )
        });
        let all = ((partner, None), options.partner_rate_limit, MINUTE);
        for (key, limit, length) in own.into_iter().chain([all]) {
            let Some(limit) = limit else { continue };
            let (since, calls) = self.0.entry(key).or_insert((now, 0));
            if now - *since >= length {
                (*since, *calls) = (now, 0);
            }
            *calls += 1;
            // Calls that are refused count as well.
            if *calls > limit {
                return Err(((*since + length - now + SECOND - 1) / SECOND).max(1));
            }
        }
        Ok(())
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
