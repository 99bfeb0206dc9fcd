//! Tries what is to be sent on the node first, so that what cannot succeed fails alone and takes no nonce.

use std::sync::Arc;

use alloy::primitives::{Address, U64, U128, U256};
use serde_json::{Value, json};

use super::{
    Lane,
    collect::{Batch, Item},
};
use crate::{
    abi::{self, DealState, second},
    agent::{
        Tip,
        settlement::{Failure, no_deal},
    },
    classify::{Class, classify},
    edition::Edition,
    error::Error,
    interface::Interface,
    operation::Kind,
    rpc::{Answer, Call, Fault, Provider, decode},
    table::deal::State,
};

/// Rounds of trying; what is not clear by then waits for the next time.
const ROUNDS: usize = 5;
/// Added to the estimate of what hands money on: an inner call that runs out of gas does not revert the whole, it makes
/// the diamond keep the deposit, so that the smallest gas that "succeeds" is too little.
const HANDING_ON_GAS: u64 = 100_000;

/// What can be sent, and what became of the rest.
#[derive(Default)]
pub(super) struct Examined {
    pub(super) ready: Vec<(Batch, u64)>,
    pub(super) failures: Vec<Failure>,
    /// The contract does not let this signer act.
    pub(super) not_operator: Vec<Item>,
    /// The chain shows their effect already.
    pub(super) satisfied: Vec<Item>,
    /// The node's idea of a tip, or of the price where there are none, and what the signer owns.
    pub(super) tip: u128,
    pub(super) balance: Option<U256>,
    /// The signer could not even pay for the trial.
    pub(super) unfunded: bool,
}

/// A batch on trial.
pub(super) struct Trial {
    pub(super) batch: Batch,
    /// Whether the contract's state of its deals was looked at.
    checked: bool,
    origin: Origin,
}

/// How a batch came about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Collected,
    /// One of several that failed together.
    Apart,
    /// Those of them that were good alone. Should they fail together again, each is sent alone.
    Rejoined,
}

impl Trial {
    fn new(batch: Batch, checked: bool, origin: Origin) -> Self {
        Self { batch, checked, origin }
    }

    /// Whether the batch answers how much of it was done: the second edition skips what it cannot do.
    fn returns_count(&self) -> bool {
        self.batch.interface.as_ref().is_some_and(|own| own.is_of(Edition::Second)) && self.batch.items.len() > 1
    }

    /// How many answers tell the contract's deals, whose state is yet to be checked.
    fn unchecked(&self) -> Option<(&Interface, usize)> {
        let interface = self.batch.interface.as_ref().filter(|_| !self.checked)?;
        Some((interface, interface.answers(self.batch.items.len())))
    }

    /// One by one where the contract knows no batches, and without what it cannot be told.
    pub(super) fn split_for_contract(self, examined: &mut Examined) -> Vec<Self> {
        let Some(Interface::Dialect(dialect)) = &self.batch.interface else { return vec![self] };
        let dialect = Arc::clone(dialect);
        let (checked, origin) = (self.checked, self.origin);
        let mut trials = Vec::with_capacity(self.batch.items.len());
        for batch in self.batch.singles() {
            match batch.items.iter().find_map(|item| item.dialect_input(&dialect).err().map(|what| (item, what))) {
                Some((item, what)) => {
                    let message = format!("the contract takes no such {what}, or nothing has told it");
                    examined.failures.push(refused(item, &message));
                }
                None => trials.push(Self::new(batch, checked, origin)),
            }
        }
        trials
    }
}

/// What a round made of a trial.
enum TrialOutcome {
    Ready(Batch, u64),
    Again(Vec<Trial>),
    /// Good alone; to be tried together with its like.
    Rejoin(Batch),
    /// Unclear; another time.
    Wait,
}

