//! A new generation of vectors in the place of the old one.

use std::process::Stdio;
use std::rc::Rc;
use std::time::Duration;

use frontdesk_app::retrieval::SearchMode;
use frontdesk_app::{documents, jobs, reindex};
use frontdesk_clients::qdrant::{Qdrant, QdrantServer, VectorMode};
use frontdesk_domain::document::DocumentStatus;
use frontdesk_local::testing::run;
use frontdesk_ports::VectorIndex as _;
use reqwest::Method;
use tokio::process::Command;

use crate::qdrant::{Desk, address, ask, collections, key, tenant};

/// The adapter of a host.
fn qdrant(desk: &Desk, mode: VectorMode) -> Qdrant {
    let server = QdrantServer { base_url: address(), api_key: key().map(Into::into), mode };
    Qdrant::new(Rc::downgrade(desk.ctx().shared()), server)
}

#[test]
fn lost_vectors_are_made_anew_from_the_documents() {
    run(async {
        let desk = Desk::new("anew").await;
        let (us, them) = (tenant(), tenant());
        desk.add(&us, "Delivery", "Parcels are delivered in two days.").await;
        desk.add(&us, "Hours", "We open at nine.").await;
        desk.add(&them, "Delivery", "Parcels are delivered in nine days.").await;
        let old = collections(&desk.prefix()).await;
        let (status, _) = ask(Method::DELETE, &format!("/collections/{}", old[0]), None).await;
        assert!(status.is_success());
        let by_words = desk.nearest(&us, "parcels").await;
        let titles: Vec<&str> = by_words.iter().map(|found| found.title.as_str()).collect();
        assert_eq!(titles, ["Delivery"], "lost, and searched by words meanwhile");

        let mut told = Vec::new();
        let done = reindex::rebuild(desk.ctx(), &qdrant(&desk, VectorMode::Single), &mut |at| told.push(at))
            .await
            .unwrap();
        assert_eq!((done.documents, done.of), (3, 3));
        assert_eq!(told.iter().map(|at| at.documents).take(3).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(desk.nearest(&us, "We open at nine.").await[0].title, "Hours");
        assert_eq!(desk.nearest(&them, "parcels").await.len(), 1);
        assert_eq!(desk.points().await, 3);

        // And once more, beside what is searched.
        let before = collections(&desk.prefix()).await;
        reindex::rebuild(desk.ctx(), &qdrant(&desk, VectorMode::Single), &mut |_| {}).await.unwrap();
        let after = collections(&desk.prefix()).await;
        assert!(after.len() == 1 && after != before, "{before:?} {after:?}");
        assert_eq!(desk.nearest(&us, "We open at nine.").await[0].title, "Hours");
        desk.close().await;
    });
}

#[test]
fn what_changes_during_a_rebuild_is_in_the_new_generation_too() {
    run(async {
        let desk = Desk::new("during").await;
        let us = tenant();
        let deleted = desk.add(&us, "Delivery", "Parcels are delivered in two days.").await;
        let adapter = qdrant(&desk, VectorMode::Single);
        let rebuild = adapter.begin_rebuild(&desk.model, 256).await.unwrap();
        assert_eq!(desk.nearest(&us, "parcels").await.len(), 1, "the old one is searched meanwhile");
        desk.add(&us, "Hours", "We open at nine.").await;
        documents::delete(desk.ctx(), &us, deleted).await.unwrap();
        rebuild.finish().await.unwrap();
        let found = desk.nearest(&us, "We open at nine.").await;
        assert_eq!(found.iter().map(|found| found.title.as_str()).collect::<Vec<_>>(), ["Hours"]);
        assert_eq!(desk.points().await, 1);
        desk.close().await;
    });
}

#[test]
fn what_is_read_before_the_new_generation_begins_and_after_it_was_looked_for_is_not_missed() {
    run(async {
        let desk = Desk::new("between").await;
        let us = tenant();
        desk.add(&us, "Delivery", "Parcels are delivered in two days.").await;
        // It waits to be read: the rebuild finds nothing of it.
        documents::create_from_text(desk.ctx(), &us, "Hours", "We open at nine.").await.unwrap();

        let (ctx, clock) = (desk.ctx().clone(), desk.clock.clone());
        desk.http.meanwhile(Box::pin(async move {
            clock.set_ahead(Duration::from_secs(60));
            while jobs::run(&ctx, 1).await.unwrap().is_some_and(|next| next <= ctx.clock.now()) {}
        }));
        reindex::rebuild(desk.ctx(), &qdrant(&desk, VectorMode::Single), &mut |_| {}).await.unwrap();
        assert_eq!(desk.points().await, 2);
        assert_eq!(desk.nearest(&us, "We open at nine.").await[0].title, "Hours");
        desk.close().await;
    });
}

#[test]
fn documents_that_are_read_beside_a_rebuild_are_all_found_after_it() {
    run(async {
        let desk = Desk::new("beside").await;
        let us = tenant();
        for n in 0..8 {
            desk.add(&us, &format!("Room {n}"), &format!("Room {n} has a kettle.")).await;
        }
        let listed = documents::list(desk.ctx(), &us, 20, None).await.unwrap().items;
        let adapter = qdrant(&desk, VectorMode::Single);
        let change = async {
            for document in &listed {
                documents::sync(desk.ctx(), &us, document.id).await.unwrap();
                desk.run_jobs().await;
            }
            documents::delete(desk.ctx(), &us, listed[0].id).await.unwrap();
        };
        let mut ignore = |_| {};
        let (rebuilt, ()) = tokio::join!(reindex::rebuild(desk.ctx(), &adapter, &mut ignore), change);
        rebuilt.unwrap();
        assert_eq!(desk.nearest(&us, "Which room has a kettle?").await.len(), 7);
        assert_eq!(desk.points().await, 7, "and nothing of old versions or deleted documents is left");
        desk.close().await;
    });
}

#[test]
fn a_document_that_is_half_read_during_a_whole_rebuild_is_found_whole() {
    run(async {
        let desk = Desk::new("half-read").await;
        let us = tenant();
        desk.add(&us, "Hours", "We open at nine.").await;
        let text: String = (0..150).map(|n| format!("# Room {n}\nRoom {n} has a kettle.\n")).collect();
        let made = documents::create_from_text(desk.ctx(), &us, "Rooms", &text).await.unwrap();
        // The file is read, and the first of its passages are indexed.
        for _ in 0..2 {
            jobs::run(desk.ctx(), 1).await.unwrap();
        }
        let half = desk.points().await;
        assert!((2..100).contains(&half), "{half}");
        reindex::rebuild(desk.ctx(), &qdrant(&desk, VectorMode::Single), &mut |_| {}).await.unwrap();
        assert_eq!(desk.points().await, half);
        desk.run_jobs().await;
        let read = documents::get(desk.ctx(), &us, made.document.id).await.unwrap();
        assert_eq!(read.status, DocumentStatus::Ready, "{read:?}");
        assert_eq!(desk.points().await, 151);
        desk.close().await;
    });
}

#[test]
fn a_rebuild_that_was_broken_off_leaves_nothing_to_the_next() {
    run(async {
        let desk = Desk::new("broken-off").await;
        let us = tenant();
        desk.add(&us, "Hours", "We open at nine.").await;
        let adapter = qdrant(&desk, VectorMode::Single);
        let broken_off = adapter.begin_rebuild(&desk.model, 3).await.unwrap();
        assert_eq!(collections(&desk.prefix()).await.len(), 2);
        reindex::rebuild(desk.ctx(), &adapter, &mut |_| {}).await.unwrap();
        assert_eq!(collections(&desk.prefix()).await.len(), 1);
        assert_eq!(desk.nearest(&us, "nine").await.len(), 1);
        drop(broken_off);
        desk.close().await;
    });
}

const LONG: &str = "The reception is on the ground floor beside the lifts and is staffed at all hours. \
    Breakfast is served from seven to ten in the winter garden, and until noon on Sundays. \
    Bicycles can be borrowed at the garage; helmets and locks are in the box beside the door. \
    The sauna is heated on request, two hours ahead, and closes at eleven in the evening. \
    Dogs are welcome in all rooms but not in the winter garden.";

#[test]
fn several_vectors_for_each_passage_are_a_matter_of_a_rebuild_and_find_a_sentence() {
    run(async {
        let desk = Desk::new("modes").await;
        let us = tenant();
        desk.add(&us, "House", LONG).await;
        let question = "The sauna is heated on request";
        let whole = desk.nearest(&us, question).await[0].vector_score.unwrap();

        let desk = desk.reopened("multi").await;
        let before = desk.search(&us, question, SearchMode::Vector).await.unwrap();
        assert!(before.stepped_down && before.passages.iter().all(|found| found.vector_score.is_none()));
        let adapter = qdrant(&desk, VectorMode::Multi);
        assert_eq!(adapter.vectors_per_passage(), 5);
        reindex::rebuild(desk.ctx(), &adapter, &mut |_| {}).await.unwrap();
        let found = desk.nearest(&us, question).await;
        assert_eq!(found.len(), 1, "the passage is found once");
        let nearest = found[0].vector_score.unwrap();
        assert!(nearest > whole + 0.1, "{nearest} with a vector for each part, {whole} with one for all");

        desk.add(&us, "Hours", "We open at nine.").await;
        assert_eq!(desk.nearest(&us, "We open at nine.").await[0].title, "Hours");
        desk.close().await;
    });
}

#[test]
fn the_command_rebuilds_beside_a_host_that_serves() {
    run(async {
        let desk = Desk::new("command").await;
        let us = tenant();
        desk.add(&us, "Hours", "We open at nine.").await;
        let before = collections(&desk.prefix()).await;
        let program = std::env::var_os("CARGO_BIN_EXE_frontdesk").expect("the program");
        let output = Command::new(program)
            .args(["vectors", "rebuild", "--data"])
            .arg(desk.world.place.data())
            .env("JWT_SECRET", "b1f4c7a90e3d56820f9a7bc4d1e8356af02c")
            .envs(desk.vars("single"))
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(said, "1 of 1 documents, 1 passages\nthe vectors of 1 documents are new\n");
        assert_ne!(collections(&desk.prefix()).await, before);
        assert_eq!(desk.nearest(&us, "nine").await.len(), 1);
        desk.close().await;
    });
}
