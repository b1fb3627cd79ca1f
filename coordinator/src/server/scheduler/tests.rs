//! Turns that have to wait.

use strongroom_platform::clock::SystemClock;

use super::*;
use crate::id::MemberId;
use crate::member::Event;
use crate::server::api::tests::installation::Installation;

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_has_to_wait_ends_no_reign() {
    let it = Installation::start().await;
    let mut scheduler = SchedulerLoop::new(it.engine.clone(), Arc::default(), Arc::new(SystemClock));
    assert!(scheduler.turn().await);
    let is_whole = |scheduler: &SchedulerLoop| scheduler.reign.as_ref().is_some_and(|it| it.scheduler.roll.is_whole());
    assert!(is_whole(&scheduler));

    let (begun, begins) = tokio::sync::oneshot::channel();
    let (go_on, waits) = crossbeam_channel::bounded::<()>(0);
    let engine = it.engine.clone();
    let stuck = tokio::spawn(async move {
        let wait = move |_: &crate::member::Member| {
            begun.send(()).unwrap();
            waits.recv().ok();
        };
        engine.inspect(wait).await
    });
    begins.await.unwrap();
    let nobody = MemberId::from_number(77).unwrap();
    while it.engine.event(Event::Unreachable(nobody)).is_ok() {}
    assert!(scheduler.turn().await, "the member has not ended");
    assert!(is_whole(&scheduler), "and still leads, with all that it remembers");

    drop(go_on);
    stuck.await.unwrap().unwrap();
    let before = scheduler.outlook().borrow().as_of;
    while scheduler.outlook().borrow().as_of <= before {
        assert!(scheduler.turn().await);
    }
    assert!(is_whole(&scheduler));
}