impl Lane {
    /// # Errors
    /// When the endpoint gives no usable answer, which says nothing about the operations.
    pub(super) async fn examine(&mut self, batches: Vec<Batch>, tip: Tip) -> Result<Examined, Error> {
        let provider = self.context.rpc.preferred();
        let mut examined = Examined::default();
        let trials = batches.iter().cloned().filter_map(|batch| start(batch, &mut examined)).collect();
        // That there is no deal to act on is our own record's word.
        let recorded = std::mem::take(&mut examined.failures);
        self.run_trials(&provider, trials, tip, &mut examined).await?;
        self.second_opinion(&provider, &batches, tip, &mut examined).await;
        examined.failures.extend(recorded);
        Ok(examined)
    }

    /// One endpoint's word fails nothing where there is another: what cannot succeed there is tried here too. Where they
    /// differ it is sent, and the chain decides. The word of one is enough only if the others were asked and are away.
    async fn second_opinion(&mut self, first: &Arc<Provider>, batches: &[Batch], tip: Tip, examined: &mut Examined) {
        let others: Vec<_> = self.context.rpc.ranked().into_iter().filter(|other| !Arc::ptr_eq(other, first)).collect();
        if examined.failures.is_empty() || others.is_empty() {
            return;
        }
        let failed = |item: &&Item, failures: &[Failure]| {
            failures.iter().any(|failure| (failure.subject_id, failure.kind) == (item.subject_id, item.kind))
        };
        let mut failing = Vec::new();
        for batch in batches {
            let items = batch.items.iter().filter(|item| failed(item, &examined.failures));
            failing.extend(items.map(|item| batch.with(vec![item.clone()])));
        }
        for other in others {
            if other.health().unreachable() {
                // It failed a moment ago: another time it will have an answer, or be away for certain.
                examined.failures.clear();
                return;
            }
            let mut second = Examined::default();
            let trials = failing.iter().cloned().filter_map(|batch| start(batch, &mut second)).collect();
            if let Err(error) = self.run_trials(&other, trials, tip, &mut second).await {
                tracing::debug!(signer = %self.signer, "no second opinion: {error}");
                continue;
            }
            let before = examined.failures.len();
            let agreed = |failure: &Failure| {
                second.failures.iter().any(|also| (also.subject_id, also.kind) == (failure.subject_id, failure.kind))
            };
            examined.failures.retain(agreed);
            let denied = before - examined.failures.len();
            if denied > 0 {
                metrics::counter!("quittance_chain_contradictions_total").increment(u64::try_from(denied).unwrap_or(1));
                tracing::error!(
                    provider = first.label(),
                    other = other.label(),
                    denied,
                    "endpoints disagree about what cannot succeed"
                );
            }
            examined.not_operator.append(&mut second.not_operator);
            examined.ready.append(&mut second.ready);
            examined.satisfied.append(&mut second.satisfied);
            return;
        }
    }

    /// Tries all this at an endpoint.
    async fn run_trials(
        &mut self,
        provider: &Provider,
        mut trials: Vec<Trial>,
        tip: Tip,
        examined: &mut Examined,
    ) -> Result<(), Error> {
        self.learn(provider, &mut trials, examined).await?;
        for round in 0..ROUNDS {
            if trials.is_empty() && round > 0 {
                break;
            }
            let mut calls = vec![
                Call::new("eth_blockNumber", json!([])),
                Call::price(tip.base_fee),
                Call::new("eth_getBalance", json!([self.signer, "latest"])),
            ];
            for trial in &trials {
                calls.extend(self.probes(trial)?);
            }
            let mut answers = provider.call_all(calls).await.into_iter();
            at_least(provider, answers.next(), tip)?;
            examined.tip = answers.next().and_then(Result::ok).and_then(price).unwrap_or(0);
            examined.balance = answers.next().and_then(Result::ok).and_then(|value| decode(value).ok());
            let mut next = Vec::new();
            let mut rejoin: Vec<Batch> = Vec::new();
            for trial in std::mem::take(&mut trials) {
                match self.judge(provider, trial, &mut answers, examined)? {
                    TrialOutcome::Ready(batch, gas) => examined.ready.push((batch, gas)),
                    TrialOutcome::Again(again) => next.extend(again),
                    TrialOutcome::Rejoin(batch) => join(&mut rejoin, batch),
                    TrialOutcome::Wait => {}
                }
            }
            next.extend(rejoin.into_iter().map(|batch| Trial::new(batch, true, Origin::Rejoined)));
            trials = next;
        }
        Ok(())
    }

