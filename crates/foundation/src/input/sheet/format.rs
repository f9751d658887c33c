//! Number formats of workbooks, as far as they make a text of a number: leading zeros, a country code or a letter before it,
//! groups of digits, a currency, a percentage, a fraction. What a person sees is then the value.
//!
//! A format that only says how a number looks (decimals, thousands, which differ between languages) rounds it, and no more.
//! With an exponent it shows some of the digits only, and so does its text: who looks at it may have lost the others. Of a
//! format that is not understood nothing is taken.

use std::fmt::Write as _;

use calamine::DataRef;

use super::fraction::Fraction;
use super::value;

/// Appends the text of a value in a cell of that format.
pub(super) fn write_as(value: &DataRef<'_>, format: Option<&Format>, text: &mut String) {
    let is_written = format.is_some_and(|format| match value {
        DataRef::Float(number) => !value::is_cut(*number) && format.number(*number, text),
        DataRef::Int(number) => format.number(*number as f64, text),
        DataRef::String(value) => format.text(value, text),
        DataRef::SharedString(value) => format.text(value, text),
        _ => false,
    });
    if !is_written {
        value::write(value, text);
    }
}

/// A format that shows another text than the number itself, or may.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Format {
    sections: Vec<Section>,
    /// What is shown around a text.
    text: Option<Section>,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Section {
    /// Which numbers it is for, where it says so.
    condition: Option<(Comparison, f64)>,
    parts: Vec<Part>,
    /// Whether the number is shown with an exponent, after so many decimals.
    exponent: Option<usize>,
    /// Whether what is behind the point is shown as a fraction.
    fraction: Option<Fraction>,
    /// How many percent signs there are, each of which makes the number a hundred times as large.
    percents: usize,
    is_understood: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Comparison {
    Less,
    AtMost,
    Equal,
    Unequal,
    AtLeast,
    More,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Part {
    Literal(char),
    /// A digit, shown where there is none (`0`) or not (`#`).
    Digit {
        always: bool,
    },
    Point,
    /// Between digits: thousands are told apart.
    Group,
    /// The number as it is, or the text.
    Whole,
}

impl Format {
    /// Reads a format's code. `None` where nothing of it makes a difference.
    pub(super) fn parse(code: &str) -> Option<Self> {
        let mut sections = split(code).map(Section::parse).collect::<Vec<_>>();
        let is_of_text = |section: &Section| section.parts.contains(&Part::Whole) && !code.contains("General");
        let text = match sections.len() {
            4 => sections.pop(),
            1 => sections.first().filter(|only| is_of_text(only)).cloned(),
            _ => None,
        };
        let text = text.filter(|text| text.is_understood && text.parts.len() > 1 && text.parts.contains(&Part::Whole));
        let is_plain = |section: &Section| !section.is_understood || section.parts == [Part::Whole];
        if text.is_none() && sections.iter().all(is_plain) {
            return None;
        }
        Some(Self { sections, text })
    }

    /// Appends a number as it is shown; whether it could be done.
    pub(super) fn number(&self, value: f64, text: &mut String) -> bool {
        let Some((section, is_signed)) = self.section(value) else {
            return false;
        };
        let before = text.len();
        let is_negative = value < 0.0 && is_signed;
        let is_written = section.write(value, is_negative, value < 0.0, text);
        if !is_written {
            text.truncate(before);
        }
        is_written
    }

    /// Appends a text as it is shown; whether that is another.
    pub(super) fn text(&self, value: &str, text: &mut String) -> bool {
        let Some(section) = &self.text else {
            return false;
        };
        for part in &section.parts {
            match part {
                Part::Literal(character) => text.push(*character),
                Part::Whole => text.push_str(value),
                _ => {}
            }
        }
        true
    }

    /// The section for a number, and whether it leaves the sign to be shown.
    fn section(&self, value: f64) -> Option<(&Section, bool)> {
        let sections = self.sections.as_slice();
        if sections.iter().any(|section| section.condition.is_some()) {
            let fits = |section: &&Section| {
                section
                    .condition
                    .is_none_or(|condition| condition.0.holds(value, condition.1))
            };
            return sections.iter().find(fits).map(|section| (section, true));
        }
        match sections {
            [only] => Some((only, true)),
            [_, negative, ..] if value < 0.0 => Some((negative, false)),
            [_, _, zero] if value == 0.0 => Some((zero, false)),
            [positive, ..] => Some((positive, true)),
            [] => None,
        }
    }
}

impl Comparison {
    fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Comparison::Less => value < limit,
            Comparison::AtMost => value <= limit,
            Comparison::Equal => value.total_cmp(&limit).is_eq(),
            Comparison::Unequal => value.total_cmp(&limit).is_ne(),
            Comparison::AtLeast => value >= limit,
            Comparison::More => value > limit,
        }
    }
}

