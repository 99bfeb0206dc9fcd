//! What operators do with letters besides replaying them: look, foresee, discard, restore, edit.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use queue::{
    Database, Delivery, Foreseer, Foresight, Job, JobResult, Outlook, Registry,
    dead_letters::{self, ActError, Filter, LetterState, Origin, Page},
    redrive::{self, InvalidRun, NewRun, Plan, RunState},
};
use sea_orm::{ConnectionTrait as _, DatabaseBackend, Statement};
use uuid::Uuid;

use crate::{
    on_every_backend,
    rig::{
        Backend, Rig,
        jobs::{Act, Bundle, Diary, Errand, RunBundle, RunErrand},
        letters::{OPERATOR, Specimen, all, insert, run_over, start, until},
    },
};

/// Errands that tell what they would do.
struct Foreseeing;

impl Job<Diary> for Foreseeing {
    type Payload = Errand;

    async fn run(diary: &Diary, delivery: Delivery<Errand>) -> JobResult {
        RunErrand::run(diary, delivery).await
    }

    async fn foresee(_: &Diary, deliveries: &[Delivery<Errand>]) -> anyhow::Result<Vec<Foresight>> {
        let foresee = |delivery: &Delivery<Errand>| match delivery.payload.act {
            Act::GiveUp => Foresight::would_fail_again("it gives up"),
            _ if delivery.payload.number.is_multiple_of(2) => Foresight::already_done("even"),
            _ => Foresight::would_resume("odd"),
        };
        Ok(deliveries.iter().map(foresee).collect())
    }
}

fn foreseer() -> Foreseer {
    let registry = Registry::new().register::<Foreseeing>().register::<RunBundle>();
    registry.foreseer(Arc::new(Diary::default()))
}

async fn quiet(rig: &Rig) -> Database {
    let (db, committed) = rig.connect().await;
    drop(committed);
    db
}

