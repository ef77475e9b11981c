//! The process's source of randomness, as decisions take it.

use klamm_env::Random;
use klamm_metadata::Entropy;
use klamm_protocol::wire::Uuid;

#[derive(Debug, Clone)]
pub(crate) struct EnvEntropy(pub(crate) Random);

impl Entropy for EnvEntropy {
    fn below(&mut self, bound: usize) -> usize {
        let number = self.0.below(u64::try_from(bound).unwrap_or(u64::MAX));
        usize::try_from(number).unwrap_or(0)
    }

    fn uuid(&mut self) -> Uuid {
        Uuid::from_bytes(self.0.uuid_bytes())
    }
}
