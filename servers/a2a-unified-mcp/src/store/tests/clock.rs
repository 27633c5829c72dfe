//! A system clock that jumps.

use super::*;

/// A write at a time that the clock says.
struct PutAt(Draft, Timestamp);

impl Job for PutAt {
    type Done = Written;

    async fn apply(&self, connection: &mut sqlx::SqliteConnection) -> Result<Written, StoreError> {
        write::put(connection, &self.0, self.1).await
    }
}

fn year(year: u32) -> Timestamp {
    format!("{year}-01-01T00:00:00Z").parse().unwrap()
}

#[tokio::test]
async fn a_clock_that_is_set_back_loses_nothing_and_no_time_goes_back() {
    let store = stage().await;
    for (value, at) in [
        ("one", 2030),
        ("two", 2001),
        ("three", 2040),
        ("four", 1970),
    ] {
        let written = store.write(PutAt(draft("a", value), year(at))).await;
        written.unwrap();
    }
    let entry = store.get(&identity("a")).await.unwrap().unwrap();
    assert_eq!(entry.value.as_str(), "four");
    assert_eq!(
        (entry.revision, entry.created_at, entry.updated_at),
        (revision(4), year(2030), year(2040))
    );
    let history = store.history(&identity("a"), None, most(9)).await.unwrap();
    let told: Vec<_> = history
        .iter()
        .map(|version| version.value.as_ref().map(Value::as_str))
        .collect();
    assert_eq!(told, ["four", "three", "two", "one"].map(Some));
    store.delete(identity("a"), None).await.unwrap();
    let again = store.write(PutAt(draft("a", "five"), year(1990))).await;
    assert_eq!(again.unwrap().revision, revision(6));
    assert_eq!(store.check(Depth::Indexes).await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn the_end_of_an_entry_is_a_time_and_not_a_wait() {
    let store = stage().await;
    let mut short = draft("a", "x");
    short.expires_at = Some(year(2030));
    store.write(PutAt(short, year(2020))).await.unwrap();
    let named = [identity("a")];
    let mut there = Vec::new();
    for at in [2029, 2030, 2020, 2100, 1970] {
        let found = store.get_all_at(&named, year(at)).await.unwrap();
        there.push(found[0].is_some());
    }
    assert_eq!(there, [true, false, true, false, true]);

    let late = store.write(PutAt(draft("a", "late"), year(2031))).await;
    let late = late.unwrap();
    assert!(late.created, "the first was gone");
    assert_eq!(late.revision, revision(3), "its end has a revision");
    let entry = store.get(&identity("a")).await.unwrap().unwrap();
    assert_eq!((entry.value.as_str(), entry.expires_at), ("late", None));
}

#[tokio::test]
async fn a_page_after_a_jump_has_each_entry_once() {
    let store = stage().await;
    for (n, at) in [2030, 2001, 2040, 1970, 2020].into_iter().enumerate() {
        let put = PutAt(draft(&n.to_string(), "x"), year(at));
        store.write(put).await.unwrap();
    }
    let filter = Filter::default();
    let (mut met, mut after) = (Vec::new(), None);
    loop {
        let page = store.list(&filter, after.as_ref(), most(2)).await.unwrap();
        met.extend(
            page.entries
                .into_iter()
                .map(|entry| String::from(entry.identity.key)),
        );
        store
            .write(PutAt(draft("0", "again"), year(1980)))
            .await
            .unwrap();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    met.sort();
    assert_eq!(met, ["0", "1", "2", "3", "4"]);
}
