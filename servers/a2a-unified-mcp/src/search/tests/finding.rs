//! Words, names, languages and mistakes.

use super::*;

/// Each query finds its entry first.
async fn finds_first(entries: &[(&str, &str)], queries: &[(&str, &str)]) {
    let stage = holding(entries).await;
    for (query, expected) in queries {
        let found = stage.found(query).await;
        assert_eq!(
            found.first().map(String::as_str),
            Some(*expected),
            "{query}: {found:?}"
        );
    }
}

const NOTES: &[(&str, &str)] = &[
    (
        "deploy",
        "We deploy to Kubernetes every Tuesday after the tests have passed.",
    ),
    (
        "dentist",
        "Alice's dentist appointment was moved to the third of March.",
    ),
    (
        "database",
        "The primary database runs PostgreSQL; backups are taken nightly.",
    ),
    (
        "mice",
        "The library's cats chased several mice through the stacks.",
    ),
    (
        "coffee",
        "Bob likes his coffee black and drinks tea when he is ill.",
    ),
    ("receive", "Customers receive a receipt by mail."),
];

#[tokio::test]
async fn questions_forms_and_mistakes_find_what_was_meant() {
    finds_first(
        NOTES,
        &[
            ("when do we deploy to kubernetes?", "deploy"),
            ("deployments", "deploy"),
            ("What did Bob say about coffee?", "coffee"),
            ("how does Bob drink his tea", "coffee"),
            ("database backup", "database"),
            ("backing up databases", "database"),
            ("kuberntes", "deploy"),
            ("kubernetse", "deploy"),
            ("kubrenetes", "deploy"),
            ("postgres", "database"),
            ("dentsit appointmnet", "dentist"),
            ("recieve", "receive"),
            ("Alices dentist", "dentist"),
            ("alice's", "dentist"),
            ("librarys", "mice"),
        ],
    )
    .await;
}

#[tokio::test]
async fn names_are_found_whole_and_in_parts() {
    let entries = [
        ("camel", "Call getUserName before the session starts."),
        ("snake", "The column user_email is unique."),
        ("dotted", "Configure foo.bar.Baz in the module."),
        (
            "version",
            "Release v1.2.3 fixed the leak, v1.2.30 broke it.",
        ),
        ("flag", "Pass --dry-run to see what would happen."),
        ("error", "The proxy answered ERR_CONN_RESET twice."),
        (
            "path",
            "The log is in /var/log/nginx/access.log on the host.",
        ),
        (
            "http",
            "HTTPServer listens on port 8080 with sha256 checks.",
        ),
        (
            "other",
            "The user may name the conn, the foo and the version.",
        ),
    ];
    let queries = [
        ("getUserName", "camel"),
        ("getusername", "camel"),
        ("get_user_name", "camel"),
        ("user name", "camel"),
        ("user_email", "snake"),
        ("userEmail", "snake"),
        ("useremail", "snake"),
        ("foo.bar.Baz", "dotted"),
        ("foo::bar::Baz", "dotted"),
        ("v1.2.3", "version"),
        ("--dry-run", "flag"),
        ("dry run", "flag"),
        ("ERR_CONN_RESET", "error"),
        ("err conn reset", "error"),
        ("/var/log/nginx/access.log", "path"),
        ("nginx access.log", "path"),
        ("http server", "http"),
        ("sha 256", "http"),
        ("8080", "http"),
    ];
    finds_first(&entries, &queries).await;
}

#[tokio::test]
async fn other_languages_are_found() {
    let entries = [
        ("german", "Die Größe der Tür wurde in Zürich geprüft."),
        (
            "french",
            "L'été dernier, l'élève a visité le musée à Orléans.",
        ),
        ("chinese", "我们每周二部署到生产环境。"),
        (
            "japanese",
            "東京の会議は来週の月曜日に変更されました。GPTモデルも使います。",
        ),
        ("russian", "Встреча перенесена на понедельник в Москве."),
        ("korean", "회의는 다음 주 월요일로 변경되었습니다."),
        ("greek", "Η συνάντηση θα γίνει στην Αθήνα."),
        ("hindi", "बैठक सोमवार को दिल्ली में होगी।"),
        ("thai", "การประชุมจะจัดขึ้นที่กรุงเทพ"),
        ("decomposed", "The cafe\u{301} closes at nine."),
    ];
    let queries = [
        ("größe", "german"),
        ("GROSSE TUR", "german"),
        ("Zurich", "german"),
        ("eleve", "french"),
        ("ÉLÈVE", "french"),
        ("musée orleans", "french"),
        ("生产环境", "chinese"),
        ("部署", "chinese"),
        ("周", "chinese"),
        ("来週の会議", "japanese"),
        ("東京", "japanese"),
        ("gpt", "japanese"),
        ("встреча", "russian"),
        ("МОСКВЕ", "russian"),
        ("월요일", "korean"),
        ("Αθηνα", "greek"),
        ("दिल्ली", "hindi"),
        ("กรุงเทพ", "thai"),
        ("café", "decomposed"),
        ("cafe", "decomposed"),
    ];
    finds_first(&entries, &queries).await;
}

