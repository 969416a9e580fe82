//! What an edit keeps: comments with what they speak of, quotes and blocks, types, aliases.

use super::*;

/// The text after one edit; a value in JSON, or none to remove.
#[track_caller]
fn edit(text: &str, format: Format, path: &str, json: Option<&str>) -> String {
    let (old, path) = (parse(text, format).unwrap(), Path::parse(path).unwrap());
    let target = match json {
        Some(json) => old.with(&path, parse(json, Format::Json).unwrap()),
        None => old.without(&path),
    };
    let new = rewrite(text, format, &target).unwrap();
    assert_eq!(parse(&new, format).as_ref(), Ok(&target), "{new}");
    new
}

#[track_caller]
fn becomes(format: Format, text: &str, path: &str, json: &str, want: &str) {
    assert_eq!(edit(text, format, path, Some(json)), want);
}

#[track_caller]
fn without(format: Format, text: &str, path: &str, want: &str) {
    assert_eq!(edit(text, format, path, None), want);
}

#[test]
fn only_the_alias_that_now_differs_is_written_out() {
    let text = "# top\nx: &l\n  d: j # dd\ns: # ss\n  w:\n    l: *l\n  z: 1 # zz\n";
    let want = "# top\nx: &l\n  d: k # dd\ns: # ss\n  w:\n    l:\n      d: j\n  z: 1 # zz\n";
    becomes(Format::Yaml, text, "x.d", "\"k\"", want);
    let text = "l: &l 1 # l\ns:\n  - *l # al\n  - 1 # one\nt: *l\n";
    becomes(Format::Yaml, text, "s.0", "2", "l: &l 1 # l\ns:\n  - 2 # al\n  - 1 # one\nt: *l\n");
    let text = "l: &l {a: 1}\na: *l # al\nb: *l\n";
    becomes(Format::Yaml, text, "a.d", "2", "l: &l {a: 1}\na: # al\n  a: 1\n  d: 2\nb: *l\n");
    // What the anchor and the alias become alike needs no change.
    let text = "l: &l\n  a: 1 # a\nm: *l # m\n";
    let target = parse("{l: {a: 2}, m: {a: 2}}", Format::Yaml).unwrap();
    assert_eq!(rewrite(text, Format::Yaml, &target).unwrap(), text.replace("1", "2"));
}

#[test]
fn sixty_comments_and_aliases_survive_an_edit_below_their_anchor() {
    let mut text = String::from("base: &base\n  a: 1\n  b: 0755 # mode\n");
    for at in 0..60 {
        text.push_str(&format!("s{at}:\n  v: {at} # c{at}\n  l: *base\n"));
    }
    let old = parse(&text, Format::Yaml).unwrap();
    let mut target = old.with(&Path::parse("base.a").unwrap(), 2.into());
    for at in 1..60 {
        target = target.with(&Path::parse(&format!("s{at}.l.a")).unwrap(), 2.into());
    }
    let new = rewrite(&text, Format::Yaml, &target).unwrap();
    assert_eq!(parse(&new, Format::Yaml).unwrap(), target);
    assert!((0..60).all(|at| new.contains(&format!("v: {at} # c{at}\n"))), "{new}");
    assert_eq!(new.matches("*base").count(), 59, "{new}");
    assert!(new.contains("0755 # mode"), "{new}");
}

