//! Deterministic configuration documents: services with maps, lists, numbers and flags, three to six levels deep.

use confmesh::Value;
use confmesh::value::Str;

/// The sizes that every benchmark runs at, with their leaves.
pub const SIZES: [(&str, usize); 3] = [("small", 50), ("medium", 2_000), ("large", 100_000)];

/// A small deterministic generator (SplitMix64).
pub struct Dice(u64);

impl Dice {
    /// A generator of its own sequence per seed.
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    /// The next number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// A document of about `leaves` leaves; list items count.
pub fn base(leaves: usize) -> Value {
    let mut dice = Dice::new(1);
    let services = leaves.div_ceil(34);
    let groups: Vec<(String, Value)> = (0..services.div_ceil(50))
        .map(|group| {
            let members = (group * 50..services.min(group * 50 + 50)).map(|at| {
                let name = format!("service-{at:04}");
                let body = service(&mut dice, &name);
                (name, body)
            });
            (format!("group-{group:02}"), members.collect())
        })
        .collect();
    groups.into_iter().collect()
}

fn service(dice: &mut Dice, name: &str) -> Value {
    let mut number = |from: u64, to: u64| Value::from(from + dice.below(to - from));
    let host = format!("{name}.internal.example.com");
    let map = |entries: Vec<(&str, Value)>| -> Value { entries.into_iter().collect() };
    let tls = map(vec![
        ("enabled", true.into()),
        ("cert_file", format!("/etc/{name}/tls.crt").into()),
        ("min_version", "1.2".into()),
        ("ciphers", vec!["aes128".into(), "chacha20".into()].into()),
    ]);
    let http = map(vec![
        ("host", "0.0.0.0".into()),
        ("port", number(1_024, 65_000)),
        ("read_timeout_ms", number(100, 30_000)),
        ("tls", tls),
    ]);
    let pool = map(vec![("min", number(1, 4)), ("max", number(5, 64)), ("idle_s", number(10, 600))]);
    let replica = |at: u64| map(vec![("host", format!("r{at}.{host}").into()), ("port", 5_432.into())]);
    let database = map(vec![
        ("url", format!("postgres://{host}:5432/{name}").into()),
        ("user", name.into()),
        ("pool", pool),
        ("replicas", vec![replica(0), replica(1)].into()),
    ]);
    let logging = map(vec![("level", "info".into()), ("format", "json".into()), ("sample_rate", number(1, 99))]);
    let features = map(vec![("dark_mode", true.into()), ("audit_log", false.into()), ("fast_path", true.into())]);
    let rate = map(vec![("rps", number(10, 5_000)), ("burst", number(10, 9_000))]);
    let limits = map(vec![("cpu", number(1, 8)), ("memory_mb", number(64, 8_192)), ("rate", rate)]);
    map(vec![
        ("http", http),
        ("database", database),
        ("logging", logging),
        ("features", features),
        ("limits", limits),
        ("tags", vec!["prod".into(), "eu".into(), "batch".into()].into()),
    ])
}

/// A layer above: about 30 % of the base's keys with other values, 3 % new ones.
pub fn overlay(base: &Value, seed: u64) -> Value {
    fn walk(dice: &mut Dice, value: &Value, seed: u64) -> Option<Value> {
        let mut entries: Vec<(Str, Value)> = Vec::new();
        for (key, child) in value.as_map()?.iter() {
            match child.as_map() {
                Some(_) => entries.extend(walk(dice, child, seed).map(|child| (key.clone(), child))),
                None if dice.chance(30) => entries.push((key.clone(), other(dice, child))),
                None => {}
            }
            if dice.chance(3) {
                entries.push((format!("{key}_{seed}").into(), dice.below(1 << 30).into()));
            }
        }
        (!entries.is_empty()).then(|| entries.into_iter().collect())
    }
    walk(&mut Dice::new(seed), base, seed).unwrap_or_else(Value::empty_map)
}

/// The document with `percent` of its leaves changed.
pub fn mutated(value: &Value, percent: u64, seed: u64) -> Value {
    fn walk(dice: &mut Dice, value: &Value, percent: u64) -> Value {
        match value.as_map() {
            Some(map) => map.iter().map(|(key, child)| (key.clone(), walk(dice, child, percent))).collect(),
            None if dice.chance(percent) => other(dice, value),
            None => value.clone(),
        }
    }
    walk(&mut Dice::new(seed), value, percent)
}

fn other(dice: &mut Dice, value: &Value) -> Value {
    match value {
        Value::Bool(flag) => (!flag).into(),
        Value::String(text) => format!("{text}-{}", dice.below(1_000)).into(),
        Value::List(list) => list.iter().cloned().chain([dice.below(1_000).into()]).collect::<Vec<_>>().into(),
        _ => dice.below(100_000).into(),
    }
}

/// How many leaves a document has; list items count.
pub fn leaves(value: &Value) -> usize {
    match value {
        Value::Map(map) => map.values().map(leaves).sum(),
        Value::List(list) => list.iter().map(leaves).sum(),
        _ => 1,
    }
}
