//! What could not be read of a list, and is told by name.

use super::super::Halt;
use super::super::client::CallError;
use super::super::failure::Class;

/// What was left out is named up to this often.
const MOST_NAMED: usize = 5;

/// Something that we may not read.
#[derive(Debug, Clone)]
pub(crate) struct Missed {
    /// Of which customer, or what of it.
    pub(crate) what: String,
    pub(crate) why: String,
}

impl Missed {
    /// Only what is refused is left out: anything else is not the customer's doing.
    pub(super) fn of(what: impl Into<String>, error: CallError) -> Result<Self, Halt> {
        match error {
            CallError::Answered(failure, _) if matches!(failure.class(), Class::Refused | Class::Forbidden) => {
                Ok(Self {
                    what: what.into(),
                    why: failure.to_string(),
                })
            }
            error => Err(Halt::of(error)),
        }
    }
}

/// What was left out of a list.
#[derive(Debug, Clone, Default)]
pub(crate) struct LeftOut {
    number: u64,
    /// The first few.
    named: Vec<Missed>,
}

impl LeftOut {
    pub(super) fn add(&mut self, missed: Missed) {
        self.number += 1;
        if self.named.len() < MOST_NAMED {
            self.named.push(missed);
        }
    }

    pub(super) fn first(&self) -> Option<&Missed> {
        self.named.first()
    }

    /// What to say of it, unless it is nothing.
    pub(crate) fn told(&self) -> Option<String> {
        if self.number == 0 {
            return None;
        }
        let named: Vec<String> = self
            .named
            .iter()
            .map(|missed| format!("{} ({})", missed.what, missed.why))
            .collect();
        let more = self.number - named.len() as u64;
        let more = if more > 0 {
            format!("; and {more} more")
        } else {
            String::new()
        };
        Some(format!("left out: {}{more}", named.join("; ")))
    }
}
