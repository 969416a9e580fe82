//! The list of operations against every door: none without a row, no row without its doors or the reasons why not.

use std::collections::BTreeSet;
use std::{env, fs};

use confmesh::api::{Door, OPERATIONS, Record, node_operations, node_types, python_operations, records, reference};

use super::repository::{core_sources, root};

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// What the rows name for one kind of door.
fn named(kind: &str) -> BTreeSet<String> {
    let doors = OPERATIONS.iter().flat_map(|row| row.doors.each()).filter(|(door, _)| *door == kind);
    doors.flat_map(|(_, door)| door.names()).map(|name| (*name).to_owned()).collect()
}

/// Fails with what is on one side alone.
#[track_caller]
fn agree(kind: &str, rows: &BTreeSet<String>, there: &BTreeSet<String>) {
    assert!(there.len() > 3, "{kind}: the doors were not found: {there:?}");
    let rowless: Vec<_> = there.difference(rows).collect();
    let missing: Vec<_> = rows.difference(there).collect();
    assert!(rowless.is_empty(), "{kind}: without a row in `core/src/api/operations`: {rowless:?}");
    assert!(missing.is_empty(), "{kind}: named by a row, and not there: {missing:?}");
}

fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '$').unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// The lines of a block that begins with one of these texts, up to the next line that is not indented and ends it.
fn block<'a>(text: &'a str, begins: &[&str], ends: impl Fn(&str) -> bool) -> Vec<&'a str> {
    let mut lines = text.lines().skip_while(|line| !begins.iter().any(|begin| line.starts_with(begin)));
    assert!(lines.next().is_some(), "nothing begins with {begins:?}");
    lines.take_while(|line| !ends(line)).collect()
}

fn outdented(line: &str) -> bool {
    !line.is_empty() && !line.starts_with([' ', '#', ')'])
}

/// The public methods and properties of a Python class.
fn python_class(text: &str, class: &str) -> BTreeSet<String> {
    let begins = [format!("class {class}("), format!("class {class}:")];
    let begins: Vec<&str> = begins.iter().map(String::as_str).collect();
    let lines = block(text, &begins, outdented);
    let methods = lines.iter().filter_map(|line| line.strip_prefix("    def ").or(line.strip_prefix("    async def ")));
    methods.map(identifier).filter(|name| !name.starts_with('_')).map(str::to_owned).collect()
}

/// The members of a class, an interface or an object of a declaration file.
fn node_members(text: &str, kinds: &[&str], name: &str) -> BTreeSet<String> {
    let begins: Vec<String> =
        kinds.iter().flat_map(|kind| [' ', '<', ':'].map(|end| format!("{kind} {name}{end}"))).collect();
    let begins: Vec<&str> = begins.iter().map(String::as_str).collect();
    let lines = block(text, &begins, |line| line.starts_with('}'));
    let members = lines.iter().filter(|line| line.starts_with("  ") && !line.starts_with("   ")).filter_map(|line| {
        let line = line.trim_start();
        let line =
            ["static ", "readonly ", "export "].iter().fold(line, |line, word| line.strip_prefix(word).unwrap_or(line));
        let name = identifier(line);
        let after = line.get(name.len()..).unwrap_or_default().trim_start_matches('?');
        let is_member = !name.is_empty() && after.starts_with(['(', ':', '<']);
        (is_member && name != "constructor").then(|| name.to_owned())
    });
    members.collect()
}

fn prefixed(class: &str, members: impl IntoIterator<Item = String>) -> impl Iterator<Item = String> {
    members.into_iter().map(move |member| format!("{class}.{member}"))
}

#[test]
fn every_row_says_what_it_is_and_names_each_door_or_why_there_is_none() {
    let mut names = BTreeSet::new();
    for row in OPERATIONS {
        assert!(names.insert(row.name), "`{}` stands there twice", row.name);
        assert!(row.about.ends_with('.') && row.about.contains(' '), "`{}`: one sentence says what it does", row.name);
        for field in row.request {
            assert!(!field.about.is_empty(), "`{}`: nothing says what `{}` is", row.name, field.name);
        }
        for (kind, door) in row.doors.each() {
            match door {
                Door::Open(names) => assert!(!names.is_empty(), "`{}`: {kind} is open and has no name", row.name),
                Door::Shut(why) => {
                    assert!(why.split(' ').count() > 3, "`{}`: {kind} is shut and nothing says why", row.name);
                }
            }
        }
    }
}

