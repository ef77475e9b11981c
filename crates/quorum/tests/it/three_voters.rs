//! The same driver with three voters, on links in memory that lose messages.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use klamm_env::Random;
use klamm_quorum::{Message, Quorum, QuorumError, Transport};
use tokio::time::{sleep, timeout};

use crate::support::{Node, create, join};

/// Who can be reached: raft ids and their quorums.
type Peers = Arc<Mutex<BTreeMap<u64, Quorum>>>;

#[derive(Debug)]
struct Links {
    peers: Peers,
    random: Random,
    /// Of how many messages one is lost; 0 is none.
    loss: u64,
}

impl Transport for Links {
    fn send(&mut self, messages: Vec<Message>) {
        let peers = self.peers.lock().expect("no test panics with it");
        for message in messages {
            let lost = self.loss > 0 && self.random.below(self.loss) == 0;
            if let Some(peer) = peers.get(&message.to).filter(|_| !lost) {
                peer.deliver(message);
            }
        }
    }
}

struct Group {
    nodes: BTreeMap<i32, Node>,
    peers: Peers,
    loss: u64,
}

impl Group {
    fn new(seed: u64, loss: u64) -> Self {
        let ids = [1, 2, 3];
        let node = |id: i32| (id, Node::of_group(seed * 10 + id.unsigned_abs() as u64, id, &ids));
        Self { nodes: ids.into_iter().map(node).collect(), peers: Peers::default(), loss }
    }

    async fn start(&self, id: i32) {
        let node = &self.nodes[&id];
        let links =
            Links { peers: Arc::clone(&self.peers), random: node.random.clone(), loss: self.loss };
        let quorum = node.start_with(Box::new(links)).await;
        self.lock().insert(u64::from(id.unsigned_abs()) + 1, quorum);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Quorum>> {
        self.peers.lock().expect("no test panics with it")
    }

    /// Power loss of one node.
    fn cut(&self, id: i32) {
        self.lock().remove(&(u64::from(id.unsigned_abs()) + 1));
        self.nodes[&id].disk.crash();
    }

    fn running(&self) -> Vec<Quorum> {
        self.lock().values().cloned().collect()
    }

    /// Waits for an active controller.
    async fn leader(&self) -> (i32, Quorum) {
        for _ in 0..600 {
            let peers = self.lock().clone();
            for (raft_id, quorum) in peers {
                let ready = timeout(Duration::from_millis(50), quorum.ready()).await;
                if matches!(ready, Ok(Ok(()))) {
                    return (i32::try_from(raft_id).expect("small") - 1, quorum);
                }
            }
            sleep(Duration::from_millis(100)).await;
        }
        unreachable!("three voters elect a leader within a minute")
    }

    /// Waits until all running nodes have the same image.
    async fn agree(&self) {
        for _ in 0..600 {
            let all = self.running();
            let most = all.iter().map(Quorum::applied_offset).max();
            if all.iter().all(|quorum| Some(quorum.applied_offset()) == most) {
                assert!(all.iter().all(|quorum| quorum.image() == all[0].image()));
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
        unreachable!("followers catch up within a minute")
    }
}

async fn survives(seed: u64, loss: u64) {
    let group = Group::new(seed, loss);
    for id in 1..=3 {
        group.start(id).await;
    }
    let mut answered: Vec<String> = Vec::new();
    for round in 0..5 {
        let (id, leader) = group.leader().await;
        join(&leader, 1, round).await;
        for number in 0..5 {
            let name = format!("t{round}-{number}");
            let request = crate::support::topic(&name, 1);
            match timeout(Duration::from_secs(20), leader.create_topics(request)).await {
                Ok(Ok(response)) if response.topics[0].error_code == 0 => answered.push(name),
                _ => break,
            }
        }
        group.cut(id);
        let (_, next) = group.leader().await;
        for name in &answered {
            assert!(next.image().topic(name).is_some(), "seed {seed}: {name} is lost");
        }
        group.start(id).await;
    }
    assert!(!answered.is_empty());
    group.agree().await;
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(future)
}

#[test]
fn leaders_come_and_go() {
    for seed in 0..10 {
        println!("seed {seed}");
        block_on(survives(seed, 0));
    }
}

#[test]
fn messages_get_lost() {
    for seed in 0..10 {
        println!("seed {seed}");
        block_on(survives(seed, 10));
    }
}

#[test]
fn others_say_who_leads() {
    block_on(async {
        let group = Group::new(1, 0);
        for id in 1..=3 {
            group.start(id).await;
        }
        let (id, leader) = group.leader().await;
        join(&leader, 1, 1).await;
        assert_eq!(create(&leader, "t", 1).await, 0);
        group.agree().await;
        for quorum in group.running() {
            assert_eq!(quorum.status().leader, Some(id));
            if quorum.status().voters.iter().all(|voter| voter.log_end_offset < 0) {
                let error = quorum.ready().await.expect_err("it does not lead");
                assert_eq!(error, QuorumError::NotLeader { leader: Some(id) });
            }
        }
    });
}
