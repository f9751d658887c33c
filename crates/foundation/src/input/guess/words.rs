//! A guess at the encoding of European texts, by which of them makes words.
//!
//! A detector goes by how often letters follow each other in long texts. A list of customers may have one name with one letter
//! beyond ASCII, and then a rare encoding looks as good as the usual one: `François` becomes `Franįois`. So its choice is held
//! against the usual encodings by one question: is there, for each word, a language that has all its letters?

use encoding_rs::{Encoding, ISO_8859_2, ISO_8859_15, WINDOWS_1250, WINDOWS_1252, WINDOWS_1254};

/// The usual ones, the likeliest first.
const USUAL: [&Encoding; 5] = [WINDOWS_1252, ISO_8859_15, WINDOWS_1250, ISO_8859_2, WINDOWS_1254];

/// The letters beyond ASCII of languages: German, French, Spanish, Portuguese, Italian, Catalan, Dutch, Danish and Norwegian, Swedish,
/// Finnish, Icelandic, Estonian; Polish, Czech, Slovak, Hungarian, Croatian and Slovenian, Romanian, Turkish.
const LANGUAGES: [&str; 19] = [
    "äöüß",
    "àâæçéèêëîïôœùûüÿ",
    "áéíñóúü",
    "áâãàçéêíóôõúü",
    "àèéìíîòóùú",
    "àçèéíïòóúü",
    "áéèëïíóöü",
    "æøåéóáö",
    "åäöéüà",
    "äöåšž",
    "áðéíóúýþæöø",
    "äõöüšž",
    "ąćęłńóśźż",
    "áčďéěíňóřšťúůýž",
    "áäčďéíĺľňóôŕšťúýž",
    "áéíóöőúüű",
    "čćđšž",
    "ăâîşţșț",
    "çğıöşüâîû",
];

/// Signs that letters become which are read in a wrong encoding, where they stand with letters.
const SIGNS: &str = "¤¦¨´¸¼½¾¹³¯±¬×÷¶ˇ˘˛˝˙";

/// Signs that letters become as well, and that texts have by themselves.
const OTHER_SIGNS: &str = "£¥§©¢®†‡‰²";

/// How a text looks in one encoding.
#[derive(Debug, PartialEq, Eq)]
struct LanguageFit {
    /// Words that no language has.
    misfits: usize,
    /// Words that the language which has most of them does not have.
    strange: usize,
    /// Words with more letters beyond ASCII than within: hardly of a European language.
    foreign: usize,
}

