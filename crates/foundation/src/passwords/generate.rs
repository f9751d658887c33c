//! Making a password, and keeping it to ourselves.

use std::fmt;
use std::io;

use zeroize::Zeroizing;

use super::PasswordPolicy;
use crate::clock::Entropy;

/// A password. It is never shown by accident and leaves no trace in memory when it is dropped.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes a password over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The password as it is.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(crate::input::REDACTED)
    }
}

/// Makes a password, each that the policy allows as likely as any other.
pub fn generate(policy: &PasswordPolicy, entropy: &mut Entropy) -> io::Result<Password> {
    let mut draw = RandomBytes::from(entropy);
    // Of full size from the start: growing would leave a copy behind.
    let mut text = Zeroizing::new(String::with_capacity(policy.length()));
    // Throwing away what lacks a class, instead of putting one of each class in and shuffling, keeps all passwords
    // equally likely. At least one in five has every class, even of the shortest.
    loop {
        text.clear();
        text.push(draw.one_of(policy.letters())?);
        while text.len() < policy.length() {
            text.push(draw.one_of(policy.pool())?);
        }
        if policy.has_all_classes(&text) {
            return Ok(Password(text));
        }
    }
}

/// Random bytes, asked for in portions: the operating system takes its time for each.
struct RandomBytes<'a> {
    entropy: &'a mut Entropy,
    bytes: Zeroizing<[u8; 64]>,
    used: usize,
}

impl<'a> RandomBytes<'a> {
    fn from(entropy: &'a mut Entropy) -> Self {
        let bytes = Zeroizing::new([0; 64]);
        let used = bytes.len();
        Self { entropy, bytes, used }
    }

    fn byte(&mut self) -> io::Result<u8> {
        if self.used == self.bytes.len() {
            self.entropy.fill(&mut self.bytes[..])?;
            self.used = 0;
        }
        self.used += 1;
        Ok(self.bytes[self.used - 1])
    }

    /// One of at most 256 characters. Bytes beyond the last whole multiple are thrown away: a remainder of them
    /// would favour the first characters.
    fn one_of(&mut self, characters: &[u8]) -> io::Result<char> {
        let whole = 256 - 256 % characters.len();
        loop {
            let byte = usize::from(self.byte()?);
            if byte < whole {
                return Ok(char::from(characters[byte % characters.len()]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use proptest::prelude::*;

    use super::super::Class;
    use super::*;
    use crate::clock::Clock;

    fn many(policy: &PasswordPolicy, count: usize, entropy: &mut Entropy) -> Vec<String> {
        let one = |_| generate(policy, entropy).expect("random bytes").reveal().to_owned();
        (0..count).map(one).collect()
    }

    proptest! {
        #[test]
        fn every_password_meets_its_policy(
            length in 8_usize..=256,
            left_out in proptest::option::of(0_usize..4),
            ambiguous: bool,
            seed: u64,
        ) {
            let classes: Vec<Class> = (0..4).filter(|n| Some(*n) != left_out).map(|n| Class::ALL[n]).collect();
            let policy = PasswordPolicy::new(length, &classes, ambiguous).expect("sound");
            for password in many(&policy, 3, &mut Entropy::seeded(seed)) {
                prop_assert_eq!(password.len(), length);
                prop_assert!(password.starts_with(|c: char| c.is_ascii_alphabetic()), "{}", password);
                prop_assert!(password.bytes().all(|c| policy.pool().contains(&c)), "{}", password);
                prop_assert!(ambiguous || !password.contains(['0', 'O', 'o', '1', 'l', 'I', '|']), "{}", password);
                let is = |class: &Class, c: u8| match class {
                    Class::Lower => c.is_ascii_lowercase(),
                    Class::Upper => c.is_ascii_uppercase(),
                    Class::Digit => c.is_ascii_digit(),
                    Class::Symbol => c.is_ascii_punctuation(),
                };
                for class in Class::ALL {
                    let there = password.bytes().any(|c| is(&class, c));
                    prop_assert_eq!(there, classes.contains(&class), "{:?} in {}", class, password);
                }
            }
        }
    }

    #[test]
    fn no_character_is_favoured() {
        let policy = PasswordPolicy::new(16, &Class::ALL, false).expect("sound");
        let mut counts: BTreeMap<u8, f64> = BTreeMap::new();
        // All positions but the first are alike: so much for the shuffling.
        let mut by_position = [0_f64; 16];
        let passwords = many(&policy, 10_000, &mut Entropy::seeded(7));
        for password in &passwords {
            for (position, c) in password.bytes().enumerate().skip(1) {
                *counts.entry(c).or_default() += 1.0;
                by_position[position] += f64::from(u8::from(c.is_ascii_digit()));
            }
        }
        let chi_square = |counts: &[f64]| {
            let mean = counts.iter().sum::<f64>() / counts.len() as f64;
            counts.iter().map(|count| (count - mean).powi(2) / mean).sum::<f64>()
        };
        assert_eq!(counts.len(), policy.pool().len(), "every character comes up");
        // Within a class all are as likely; between classes they are not, as every password has one of each.
        for class in [u8::is_ascii_lowercase, u8::is_ascii_uppercase, u8::is_ascii_digit] {
            let of_class: Vec<f64> = counts.iter().filter(|(c, _)| class(c)).map(|(_, n)| *n).collect();
            let freedom = (of_class.len() - 1) as f64;
            let bound = freedom + 4.0 * (2.0 * freedom).sqrt();
            assert!(chi_square(&of_class) < bound, "{of_class:?}");
        }
        assert!(
            chi_square(&by_position[1..]) < 14.0 + 4.0 * 28_f64.sqrt(),
            "{by_position:?}"
        );
        assert_eq!(passwords.iter().collect::<HashSet<_>>().len(), passwords.len());
    }

    #[test]
    fn the_machine_gives_different_ones_and_none_is_shown() {
        let policy = PasswordPolicy::new(16, &Class::ALL, false).expect("sound");
        // A held clock holds still what passwords are made of no more than any other.
        let clock = Clock::held(0);
        let (one, two) = (
            many(&policy, 100, &mut clock.entropy()),
            many(&policy, 100, &mut clock.entropy()),
        );
        assert_eq!(one.iter().chain(&two).collect::<HashSet<_>>().len(), 200);
        let password = Password::new("Hunter2!".to_owned());
        assert_eq!(format!("{password:?}"), "<redacted>");
        assert_eq!(password.reveal(), "Hunter2!");
    }
}
