//! Authorization of an application by a person: by a code that is sent to the application's address, or by one that is shown on a
//! device and entered somewhere else.

use std::fmt::Write;

use serde_json::json;

use super::issue::{CODE_LIFE, Code, Device, TokensFor, no_randomness, refusal};
use super::token::TokenForm;
use super::{Endpoint, Version};
use crate::page::{escaped, page};
use crate::reply::HttpReply;
use crate::request::{HttpRequest, encoded};
use crate::{Shared, lock};

/// Letters of the code that somebody enters; those that look alike are left out.
const LETTERS: &[u8] = b"BCDFGHJKLMNPQRSTVWXZ23456789";
/// How often a device may ask, in seconds.
const INTERVAL: u64 = 5;

/// The parameters of a request, from its query or its form.
fn parameter<'r>(request: &'r HttpRequest, form: &'r TokenForm, name: &str) -> &'r str {
    match form.get(name) {
        "" => request.query(name).unwrap_or_default(),
        given => given,
    }
}

/// Whether a browser can be sent there without running what somebody wrote.
fn may_go(address: &str) -> bool {
    let scheme = address.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let named = scheme.len() < address.len()
        && !scheme.is_empty()
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    named && !["javascript", "data", "vbscript", "file"].contains(&scheme.as_str())
}

/// Sends a browser on, with these parameters.
fn go(address: &str, mode: &str, parameters: &[(&str, &str)]) -> HttpReply {
    let given = parameters.iter().filter(|(_, value)| !value.is_empty());
    if mode.eq_ignore_ascii_case("form_post") {
        let mut inputs = String::new();
        for (name, value) in given {
            let value = escaped(value);
            // Writing to a text cannot fail.
            let _ = write!(inputs, "<input type=\"hidden\" name=\"{name}\" value=\"{value}\">");
        }
        let form = format!(
            "<form method=\"post\" action=\"{}\">{inputs}<button>Go on to the application</button></form>",
            escaped(address)
        );
        return page("Signed in", &form);
    }
    let query: Vec<String> = given
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    let sign = match mode {
        "fragment" => "#",
        _ if address.contains('?') => "&",
        _ => "?",
    };
    HttpReply::empty(302).with("Location", format!("{address}{sign}{}", query.join("&")))
}

/// `GET {tenant}/oauth2/v2.0/authorize`: sends the browser back with a code at once.
pub(super) fn authorize(shared: &Shared, request: &HttpRequest, endpoint: &Endpoint, now: i64) -> HttpReply {
    let form = TokenForm::of(request);
    let given = |name: &str| parameter(request, &form, name);
    let (client, redirect) = (given("client_id"), given("redirect_uri"));
    if client.is_empty() {
        let text = "The request must contain the parameter 'client_id'.";
        return refusal(shared, request, 400, ("invalid_request", 900_144), text);
    }
    if !may_go(redirect) {
        let text = "The request must contain a 'redirect_uri' that can be gone to.";
        return refusal(shared, request, 400, ("invalid_request", 50_011), text);
    }
    let wants = |word: &str| given("response_type").split_whitespace().any(|one| one == word);
    // What holds a token is not put into a query.
    let mode = match given("response_mode") {
        "" if wants("id_token") => "fragment",
        mode => mode,
    };
    let back = |parameters: &[(&str, &str)]| go(redirect, mode, &[parameters, &[("state", given("state"))]].concat());
    if !wants("code") && !wants("id_token") {
        let text = "AADSTS700054: The response types 'code' and 'id_token' are enabled.";
        return back(&[("error", "unsupported_response_type"), ("error_description", text)]);
    }
    let who = TokensFor {
        client,
        audience: client,
        scope: given("scope"),
        partner: endpoint.partner(),
        user: true,
        nonce: given("nonce"),
        now,
    };
    let id = if wants("id_token") {
        super::issue::make(shared, request, &who).map(|made| made.id)
    } else {
        Some(String::new())
    };
    let Some(id) = id else {
        return back(&[("error", "temporarily_unavailable")]);
    };
    let Some(code) = super::issue::random(shared) else {
        return back(&[("error", "temporarily_unavailable")]);
    };
    let challenge = given("code_challenge");
    let method = match given("code_challenge_method") {
        "" => "plain",
        method => method,
    };
    let made = Code {
        client: client.to_owned(),
        redirect: redirect.to_owned(),
        challenge: (!challenge.is_empty()).then(|| (challenge.to_owned(), method.to_owned())),
        nonce: given("nonce").to_owned(),
        scope: given("scope").to_owned(),
        partner: endpoint.partner(),
        expires: now + CODE_LIFE,
    };
    let mut issued = lock(&shared.tokens);
    issued.sweep(now);
    issued.codes.insert(code.clone(), made);
    drop(issued);
    let session = shared.clock.fresh_id().to_string();
    let info = crate::oauth::jwt::web(
        json!({ "uid": session, "utid": endpoint.partner() })
            .to_string()
            .as_bytes(),
    );
    let info = if given("client_info") == "1" {
        info
    } else {
        String::new()
    };
    let code = if wants("code") { code.as_str() } else { "" };
    back(&[
        ("code", code),
        ("id_token", &id),
        ("session_state", &session),
        ("client_info", &info),
    ])
}