/// The sections of a code, which `;` ends outside quotes.
fn split(code: &str) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    code.split(move |character| {
        if std::mem::take(&mut is_escaped) {
            return false;
        }
        match character {
            '"' => is_quoted = !is_quoted,
            '\\' | '_' | '*' if !is_quoted => is_escaped = true,
            ';' => return !is_quoted,
            _ => {}
        }
        false
    })
}

impl Section {
    fn parse(code: &str) -> Self {
        let mut section = Self::default();
        section.is_understood = section.read(code).is_some() && !section.parts.is_empty();
        section
    }

    /// `None` at what is not understood.
    fn read(&mut self, code: &str) -> Option<()> {
        let mut rest = code.chars();
        while let Some(character) = rest.next() {
            match character {
                '"' => {
                    let (quoted, after) = rest.as_str().split_once('"')?;
                    self.parts.extend(quoted.chars().map(Part::Literal));
                    rest = after.chars();
                }
                '\\' => self.parts.push(Part::Literal(rest.next()?)),
                // As wide as a character, and filled up with one: nothing to read.
                '_' | '*' => {
                    rest.next()?;
                }
                '[' => {
                    let (inner, after) = rest.as_str().split_once(']')?;
                    rest = after.chars();
                    self.bracket(inner)?;
                }
                '0' => self.parts.push(Part::Digit { always: true }),
                '#' | '?' => self.parts.push(Part::Digit { always: false }),
                '.' if !self.parts.contains(&Part::Point) => self.parts.push(Part::Point),
                ',' => self.parts.push(Part::Group),
                '@' => self.parts.push(Part::Whole),
                'E' => {
                    let places = rest.as_str().strip_prefix(['+', '-'])?;
                    let is_whole = !places.is_empty() && places.bytes().all(|place| place == b'0');
                    let mut after = self.parts.iter().skip_while(|part| **part != Part::Point);
                    let is_bare = self
                        .parts
                        .iter()
                        .all(|part| matches!(part, Part::Digit { .. } | Part::Point));
                    after.next();
                    self.exponent = (is_whole && is_bare).then(|| after.count());
                    return self.exponent.map(drop);
                }
                '/' => {
                    self.fraction = Fraction::parse(code);
                    return self.fraction.as_ref().map(drop);
                }
                '%' => {
                    self.percents += 1;
                    self.parts.push(Part::Literal('%'));
                }
                'G' => {
                    rest = rest.as_str().strip_prefix("eneral")?.chars();
                    self.parts.push(Part::Whole);
                }
                '-' | '+' | '(' | ')' | ':' | ' ' | '\u{a0}' | '$' | '€' | '£' | '¥' => {
                    self.parts.push(Part::Literal(character));
                }
                _ => return None,
            }
        }
        self.is_sound().then_some(())
    }

    fn bracket(&mut self, inner: &str) -> Option<()> {
        let lower = inner.to_ascii_lowercase();
        let is_colour = ["black", "blue", "cyan", "green", "magenta", "red", "white", "yellow"]
            .contains(&lower.as_str())
            || lower
                .strip_prefix("color")
                .is_some_and(|number| number.trim().parse::<u8>().is_ok());
        if is_colour {
            return Some(());
        }
        // A currency and a language, each of which may be missing.
        if let Some(currency) = inner.strip_prefix('$') {
            let sign = currency.split_once('-').map_or(currency, |(sign, _)| sign);
            self.parts.extend(sign.chars().map(Part::Literal));
            return Some(());
        }
        let operators = [
            ("<=", Comparison::AtMost),
            (">=", Comparison::AtLeast),
            ("<>", Comparison::Unequal),
            ("<", Comparison::Less),
            (">", Comparison::More),
            ("=", Comparison::Equal),
        ];
        let (comparison, limit) = operators
            .iter()
            .find_map(|(sign, comparison)| Some((*comparison, inner.strip_prefix(*sign)?)))?;
        self.condition = Some((comparison, limit.trim().parse().ok()?));
        Some(())
    }

    /// Whether digits stand in it in a way that is understood: a comma that is not between them divides by a thousand.
    fn is_sound(&self) -> bool {
        let is_digit = |part: &Part| matches!(part, Part::Digit { .. });
        let is_whole = self.parts.contains(&Part::Whole);
        if is_whole
            && self
                .parts
                .iter()
                .any(|part| is_digit(part) || matches!(part, Part::Point | Part::Group))
        {
            return false;
        }
        self.parts.iter().enumerate().all(|(at, part)| match part {
            Part::Group => at > 0 && is_digit(&self.parts[at - 1]) && self.parts.get(at + 1).is_some_and(is_digit),
            _ => true,
        })
    }

