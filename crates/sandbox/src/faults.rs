//! Injected faults: by chance, drawn from one seed, or by a script that says which calls get what.

use super::reply::{Refused, refuse};
use super::{Options, Quirk};

/// Something that can go wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum InjectedFault {
    /// The connection is cut, and nothing happened
    CutBeforeCommit,
    /// The connection is cut, but it happened
    CutAfterCommit,
    /// 500, and nothing happened
    #[value(name = "error-500")]
    Error500,
    /// 503 without JSON, and nothing happened
    #[value(name = "error-503")]
    Error503,
    /// 429, and nothing happened
    #[value(name = "error-429")]
    Error429,
    /// Every etag is stale
    StaleEtag,
    /// 401, and the token is good no more
    ExpiredToken,
    /// The body takes its time
    SlowBody,
    /// 409, since an earlier change has to end first
    Busy,
    /// 403, since the account may do no such thing at all
    Forbidden,
    /// 403, since the account may do no such thing for this customer
    NoDelegation,
    /// No token, since no administrator has consented to the application; of the token endpoint only
    NoConsent,
}

impl InjectedFault {
    /// What is answered instead of what was asked for, and remembered like any answer.
    pub(super) fn refusal(self) -> Option<Refused> {
        match self {
            Self::Busy => Some(refuse(409, 900_278, "An earlier change is not done yet.")),
            Self::Forbidden => Some(refuse(403, 1002, "Access denied.")),
            Self::NoDelegation => Some(refuse(
                403,
                900_308,
                "The user has no role in this customer's directory.",
            )),
            _ => None,
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        clap::ValueEnum::from_str(name, true).ok()
    }
}

/// Draws numbers that are the same for the same seed (splitmix64).
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below one.
    pub(super) fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
}

/// The next so many calls of an operation get a fault.
#[derive(Debug, Clone)]
pub(super) struct Script {
    /// Any operation if there is none.
    pub(super) operation: Option<String>,
    pub(super) fault: InjectedFault,
    /// Calls that get away before.
    pub(super) skip: u64,
    pub(super) times: u64,
}

/// All that goes wrong.
pub(super) struct InjectedTrouble {
    dice: Dice,
    pub(super) chances: Vec<(InjectedFault, f64)>,
    pub(super) scripts: Vec<Script>,
    pub(super) quirks: Vec<Quirk>,
}

impl InjectedTrouble {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            dice: Dice::new(options.seed_value),
            chances: options.faults.clone(),
            scripts: Vec::new(),
            quirks: options.quirks.clone(),
        }
    }

    /// What the next call of an operation gets: what a script says, or what chance has in store.
    pub(super) fn next(&mut self, operation: &str) -> Option<InjectedFault> {
        for script in &mut self.scripts {
            if script.operation.as_deref().is_some_and(|only| only != operation) {
                continue;
            }
            if script.skip > 0 {
                script.skip -= 1;
            } else if script.times > 0 {
                script.times -= 1;
                let fault = script.fault;
                self.scripts.retain(|script| script.times > 0);
                return Some(fault);
            }
        }
        for (fault, probability) in &self.chances {
            if self.dice.fraction() < *probability {
                return Some(*fault);
            }
        }
        None
    }

    /// How much longer a call takes: up to half of what it takes anyway.
    pub(super) fn jitter(&mut self, millis: u64) -> u64 {
        self.dice.below(millis / 2 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_repeats() {
        let options = Options {
            seed_value: 7,
            faults: vec![(InjectedFault::Error500, 0.5)],
            ..Options::default()
        };
        let run = || {
            let mut trouble = InjectedTrouble::new(&options);
            (0..64).map(|_| trouble.next("x").is_some()).collect::<Vec<_>>()
        };
        assert_eq!(run(), run());
        let hits = run().into_iter().filter(|hit| *hit).count();
        assert!((16..48).contains(&hits), "{hits}");
    }

    #[test]
    fn scripts_name_their_calls() {
        let mut trouble = InjectedTrouble::new(&Options::default());
        trouble.scripts.push(Script {
            operation: Some("a".to_owned()),
            fault: InjectedFault::Error503,
            skip: 1,
            times: 2,
        });
        let got: Vec<bool> = ["a", "b", "a", "a", "a"]
            .map(|call| trouble.next(call).is_some())
            .into();
        assert_eq!(got, [false, false, true, true, false]);
    }
}
