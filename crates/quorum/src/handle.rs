//! The face of the quorum: what a broker holds.

use std::sync::Arc;

use arc_swap::ArcSwap;
use klamm_env::disk;
use klamm_metadata::{
    Delta, Image, Refusal,
    decide::{self, Arrival, Decision},
};
use klamm_protocol::messages::{
    AllocateProducerIdsRequest, AllocateProducerIdsResponse, AlterClientQuotasRequest,
    AlterClientQuotasResponse, AlterConfigsRequest, AlterConfigsResponse, AlterPartitionRequest,
    AlterPartitionResponse, AssignReplicasToDirsRequest, AssignReplicasToDirsResponse,
    BrokerHeartbeatRequest, BrokerHeartbeatResponse, BrokerRegistrationRequest,
    BrokerRegistrationResponse, ControllerRegistrationRequest, ControllerRegistrationResponse,
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
    DeleteTopicsRequest, DeleteTopicsResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse, UnregisterBrokerRequest, UnregisterBrokerResponse,
    UpdateFeaturesRequest, UpdateFeaturesResponse,
};
use parking_lot::Mutex;
use raft::eraftpb::Message;
use tokio::sync::{mpsc, watch};

use crate::{
    Defaults, OpenError, QuorumConfig, QuorumError, QuorumStatus, Transport, Update, Updates,
    command::{Command, Desk, Task},
    driver::{Driver, Inbox, Published, Shared},
    open,
    updates::Subscribers,
};

/// Raft messages that wait for the driver; more are dropped, as a network would.
const MESSAGES_MAX: usize = 1024;

/// The answer to a command.
pub type Answer<R> = Result<R, QuorumError>;

/// A node's part in the metadata quorum. Clones are handles to the same.
#[derive(Debug, Clone)]
pub struct Quorum {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Box<dyn Task>>,
    messages: mpsc::Sender<Message>,
    stop: Arc<watch::Sender<bool>>,
}

impl std::fmt::Debug for dyn Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Task")
    }
}

impl Quorum {
    /// Opens the metadata log and takes part in the quorum. Commands may be given at once; they
    /// wait until there is an active controller.
    ///
    /// # Errors
    /// The log cannot be opened, or the settings make no sense.
    pub async fn start(
        config: QuorumConfig,
        defaults: Defaults,
        transport: Box<dyn Transport>,
    ) -> Result<Self, OpenError> {
        let (for_open, disk) = (config.clone(), Arc::clone(&config.env.disk));
        let opened = disk::run(&disk, move || open::open(&for_open)).await??;
        let (commands, commands_in) = mpsc::channel(config.commands_max);
        let (messages, messages_in) = mpsc::channel(MESSAGES_MAX);
        let (stop, stop_in) = watch::channel(false);
        let shared = Arc::new(Shared {
            published: ArcSwap::from_pointee(Published::default()),
            applied: watch::Sender::new(-1),
            status: ArcSwap::from_pointee(QuorumStatus::default()),
            subscribers: Subscribers::default(),
            no_room: watch::Sender::new(None),
            stopped: Mutex::new(None),
            finished: watch::Sender::new(false),
        });
        let inbox = Inbox { commands: commands_in, messages: messages_in, stop: stop_in };
        let driver = Driver::new(config, defaults, opened, transport, inbox, Arc::clone(&shared))?;
        driver.publish_first();
        tokio::spawn(driver.run());
        Ok(Self { shared, commands, messages, stop: Arc::new(stop) })
    }

    /// The metadata as it is applied on this node.
    pub fn image(&self) -> Arc<Image> {
        Arc::clone(&self.shared.published.load().image)
    }

    /// Offset of the last record in [`image`](Self::image); -1 if there is none.
    pub fn applied_offset(&self) -> i64 {
        self.shared.published.load().offset
    }

    /// Follows the applied offset.
    pub fn subscribe(&self) -> watch::Receiver<i64> {
        self.shared.applied.subscribe()
    }

    /// Follows what changes, from the image of now on: the first update has all of it.
    pub fn updates(&self) -> Updates {
        self.shared.subscribers.subscribe(|| {
            let published = self.shared.published.load();
            let image = Arc::clone(&published.image);
            let delta = Delta::between(&Image::default(), &image);
            Some(Update { image, delta, offset: published.offset })
        })
    }

    /// The state of the quorum as this node sees it.
    pub fn status(&self) -> Arc<QuorumStatus> {
        self.shared.status.load_full()
    }

    /// Hands over a message of a peer. It is dropped if too many wait.
    pub fn deliver(&self, message: Message) {
        if self.messages.try_send(message).is_err() {
            tracing::debug!("a raft message was dropped: the driver is behind");
        }
    }

    /// Waits until commands can be decided here or it is known where: until there is an active
    /// controller.
    ///
    /// # Errors
    /// The quorum has stopped, or another node is the active controller.
    pub async fn ready(&self) -> Answer<()> {
        self.run(|_| Ok(Decision::unchanged(()))).await
    }