    /// The calls that tell about a trial; [`Lane::judge`] takes their answers in this order.
    fn probes(&self, trial: &Trial) -> Result<Vec<Call>, Error> {
        let Batch { diamond, items, .. } = &trial.batch;
        let mut calls = Vec::with_capacity(3);
        if let (Some(diamond), Some((interface, _))) = (diamond, trial.unchecked()) {
            let refs = items.iter().filter_map(|item| Some(item.reference?.0)).collect();
            calls.extend(interface.deals_of(*diamond, refs, None));
        }
        let mut call = json!({"from": self.signer, "input": trial.batch.input(&self.deployment(&trial.batch))?});
        if let Some(diamond) = diamond {
            call["to"] = json!(diamond);
        }
        if trial.returns_count() {
            calls.push(Call::new("eth_call", json!([call, "latest"])));
        }
        calls.push(Call::new("eth_estimateGas", json!([call])));
        Ok(calls)
    }

    fn judge(
        &self,
        provider: &Provider,
        trial: Trial,
        answers: &mut impl Iterator<Item = Answer>,
        examined: &mut Examined,
    ) -> Result<TrialOutcome, Error> {
        let mut answer = |method: &str| -> Result<Answer, Error> {
            answers.next().ok_or_else(|| Error::Rpc(format!("{method}: no answer")))
        };
        let count = trial.batch.items.len();
        let mut deals = None;
        if let Some((interface, count)) = trial.unchecked() {
            let answers = (0..count).map(|_| answer("eth_call")).collect::<Result<Vec<_>, _>>()?;
            deals = Some((interface.clone(), answers));
        }
        let done = if trial.returns_count() { answer("eth_call")?.ok() } else { None };
        let estimate = answer("eth_estimateGas")?;
        if let Some((interface, deals)) = deals {
            let deals = deals.into_iter().collect::<Result<Vec<_>, _>>();
            let deals = deals.map_err(|fault| provider.error("deals", &fault))?;
            let terms: Vec<_> = trial.batch.items.iter().map(Item::terms).collect();
            let kept = sort_out(&trial.batch.items, &interface.decode_deals(deals, &terms)?, examined);
            if kept.len() < count {
                let again = Trial::new(trial.batch.with(kept), true, trial.origin);
                return Ok(TrialOutcome::Again(if again.batch.items.is_empty() { vec![] } else { vec![again] }));
            }
        }
        let done = done.and_then(|answer| second::count(&decode(answer).ok()?));
        match estimate {
            // Which ones are skipped, and why, shows when each is tried alone.
            Ok(_) if done.is_some_and(|done| done < U256::from(count)) => Ok(apart(trial)),
            Ok(gas) => Ok(self.allow(trial, decode::<U64>(gas)?.to(), examined)),
            Err(fault) => match classify(&fault) {
                Class::Reverted(data) => {
                    let reason = self.context.dialects.reason(trial.batch.diamond, &data.unwrap_or_default());
                    Ok(reverted(trial, &reason, examined))
                }
                Class::InsufficientFunds => {
                    examined.unfunded = true;
                    Ok(TrialOutcome::Wait)
                }
                Class::Rejected if count > 1 => Ok(TrialOutcome::Again(halves(trial))),
                Class::Rejected => {
                    examined.failures.push(refused(&trial.batch.items[0], &fault.to_string()));
                    Ok(TrialOutcome::Wait)
                }
                Class::Throttled(_) => Err(provider.error("eth_estimateGas", &fault)),
                // The node's word about this call, which says nothing about others.
                _ if matches!(fault, Fault::Node { .. }) => Ok(unclear(trial, &fault)),
                _ => Err(provider.error("eth_estimateGas", &fault)),
            },
        }
    }

