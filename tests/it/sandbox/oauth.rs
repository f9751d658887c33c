//! Signing in, as clients do it that know nothing of the sandbox: they ask where to go, get a code or have one entered, and
//! renew their tokens.

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tenantry_sandbox::Options;

use super::{Here, Said};

const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters-0123";

/// Base 64 as addresses have it.
fn web(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut bits: Vec<u8> = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1))
        .collect();
    bits.resize(bits.len().div_ceil(6) * 6, 0);
    let digit = |six: &[u8]| DIGITS[six.iter().fold(0, |all, bit| all << 1 | usize::from(*bit))] as char;
    bits.chunks(6).map(digit).collect()
}

/// The claims of a token, whatever its signature.
fn claims(token: &str) -> Value {
    let coded = token.split('.').nth(1).expect("three parts");
    let value = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'-' => 62,
        _ => 63,
    };
    let bits: Vec<u8> = coded
        .bytes()
        .flat_map(|one| (0..6).rev().map(move |at| value(one) >> at & 1))
        .collect();
    let bytes: Vec<u8> = bits
        .chunks_exact(8)
        .map(|eight| eight.iter().fold(0, |all, bit| all << 1 | bit))
        .collect();
    serde_json::from_slice(&bytes).expect("JSON")
}

/// Where the browser of somebody who signs in is sent.
async fn sent_to(here: &Here, tenant: &str, query: &str) -> String {
    let client = Client::builder().redirect(Policy::none()).build().expect("a client");
    let asked = client.get(format!("{}/{tenant}/oauth2/v2.0/authorize?{query}", here.base));
    Here::send(asked).await.is(302).header("location").to_owned()
}

