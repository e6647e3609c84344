//! Two projects that both want 5432.

use crate::stage::{Stage, UP, answers};
use locald_tests::wait::eventually;

const DB: &[(&str, &str)] = &[("db", "type = \"postgres\"")];

fn port(url: &str) -> u16 {
    let (_, rest) = url.rsplit_once(':').unwrap();
    rest.split('/').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_projects_that_want_one_port_both_work_in_any_order_and_keep_theirs() {
    let Some(stage) = Stage::new().await else { return };
    let folders = [stage.project("shop", DB), stage.project("blog", DB)];
    let ids = ["shop/db", "blog/db"];
    for folder in &folders {
        stage.locald(folder, &["up", "--wait"]).await.unwrap();
    }
    let urls = [stage.url(&folders[0], "db").await, stage.url(&folders[1], "db").await];
    assert_ne!(port(&urls[0]), port(&urls[1]), "{urls:?}");
    assert_ne!(urls[0], urls[1]);
    for order in [[0, 1], [1, 0], [0, 1]] {
        for which in order {
            stage.locald(&folders[which], &["stop", "db"]).await.unwrap();
            assert!(answers(&urls[which]).await.is_err(), "{}", ids[which]);
        }
        for which in order {
            stage.locald(&folders[which], &["start", "db", "--wait"]).await.unwrap();
            stage
                .locald(&folders[which], &["restart", "db", "--wait"])
                .await
                .unwrap();
        }
        for which in order {
            assert_eq!(stage.url(&folders[which], "db").await, urls[which]);
            eventually("SELECT 1 at the shown URL", UP, async || answers(&urls[which]).await).await;
        }
    }
    // A project's data is its own.
    let shop = crate::stage::connect(&urls[0]).await.unwrap();
    shop.batch_execute("CREATE TABLE only_here (n int)").await.unwrap();
    let blog = crate::stage::connect(&urls[1]).await.unwrap();
    assert!(blog.query("SELECT * FROM only_here", &[]).await.is_err());
}