    /// Whether it only says how a number looks: no more than one zero before the point, and nothing around it.
    fn is_of_number(&self, is_negative: bool) -> bool {
        let around = |part: &Part| match part {
            Part::Literal(' ') => true,
            Part::Literal('(' | ')' | '-') => is_negative,
            Part::Literal(_) => false,
            _ => true,
        };
        let whole = self.parts.iter().take_while(|part| **part != Part::Point);
        self.parts.iter().all(around)
            && self.parts.iter().any(|part| matches!(part, Part::Digit { .. }))
            && whole.filter(|part| **part == (Part::Digit { always: true })).count() <= 1
    }

    /// `is_signed`: a sign is to be shown; `is_negative`: the number is.
    fn write(&self, value: f64, is_signed: bool, is_negative: bool, text: &mut String) -> bool {
        if !self.is_understood || !value.is_finite() {
            return false;
        }
        if let Some(decimals) = self.exponent {
            let shown = format!("{value:.decimals$E}");
            let sign = if shown.contains("E-") { "E" } else { "E+" };
            text.push_str(&shown.replacen('E', sign, 1));
            return true;
        }
        let is_digit = |part: &&Part| matches!(part, Part::Digit { .. });
        if let Some(fraction) = &self.fraction {
            return fraction.write(value.abs(), is_signed, text);
        }
        let value = value * 100_f64.powi(self.percents as i32);
        let point = self.parts.iter().position(|part| *part == Part::Point);
        let (before, after) = self.parts.split_at(point.unwrap_or(self.parts.len()));
        let decimals = after.iter().filter(is_digit).count();
        // Fifteen digits are what spreadsheets reckon with.
        let mut plain = String::new();
        if value::number(value.abs(), &mut plain).is_err() {
            return false;
        }
        let rounded = rounded(&plain, decimals);
        let (whole, fraction) = rounded.split_once('.').unwrap_or((rounded.as_str(), ""));
        if self.is_of_number(is_negative) {
            let fraction = fraction.trim_end_matches('0');
            if is_negative && !(whole == "0" && fraction.is_empty()) {
                text.push('-');
            }
            text.push_str(whole);
            if !fraction.is_empty() {
                let _ = write!(text, ".{fraction}");
            }
            return true;
        }
        let start = text.len();
        if is_signed {
            text.push('-');
        }
        if self.parts.contains(&Part::Whole) {
            for part in &self.parts {
                match part {
                    Part::Literal(character) => text.push(*character),
                    _ => text.push_str(&plain),
                }
            }
            return true;
        }
        if !self.parts.iter().any(|part| is_digit(&part)) {
            // A text instead of the number says nothing of it.
            return false;
        }
        let mut digits = whole.trim_start_matches('0');
        let mut places = before.iter().filter(is_digit).count();
        for part in before {
            match part {
                Part::Literal(character) => text.push(*character),
                Part::Digit { always } => {
                    // The first place takes all that the others have no room for.
                    let taken = (digits.len() + 1).saturating_sub(places);
                    let (now, later) = digits.split_at(taken);
                    text.push_str(now);
                    if taken == 0 && *always {
                        text.push('0');
                    }
                    digits = later;
                    places -= 1;
                }
                _ => {}
            }
        }
        let mut fraction = fraction.chars();
        let mut is_first = true;
        for part in after {
            match part {
                Part::Literal(character) => text.push(*character),
                Part::Digit { always } => {
                    let rest_is_zero = fraction.as_str().bytes().all(|byte| byte == b'0');
                    let digit = fraction.next().unwrap_or('0');
                    if *always || !rest_is_zero {
                        if std::mem::take(&mut is_first) {
                            text.push('.');
                        }
                        text.push(digit);
                    }
                }
                _ => {}
            }
        }
        text.len() > start
    }
}

