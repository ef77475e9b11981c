//! Writing the checkpoints of all directories, and stopping cleanly.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, atomic::Ordering},
};

use klamm_env::disk::{self, Volume};
use parking_lot::Mutex;

use super::{LogDir, LogDirs, start::CLEAN_FILE};
use klamm_planted::planted;

use crate::{
    Log, TopicPartition,
    checkpoint::{CLEANED, HIGH_WATERMARKS, LOG_STARTS, RECOVERY_POINTS, write_offsets},
    flush::Pending,
};

/// How many logs are closed at a time.
const CLOSING_AT_ONCE: usize = 16;

/// How many logs of a directory are at most made durable by themselves.
const CLOSED_ALONE_MAX: usize = 64;

impl LogDirs {
    /// Writes the recovery points of all logs.
    ///
    /// # Errors
    /// A directory that is in service failed; it no longer is.
    pub fn checkpoint_recovery_points(&self) -> io::Result<()> {
        let noted = |log: &Log, point| log.checkpointed_point.store(point, Ordering::Release);
        self.checkpoint_and(RECOVERY_POINTS, |log| Some(log.recovery_point()), noted)
    }

    /// Writes up to where logs were compacted.
    ///
    /// # Errors
    /// A directory that is in service failed; it no longer is.
    pub fn checkpoint_cleaned(&self) -> io::Result<()> {
        self.checkpoint(CLEANED, Log::cleaned_to)
    }

    /// Writes the start offsets of those logs whose first segment begins before them.
    ///
    /// # Errors
    /// A directory that is in service failed; it no longer is.
    pub fn checkpoint_start_offsets(&self) -> io::Result<()> {
        if planted("log-start-not-checkpointed") {
            return Ok(());
        }
        self.checkpoint(LOG_STARTS, |log| {
            let start = log.start_offset();
            (start > log.first_segment()).then_some(start)
        })
    }

    /// Writes the high watermarks that `of` gives.
    ///
    /// # Errors
    /// A directory that is in service failed; it no longer is.
    pub fn checkpoint_high_watermarks(
        &self,
        of: impl Fn(&TopicPartition) -> Option<i64>,
    ) -> io::Result<()> {
        self.checkpoint(HIGH_WATERMARKS, |log| of(log.name()))
    }

    fn checkpoint(&self, file: &str, of: impl Fn(&Log) -> Option<i64>) -> io::Result<()> {
        self.checkpoint_and(file, of, |_, _| ())
    }

    /// The same, and tells of each offset once it is durable.
    fn checkpoint_and(
        &self,
        file: &str,
        of: impl Fn(&Log) -> Option<i64>,
        noted: impl Fn(&Log, i64),
    ) -> io::Result<()> {
        let mut result = Ok(());
        let _turn = self.checkpointing.lock();
        for (at, dir) in self.dirs.iter().enumerate() {
            if dir.offline_reason().is_some() {
                continue;
            }
            let logs = self.logs_in(dir);
            let mut offsets: BTreeMap<TopicPartition, i64> =
                logs.iter().filter_map(|log| Some((log.name().clone(), of(log)?))).collect();
            for (name, (to, durable_to)) in &*self.arriving.lock() {
                if *to == at
                    && let Some(offset) = self.get(name).and_then(|log| of(&log))
                {
                    let is_point = file == RECOVERY_POINTS;
                    offsets.insert(name.clone(), if is_point { *durable_to } else { offset });
                }
            }
            self.keep_unopened((at, dir), file, &mut offsets);
            match write_offsets(&*self.env.disk, &dir.path.join(file), &offsets) {
                Ok(()) => {
                    for log in &logs {
                        if let Some(offset) = offsets.get(log.name()) {
                            noted(log, *offset);
                        }
                    }
                }
                Err(error) => {
                    if !disk::is_full(&error) {
                        self.fail(&dir.path, &error.to_string());
                    }
                    result = Err(error);
                }
            }
        }
        result
    }

