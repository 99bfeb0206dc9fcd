//! First answers.

use fixtures::{TestDatabase, on_both};
use payments::idempotency::{Claim, Key, claim, complete, forget};

fn key(scope: &str) -> Key {
    Key { scope: scope.to_owned(), key: "k".to_owned() }
}

on_both!(the_first_answer_is_given_again, async |database: TestDatabase| {
    let db = &*database.db;
    assert_eq!(claim(db, &key("a"), "print").await.unwrap(), Claim::Fresh);
    assert_eq!(claim(db, &key("a"), "print").await.unwrap(), Claim::InFlight);
    assert_eq!(claim(db, &key("a"), "other").await.unwrap(), Claim::OtherRequest);
    assert_eq!(claim(db, &key("b"), "other").await.unwrap(), Claim::Fresh, "keys of callers never meet");
    complete(db, &key("a"), 201, "{}").await.unwrap();
    let answered = Claim::Answered { status: 201, body: "{}".to_owned() };
    assert_eq!(claim(db, &key("a"), "print").await.unwrap(), answered);
    forget(db, &key("a")).await.unwrap();
    assert_eq!(claim(db, &key("a"), "print").await.unwrap(), answered, "an answer is not forgotten");
    forget(db, &key("b")).await.unwrap();
    assert_eq!(claim(db, &key("b"), "mended").await.unwrap(), Claim::Fresh);
});

on_both!(of_many_at_once_one_goes_on, async |database: TestDatabase| {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let db = database.db.clone();
        tasks.spawn(async move { claim(&*db, &key("a"), "print").await.unwrap() });
    }
    let claims = tasks.join_all().await;
    assert_eq!(claims.iter().filter(|claim| **claim == Claim::Fresh).count(), 1);
    assert_eq!(claims.iter().filter(|claim| **claim == Claim::InFlight).count(), 19);
});
