//! Jobs of many kinds over the same customers, drawn from a seed: each names its customers and users in an order of
//! its own, and much of what one does another one undoes.

/// Part numbers, and seats of each per user there is room for, in tenths: plenty, about enough, and too few.
const SKUS: [(&str, usize); 3] = [("SPB", 15), ("EMS", 5), ("POWER_BI_PRO", 1)];

/// A small generator of our own: a run is known by its seed.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `below`.
    pub(crate) fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % below as u64) as usize
    }

    /// Some of the numbers below `below`, each once, in no order.
    fn some(&mut self, count: usize, below: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..below).collect();
        let count = count.min(below);
        for at in 0..count {
            let other = at + self.roll(below - at);
            all.swap(at, other);
        }
        all.truncate(count);
        all
    }
}

/// Customers and the names their users can have, three quarters of which are taken in the beginning.
#[derive(Debug, Clone, Copy)]
pub(crate) struct World {
    pub(crate) customers: usize,
    pub(crate) names: usize,
}

/// A job to submit.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) kind: &'static str,
    pub(crate) csv: String,
}

impl World {
    /// The jobs that make it, in order. The last one makes the users.
    pub(crate) fn foundation(self) -> [File; 3] {
        let mut customers = String::from(
            "domain,company_name,first_name,last_name,email,address_line1,city,postal_code,country,external_id\n",
        );
        let mut seats = String::from("customer,sku,seats\n");
        for n in 0..self.customers {
            customers.push_str(&format!(
                "world{n},World {n} Ltd,Ada,Berg,ada@world{n}.example,Ring {n},Berlin,10115,DE,W-{n}\n"
            ));
            for (sku, tenths) in SKUS {
                seats.push_str(&format!("W-{n},{sku},{}\n", self.names * tenths / 10));
            }
        }
        let taken = self.names * 3 / 4;
        let users = (0..self.customers * taken).map(|at| at / taken * self.names + at % taken);
        let mut dice = Dice::new(0);
        [
            File {
                kind: "add-customer",
                csv: customers,
            },
            File {
                kind: "set-seats",
                csv: seats,
            },
            self.add_users(&mut dice, &users.collect::<Vec<_>>()),
        ]
    }

    /// Customer and name of a user; all users of all customers are numbered.
    fn user(self, at: usize) -> String {
        let (customer, name) = (at / self.names, at % self.names);
        format!("W-{customer},user{name}@world{customer}.onmicrosoft.com")
    }

    fn add_users(self, dice: &mut Dice, users: &[usize]) -> File {
        let mut csv = String::from("customer,user_principal_name,first_name,last_name,usage_location,licenses\n");
        for user in users {
            let licenses = ["", "SPB", "SPB;EMS", "EMS"][dice.roll(4)];
            csv.push_str(&format!("{},First{user},Last,GB,{licenses}\n", self.user(*user)));
        }
        File {
            kind: "bulk-add-users",
            csv,
        }
    }

    fn of_users(self, kind: &'static str, header: &str, users: &[usize], mut cells: impl FnMut() -> String) -> File {
        let mut csv = format!("customer,user_principal_name{header}\n");
        for user in users {
            csv.push_str(&format!("{}{}\n", self.user(*user), cells()));
        }
        File { kind, csv }
    }
}

/// The jobs, without end.
#[derive(Debug)]
pub(crate) struct Mixture {
    world: World,
    dice: Dice,
    rows: std::ops::Range<usize>,
    number: usize,
}

impl Mixture {
    /// Jobs of so many `rows`, those about customers and seats as large as the world allows.
    pub(crate) fn new(seed: u64, world: World, rows: std::ops::Range<usize>) -> Self {
        let dice = Dice::new(seed);
        Self {
            world,
            dice,
            rows,
            number: 0,
        }
    }
}

impl Iterator for Mixture {
    type Item = File;

    fn next(&mut self) -> Option<File> {
        self.number += 1;
        let Self {
            world,
            dice,
            rows,
            number,
        } = self;
        let count = rows.start + dice.roll(rows.len());
        let users = dice.some(count, world.customers * world.names);
        Some(match dice.roll(14) {
            0..3 => world.add_users(dice, &users),
            3..6 => {
                let choices = [",EMS,", ",SPB;EMS,", ",POWER_BI_PRO,SPB", ",,EMS", ",SPB,<all>"];
                world.of_users("assign-licenses", ",assign,remove", &users, || {
                    choices[dice.roll(5)].to_owned()
                })
            }
            6..8 => world.of_users("delete-users", "", &users, String::new),
            8..10 => world.of_users("restore-users", "", &users, String::new),
            10..12 => world.of_users("reset-passwords", ",again", &users, || ",yes".to_owned()),
            12 => {
                let mut csv = String::from("customer,sku,seats\n");
                for at in dice.some(count, world.customers * SKUS.len()) {
                    let (sku, tenths) = SKUS[at % SKUS.len()];
                    let seats = world.names * tenths / 10 + dice.roll(world.names / 4);
                    csv.push_str(&format!("W-{},{sku},{seats}\n", at / SKUS.len()));
                }
                File { kind: "set-seats", csv }
            }
            _ => {
                let mut csv = String::from("customer,phone,city\n");
                for at in dice.some(count, world.customers) {
                    let city = if dice.roll(2) == 0 { "Leeds" } else { "" };
                    csv.push_str(&format!("W-{at},+49 30 {number:07},{city}\n"));
                }
                File {
                    kind: "update-account",
                    csv,
                }
            }
        })
    }
}