    /// Adds what the start knew of logs that it could not open: a later one may, and must know
    /// where they begin and how far they are durable and compacted.
    fn keep_unopened(
        &self,
        (at, dir): (usize, &LogDir),
        file: &str,
        offsets: &mut BTreeMap<TopicPartition, i64>,
    ) {
        let unopened = self.unopened.lock();
        if unopened.is_empty() {
            return;
        }
        let is_there = |name: &TopicPartition| {
            self.get(name).is_none() && self.env.disk.exists(&dir.path.join(name.to_string()))
        };
        let here = unopened.iter().filter(|(name, place)| **place == at && is_there(name));
        for (name, _) in here {
            if let Some(offset) = dir.at_start(file).and_then(|known| known.get(name)) {
                offsets.insert(name.clone(), *offset);
            }
        }
    }

    /// Closes all logs, writes the checkpoints and marks the directories as cleanly stopped.
    ///
    /// # Errors
    /// A log could not be made durable; its directory is not marked and recovers at the next start.
    pub async fn close(
        self: &Arc<Self>,
        broker_epoch: i64,
        high_watermark_of: impl Fn(&TopicPartition) -> Option<i64>,
    ) -> io::Result<()> {
        let mut result = Ok(());
        for dir in self.dirs.iter().filter(|dir| dir.offline_reason().is_none()) {
            if let Err(error) = self.close_logs(dir).await {
                tracing::error!("{} is not stopped cleanly: {error}", dir.path.display());
                result = Err(error);
            }
        }
        self.checkpoint_recovery_points()?;
        self.checkpoint_start_offsets()?;
        self.checkpoint_high_watermarks(high_watermark_of)?;
        result?;
        let text = format!("{{\"version\":0,\"brokerEpoch\":{broker_epoch}}}");
        for dir in self.dirs.iter().filter(|dir| dir.offline_reason().is_none()) {
            let path = dir.path.join(CLEAN_FILE);
            disk::write_file_atomically(&*self.env.disk, &path, text.as_bytes())?;
        }
        Ok(())
    }

    /// Closes the logs of a directory: few of them each by itself, as others may keep the volume
    /// busy; many with two syncs of the volume.
    async fn close_logs(&self, dir: &LogDir) -> io::Result<()> {
        let logs = self.logs_in(dir);
        let volume = match &dir.volume {
            Some(volume) if logs.len() > CLOSED_ALONE_MAX => volume,
            _ => return self.each(logs, |log| log.close()).await.1,
        };
        let write =
            |log: &Arc<Log>| Ok(log.write_at_close()?.map(|files| (Arc::clone(log), files)));
        let (written, all_written) = self.each(logs, write).await;
        self.sync(volume).await?;
        let written = written.into_iter().flatten().collect();
        let put = |(log, files): &(Arc<Log>, Pending)| log.put_in_place(files);
        let (_, all_put) = self.each(written, put).await;
        self.sync(volume).await?;
        all_written.and(all_put)
    }

    async fn sync(&self, volume: &Arc<dyn Volume>) -> io::Result<()> {
        let volume = Arc::clone(volume);
        disk::run(&self.env.disk, move || volume.sync()).await?
    }

    /// Does the same with each of many, several at a time: syncs that run together cost little more
    /// than one. All are done though one fails.
    async fn each<T, R>(
        &self,
        todo: Vec<T>,
        work: impl Fn(&T) -> io::Result<R> + Clone + Send + 'static,
    ) -> (Vec<R>, io::Result<()>)
    where
        T: Send + 'static,
        R: Send + 'static,
    {
        let todo = Arc::new(Mutex::new(todo));
        let mut workers = Vec::new();
        for _ in 0..CLOSING_AT_ONCE {
            let (todo, disk, work) = (Arc::clone(&todo), Arc::clone(&self.env.disk), work.clone());
            workers.push(tokio::spawn(async move {
                disk::run(&disk, move || work_off(&todo, work)).await
            }));
        }
        let (mut done, mut result) = (Vec::new(), Ok(()));
        for worker in workers {
            for each in
                worker.await.map_err(io::Error::other).flatten().unwrap_or_else(|e| vec![Err(e)])
            {
                match each {
                    Ok(each) => done.push(each),
                    Err(error) => result = Err(error),
                }
            }
        }
        (done, result)
    }
}

fn work_off<T, R>(todo: &Mutex<Vec<T>>, work: impl Fn(&T) -> io::Result<R>) -> Vec<io::Result<R>> {
    let next = || todo.lock().pop();
    std::iter::from_fn(next).map(|each| work(&each)).collect()
}
