//! Requests within parents: charged from the subject up, and given back if a level refuses.

use super::Throttle;
use crate::charged::Charged;
use crate::clock::Clock;
use crate::decision::Decision;
use crate::failure::ThrottleError;
use crate::request::Request;
use crate::settlement::Settlement;
use crate::store::Store;

impl<S: Store, C: Clock> Throttle<S, C> {
    /// Decides a request at each of its levels.
    pub(super) async fn decide_levels(
        &self,
        request: &Request<'_>,
    ) -> Result<Decision, ThrottleError> {
        let levels = request.levels()?;
        let mut own: Option<Decision> = None;
        let mut charges = Vec::new();
        for level in &levels {
            let mut decision = match self.decide_level(level).await {
                Ok(decision) => decision,
                Err(error) => {
                    self.give_back(&charges).await;
                    return Err(error);
                }
            };
            charges.extend(decision.take_receipt().into_iter().flat_map(|it| it.charges));
            let is_allowed = decision.is_allowed();
            match &mut own {
                None => own = Some(decision),
                Some(own) => own.add_parent(level.subject.clone(), decision),
            }
            if !is_allowed {
                self.give_back(&charges).await;
                charges.clear();
                break;
            }
        }
        let mut decision = own.ok_or(ThrottleError::TooManyLevels { max: 0 })?;
        decision.give(charges);
        Ok(decision)
    }

    /// Gives back the charges of a request that another level refused.
    async fn give_back(&self, charges: &[Charged]) {
        for charged in charges {
            // A charge that cannot be given back stays: that admits nothing.
            let _ = self.correct(charged, &Settlement::nothing()).await;
        }
    }
}
