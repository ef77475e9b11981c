//! A consumer that shares the partitions of its topics with the other members of a group.
//!
//! Heartbeats are sent from [`GroupConsumer::poll`]: a caller that stops polling for longer than
//! the session timeout loses its partitions, which is right, because it does not process them.

use std::{collections::BTreeMap, time::Duration};

use klamm_protocol::ErrorCode;
use tokio::time::{Instant, timeout_at};

use crate::{
    Client, ClientError, FetchOptions, Fetcher, Record, TopicPartition, membership::Membership,
};

/// How a member takes part in its group.
#[derive(Debug, Clone)]
pub struct GroupOptions {
    /// The group's id.
    pub group: String,
    /// The topics.
    pub topics: Vec<String>,
    /// The name of a static member (KIP-345).
    pub instance_id: Option<String>,
    /// After how long without a heartbeat the member is dropped (`session.timeout.ms`).
    pub session_timeout: Duration,
    /// How long a rebalance waits for this member (`max.poll.interval.ms`).
    pub rebalance_timeout: Duration,
    /// How often a heartbeat is sent (`heartbeat.interval.ms`).
    pub heartbeat_interval: Duration,
    /// How records are fetched. Its `reset` says where a group without offsets begins.
    pub fetch: FetchOptions,
}

impl GroupOptions {
    /// Kafka's defaults.
    pub fn new(group: impl Into<String>, topics: Vec<String>) -> Self {
        Self {
            group: group.into(),
            topics,
            instance_id: None,
            session_timeout: Duration::from_secs(45),
            rebalance_timeout: Duration::from_secs(300),
            heartbeat_interval: Duration::from_secs(3),
            fetch: FetchOptions::default(),
        }
    }
}

/// A member of a group.
#[derive(Debug)]
pub struct GroupConsumer {
    client: Client,
    options: GroupOptions,
    member: Membership,
    fetcher: Fetcher,
    /// None while it must join first.
    next_heartbeat: Option<Instant>,
    committed: BTreeMap<TopicPartition, i64>,
}

impl GroupConsumer {
    /// A consumer that joins on its first poll.
    #[must_use]
    pub fn new(client: Client, options: GroupOptions) -> Self {
        let fetcher = Fetcher::new(client.clone(), options.fetch.clone());
        Self {
            client,
            options,
            member: Membership::NONE,
            fetcher,
            next_heartbeat: None,
            committed: BTreeMap::new(),
        }
    }

    /// The next records, or none where a heartbeat came first.
    ///
    /// Records that were returned count as processed once this is called again.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn poll(&mut self) -> Result<Vec<Record>, ClientError> {
        let due = match self.next_heartbeat {
            Some(due) => due,
            None => self.join().await?,
        };
        if Instant::now() >= due {
            self.beat().await?;
            return Ok(Vec::new());
        }
        match timeout_at(due, self.fetcher.poll()).await {
            Ok(records) => records,
            Err(_) => Ok(Vec::new()),
        }
    }

    /// The partitions it has now, with the positions in them.
    #[must_use]
    pub fn positions(&self) -> &BTreeMap<TopicPartition, i64> {
        self.fetcher.positions()
    }

    /// Reads a partition that it has from another offset on, for example because records that
    /// [`Self::poll`] returned were not processed.
    pub fn seek(&mut self, at: &TopicPartition, offset: i64) {
        self.fetcher.seek(at, offset);
    }

    /// Whether it is a member and all its partitions are read to their ends.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.next_heartbeat.is_some() && self.fetcher.is_at_end()
    }

    /// Commits the positions.
    ///
    /// # Errors
    /// [`ClientError`]; `Refused` where the group has rebalanced meanwhile.
    pub async fn commit(&mut self) -> Result<(), ClientError> {
        let moved =
            |(at, offset): &(&TopicPartition, &i64)| self.committed.get(*at) != Some(offset);
        let all = self.fetcher.positions().iter();
        let offsets: BTreeMap<_, _> = all.filter(moved).map(|(at, &o)| (at.clone(), o)).collect();
        if offsets.is_empty() || self.next_heartbeat.is_none() {
            return Ok(());
        }
        self.client.commit(&self.options.group, &self.member, &offsets).await?;
        self.committed.extend(offsets);
        Ok(())
    }

    /// Commits and leaves.
    ///
    /// # Errors
    /// [`ClientError`]; it has left, as far as that was possible, all the same.
    pub async fn close(mut self) -> Result<(), ClientError> {
        if self.member.id.is_empty() {
            return Ok(());
        }
        let committed = self.commit().await;
        let left = self.client.leave_group(&self.options.group, &self.member).await;
        committed.and(left)
    }

    /// Joins and begins at the committed offsets; returns when the next heartbeat is due.
    async fn join(&mut self) -> Result<Instant, ClientError> {
        self.fetcher.assign(BTreeMap::new());
        let partitions = self.client.join_group(&self.options, &mut self.member).await?;
        let known = self.client.committed(&self.options.group).await?;
        let position = |at: TopicPartition| {
            let offset = known.get(&at).map(|committed| committed.offset);
            (at, offset)
        };
        let positions: BTreeMap<_, _> = partitions.into_iter().map(position).collect();
        let set = |(at, offset): (&TopicPartition, &Option<i64>)| Some((at.clone(), (*offset)?));
        self.committed = positions.iter().filter_map(set).collect();
        self.fetcher.assign(positions);
        let due = Instant::now() + self.options.heartbeat_interval;
        self.next_heartbeat = Some(due);
        Ok(due)
    }

    async fn beat(&mut self) -> Result<(), ClientError> {
        self.next_heartbeat = Some(Instant::now() + self.options.heartbeat_interval);
        let Err(error) = self.client.heartbeat(&self.options.group, &self.member).await else {
            return Ok(());
        };
        match error.code() {
            Some(ErrorCode::RebalanceInProgress) => {
                // What was processed is committed while the old assignment still stands.
                if let Err(error) = self.commit().await {
                    tracing::debug!(%error, "the commit before the rebalance failed");
                }
                self.next_heartbeat = None;
                Ok(())
            }
            Some(ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration) => {
                self.next_heartbeat = None;
                Ok(())
            }
            _ if error.is_retriable() => {
                tracing::debug!(%error, "a heartbeat failed");
                self.client.forget();
                Ok(())
            }
            _ => Err(error),
        }
    }
}
