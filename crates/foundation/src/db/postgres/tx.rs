//! One transaction on a PostgreSQL connection. What begins it, and what nobody needs an answer to, is sent together with the
//! statement after it (see [`unanswered`](super::unanswered)).

mod locks;

use std::borrow::Cow;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use futures::SinkExt;
use futures::future::{join, ready, try_join_all};
use tokio::runtime::Handle;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

use super::super::{Alone, Batch, ConnectOptions, DbError, Dialect, Row, Tx, Value, exactly};
use super::Connected;
use super::unanswered::{Unanswered, poll_once};
use super::wire::{borrowed, cells, change_over_sets, columns, copy_bound, put_cell, query_over_sets, row, sql};

/// Statements in flight at once when one is run many times.
const PIPELINE: usize = 256;
/// Parameter sets of a query or change that is asked for many times at once.
const SETS: usize = 2048;
/// Fewer parameter sets than this are sent one by one: the statement for all has two settings beside it, and as small a job
/// should need nothing more than its statements.
const MANY: usize = 5;
/// A plan is kept as long as the connection, and may have been made when a table was next to empty. Rows that are named by
/// their keys are always found by index. Each holds until the other one is sent, or the transaction ends.
const BY_INDEX: &str = "SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true)";
const BY_ANY_WAY: &str = "SELECT set_config('enable_seqscan', NULL, true), set_config('enable_hashjoin', NULL, true),
    set_config('enable_mergejoin', NULL, true)";
/// Bytes of COPY data handed over at a time.
const COPY_PIECE: usize = 64 * 1024;
/// Statements kept prepared per connection. Their texts are few; this is a bound in case they are not.
const MOST_STATEMENTS: usize = 500;

pub(super) struct PgTx {
    connected: Connected,
    runtime: Handle,
    options: ConnectOptions,
    /// What was sent without waiting for its answer.
    unanswered: Unanswered,
    /// Whether the server has been told that a transaction begins.
    begun: bool,
    /// Whether a statement failed that was not waited for: nothing after it counts, whatever the work makes of the error.
    lost: bool,
    /// Whether statements find rows by index only, at the moment.
    by_index: bool,
}

impl PgTx {
    pub(super) fn new(connected: Connected, runtime: Handle, options: ConnectOptions) -> Self {
        Self {
            connected,
            runtime,
            options,
            unanswered: Unanswered::default(),
            begun: false,
            lost: false,
            by_index: false,
        }
    }

    /// Runs `work` in a transaction, or over a read-only snapshot.
    pub(super) fn transact<T>(
        mut self,
        work: impl FnOnce(&mut dyn Tx) -> Result<T, DbError>,
        write: bool,
    ) -> (Connected, Result<T, DbError>) {
        let begin = if write {
            "BEGIN"
        } else {
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        };
        match self.connected.pooled.clone() {
            None => self.later(begin),
            Some(settings) => self.later(format!("{begin}; {settings}")),
        }
        let done = catch_unwind(AssertUnwindSafe(|| work(&mut self))).unwrap_or_else(|_| {
            Err(DbError::Broken(
                "the work ended in a panic; nothing of it was kept".to_owned(),
            ))
        });
        let done = done.and_then(|value| self.commit(write).map(|()| value));
        if done.is_err() && self.begun {
            self.forget_statements();
            // If this fails the connection is gone, and the server has rolled back by itself.
            let _ = self.runtime.block_on(self.connected.client.batch_execute("ROLLBACK"));
        }
        (self.connected, done)
    }

    fn commit(&mut self, write: bool) -> Result<(), DbError> {
        if self.lost {
            return Err(DbError::Broken(
                "the work went on after a statement had failed".to_owned(),
            ));
        }
        if !self.begun && self.unanswered.is_one() {
            return Ok(());
        }
        if self.connected.pooled.is_some() {
            self.wait(ready(()))?;
            self.forget_statements();
        }
        if !write {
            // The next user of the connection comes after it, and it has nothing to tell.
            let client = &self.connected.client;
            self.runtime.block_on(poll_once(client.batch_execute("COMMIT")));
            self.begun = false;
            return Ok(());
        }
        let ended = self.batch("COMMIT");
        // One that failed before has made a rollback of it.
        self.begun = false;
        ended
    }

