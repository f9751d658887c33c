//! `tenantry sandbox`: a local server that speaks Partner Center's REST contract.

use std::io::{ErrorKind, Write};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde_json::json;
use tokio::net::TcpListener;

use super::{CommandEnd, output};
use crate::clock::Clock;
use crate::small_file::{self, LONGEST_BUNDLE};
use tenantry_sandbox::{InjectedFault, Options, PARTNER, Quirk, Sandbox};

#[derive(Debug, Args)]
pub(super) struct SandboxArgs {
    /// Port on the loopback interface [default: any free one]
    #[arg(long, value_name = "P", default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// SQLite file to keep the state in [default: a temporary one that goes with the process]
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// A bearer token to accept besides those issued; it stands for an application and a user
    #[arg(long, value_name = "T", hide_env_values = true, env = "TENANTRY_SANDBOX_TOKEN")]
    token: Option<String>,
    /// The client secret to insist on [default: any will do]
    #[arg(
        long,
        value_name = "S",
        hide_env_values = true,
        env = "TENANTRY_SANDBOX_CLIENT_SECRET"
    )]
    client_secret: Option<String>,
    /// How long issued tokens are good for
    #[arg(long, value_name = "TIME", default_value = "3600s", value_parser = duration)]
    token_life: Duration,
    /// Customers to begin with, each with users, seats and subscriptions
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    seed: u32,
    /// Free seats of each of them
    #[arg(long, value_name = "N", default_value_t = 3)]
    seats: u32,
    /// What ids, seeded customers and chance are drawn from, so that a run repeats
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed_value: u64,
    /// Behave as Microsoft's integration sandbox: 75 customers, 5 subscriptions of each, 25 seats of each; removed
    /// customers are gone
    #[arg(long)]
    integration: bool,
    /// Calls that a partner may make for one customer, e.g. 10/s
    #[arg(long, value_name = "N/s", value_parser = |text: &str| rate(text, "/s"))]
    rate_limit: Option<u32>,
    /// Calls that a partner may make in all, e.g. 500/min
    #[arg(long, value_name = "N/min", value_parser = |text: &str| rate(text, "/min"))]
    partner_rate_limit: Option<u32>,
    /// How long every answer takes at least; up to half as much comes on top
    #[arg(long, value_name = "TIME", default_value = "0s", hide_default_value = true, value_parser = duration)]
    latency: Duration,
    /// How long the fault slow-body takes
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = duration)]
    slow_body: Duration,
    /// What goes wrong with which probability, e.g. cut-after-commit=0.05; may be repeated. Faults: cut-before-commit,
    /// cut-after-commit, error-500, error-503, error-429, stale-etag, expired-token, slow-body, busy, forbidden, no-delegation, no-consent
    #[arg(long = "fault", value_name = "NAME=PROBABILITY", value_parser = fault)]
    faults: Vec<(InjectedFault, f64)>,
    /// Speak HTTPS as well, at the same port; the certificate of the authority that clients have to trust is written to
    /// this file, a new one at every start
    #[arg(long, value_name = "FILE")]
    tls: Option<PathBuf>,
    /// Oddity of the real service to show; may be repeated
    #[arg(long = "quirk", value_name = "NAME", value_enum)]
    quirks: Vec<Quirk>,
}

fn duration(text: &str) -> Result<Duration, String> {
    crate::config::parse_duration(text).ok_or_else(|| "expected a time such as `80ms`, `3600s` or `1h`".to_owned())
}

fn rate(text: &str, per: &str) -> Result<u32, String> {
    let number = text.strip_suffix(per).unwrap_or(text);
    let rate = number.parse().ok().filter(|rate| *rate > 0);
    rate.ok_or_else(|| format!("expected a number of calls such as `10{per}`"))
}

fn fault(text: &str) -> Result<(InjectedFault, f64), String> {
    let (name, probability) = text.split_once('=').ok_or("expected NAME=PROBABILITY")?;
    let fault = <InjectedFault as ValueEnum>::from_str(name, true).map_err(|_| {
        let all = InjectedFault::value_variants()
            .iter()
            .filter_map(InjectedFault::to_possible_value);
        let all: Vec<String> = all.map(|one| one.get_name().to_owned()).collect();
        format!(
            "there is no fault `{}`; there are {}",
            super::eyes::typed(name),
            all.join(", ")
        )
    })?;
    let probability = probability.parse().ok().filter(|p| (0.0..=1.0).contains(p));
    Ok((fault, probability.ok_or("a probability is between 0 and 1")?))
}