    /// Grants gas, with a reserve: the state may be another one when it is mined.
    fn allow(&self, trial: Trial, estimate: u64, examined: &mut Examined) -> TrialOutcome {
        let handing_on = match trial.batch.kind {
            Kind::Release | Kind::Cancel => HANDING_ON_GAS,
            Kind::Deploy | Kind::Open => 0,
        };
        let (gas, most) =
            (estimate.saturating_add(estimate / 5).saturating_add(handing_on), self.context.config.gas_max);
        if gas > most && trial.batch.items.len() > 1 {
            return TrialOutcome::Again(halves(trial));
        }
        if estimate.saturating_add(handing_on) > most {
            let message = format!("needs {estimate} gas of {most} allowed");
            examined.failures.push(refused(&trial.batch.items[0], &message));
            return TrialOutcome::Wait;
        }
        match trial.origin {
            Origin::Apart => TrialOutcome::Rejoin(trial.batch),
            Origin::Collected | Origin::Rejoined => TrialOutcome::Ready(trial.batch, gas.min(most)),
        }
    }
}

/// What an endpoint that is behind says of a trial is out of date.
fn at_least(provider: &Provider, answer: Option<Answer>, tip: Tip) -> Result<(), Error> {
    let answer = answer.unwrap_or_else(|| Err(Fault::Lost("no answer".to_owned())));
    let head: U64 = decode(answer.map_err(|fault| provider.error("eth_blockNumber", &fault))?)?;
    let head: u64 = head.to();
    if head >= tip.number {
        return Ok(());
    }
    provider.distrust(format!("is at block {head}, behind {}", tip.number));
    Err(Error::Rpc(format!("{} is behind", provider.label())))
}

fn price(value: Value) -> Option<u128> {
    decode::<U128>(value).ok().map(|price| price.to())
}

/// `None`: nothing of it can be tried.
fn start(batch: Batch, examined: &mut Examined) -> Option<Trial> {
    let (kind, known) = (batch.kind, batch.items.iter().all(|item| item.reference.is_some()));
    if kind != Kind::Deploy && !known {
        let (kept, unknown) = batch.items.iter().cloned().partition::<Vec<_>, _>(|item| item.reference.is_some());
        examined.failures.extend(unknown.iter().map(|item| no_deal(item.subject_id, item.kind)));
        let batch = batch.with(kept);
        return (!batch.items.is_empty()).then(|| Trial::new(batch, false, Origin::Collected));
    }
    // A first open can have no deal yet; if it has, the revert or the missing event says so.
    let first = kind == Kind::Open && batch.items.iter().all(|item| item.sends == 0);
    Some(Trial::new(batch, first || kind == Kind::Deploy, Origin::Collected))
}

fn join(batches: &mut Vec<Batch>, batch: Batch) {
    match batches.iter_mut().find(|other| other.kind == batch.kind && other.diamond == batch.diamond) {
        Some(other) => other.items.extend(batch.items),
        None => batches.push(batch),
    }
}

fn halves(trial: Trial) -> Vec<Trial> {
    let mut items = trial.batch.items.clone();
    let second = items.split_off(items.len() / 2);
    let half = |items| Trial::new(trial.batch.with(items), trial.checked, Origin::Collected);
    vec![half(items), half(second)]
}

/// Compares operations with the contract's deals: what is done, what cannot be done, and what is left to do.
fn sort_out(items: &[Item], deals: &[abi::Deal], examined: &mut Examined) -> Vec<Item> {
    let mut kept = Vec::with_capacity(items.len());
    for (item, deal) in items.iter().zip(deals) {
        // An endpoint that knows less than is recorded as final says nothing.
        if recorded(deal) < item.state.unwrap_or(State::None) {
            continue;
        }
        match (item.kind, deal.state) {
            (Kind::Open, DealState::None)
            | (Kind::Release, DealState::Deposited)
            | (Kind::Cancel, DealState::Open | DealState::Deposited) => kept.push(item.clone()),
            // Whether it is the deal that was asked for is told when it is final.
            (Kind::Open, _) | (Kind::Release, DealState::Released) | (Kind::Cancel, DealState::Canceled) => {
                examined.satisfied.push(item.clone());
            }
            // Not final yet: another block may allow it after all.
            (Kind::Release | Kind::Cancel, _) if Some(recorded(deal)) != item.state => {}
            (Kind::Release | Kind::Cancel, state) => examined.failures.push(Failure {
                code: "WrongState".to_owned(),
                message: format!("the deal is {}", label(state)),
                retryable: false,
                ..refused(item, "")
            }),
            (Kind::Deploy, _) => kept.push(item.clone()),
        }
    }
    kept
}