    /// Decides a command on what is decided so far, makes its records durable and applies them.
    ///
    /// # Errors
    /// As [`QuorumError`] says. The command goes on if the caller stops waiting.
    pub async fn run<R, F>(&self, decide: F) -> Answer<R>
    where
        R: Send + 'static,
        F: FnOnce(&mut Desk<'_>) -> Result<Decision<R>, Refusal> + Send + 'static,
    {
        let (command, answer) = Command::new(decide);
        if self.commands.send(Box::new(command)).await.is_err() {
            return Err(self.stopped());
        }
        answer.await.unwrap_or_else(|_| Err(self.stopped()))
    }

    fn stopped(&self) -> QuorumError {
        let reason = self.shared.stopped.lock().clone();
        QuorumError::Stopped(reason.unwrap_or_else(|| "its task is gone".to_owned()))
    }

    /// Answers what is under way, makes everything durable and closes the log.
    pub async fn shutdown(&self) {
        self.stop.send_replace(true);
        self.stopped_for_good().await;
    }

    /// Waits until the disk has no room for the metadata log; gives what it said. Commands are held
    /// back while that is so, and go on when there is room again.
    pub async fn out_of_room(&self) -> String {
        let mut no_room = self.shared.no_room.subscribe();
        match no_room.wait_for(Option::is_some).await {
            Ok(said) => said.clone().unwrap_or_default(),
            Err(_) => std::future::pending().await,
        }
    }

    /// Waits until the quorum has stopped; gives the reason.
    pub async fn stopped_for_good(&self) -> String {
        let mut finished = self.shared.finished.subscribe();
        // An error means that the driver is gone, which is the same.
        drop(finished.wait_for(|finished| *finished).await);
        self.shared.stopped.lock().clone().unwrap_or_default()
    }

    /// Gives the next block of producer ids to a broker: the first, and how many.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn next_producer_ids(&self, broker: i32, epoch: i64) -> Answer<(i64, i32)> {
        let request = AllocateProducerIdsRequest {
            broker_id: broker,
            broker_epoch: epoch,
            ..AllocateProducerIdsRequest::default()
        };
        let response = self.allocate_producer_ids(request).await?;
        Ok((response.producer_id_start, response.producer_id_len))
    }
}

/// Methods that hand a request to its decision.
macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident($request:ident) -> $response:ident: |$desk:ident, $r:ident| $decide:expr;)*) => {
        impl Quorum {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// As [`run`](Self::run).
                pub async fn $name(
                    &self,
                    request: $request<'static>,
                ) -> Answer<$response<'static>> {
                    self.run(move |$desk| {
                        let $r = &request;
                        $decide
                    })
                    .await
                }
            )*
        }
    };
}

commands! {
    /// Creates topics.
    create_topics(CreateTopicsRequest) -> CreateTopicsResponse:
        |desk, request| Ok(decide::create_topics(desk.image, &mut desk.context, request));
    /// Deletes topics.
    delete_topics(DeleteTopicsRequest) -> DeleteTopicsResponse:
        |desk, request| decide::delete_topics(desk.image, &desk.context, request);
    /// Adds partitions to topics.
    create_partitions(CreatePartitionsRequest) -> CreatePartitionsResponse:
        |desk, request| Ok(decide::create_partitions(desk.image, &mut desk.context, request));
    /// Changes single configurations.
    incremental_alter_configs(IncrementalAlterConfigsRequest) -> IncrementalAlterConfigsResponse:
        |desk, request| Ok(decide::incremental_alter_configs(desk.image, &desk.context, request));
    /// Replaces whole configurations.
    alter_configs(AlterConfigsRequest) -> AlterConfigsResponse:
        |desk, request| Ok(decide::alter_configs(desk.image, &desk.context, request));
    /// Changes quotas.
    alter_client_quotas(AlterClientQuotasRequest) -> AlterClientQuotasResponse:
        |desk, request| Ok(decide::alter_client_quotas(desk.image, request));
    /// Gives a block of producer ids to a broker.
    allocate_producer_ids(AllocateProducerIdsRequest) -> AllocateProducerIdsResponse:
        |desk, request| decide::allocate_producer_ids(desk.image, request);
    /// Registers a broker, which is fenced until it has caught up.
    register_broker(BrokerRegistrationRequest) -> BrokerRegistrationResponse: |desk, request| {
        let arrival = Arrival {
            cluster_id: desk.cluster_id,
            next_offset: desk.next_offset,
            now_ms: desk.now_ms,
            sessions: desk.sessions,
        };
        decide::register_broker(desk.image, &desk.context, &arrival, request)
    };
    /// Ends a broker's registration.
    unregister_broker(UnregisterBrokerRequest) -> UnregisterBrokerResponse:
        |desk, request| decide::unregister_broker(desk.image, &desk.context, request);
    /// Notes a controller.
    register_controller(ControllerRegistrationRequest) -> ControllerRegistrationResponse:
        |_desk, request| Ok(decide::register_controller(request));
    /// Hears a broker: it is alive, wants to be fenced or not, or to stop.
    broker_heartbeat(BrokerHeartbeatRequest) -> BrokerHeartbeatResponse: |desk, request| {
        let decision = decide::broker_heartbeat(desk.image, &desk.context, request)?;
        let (id, epoch) = (request.broker_id, request.broker_epoch);
        desk.sessions.touch(desk.image, id, epoch, desk.now_ms);
        Ok(decision)
    };
    /// Changes ISRs as leaders say.
    alter_partition(AlterPartitionRequest) -> AlterPartitionResponse:
        |desk, request| decide::alter_partition(desk.image, &desk.context, request);
    /// Notes in which directories a broker keeps its replicas.
    assign_replicas_to_dirs(AssignReplicasToDirsRequest) -> AssignReplicasToDirsResponse:
        |desk, request| decide::assign_replicas_to_dirs(desk.image, request);
    /// Finalizes feature levels.
    update_features(UpdateFeaturesRequest) -> UpdateFeaturesResponse:
        |desk, request| decide::update_features(desk.image, &desk.context, request);
}
