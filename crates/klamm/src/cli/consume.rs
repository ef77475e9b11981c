//! `klamm consume`.

use std::{
    collections::BTreeMap,
    io::{IsTerminal, Write},
};

use clap::Args;
use klamm_client::{
    Client, FetchOptions, Fetcher, GroupConsumer, GroupOptions, Isolation, OffsetSpec, Record,
    Reset, TopicPartition,
};

use super::{
    common::ClusterArgs, error::CliError, offset::Place, pattern::Pattern, progress::Progress,
    record_json::RecordJson, topic_describe::known,
};

/// Print the records of topics.
///
/// From the beginning, then follow:      klamm consume orders
/// The last ten, then stop:              klamm consume orders -o -10 --exit
/// Of the last hour, as JSON lines:      klamm consume orders -o @-1h -o json --exit
/// As a member of a group:               klamm consume orders --group billing
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Consume {
    /// Names of the topics
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Where to begin: beginning (default), end, N, -N (N before the end of each partition),
    /// @TIME (milliseconds, 2026-01-31T12:00:00Z, or an age like @-15m). And the form: json
    /// (an object per line) or table (the value, the default). May be given once for each
    #[arg(short, long, value_name = "PLACE|FORM", allow_hyphen_values = true)]
    output: Vec<Choice>,
    /// Form of a record: %t topic, %p partition, %o offset, %k key, %s value, %h headers,
    /// %T timestamp in ms, %D date and time, %K %S lengths, \n \t ...
    #[arg(short, long, value_name = "FORMAT", default_value = "%s\\n")]
    format: Pattern,
    /// Only these partitions; may be repeated
    #[arg(short, long = "partition", value_name = "N", conflicts_with = "group")]
    partitions: Vec<i32>,
    /// Stop after so many records
    #[arg(short = 'n', long, value_name = "COUNT")]
    count: Option<u64>,
    /// Stop at the end of all partitions
    #[arg(short, long)]
    exit: bool,
    /// Share the partitions with the members of this group, and commit what was printed
    #[arg(short, long, value_name = "GROUP")]
    group: Option<String>,
    /// Leave out records of transactions that are open or were aborted
    #[arg(long)]
    committed: bool,
}

/// What `-o` can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Json,
    Text,
    Place(Place),
}

impl std::str::FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "json" => Ok(Self::Json),
            "table" => Ok(Self::Text),
            place => {
                place.parse().map(Self::Place).map_err(|error| format!("{error}, json, table"))
            }
        }
    }
}

/// How records are printed, and how many more.
struct Printer<'c> {
    options: &'c Consume,
    is_json: bool,
    left: u64,
    progress: Progress,
    buffer: Vec<u8>,
}

/// Where records come from.
enum Source {
    Partitions(Fetcher),
    Group(Box<GroupConsumer>),
}

impl Consume {
    pub(crate) async fn run(self) -> Result<(), CliError> {
        let (place, is_json) = self.choices()?;
        let client = self.cluster.client();
        let mut source = match &self.group {
            Some(group) => Source::Group(Box::new(self.join(&client, group, place).await?)),
            None => Source::Partitions(self.fetcher(&client, place).await?),
        };
        let mut printer = Printer {
            options: &self,
            is_json,
            left: self.count.unwrap_or(u64::MAX),
            progress: Progress::new(!std::io::stdout().is_terminal()),
            buffer: Vec::new(),
        };
        let result = printer.run(&mut source).await;
        printer.progress.finish();
        // The group learns of the end also after an error.
        let closed = match source {
            Source::Group(consumer) if result.is_ok() => consumer.close().await,
            Source::Group(_) | Source::Partitions(_) => Ok(()),
        };
        result.and(closed.map_err(Into::into))
    }

    fn choices(&self) -> Result<(Option<Place>, bool), CliError> {
        let (mut place, mut form) = (None, None);
        for choice in &self.output {
            let before = match choice {
                Choice::Place(chosen) => place.replace(*chosen).is_some(),
                form_choice => form.replace(*form_choice).is_some(),
            };
            if before {
                let text = "-o may be given once for the place and once for the form".to_owned();
                return Err(CliError::Usage(text));
            }
        }
        Ok((place, form == Some(Choice::Json)))
    }

    fn fetch_options(&self, reset: Reset) -> FetchOptions {
        let isolation = match self.committed {
            true => Isolation::ReadCommitted,
            false => Isolation::ReadUncommitted,
        };
        FetchOptions { isolation, reset, ..FetchOptions::default() }
    }

    async fn join(
        &self,
        client: &Client,
        group: &str,
        place: Option<Place>,
    ) -> Result<GroupConsumer, CliError> {
        let reset = match place {
            None | Some(Place::Beginning) => Reset::Earliest,
            Some(Place::End) => Reset::Latest,
            Some(_) => {
                return Err(CliError::Usage(
                    "a group begins at its committed offsets; -o beginning or -o end says where \
                     it begins without any, and `klamm group reset-offsets` moves them"
                        .to_owned(),
                ));
            }
        };
        let names: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        let cluster = client.metadata(Some(&names)).await?;
        for name in names {
            known(cluster.topics.get(name).map(AsRef::as_ref), name)?;
        }
        let options = GroupOptions {
            fetch: self.fetch_options(reset),
            ..GroupOptions::new(group, self.topics.clone())
        };
        Ok(GroupConsumer::new(client.clone(), options))
    }