pub(super) async fn sandbox(args: SandboxArgs, json: bool) -> anyhow::Result<CommandEnd> {
    let stop = super::stop_signal()?;
    // It lives as long as this call does, and takes the state along.
    let temporary = tempfile::tempdir().context("no temporary directory can be made")?;
    let file = args.state.unwrap_or_else(|| temporary.path().join("sandbox.db"));
    let try_it = TryIt {
        token: args.token.clone(),
        client_secret: args.client_secret.clone(),
    };
    let options = Options {
        token: args.token,
        client_secret: args.client_secret,
        token_life: args.token_life,
        seed_value: args.seed_value,
        seats: args.seats,
        integration: args.integration,
        rate_limit: args.rate_limit,
        partner_rate_limit: args.partner_rate_limit,
        latency: args.latency,
        slow_body: args.slow_body,
        faults: args.faults,
        quirks: args.quirks,
        tls: args.tls.is_some(),
        ..Options::default()
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port))
        .await
        .with_context(|| format!("port {} cannot be listened on", args.port))?;
    let port = listener.local_addr()?.port();
    let sandbox = Sandbox::open(&format!("sqlite:{}", file.display()), options, Clock::system()).await?;
    if let (Some(path), Some(pem)) = (&args.tls, sandbox.authority()) {
        write_authority(path, pem)?;
    }
    let told = SandboxAddress {
        base: format!("http://127.0.0.1:{port}"),
        // A name, since some clients take none but names for the host of an authority.
        secure: args.tls.map(|path| (format!("https://localhost:{port}"), path)),
        state: &file,
        try_it,
        json,
    };
    let served = async {
        let seeded = sandbox.seed(args.seed).await?;
        told.print(seeded)?;
        sandbox.serve(listener, stop).await?;
        Ok(CommandEnd::Fine)
    };
    let served = served.await;
    sandbox.close().await;
    served
}

/// What clients have to say to the sandbox.
struct TryIt {
    token: Option<String>,
    client_secret: Option<String>,
}

impl TryIt {
    /// Commands for a shell: a token, a call, and `tenantry` with this sandbox in place of Partner Center.
    fn lines(&self, base: &str, login: &str) -> Vec<String> {
        let mut lines = if let Some(token) = &self.token {
            vec![format!("TOKEN={}", output::quoted(token))]
        } else {
            let secret = self.client_secret.as_ref().map_or(String::new(), |secret| {
                format!(
                    " --data-urlencode {}",
                    output::quoted(&format!("client_secret={secret}"))
                )
            });
            vec![
                format!(
                    "TOKEN=$(curl -s {login} -d 'grant_type=refresh_token&refresh_token=any&client_id=any'{secret} \\"
                ),
                r#"  | sed 's/.*"access_token":"\([^"]*\).*/\1/')"#.to_owned(),
            ]
        };
        lines.extend([
            format!("curl -H \"Authorization: Bearer $TOKEN\" '{base}/v1/customers?size=5'"),
            format!("export TENANTRY__PARTNER_CENTER__ENABLED=true TENANTRY__PARTNER_CENTER__API_URL={base}"),
            "export TENANTRY__PARTNER_CENTER__TOKEN=$TOKEN; tenantry migrate && tenantry customers".to_owned(),
        ]);
        lines
    }
}

/// Writes the certificate where clients look for it, over an older one and over nothing else.
fn write_authority(path: &Path, pem: &str) -> anyhow::Result<()> {
    let shown = path.display();
    match small_file::read(path, LONGEST_BUNDLE) {
        Ok(there) if !there.is_empty() && !there.starts_with(b"-----BEGIN CERTIFICATE-----") => {
            anyhow::bail!("{shown} is no certificate, and is not written over; name another file with --tls")
        }
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{shown} cannot be read, and is not written over"))
        }
        _ => std::fs::write(path, pem).with_context(|| format!("{shown} cannot be written")),
    }
}

/// Where the sandbox is.
struct SandboxAddress<'a> {
    base: String,
    /// The same over HTTPS, and the file of the authority's certificate.
    secure: Option<(String, PathBuf)>,
    state: &'a Path,
    try_it: TryIt,
    json: bool,
}

impl SandboxAddress<'_> {
    fn print(&self, seeded: u32) -> anyhow::Result<()> {
        let base = &self.base;
        let login = format!("{base}/{PARTNER}/oauth2/token");
        let mut out = output::out();
        if self.json {
            let mut document =
                json!({ "base_url": base, "token_endpoint": login, "state": self.state, "seeded": seeded });
            if let Some((secure, path)) = &self.secure {
                document["secure_base_url"] = secure.as_str().into();
                document["authority"] = json!(path);
            }
            writeln!(out, "{document}")?;
            return Ok(out.flush()?);
        }
        writeln!(out, "base URL        {base}")?;
        writeln!(out, "token endpoint  {login}")?;
        if let Some((secure, path)) = &self.secure {
            writeln!(out, "over HTTPS      {secure}")?;
            writeln!(out, "authority       {}", path.display())?;
        }
        writeln!(out, "for people      {base}/sandbox")?;
        writeln!(out, "state           {}", self.state.display())?;
        writeln!(out, "customers       {seeded} made")?;
        let mut title = "try";
        for line in self.try_it.lines(base, &login) {
            writeln!(out, "{title:<15} {line}")?;
            title = "";
        }
        Ok(out.flush()?)
    }
}
