//! The way of a deal, on Anvil and on the development chain.

use alloy::primitives::{Address, U256};
use chain::{Edition, Fact, Kind, Request, Withdrawn};
use devchain::BlockTime;
use uuid::Uuid;

use crate::{
    database::Backend,
    node::Node,
    world::{AMOUNT, World, count_of, hashes, names, on_each_database},
};

on_each_database!(
    opens_one_on_anvil,
    opens_one_on_the_development_chain,
    opens_many_in_batches,
    is_paid_and_released,
    is_canceled_before_and_after_its_deposit,
    asking_twice_makes_one_deal,
    a_cancel_waits_for_its_deal,
    one_bad_deal_fails_alone,
    a_failed_open_can_be_asked_for_again,
    what_is_not_sent_can_be_withdrawn,
    deploys_a_diamond,
    native_deposits_go_back_whole,
    wrong_orders_fail_by_name,
);

async fn on_devchain(backend: Backend) -> World {
    World::new(Node::devchain(BlockTime::Instant).await, backend).await
}

async fn opens_one(world: World) {
    let agent = world.start();
    let subject = world.opened(&agent, 1).await[0];
    let facts = world.until("it is mined", |facts| count_of(facts, "Mined", &[subject]) == 1).await;
    let told = names(&facts);
    assert_eq!(told[0], "Signed");
    let mut sorted = told.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, ["Broadcast", "DealOpened", "Mined", "Signed"]);
    let opened = facts.iter().find_map(|fact| match fact {
        Fact::DealOpened { deal_id, evidence, .. } => Some((*deal_id, evidence.hash)),
        _ => None,
    });
    let deal_id = match world.edition {
        Edition::First => U256::from_be_bytes(chain::reference(subject).0),
        Edition::Second => U256::ONE,
    };
    assert_eq!(opened, Some((deal_id, Some(hashes(&facts)[0]))));
    assert_eq!(world.created(&[subject]).await, (1, 1));
    agent.stop().await;
}

async fn opens_one_on_anvil(backend: Backend) {
    opens_one(World::new(Node::anvil(&[]), backend).await).await;
}

async fn opens_one_on_the_development_chain(backend: Backend) {
    opens_one(on_devchain(backend).await).await;
}

async fn opens_many_in_batches(backend: Backend) {
    // Mining at once alone leaves what does not fit into a block unmined until another transaction comes.
    let world = World::new(Node::anvil(&["--mixed-mining", "--block-time", "1"]), backend).await;
    let agent = world.start();
    let subjects = world.opened(&agent, 250).await;
    assert_eq!(world.created(&subjects).await, (250, 250));
    let facts = world.facts().await;
    assert_eq!(count_of(&facts, "Signed", &subjects), 250);
    assert!(hashes(&facts).len() <= 4, "{} transactions for 250 deals", hashes(&facts).len());
    agent.stop().await;
}

async fn is_paid_and_released(backend: Backend) {
    let world = World::new(Node::anvil(&[]), backend).await;
    let agent = world.start();
    let subject = world.opened(&agent, 1).await[0];
    world.deposit(subject).await;
    let facts = world.until("it is paid", |facts| count_of(facts, "DepositFinal", &[subject]) == 1).await;
    let told = names(&facts);
    let of = |name: &str| told.iter().position(|told| told == name).expect("told");
    assert!(of("DealOpened") < of("DepositSeen") && of("DepositSeen") < of("DepositFinal"));
    let paid = facts.iter().find_map(|fact| match fact {
        Fact::DepositFinal { payer, amount, .. } => Some((*payer, *amount)),
        _ => None,
    });
    assert_eq!(paid, Some((world.payer.address(), U256::from(AMOUNT))));

    world.request(&[world.ask(subject, Kind::Release)]).await;
    agent.waker.wake();
    world.until("it is released", |facts| count_of(facts, "Released", &[subject]) == 1).await;
    let payee = world.terms().payee;
    assert_eq!(world.payer.balance(world.token, payee).await.expect("answers"), U256::from(AMOUNT));
    agent.stop().await;
}

