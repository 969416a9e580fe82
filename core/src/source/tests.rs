use super::*;
use crate::error::Code;
use crate::format::{Format, Which, parse};
use crate::poll::Every;

fn read(text: &str) -> SourceSpec {
    SourceSpec::parse(text).unwrap()
}

fn error(text: &str) -> String {
    let error = SourceSpec::parse(text).unwrap_err();
    format!("{error} ({})", error.hint().unwrap_or(""))
}

#[test]
fn every_form_is_read_with_its_options() {
    let spec =
        read("https://c.example/a;b?x=1;priority=41;adaptive=1s..60s;format=yaml;secret;token-env=TOKEN;timeout=5s");
    assert_eq!(spec.place, Place::Http("https://c.example/a;b?x=1".into()));
    assert_eq!(spec.id().as_str(), "https://c.example/a;b?***");
    let options = &spec.options;
    assert_eq!((options.priority, options.every), (Some(41), Some(Every::Adaptive { min_ms: 1_000, max_ms: 60_000 })));
    assert_eq!((options.format, options.is_secret, options.patience_ms()), (Some(Format::Yaml), true, 5_000));
    let spec =
        read("http://[::1]:8080/x;header=X-Team: a\\;b;header=Accept-Language=de;stale-after=1.5m;token-file=/run/t");
    let (name, value) = &spec.options.headers[0];
    assert_eq!((name.as_str(), value.as_str()), ("X-Team", "a;b"));
    assert!(!format!("{spec:?}").contains("a;b"), "it may be a secret");
    assert_eq!((spec.options.headers.len(), spec.options.stale_after_ms), (2, Some(90_000)));
    let spec = read("file:a\\;optional;document=2;unset;optional");
    let file = spec.file().unwrap();
    assert_eq!(
        (file.path.as_str(), file.document, file.removes, file.is_optional),
        ("a;optional", Some(Which::One(2)), true, true)
    );
    assert_eq!(read("dotenv:.env;priority=3").file().unwrap().named_format, Some(Format::Dotenv));
    assert_eq!(read("env:APP;mode=strict").place, Place::Env("APP;mode=strict".into()));
    let spec =
        read("exec:vault read -format=json 'secret/my app' \"a \\\" b\" '' c\\ d;interval=1m;max-updates-per-minute=3");
    let Place::Exec(words) = &spec.place else { panic!() };
    assert_eq!(words[2..], ["-format=json", "secret/my app", "a \" b", "", "c d"]);
}

#[test]
fn what_is_wrong_is_named_with_the_nearest_name() {
    for (text, expected) in [
        (
            "https://c.example/;prioritty=4",
            "`https://c.example/`: `prioritty` is no option of a source (did you mean `priority=…`",
        ),
        ("https://c.example/;optional;secrets", "`secrets` is no option of a source (did you mean `secret`?)"),
        ("https://c.example/;optional;zzz", "`zzz` is no option of a source (the options are priority, name,"),
        (
            "file:a.json;interval=3s",
            "`interval` is an option of `env:`, `http://` and `https://`, `exec:`, a program's own",
        ),
        ("exec:x;token-env=T", "`token-env` is an option of `http://` and `https://` only"),
        ("https://c.example/;interval=10", "`: the option `interval` of a source is not `10` (write `interval=10s`)"),
        ("https://c.example/;interval=1ms", "takes a time from 100ms on, not `1ms`"),
        ("https://c.example/;timeout=0s", "the option `timeout` of a source is not `0s`"),
        ("https://c.example/;adaptive=60s..1s", "(write `adaptive=1s..60s`)"),
        ("https://c.example/;interval=1s;adaptive=1s..60s", "a second time"),
        ("https://c.example/;name=shared", "the option `name` of a source cannot be `shared`"),
        ("https://c.example/;token-env=A;basic-env=B", "names credentials a second time"),
        ("http://c.example/;token-env=A", "`http://c.example/` would send credentials in the clear (write `https://`)"),
        ("https://user:pw@c.example/", "a user or password in it would be shown"),
        ("htp://c.example/", "`htp://c.example/` is no source (did you mean `http:`?"),
        ("app.yaml", "a file alone is `file:app.yaml`"),
        ("file:", "names nothing"),
        ("exec:'a", "a quote in the command of a source has no end"),
        ("exec: ", "names no program"),
    ] {
        let error = error(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
    assert!(!error("exec:login --password hunter2;intervall=5s").contains("hunter2"));
    assert!(!error("exec:login --password hunter2;interval=5").contains("hunter2"));
    assert_eq!(read("exec:login --password hunter2").id().as_str(), "exec:login …");
    assert!(!error("https://u:hunter2@c.example/").contains("hunter2"));
    assert!(!error("https://c.example/;header=hunter2").contains("hunter2"));
}

#[test]
fn a_map_says_the_same_as_a_text() {
    let map = r#"{"source": "https://c.example/", "interval": "5s", "secret": true, "optional": false, "token_env": "T",
        "priority": 7, "headers": {"X-A": "b"}}"#;
    let spec = SourceSpec::from_value(&parse(map, Format::Json).unwrap()).unwrap();
    assert_eq!(spec, read("https://c.example/;interval=5s;secret;token-env=T;priority=7;header=X-A: b"));
    for wrong in
        [r#"{"source": "https://c.example/", "intervall": "5s"}"#, r#"{"interval": "5s"}"#, "3", r#"{"source": "x"}"#]
    {
        assert_eq!(
            SourceSpec::from_value(&parse(wrong, Format::Json).unwrap()).err().map(|e| e.code() == Code::Internal),
            Some(false)
        );
    }
}

#[test]
fn the_last_of_those_that_stand_alike_counts_most_and_a_number_counts_as_it_is() {
    let specs =
        ["file:a", "https://b.example/", "file:c;priority=5", "env:D", "https://e.example/", "exec:f", "file:g"]
            .map(read);
    let (files, found) = placed(&specs, 2);
    assert_eq!((files, found), (vec![33, 32], vec![31, 42, 5, 10, 41, 40, 30]));
}

#[test]
fn durations_have_units() {
    let cases = [
        ("250ms", Some(250)),
        ("10s", Some(10_000)),
        ("1.5s", Some(1_500)),
        ("2h", Some(7_200_000)),
        ("5m", Some(300_000)),
    ];
    for (text, expected) in cases {
        assert_eq!(duration_ms(text), expected, "{text}");
    }
    for wrong in ["", "10", "s", "-1s", "1.s", "1d", "99999999999999999999s", "1.2345s"] {
        assert_eq!(duration_ms(wrong), None, "{wrong}");
    }
}