async fn form(here: &Here, path: &str, form: &str) -> Said {
    let request = here.client.post(format!("{}{path}", here.base));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    Here::send(request.body(form.to_owned())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_told_where_to_go() {
    let here = Here::new().await;
    for (tenant, version, middle) in [
        ("common", "/v2.0", "oauth2/v2.0"),
        ("organizations", "/v2.0", "oauth2/v2.0"),
        (super::OTHER_PARTNER, "/v2.0", "oauth2/v2.0"),
        ("common", "", "oauth2"),
    ] {
        let path = format!("/{tenant}{version}/.well-known/openid-configuration");
        let told = here.get(&path).await.is(200).json();
        assert_eq!(told["token_endpoint"], format!("{}/{tenant}/{middle}/token", here.base));
        assert_eq!(
            told["authorization_endpoint"],
            format!("{}/{tenant}/{middle}/authorize", here.base)
        );
        let keys = told["jwks_uri"].as_str().expect("an address");
        let keys = Here::send(here.client.get(keys)).await.is(200).json();
        assert_eq!(keys["keys"][0]["alg"], "ES256");
    }
    let instance = here
        .get("/common/discovery/instance?api-version=1.1")
        .await
        .is(200)
        .json();
    assert!(instance["tenant_discovery_endpoint"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_name_their_owner_and_their_audience() {
    let here = Here::new().await;
    let app = form(
        &here,
        "/common/oauth2/v2.0/token",
        "grant_type=client_credentials&client_id=app&client_secret=s&scope=https%3A%2F%2Fapi.example%2F.default",
    )
    .await;
    let said = claims(app.is(200).json()["access_token"].as_str().expect("a token"));
    assert_eq!(
        (&said["aud"], &said["appid"]),
        (&json!("https://api.example"), &json!("app"))
    );
    assert_eq!((&said["idtyp"], said.get("upn")), (&json!("app"), None));
    assert_eq!(
        said["exp"].as_i64().expect("seconds") - said["iat"].as_i64().expect("seconds"),
        3600
    );
    let user = here
        .log_in(
            super::OTHER_PARTNER,
            "grant_type=refresh_token&refresh_token=x&client_id=app&resource=https://r.example/",
        )
        .await;
    let user = user.is(200).json();
    let said = claims(user["access_token"].as_str().expect("a token"));
    assert_eq!(
        (&said["tid"], &said["aud"]),
        (&json!(super::OTHER_PARTNER), &json!("https://r.example"))
    );
    assert!(said["upn"].is_string() && said["oid"].is_string());
    assert_eq!(user["resource"], "https://r.example/");
    // What is for another service is not accepted here.
    let other = "grant_type=refresh_token&refresh_token=x&client_id=app&resource=https://graph.microsoft.com";
    let mut here = here;
    here.token = here.log_in("common", other).await.json()["access_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    assert_eq!(here.get("/v1/customers").await.refusal(), (401, 400));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_turned_into_tokens_once_by_its_own_client() {
    let mut here = Here::with(Options {
        client_secret: Some("right".to_owned()),
        ..Options::default()
    })
    .await;
    let challenge = web(&Sha256::digest(VERIFIER));
    let ask = format!(
        "client_id=app&response_type=code&redirect_uri=http%3A%2F%2Flocalhost%3A9%2Fback&scope=openid%20offline_access%20https%3A%2F%2Fapi.example%2Fuser_impersonation&state=s1&nonce=n1&code_challenge={challenge}&code_challenge_method=S256"
    );
    let code = async |here: &Here| {
        let there = sent_to(here, super::OTHER_PARTNER, &ask).await;
        let query = there
            .strip_prefix("http://localhost:9/back?")
            .expect("the address that was given");
        assert!(query.contains("state=s1"), "{query}");
        let code = query.split('&').find_map(|part| part.strip_prefix("code="));
        code.expect("a code").to_owned()
    };
    let redeem = |code: &str, client: &str, verifier: &str| {
        format!(
            "grant_type=authorization_code&client_id={client}&code={code}&redirect_uri=http%3A%2F%2Flocalhost%3A9%2Fback&code_verifier={verifier}&client_info=1"
        )
    };
    let token = "/organizations/oauth2/v2.0/token";
    for (client, verifier) in [("app", "another"), ("other", VERIFIER)] {
        let given = code(&here).await;
        let refused = form(&here, token, &redeem(&given, client, verifier))
            .await
            .is(400)
            .json();
        assert_eq!(refused["error"], "invalid_grant");
    }
    let given = code(&here).await;
    let got = form(&here, token, &redeem(&given, "app", VERIFIER))
        .await
        .is(200)
        .json();
    let again = form(&here, token, &redeem(&given, "app", VERIFIER))
        .await
        .is(400)
        .json();
    assert_eq!(again["error_codes"][0], 54_005);
    let id = claims(got["id_token"].as_str().expect("a token"));
    assert_eq!((&id["aud"], &id["nonce"]), (&json!("app"), &json!("n1")));
    assert_eq!(
        claims(got["access_token"].as_str().expect("a token"))["tid"],
        super::OTHER_PARTNER
    );
    assert!(got["client_info"].is_string());
    // A refresh token is for the application that has it, and its scopes stay.
    let refresh = got["refresh_token"].as_str().expect("a token");
    let renew = |client: &str| {
        format!("grant_type=refresh_token&client_id={client}&client_secret=right&refresh_token={refresh}")
    };
    let stolen = form(&here, token, &renew("other")).await.is(400).json();
    assert_eq!(stolen["error"], "invalid_grant");
    let renewed = form(&here, token, &renew("app")).await.is(200).json();
    assert_ne!(renewed["refresh_token"], got["refresh_token"]);
    assert_eq!(renewed["scope"], got["scope"]);
    assert_eq!(
        claims(renewed["access_token"].as_str().expect("a token"))["tid"],
        super::OTHER_PARTNER
    );
    here.token = renewed["access_token"].as_str().expect("a token").to_owned();
    here.get("/v1/customers").await.is(200);
    // Nobody is sent where a script would run.
    let bad = here
        .get("/common/oauth2/v2.0/authorize?client_id=app&response_type=code&redirect_uri=javascript:x")
        .await;
    assert_eq!(bad.is(400).json()["error"], "invalid_request");
    // Web applications ask for an identity at once, which comes in no query.
    let both = ask.replace("response_type=code", "response_type=code%20id_token");
    let there = sent_to(&here, "common", &both).await;
    let (_, fragment) = there.split_once("/back#").expect("a fragment");
    let id = fragment
        .split('&')
        .find_map(|part| part.strip_prefix("id_token="))
        .expect("a token");
    assert_eq!(claims(id)["nonce"], "n1");
    assert!(fragment.contains("code="));
    let form_post = here
        .get(&format!("/common/oauth2/v2.0/authorize?{both}&response_mode=form_post"))
        .await
        .is(200);
    assert!(form_post.text.contains("name=\"id_token\""));
    let late = code(&here).await;
    here.clock.advance(11 * 60 * 1000);
    let refused = form(&here, token, &redeem(&late, "app", VERIFIER)).await.is(400).json();
    assert_eq!(refused["error"], "invalid_grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_waits_until_its_code_is_entered() {
    let here = Here::new().await;
    for (begin, token, place, grant) in [
        (
            "oauth2/v2.0/devicecode",
            "oauth2/v2.0/token",
            "verification_uri",
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=",
        ),
        (
            "oauth2/devicecode",
            "oauth2/token",
            "verification_url",
            "grant_type=device_code&code=",
        ),
    ] {
        let begun = form(&here, &format!("/common/{begin}"), "client_id=app&scope=openid")
            .await
            .is(200)
            .json();
        let poll = format!(
            "{grant}{}&client_id=app",
            begun["device_code"].as_str().expect("a code")
        );
        let token = format!("/common/{token}");
        let waiting = form(&here, &token, &poll).await.is(400).json();
        assert_eq!(waiting["error"], "authorization_pending");
        let there = begun[place].as_str().expect("an address");
        assert!(begun["message"].as_str().is_some_and(|text| text.contains(there)));
        form(&here, "/devicelogin", "code=NOSUCHONE").await.is(404);
        let page = Here::send(here.client.get(there)).await.is(200);
        assert!(page.header("content-type").starts_with("text/html"));
        let code = begun["user_code"].as_str().expect("a code").to_lowercase();
        form(&here, "/devicelogin", &format!("code={code}")).await.is(200);
        let got = form(&here, &token, &poll).await.is(200).json();
        assert!(got["access_token"].is_string() && got["refresh_token"].is_string());
        form(&here, &token, &poll).await.is(400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_token_is_exchanged_as_it_was_done_at_first() {
    let mut here = Here::new().await;
    let request = here
        .client
        .post(format!("{}/generatetoken", here.base))
        .bearer_auth("from-the-directory");
    let got = Here::send(request.body("grant_type=jwt_token")).await.is(200).json();
    here.token = got["access_token"].as_str().expect("a token").to_owned();
    here.get("/v1/customers").await.is(200);
    assert_eq!(
        Here::send(here.client.post(format!("{}/generatetoken", here.base)))
            .await
            .status,
        401
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn https_is_spoken_at_the_same_port_in_both_versions_of_http() {
    let here = Here::with(Options {
        tls: true,
        ..Options::default()
    })
    .await;
    let pem = here.sandbox.authority().expect("an authority").to_owned();
    let port = here.base.rsplit(':').next().expect("a port").to_owned();
    let trusting = || Client::builder().tls_certs_only([Certificate::from_pem(pem.as_bytes()).expect("a certificate")]);
    for (client, version) in [
        (trusting().http1_only().build(), reqwest::Version::HTTP_11),
        (trusting().build(), reqwest::Version::HTTP_2),
    ] {
        let client = client.expect("a client");
        for host in ["localhost", "127.0.0.1"] {
            let path = format!("https://{host}:{port}/common/v2.0/.well-known/openid-configuration");
            let answer = client.get(&path).send().await.expect("an answer");
            assert_eq!(answer.version(), version);
            let told: Value = answer.json().await.expect("JSON");
            assert!(
                told["token_endpoint"]
                    .as_str()
                    .is_some_and(|place| place.starts_with(&format!("https://{host}:")))
            );
        }
    }
    // And without TLS as before, in the second version too if a client knows of it.
    here.get("/v1/customers").await.is(200);
    let second = Client::builder().http2_prior_knowledge().build().expect("a client");
    let answer = second
        .get(format!("{}/v1/customers", here.base))
        .bearer_auth(super::TOKEN)
        .send()
        .await
        .expect("an answer");
    assert_eq!(
        (answer.version(), answer.status().as_u16()),
        (reqwest::Version::HTTP_2, 200)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_and_a_password_get_the_token_of_a_user() {
    let here = Here::new().await;
    let asked = "grant_type=password&client_id=app&username=admin%40contoso.example&password=any&resource=";
    let path = "/contoso.onmicrosoft.com/oauth2/token";
    let ours = format!("{asked}https%3A%2F%2Fapi.partnercenter.microsoft.com");
    let answer = form(&here, path, &ours).await.is(200).json();
    let token = answer["access_token"].as_str().expect("a token");
    let users = here
        .client
        .get(format!("{}/v1/profiles/mpn", here.base))
        .bearer_auth(token);
    Here::send(users).await.is(200);
    // That is for another service, and the same is told as with any other grant.
    let theirs = form(&here, path, &format!("{asked}https%3A%2F%2Fgraph.windows.net")).await;
    let answer = theirs.is(200).json();
    let token = answer["access_token"].as_str().expect("a token");
    let customers = here
        .client
        .get(format!("{}/v1/customers", here.base))
        .bearer_auth(token);
    assert_eq!(Here::send(customers).await.refusal(), (401, 900_420));
    let nobody = form(&here, path, "grant_type=password&client_id=app&username=admin").await;
    assert_eq!(nobody.is(400).json()["error_codes"], json!([900_144]));
}
