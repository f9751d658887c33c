//! Refusals of the token endpoint, and what to do about them.
//!
//! The word in `error` decides; the AADSTS number in the description only makes the advice more exact, since Microsoft
//! reserves the right to change numbers. Source: Microsoft Entra's page of authentication and authorization error codes.

use super::failure::Failure;
use tenantry_store::kit::oauth::TokenRefusal;

/// What helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remedy {
    /// A new refresh token.
    SignIn,
    /// The application's secret.
    Secret,
    /// The application or the tenant is another one than was meant.
    Names,
    /// An administrator's consent.
    Consent,
    /// The account of the user behind the refresh token.
    User,
    /// A policy of the tenant.
    Policy,
    /// Time.
    Wait,
}

const NUMBERS: &[(u32, Remedy)] = &[
    (50_034, Remedy::User),
    (50_053, Remedy::User),
    (50_055, Remedy::User),
    (50_057, Remedy::User),
    (50_074, Remedy::SignIn),
    (50_076, Remedy::SignIn),
    (50_078, Remedy::SignIn),
    (50_079, Remedy::SignIn),
    (50_105, Remedy::Consent),
    (50_173, Remedy::SignIn),
    (50_196, Remedy::Wait),
    (53_000, Remedy::Policy),
    (53_003, Remedy::Policy),
    (65_001, Remedy::Consent),
    (70_000, Remedy::SignIn),
    (70_008, Remedy::SignIn),
    (70_043, Remedy::SignIn),
    (90_002, Remedy::Names),
    (90_033, Remedy::Wait),
    (500_011, Remedy::Consent),
    (700_016, Remedy::Names),
    (700_082, Remedy::SignIn),
    (700_084, Remedy::SignIn),
    (7_000_215, Remedy::Secret),
    (7_000_222, Remedy::Secret),
];

const WORDS: &[(&str, Remedy)] = &[
    ("invalid_grant", Remedy::SignIn),
    ("interaction_required", Remedy::SignIn),
    ("invalid_client", Remedy::Secret),
    ("unauthorized_client", Remedy::Names),
    ("temporarily_unavailable", Remedy::Wait),
];

fn remedy(failure: &Failure) -> Option<Remedy> {
    let digits = failure.message.split("AADSTS").nth(1).unwrap_or_default();
    let digits = digits.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    let number = digits.parse().unwrap_or(0);
    let by_number = NUMBERS
        .iter()
        .find(|(known, _)| *known == number)
        .map(|(_, what)| *what);
    let by_word = || {
        let word = WORDS.iter().find(|(word, _)| *word == failure.code);
        word.map(|(_, what)| *what)
    };
    by_number.or_else(by_word)
}

/// What a refusal means; `renewal` says how to renew the refresh token, if one was used.
pub(super) fn judge(status: u16, body: &[u8], renewal: Option<&str>) -> TokenRefusal {
    let failure = Failure::read("token", status, body, None);
    TokenRefusal {
        may_pass: may_pass(&failure),
        advice: advice(&failure, renewal),
        what: failure.to_string(),
    }
}

fn may_pass(failure: &Failure) -> bool {
    failure.status >= 500 || failure.status == 429 || remedy(failure) == Some(Remedy::Wait)
}

fn advice(failure: &Failure, renewal: Option<&str>) -> Option<String> {
    Some(match (remedy(failure)?, renewal) {
        (Remedy::SignIn, Some(renewal)) => renewal.to_owned(),
        (Remedy::Secret | Remedy::SignIn, _) => {
            "check `partner_center.client_secret`: it has to be the value, not the id, \
                                                 of a secret of the application that has not expired"
                .to_owned()
        }
        (Remedy::Names, _) => "check `partner_center.tenant` and `partner_center.client_id`".to_owned(),
        (Remedy::Consent, _) => "nobody has consented to the application's use of Partner Center: an administrator of \
                                 the partner tenant has to add `user_impersonation` of Microsoft Partner Center to the \
                                 application's API permissions in Entra and grant admin consent there"
            .to_owned(),
        (Remedy::User, Some(renewal)) => {
            format!("the user's account is locked, gone or has to get a new password; {renewal}")
        }
        (Remedy::User, None) => "check the application's account in the partner tenant".to_owned(),
        (Remedy::Policy, _) => {
            "a Conditional Access policy of the partner tenant forbids it; the policy's administrator \
                                has to let the application in"
                .to_owned()
        }
        (Remedy::Wait, _) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(error: &str, description: &str) -> Failure {
        let body = serde_json::json!({ "error": error, "error_description": description });
        Failure::read("token", 400, body.to_string().as_bytes(), None)
    }

    #[test]
    fn advice_goes_by_number_and_else_by_word() {
        let renewal = "sign in again, with multi-factor authentication, and write the new refresh token to token";
        for (word, description, part) in [
            ("invalid_grant", "AADSTS700082: inactive", "new refresh token to token"),
            ("invalid_grant", "AADSTS50173: revoked", "multi-factor"),
            ("invalid_grant", "AADSTS53003: blocked", "Conditional Access"),
            ("invalid_grant", "AADSTS65001: no consent", "administrator"),
            ("invalid_grant", "AADSTS99999999: new", "sign in again"),
            ("invalid_client", "AADSTS7000222: expired", "client_secret"),
            ("invalid_client", "whatever", "client_secret"),
            (
                "unauthorized_client",
                "AADSTS700016: no such",
                "partner_center.client_id",
            ),
        ] {
            let said = advice(&refused(word, description), Some(renewal)).unwrap_or_default();
            assert!(said.contains(part), "{description}: {said}");
        }
        assert_eq!(advice(&refused("invalid_request", "AADSTS900144: form"), None), None);
        assert!(may_pass(&refused("temporarily_unavailable", "AADSTS90033: later")));
        assert!(!may_pass(&refused("invalid_grant", "AADSTS700082: inactive")));
    }

    #[test]
    fn no_number_stands_twice() {
        assert!(NUMBERS.is_sorted_by(|(one, _), (next, _)| one < next));
    }
}