    /// Behind a pooler: has the server forget what was prepared, as the session may be another program's after the transaction.
    fn forget_statements(&mut self) {
        if self.connected.pooled.is_some() {
            drop(self.unanswered.take());
            self.connected.statements.clear();
        }
    }

    /// Waits for `run`, and for the answers to what was sent before. Of several errors the first is the cause of the rest.
    fn wait<T>(&mut self, run: impl Future<Output = T>) -> Result<T, DbError> {
        let unanswered = self.unanswered.take();
        self.begun = true;
        let (answers, done) = self.runtime.block_on(join(unanswered.all(), run));
        if let Err(error) = answers {
            self.lost = true;
            return Err(error);
        }
        Ok(done)
    }

    /// Sends a statement with the next one.
    fn later(&mut self, text: impl Into<Cow<'static, str>>) {
        let (client, text) = (Arc::clone(&self.connected.client), text.into());
        self.unanswered
            .push(async move { client.batch_execute(&text).await.map_err(|error| sql(&error)) });
    }

    /// Sends `run`, a statement whose plan is made under the settings that `by_index` asks for, with the next one.
    fn run_later(
        &mut self,
        by_index: bool,
        run: impl Future<Output = Result<(), DbError>> + Send + 'static,
    ) -> Result<(), DbError> {
        if self.unanswered.is_full() {
            self.wait(ready(()))?;
        }
        if let Some(settings) = self.settings(by_index)? {
            let client = Arc::clone(&self.connected.client);
            self.unanswered.push(async move {
                let set = client.execute(&settings, &[]).await;
                set.map(drop).map_err(|error| sql(&error))
            });
            self.by_index = by_index;
        }
        self.unanswered.push(run);
        Ok(())
    }

    fn batch(&mut self, text: &str) -> Result<(), DbError> {
        let client = Arc::clone(&self.connected.client);
        self.wait(client.batch_execute(text))?.map_err(|error| sql(&error))
    }

    fn statement(&mut self, text: &str) -> Result<Statement, DbError> {
        if let Some(statement) = self.connected.statements.get(text) {
            return Ok(statement.clone());
        }
        if self.connected.statements.len() >= MOST_STATEMENTS {
            self.connected.statements.clear();
        }
        let client = Arc::clone(&self.connected.client);
        let statement = self.wait(client.prepare(text))?.map_err(|error| sql(&error))?;
        self.connected.statements.insert(text.to_owned(), statement.clone());
        Ok(statement)
    }

    /// A statement for many parameter sets, each parameter an array.
    fn over_sets(&mut self, text: &str) -> Result<Statement, DbError> {
        let types = self.statement(text)?.params().to_vec();
        self.statement(&change_over_sets(text, &types)?)
    }

