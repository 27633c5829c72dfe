//! The breaker's states, on a paused clock.

use std::time::Duration;

use tokio::time::advance;

use super::{BreakerConfig, Breakers, Health, MOST_HOSTS, PROBE_WAIT};

fn breakers() -> Breakers {
    Breakers::new(BreakerConfig::default())
}

fn settle(breakers: &Breakers, host: &str, outcomes: &[Health]) {
    for health in outcomes {
        breakers.admit(host.to_owned()).unwrap().settle(*health);
    }
}

fn wait(breakers: &Breakers, host: &str) -> Option<Duration> {
    breakers.admit(host.to_owned()).err()
}

#[tokio::test(start_paused = true)]
async fn opens_after_failures_in_a_row_only() {
    let breakers = breakers();
    settle(&breakers, "a:80", &[Health::Bad; 4]);
    settle(&breakers, "a:80", &[Health::Good]);
    settle(
        &breakers,
        "a:80",
        &[
            Health::Bad,
            Health::Unknown,
            Health::Bad,
            Health::Bad,
            Health::Bad,
        ],
    );
    assert_eq!(wait(&breakers, "a:80"), None);
    settle(&breakers, "a:80", &[Health::Bad]);
    assert_eq!(wait(&breakers, "a:80"), Some(Duration::from_secs(30)));
    assert_eq!(wait(&breakers, "b:80"), None);
    assert_eq!(breakers.open(), 1);
    advance(Duration::from_secs(30)).await;
    assert_eq!(breakers.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn lets_one_probe_through_and_follows_its_outcome() {
    let breakers = breakers();
    settle(&breakers, "a:80", &[Health::Bad; 5]);
    advance(Duration::from_secs(30)).await;
    let probe = breakers.admit("a:80".to_owned()).unwrap();
    assert_eq!(wait(&breakers, "a:80"), Some(PROBE_WAIT));
    probe.settle(Health::Bad);
    assert_eq!(wait(&breakers, "a:80"), Some(Duration::from_secs(30)));

    advance(Duration::from_secs(30)).await;
    settle(&breakers, "a:80", &[Health::Good]);
    assert_eq!(breakers.open(), 0);
    settle(&breakers, "a:80", &[Health::Bad; 4]);
    assert_eq!(wait(&breakers, "a:80"), None);
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_probe_makes_way_for_the_next() {
    let breakers = breakers();
    settle(&breakers, "a:80", &[Health::Bad; 5]);
    advance(Duration::from_secs(31)).await;
    drop(breakers.admit("a:80".to_owned()).unwrap());
    settle(&breakers, "a:80", &[Health::Good]);
    assert_eq!(breakers.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn remembers_a_bounded_number_of_hosts() {
    let breakers = breakers();
    for host in 0..MOST_HOSTS + 10 {
        settle(&breakers, &format!("{host}:80"), &[Health::Bad]);
        advance(Duration::from_millis(1)).await;
    }
    let hosts = breakers.lock();
    assert_eq!(hosts.len(), MOST_HOSTS);
    assert!(!hosts.contains_key("9:80") && hosts.contains_key("10:80"));
}
