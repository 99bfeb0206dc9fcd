//! Jobs that take several messages at once.

use queue::Registry;

use crate::{
    on_every_backend,
    rig::{
        eventually,
        jobs::{Act, RunBundle, bundle},
    },
};

on_every_backend!(what_waits_together_is_worked_on_together, async |rig: &Rig| {
    let process = rig.process(Registry::new().register::<RunBundle>()).await;
    process.enqueue((0..100).map(|number| bundle(number, Act::Succeed)).collect()).await;
    eventually("all are done", async || process.diary.finished().len() == 100).await;
    process.settled().await;
    assert_eq!(process.diary.finished(), (0..100).collect::<Vec<_>>());
    let largest = process.diary.entries().iter().map(|entry| entry.together).max();
    assert_eq!(largest, Some(20), "full batches, none larger");
});

on_every_backend!(a_bad_message_does_not_drag_its_neighbours_along, async |rig: &Rig| {
    for (dead, poison) in [Act::FailTimes(99), Act::Panic].into_iter().enumerate() {
        let process = rig.process(Registry::new().register::<RunBundle>()).await;
        let act = |number| if number == 17 { poison.clone() } else { Act::Succeed };
        process.enqueue((0..40).map(|number| bundle(number, act(number))).collect()).await;
        let neighbours: Vec<_> = (0..40).filter(|number| *number != 17).collect();
        eventually("the neighbours are done", async || process.diary.finished().len() >= neighbours.len()).await;
        eventually("the poison is dead", async || process.dead_letters().await.len() == dead + 1).await;
        process.settled().await;
        assert_eq!(process.diary.finished(), neighbours, "each once");
        assert!(process.diary.entries().iter().all(|entry| entry.number == 17 || entry.attempts == 0));
        let letter = process.dead_letters().await.remove(0);
        assert_eq!(letter.attempts, 3, "the failures of the batch as a whole are not counted");
        process.stop().await;
    }
});
