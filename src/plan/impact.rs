//! Impact of a plan: seats needed and free, how much of each customer it touches, how much of it is
//! destructive; and the limits beyond which somebody else has to look at it first, what was done today included.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use tenantry_jobs::{JobKind, Problem};

use super::Totals;
use super::touched::Touched;
use crate::ledger::{AllowanceTaking, Counter, ErrorLimit, Gate, Limited, TakenToday};
use crate::store::sql::no_free_seats;
use crate::store::{Preview, SeatNeed, Touch};

/// Sums over a plan. They grow with the customers it names, not with its rows.
#[derive(Debug, Clone, Default)]
pub struct Impact {
    seats: BTreeMap<(i64, String), SeatTotal>,
    shares: BTreeMap<i64, Share>,
    destructive: u64,
}

/// Seats of one SKU of one customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeatTotal {
    /// The customer's primary domain.
    pub customer: String,
    /// The SKU's part number.
    pub sku: String,
    /// Seats that rows ask for, those that cannot have one included.
    pub needed: u64,
    /// Seats that were free.
    pub available: u64,
    #[serde(skip)]
    taken: u64,
}

/// How many of a customer's existing users are touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Share {
    /// The customer's primary domain.
    pub customer: String,
    /// Users changed or deleted.
    pub touched: u64,
    /// Users there are.
    pub users: u64,
}

impl Share {
    /// From 0 to 1.
    pub fn share(&self) -> f64 {
        self.touched as f64 / self.users.max(self.touched).max(1) as f64
    }
}

impl Impact {
    /// Of rows that touch these users, each customer's together, and do nothing else.
    pub(crate) fn touching<'t>(touched: impl IntoIterator<Item = &'t Touch>) -> Self {
        let share = |touch: &Touch| Share {
            customer: touch.domain.clone(),
            touched: touch.users,
            users: touch.of,
        };
        let shares = touched.into_iter().map(|touch| (touch.customer, share(touch)));
        Self {
            shares: shares.collect(),
            ..Self::default()
        }
    }

    /// Seats per customer and SKU.
    pub fn seats(&self) -> impl Iterator<Item = &SeatTotal> {
        self.seats.values().filter(|total| total.needed > 0)
    }

    /// Customers whose existing users are touched.
    pub fn shares(&self) -> impl Iterator<Item = &Share> {
        self.shares.values()
    }

    /// Rows that do what is hard to live with if it was a mistake.
    pub fn destructive(&self) -> u64 {
        self.destructive
    }

    /// The same, as if nothing of it were destructive.
    pub(crate) fn but_destruction(&self) -> Self {
        Self {
            destructive: 0,
            ..self.clone()
        }
    }

    /// Adds rows that would be carried out.
    pub(crate) fn add(&mut self, previews: &[Preview]) {
        for preview in previews {
            self.destructive += u64::from(preview.destructive);
            if let Some(touch) = &preview.touch {
                let share = self.shares.entry(touch.customer).or_insert_with(|| Share {
                    customer: touch.domain.clone(),
                    touched: 0,
                    users: touch.of,
                });
                share.touched += touch.users;
            }
        }
    }

    /// Takes back what a row added that turned out to repeat another.
    pub(super) fn take_back(&mut self, touched: Touched) {
        self.destructive -= u64::from(touched.destructive);
        let Some((customer, users)) = touched.users else { return };
        if let Some(share) = self.shares.get_mut(&customer) {
            share.touched -= users;
            if share.touched == 0 {
                self.shares.remove(&customer);
            }
        }
    }

    /// Takes the seats of one block off the running totals; rows for which none is left. Rows that are rejected anyhow ask,
    /// and take none. They are counted as needed where they have to be fixed before anything is done.
    pub(super) fn take_seats(
        &mut self,
        needs: &[SeatNeed],
        is_rejected: &dyn Fn(u64) -> bool,
        skips_rejected: bool,
    ) -> BTreeMap<u64, Problem> {
        let mut seatless = BTreeMap::new();
        for of_row in needs.chunk_by(|a, b| a.row == b.row) {
            let mut missing = None;
            let is_needed = !(skips_rejected && is_rejected(of_row[0].row));
            for need in of_row {
                let total = self.total(need);
                total.needed += u64::from(is_needed);
                if total.taken >= total.available {
                    missing.get_or_insert(need);
                }
            }
            match missing {
                // A row that is rejected takes none of its seats; another may have them.
                Some(need) => {
                    seatless.insert(need.row, no_free_seats(need.column, &need.of.part_number));
                }
                None if is_rejected(of_row[0].row) => {}
                None => of_row.iter().for_each(|need| self.total(need).taken += 1),
            }
        }
        seatless
    }

    fn total(&mut self, need: &SeatNeed) -> &mut SeatTotal {
        let of = &need.of;
        self.seats
            .entry((of.customer, of.sku_id.clone()))
            .or_insert_with(|| SeatTotal {
                customer: of.domain.clone(),
                sku: of.part_number.clone(),
                needed: 0,
                available: of.free.max(0) as u64,
                taken: 0,
            })
    }
}