async fn is_canceled_before_and_after_its_deposit(backend: Backend) {
    let world = on_devchain(backend).await;
    let agent = world.start();
    let subjects = world.opened(&agent, 5).await;
    let before = world.payer.balance(world.token, world.payer.address()).await.expect("answers");
    world.deposit(subjects[0]).await;
    world.until("it is paid", |facts| count_of(facts, "DepositFinal", &subjects) == 1).await;
    let cancels: Vec<_> = subjects.iter().map(|subject| world.ask(*subject, Kind::Cancel)).collect();
    world.request(&cancels).await;
    agent.waker.wake();
    let facts = world.until("all are canceled", |facts| count_of(facts, "Canceled", &subjects) == 5).await;
    for fact in &facts {
        if let Fact::Canceled { subject_id, returned, held, .. } = fact {
            let expected = if *subject_id == subjects[0] { AMOUNT } else { 0 };
            assert_eq!((*returned, *held), (U256::from(expected), None));
        }
    }
    assert_eq!(world.payer.balance(world.token, world.payer.address()).await.expect("answers"), before);
    agent.stop().await;
}

async fn asking_twice_makes_one_deal(backend: Backend) {
    let world = on_devchain(backend).await;
    let agent = world.start();
    let subject = Uuid::now_v7();
    let twice = [world.open(subject), world.open(subject)];
    world.request(&twice).await;
    world.request(&twice).await;
    agent.waker.wake();
    world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    world.request(&twice).await;
    agent.waker.wake();
    world.opened(&agent, 1).await;
    assert_eq!(world.created(&[subject]).await, (1, 2));
    assert_eq!(count_of(&world.facts().await, "Signed", &[subject]), 1);
    agent.stop().await;
}

async fn a_cancel_waits_for_its_deal(backend: Backend) {
    let world = on_devchain(backend).await;
    let subject = Uuid::now_v7();
    world.request(&[world.ask(subject, Kind::Cancel), world.open(subject)]).await;
    let agent = world.start();
    let facts = world.until("it is canceled", |facts| count_of(facts, "Canceled", &[subject]) == 1).await;
    assert_eq!(count_of(&facts, "DealOpened", &[subject]), 1);

    // Where none will be opened there is nothing to wait for.
    let hopeless = Uuid::now_v7();
    let mut open = world.open(hopeless);
    open.terms = open.terms.map(|terms| chain::DealTerms { payee: Address::ZERO, ..terms });
    world.request(&[open, world.ask(hopeless, Kind::Cancel)]).await;
    agent.waker.wake();
    let facts = world.until("both fail", |facts| count_of(facts, "Failed", &[hopeless]) == 2).await;
    let codes: Vec<_> = failures(&facts).into_iter().map(|(kind, code, _)| (kind, code)).collect();
    assert_eq!(codes, [(Kind::Open, "InvalidPayee".to_owned()), (Kind::Cancel, "no_deal".to_owned())]);
    agent.stop().await;
}

fn failures(facts: &[Fact]) -> Vec<(Kind, String, bool)> {
    facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::Failed { kind, code, retryable, .. } => Some((*kind, code.clone(), *retryable)),
            _ => None,
        })
        .collect()
}

async fn one_bad_deal_fails_alone(backend: Backend) {
    let world = on_devchain(backend).await;
    let subjects: Vec<Uuid> = (0..40).map(|_| Uuid::now_v7()).collect();
    let requests = subjects.iter().enumerate().map(|(index, subject)| {
        let mut request = world.open(*subject);
        if index == 17 {
            request.terms = request.terms.map(|terms| chain::DealTerms { amount: U256::ZERO, ..terms });
        }
        request
    });
    world.request(&requests.collect::<Vec<Request>>()).await;
    let agent = world.start();
    let facts = world
        .until("the others are open", |facts| {
            count_of(facts, "DealOpened", &subjects) == 39 && count_of(facts, "Failed", &subjects) == 1
        })
        .await;
    assert_eq!(failures(&facts), [(Kind::Open, "InvalidAmount".to_owned(), false)]);
    assert_eq!(count_of(&facts, "Failed", &[subjects[17]]), 1);
    assert_eq!(count_of(&facts, "Signed", &[subjects[17]]), 0, "it took no nonce");
    assert_eq!(hashes(&facts).len(), 1, "the others went together");
    agent.stop().await;
}

