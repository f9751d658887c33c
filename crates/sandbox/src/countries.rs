//! Rules for addresses, for the countries we are sure of.

use serde_json::json;

use super::call::Call;
use super::reply::{HttpReply, ReplyResult, refuse};

/// The rules of one country.
pub(super) struct CountryRules {
    pub(super) code: &'static str,
    cultures: &'static [&'static str],
    languages: &'static [&'static str],
    /// Empty where any state will do.
    pub(super) states: &'static [&'static str],
    state_required: bool,
    pub(super) city_required: bool,
    /// As a regular expression, and in the form of [`fits`]; empty where any code will do.
    postal: (&'static str, &'static [&'static str]),
    calling: &'static str,
}

#[rustfmt::skip]
const US_STATES: &[&str] = &[
    "AK", "AL", "AR", "AZ", "CA", "CO", "CT", "DC", "DE", "FL", "GA", "HI", "IA", "ID", "IL", "IN", "KS", "KY", "LA",
    "MA", "MD", "ME", "MI", "MN", "MO", "MS", "MT", "NC", "ND", "NE", "NH", "NJ", "NM", "NV", "NY", "OH", "OK", "OR",
    "PA", "RI", "SC", "SD", "TN", "TX", "UT", "VA", "VT", "WA", "WI", "WV", "WY",
];
#[rustfmt::skip]
const CA_STATES: &[&str] = &["AB", "BC", "MB", "NB", "NL", "NS", "NT", "NU", "ON", "PE", "QC", "SK", "YT"];

#[rustfmt::skip]
static COUNTRIES: &[CountryRules] = &[
    country("US", &["en-US", "es-US"], &["en", "es"], (r"^\d{5}(-\d{4})?$", &["99999", "99999-9999"]), "1").of_states(US_STATES),
    country("CA", &["en-CA", "fr-CA"], &["en", "fr"], (r"^[A-Za-z]\d[A-Za-z] ?\d[A-Za-z]\d$", &["A9A9A9", "A9A 9A9"]), "1").of_states(CA_STATES),
    country("GB", &["en-GB"], &["en"], ("", &[]), "44"),
    country("DE", &["de-DE", "en-US"], &["de", "en"], (r"^\d{5}$", &["99999"]), "49"),
    country("AT", &["de-AT"], &["de"], (r"^\d{4}$", &["9999"]), "43"),
    country("CH", &["de-CH", "fr-CH", "it-CH"], &["de", "fr", "it"], (r"^\d{4}$", &["9999"]), "41"),
    country("FR", &["fr-FR"], &["fr"], (r"^\d{5}$", &["99999"]), "33"),
    country("IT", &["it-IT"], &["it"], (r"^\d{5}$", &["99999"]), "39"),
    country("ES", &["es-ES"], &["es"], (r"^\d{5}$", &["99999"]), "34"),
    country("NL", &["nl-NL"], &["nl"], (r"^\d{4} ?[A-Za-z]{2}$", &["9999AA", "9999 AA"]), "31"),
    country("PT", &["pt-PT", "en-US"], &["en", "pt-PT"], (r"^\d{4}(-\d{3})?$", &["9999", "9999-999"]), "351"),
    country("PL", &["pl-PL"], &["pl"], (r"^\d{2}-\d{3}$", &["99-999"]), "48"),
    country("IN", &["en-IN", "hi-IN"], &["en", "hi"], (r"^\d{6}$", &["999999"]), "91"),
    country("BR", &["pt-BR"], &["pt-BR"], ("", &[]), "55"),
    country("AU", &["en-AU"], &["en"], (r"^\d{4}$", &["9999"]), "61"),
];

const fn country(
    code: &'static str,
    cultures: &'static [&'static str],
    languages: &'static [&'static str],
    postal: (&'static str, &'static [&'static str]),
    calling: &'static str,
) -> CountryRules {
    CountryRules {
        code,
        cultures,
        languages,
        states: &[],
        state_required: false,
        city_required: true,
        postal,
        calling,
    }
}

impl CountryRules {
    const fn of_states(self, states: &'static [&'static str]) -> Self {
        Self {
            states,
            state_required: true,
            ..self
        }
    }
}

/// Numbers that companies pay value-added tax under: a regular expression, the form, and a sample.
#[rustfmt::skip]
const VAT: &[(&str, &str, &str, &str)] = &[
    ("GB", r"^GB\d{9}$", "GB#########", "GB123456782"),
    ("DE", r"^DE\d{9}$", "DE#########", "DE123456788"),
    ("AT", r"^ATU\d{8}$", "ATU########", "ATU12345675"),
    ("CH", r"^CHE\d{9}(MWST|TVA|IVA)?$", "CHE#########", "CHE123456788"),
    ("FR", r"^FR[A-Z0-9]{2}\d{9}$", "FR***********", "FR40123456824"),
    ("IT", r"^IT\d{11}$", "IT###########", "IT12345670017"),
    ("ES", r"^ES[A-Z0-9]\d{7}[A-Z0-9]$", "ES*#######*", "ESA12345674"),
    ("NL", r"^NL\d{9}B\d{2}$", "NL#########B##", "NL123456782B12"),
    ("PT", r"^PT[\d]{9,9}$", "PT#########", "PT123456789"),
    ("PL", r"^PL\d{10}$", "PL##########", "PL1234567883"),
];