/// Who is held to limits that remember, where, and what of them was taken today.
#[derive(Debug, Clone, Default)]
pub struct DailyUsage {
    /// By which way in and from which account jobs come, whatever name is given beside it.
    pub way: String,
    /// The store, if it is not the ledger's database.
    pub store: Option<String>,
    /// What was taken.
    pub taken: TakenToday,
}

impl DailyUsage {
    /// Of the submitter with that way in, as if nothing had been taken.
    pub fn of(way: String, store: Option<String>) -> Self {
        Self {
            way,
            store,
            taken: TakenToday::new(),
        }
    }

    fn users_of(&self, customer: i64) -> Counter {
        Counter {
            what: Limited::TouchedUsers,
            whose: match &self.store {
                Some(store) => format!("customer {customer} of {store}"),
                None => format!("customer {customer}"),
            },
        }
    }

    fn destructive_rows(&self) -> Counter {
        Counter {
            what: Limited::DestructiveRows,
            whose: self.way.clone(),
        }
    }

    fn before(&self, counter: &Counter) -> u64 {
        self.taken.get(counter).copied().unwrap_or_default()
    }
}

/// Limits on what a job may do without somebody else's approval, and while it runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Whether anything has to be approved at all.
    pub approval: bool,
    /// How long there is to approve a job.
    pub approval_expires_after: Duration,
    /// How long after its end the submitter of a job may take it back, however destructive that is; not at all if it is zero.
    pub own_undo_within: Duration,
    /// Share of a customer's existing users, from 0 to 1.
    pub user_share: f64,
    /// Touched users of a customer below which the share means nothing.
    pub user_share_min_users: u64,
    /// Destructive rows.
    pub destructive_rows: u64,
    /// Rows.
    pub rows: u64,
    /// Rows that go wrong while it runs.
    pub errors: ErrorLimit,
}

impl Limits {
    /// No limits.
    pub const NONE: Self = Self {
        approval: false,
        approval_expires_after: Duration::from_secs(7 * 24 * 60 * 60),
        own_undo_within: Duration::ZERO,
        user_share: 1.0,
        user_share_min_users: 0,
        destructive_rows: u64::MAX,
        rows: u64::MAX,
        errors: ErrorLimit {
            rate: 1.0,
            min_rows: u64::MAX,
        },
    };

    /// As [`gate`](Self::gate) for a plan that is also to be approved for the reason `also`, if there is one.
    pub fn gate_too(
        &self,
        also: Option<String>,
        kind: Option<&dyn JobKind>,
        (totals, impact): (&Totals, &Impact),
        usage: &DailyUsage,
    ) -> Option<Gate> {
        let gate = self.gate(kind, (totals, impact), usage);
        let Some(also) = also.filter(|_| totals.create + totals.change > 0) else {
            return gate;
        };
        let mut gate = gate.unwrap_or_else(|| self.gate_for(Vec::new()));
        gate.reasons.push(also);
        Some(gate)
    }

