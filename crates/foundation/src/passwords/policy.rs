//! The rules that new passwords are made by.

use std::ops::RangeInclusive;

/// The lengths Microsoft Entra takes.
pub const LENGTHS: RangeInclusive<usize> = 8..=256;

/// Characters people take for one another, on paper or over the phone. A full stop or a colon also gets lost in the
/// sentence around it.
const AMBIGUOUS: &[u8] = b"0Oo1lI|5S2Z8B.:";

/// A sort of characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "their names say it")]
pub enum Class {
    Lower,
    Upper,
    Digit,
    Symbol,
}

impl Class {
    /// Every class there is.
    pub const ALL: [Self; 4] = [Self::Lower, Self::Upper, Self::Digit, Self::Symbol];

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Upper => "upper",
            Self::Digit => "digit",
            Self::Symbol => "symbol",
        }
    }

    /// The class of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    fn characters(self) -> &'static [u8] {
        match self {
            Self::Lower => b"abcdefghijklmnopqrstuvwxyz",
            Self::Upper => b"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
            Self::Digit => b"0123456789",
            // Entra takes more, but these need quotes neither in CSV nor, behind a letter, in a shell.
            Self::Symbol => b"#+-./:=@_",
        }
    }
}

/// What new passwords have to be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordPolicy {
    length: usize,
    classes: Vec<Class>,
    /// Every character a password may have.
    pool: Vec<u8>,
    /// Those of them it may begin with.
    letters: Vec<u8>,
}

impl PasswordPolicy {
    /// Passwords of `length` characters with at least one of each of `classes`; `ambiguous` says whether characters
    /// are used that people take for one another. `None` unless the length is one of [`LENGTHS`] and there are at
    /// least three classes, as Microsoft Entra asks.
    pub fn new(length: usize, classes: &[Class], ambiguous: bool) -> Option<Self> {
        let mut classes = classes.to_vec();
        classes.sort_unstable();
        classes.dedup();
        if !LENGTHS.contains(&length) || classes.len() < 3 {
            return None;
        }
        let all = classes.iter().flat_map(|class| class.characters()).copied();
        let pool: Vec<u8> = all.filter(|c| ambiguous || !AMBIGUOUS.contains(c)).collect();
        let letters = pool.iter().copied().filter(u8::is_ascii_alphabetic).collect();
        Some(Self {
            length,
            classes,
            pool,
            letters,
        })
    }

    /// How many characters a password has.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Every character a password may have.
    pub(super) fn pool(&self) -> &[u8] {
        &self.pool
    }

    /// What a password may begin with: letters, so that no spreadsheet takes one for a formula or a number.
    pub(super) fn letters(&self) -> &[u8] {
        &self.letters
    }

    /// Whether every class is there.
    pub(super) fn has_all_classes(&self, password: &str) -> bool {
        let has = |class: &Class| password.bytes().any(|c| class.characters().contains(&c));
        self.classes.iter().all(has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_meet_the_rules_of_entra() {
        use Class::{Digit, Lower, Symbol, Upper};
        assert!(PasswordPolicy::new(7, &Class::ALL, false).is_none());
        assert!(PasswordPolicy::new(257, &Class::ALL, false).is_none());
        assert!(PasswordPolicy::new(8, &[Lower, Upper], false).is_none());
        assert!(
            PasswordPolicy::new(8, &[Lower, Upper, Upper], false).is_none(),
            "twice the same is one"
        );
        for class in Class::ALL {
            let others: Vec<Class> = Class::ALL.into_iter().filter(|other| *other != class).collect();
            let policy = PasswordPolicy::new(8, &others, false).expect("three of four are enough");
            assert!(!policy.letters().is_empty(), "without {}", class.name());
            assert!(policy.pool().iter().all(|c| !class.characters().contains(c)));
        }
        let policy = PasswordPolicy::new(256, &[Symbol, Digit, Lower, Upper], true).expect("sound");
        assert_eq!(policy.pool().len(), 26 + 26 + 10 + 9);
    }

    #[test]
    fn no_symbol_needs_quotes() {
        for symbol in Class::Symbol.characters() {
            assert!(
                !b" ,;\t\"'\\`$&|<>()[]{}*?!~^%\n\r".contains(symbol),
                "{}",
                char::from(*symbol)
            );
        }
    }
}