    /// Runs a statement for many parameter sets, whose rows are found by index.
    fn over_all<T>(
        &mut self,
        sets: &[Vec<Value>],
        run: impl AsyncFnOnce(&Client, &[&(dyn ToSql + Sync)]) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, DbError> {
        let columns = columns(sets);
        self.planned(true, &borrowed(&columns), run)
    }

    /// Runs a statement under the settings that its plan is to be made with, which are sent just before it if they are others now.
    fn planned<T>(
        &mut self,
        by_index: bool,
        params: &[&(dyn ToSql + Sync)],
        run: impl AsyncFnOnce(&Client, &[&(dyn ToSql + Sync)]) -> Result<T, tokio_postgres::Error>,
    ) -> Result<T, DbError> {
        let settings = self.settings(by_index)?;
        let client = Arc::clone(&self.connected.client);
        let run = run(&client, params);
        let done = match settings {
            None => self.wait(run)?,
            Some(settings) => {
                let (set, done) = self.wait(join(client.execute(&settings, &[]), run))?;
                set.map_err(|error| sql(&error))?;
                self.by_index = by_index;
                done
            }
        };
        done.map_err(|error| sql(&error))
    }

    /// What sets how plans are made, if that is to be another way than now.
    fn settings(&mut self, by_index: bool) -> Result<Option<Statement>, DbError> {
        match (self.by_index, by_index) {
            (false, true) => self.statement(BY_INDEX).map(Some),
            (true, false) => self.statement(BY_ANY_WAY).map(Some),
            _ => Ok(None),
        }
    }

    /// Sends a statement with the next one; `check` is given the number of rows that it changed.
    fn send_one(
        &mut self,
        text: &str,
        params: Vec<Value>,
        check: impl FnOnce(u64) -> Result<(), DbError> + Send + 'static,
    ) -> Result<(), DbError> {
        let (statement, client) = (self.statement(text)?, Arc::clone(&self.connected.client));
        self.run_later(false, async move {
            let changed = client.execute_raw(&statement, &params).await;
            check(changed.map_err(|error| sql(&error))?)
        })
    }

    /// Sends a statement for many parameter sets with the next one; `check` is given the number of rows changed and of sets.
    fn send_sets(
        &mut self,
        text: &str,
        params: Vec<Vec<Value>>,
        check: impl Fn(u64, usize) -> Result<(), DbError> + Copy + Send + 'static,
    ) -> Result<(), DbError> {
        if params.len() < MANY {
            let mut params = params.into_iter();
            return params.try_for_each(|params| self.send_one(text, params, move |changed| check(changed, 1)));
        }
        if params.len() > SETS {
            return check(self.exec_all(text, &params)?, params.len());
        }
        let (statement, client) = (self.over_sets(text)?, Arc::clone(&self.connected.client));
        self.run_later(true, async move {
            let changed = client.execute_raw(&statement, columns(&params)).await;
            check(changed.map_err(|error| sql(&error))?, params.len())
        })?;
        self.begun = true;
        self.runtime.block_on(self.unanswered.begin());
        Ok(())
    }

    /// Sends the rows of `batch` by COPY. How long that may take stands in the statement, for [`END_STOPPED`](super::END_STOPPED).
    fn copy(&mut self, into: &str, batch: &Batch) -> Result<Result<(), tokio_postgres::Error>, DbError> {
        let client = Arc::clone(&self.connected.client);
        let bound = copy_bound(self.options.idle_transaction, batch.len()).as_millis();
        let text = format!("/* within {bound} ms */ COPY {into} FROM STDIN (FORMAT binary)");
        self.wait(async {
            let sink = client.copy_in::<_, Bytes>(&text).await?;
            let mut sink = std::pin::pin!(sink);
            let mut buffer = BytesMut::with_capacity(COPY_PIECE + 4096);
            buffer.put_slice(b"PGCOPY\n\xff\r\n\0");
            buffer.put_i32(0);
            buffer.put_i32(0);
            for position in 0..batch.len() {
                buffer.put_i16(batch.width() as i16);
                for cell in batch.row(position) {
                    put_cell(&mut buffer, cell);
                }
                if buffer.len() >= COPY_PIECE {
                    sink.send(buffer.split().freeze()).await?;
                }
            }
            buffer.put_i16(-1);
            sink.send(buffer.freeze()).await?;
            sink.finish().await.map(drop)
        })
    }
}

impl Tx for PgTx {
    fn dialect(&self) -> Dialect {
        Dialect::Postgres
    }

    fn exec(&mut self, text: &str, params: &[Value]) -> Result<u64, DbError> {
        let statement = self.statement(text)?;
        self.planned(false, &borrowed(params), async |client, params| {
            client.execute(&statement, params).await
        })
    }

    fn query(&mut self, text: &str, params: &[Value]) -> Result<Vec<Row>, DbError> {
        let statement = self.statement(text)?;
        let rows = self.planned(false, &borrowed(params), async |client, params| {
            client.query(&statement, params).await
        })?;
        rows.iter().map(row).collect()
    }

    fn exec_each(&mut self, text: &str, params: &[Vec<Value>]) -> Result<Vec<u64>, DbError> {
        if params.is_empty() {
            return Ok(Vec::new());
        }
        let statement = self.statement(text)?;
        let client = Arc::clone(&self.connected.client);
        let mut changed = Vec::with_capacity(params.len());
        for part in params.chunks(PIPELINE) {
            let sent = part.iter().map(|params| client.execute_raw(&statement, params));
            changed.extend(self.wait(try_join_all(sent))?.map_err(|error| sql(&error))?);
        }
        Ok(changed)
    }