    /// Why a plan has to be approved; `None` when it need not.
    pub fn gate(
        &self,
        kind: Option<&dyn JobKind>,
        (totals, impact): (&Totals, &Impact),
        usage: &DailyUsage,
    ) -> Option<Gate> {
        if !self.approval || totals.create + totals.change == 0 {
            return None;
        }
        let mut reasons = Vec::new();
        if let Some(kind) = kind.filter(|kind| kind.policy().destructive) {
            reasons.push(format!("every `{}` needs approval", kind.kind()));
        } else if impact.destructive > 0 {
            let before = usage.before(&usage.destructive_rows());
            if impact.destructive.saturating_add(before) > self.destructive_rows {
                let earlier = match before {
                    0 => String::new(),
                    before => format!(" and {before} of `{}` earlier today, together", usage.way),
                };
                reasons.push(format!(
                    "{} destructive rows{}{earlier} more than {}",
                    impact.destructive,
                    if before == 0 { "," } else { "" },
                    self.destructive_rows
                ));
            }
        }
        if totals.rows > self.rows {
            reasons.push(format!("{} rows, more than {}", totals.rows, self.rows));
        }
        let over = |(share, before): &(&Share, u64)| self.is_over(share, share.touched + before);
        let shares = impact.shares.iter();
        let shares = shares.map(|(customer, share)| (share, usage.before(&usage.users_of(*customer))));
        let over: Vec<(&Share, u64)> = shares.filter(over).collect();
        for (share, before) in over.iter().take(MOST_NAMED) {
            let earlier = match before {
                0 => ",".to_owned(),
                before => format!(" and {before} earlier today, together"),
            };
            reasons.push(format!(
                "{} of the {} users of {}{earlier} more than {} %",
                share.touched,
                share.users,
                share.customer,
                (self.user_share * 100.0).round()
            ));
        }
        let more = over.len().saturating_sub(MOST_NAMED);
        if more > 0 {
            reasons.push(format!("and more than that share of {more} other customers"));
        }
        (!reasons.is_empty()).then(|| self.gate_for(reasons))
    }

    /// What a plan that needs no approval takes from limits that remember.
    pub fn takings(&self, (totals, impact): (&Totals, &Impact), usage: &DailyUsage) -> Vec<AllowanceTaking> {
        if !self.approval || totals.create + totals.change == 0 {
            return Vec::new();
        }
        let mut takings = Vec::new();
        if impact.destructive > 0 {
            takings.push(AllowanceTaking {
                counter: usage.destructive_rows(),
                amount: impact.destructive,
                most: self.destructive_rows,
            });
        }
        let limited = impact.shares.iter().filter(|_| self.user_share < 1.0);
        takings.extend(limited.map(|(customer, share)| AllowanceTaking {
            counter: usage.users_of(*customer),
            amount: share.touched,
            most: self.most_touched(share),
        }));
        takings
    }

    /// A gate with these reasons.
    pub fn gate_for(&self, reasons: Vec<String>) -> Gate {
        Gate {
            reasons,
            expires_millis: self.approval_expires_after.as_millis() as i64,
        }
    }

    /// Whether it is too large a share that `touched` users are touched in a day. Who is touched twice counts twice, but never are more
    /// users touched than there are.
    fn is_over(&self, share: &Share, touched: u64) -> bool {
        touched.min(share.users).max(share.touched) >= self.user_share_min_users
            && touched as f64 / share.users.max(touched).max(1) as f64 > self.user_share
    }

    /// How many users may be touched in a day, of which the job touches as many as its share says.
    fn most_touched(&self, share: &Share) -> u64 {
        if share.touched < self.user_share_min_users && share.users < self.user_share_min_users {
            return u64::MAX;
        }
        let mut most = (share.users as f64 * self.user_share) as u64 + 1;
        most = most.max(self.user_share_min_users.saturating_sub(1));
        while most > 0 && self.is_over(share, most) {
            most -= 1;
        }
        most
    }
}

/// Customers named in a reason.
const MOST_NAMED: usize = 5;
