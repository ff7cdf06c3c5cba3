use frontdesk_local::testing::run;

use crate::client::{Connection, Desk, limits};

/// What this process has in memory, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

const FILE: usize = 19_000_000;

/// An upload of which only the end is missing.
async fn almost(desk: &Desk, token: &str) -> Connection {
    let head = "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n";
    let mut connection = desk.connect().await;
    let length = head.len() + FILE + END.len();
    connection.begin_post("/api/v1/uploads", "multipart/form-data; boundary=b", token, length).await;
    connection.send(head).await;
    let piece = vec![b'x'; 100_000];
    for _ in 0..FILE / piece.len() {
        connection.send(&piece).await;
    }
    connection
}

const END: &str = "\r\n--b--\r\n";

#[test]
fn uploads_that_are_held_wait_on_the_disk_and_not_in_memory() {
    run(async {
        let desk = Desk::serving(limits()).await;
        let before = resident();
        let mut held = Vec::new();
        for _ in 0..5 {
            // Each of another visitor: one may not have as many under way.
            let (_, token) = desk.world.visitor().await.unwrap();
            held.push(almost(&desk, &token).await);
        }
        let grown = resident().saturating_sub(before);
        assert!(grown < 20_000_000, "five uploads of 19 MB take {grown} bytes of memory");
        // They are whole all the same when their end comes.
        let mut last = held.pop().unwrap();
        drop(held);
        last.send(END).await;
        let answer = last.answer().await;
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(answer.body["bytes"], FILE);
    });
}