    fn send(&mut self, text: &str, params: &[Value]) -> Result<(), DbError> {
        self.send_one(text, params.to_vec(), |_| Ok(()))
    }

    fn send_all(&mut self, text: &str, params: Vec<Vec<Value>>) -> Result<(), DbError> {
        self.send_sets(text, params, |_, _| Ok(()))
    }

    fn send_each(&mut self, text: &str, params: Vec<Vec<Value>>, otherwise: fn() -> DbError) -> Result<(), DbError> {
        self.send_sets(text, params, move |changed, wanted| exactly(changed, wanted, otherwise))
    }

    /// One statement joined to all parameter sets: a statement each costs the server more than most changes do.
    fn exec_all(&mut self, text: &str, params: &[Vec<Value>]) -> Result<u64, DbError> {
        if params.len() < MANY {
            return Ok(self.exec_each(text, params)?.into_iter().sum());
        }
        let statement = self.over_sets(text)?;
        let mut changed = 0;
        for sets in params.chunks(SETS) {
            changed += self.over_all(sets, async |client, columns| client.execute(&statement, columns).await)?;
        }
        Ok(changed)
    }

    fn exec_all_returning(&mut self, text: &str, params: &[Vec<Value>]) -> Result<Vec<Row>, DbError> {
        let mut returned = Vec::with_capacity(params.len());
        if params.len() < MANY {
            for set in params {
                returned.extend(self.query(text, set)?);
            }
            return Ok(returned);
        }
        let statement = self.over_sets(text)?;
        for sets in params.chunks(SETS) {
            let rows = self.over_all(sets, async |client, columns| client.query(&statement, columns).await)?;
            for one in &rows {
                returned.push(row(one)?);
            }
        }
        Ok(returned)
    }

    /// One query joined to all parameter sets, for a round trip each would cost more than most queries do.
    fn query_each(&mut self, text: &str, params: &[Vec<Value>]) -> Result<Vec<Vec<Row>>, DbError> {
        let mut found = Vec::with_capacity(params.len());
        for sets in params.chunks(SETS) {
            let statement = self.statement(&query_over_sets(text, &sets[0]))?;
            let rows = self.over_all(sets, async |client, columns| client.query(&statement, columns).await)?;
            let first = found.len();
            found.resize_with(first + sets.len(), Vec::new);
            for one in &rows {
                add_to_its_set(&mut found[first..], one)?;
            }
        }
        Ok(found)
    }

    fn query_all(&mut self, queries: &[(&str, &[Vec<Value>])]) -> Result<Vec<Vec<Vec<Row>>>, DbError> {
        if queries.iter().any(|(_, sets)| sets.is_empty() || sets.len() > SETS) {
            let queries = queries.iter();
            return queries.map(|(text, sets)| self.query_each(text, sets)).collect();
        }
        let mut asked = Vec::with_capacity(queries.len());
        for (text, sets) in queries {
            asked.push((self.statement(&query_over_sets(text, &sets[0]))?, columns(sets)));
        }
        let answers = self.planned(true, &[], async |client, _| {
            let sent = asked
                .iter()
                .map(async |(statement, columns)| client.query(statement, &borrowed(columns)).await);
            try_join_all(sent).await
        })?;
        let answers = answers.iter().zip(queries);
        answers
            .map(|(rows, (_, sets))| {
                let mut found = vec![Vec::new(); sets.len()];
                for one in rows {
                    add_to_its_set(&mut found, one)?;
                }
                Ok(found)
            })
            .collect()
    }

    fn fresh_keys(&mut self, table: &str, column: &str, count: usize) -> Result<Vec<i64>, DbError> {
        let keys = self.fresh_keys_of(&[(table, column)], count)?;
        Ok(keys.into_iter().next().unwrap_or_default())
    }