#[test]
fn every_method_of_a_mesh_in_rust_has_a_row() {
    let sources = core_sources();
    for door in named("Rust") {
        let function = format!("fn {}", door.rsplit("::").next().unwrap());
        let is_there = |source: &str| source.split(&function).skip(1).any(|after| after.starts_with(['(', '<']));
        assert!(sources.iter().any(|(_, source)| is_there(source)), "Rust: `{door}` is nowhere");
    }
    let mesh = &sources.iter().find(|(file, _)| file == "native/mesh/mod.rs").unwrap().1;
    let lines = block(mesh, &["impl Mesh {"], |line| line.starts_with('}'));
    let methods = lines.iter().filter_map(|line| line.strip_prefix("    pub fn ")).map(identifier);
    let methods: BTreeSet<String> = methods.map(|name| format!("Mesh::{name}")).collect();
    let rows: BTreeSet<String> = named("Rust").into_iter().filter(|door| door.starts_with("Mesh::")).collect();
    agree("Rust", &rows, &methods);
}

#[test]
fn no_route_is_made_beside_the_list() {
    let made: Vec<_> = core_sources()
        .into_iter()
        .filter(|(file, source)| {
            file.starts_with("native/http/")
                && source.split("#[cfg(test)]").next().unwrap_or_default().contains(".route(\"")
        })
        .map(|(file, _)| file)
        .collect();
    assert!(made.is_empty(), "{made:?}: routes are made of `core/src/api/operations`");
}

#[test]
fn no_field_is_a_word_of_a_language_itself() {
    let words = "and as assert async await break case catch class const continue debugger def default del delete do elif else enum \
        except export extends finally for from function global if import in is lambda let new nonlocal not null or pass \
        raise return super switch this throw try typeof var void while with yield";
    let words: BTreeSet<&str> = words.split_whitespace().collect();
    for row in OPERATIONS.iter().filter(|row| row.begin.is_some()) {
        for field in row.request {
            assert!(!words.contains(field.name), "{}: `{}`", row.name, field.name);
        }
    }
}

#[test]
fn every_command_has_a_row() {
    let arguments = read("core/src/native/cli/arguments/mod.rs");
    let lines = block(&arguments, &["pub(super) enum Command {"], |line| line.starts_with('}'));
    let variants = lines.iter().filter_map(|line| line.strip_prefix("    ")).filter(|line| line.contains('('));
    let kebab = |name: &str| {
        name.chars().enumerate().fold(String::new(), |mut text, (at, c)| {
            if at > 0 && c.is_uppercase() {
                text.push('-');
            }
            text.push(c.to_ascii_lowercase());
            text
        })
    };
    let mut there: BTreeSet<String> = variants.map(identifier).map(kebab).collect();
    // A row that is asked by name and has one word makes its command, see `native/cli/listed.rs`.
    let made = OPERATIONS.iter().filter(|row| row.begin.is_some()).map(|row| row.doors.command.names());
    there.extend(made.filter(|names| names.len() == 1).flatten().map(|name| (*name).to_owned()));
    agree("command", &named("command"), &there);
}

#[test]
fn every_method_in_python_has_a_row() {
    let package = |file: &str| read(&format!("bindings-python/python/confmesh/{file}"));
    let (native, live) = (package("_native.pyi"), package("_live.py"));
    let reader = python_class(&package("_reader.py"), "_Reader");
    let functions = |text: &str| -> BTreeSet<String> {
        text.lines().filter_map(|line| line.strip_prefix("def ")).map(identifier).map(str::to_owned).collect()
    };
    // The compiled halves of what stands in `_live.py`, `_reader.py` and `compat/_mqtt.py`.
    let halves =
        ["end", "forked", "unraisable", "open_files", "start_mesh", "value_filter", "value_place", "value_topic"];
    let mut there: BTreeSet<String> =
        functions(&native).into_iter().filter(|name| !halves.contains(&name.as_str())).collect();
    there.extend(functions(&live).into_iter().filter(|name| !name.starts_with('_')));
    for class in ["Config", "Mesh"] {
        // What a class only says again of its base is there already.
        there.extend(prefixed(class, python_class(&live, class).into_iter().filter(|name| !reader.contains(name))));
    }
    there.extend(prefixed("Reader", reader));
    there.extend(prefixed("Schema", python_class(&native, "Schema")));
    there.extend(prefixed("Replica", python_class(&native, "Replica")));
    there.extend(prefixed("Mesh", python_class(&package("_operations.py"), "_Operations")));
    agree("Python", &named("Python"), &there);
}

