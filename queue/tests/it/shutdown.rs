//! Ending on request.

use std::time::{Duration, Instant};

use queue::Registry;

use crate::{
    on_every_backend,
    rig::{
        eventually,
        jobs::{Act, RunErrand, errand},
    },
};

on_every_backend!(a_stop_finishes_what_runs_and_leaves_the_rest, async |rig: &Rig| {
    let process = rig.process(Registry::new().register::<RunErrand>()).await;
    process.enqueue((0..10).map(|number| errand(number, Act::Take(700))).collect()).await;
    eventually("some are running", async || process.diary.entries().len() == 4).await;
    let asked = Instant::now();
    let first = process.stop().await;
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    let begun = first.entries().len();
    assert_eq!(first.finished().len(), begun, "what was begun is finished");
    assert!(begun < 10, "what was not begun is left");

    let second = rig.process(Registry::new().register::<RunErrand>()).await;
    eventually("the rest is done", async || second.diary.finished().len() + begun == 10).await;
    second.settled().await;
    let mut all = [first.finished(), second.diary.finished()].concat();
    all.sort_unstable();
    assert_eq!(all, (0..10).collect::<Vec<_>>(), "each once: the first's acknowledgements arrived");
});