/// The encoding to read the text in, where a detector has chosen `guessed`.
pub(super) fn settle(bytes: &[u8], guessed: &'static Encoding) -> &'static Encoding {
    let is_usual = USUAL.contains(&guessed);
    let own = look(bytes, guessed);
    if is_usual && own.misfits == 0 && own.strange == 0 {
        return guessed;
    }
    let others = USUAL.into_iter().filter(|other| *other != guessed);
    let best = others
        .map(|other| (other, look(bytes, other)))
        .min_by_key(|(_, look)| (look.misfits, look.strange));
    match best {
        Some((other, look)) if is_usual => {
            let is_one_language = look.strange == 0 || guessed == ISO_8859_2;
            let is_better = look.misfits < own.misfits
                || (look.misfits == own.misfits && look.strange < own.strange && is_one_language);
            if is_better { other } else { guessed }
        }
        Some((other, look)) if look.misfits == 0 && look.foreign == 0 => other,
        _ => guessed,
    }
}

fn look(bytes: &[u8], encoding: &'static Encoding) -> LanguageFit {
    let (text, _) = encoding.decode_without_bom_handling(bytes);
    let (mut words, mut misfits, mut foreign) = (0, 0, 0);
    let mut known = [0_usize; LANGUAGES.len()];
    let is_of_word = |c: char| {
        c.is_alphabetic()
            || SIGNS.contains(c)
            || OTHER_SIGNS.contains(c)
            || c == '\u{FFFD}'
            || ('\u{80}'..='\u{9F}').contains(&c)
    };
    for word in text.split(|c| !is_of_word(c)).filter(|word| !word.is_ascii()) {
        if word.chars().all(|c| OTHER_SIGNS.contains(c)) {
            continue;
        }
        words += 1;
        let fitting = languages(word);
        misfits += usize::from(fitting == 0);
        for (language, count) in known.iter_mut().enumerate() {
            *count += usize::from(fitting & (1 << language) != 0);
        }
        let beyond = word.chars().filter(|c| !c.is_ascii()).count();
        foreign += usize::from(2 * beyond > word.chars().count());
    }
    LanguageFit {
        misfits,
        strange: words - known.into_iter().max().unwrap_or(0),
        foreign,
    }
}

/// The languages that have all letters of the word, a bit each.
fn languages(word: &str) -> u32 {
    let mut fitting = (1 << LANGUAGES.len()) - 1;
    let mut last = ' ';
    let mut letters = word.chars().peekable();
    while let Some(letter) = letters.next() {
        let next = letters.peek().copied().unwrap_or(' ');
        if !letter.is_ascii() {
            let is_within = letter.is_uppercase() && last.is_lowercase();
            let is_stray = match letter {
                // Spanish has it before vowels.
                'ñ' | 'Ñ' => !"aeiouáéíóúAEIOUÁÉÍÓÚ".contains(next),
                // Italian has it at the end, Icelandic everywhere else.
                'ì' => next.is_alphabetic(),
                'þ' => !next.is_alphabetic(),
                _ => false,
            };
            if is_within || is_stray {
                return 0;
            }
            let small = letter.to_lowercase().next().unwrap_or(letter);
            for (language, own) in LANGUAGES.iter().enumerate() {
                // The small letter of `İ` is ASCII, and of Turkish alone.
                if !own.contains(if small == 'i' { 'ı' } else { small }) {
                    fitting &= !(1 << language);
                }
            }
        }
        last = letter;
    }
    fitting
}

#[cfg(test)]
mod tests {
    use super::super::guess;
    use super::*;

    /// Names that a file may have alone, and what it may be encoded in.
    const NAMES: [(&[&Encoding], &[&str]); 3] = [
        (
            &[WINDOWS_1252, ISO_8859_15],
            &[
                "Müller,Köln",
                "Jäger;Weiß",
                "François",
                "Zoé,Benoît",
                "Anaïs",
                "Loïc",
                "Château",
                "Hélène,Bérénice",
                "Chloë Côté",
                "Muñoz,Ibáñez",
                "Begoña",
                "João,Conceição",
                "Gonçalves,Simões",
                "Guimarães,Inês",
                "Åse,Bjørn",
                "Jørgen Næss",
                "Göran Ångström",
                "Guðrún Jónsdóttir",
                "Þórður,Åse",
                "Hämäläinen",
                "Nicolò,Città",
                "Müller,François,Muñoz,Åse,Weiß",
                "Weiß,José,Åse",
            ],
        ),
        (
            &[ISO_8859_15],
            &[
                "Sœur Zoé",
                "L'Œuvre,François",
                "Škoda GmbH,Köln",
                "Žižek Müller,Köln",
                "Müller,5 €",
            ],
        ),
        (
            &[WINDOWS_1250, ISO_8859_2],
            &[
                "Łukasz,Wróbel",
                "Łukasz,Žák,Łukasz Žák",
                "Michał",
                "Gdańsk",
                "Małgorzata Dąbrowska",
                "Jabłoński",
                "Woźniak",
                "Zdeněk",
                "Śliwa,Żak",
                "Novák,Dvořák",
                "Jiří Procházka",
                "Růžička,Štěpán",
                "Žák,Příliš",
                "Szűcs,Győr,Kovács",
                "Hódmezővásárhely,Tűz",
                "Ľubomír,Žilina",
                "Đurić,Šimić",
            ],
        ),
    ];

    #[test]
    fn a_few_names_say_how_they_are_encoded() {
        let mut wrong = Vec::new();
        for (encodings, names) in NAMES {
            for (encoding, name) in encodings
                .iter()
                .flat_map(|one| names.iter().map(move |name| (*one, *name)))
            {
                let (bytes, _, lost) = encoding.encode(name);
                assert!(!lost, "{name}");
                let read = guess(&bytes, true);
                let read = read.map(|read| read.decode_without_bom_handling(&bytes).0.into_owned());
                if read.as_deref() != Ok(name) {
                    wrong.push(format!("{name} in {}: {read:?}", encoding.name()));
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn other_scripts_are_left_to_the_detector() {
        for (label, text) in [
            ("windows-1251", "Иванов,Пётр,Москва"),
            ("windows-1253", "Παπαδόπουλος,Αθήνα"),
            ("windows-1254", "Yıldız,Çağlar,Şahin"),
            ("windows-1257", "Bērziņš,Kārlis,Rīga"),
            ("Shift_JIS", "山田,太郎,東京都"),
        ] {
            let encoding = Encoding::for_label(label.as_bytes()).expect("a label");
            let (bytes, _, _) = encoding.encode(text);
            assert_eq!(settle(&bytes, encoding), encoding, "{label}");
        }
    }
}
