//! Numbers that a sheet shows as fractions: who types `12 1/2` has 12.5 in the cell, and sees what was typed.

use std::fmt::Write as _;

/// How the part of a number behind the point is shown.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fraction {
    /// Whether the whole number stands before it, and whether even a zero does.
    whole: Option<bool>,
    /// The numbers that may stand below the line.
    below: (u32, u32),
}

impl Fraction {
    /// Reads the code of a format with a `/` in it, such as `# ??/??`; `None` for one that is not understood.
    pub(super) fn parse(code: &str) -> Option<Self> {
        let is_places = |part: &str| !part.is_empty() && part.chars().all(|place| matches!(place, '#' | '?' | '0'));
        let code = code.replace(['\\', '"'], "");
        let (above, below) = code.split_once('/')?;
        let below = below.trim_end();
        let below = match below.len() {
            places @ 1..=3 if is_places(below) => (1, 10_u32.pow(places as u32) - 1),
            1..=3 => below
                .parse()
                .ok()
                .filter(|fixed| *fixed > 0)
                .map(|fixed| (fixed, fixed))?,
            _ => return None,
        };
        let (whole, above) = match above.trim_end().rsplit_once(' ') {
            Some((whole, above)) if is_places(whole.trim()) => (Some(whole.contains('0')), above),
            Some(_) => return None,
            None => (None, above.trim_end()),
        };
        is_places(above).then_some(Self { whole, below })
    }

    /// Appends a number that is not negative; whether it could be done.
    pub(super) fn write(&self, value: f64, is_signed: bool, text: &mut String) -> bool {
        // What has more digits before the point has none behind it.
        if value >= 1e9 {
            return false;
        }
        let (mut whole, part) = match self.whole {
            Some(_) => (value.trunc(), value.fract()),
            None => (0.0, value),
        };
        let off = |below: u32| ((part * f64::from(below)).round() / f64::from(below) - part).abs();
        let (first, last) = self.below;
        // The first of several that are equally near.
        let below = (first + 1..=last).fold(
            first,
            |best, below| if off(below) + 1e-12 < off(best) { below } else { best },
        );
        let mut above = (part * f64::from(below)).round();
        if self.whole.is_some() && above >= f64::from(below) {
            (whole, above) = (whole + 1.0, 0.0);
        }
        if is_signed {
            text.push('-');
        }
        let has_fraction = above > 0.0 || self.whole.is_none();
        let has_whole = whole > 0.0 || self.whole == Some(true) || !has_fraction;
        if has_whole {
            let _ = write!(text, "{whole}");
        }
        if has_fraction {
            let _ = write!(text, "{}{above}/{below}", if has_whole { " " } else { "" });
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::Fraction;

    #[test]
    fn fractions_are_read_as_typed() {
        for (code, value, expected) in [
            ("# ?/?", 12.5, "12 1/2"),
            ("#\\ ?/?", 0.75, "3/4"),
            ("# ??/??", 3.3125, "3 5/16"),
            ("# ?/?", 0.999, "1"),
            ("# ?/?", 7.0, "7"),
            ("# ?/?", 0.0, "0"),
            ("0 ?/?", 0.5, "0 1/2"),
            ("# ?/8", 2.25, "2 2/8"),
            ("# ?/100", 2.25, "2 25/100"),
            ("?/?", 1.5, "3/2"),
            ("# ???/???", 0.001, "1/999"),
        ] {
            let mut text = String::new();
            let fraction = Fraction::parse(code).unwrap_or_else(|| panic!("{code}"));
            assert!(fraction.write(value, false, &mut text), "{code} {value}");
            assert_eq!(text, expected, "{code} {value}");
        }
        for code in ["d/m", "# ?/", "?/x", "/?", "# ?/????", "x ?/?", "# ?/0x"] {
            assert_eq!(Fraction::parse(code), None, "{code}");
        }
        let mut text = String::new();
        assert!(Fraction::parse("# ?/?").is_some_and(|fraction| fraction.write(0.5, true, &mut text)));
        assert_eq!(text, "-1/2");
    }
}