#[test]
fn every_method_in_node_and_browsers_has_a_row() {
    let index = read("bindings-node/index.d.ts") + &read("bindings-node/replicating.d.ts");
    let client = read("bindings-node/client.d.ts");
    let functions = index.lines().filter_map(|line| line.strip_prefix("export declare function "));
    let mut there: BTreeSet<String> = functions.map(identifier).map(str::to_owned).collect();
    there.extend(prefixed("sequence", node_members(&index, &["export declare const"], "sequence")));
    for class in ["Schema", "Replica", "Reader", "Config", "Mesh"] {
        let members = node_members(&index, &["export declare class", "declare class"], class);
        there.extend(prefixed(class, members));
    }
    let printed = read("bindings-node/operations.d.ts");
    there.extend(prefixed("Mesh", node_members(&printed, &["export interface"], "Operations")));
    agree("Node", &named("Node"), &there);
    there.extend(prefixed(
        "ConfigWebSocketClient",
        node_members(&client, &["export declare class"], "ConfigWebSocketClient"),
    ));
    let browser = named("browser");
    let missing: Vec<_> = browser.difference(&there).collect();
    assert!(missing.is_empty(), "browser: named by a row, and not there: {missing:?}");
    let rowless: Vec<_> =
        there.iter().filter(|name| name.starts_with("ConfigWeb") && !browser.contains(*name)).collect();
    assert!(rowless.is_empty(), "browser: without a row: {rowless:?}");
}

/// The texts between the first of these and what ends the list that begins there.
fn quoted<'a>(text: &'a str, begin: &str, end: &str) -> BTreeSet<&'a str> {
    let (_, after) = text.split_once(begin).unwrap_or_else(|| panic!("nothing begins with {begin}"));
    after.split(end).next().unwrap_or_default().split('"').skip(1).step_by(2).collect()
}

#[test]
fn every_option_of_open_is_there_in_node_and_in_browsers_or_refused_with_what_takes_its_place() {
    let row = OPERATIONS.iter().find(|row| row.name == "open").unwrap();
    let options: BTreeSet<String> = row.request.iter().map(|field| camel(field.name)).collect();
    let options: BTreeSet<&str> = options.iter().map(String::as_str).filter(|name| *name != "files").collect();
    let node = read("bindings-node/lib/live.js");
    let layering = quoted(&node, "const LAYERING = [", "];");
    let opening: BTreeSet<&str> = quoted(&node, "const OPENING = [", "];").union(&layering).copied().collect();
    assert_eq!(opening, options, "Node");

    let page = read("bindings-wasm/js/full/config.js");
    let there = quoted(&page, "options(given, [", "]");
    let refused = block(&page, &["const ELSEWHERE = {"], |line| line.starts_with('}'));
    let refused: BTreeSet<&str> = refused.iter().map(|line| identifier(line.trim_start())).collect();
    assert!(there.is_disjoint(&refused), "browsers: {there:?} and {refused:?}");
    assert_eq!(there.union(&refused).copied().collect::<BTreeSet<_>>(), options, "browsers");
}

#[test]
fn every_message_of_guests_has_a_row() {
    let codec = read("core/src/protocol/codec.rs");
    let doors = named("guest");
    for door in &doors {
        assert!(codec.contains(&format!("\"{door}\"")), "guest: no message is called `{door}`");
    }
    let guests = read("core/src/engine/guests.rs");
    let lines = block(&guests, &["impl Engine {"], |line| line.starts_with('}'));
    let handled = lines.iter().filter_map(|line| line.strip_prefix("            Message::")).map(identifier);
    let heard: BTreeSet<&str> = handled.collect();
    let known = [
        ("Subscribe", "subscribe"),
        ("ConfigRequest", "config_request"),
        ("ConfigChange", "config_change"),
        ("ConfigReplace", "config_update"),
        ("Call", "call"),
    ];
    for message in heard {
        let door = known.iter().find(|(name, _)| *name == message).map(|(_, door)| *door);
        assert!(door.is_some_and(|door| doors.contains(door)), "guest: `{message}` has no row");
    }
}

