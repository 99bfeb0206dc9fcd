//! What a replay would do now, as far as its job can tell from the state.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use sea_orm::DbErr;
use serde::{Deserialize, Serialize};

use crate::{
    database::is_absent,
    dead_letters::DeadLetter,
    message::Message,
    registry::{AnyJob, Registry},
    subject::Subject,
};

/// What running a job once more would come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outlook {
    /// Nothing is left to do: its guard would let the message pass without an effect.
    AlreadyDone,
    /// It would go on with what was left.
    WouldResume,
    /// It would end the same way.
    WouldFailAgain,
    /// Its job does not say.
    Unknown,
}

impl Outlook {
    /// The word for it in JSON and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AlreadyDone => "already_done",
            Self::WouldResume => "would_resume",
            Self::WouldFailAgain => "would_fail_again",
            Self::Unknown => "unknown",
        }
    }
}

/// Letters of a failed question that are asked about one by one.
const ALONE: usize = 50;

/// A job's judgement of one message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[non_exhaustive]
pub struct Foresight {
    pub outlook: Outlook,
    /// Why, in a short sentence without ids, so that the same reasons can be counted.
    pub reason: Cow<'static, str>,
}

impl Foresight {
    /// Nothing is left to do.
    #[must_use]
    pub fn already_done(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { outlook: Outlook::AlreadyDone, reason: reason.into() }
    }

    /// The job would go on.
    #[must_use]
    pub fn would_resume(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { outlook: Outlook::WouldResume, reason: reason.into() }
    }

    /// The job would end the same way.
    #[must_use]
    pub fn would_fail_again(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { outlook: Outlook::WouldFailAgain, reason: reason.into() }
    }

    /// The job cannot decide.
    #[must_use]
    pub fn unknown(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { outlook: Outlook::Unknown, reason: reason.into() }
    }
}

/// Asks the jobs what they would do, and whether they could read a body; knows neither their types nor their context.
/// Made by [`Registry::foreseer`]; cheap to clone.
#[derive(Clone)]
pub struct Foreseer(Arc<dyn Foresee>);

#[async_trait]
trait Foresee: Send + Sync {
    async fn foresee(&self, queue: &str, messages: &[Message]) -> anyhow::Result<Vec<Foresight>>;

    fn validate(&self, queue: &str, kind: &str, body: &str) -> Result<Subject, String>;
}

struct Bound<C> {
    jobs: Vec<Arc<dyn AnyJob<C>>>,
    context: Arc<C>,
}

impl<C> Bound<C> {
    fn job(&self, queue: &str) -> Option<&Arc<dyn AnyJob<C>>> {
        self.jobs.iter().find(|job| job.traits().queue == queue)
    }
}

#[async_trait]
impl<C: Send + Sync + 'static> Foresee for Bound<C> {
    async fn foresee(&self, queue: &str, messages: &[Message]) -> anyhow::Result<Vec<Foresight>> {
        match self.job(queue) {
            Some(job) => job.foresee(&self.context, messages).await,
            None => Ok(vec![Foresight::would_fail_again("no job works this queue"); messages.len()]),
        }
    }

    fn validate(&self, queue: &str, kind: &str, body: &str) -> Result<Subject, String> {
        let job = self.job(queue).ok_or_else(|| format!("no job works queue {queue}"))?;
        job.validate(kind, body)
    }
}

impl<C: Send + Sync + 'static> Registry<C> {
    /// What these jobs would do, asked with this context.
    #[must_use]
    pub fn foreseer(self, context: Arc<C>) -> Foreseer {
        Foreseer(Arc::new(Bound { jobs: self.jobs, context }))
    }
}

impl Foreseer {
    /// What replaying each of these letters would come to now, in order. Reads the state only: one question to the job
    /// of each queue.
    ///
    /// # Errors
    /// The database is away: the caller tries again.
    pub async fn foresee(&self, letters: &[DeadLetter]) -> anyhow::Result<Vec<Foresight>> {
        let mut foreseen: Vec<Option<Foresight>> = vec![None; letters.len()];
        let mut by_queue: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, letter) in letters.iter().enumerate() {
            if letter.body_encoding == "text" {
                by_queue.entry(&letter.queue).or_default().push(place);
            } else {
                foreseen[place] = Some(Foresight::would_fail_again("the body is not text; no job can read it"));
            }
        }
        for (queue, places) in by_queue {
            let messages: Vec<Message> = places.iter().map(|place| message(&letters[*place])).collect();
            for (place, foresight) in places.iter().zip(self.foresee_queue(queue, &messages).await?) {
                foreseen[*place] = Some(foresight);
            }
        }
        let missing = || Foresight::unknown("the job did not answer");
        Ok(foreseen.into_iter().map(|foresight| foresight.unwrap_or_else(missing)).collect())
    }

    /// One question for all. Where it fails, one for each as far as [`ALONE`], so that a letter whose surroundings are
    /// damaged does not keep its neighbours from being judged: what the job stumbles over now, it would stumble over
    /// again.
    async fn foresee_queue(&self, queue: &str, messages: &[Message]) -> anyhow::Result<Vec<Foresight>> {
        let failed = match self.0.foresee(queue, messages).await {
            Err(error) if !is_away(&error) => error,
            answered => return answered,
        };
        if messages.len() == 1 {
            return Ok(vec![Foresight::would_fail_again(format!("{failed:#}"))]);
        }
        let mut foreseen = Vec::with_capacity(messages.len());
        for message in messages.iter().take(ALONE) {
            foreseen.extend(Box::pin(self.foresee_queue(queue, std::slice::from_ref(message))).await?);
        }
        foreseen.resize(messages.len(), Foresight::unknown("its job stumbles over other letters of this choice"));
        Ok(foreseen)
    }

    /// What such a message would be about, provided that the job of this queue could read its body. A field that the
    /// job does not know is a mistake too: it would be ignored.
    ///
    /// # Errors
    /// A sentence for the author of the body, with what is wrong about it.
    pub fn validate(&self, queue: &str, kind: &str, body: &str) -> Result<Subject, String> {
        self.0.validate(queue, kind, body)
    }
}

/// Whether the job could not read the state because the database is away.
fn is_away(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<DbErr>()).any(is_absent)
}

fn message(letter: &DeadLetter) -> Message {
    Message {
        id: letter.id,
        message_id: letter.message_id,
        queue: letter.queue.clone(),
        kind: letter.kind.clone(),
        payload: letter.body.clone(),
        headers: letter.headers.clone(),
        attempts: 0,
        claims: 0,
    }
}
