//! What waits in memory is given out once and in order, and what nobody here wants goes back to the table.

use std::collections::BTreeMap;

use super::*;

fn message(queue: &str) -> Message {
    let (id, queue) = (Uuid::now_v7(), queue.to_owned());
    let (kind, payload, headers) = ("k".to_owned(), "{}".to_owned(), BTreeMap::new());
    Message { id, message_id: id, queue, kind, payload, headers, attempts: 0, claims: 0 }
}

fn offer(shelf: &QueueStore, messages: &[Message]) -> Vec<Publication> {
    shelf.offer(messages.to_vec(), |_| None)
}

#[tokio::test]
async fn a_message_waits_only_where_there_is_a_consumer_and_comes_once() {
    let (shelf, one, other) = (QueueStore::default(), message("a"), message("a"));
    assert_eq!(offer(&shelf, std::slice::from_ref(&one)), [Publication::Refused], "nobody is there");
    shelf.open("a");
    let elsewhere = message("b");
    let offered = offer(&shelf, &[one.clone(), other.clone(), elsewhere]);
    assert_eq!(offered, [Publication::Held, Publication::Held, Publication::Refused]);
    assert_eq!(offer(&shelf, std::slice::from_ref(&other)), [Publication::Held], "it is here already");
    assert_eq!(shelf.next("a").await.1.id, one.id);
    assert_eq!(offer(&shelf, std::slice::from_ref(&one)), [Publication::Held], "a sweep brings what is in work");
    assert_eq!(shelf.next("a").await.1.id, other.id, "in the order in which they came, and none twice");
    let none = tokio::time::timeout(Duration::from_millis(20), shelf.next("a")).await;
    assert!(none.is_err(), "{none:?}");
    shelf.forget(&[one.id]);
    assert_eq!(offer(&shelf, std::slice::from_ref(&one)), [Publication::Held]);
    assert_eq!(shelf.next("a").await.1.id, one.id, "what is settled may come again");
}

#[test]
fn what_is_decided_already_needs_neither_room_nor_consumers() {
    let (shelf, event, work) = (QueueStore::default(), message("events"), message("a"));
    let decided = |message: &Message| (message.queue == "events").then_some(Publication::Confirmed);
    let offered = shelf.offer(vec![event, work], decided);
    assert_eq!(offered, [Publication::Confirmed, Publication::Refused]);
}

#[test]
fn with_the_last_consumer_of_a_queue_goes_what_waited_for_it() {
    let (shelf, waiting, elsewhere) = (QueueStore::default(), message("a"), message("b"));
    for queue in ["a", "a", "b"] {
        shelf.open(queue);
    }
    offer(&shelf, &[waiting.clone(), elsewhere.clone()]);
    shelf.close("a");
    assert!(shelf.take_settled().released.is_empty(), "another one is there");
    shelf.close("a");
    assert_eq!(shelf.take_settled().released, [waiting.id], "any other process may have it at once");
    assert_eq!(offer(&shelf, &[waiting.clone(), elsewhere]), [Publication::Refused, Publication::Held]);
    shelf.close("a");
    shelf.close("unknown");
    shelf.open("a");
    assert_eq!(offer(&shelf, &[waiting]), [Publication::Held]);
}

#[test]
fn a_queue_is_full_before_memory_is() {
    let shelf = QueueStore::default();
    assert!(shelf.roomy_queues().is_empty());
    shelf.open("a");
    assert_eq!(shelf.roomy_queues(), ["a"]);
    let sweep = usize::try_from(SWEEP).unwrap();
    let many: Vec<Message> = (0..=ROOM).map(|_| message("a")).collect();
    assert!(offer(&shelf, &many[..ROOM - sweep]).iter().all(|offered| *offered == Publication::Held));
    assert_eq!(shelf.roomy_queues(), ["a"], "a whole sweep finds room");
    offer(&shelf, &many[ROOM - sweep..=ROOM - sweep]);
    assert!(shelf.roomy_queues().is_empty());
    let rest = offer(&shelf, &many[ROOM - sweep + 1..]);
    assert_eq!(rest.iter().filter(|offered| **offered == Publication::Refused).count(), 1, "the one too many");
    assert_eq!(rest.last(), Some(&Publication::Refused));
    shelf.close("a");
    assert!(shelf.roomy_queues().is_empty(), "nobody takes anything");
}

#[test]
fn a_claim_is_renewed_when_it_is_old_and_then_it_is_young() {
    let (shelf, held) = (QueueStore::default(), message("a"));
    shelf.open("a");
    offer(&shelf, std::slice::from_ref(&held));
    assert!(shelf.claims_to_renew(Duration::from_secs(60)).is_empty());
    assert_eq!(shelf.claims_to_renew(Duration::ZERO), [held.id]);
    let old = Instant::now().checked_sub(Duration::from_secs(120)).unwrap();
    shelf.state().held.insert(held.id, old);
    assert_eq!(shelf.claims_to_renew(Duration::from_secs(60)), [held.id]);
    assert!(shelf.claims_to_renew(Duration::from_secs(60)).is_empty(), "it counts from now");
    shelf.state().held.insert(held.id, old);
    offer(&shelf, std::slice::from_ref(&held));
    assert!(shelf.claims_to_renew(Duration::from_secs(60)).is_empty(), "the sweep that brought it has claimed it");
    shelf.forget(&[held.id]);
    assert!(shelf.claims_to_renew(Duration::ZERO).is_empty());
}

#[tokio::test]
async fn what_could_not_be_written_to_the_table_is_tried_again() {
    let shelf = QueueStore::default();
    let (finished, released) = (vec![Uuid::now_v7()], vec![Uuid::now_v7(), Uuid::now_v7()]);
    shelf.put_back(Settled { finished: finished.clone(), released: released.clone() });
    tokio::time::timeout(Duration::from_secs(1), shelf.settled()).await.unwrap();
    shelf.put_back(Settled { finished: finished.clone(), released: Vec::new() });
    let settled = shelf.take_settled();
    assert_eq!((settled.finished, settled.released), ([finished.clone(), finished].concat(), released));
    let nothing = shelf.take_settled();
    assert!(nothing.finished.is_empty() && nothing.released.is_empty(), "once");
}