/// A number to so many decimals, as people round: half away from zero.
fn rounded(plain: &str, decimals: usize) -> String {
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    let kept = fraction.bytes().chain(std::iter::repeat(b'0')).take(decimals);
    let mut digits: Vec<u8> = whole.bytes().chain(kept).collect();
    if fraction.as_bytes().get(decimals).is_some_and(|next| *next >= b'5') {
        let nines = digits.iter().rev().take_while(|digit| **digit == b'9').count();
        let kept = digits.len() - nines;
        let (rest, carried) = digits.split_at_mut(kept);
        carried.fill(b'0');
        match rest.last_mut() {
            Some(last) => *last += 1,
            None => digits.insert(0, b'1'),
        }
    }
    let point = digits.len() - decimals;
    let mut text: String = digits.iter().map(|digit| char::from(*digit)).collect();
    if decimals > 0 {
        text.insert(point, '.');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::Format;

    #[test]
    fn numbers_are_read_by_their_format() {
        let us_phone = "[<=9999999]###-####;(###) ###-####";
        for (code, value, expected) in [
            ("00000", 1067.0, "01067"),
            ("00000", 123_456.0, "123456"),
            ("000", 7.0, "007"),
            ("000", 0.0, "000"),
            ("\"+\"0", 491_701_234_567.0, "+491701234567"),
            ("\\+0", 491_701_234_567.0, "+491701234567"),
            ("+0", 49.0, "+49"),
            ("\"+\"General", 49.5, "+49.5"),
            ("\"+\"@", 49.0, "+49"),
            ("\"+\"00 000 0000000", 491_701_234_567.0, "+49 170 1234567"),
            ("00000\\-0000", 21_391_234.0, "02139-1234"),
            ("000\\-00\\-0000", 12_345_678.0, "012-34-5678"),
            (us_phone, 5_551_234.0, "555-1234"),
            (us_phone, 2_065_551_234.0, "(206) 555-1234"),
            ("[<=99999]00000;00000\\-0000", 2139.0, "02139"),
            ("\"D-\"00000", 1067.0, "D-01067"),
            ("[$-407]00000", 1067.0, "01067"),
            ("[Red]000;[Blue]\\-000;\"none\"", -5.0, "-005"),
            ("000", -5.0, "-005"),
            ("000;000", -5.0, "005"),
            ("#,##0", 1200.0, "1200"),
            ("#,##0.00", 1234.5, "1234.5"),
            ("0.00", 25.0, "25"),
            ("0.00", 0.126, "0.13"),
            ("0", 25.4, "25"),
            ("0", 10.5, "11"),
            ("0.0", 99.95, "100"),
            ("000.0", 9.96, "010.0"),
            ("0.0", -0.01, "0"),
            ("#,##0 ;(#,##0)", -1200.0, "-1200"),
            ("00.00", 1.5, "01.50"),
            ("00.0#", 1.0, "01.0"),
            ("_(* 00000_)", 1067.0, "01067"),
            ("0.00E+00", 491_512_345_678.0, "4.92E+11"),
            ("0.00E+00", 0.001, "1.00E-3"),
            ("0E+0", 50_000.0, "5E+4"),
            ("0%", 0.03, "3%"),
            ("0.0%", 0.125, "12.5%"),
            ("0.00%", 0.07, "7.00%"),
            ("0%", -0.5, "-50%"),
            ("$#,##0.00", 5.0, "$5.00"),
            ("\"$\"#,##0_);(\"$\"#,##0)", 1200.0, "$1200"),
            ("_(\"$\"* #,##0.00_);_(\"$\"* (#,##0.00)", -5.0, "$(5.00)"),
            ("[$€-407] #,##0", 5.0, "€ 5"),
            ("#,##0.00 [$€-1]", 19.9, "19.90 €"),
            ("[$CHF] 0.00", 5.0, "CHF 5.00"),
            ("# ?/?", 12.5, "12 1/2"),
            ("# ??/??", 0.25, "1/4"),
        ] {
            let mut text = String::new();
            let format = Format::parse(code).unwrap_or_else(|| panic!("{code}"));
            assert!(format.number(value, &mut text), "{code} {value}");
            assert_eq!(text, expected, "{code} {value}");
        }
    }

    #[test]
    fn an_unknown_format_leaves_the_number_as_it_is() {
        for (code, value) in [
            ("0.00E+x", 12_345.0),
            ("d/m/yyyy", 5.0),
            ("# ?/x", 0.5),
            ("# ?/?;x", -0.5),
            ("#,##0,", 1200.0),
            ("0000,", 1200.0),
            (";;;", 5.0),
            ("00000;\"none\"", -5.0),
            ("000;;\"none\"", 0.0),
            ("\"open", 5.0),
            ("00x", 5.0),
            ("[DBNum1]0", 5.0),
        ] {
            let mut text = String::new();
            let is_shown = Format::parse(code).is_some_and(|format| format.number(value, &mut text));
            assert_eq!((is_shown, text.as_str()), (false, ""), "{code}");
        }
        for code in ["General", "@", "", ";;;@"] {
            assert_eq!(Format::parse(code), None, "{code}");
        }
    }

    #[test]
    fn a_text_takes_the_format_of_its_section() {
        for (code, expected) in [
            ("\"+\"@", Some("+49")),
            ("0;0;0;\"+\"@", Some("+49")),
            ("00000", None),
            ("\"+\"General", None),
            ("0;0;0;@", None),
        ] {
            let mut text = String::new();
            let is_other = Format::parse(code).is_some_and(|format| format.text("49", &mut text));
            assert_eq!(is_other.then_some(text.as_str()), expected, "{code}");
        }
    }
}
