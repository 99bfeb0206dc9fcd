//! Dead letters: what gets there, how it is found, how it comes back.

use queue::{
    NewMessage, Payload, Registry, Subject,
    dead_letters::{self, Filter, Origin, Page, ReplayError},
};
use sea_orm::ConnectionTrait as _;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    on_every_backend,
    rig::{
        eventually,
        jobs::{Act, RunErrand, errand},
    },
};

/// In the errands' queue, under the errands' name, but not an errand.
#[derive(Serialize, Deserialize)]
struct Unreadable {
    number: String,
}

impl Payload for Unreadable {
    const TYPE: &'static str = "errand";
    const QUEUE: &'static str = "errand.v1";

    fn subject(&self) -> Subject {
        Subject::default()
    }
}

/// In the errands' queue under another name.
#[derive(Serialize, Deserialize)]
struct Stray;

impl Payload for Stray {
    const TYPE: &'static str = "stray";
    const QUEUE: &'static str = "errand.v1";

    fn subject(&self) -> Subject {
        Subject::default()
    }
}

on_every_backend!(what_no_job_can_read_is_a_dead_letter, async |rig: &Rig| {
    let process = rig.process(Registry::new().register::<RunErrand>()).await;
    let unreadable = NewMessage::of(&Unreadable { number: "one".to_owned() });
    process.enqueue(vec![unreadable, NewMessage::of(&Stray), errand(1, Act::Succeed)]).await;
    eventually("both are dead", async || process.dead_letters().await.len() == 2).await;
    let mut letters = process.dead_letters().await;
    letters.sort_by(|one, other| one.error_code.cmp(&other.error_code));
    assert_eq!(letters[0].error_code, "undecodable");
    assert!(letters[0].error_message.contains("invalid type: string"), "{}", letters[0].error_message);
    assert_eq!((letters[0].body.as_str(), letters[0].body_encoding.as_str()), (r#"{"number":"one"}"#, "text"));
    assert_eq!(letters[1].error_code, "unknown_kind");
    assert!(letters.iter().all(|letter| letter.attempts == 1 && letter.origin == "job"));
    eventually("the readable one is done", async || process.diary.finished() == [1]).await;
    process.settled().await;
});

on_every_backend!(a_letter_is_replayed_once, async |rig: &Rig| {
    let process = rig.process(Registry::new().register::<RunErrand>()).await;
    // Dies after three attempts, and succeeds with the fourth, should there be one.
    let ids = process.enqueue(vec![errand(1, Act::SnoozeTimes(0, 0)), errand(2, Act::FailTimes(99))]).await;
    let letter = process.one_dead_letter().await;

    let replays = (0..5).map(|_| dead_letters::replay(&process.db, letter.id));
    let replays = futures_util::future::join_all(replays).await;
    let (done, refused): (Vec<_>, Vec<_>) = replays.into_iter().partition(Result::is_ok);
    assert_eq!(done.len(), 1, "of five at the same time, one is obeyed");
    assert!(refused.iter().all(|replay| matches!(replay, Err(ReplayError::AlreadyReplayed(id)) if *id == letter.id)));

    eventually("the replay dies too", async || process.dead_letters().await.len() == 2).await;
    let letters = process.dead_letters().await;
    let (again, first) = (&letters[0], &letters[1]);
    assert_eq!(process.diary.of(2).len(), 6, "with a fresh budget of attempts");
    assert_eq!((again.message_id, first.message_id), (ids[1], ids[1]), "an inbox would recognise it");
    assert_eq!((again.replay_of, again.replay_no), (Some(first.id), 1));
    assert_eq!((first.replay_of, first.replay_no), (None, 0));
    assert_eq!(first.replayed_as, done[0].as_ref().ok().copied());
    assert!(first.replayed_at.is_some() && again.replayed_at.is_none());
    assert_eq!(again.fingerprint, first.fingerprint);

    let nobody = Uuid::now_v7();
    assert!(matches!(dead_letters::replay(&process.db, nobody).await, Err(ReplayError::NotFound(id)) if id == nobody));
    process.settled().await;
});

on_every_backend!(letters_are_found_page_by_page, async |rig: &Rig| {
    let process = rig.process(Registry::new().register::<RunErrand>()).await;
    let payment = Uuid::now_v7();
    let number = |number: u32| errand(number, Act::GiveUp).header("payment_id", payment.to_string());
    process.enqueue((0..7).map(number).collect()).await;
    process.enqueue(vec![NewMessage::of(&Stray)]).await;
    eventually("all are dead", async || process.dead_letters().await.len() == 8).await;

    let of_payment = Filter { payment_id: Some(payment), ..Filter::default() };
    let mut found = Vec::new();
    let mut page = Page { after: None, limit: 3 };
    loop {
        let letters = dead_letters::list(&process.db, &of_payment, page).await.expect("a page");
        page.after = letters.last().map(|letter| letter.id);
        found.extend(letters.iter().map(|letter| letter.id));
        if letters.len() < 3 {
            break;
        }
    }
    assert_eq!(found.len(), 7);
    assert!(found.windows(2).all(|pair| pair[0] > pair[1]), "newest first");

    let count = async |filter: Filter| {
        let letters = dead_letters::list(&process.db, &filter, Page::default()).await.expect("a list");
        letters.len()
    };
    assert_eq!(count(Filter { kind: Some("stray".to_owned()), ..Filter::default() }).await, 1);
    assert_eq!(count(Filter { error_code: Some("given_up".to_owned()), ..Filter::default() }).await, 7);
    assert_eq!(count(Filter { text: Some("errand 3".to_owned()), ..Filter::default() }).await, 1);
    assert_eq!(count(Filter { text: Some("err%n_ 3".to_owned()), ..Filter::default() }).await, 0);
    assert_eq!(count(Filter { origin: Some(Origin::Broker), ..Filter::default() }).await, 0);
    assert_eq!(count(Filter { node_id: Some(payment), ..Filter::default() }).await, 0);
    assert_eq!(
        count(Filter { queue: Some("errand.v1".to_owned()), replayed: Some(false), ..Filter::default() }).await,
        8
    );
    let letter = dead_letters::show(&process.db, found[0]).await.expect("answers").expect("is there");
    assert_eq!(count(Filter { fingerprint: Some(letter.fingerprint), ..Filter::default() }).await, 7);
    assert_eq!(count(Filter { message_id: Some(letter.message_id), ..Filter::default() }).await, 1);
    let earlier = process.dead_letters().await.iter().filter(|other| other.last_at < letter.last_at).count();
    assert_eq!(count(Filter { before: Some(letter.last_at), ..Filter::default() }).await, earlier);
    assert_eq!(count(Filter { since: Some(letter.last_at), ..Filter::default() }).await, 8 - earlier);
    assert_eq!(dead_letters::show(&process.db, payment).await.expect("answers"), None);
});

on_every_backend!(a_letter_reported_twice_is_one_letter, async |rig: &Rig| {
    let process = rig.process(Registry::new().register::<RunErrand>()).await;
    process.enqueue(vec![errand(1, Act::GiveUp)]).await;
    let letter = process.one_dead_letter().await;
    process.settled().await;
    // The acknowledgement got lost: the same row is delivered, and dies, again.
    let restore = format!(
        "INSERT INTO outbox (id, message_id, queue, kind, payload, headers, due_at, attempts, claims, created_at) \
         SELECT outbox_id, message_id, queue, kind, body, headers, first_at, 0, 0, first_at FROM dead_letters \
         WHERE kind = '{}'",
        letter.kind
    );
    let tx = process.db.begin().await.expect("a transaction");
    tx.execute_unprepared(&restore).await.expect("the row is back");
    tx.commit().await.expect("commits");
    eventually("it died again", async || process.diary.of(1).len() == 2).await;
    process.settled().await;
    eventually("its time is renewed", async || process.one_dead_letter().await.last_at > letter.last_at).await;
});
