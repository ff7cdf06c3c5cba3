//! A host over Qdrant: found, down, back, deleted.

use std::time::Duration;

use frontdesk_app::documents;
use frontdesk_app::health::{self, HealthStatus, Service};
use frontdesk_app::jobs;
use frontdesk_app::retrieval::{self, SearchMode};
use frontdesk_domain::document::DocumentStatus;
use frontdesk_local::testing::run;
use frontdesk_testkit::HttpFault;

use crate::qdrant::{Desk, tenant};

#[test]
fn what_words_do_not_find_vectors_do_and_only_our_own() {
    run(async {
        let desk = Desk::new("found").await;
        let (us, them) = (tenant(), tenant());
        desk.add(&us, "Delivery", "Parcels are delivered in two days.").await;
        desk.add(&them, "Delivery", "Parcels are delivered in nine days.").await;
        let found = desk.search(&us, "delivering a parcel", SearchMode::Hybrid).await.unwrap();
        assert!(!found.stepped_down);
        assert_eq!(found.passages.len(), 1);
        assert!(found.passages[0].vector_score.unwrap() > 0.3, "{:?}", found.passages[0]);
        assert!(desk.nearest(&them, "delivering a parcel").await[0].text.contains("nine"));
        assert_eq!(health::probe(desk.ctx(), Service::Vector).await.status, HealthStatus::Ok);
        desk.close().await;
    });
}

#[test]
fn while_qdrant_is_down_words_are_searched_and_vectors_wait() {
    run(async {
        let desk = Desk::new("down").await;
        let us = tenant();
        desk.add(&us, "Delivery", "Parcels are delivered in two days.").await;

        desk.http.set(HttpFault::Down);
        let found = desk.search(&us, "parcels", SearchMode::Hybrid).await.unwrap();
        assert!(found.stepped_down && found.passages.len() == 1);
        let made = documents::create_from_text(desk.ctx(), &us, "Hours", "We open at nine.").await.unwrap();
        desk.run_jobs().await;
        let read = documents::get(desk.ctx(), &us, made.document.id).await.unwrap();
        assert_eq!((read.status, read.reason), (DocumentStatus::Ready, None));
        assert_eq!(retrieval::catch_up::waiting(desk.ctx(), 10).await.unwrap(), 1);
        assert_eq!(health::probe(desk.ctx(), Service::Vector).await.status, HealthStatus::Down);

        // The breaker tries again after half a minute.
        desk.http.set(HttpFault::None);
        desk.clock.set_ahead(Duration::from_secs(60));
        jobs::schedule(desk.ctx()).await.unwrap();
        desk.run_jobs().await;
        assert_eq!(retrieval::catch_up::waiting(desk.ctx(), 10).await.unwrap(), 0);
        assert_eq!(desk.nearest(&us, "We open at nine.").await[0].title, "Hours");
        assert_eq!(health::probe(desk.ctx(), Service::Vector).await.status, HealthStatus::Ok);
        desk.close().await;
    });
}

#[test]
fn a_write_whose_answer_was_lost_is_made_again_and_stored_once() {
    run(async {
        let desk = Desk::new("lost").await;
        let us = tenant();
        desk.add(&us, "Delivery", "Parcels are delivered in two days.").await;
        desk.http.set(HttpFault::AnswerLost);
        let made = documents::create_from_text(desk.ctx(), &us, "Hours", "We open at nine.").await.unwrap();
        desk.run_jobs().await;
        desk.http.set(HttpFault::None);
        desk.clock.set_ahead(Duration::from_secs(60));
        jobs::schedule(desk.ctx()).await.unwrap();
        desk.run_jobs().await;
        let read = documents::get(desk.ctx(), &us, made.document.id).await.unwrap();
        assert_eq!(read.status, DocumentStatus::Ready);
        assert_eq!(desk.nearest(&us, "nine").await.len(), 2);
        desk.close().await;
    });
}

#[test]
fn a_document_s_vectors_go_with_its_version_and_with_it() {
    run(async {
        let desk = Desk::new("deleted").await;
        let us = tenant();
        let id = desk.add(&us, "Delivery", "Parcels are delivered in two days.").await;
        assert_eq!(desk.points().await, 1);
        documents::sync(desk.ctx(), &us, id).await.unwrap();
        desk.run_jobs().await;
        assert_eq!(documents::get(desk.ctx(), &us, id).await.unwrap().version, 2);
        assert_eq!(desk.points().await, 1, "the old version's vectors are gone");

        desk.http.set(HttpFault::Down);
        documents::delete(desk.ctx(), &us, id).await.unwrap();
        desk.http.set(HttpFault::None);
        assert_eq!(desk.points().await, 1);
        assert!(desk.nearest(&us, "parcels").await.is_empty(), "it is not found from the first moment on");
        desk.clock.set_ahead(Duration::from_secs(3600));
        desk.run_jobs().await;
        assert_eq!(desk.points().await, 0, "what could not be deleted is deleted later");
        desk.close().await;
    });
}