#[tokio::test]
async fn phrases_and_parts_are_required_when_asked_for() {
    let stage = holding(&[
        ("ordered", "the red house stands on the hill"),
        ("apart", "the house on the hill has a red door"),
        ("house", "nothing to see"),
        ("名前", "東京の会議"),
    ])
    .await;
    for (query, expected) in [
        ("\"red house\"", ["ordered"].as_slice()),
        ("\"red house\" door", &["ordered"]),
        ("\"house red\"", &[]),
        ("key:house", &["house"]),
        ("key:house red", &["house"]),
        ("KEY:\"house\"", &["house"]),
        ("category:notes key:apart", &["apart"]),
        ("category:general house", &[]),
        ("\"東京の会議\"", &["名前"]),
        ("\"会議の\"", &[]),
    ] {
        assert_eq!(stage.found(query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn syntax_is_just_words() {
    let stage = holding(&[
        ("near", "it is near the station"),
        ("column", "col: the first column"),
    ])
    .await;
    for query in [
        "NEAR(station)",
        "\"station",
        "station\"",
        "station*",
        "-station",
        "+station",
        "^station",
        "{station}",
        "(station",
        "station AND",
        "NOT station",
        "nowhere: station",
        "station OR OR",
        "value:station",
        "station ' OR 1=1 --",
        "NEAR(a b, 3) station",
        "\"\" station",
        "\"*\" station",
    ] {
        assert_eq!(stage.found(query).await, ["near"], "{query}");
    }
    for query in [
        "\"", "*", "\"\"", "()", "--", "AND(", ":", "key:", "key:\"", "\u{0}", "'", "的",
    ] {
        assert_eq!(stage.found(query).await, [""; 0], "{query}");
    }
    assert_eq!(stage.found("col:").await, ["column"]);
    assert_eq!(
        stage.found("the").await.len(),
        2,
        "stop words, when there is nothing else"
    );
}

/// Words are compared here with what the index made of them.
#[tokio::test]
async fn stems_are_those_of_the_index() {
    let ends = "s es ies sses ss ed eed ing ating bling izing y ational tional enci anci izer logi bli \
        alli entli eli ousli ization ation ator alism iveness fulness ousness aliti iviti biliti ical \
        ness icate iciti ful ative alize al ance ence er ic able ible ant ement ment ent ion sion ou \
        ism ate iti ous ive ize e ll lle tted lled zzed";
    let begins = [
        "t", "tr", "tree", "oat", "happ", "relat", "syz", "controll", "byt", "y", "mü", "ab",
    ];
    let mut words: Vec<String> = begins
        .iter()
        .flat_map(|begin| {
            ends.split_whitespace()
                .map(move |end| format!("{begin}{end}"))
        })
        .collect();
    words.extend(
        [
            "Größe",
            "ÉLÈVE",
            "Łódź",
            "naïve",
            "straße",
            "ПРИВЕТ",
            "İstanbul",
            "ΑΘΗΝΑ",
        ]
        .map(str::to_owned),
    );
    for some in words.chunks(200) {
        let stage = holding(&[("1", some.join(" ").as_str())]).await;
        let indexed = stage
            .store
            .words_between("", "\u{10FFFF}", 10_000)
            .await
            .unwrap();
        for word in some {
            let stem = stem_of(word);
            assert!(
                indexed.iter().any(|(term, _)| *term == stem),
                "{word} {stem} {indexed:?}"
            );
        }
    }
}
