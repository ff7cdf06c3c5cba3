//! The contract of every index of vectors, kept by Qdrant.

use frontdesk_local::testing::run;
use frontdesk_ports::unconfigured::Unconfigured;
use frontdesk_testkit::vector_index_contract;
use reqwest::Method;

use crate::qdrant::{Desk, ask, collections, tenant, tidy};

#[test]
fn qdrant_keeps_the_contract_with_one_vector_and_with_several_for_each_passage() {
    run(async {
        let desk = Desk::new("contract").await;
        vector_index_contract(&*desk.ctx().vectors, &Unconfigured, &tenant(), &tenant()).await;
        let desk = desk.reopened("multi").await;
        assert_eq!(desk.ctx().vectors.vectors_per_passage(), 5);
        vector_index_contract(&*desk.ctx().vectors, &Unconfigured, &tenant(), &tenant()).await;
        tidy("frontdesk-contract-model-a").await;
    });
}

#[test]
fn a_collection_is_made_for_tenants() {
    run(async {
        let desk = Desk::new("tenants").await;
        assert!(collections(&desk.prefix()).await.is_empty(), "made with the first vectors and not before");
        desk.add(&tenant(), "Delivery", "Delivery takes two days.").await;
        let names = collections(&desk.prefix()).await;
        let (_, described) = ask(Method::GET, &format!("/collections/{}", names[0]), None).await;
        let described = &described["result"];
        assert_eq!(described["config"]["params"]["vectors"]["distance"], "Cosine");
        assert_eq!(described["payload_schema"]["org_id"]["params"]["is_tenant"], true, "{described}");
        assert_eq!(described["payload_schema"]["document_id"]["data_type"], "keyword");
        assert_eq!(described["payload_schema"]["version"]["data_type"], "integer");
        desk.close().await;
    });
}