async fn a_failed_open_can_be_asked_for_again(backend: Backend) {
    let world = on_devchain(backend).await;
    let agent = world.start();
    let subject = Uuid::now_v7();
    let request = Request { diamond: Some(Address::repeat_byte(1)), ..world.open(subject) };
    world.request(&[request]).await;
    agent.waker.wake();
    let facts = world.until("it fails", |facts| count_of(facts, "Failed", &[subject]) == 1).await;
    assert_eq!(failures(&facts), [(Kind::Open, "no_contract".to_owned(), true)]);
    world.request(&[world.open(subject)]).await;
    agent.waker.wake();
    world.until("it is open", |facts| count_of(facts, "DealOpened", &[subject]) == 1).await;
    assert_eq!(world.created(&[subject]).await, (1, 1));
    agent.stop().await;
}

async fn what_is_not_sent_can_be_withdrawn(backend: Backend) {
    let world = on_devchain(backend).await;
    let (early, late, never) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    world.request(&[world.open(early), world.open(late)]).await;
    let withdraw = async |subject| {
        let tx = world.database.db.begin().await.expect("begins");
        let withdrawn = chain::withdraw(&tx, subject, Kind::Open).await.expect("answers");
        tx.commit().await.expect("commits");
        withdrawn
    };
    assert_eq!(withdraw(early).await, Withdrawn::Done);
    let agent = world.start();
    world.until("the other is open", |facts| count_of(facts, "DealOpened", &[late]) == 1).await;
    assert_eq!(withdraw(late).await, Withdrawn::TooLate);
    assert_eq!(withdraw(never).await, Withdrawn::Unknown);
    assert_eq!(withdraw(early).await, Withdrawn::Done);
    assert_eq!(world.created(&[early, late]).await, (1, 1));
    agent.stop().await;
}

async fn deploys_a_diamond(backend: Backend) {
    let mut world = on_devchain(backend).await;
    let agent = world.start();
    let deployment = Uuid::now_v7();
    world.request(&[world.ask(deployment, Kind::Deploy)]).await;
    agent.waker.wake();
    let facts = world.until("it is there", |facts| count_of(facts, "Deployed", &[deployment]) == 1).await;
    let deployed = facts.iter().find_map(|fact| match fact {
        Fact::Deployed { diamond, .. } => Some(*diamond),
        _ => None,
    });
    world.diamond = deployed.expect("an address");
    world.opened(&agent, 2).await;
    agent.stop().await;
}

async fn native_deposits_go_back_whole(backend: Backend) {
    let mut world = on_devchain(backend).await;
    world.token = Address::ZERO;
    let agent = world.start();
    let subjects = world.opened(&agent, 3).await;
    for subject in &subjects {
        world.deposit(*subject).await;
    }
    world.until("all are paid", |facts| count_of(facts, "DepositFinal", &subjects) == 3).await;
    let before = world.payer.balance(Address::ZERO, world.payer.address()).await.expect("answers");
    let cancels: Vec<_> = subjects.iter().map(|subject| world.ask(*subject, Kind::Cancel)).collect();
    world.request(&cancels).await;
    agent.waker.wake();
    let facts = world.until("all are canceled", |facts| count_of(facts, "Canceled", &subjects) == 3).await;
    let held = facts.iter().filter(|fact| matches!(fact, Fact::Canceled { held: Some(_), .. })).count();
    assert_eq!(held, 0);
    let after = world.payer.balance(Address::ZERO, world.payer.address()).await.expect("answers");
    assert_eq!(after - before, U256::from(3 * AMOUNT));
    agent.stop().await;
}

async fn wrong_orders_fail_by_name(backend: Backend) {
    let world = on_devchain(backend).await;
    let agent = world.start();
    let subject = world.opened(&agent, 1).await[0];
    world.request(&[world.ask(subject, Kind::Release)]).await;
    agent.waker.wake();
    let facts = world.until("it fails", |facts| count_of(facts, "Failed", &[subject]) == 1).await;
    assert_eq!(failures(&facts), [(Kind::Release, "WrongState".to_owned(), false)]);
    agent.stop().await;
}
