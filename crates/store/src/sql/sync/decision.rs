//! The decision about an original: whether it has a copy, can have one, and who has to make way.

use std::collections::{BTreeMap, HashSet};

use tenantry_jobs::key;

use super::SyncStep;
use super::known::{EXTERNAL_ID_HOLDER, GONE, KnownRecords, Link, WantedCopy};
use super::page::Identity;
use super::write::Changes;
use crate::reader::RecordKey;
use tenantry_foundation::db::{DbError, Row, Tx, Value};
use tenantry_ledger::Installation;

/// What is done about an original.
pub(super) enum CopyDecision {
    Create,
    /// The record here that is its copy, or becomes it.
    Update(i64),
    LeaveOut(String),
}

/// A page being decided about.
pub(super) struct Deciding<'s> {
    pub(super) origin: Installation,
    pub(super) step: SyncStep,
    pub(super) here: &'s KnownRecords,
    /// Copies whose originals are there no more.
    pub(super) gone: &'s mut BTreeMap<RecordKey, Link>,
    pub(super) changes: &'s mut Changes,
    /// What records before it have that no other may have.
    pub(super) claimed: &'s mut HashSet<String>,
}

impl Deciding<'_> {
    /// What is done about the wanted record at that place of the page.
    pub(super) fn decision(
        &mut self,
        tx: &mut dyn Tx,
        wanted: &WantedCopy<'_>,
        at: usize,
    ) -> Result<CopyDecision, DbError> {
        let keys = wanted.keys();
        if keys.iter().any(|key| self.claimed.contains(key)) {
            return Ok(CopyDecision::LeaveOut(
                "a record before it has the same name".to_owned(),
            ));
        }
        let decision = self.decision_of(tx, wanted, at)?;
        if !matches!(decision, CopyDecision::LeaveOut(_)) {
            self.claimed.extend(keys);
        }
        Ok(decision)
    }

    fn decision_of(&mut self, tx: &mut dyn Tx, wanted: &WantedCopy<'_>, at: usize) -> Result<CopyDecision, DbError> {
        let holder = self.here.holders[at];
        if self.step == SyncStep::Seats {
            return Ok(holder.map_or(CopyDecision::Create, CopyDecision::Update));
        }
        let linked = wanted
            .link
            .map(|link| link.local)
            .filter(|id| self.here.records.contains_key(id));
        let decision = match (linked, holder) {
            (linked, Some(holder)) if linked != Some(holder) => {
                let of = self.copied_from(tx, wanted.owner, holder)?;
                let is_gone = of
                    .as_ref()
                    .is_some_and(|(key, version)| *version == GONE || self.gone.contains_key(key));
                match (linked, of) {
                    (None, None) => CopyDecision::Update(holder),
                    (None, Some((key, _))) if is_gone => {
                        self.gone.remove(&key);
                        self.changes.unlink(key);
                        CopyDecision::Update(holder)
                    }
                    (Some(_), None) => CopyDecision::LeaveOut("a record of this name here is no copy".to_owned()),
                    (linked, Some((key, _))) => {
                        self.changes.displace(holder, key);
                        linked.map_or(CopyDecision::Create, CopyDecision::Update)
                    }
                }
            }
            (Some(linked), _) => CopyDecision::Update(linked),
            (None, Some(holder)) => CopyDecision::Update(holder),
            (None, None) => CopyDecision::Create,
        };
        match (wanted.identity, decision) {
            (Some(identity), CopyDecision::Create) => self.obstacle(tx, wanted, identity, None),
            (Some(identity), CopyDecision::Update(id)) => self.obstacle(tx, wanted, identity, Some(id)),
            (_, decision) => Ok(decision),
        }
    }

    /// Whether something stands in a customer's way; who had its external id may have another by now.
    fn obstacle(
        &mut self,
        tx: &mut dyn Tx,
        wanted: &WantedCopy<'_>,
        identity: &Identity,
        id: Option<i64>,
    ) -> Result<CopyDecision, DbError> {
        let domains: Vec<Vec<Value>> = identity
            .domains
            .iter()
            .map(|one| vec![key::domain(one).as_ref().into()])
            .collect();
        let found = tx.query_each("SELECT customer FROM domains WHERE domain_key = $1", &domains)?;
        for (domain, rows) in identity.domains.iter().zip(found) {
            for row in rows {
                if Some(row.int(0)?) != id {
                    return Ok(CopyDecision::LeaveOut(format!(
                        "another customer here has the domain {domain}"
                    )));
                }
            }
        }
        let external = key::fold(wanted.record.get("external_id"));
        if !external.is_empty() {
            for row in tx.query(EXTERNAL_ID_HOLDER, &[external.as_ref().into()])? {
                let holder = row.int(0)?;
                if Some(holder) == id {
                    continue;
                }
                let Some((key, _)) = self.copied_from(tx, wanted.owner, holder)? else {
                    let external = wanted.record.get("external_id");
                    return Ok(CopyDecision::LeaveOut(format!(
                        "another customer here has the external id {external}"
                    )));
                };
                self.changes.displace(holder, key);
            }
        }
        Ok(id.map_or(CopyDecision::Create, CopyDecision::Update))
    }

    /// What a record here is a copy of, in the same store, and in which version.
    fn copied_from(&self, tx: &mut dyn Tx, owner: &str, local: i64) -> Result<Option<(RecordKey, i64)>, DbError> {
        let mut params: Vec<Value> = vec![
            self.origin.number().into(),
            self.step.object().as_str().into(),
            local.into(),
        ];
        let mut sql =
            "SELECT source, part, version FROM copies WHERE origin = $1 AND object = $2 AND local = $3".to_owned();
        if self.step == SyncStep::Users {
            // The holder of a user's name is a user of the same customer.
            params.push(owner.into());
            sql.push_str(" AND owner = $4");
        }
        let found = tx.query_first(&sql, &params)?;
        let of = |row: Row| {
            let key = RecordKey {
                id: row.text(0)?.to_owned(),
                part: row.text_or_empty(1)?.to_owned(),
            };
            Ok((key, row.int(2)?))
        };
        found.map(of).transpose()
    }
}