on_every_backend!(a_plan_shows_what_would_happen_and_changes_nothing, async |rig: &Rig| {
    let db = quiet(rig).await;
    let mut letters: Vec<_> = (0..600).map(|number| Specimen::of::<Errand>(number, Act::Succeed)).collect();
    letters[0].body = Some(("ff00", "hex"));
    letters[2].body = Some((r#"{"number":"two"}"#, "text"));
    letters[4].kind = "stray";
    letters[6].deed = Act::GiveUp;
    letters.push(Specimen { queue: "nobody.v1", ..Specimen::of::<Errand>(1, Act::Succeed) });
    letters.push(Specimen { state: "discarded", ..Specimen::of::<Errand>(1, Act::Succeed) });
    letters.push(Specimen::of::<Bundle>(1, Act::Succeed));
    insert(&db, &letters).await;
    let plan = redrive::plan(&db, &Filter::default(), None, &foreseer()).await.expect("a plan");
    assert_eq!((plan.matching, plan.matching_complete, plan.would_replay, plan.examined), (602, true, 602, 602));
    assert_eq!(plan.expected(Outlook::AlreadyDone), 296);
    assert_eq!(plan.expected(Outlook::WouldResume), 300);
    assert_eq!(plan.expected(Outlook::WouldFailAgain), 5);
    assert_eq!(plan.expected(Outlook::Unknown), 1, "a job that does not say is not said to be fine");
    let reasons: Vec<_> = plan.outlooks.iter().map(|count| count.reason.as_str()).collect();
    assert_eq!(reasons[..2], ["odd", "even"], "the most frequent first");
    for reason in ["no job works this queue", "the body cannot be decoded", "it gives up"] {
        assert!(reasons.contains(&reason), "{reasons:?}");
    }
    assert_eq!(plan.samples.len(), 5);
    assert!(plan.oldest_at <= plan.newest_at && plan.oldest_at.is_some());
    let sizes: Vec<_> = plan.groups.groups.iter().map(|group| (group.kind.as_str(), group.letters)).collect();
    assert_eq!((plan.groups.letters, sizes[0]), (602, ("errand", 600)));
    assert_eq!(plan.groups.groups[0].sample_message, "specimen 1", "the newest");

    let some = redrive::plan(&db, &Filter::default(), Some(10), &foreseer()).await.expect("a plan");
    assert_eq!((some.matching, some.would_replay, some.examined), (602, 10, 10));
    assert_eq!(all(&db, &Filter { state: Some(LetterState::Dead), ..Filter::default() }).await.len(), 602);
    let nothing = Filter { queue: Some("none.v1".to_owned()), ..Filter::default() };
    let empty = redrive::plan(&db, &nothing, None, &foreseer()).await.expect("a plan");
    assert_eq!((empty.matching, empty.examined, empty.outlooks.len()), (0, 0, 0));
    const { assert!(Plan::EXAMINED >= 10_000) };
});

on_every_backend!(a_letter_is_discarded_and_restored, async |rig: &Rig| {
    let process = rig.process(Registry::new().register::<RunErrand>()).await;
    let db = &process.db;
    insert(db, &(0..3).map(|number| Specimen::of::<Errand>(number, Act::Succeed)).collect::<Vec<_>>()).await;
    let id = process.dead_letters().await[1].id;
    let act = async |restore: bool| {
        let mut tx = db.begin().await.expect("a transaction");
        let result = match restore {
            true => dead_letters::restore(&mut tx, id, OPERATOR).await,
            false => dead_letters::discard(&mut tx, id, OPERATOR).await,
        };
        tx.commit().await.expect("commits");
        result
    };
    assert!(matches!(act(true).await, Err(ActError::State { state: LetterState::Dead, .. })));
    act(false).await.expect("is discarded");
    let refused = act(false).await.expect_err("once is enough");
    assert!(refused.to_string().contains("is discarded; only what is dead can be discarded"), "{refused}");
    let letter = dead_letters::show(db, id).await.expect("answers").expect("is there");
    assert_eq!((letter.state_by.as_deref(), letter.state_reason.as_deref()), (Some("user:test"), Some("a test")));
    assert!(matches!(
        dead_letters::replay(db, id).await,
        Err(dead_letters::ReplayError::NotDead(_, LetterState::Discarded))
    ));
    let made = start(db, run_over(Filter::default())).await;
    assert_eq!(until(db, made.id, RunState::Done).await.total, 2, "a run passes over what was discarded");
    act(true).await.expect("is restored");
    dead_letters::replay(db, id).await.expect("is replayed");
    process.settled().await;
    assert_eq!(process.diary.finished(), [0, 1, 2]);
});

on_every_backend!(all_that_match_are_discarded_in_chunks, async |rig: &Rig| {
    let db = quiet(rig).await;
    let letter = |number: u32| Specimen {
        error_code: if number.is_multiple_of(3) { "third" } else { "specimen" },
        ..Specimen::of::<Errand>(number, Act::Succeed)
    };
    insert(&db, &(0..2_100).map(letter).collect::<Vec<_>>()).await;
    let thirds = Filter { error_code: Some("third".to_owned()), ..Filter::default() };
    let last = dead_letters::newest(&*db).await.expect("answers").expect("there are some");
    for restore in [false, true] {
        let (mut after, mut changed, mut chunks) = (None, 0, 0);
        loop {
            let mut tx = db.begin().await.expect("a transaction");
            let chunk = match restore {
                true => dead_letters::restore_chunk(&mut tx, &thirds, OPERATOR, after, last).await,
                false => dead_letters::discard_chunk(&mut tx, &thirds, OPERATOR, after, last).await,
            };
            tx.commit().await.expect("commits");
            let chunk = chunk.expect("a chunk");
            (changed, chunks, after) = (changed + chunk.changed, chunks + 1, chunk.next);
            if after.is_none() {
                break;
            }
        }
        assert_eq!((changed, chunks), (700, 2));
        let count = async |state| dead_letters::count(&db, &thirds.in_state(state), 10_000).await.expect("a count");
        let (state, other) = if restore {
            (LetterState::Dead, LetterState::Discarded)
        } else {
            (LetterState::Discarded, LetterState::Dead)
        };
        assert_eq!((count(state).await, count(other).await), (700, 0));
    }
});

on_every_backend!(an_edited_letter_takes_the_place_of_the_old_one, async |rig: &Rig| {
    let process = rig.process(Registry::new().register::<RunErrand>()).await;
    let db = &process.db;
    insert(db, &[Specimen::of::<Errand>(1, Act::GiveUp)]).await;
    let old = process.one_dead_letter().await;
    let edit = async |id: Uuid, body: &str| {
        let mut tx = db.begin().await.expect("a transaction");
        let result = dead_letters::edit(&mut tx, id, body, &foreseer(), OPERATOR).await;
        if result.is_ok() {
            tx.commit().await.expect("commits");
        }
        result
    };
    for (body, wrong) in [
        ("{", "EOF"),
        (r#"{"number":1}"#, "missing field"),
        (r#"{"number":1,"act":"Succeed","nunber":2}"#, "no field \"nunber\""),
    ] {
        let error = edit(old.id, body).await.expect_err("is refused").to_string();
        assert!(error.contains(wrong), "{error}");
    }
    assert_eq!(process.one_dead_letter().await.state, LetterState::Dead, "a refused edit changes nothing");
    let edited = edit(old.id, r#"{"number":1,"act":"Succeed"}"#).await.expect("is edited");
    assert_eq!(edited.changes.len(), 1);
    assert_eq!((edited.changes[0].pointer.as_str(), edited.changes[0].after.clone()), ("/act", Some("Succeed".into())));
    let show = async |id| dead_letters::show(db, id).await.expect("answers").expect("is there");
    let (was, new) = (show(old.id).await, show(edited.id).await);
    assert_eq!((was.state, was.replaced_by, was.body.clone()), (LetterState::Replaced, Some(new.id), old.body));
    assert_eq!((new.state, new.edited_from, &new.changes), (LetterState::Dead, Some(old.id), &edited.changes));
    assert!(new.message_id != was.message_id && new.message_id == edited.message_id);
    let again = edit(old.id, r#"{"number":1,"act":"Succeed"}"#).await.expect_err("it is not dead any more");
    assert!(again.to_string().contains("is replaced"), "{again}");
    assert!(matches!(edit(Uuid::now_v7(), "{}").await, Err(ActError::NotFound(_))));
    dead_letters::replay(db, edited.id).await.expect("is replayed");
    process.settled().await;
    assert_eq!(process.diary.finished(), [1]);
});

on_every_backend!(a_run_that_makes_no_sense_is_refused_with_every_reason, async |rig: &Rig| {
    let db = quiet(rig).await;
    let filter = Filter { state: Some(LetterState::Discarded), ..Filter::default() };
    let new = NewRun { rate_per_second: 0, stop_percent: 101, ..NewRun::new(filter, "user:test", " ") };
    let mut tx = db.begin().await.expect("a transaction");
    match redrive::create(&mut tx, new).await {
        Err(InvalidRun::Invalid(problems)) => assert_eq!(problems.len(), 4, "{problems:?}"),
        other => panic!("{other:?}"),
    }
    drop(tx);
    assert!(redrive::list(&db, redrive::RunPage::default()).await.expect("a list").is_empty());
    assert!(redrive::show(&db, Uuid::now_v7()).await.expect("answers").is_none());
});

/// Every filter by itself, with an index that its question may use.
fn filters(payment: Uuid) -> Vec<(&'static str, Filter)> {
    let all = Filter::default;
    vec![
        ("queue", Filter { queue: Some("rare.v1".to_owned()), ..all() }),
        ("kind", Filter { kind: Some("rare".to_owned()), ..all() }),
        ("origin", Filter { origin: Some(Origin::Broker), ..all() }),
        ("error_code", Filter { error_code: Some("rare".to_owned()), ..all() }),
        ("fingerprint", Filter { fingerprint: Some("rare-rare".to_owned()), ..all() }),
        ("message_id", Filter { message_id: Some(payment), ..all() }),
        ("payment_id", Filter { payment_id: Some(payment), ..all() }),
        ("node_id", Filter { node_id: Some(payment), ..all() }),
        ("nodes", Filter { nodes: Some(vec![payment, Uuid::now_v7()]), ..all() }),
        ("redrive_id", Filter { redrive_id: Some(payment), ..all() }),
        ("state", Filter { state: Some(LetterState::Discarded), ..all() }),
    ]
}

/// A hundred thousand, of which nearly all are dead and alike.
async fn crowded(rig: &Rig, payment: Uuid) -> Database {
    let db = quiet(rig).await;
    let rare = |number: u32| Specimen {
        queue: "rare.v1",
        kind: "rare",
        error_code: "rare",
        origin: "broker",
        payment_id: Some(payment),
        node_id: Some(payment),
        state: if number == 0 { "discarded" } else { "dead" },
        ..Specimen::of::<Errand>(number, Act::Succeed)
    };
    insert(&db, &(0..10).map(rare).collect::<Vec<_>>()).await;
    insert(&db, &(0..3_000).map(|number| Specimen::of::<Errand>(number, Act::Succeed)).collect::<Vec<_>>()).await;
    // The rest as copies: what takes time here is writing them one by one.
    let postgres = db.get_database_backend() == DatabaseBackend::Postgres;
    let id = if postgres { "gen_random_uuid()" } else { "randomblob(16)" };
    let copied = "queue, kind, origin, body, body_encoding, headers, attempts, error_code, error_message, fingerprint, \
        payment_id, node_id, first_at, last_at, replay_no, state, state_at";
    // Copies are told from the originals, which are copied again, by their attempts.
    let replaced = copied.replace("attempts", "4");
    let sql = format!(
        "INSERT INTO dead_letters (id, outbox_id, message_id, {copied}) SELECT {id}, {id}, {id}, {replaced} \
         FROM dead_letters WHERE kind = 'errand' AND attempts = 3"
    );
    for _ in 0..32 {
        let tx = db.begin().await.expect("a transaction");
        tx.execute_unprepared(&sql).await.expect("many letters");
        tx.commit().await.expect("commits");
    }
    if postgres {
        db.execute_unprepared("VACUUM ANALYZE dead_letters").await.expect("statistics");
    }
    db
}

async fn plan_of(db: &Database, statement: Statement) -> String {
    let postgres = db.get_database_backend() == DatabaseBackend::Postgres;
    let (explain, column) = if postgres { ("EXPLAIN", "QUERY PLAN") } else { ("EXPLAIN QUERY PLAN", "detail") };
    let explained = Statement { sql: format!("{explain} {}", statement.sql), ..statement };
    let rows = db.query_all_raw(explained).await.expect("a plan");
    rows.iter().map(|row| row.try_get::<String>("", column).expect("text")).collect::<Vec<_>>().join("\n")
}

async fn a_hundred_thousand_letters_are_searched_quickly(backend: Backend) {
    let rig = Rig::new(backend).await;
    let payment = Uuid::now_v7();
    let db = crowded(&rig, payment).await;
    assert!(dead_letters::count(&db, &Filter::default(), 1_000_000).await.expect("a count") > 99_000);
    for (name, filter) in filters(payment) {
        let plan = plan_of(&db, filter.list_statement(db.get_database_backend())).await;
        assert!(plan.contains("dead_letters_"), "{name} by an index of its own:\n{plan}");
        assert!(!plan.contains("Seq Scan") && !plan.contains("SCAN dead_letters\n"), "{name}:\n{plan}");
        let began = Instant::now();
        dead_letters::list(&db, &filter, Page::default()).await.expect("a list");
        assert!(began.elapsed() < Duration::from_secs(2), "{name} took {:?}", began.elapsed());
    }
    for (name, filter) in [
        ("everything", Filter::default()),
        ("all dead", Filter { state: Some(LetterState::Dead), ..Filter::default() }),
        ("a text", Filter { text: Some("nobody wrote this".to_owned()), ..Filter::default() }),
    ] {
        let began = Instant::now();
        dead_letters::list(&db, &filter, Page::default()).await.expect("a list");
        let groups = dead_letters::groups(&db, &filter, 50).await.expect("groups");
        assert!(began.elapsed() < Duration::from_secs(10), "{name} took {:?}", began.elapsed());
        assert!(name == "a text" || groups.groups[0].letters >= 99_000, "{groups:?}");
        assert!(groups.groups.windows(2).all(|pair| pair[0].letters >= pair[1].letters));
    }
    // What is rare is found by going on, a stretch at a time.
    let text = Filter { text: Some("specimen 2999".to_owned()), ..Filter::default() };
    assert!(dead_letters::count(&db, &text, 1_000).await.expect("a count") < all(&db, &text).await.len() as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_letters_on_sqlite() {
    a_hundred_thousand_letters_are_searched_quickly(Backend::SqliteEmbedded).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_letters_on_postgres() {
    a_hundred_thousand_letters_are_searched_quickly(Backend::PostgresEmbedded).await;
}
