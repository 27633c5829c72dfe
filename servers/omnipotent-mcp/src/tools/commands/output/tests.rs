//! Output as the caller sees it.

use mcp_toolcall::fit::cost_of;

use super::*;

const MARK: &str = "bytes omitted; raise max_bytes or redirect to a file";

fn captured(head: &[u8], tail: &[u8], cut: u64) -> Captured {
    Captured {
        head: head.to_vec(),
        tail: tail.to_vec(),
        cut,
    }
}

#[test]
fn strips_terminal_control_sequences() {
    for (text, expect) in [
        ("\u{1b}[31mred\u{1b}[0m plain", "red plain"),
        ("\u{1b}[?25l\u{1b}[2K\u{1b}[1;1Hx", "x"),
        (
            "\u{1b}]0;title\u{7}a\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\",
            "alink",
        ),
        ("\u{9b}31mx\u{9d}0;t\u{9c}y", "xy"),
        ("\u{1b}(Ba\u{1b}=b\u{1b}7c\u{1b}cd", "abcd"),
        ("\u{1b}Pq#0\u{1b}\\x\u{1b}_a\u{1b}\\y", "xy"),
        ("a\u{1b}", "a"),
        ("a\u{1b}[31", "a"),
        ("a\u{1b}]never ends\nb", "anever ends\nb"),
        ("\u{1b}\u{1b}[1mx", "x"),
        ("[31m é", "[31m é"),
    ] {
        assert_eq!(without_sequences(text), expect, "{text:?}");
    }
}

#[test]
fn marks_what_is_missing_and_keeps_characters_whole() {
    let [out, err] = show([&captured(b"all", b"", 0), &captured(b"", b"", 0)], 1 << 20);
    assert_eq!(
        (out.text.as_str(), out.cut, err.text.as_str()),
        ("all", 0, "")
    );

    let cut = captured(
        "aé".as_bytes().split_last().unwrap().1,
        &"éb".as_bytes()[1..],
        10,
    );
    let [out, _] = show([&cut, &captured(b"", b"", 0)], 1 << 20);
    assert_eq!((out.text, out.cut), (format!("a\n[… 12 {MARK} …]\nb"), 12));

    let [out, _] = show(
        [&captured(b"\xff\xfeok", b"", 0), &captured(b"", b"", 0)],
        1 << 20,
    );
    assert_eq!(out.text, "\u{fffd}\u{fffd}ok");
}

#[test]
fn a_line_that_was_cut_through_is_dropped_whole() {
    let empty = captured(b"", b"", 0);
    let cut = captured(b"one\nTOKEN=abc", b"def\ntwo\n", 10);
    let [out, _] = show([&cut, &empty], 1 << 20);
    assert_eq!(
        (out.text, out.cut),
        (format!("one\n[… 23 {MARK} …]\ntwo\n"), 23)
    );
    // A line longer than any that people read is shown in part.
    let long = captured(&b"x".repeat(5000), &b"y".repeat(5000), 10);
    let [out, _] = show([&long, &empty], 1 << 20);
    assert_eq!(out.cut, 10);
}

#[test]
fn both_streams_fit_the_budget() {
    let budget = 100_000;
    let noisy = captured(&b"\"\n".repeat(50_000), b"", 0);
    let long = captured(&b"x".repeat(200_000), &b"y".repeat(200_000), 5);
    let short = captured(b"short", b"", 0);
    for streams in [
        [&noisy, &long],
        [&long, &long],
        [&short, &noisy],
        [&long, &short],
    ] {
        let shown = show(streams, budget);
        let cost: usize = shown.iter().map(|shown| cost_of(&shown.text)).sum();
        assert!(cost <= budget, "{cost}");
        assert!(cost > budget * 8 / 10, "wasteful: {cost}");
    }
    let [out, err] = show([&long, &short], budget);
    assert_eq!(err.text, "short");
    assert!(out.text.starts_with("xxx") && out.text.ends_with("yyy"));
    assert_eq!(
        out.cut,
        5 + 400_000
            - bytes(out.text.matches(['x', 'y']).count() - MARK.matches(['x', 'y']).count())
    );
}
