//! Partner Center as a remote store.

use std::sync::{Arc, LazyLock};

use futures::FutureExt;
use futures::future::BoxFuture;
use tenantry_jobs::JobKind;

use super::auth::TokenExpiry;
use super::kinds::{self, Takes, takes};
use super::{CUSTOMERS_AT_ONCE, PartnerCenter, TITLE, TokenKind, undo};
use tenantry_ledger::Installation;
use tenantry_ledger::intents::DoneStep;
use tenantry_store::RowRequest;
use tenantry_store::reader::RecordReader;
use tenantry_store::remote::{CallWatch, Capabilities, Finding, RemoteSession, RemoteStanding, RemoteStore, StoreEnv};

static KINDS: LazyLock<Vec<&str>> = LazyLock::new(|| kinds::taken().collect());

impl RemoteStore for PartnerCenter {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn title(&self) -> &'static str {
        TITLE
    }

    fn section(&self) -> &'static str {
        "partner_center"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            kinds: &KINDS,
            makes_administrators: true,
            unkept_columns: kinds::unkept_columns,
        }
    }

    fn lacks(&self, job: &dyn JobKind) -> Option<String> {
        let is_enough = takes(job.kind()) == Takes::ByApplication;
        (!is_enough && !self.client.tokens().speak_for_users()).then(|| {
            format!(
                "`{}` needs a token of application and user: set `partner_center.refresh_token_file` or \
                 `partner_center.refresh_token_command`",
                job.kind()
            )
        })
    }

    fn installation(&self) -> Installation {
        self.origin
    }

    fn concurrency(&self) -> usize {
        self.concurrency
    }

    fn customers_at_once(&self) -> usize {
        CUSTOMERS_AT_ONCE
    }

    fn customer_of(&self, steps: &[DoneStep]) -> String {
        undo::Back::customer(steps)
    }

    fn open(&self, env: StoreEnv, rows: &[RowRequest<'_>]) -> Box<dyn RemoteSession> {
        Box::new(self.session(env, rows))
    }

    fn reader(&self) -> Option<Arc<dyn RecordReader>> {
        Some(Arc::new(self.records()))
    }

    fn health(&self) -> BoxFuture<'_, Vec<Finding>> {
        self.findings().boxed()
    }

    fn tick(&self) -> BoxFuture<'_, ()> {
        self.client.tokens().mind().boxed()
    }

    fn watched_by(&self, watch: Arc<dyn CallWatch>) {
        self.client.watched_by(watch);
    }

    fn standing(&self) -> BoxFuture<'_, RemoteStanding> {
        self.client.standing().boxed()
    }
}

impl PartnerCenter {
    /// Whether the application authenticates, and application and user.
    async fn findings(&self) -> Vec<Finding> {
        let finding = |fine, says| Finding {
            what: "partner center",
            fine,
            says,
        };
        let mut findings = Vec::new();
        for (token_kind, named) in [
            (TokenKind::App, "the application"),
            (TokenKind::AppAndUser, "application and user"),
        ] {
            findings.push(match self.check(token_kind).await {
                Ok(()) => finding(true, format!("authenticated as {named}")),
                Err(error) => finding(
                    false,
                    format!("{named}, at {}: {error}; check `partner_center`", self.client.address()),
                ),
            });
        }
        // After the check, which may have had it replaced.
        findings.extend(self.refresh_token().await.map(|standing| match standing {
            TokenExpiry::Good(says) => finding(true, says),
            TokenExpiry::Ending(says) => finding(false, says),
        }));
        findings
    }
}
