//! What is found in a text, one command a line.

use std::time::{Duration, Instant};

use super::{Access, Input, Invocation, MAX_DEPTH, SyntaxError, parse};

/// `program args…`, with `>file` or `<file` for redirects and `…` after an expanding word.
fn render(invocation: &Invocation) -> String {
    let words = invocation.words.iter().map(|word| {
        let expands = if word.expands { "…" } else { "" };
        format!("{}{expands}", word.text)
    });
    let files = invocation
        .redirects
        .iter()
        .map(|redirect| match redirect.access {
            Access::Read => format!("<{}", redirect.target.text),
            Access::Write => format!(">{}", redirect.target.text),
        });
    let assigned = invocation.assignments.iter().map(|word| word.text.clone());
    let parts = assigned.chain(words).chain(files);
    parts.collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn check(text: &str, expect: &[&str]) {
    let found = parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
    let found: Vec<String> = found.iter().map(render).collect();
    assert_eq!(found, expect, "{text:?}");
}

#[test]
fn separates_commands() {
    check(
        "a 1; b 2 && c || d | e & f",
        &["a 1", "b 2", "c", "d", "e", "f"],
    );
    check("a\nb # c\n\nd", &["a", "b", "d"]);
    check("a \\\n b", &["a b"]);
    check("(a; (b)) && { c; }", &["a", "b", "c"]);
    check(
        "if a; then b; elif c; then d; else e; fi",
        &["a", "b", "c", "d", "e"],
    );
    check(
        "while a; do b; done; until c; do d; done > f",
        &["a", "b", "c", "d", ">f"],
    );
    check("for x in 1 2 $(a); do b; done", &["a", "b"]);
    check("for x\ndo b; done", &["b"]);
    check(
        "for ((i=0;i<3;i++)); do b; done",
        &["i=0", "i <3", "i++", "b"],
    );
    check(
        "case $(a) in x|y) b;; (z) c ;; *) d; esac; e",
        &["a", "b", "c", "d", "e"],
    );
    check("case x in esac; a", &["a"]);
    check(
        "f() { a; }; function g { b; }; function h() (c)",
        &["a", "b", "c"],
    );
    check("[[ -f x && a < b ]] && c", &["[[ -f x", "a ]] <b", "c"]);
    check("[[ a =~ ^(b|c)$ ]]", &["[[ a =~ ^ (b|c) $ ]]"]);
    check("[[ ( a > $(b) ) ]]; c", &["b", "[[ ( a > $(…) )… ]]", "c"]);
    check("[[ a && (b) ]]", &["[[ a", "b", "]]"]);
    check(
        "A=1 B=$(b) c d; E=(1 $(e) 2)",
        &["b", "A=1 B=$(…) c d", "e", "E="],
    );
    check("", &[]);
}

#[test]
fn removes_quotes() {
    check(r#"a 'b c' "d e" f\ g h''i"#, &["a b c d e f g hi"]);
    check(r#"a "x\"y\z" '\'"#, &[r#"a x"y\z \"#]);
    check(r"$'\x61\142\u0063' $'\n'", &["abc \n"]);
    check("a#b c#d", &["a#b c#d"]);
    check("a ''", &["a "]);
}

#[test]
fn marks_expansions_and_finds_commands_in_them() {
    check("$a \"$b\" '$c' \\$d", &["$a… $b… $c $d"]);
    check("a ${b} ${c:-$(d)}", &["d", "a $b… $c……"]);
    check(
        "a \"$(b \"$(c)\")\" `d \\`e\\``",
        &["c", "b $(…)…", "e", "d `…`…", "a $(…)… `…`…"],
    );
    check("a $((1 + $(b))) $( (c) )", &["b", "c", "a $((…))… $(…)…"]);
    check("a <(b) >(c)", &["b", "c", "a <(…)… <(…)…"]);
    check("a ~ ~/b c~ {d,e} {f} {g", &["a ~… ~/b… c~ {d,e}… {f} {g"]);
    check("a $ 5$ \"$\"", &["a $ 5$ $"]);
}

#[test]
fn takes_redirects_apart() {
    check(
        "a > b 2>c >>d <e 2>&1 &>f >|g <>h",
        &["a >b >c >d <e >1 >f >g >h"],
    );
    check("a 2 >b", &["a 2 >b"]);
    check("> a", &[">a"]);
    check("a <<< \"$(b)\" c", &["b", "a c"]);
}

#[test]
fn passes_over_here_documents() {
    check("a <<E; b\nc\nE\nd", &["a", "b", "d"]);
    check("a <<-E\n\tc\n\tE\nd", &["a", "d"]);
    check("a <<E <<'F'\n$(b)\nE\n$(c)\nF\nd", &["a", "b", "d"]);
    check("a <<E\nb", &["a"]);
    check("$(a <<E\nb\nE\n)", &["a", "$(…)…"]);
    check("a <<E\n\\$(b) it's \"\nE\nc", &["a", "c"]);
}

#[test]
fn here_documents_end_where_the_shell_ends_them() {
    check("a <<E\nx\\\nE\n'\nE\nb", &["a", "b"]);
    check("a <<E\n\\\nE\nb", &["a", "b"]);
    check("a <<'E'\nx\\\nE\nb", &["a", "b"]);
    check("a <<E\nx\\\\\nE\nb", &["a", "b"]);
    check("a <<E\r\nx\nE\r\nb", &["a", "b"]);
    for text in ["a <<$x\n$x\nb", "a <<${x}\n${x}\nb"] {
        let refused = SyntaxError::Ambiguous { character: '$' };
        assert_eq!(parse(text), Err(refused), "{text:?}");
    }
    let refused = SyntaxError::Ambiguous { character: '`' };
    assert_eq!(parse("a <<`x`\n`x`\nb"), Err(refused));
}

#[test]
fn reads_what_a_shell_is_fed() {
    let check = |text: &str, expect: Option<&str>| {
        let found = parse(text).unwrap();
        let shell = found
            .iter()
            .find(|one| one.words.iter().any(|word| word.text == "sh"));
        let input = match &shell.unwrap().input {
            Input::Text(text) => Some(text.get().unwrap().clone()),
            Input::Inherited | Input::Unknown | Input::Found(_) => None,
        };
        assert_eq!(input.as_deref(), expect, "{text:?}");
    };
    check("sh <<E\na; $(b)\nE\nc", Some("a; $(b)\n"));
    check("sudo <<'E' sh -s\na 'b\nE\nc", Some("a 'b\n"));
    check("sh -e <<< 'a; b'", Some("a; b"));
    check("echo -n a b | sh", Some("a b "));
    check("printf '%s\\n' 'a b' c | tee | sh", Some("a b\nc\n"));
    check("cat <<E | sh\na\nE", Some("a\n"));
    check("echo a | sh 3<f", Some("a "));
    for told_by_none in [
        "sh",
        "a | sh",
        "sh < f",
        "echo $X | sh",
        "echo 'a\\x62' | sh",
        "echo a | (sh)",
    ] {
        check(told_by_none, None);
    }
}

/// dash and bash disagree about where these end.
#[test]
fn refuses_what_shells_read_in_different_ways() {
    for (text, character) in [
        ("a \"${x:-'}\"; b; c \"'}\"", '\''),
        ("a \"${x:-'$(b)'}\"", '\''),
        ("a \"${x:-$'}\"; b; c \"'}\"", '\''),
        ("a ${ b; }", ' '),
        ("a ${|b; }", '|'),
    ] {
        assert_eq!(
            parse(text),
            Err(SyntaxError::Ambiguous { character }),
            "{text:?}"
        );
    }
    check("a \"${x%'.tar'}\" ${x:-'}'}", &["a $x…… $x……"]);
}

/// Half of the shells end `$'…'` at `\'`.
#[test]
fn reads_both_ways_what_half_of_the_shells_read_differently() {
    check("a $'it\\'s'", &["a it's"]);
    check("a $'x\\'; b; #'", &["a x'; b; #", "a x", "b"]);
    check(
        "$(a $'\\'; b; #')\n)",
        &["a '; b; #", "$(…)…", "a ", "b", "$(…)…"],
    );
    let differs = SyntaxError::Ambiguous { character: '\'' };
    assert_eq!(parse("a $'\\'; b \"${x:-'}\"; '"), Err(differs));
}

#[test]
fn follows_changes_of_the_directory() {
    let check = |text: &str, expect: Option<&str>| {
        let found = parse(text).unwrap();
        let last = found.iter().find(|one| one.words[0].text == "x").unwrap();
        let directory = last.directory.as_ref().map(|word| word.text.as_str());
        assert_eq!(directory, expect, "{text:?}");
    };
    check("cd /a && x", Some("/a"));
    check("cd /a; cd b || y; { x; }", Some("/a/b"));
    check("cd -P /a; (cd /b); x", Some("/a"));
    check("cd /a; (x)", Some("/a"));
    check("cd; x", Some("~"));
    check("cd $HOME/a; x", Some("$HOME/a"));
    check("f() { cd /a; }; x", None);
    check("function f { cd /a; x; }", Some("/a"));
    for unknown in [
        "x",
        "cd a; x",
        "cd /a; cd $X; x",
        "cd /a; cd -; x",
        "pushd /a; popd; x",
        "y cd /a; x",
    ] {
        check(unknown, None);
    }
}

#[test]
fn reads_what_only_bash_groups() {
    check(
        "declare -A a=([b]=1 [c]=$(d)); e",
        &["d", "declare -A a=", "e"],
    );
    check(
        "case \"$x\" in (a|b) c;; (esac) d;; esac; e",
        &["c", "d", "e"],
    );
    check("case x in\n  (a) b;;\nesac", &["b"]);
    check("time (a)", &["a", "time"]);
    check("a -f !(b)", &["b", "a -f !"]);
}

#[test]
fn says_what_is_not_closed() {
    for (text, opening) in [
        ("a 'b", "'"),
        ("a \"b", "\""),
        ("a `b", "`"),
        ("(a", "("),
        ("a $(b", "("),
        ("a ${b", "${"),
    ] {
        assert_eq!(
            parse(text),
            Err(SyntaxError::Unclosed { opening }),
            "{text:?}"
        );
    }
    assert_eq!(parse("a)"), Err(SyntaxError::Unexpected { operator: ')' }));
    assert_eq!(
        parse("a b (c)"),
        Err(SyntaxError::Unexpected { operator: '(' })
    );
}

const OPENINGS: &str = "( |(  |((|{ |$(|$((|${a:-|${a[|`|\"|\"$(|\"${a:-$(|<(|$[|@(|a=(|case x in a) |if |f() { |\
                        f() ( |[[ ( |[[ a =~ (|for i in |cat <<E |((\n|'|$'|\\`|! |coproc |(a; |x=$(|cat <<E\n$(|a;";
const CLOSINGS: &str = "|)| )|))|; }|}|]}|)\"| esac|; fi|; done| ]]|\nE\n";

/// Nothing a caller can write makes the reader slow or overflow its stack.
#[test]
fn hostile_nesting_ends_quickly() {
    for opening in OPENINGS.split('|') {
        for closing in CLOSINGS.split('|') {
            for count in [MAX_DEPTH, 5000] {
                let text = format!("{}a{}", opening.repeat(count), closing.repeat(count));
                let started = Instant::now();
                drop(parse(&text));
                let spent = started.elapsed();
                assert!(
                    spent < Duration::from_secs(2),
                    "{opening:?} {closing:?} {count}: {spent:?}"
                );
            }
        }
    }
    assert_eq!(
        parse(&"(".repeat(5000)),
        Err(SyntaxError::TooDeep { limit: MAX_DEPTH })
    );
}

#[test]
fn looking_ahead_for_arithmetic_is_bounded() {
    let text = "$((#((\n)) ".repeat(11_000);
    assert_eq!(parse(&text), Err(SyntaxError::TooDeep { limit: MAX_DEPTH }));
    assert!(parse(&"a $((1 + (2))) $( (b) );".repeat(4000)).is_ok());
}

#[test]
fn commands_of_one_function_share_its_name() {
    let text = format!("function {} {{ a; b; }}", "x".repeat(60_000));
    let found = parse(&text).unwrap();
    let names: Vec<_> = found.iter().filter_map(|one| one.within.as_ref()).collect();
    assert_eq!(names.len(), 2);
    assert!(std::sync::Arc::ptr_eq(names[0], names[1]));
}