/// `GET {tenant}/adminconsent`: consent is always given.
pub(super) fn consent(request: &HttpRequest, endpoint: &Endpoint) -> HttpReply {
    let given = |name: &str| request.query(name).unwrap_or_default();
    if !may_go(given("redirect_uri")) {
        return page("Consent", "<p>Consent was given for the whole tenant.</p>");
    }
    let tenant = endpoint.partner().to_string();
    let said = [
        ("admin_consent", "True"),
        ("tenant", tenant.as_str()),
        ("state", given("state")),
    ];
    go(given("redirect_uri"), "query", &said)
}

/// `GET {tenant}/oauth2/v2.0/logout`.
pub(super) fn sign_out(request: &HttpRequest) -> HttpReply {
    let after = request.query("post_logout_redirect_uri").unwrap_or_default();
    if may_go(after) {
        return go(after, "query", &[("state", request.query("state").unwrap_or_default())]);
    }
    page("Signed out", "<p>You are signed out.</p>")
}

/// A code that a person can type.
fn user_code(secret: &str) -> String {
    let pairs = secret.as_bytes().chunks(2).take(9);
    let number = |pair: &[u8]| {
        std::str::from_utf8(pair)
            .ok()
            .and_then(|pair| usize::from_str_radix(pair, 16).ok())
    };
    pairs
        .filter_map(number)
        .map(|number| char::from(LETTERS[number % LETTERS.len()]))
        .collect()
}

/// `POST {tenant}/oauth2/v2.0/devicecode`.
pub(super) fn device_code(shared: &Shared, request: &HttpRequest, endpoint: &Endpoint, now: i64) -> HttpReply {
    let form = TokenForm::of(request);
    let client = parameter(request, &form, "client_id").to_owned();
    if client.is_empty() {
        let text = "The request body must contain the parameter 'client_id'.";
        return refusal(shared, request, 400, ("invalid_request", 900_144), text);
    }
    let made = super::issue::random(shared).zip(super::issue::random(shared));
    let Some((device_code, secret)) = made else {
        return no_randomness(shared, request);
    };
    let user_code = user_code(&secret);
    let device = Device {
        user_code: user_code.clone(),
        approved: None,
        code: Code {
            client,
            redirect: String::new(),
            challenge: None,
            nonce: String::new(),
            scope: parameter(request, &form, "scope").to_owned(),
            partner: endpoint.partner(),
            expires: now + CODE_LIFE,
        },
    };
    let mut issued = lock(&shared.tokens);
    issued.sweep(now);
    issued.devices.insert(device_code.clone(), device);
    drop(issued);
    let place = format!("{}/devicelogin", request.base);
    let life = CODE_LIFE / 1000;
    let message = format!(
        "To sign in, use a web browser to open the page {place} and enter the code {user_code} to authenticate."
    );
    HttpReply::ok(match endpoint.version {
        Version::One => json!({
            "user_code": user_code, "device_code": device_code, "verification_url": place,
            "expires_in": life.to_string(), "interval": INTERVAL.to_string(), "message": message,
        }),
        Version::Two => json!({
            "user_code": user_code, "device_code": device_code, "verification_uri": place,
            "expires_in": life, "interval": INTERVAL, "message": message,
        }),
    })
}

/// `GET` and `POST devicelogin`: where the person enters the code, and so lets the device in.
pub(super) fn enter_code(shared: &Shared, request: &HttpRequest, now: i64) -> HttpReply {
    if !request.is_local() {
        let mut answer = page("Enter the code of a device", "<p>Only this machine may do that.</p>");
        answer.status = 403;
        return answer;
    }
    let form = TokenForm::of(request);
    let ask = "<form method=\"post\" action=\"/devicelogin\"><label>Code <input name=\"code\"></label> \
               <button>Let the device in</button> <button name=\"declined\" value=\"yes\">Decline</button></form>";
    let given = [form.get("code"), form.get("otc"), form.get("user_code")]
        .into_iter()
        .find(|code| !code.is_empty());
    let Some(given) = given else {
        return page("Enter the code of a device", ask);
    };
    let given = given.trim().to_ascii_uppercase();
    let mut issued = lock(&shared.tokens);
    issued.sweep(now);
    let waiting = issued.devices.values_mut().find(|device| device.user_code == given);
    let Some(device) = waiting else {
        let mut answer = page(
            "Enter the code of a device",
            &format!("<p>There is no such code.</p>{ask}"),
        );
        answer.status = 404;
        return answer;
    };
    let approved = form.get("declined").is_empty();
    device.approved = Some(approved);
    let text = if approved {
        "<p>The device is let in.</p>"
    } else {
        "<p>The device is not let in.</p>"
    };
    page("Enter the code of a device", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_sent_to_addresses_only() {
        assert!(may_go("http://localhost:9000/back") && may_go("msal1234://auth"));
        assert!(!may_go("javascript:alert(1)") && !may_go("/back") && !may_go(""));
    }

    #[test]
    fn parameters_go_where_the_mode_says() {
        let there = |address: &str, mode: &str| {
            go(address, mode, &[("code", "a b"), ("state", "")]).headers[0]
                .1
                .clone()
        };
        assert_eq!(there("http://a/b", ""), "http://a/b?code=a%20b");
        assert_eq!(there("http://a/b?x=1", "query"), "http://a/b?x=1&code=a%20b");
        assert_eq!(there("http://a/b", "fragment"), "http://a/b#code=a%20b");
    }
}