    fn fresh_keys_of(&mut self, of: &[(&str, &str)], count: usize) -> Result<Vec<Vec<i64>>, DbError> {
        let of: Vec<Vec<Value>> = of
            .iter()
            .map(|(table, column)| vec![(*table).into(), (*column).into(), (count as u64).into()])
            .collect();
        // The sequence is looked up once, and not for each key.
        let found = self.query_each(
            "SELECT nextval(of.sequence) FROM (SELECT CAST(pg_get_serial_sequence($1, $2) AS regclass) AS sequence OFFSET 0) AS of,
               generate_series(1, $3)",
            &of,
        )?;
        let sorted = |keys: Vec<Row>| {
            let mut keys: Vec<i64> = keys.iter().map(|key| key.int(0)).collect::<Result<_, _>>()?;
            keys.sort_unstable();
            Ok(keys)
        };
        found.into_iter().map(sorted).collect()
    }

    fn insert(&mut self, table: &str, columns: &[&str], batch: &Batch) -> Result<(), DbError> {
        self.copy(&format!("{table} ({})", columns.join(", ")), batch)?
            .map_err(|error| sql(&error))
    }

    fn lock(&mut self, table: &str, ids: &[i64]) -> Result<(), DbError> {
        self.lock_rows(table, ids)
    }

    fn alone_with(&mut self, what: Alone) -> Result<(), DbError> {
        // Any numbers would do as long as every tenantry uses the same ones.
        let number = what as i32;
        self.wait_for(&format!("SELECT pg_advisory_xact_lock(8026014, {number})"), &[])
    }

    fn attempt(&mut self, work: &mut dyn FnMut(&mut dyn Tx) -> Result<(), DbError>) -> Result<(), DbError> {
        // What was sent before, and not answered yet, is no part of it.
        if self.unanswered.is_empty() {
            self.later("SAVEPOINT attempt");
        } else {
            self.batch("SAVEPOINT attempt")?;
        }
        let (by_index, lost) = (self.by_index, self.lost);
        let done = work(self).and_then(|()| self.batch("RELEASE attempt"));
        if done.is_err() {
            // Sent by now, with the savepoint; what they say is rolled back, and so are settings.
            let _ = self.wait(ready(()));
            (self.by_index, self.lost) = (by_index, lost);
            self.batch("ROLLBACK TO attempt; RELEASE attempt")?;
        }
        done
    }

    /// COPY straight into the table; only a batch that meets a conflict is sent as arrays. A temporary table would do as well,
    /// but the first that a connection makes has all others of the database plan everything anew.
    fn insert_new(&mut self, table: &str, columns: &[&str], batch: &Batch) -> Result<Vec<usize>, DbError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let columns = columns.join(", ");
        self.batch("SAVEPOINT copy")?;
        match self.copy(&format!("{table} ({columns})"), batch)? {
            Ok(()) => {
                self.later("RELEASE copy");
                return Ok(Vec::new());
            }
            Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => self.batch("ROLLBACK TO copy")?,
            Err(error) => return Err(sql(&error)),
        }
        let places: Vec<String> = (1..=batch.width()).map(|at| format!("${at}")).collect();
        let id = columns.split(", ").next().unwrap_or("id");
        let one = format!(
            "INSERT INTO {table} ({columns}) VALUES ({}) ON CONFLICT DO NOTHING RETURNING {id}",
            places.join(", ")
        );
        let all = self.over_sets(&one)?;
        let mut inserted = HashSet::new();
        for first in (0..batch.len()).step_by(SETS) {
            let cells = cells(batch, first..batch.len().min(first + SETS));
            let client = Arc::clone(&self.connected.client);
            let rows = self.wait(client.query(&all, &borrowed(&cells)))?;
            for one in rows.map_err(|error| sql(&error))? {
                inserted.insert(row(&one)?.int(0)?);
            }
        }
        Ok((0..batch.len())
            .filter(|position| !inserted.contains(&batch.id(*position)))
            .collect())
    }
}

/// Adds a row, which begins with the number of its parameter set, to what was found for that.
fn add_to_its_set(found: &mut [Vec<Row>], one: &tokio_postgres::Row) -> Result<(), DbError> {
    let mut one = row(one)?;
    match one.0.remove(0) {
        Value::Int(set) => found[set as usize - 1].push(one),
        _ => return Err(DbError::Broken("a row belongs to no parameter set".to_owned())),
    }
    Ok(())
}
