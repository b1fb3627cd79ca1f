//! The demonstration, from its first sentence to its proof.

use crate::harness::Place;

#[test]
fn the_demonstration_proves_what_it_shows() {
    let place = Place::empty();
    let ran = place.run(&["demo", "--keep", "kept", "--json"]).done();
    let summary = ran.documents().pop().unwrap();
    assert_eq!(
        (&summary["proven"], &summary["root_equal"], &summary["damaged"]),
        (&true.into(), &true.into(), &true.into())
    );
    assert!(summary["items"].as_u64() >= Some(50_000));
    assert!(place.path("kept/room/state/room.toml").exists());
    place.run(&["demo", "--keep", "kept"]).ended_with(2);
}
