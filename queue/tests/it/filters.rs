//! Which dead letters a filter means: each part narrows the choice, alone and together with any other.

use chrono::{DateTime, TimeDelta, Utc};
use queue::{
    Database,
    dead_letters::{self, DeadLetter, Filter, LetterState, Origin, Page},
};
use sea_orm::{ConnectionTrait as _, Statement};
use uuid::Uuid;

use crate::{
    on_every_backend,
    rig::{
        Rig,
        jobs::{Act, Bundle, Errand},
        letters::{Specimen, all, insert},
    },
};

const NODES: [Uuid; 2] = [Uuid::from_u128(1), Uuid::from_u128(2)];
const PAYMENTS: [Uuid; 2] = [Uuid::from_u128(3), Uuid::from_u128(4)];
const STATES: [&str; 4] = ["dead", "dead", "discarded", "replayed"];

/// Sixty letters, no two of which are alike in everything.
async fn written(rig: &Rig) -> (Database, Vec<DeadLetter>) {
    let (db, committed) = rig.connect().await;
    drop(committed);
    let specimens: Vec<Specimen> = (0..60_u32)
        .map(|number| {
            let of = |parts: u32| number as usize / 2 % parts as usize;
            let specimen = match number % 2 {
                0 => Specimen::of::<Errand>(number, Act::Succeed),
                _ => Specimen::of::<Bundle>(number, Act::GiveUp),
            };
            Specimen {
                error_code: ["reverted", "timeout", "x"][of(3)],
                origin: ["job", "broker"][of(2)],
                payment_id: PAYMENTS.get(of(3)).copied(),
                node_id: NODES.get(of(5)).copied(),
                state: STATES[of(4)],
                body: (number == 7).then_some((r#"{"note":"100% of_it \ "}"#, "text")),
                ..specimen
            }
        })
        .collect();
    insert(&db, &specimens).await;
    let letters = all(&db, &Filter::default()).await;
    // Each a second before the next one; every third was replayed.
    for (second, letter) in letters.iter().enumerate() {
        let at = letter.last_at - TimeDelta::seconds(i64::try_from(second).unwrap());
        let replayed_at = (second % 3 == 0).then_some(at);
        let sql = "UPDATE dead_letters SET last_at = $1, replayed_at = $2 WHERE id = $3";
        let values: [sea_orm::Value; 3] = [at.into(), replayed_at.into(), letter.id.into()];
        db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await.unwrap();
    }
    let letters = all(&db, &Filter::default()).await;
    assert!(letters.len() == 60 && letters.is_sorted_by(|one, next| one.id > next.id));
    (db, letters)
}

type Part = (&'static str, Box<dyn Fn(&mut Filter)>, Box<dyn Fn(&DeadLetter) -> bool>);

fn part(name: &'static str, set: impl Fn(&mut Filter) + 'static, is: impl Fn(&DeadLetter) -> bool + 'static) -> Part {
    (name, Box::new(set), Box::new(is))
}

fn parts(some: &DeadLetter) -> Vec<Part> {
    let (cause, same_cause) = (some.fingerprint.clone(), some.fingerprint.clone());
    let (message_id, time): (Uuid, DateTime<Utc>) = (some.message_id, some.last_at);
    let holds = |letter: &DeadLetter, text: &str| letter.error_message.contains(text) || letter.body.contains(text);
    vec![
        part("nothing", |_| (), |_| true),
        part("queue", |it| it.queue = Some("bundle.v1".to_owned()), |it| it.queue == "bundle.v1"),
        part("kind", |it| it.kind = Some("errand".to_owned()), |it| it.kind == "errand"),
        part("origin", |it| it.origin = Some(Origin::Broker), |it| it.origin == "broker"),
        part("error", |it| it.error_code = Some("timeout".to_owned()), |it| it.error_code == "timeout"),
        part("cause", move |it| it.fingerprint = Some(cause.clone()), move |it| it.fingerprint == same_cause),
        part("message", move |it| it.message_id = Some(message_id), move |it| it.message_id == message_id),
        part("payment", |it| it.payment_id = Some(PAYMENTS[1]), |it| it.payment_id == Some(PAYMENTS[1])),
        part("node", |it| it.node_id = Some(NODES[0]), |it| it.node_id == Some(NODES[0])),
        part("reach", |it| it.nodes = Some(NODES.to_vec()), |it| it.node_id.is_some()),
        part("no reach", |it| it.nodes = Some(Vec::new()), |_| false),
        part("state", |it| it.state = Some(LetterState::Discarded), |it| it.state == LetterState::Discarded),
        part("run", |it| it.redrive_id = Some(Uuid::nil()), |it| it.redrive_id == Some(Uuid::nil())),
        part("since", move |it| it.since = Some(time), move |it| it.last_at >= time),
        part("before", move |it| it.before = Some(time), move |it| it.last_at < time),
        part("replayed", |it| it.replayed = Some(true), |it| it.replayed_at.is_some()),
        part("not replayed", |it| it.replayed = Some(false), |it| it.replayed_at.is_none()),
        part("text", |it| it.text = Some("specimen 1".to_owned()), move |it| holds(it, "specimen 1")),
        part("a sign", |it| it.text = Some("100% of_it \\ ".to_owned()), move |it| holds(it, "100% of_it \\ ")),
        part("no pattern", |it| it.text = Some("s_ecimen".to_owned()), |_| false),
    ]
}

on_every_backend!(any_two_parts_of_a_filter_narrow_the_choice_to_what_is_both, async |rig: &Rig| {
    let (db, letters) = written(rig).await;
    let parts = parts(&letters[23]);
    for (one, set_one, is_one) in &parts {
        for (other, set_other, is_other) in &parts {
            let mut filter = Filter::default();
            set_one(&mut filter);
            set_other(&mut filter);
            // A part that is named twice counts as it was named last.
            let overridden = |name: &str| filter_names(one) == filter_names(name);
            let is = |letter: &&DeadLetter| is_other(letter) && (overridden(other) || is_one(letter));
            let wanted: Vec<Uuid> = letters.iter().filter(is).map(|letter| letter.id).collect();
            let found = dead_letters::list(&db, &filter, Page { after: None, limit: 500 }).await.unwrap();
            let found: Vec<Uuid> = found.into_iter().map(|letter| letter.id).collect();
            assert_eq!(found, wanted, "{one} and {other}");
            let counted = dead_letters::count(&db, &filter, 9).await.unwrap();
            assert_eq!(counted, 9.min(wanted.len() as u64), "{one} and {other}");
        }
    }
});

/// Which field of a filter the part is written to.
fn filter_names(part: &str) -> &str {
    match part {
        "no reach" => "reach",
        "not replayed" => "replayed",
        "a sign" | "no pattern" => "text",
        name => name,
    }
}

on_every_backend!(pages_of_letters_hold_each_once, async |rig: &Rig| {
    let (db, letters) = written(rig).await;
    let filter = Filter { queue: Some(letters[0].queue.clone()), ..Filter::default() };
    let wanted: Vec<Uuid> =
        letters.iter().filter(|letter| letter.queue == letters[0].queue).map(|letter| letter.id).collect();
    for limit in [1, 7, 30, 31] {
        let (mut ids, mut page) = (Vec::new(), Page { after: None, limit });
        loop {
            let part = dead_letters::search(&db, &filter, page).await.unwrap();
            assert!(part.letters.len() as u64 <= limit);
            ids.extend(part.letters.iter().map(|letter| letter.id));
            page.after = part.next;
            if part.next.is_none() {
                break;
            }
        }
        assert_eq!(ids, wanted, "{limit} at a time");
    }
    let none = dead_letters::list(&db, &filter, Page { after: None, limit: 0 }).await.unwrap();
    assert_eq!(none.len(), 1, "a page without letters would lead nowhere");
    let shown = dead_letters::show(&db, letters[5].id).await.unwrap();
    assert_eq!((shown, dead_letters::show(&db, Uuid::nil()).await.unwrap()), (Some(letters[5].clone()), None));
    assert_eq!(dead_letters::newest(&*db).await.unwrap(), Some(letters[0].id));
});