/// What is printed from the list is as it is committed; `CONFMESH_PRINT=1` writes it.
fn up_to_date(file: &str, printed: &str) {
    if env::var_os("CONFMESH_PRINT").is_some() {
        fs::write(root().join(file), printed).unwrap();
    }
    let hint = "run: CONFMESH_PRINT=1 cargo test -p confmesh-tests --test house operations";
    assert!(
        fs::read_to_string(root().join(file)).is_ok_and(|text| text == printed),
        "{file} is not up to date; {hint}"
    );
}

#[test]
fn the_page_of_operations_is_up_to_date() {
    up_to_date("OPERATIONS.md", &reference());
}

#[test]
fn the_printed_methods_of_python_and_node_are_up_to_date() {
    up_to_date("bindings-python/python/confmesh/_operations.py", &python_operations());
    up_to_date("bindings-node/lib/operations.js", &node_operations());
    up_to_date("bindings-node/operations.d.ts", &node_types());
}

/// `in_force` as JavaScript spells it.
fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut text, part| {
        let mut letters = part.chars();
        text.extend(letters.next().map(|c| c.to_ascii_uppercase()));
        text.push_str(letters.as_str());
        text
    })
}

/// The fields of a record, and whether each may be left out.
fn fields(record: &Record, spelt: impl Fn(&str) -> String) -> BTreeSet<(String, bool)> {
    record.fields.iter().map(|field| (spelt(field.name), !field.required)).collect()
}

#[test]
fn records_are_typed_in_every_language_as_the_list_has_them() {
    let python =
        ["_types", "_operations"].map(|file| read(&format!("bindings-python/python/confmesh/{file}.py"))).join("\n");
    let files = ["index", "status", "settling", "following", "operations"];
    let node: Vec<String> = files.iter().map(|file| read(&format!("bindings-node/{file}.d.ts"))).collect();
    // A class of its own, or spelled out where it is used.
    let apart = ["AuditEntry", "Event", "Explanation", "HttpProblem", "Report", "Versioned"];
    for record in records() {
        let (in_python, in_node) = record.types;
        if python.contains(&format!("class {in_python}(")) {
            let typed = python_fields(&python, in_python);
            assert_eq!(typed, fields(record, str::to_owned), "Python: `{in_python}`");
        } else {
            assert!(apart.contains(&record.name), "Python: there is no `{in_python}`");
        }
        let file = node.iter().find(|text| text.contains(&format!("export interface {in_node} ")));
        match file {
            Some(text) if !apart.contains(&record.name) => {
                let typed = node_fields(text, &node, in_node);
                let spelt = |name: &str| if record.camel { camel(name) } else { name.to_owned() };
                assert_eq!(typed, fields(record, spelt), "Node: `{in_node}`");
            }
            Some(_) => {}
            None => assert!(apart.contains(&record.name), "Node: there is no `{in_node}`"),
        }
    }
}

fn python_fields(text: &str, class: &str) -> BTreeSet<(String, bool)> {
    let head = text.lines().find(|line| line.starts_with(&format!("class {class}("))).unwrap();
    let lines = block(text, &[&format!("class {class}(")], outdented);
    let own = lines.iter().filter_map(|line| line.strip_prefix("    ")?.split_once(": "));
    let own = own.filter(|(name, _)| !name.is_empty() && identifier(name) == *name);
    let mut found: BTreeSet<(String, bool)> =
        own.map(|(name, kind)| (name.to_owned(), kind.contains("NotRequired["))).collect();
    let base = head.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("", |(base, _)| base);
    if base != "TypedDict" {
        found.extend(python_fields(text, base));
    }
    found
}

fn node_fields(text: &str, files: &[String], interface: &str) -> BTreeSet<(String, bool)> {
    let head = text.lines().find(|line| line.starts_with(&format!("export interface {interface} "))).unwrap();
    let lines = block(text, &[&format!("export interface {interface} ")], |line| line.starts_with('}'));
    let members = lines.iter().filter(|line| line.starts_with("  ") && !line.starts_with("   ")).filter_map(|line| {
        let line = line.trim_start().trim_start_matches("readonly ");
        let name = identifier(line);
        let after = line.get(name.len()..).unwrap_or_default();
        (!name.is_empty() && after.starts_with([':', '?'])).then(|| (name.to_owned(), after.starts_with('?')))
    });
    let mut found: BTreeSet<(String, bool)> = members.collect();
    if let Some((_, base)) = head.split_once(" extends ") {
        let base = identifier(base);
        let file = files.iter().find(|text| text.contains(&format!("export interface {base} "))).unwrap();
        found.extend(node_fields(file, files, base));
    }
    found
}