#[test]
fn comments_travel_with_their_items() {
    let yaml = "l:\n- a # one\n- b # two\n- c # three\n- d # four\n";
    becomes(Format::Yaml, yaml, "l", r#"["b","d"]"#, "l:\n- b # two\n- d # four\n");
    becomes(
        Format::Yaml,
        yaml,
        "l",
        r#"["b","a","c","d","e"]"#,
        "l:\n- b # two\n- a # one\n- c # three\n- d # four\n- e\n",
    );
    let jsonc = "[\n  \"a\", // 1\n  // two\n  \"b\", // 2\n  \"c\" // 3\n]\n";
    becomes(Format::Jsonc, jsonc, "", r#"["c","a"]"#, "[\n  \"c\", // 3\n  \"a\" // 1\n]\n");
    becomes(
        Format::Jsonc,
        jsonc,
        "",
        r#"["x","b","y","c"]"#,
        "[\n  \"x\", // 1\n  // two\n  \"b\", // 2\n  \"y\",\n  \"c\" // 3\n]\n",
    );
    let toml = "deps = [\n  \"httpx\", # client\n  \"pydantic\", # models\n]\n";
    becomes(
        Format::Toml,
        toml,
        "deps",
        r#"["pydantic","typer"]"#,
        "deps = [\n  \"pydantic\", # models\n  \"typer\",\n]\n",
    );
    let tables = "# one\n[[t]] # 1\na = 1\n\n# two\n[[t]]\na = 2 # a2\n[t.sub]\nb = 1\n";
    let want = "# two\n[[t]]\na = 2 # a2\n[t.sub]\nb = 1\n\n# one\n[[t]] # 1\na = 1\n";
    becomes(Format::Toml, tables, "t", r#"[{"a":2,"sub":{"b":1}},{"a":1}]"#, want);
    let maps = "- name: a # A\n  team: x\n\n# second\n- name: b # B\n  team: y\n";
    becomes(
        Format::Yaml,
        maps,
        "",
        r#"[{"name":"b","team":"z"},{"name":"a","team":"x"}]"#,
        "# second\n- name: b # B\n  team: z\n- name: a # A\n  team: x\n",
    );
}

#[test]
fn comments_in_empty_and_emptied_containers_stay() {
    becomes(Format::Jsonc, "{ // c\n}\n", "a", "1", "{ // c\n  \"a\": 1\n}\n");
    becomes(
        Format::Jsonc,
        "{\n  \"a\": {\n    // \"b\": 1\n  }\n}\n",
        "a.x",
        "1",
        "{\n  \"a\": {\n    // \"b\": 1\n    \"x\": 1\n  }\n}\n",
    );
    becomes(Format::Jsonc, "{\n  // nothing yet\n}\n", "x", "[1]", "{\n  // nothing yet\n  \"x\": [\n    1\n  ]\n}\n");
    becomes(Format::Jsonc, "[ // c\n]", "", "[1]", "[ // c\n  1\n]");
    without(Format::Jsonc, "{\n  // why\n  \"a\": 1\n}\n", "a", "{\n  // why\n}\n");
    becomes(Format::Toml, "a = [\n  # \"b\",\n]\n", "a", "[\"c\"]", "a = [\n  # \"b\",\n  \"c\"\n]\n");
    without(Format::Toml, "[a]\n# why\nb = 1\n", "a.b", "[a]\n# why\n");
    without(Format::Yaml, "a:\n  # inside top\n  b: 1\n", "a.b", "a: {}\n  # inside top\n");
    becomes(Format::Yaml, "a: # why\n  # top\n  - 1 # one\n", "a", "[]", "a: [] # why\n  # top\n");
    becomes(Format::Yaml, "a: # why\n  b: 1\n", "a", "5", "a: 5 # why\n");
    becomes(Format::Yaml, "a: | # why\n  x\n  y\n", "a", "\"z\\n\"", "a: | # why\n  z\n");
    becomes(Format::Yaml, "a: | # why\n  x\n", "a", "[1]", "a: # why\n  - 1\n");
    becomes(Format::Yaml, "a: {b: 1} # why\n", "a", "[1]", "a: # why\n  - 1\n");
    becomes(Format::Yaml, "a: [ # why\n  ]\nb: 1\n", "a", "[1]", "a: [ # why\n    1\n  ]\nb: 1\n");
    becomes(Format::Yaml, "a: |\n# of b\nb: 1\n", "a", "\"x\"", "a: x\n# of b\nb: 1\n");
    becomes(Format::Yaml, "a: >5 # why\n# of b\nb: 1\n", "a", "[1]", "a: # why\n  - 1\n# of b\nb: 1\n");
    without(Format::Yaml, "a: |\n# of b\nb: 1\n", "a", "# of b\nb: 1\n");
}

#[test]
fn a_removed_entry_takes_the_comment_directly_above_it() {
    without(Format::Yaml, "# Pre\nremove_this: k\n\n# Post\nkeep: o\n", "remove_this", "# Post\nkeep: o\n");
    without(Format::Yaml, "# file\n\n# Pre\nremove: k\nkeep: o\n", "remove", "# file\n\nkeep: o\n");
    without(Format::Yaml, "alarm:\n  # one\n  # more\n  - a\n  # two\n  - b\n", "alarm.0", "alarm:\n  # two\n  - b\n");
    without(Format::Toml, "# t\n\n# one\n[a]\nx = 1\n\n# two\n[b]\ny = 1\n", "a", "# t\n\n# two\n[b]\ny = 1\n");
    without(Format::Toml, "# one\na = 1\n# two\nb = 1\n", "a", "# two\nb = 1\n");
    without(Format::Ini, "; one\na = 1\n; two\nb = 1\n", "a", "; two\nb = 1\n");
    // Of what goes together no blank lines are left over.
    without(Format::Ini, "[a]\nx = 1\n\n; two\n[b]\ny = 1\n", "a", "; two\n[b]\ny = 1\n");
    without(Format::Ini, "[z]\nq = 1\n\n[a]\nx = 1\ny = 2\n\n[b]\n", "a", "[z]\nq = 1\n\n[b]\n");
    without(Format::Dotenv, "# one\nDB__HOST=x # h\nDB__PORT=1\nA=1\n", "DB", "A=1\n");
    without(Format::Dotenv, "# one\nexport A=1\n# two\nB=1\n", "A", "# two\nB=1\n");
    without(
        Format::Jsonc,
        "{\n  /* one\n     more */\n  \"a\": 1,\n  // two\n  \"b\": 2\n}\n",
        "a",
        "{\n  // two\n  \"b\": 2\n}\n",
    );
    // A comment that stands deeper speaks of what is above.
    without(Format::Yaml, "a: {}\n  # b: 1\nc: 1\n", "c", "a: {}\n  # b: 1\n");
}

#[test]
fn a_text_keeps_its_quotes_and_its_block() {
    becomes(Format::Yaml, "image: \"nginx:1.25\"   # c\n", "image", "\"nginx:1.27\"", "image: \"nginx:1.27\"   # c\n");
    becomes(Format::Yaml, "a: '0.50'\n", "a", "\"0.75\"", "a: '0.75'\n");
    becomes(
        Format::Yaml,
        "- run: ./deploy.sh --env prod\n",
        "0.run",
        "\"./deploy.sh --env stage\"",
        "- run: ./deploy.sh --env stage\n",
    );
    becomes(Format::Yaml, "l: [x, 'z']\n", "l.0", "\"w\"", "l: [w, 'z']\n");
    becomes(Format::Yaml, "a: plain\n", "a", "\"1.5\"", "a: \"1.5\"\n");
    becomes(Format::Yaml, "a: plain\n", "a", "\"no\"", "a: \"no\"\n");
    let folded = "a: >-\n    one two\n    three\n\n    four\nb: 1\n";
    becomes(Format::Yaml, folded, "a", "\"one two three\\nfive\"", "a: >-\n    one two\n    three\n\n    five\nb: 1\n");
    becomes(Format::Yaml, "a: |\n    x\n    y\n", "a", "\"x\\nz\\n\"", "a: |\n    x\n    z\n");
    let deep = "l:\n- with:\n    yml: |2 # c\n        x: 1\n- b: 1\n";
    becomes(Format::Yaml, deep, "l.0.with.yml", "\"  x: 1\\ny: 2\\n\"", &deep.replace("x: 1\n", "x: 1\n      y: 2\n"));
    becomes(
        Format::Yaml,
        deep,
        "l.0.with.yml",
        "\"x: 1\\n\"",
        &deep.replace("|2", "|").replace("        x", "      x"),
    );
    becomes(Format::Yaml, "a: |\n    x\nb: 1\n", "a", "\"  y\\nx\"", "a: |2-\n    y\n  x\nb: 1\n");
    becomes(Format::Toml, "a = 'C:\\Users'\n", "a", "\"C:\\\\Temp\"", "a = 'C:\\Temp'\n");
    becomes(Format::Dotenv, "S=\"a b#c\"\n", "S", "\"c d#e\"", "S=\"c d#e\"\n");
    becomes(Format::Dotenv, "K=\"a\nb$\"\n", "K", "\"a\\nc\\\"$\"", "K=\"a\nc\\\"\\$\"\n");
    becomes(Format::Dotenv, "K='a\nb'\n", "K", "\"a\\n c\"", "K='a\n c'\n");
    becomes(Format::Ini, "s = \"a b\"\n", "s", "\"c\"", "s = \"c\"\n");
    let listed = "[o]\n  l =\n    one\n\n    two\n  z = 1\n";
    becomes(Format::Ini, listed, "o.l", "\"one\\n\\nthree\"", &listed.replace("two", "three"));
    becomes(Format::Ini, listed, "o.l", "\"one: 1\"", "[o]\n  l = one: 1\n  z = 1\n");
    let needs = "[o]\nl =\n    a>=1\n    b\nz = 1\n";
    becomes(Format::Ini, needs, "o.l", "\"a>=2\\nb\\nc~=1\"", "[o]\nl =\n    a>=2\n    b\n    c~=1\nz = 1\n");
    let told = "[o]\nl = # top\n    # first\n    a>=1 # one\n    b # two\n\n    # third\n    c # three\n# end\nz = 1\n";
    let newer = told.replace("a>=1", "a>=2");
    becomes(Format::Ini, told, "o.l", "\"a>=2\\nb\\n\\nc\"", &newer);
    let without = told.replace("    # first\n    a>=1 # one\n", "").replace("# three\n", "# three\n    d\n");
    becomes(Format::Ini, told, "o.l", "\"b\\n\\nc\\nd\"", &without);
    becomes(
        Format::Ini,
        "[o]\nl = a # one\n    b # two\n",
        "o.l",
        "\"a\\nc\\nb\"",
        "[o]\nl = a # one\n    c\n    b # two\n",
    );
    let needs = "[o]\nl =\n    # a\n    a>=1\n    # b\n    b\n";
    becomes(Format::Ini, needs, "o.l", "\"b\"", "[o]\nl =\n    # b\n    b\n");
    becomes(Format::Ini, "a = 1\n  b = 2\n", "a", r#""\\""#, "a = '\\'\n  b = 2\n");
    // What stands deeper behind a text that gets empty would become one.
    becomes(Format::Ini, "[o]\nl = a\n  d = 1\n", "o.l", "\"\"", "[o]\nl = \"\"\n  d = 1\n");
    becomes(Format::Ini, listed, "o.new", "\"1\"", &format!("{listed}  new = 1\n"));
}

#[test]
fn dates_floats_and_dotted_keys_of_toml_stay_what_they_are() {
    becomes(Format::Toml, "d = 1979-05-27 # day\n", "d", "\"1980-01-01\"", "d = 1980-01-01 # day\n");
    becomes(Format::Toml, "d = 1979-05-27\n", "d", "\"never\"", "d = \"never\"\n");
    becomes(Format::Toml, "d = [1979-05-27]\n", "d.1", "\"1980-01-01\"", "d = [1979-05-27, 1980-01-01]\n");
    becomes(Format::Toml, "f = 1.5\n", "f", "2", "f = 2.0\n");
    becomes(Format::Toml, "f = [0.5]\n", "f.1", "1", "f = [0.5, 1.0]\n");
    let dotted = "hello.world = 1\nbye = 2\nhello.moon = 3\n\n[t]\nx = 1\n";
    becomes(Format::Toml, dotted, "new", "{\"k\":1}", &format!("{dotted}\n[new]\nk = 1\n"));
    without(Format::Toml, dotted, "t", "hello.world = 1\nbye = 2\nhello.moon = 3\n");
    becomes(Format::Toml, dotted, "hello.sun", "4", &dotted.replace("moon = 3", "moon = 3\nhello.sun = 4"));
}