/// Other tax numbers, which may be left out.
#[rustfmt::skip]
const TAX: &[(&str, &str, &str)] = &[
    ("US", "", ""),
    ("CA", "#########RT####", "123456789RT0001"),
    ("IN", "##AAAAA####A#A#", "22AAAAA0000A1Z5"),
    ("BR", "##############", "12345678000195"),
    ("AU", "###########", "51824753556"),
];

/// Phone numbers in North America, and anywhere else.
const PHONE_AMERICA: &str = r"^(1[ \-\/\.]?)?(\((\d{3})\)|(\d{3}))[ \-\/\.]?(\d{3})[ \-\/\.]?(\d{4})$";
const PHONE: &str = r"^\+?[\d \-\/\.\(\)]{5,20}$";

/// Countries whose customers need a registration number and a phone number.
#[rustfmt::skip]
const REGISTERED: &[&str] = &[
    "AM", "AZ", "BY", "HU", "KZ", "KG", "MD", "RU", "TJ", "UZ", "UA", "BR", "IN", "ZA", "PL", "AE", "SA", "TR", "TH",
    "VN", "MM", "IQ", "SS", "VE",
];

/// The registration numbers we know the form of: a regular expression, and as [`fits`] has it.
const NUMBERS: &[(&str, &str, &[&str])] = &[
    ("RU", r"^(\d{10}|\d{12})$", &["9999999999", "999999999999"]),
    ("PL", r"^\d{10}$", &["9999999999"]),
    ("HU", r"^(\d{8}|\d{11})$", &["99999999", "99999999999"]),
];

pub(super) fn needs_registration(country: &str) -> bool {
    REGISTERED.contains(&country)
}

/// The form a registration number of the country should have, if it has another.
pub(super) fn registration_fault(country: &str, number: &str) -> Option<&'static str> {
    let (_, pattern, forms) = NUMBERS.iter().find(|(code, ..)| *code == country)?;
    (!forms.iter().any(|form| fits(form, number))).then_some(pattern)
}

/// The rules of a country, if there are any.
pub(super) fn find(code: &str) -> Option<&'static CountryRules> {
    COUNTRIES.iter().find(|country| country.code.eq_ignore_ascii_case(code))
}

impl CountryRules {
    pub(super) fn postal_fits(&self, code: &str) -> bool {
        self.postal.1.is_empty() || self.postal.1.iter().any(|form| fits(form, code))
    }

    pub(super) fn state_fits(&self, state: &str) -> bool {
        match self.states {
            [] => true,
            states => states.iter().any(|known| known.eq_ignore_ascii_case(state)),
        }
    }
}

/// Whether a text has a form in which `9` is a digit, `A` a letter and everything else itself.
fn fits(form: &str, text: &str) -> bool {
    form.chars().count() == text.chars().count()
        && form.chars().zip(text.chars()).all(|(form, c)| match form {
            '9' => c.is_ascii_digit(),
            'A' => c.is_ascii_alphabetic(),
            other => c == other,
        })
}

/// `GET countryvalidationrules/{code}`.
pub(super) fn rules(call: &mut Call<'_>) -> ReplyResult {
    let code = call.places.first().map_or("", String::as_str);
    let country = find(code).ok_or_else(|| refuse(404, 1000, "Not found").about([code]))?;
    let vat = VAT.iter().find(|(code, ..)| *code == country.code);
    let tax = TAX.iter().find(|(code, ..)| *code == country.code);
    let mut body = json!({
        "iso2Code": country.code,
        "defaultCulture": country.cultures.first(),
        "isStateRequired": country.state_required,
        "supportedStatesList": country.states,
        "supportedLanguagesList": country.languages,
        "supportedCulturesList": country.cultures,
        "isPostalCodeRequired": !country.postal.0.is_empty(),
        "isCityRequired": country.city_required,
        "isVatIdSupported": vat.is_some(),
        "phoneNumberRegex": if country.calling == "1" { PHONE_AMERICA } else { PHONE },
        "isTaxIdSupported": tax.is_some(),
        "isTaxIdOptional": tax.is_some(),
        "isRegistrationNumberSupported": needs_registration(country.code),
        "countryCallingCodesList": [country.calling],
        "attributes": { "objectType": "CountryValidationRules" },
    });
    if !country.postal.0.is_empty() {
        body["postalCodeRegex"] = country.postal.0.into();
    }
    if let Some((_, regex, ..)) = vat {
        body["vatIdRegex"] = (*regex).into();
    }
    let forms = vat
        .map(|(_, _, form, sample)| (form, sample))
        .or(tax.map(|(_, form, sample)| (form, sample)));
    if let Some((form, sample)) = forms.filter(|(form, _)| !form.is_empty()) {
        body["taxIdFormat"] = (*form).into();
        body["taxIdSample"] = (*sample).into();
    }
    Ok(HttpReply::ok(body))
}
