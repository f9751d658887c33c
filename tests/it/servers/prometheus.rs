//! A real Prometheus.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::nursery::Process;
use super::{ServerDirectory, eventually, free_port, install};

/// A Prometheus server that scrapes every second.
#[derive(Debug)]
pub(crate) struct Prometheus {
    // Declared first: the process is gone before its directory is removed.
    _process: Process,
    port: u16,
    _directory: ServerDirectory,
}

impl Prometheus {
    /// Starts one that scrapes `targets` with a bearer token and goes by the rules in a file.
    pub(crate) async fn start(targets: &[String], token: &str, rules: &Path) -> Self {
        let program = install::program("prometheus", "prometheus");
        loop {
            let directory = ServerDirectory::create("prometheus");
            let port = free_port();
            let config = directory.path().join("prometheus.yml");
            let text = format!(
                "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [\"{}\"]\nscrape_configs:\n  \
                 - job_name: tenantry\n    authorization: {{ credentials: {token:?} }}\n    static_configs: [{{ targets: {targets:?} }}]\n",
                rules.display()
            );
            std::fs::write(&config, text).expect("a configuration");
            let log = File::create(directory.path().join("log")).expect("a log file");
            let mut command = Command::new("setpriv");
            command
                .args(["--pdeathsig", "KILL", "--"])
                .arg(&program)
                .arg(format!("--config.file={}", config.display()))
                .arg(format!(
                    "--storage.tsdb.path={}",
                    directory.path().join("data").display()
                ))
                .arg(format!("--web.listen-address=127.0.0.1:{port}"))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log);
            let mut process = Process::spawn(command);
            let ready = format!("http://127.0.0.1:{port}/-/ready");
            let up = eventually("Prometheus to be ready", async || {
                if !process.is_running() {
                    return Some(false);
                }
                let answer = client().get(&ready).send().await.ok()?;
                answer.status().is_success().then_some(true)
            })
            .await;
            if up {
                return Self {
                    _process: process,
                    port,
                    _directory: directory,
                };
            }
        }
    }

    /// What it answers to a question of its API; the error it has told of, if it has.
    async fn api(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, String> {
        let answer = client()
            .get(format!("http://127.0.0.1:{}/api/v1/{path}", self.port))
            .query(query)
            .send()
            .await;
        let answer: Value = answer.expect("an answer").json().await.expect("JSON");
        match answer["status"].as_str() {
            Some("success") => Ok(answer["data"].clone()),
            _ => Err(answer["error"].to_string()),
        }
    }

    /// Values of an expression now, each with its labels.
    pub(crate) async fn query(&self, expression: &str) -> Result<Vec<(Value, f64)>, String> {
        let data = self.api("query", &[("query", expression)]).await?;
        let values = data["result"].as_array().cloned().unwrap_or_default();
        let value = |one: &Value| {
            let number = one["value"][1].as_str().and_then(|number| number.parse().ok());
            (one["metric"].clone(), number.expect("a number"))
        };
        Ok(values.iter().map(value).collect())
    }

    /// Its alert rules, as it sees them.
    pub(crate) async fn rules(&self) -> Vec<Value> {
        let data = self.api("rules", &[]).await.expect("rules");
        let groups = data["groups"].as_array().expect("groups");
        groups
            .iter()
            .flat_map(|group| group["rules"].as_array().expect("rules").clone())
            .collect()
    }
}

/// A client for plain HTTP. It insists on knowing how it would encrypt.
pub(crate) fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// What Prometheus' own checker has to say about a text of metrics; nothing if all is well.
pub(crate) fn checked(metrics: &str) -> String {
    use std::io::Write;
    let program = install::program("promtool", "prometheus");
    let mut child = Command::new(program)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    let mut input = child.stdin.take().expect("an input");
    input.write_all(metrics.as_bytes()).expect("written");
    drop(input);
    let ended = child.wait_with_output().expect("it ends");
    let said = [ended.stdout, ended.stderr].concat();
    String::from_utf8_lossy(&said).into_owned()
}