fn recorded(deal: &abi::Deal) -> State {
    match deal.state {
        DealState::Open => State::Open,
        DealState::Deposited => State::Deposited,
        DealState::Released => State::Released,
        DealState::Canceled => State::Canceled,
        DealState::None | DealState::__Invalid => State::None,
    }
}

fn label(state: DealState) -> &'static str {
    match state {
        DealState::Open => "open",
        DealState::Deposited => "deposited",
        DealState::Released => "released",
        DealState::Canceled => "canceled",
        DealState::None | DealState::__Invalid => "unknown to the contract",
    }
}

/// Several failed together: each is tried apart. One failed: that is its reason, unless its deal is there already,
/// which is then looked at.
fn reverted(trial: Trial, reason: &abi::Reason, examined: &mut Examined) -> TrialOutcome {
    if trial.batch.items.len() > 1 {
        return apart(trial);
    }
    if reason.code == abi::DEAL_EXISTS {
        return TrialOutcome::Again(vec![Trial::new(trial.batch, false, Origin::Collected)]);
    }
    let item = &trial.batch.items[0];
    let known = matches!(item.state, Some(State::Open | State::Deposited));
    if known && matches!(reason.code.as_str(), "DealNotFound" | "WrongState") {
        // It was checked a moment ago: two backends of one endpoint disagree.
        return TrialOutcome::Wait;
    }
    if reason.code == abi::NOT_OPERATOR {
        examined.not_operator.push(item.clone());
        return TrialOutcome::Wait;
    }
    examined.failures.push(Failure {
        code: reason.code.clone(),
        message: reason.message.clone(),
        retryable: retryable(&reason.code),
        ..refused(item, "")
    });
    TrialOutcome::Wait
}

/// What the node said is not understood: whatever it is about must not hold up others.
fn unclear(trial: Trial, fault: &Fault) -> TrialOutcome {
    if trial.batch.items.len() > 1 {
        return apart(trial);
    }
    let item = &trial.batch.items[0];
    tracing::warn!(subject = %item.subject_id, kind = item.kind.as_str(), "chain operation waits: {fault}");
    TrialOutcome::Wait
}

fn apart(trial: Trial) -> TrialOutcome {
    let checked = trial.checked;
    let origin = match trial.origin {
        Origin::Rejoined => Origin::Rejoined,
        Origin::Collected | Origin::Apart => Origin::Apart,
    };
    TrialOutcome::Again(trial.batch.singles().map(|batch| Trial::new(batch, checked, origin)).collect())
}

/// Whether the same request may succeed once somebody has mended something. What the terms themselves are refused for
/// will be refused again.
pub(super) fn retryable(code: &str) -> bool {
    !matches!(
        code,
        "InvalidRef"
            | "InvalidPayee"
            | "InvalidAmount"
            | abi::INVALID_EXPIRY
            | "InvalidToken"
            | "WrongState"
            | "DealNotFound"
    )
}

pub(super) fn refused(item: &Item, message: &str) -> Failure {
    Failure {
        subject_id: item.subject_id,
        kind: item.kind,
        code: "rejected".to_owned(),
        message: message.to_owned(),
        retryable: true,
        hash: None,
    }
}

pub(super) fn no_contract(item: &Item, diamond: Address) -> Failure {
    Failure {
        code: "no_contract".to_owned(),
        message: format!("there is no contract at {diamond}"),
        ..refused(item, "")
    }
}