    /// A fetcher of the partitions asked for, at the place asked for.
    async fn fetcher(&self, client: &Client, place: Option<Place>) -> Result<Fetcher, CliError> {
        let place = place.unwrap_or(Place::Beginning);
        let partitions = self.partitions(client).await?;
        let ask = |spec: OffsetSpec| partitions.iter().map(|at| (at.clone(), spec)).collect();
        let options = self.fetch_options(Reset::Earliest);
        let isolation = options.isolation;
        let starts = client.list_offsets(&ask(OffsetSpec::Earliest), isolation).await?;
        let ends = client.list_offsets(&ask(OffsetSpec::Latest), isolation).await?;
        let found = match place.spec(klamm_env::Clock::system().now_ms()) {
            Some(spec) => client.list_offsets(&ask(spec), isolation).await?,
            None => BTreeMap::new(),
        };
        let offset = |of: &BTreeMap<_, klamm_client::ListedOffset>, at: &TopicPartition| {
            of.get(at).and_then(|listed| listed.offset)
        };
        let position = |at: &TopicPartition| {
            let (start, end) = (offset(&starts, at).unwrap_or(0), offset(&ends, at).unwrap_or(0));
            (at.clone(), Some(place.resolve(offset(&found, at), start, end)))
        };
        let mut fetcher = Fetcher::new(client.clone(), options);
        fetcher.assign(partitions.iter().map(position).collect());
        Ok(fetcher)
    }

    async fn partitions(&self, client: &Client) -> Result<Vec<TopicPartition>, CliError> {
        let names: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        let cluster = client.metadata(Some(&names)).await?;
        let mut partitions = Vec::new();
        for name in names {
            let topic = known(cluster.topics.get(name).map(AsRef::as_ref), name)?;
            for partition in &self.partitions {
                if !topic.partitions.contains_key(partition) {
                    let (topic, partition) = (name.to_owned(), *partition);
                    return Err(
                        klamm_client::ClientError::UnknownPartition { topic, partition }.into()
                    );
                }
            }
            let is_wanted = |id: &&i32| self.partitions.is_empty() || self.partitions.contains(id);
            let ids = topic.partitions.keys().filter(is_wanted);
            partitions.extend(ids.map(|&id| TopicPartition::new(name, id)));
        }
        Ok(partitions)
    }
}

impl Source {
    async fn poll(&mut self) -> Result<Vec<Record>, CliError> {
        Ok(match self {
            Self::Partitions(fetcher) => fetcher.poll().await?,
            Self::Group(consumer) => consumer.poll().await?,
        })
    }

    fn is_at_end(&self) -> bool {
        match self {
            Self::Partitions(fetcher) => fetcher.is_at_end(),
            Self::Group(consumer) => consumer.is_at_end(),
        }
    }

    /// Records beyond the count were not seen by anybody: the group is to get them again.
    fn give_back(&mut self, records: &[Record]) {
        let Self::Group(consumer) = self else { return };
        for record in records.iter().rev() {
            let at = TopicPartition { topic: record.topic.clone(), partition: record.partition };
            consumer.seek(&at, record.offset);
        }
    }

    /// Commits what was printed.
    async fn commit(&mut self) -> Result<(), CliError> {
        match self {
            Self::Partitions(_) => Ok(()),
            Self::Group(consumer) => Ok(consumer.commit().await?),
        }
    }
}

impl Printer<'_> {
    /// Prints until the count or the end is reached, or the user has had enough.
    async fn run(&mut self, source: &mut Source) -> Result<(), CliError> {
        let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
        while self.left > 0 && !(self.options.exit && source.is_at_end()) {
            let records = tokio::select! {
                records = source.poll() => records?,
                _ = &mut interrupt => break,
            };
            if records.is_empty() {
                continue;
            }
            let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(records.len());
            let (printed, unseen) = records.split_at(wanted);
            self.print(printed)?;
            source.give_back(unseen);
            source.commit().await?;
        }
        Ok(())
    }

    fn print(&mut self, records: &[Record]) -> Result<(), CliError> {
        self.buffer.clear();
        for record in records {
            match self.is_json {
                true => {
                    serde_json::to_writer(&mut self.buffer, &RecordJson::from(record))
                        .map_err(|error| CliError::output(error.into()))?;
                    self.buffer.push(b'\n');
                }
                false => self.options.format.write(record, &mut self.buffer),
            }
        }
        self.left -= records.len() as u64;
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(&self.buffer).and_then(|()| stdout.flush()).map_err(CliError::output)?;
        let size = |record: &Record| {
            let of =
                |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
            of(&record.key) + of(&record.value)
        };
        self.progress.add(records.len() as u64, records.iter().map(size).sum());
        Ok(())
    }
}
