//! Deterministic configuration documents: services with maps, lists, numbers and flags, three to six levels deep.

use confmesh::Value;
use confmesh::value::{Number, Str};

const WORDS: [&str; 10] = ["auth", "billing", "cart", "search", "mail", "media", "order", "user", "report", "ledger"];
const FLAGS: [&str; 6] = ["new_checkout", "dark_mode", "beta_api", "audit_log", "fast_path", "async_export"];

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

    fn number(&mut self, from: u64, to: u64) -> Value {
        (from + self.below(to - from)).into()
    }

    /// A fraction below `bound`, with so many decimal places.
    fn fraction(&mut self, bound: u64, places: u32) -> Value {
        let unit = 10u32.pow(places);
        let digits = u32::try_from(self.below(bound * u64::from(unit))).unwrap_or(0);
        Number::from_f64(f64::from(digits) / f64::from(unit)).map_or(Value::Null, Value::from)
    }

    fn pick(&mut self, words: &[&'static str]) -> &'static str {
        let at = usize::try_from(self.below(u64::try_from(words.len()).unwrap_or(1))).unwrap_or(0);
        words.get(at).copied().unwrap_or_default()
    }
}

fn map<'a>(entries: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    entries.into_iter().collect()
}

/// A document of about `size` leaves; list items count.
pub fn base(size: usize) -> Value {
    let mut dice = Dice::new(1);
    let app = map([
        ("name", "confmesh-bench".into()),
        ("region", "eu-west-1".into()),
        ("debug", false.into()),
        ("version", 17.into()),
    ]);
    let mut count = leaves(&app);
    let mut groups: Vec<(String, Vec<(String, Value)>)> = Vec::new();
    for (at, word) in WORDS.iter().cycle().enumerate() {
        let name = format!("{word}-{at:04}");
        let service = service(&mut dice, &name);
        if count >= size || (at > 0 && count + leaves(&service) > size * 13 / 10) {
            break;
        }
        count += leaves(&service);
        if at % 50 == 0 {
            groups.push((format!("group-{:02}", at / 50), Vec::new()));
        }
        if let Some((_, services)) = groups.last_mut() {
            services.push((name, service));
        }
    }
    let groups = groups.into_iter().map(|(name, services)| (name, services.into_iter().collect()));
    groups.chain([("app".to_owned(), app)]).collect()
}

fn service(dice: &mut Dice, name: &str) -> Value {
    let host = format!("{name}.internal.example.com");
    let tls = map([
        ("enabled", dice.chance(50).into()),
        ("cert_file", format!("/etc/{name}/tls.crt").into()),
        ("min_version", "1.2".into()),
        ("ciphers", vec!["aes128".into(), dice.pick(&["aes256", "chacha20"]).into()].into()),
    ]);
    let http = map([
        ("host", "0.0.0.0".into()),
        ("port", dice.number(1_024, 65_000)),
        ("read_timeout_ms", dice.number(100, 30_000)),
        ("tls", tls),
    ]);
    let pool = map([("min", dice.number(1, 4)), ("max", dice.number(5, 64)), ("idle_s", dice.number(10, 600))]);
    let replicas = [0, 1].map(|at| {
        let host = format!("r{at}.{host}");
        map([("host", host.into()), ("port", 5_432.into()), ("weight", dice.fraction(1, 3))])
    });
    let database = map([
        ("url", format!("postgres://{host}:5432/{name}").into()),
        ("user", name.into()),
        ("pool", pool),
        ("replicas", replicas.to_vec().into()),
    ]);
    let logging = map([
        ("level", dice.pick(&["debug", "info", "warn"]).into()),
        ("format", "json".into()),
        ("sample_rate", dice.fraction(1, 4)),
    ]);
    let skipped = dice.below(3);
    let flags = FLAGS.iter().zip(0..).filter(|(_, at)| at % 3 != skipped).map(|(flag, _)| *flag);
    let features = map(flags.map(|flag| (flag, dice.chance(50).into())));
    let rate = map([("rps", dice.number(10, 5_000)), ("burst", dice.number(10, 9_000))]);
    let limits = map([("cpu", dice.fraction(8, 2)), ("memory_mb", dice.number(64, 8_192)), ("rate", rate)]);
    let tags = [(); 3].map(|()| dice.pick(&["prod", "eu", "us", "gpu", "batch", "edge"]).into());
    map([
        ("http", http),
        ("database", database),
        ("logging", logging),
        ("features", features),
        ("limits", limits),
        ("tags", tags.to_vec().into()),
    ])
}

/// Five layers, the lowest first: the base and four overlays.
pub fn layers(base: &Value) -> Vec<Value> {
    std::iter::once(base.clone()).chain((1..5).map(|seed| overlay(base, seed))).collect()
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

/// The document with `percent` of its leaves changed, at least one: of ten eight replaced, one removed, one added; of a
/// list an item is changed, removed or inserted.
pub fn mutated(value: &Value, percent: u64, seed: u64) -> Value {
    let changed = mutate(&mut Dice::new(seed), value, percent);
    if changed == *value { mutated(value, percent, seed + 1) } else { changed }
}

fn mutate(dice: &mut Dice, value: &Value, percent: u64) -> Value {
    match value {
        Value::Map(map) => {
            let mut entries: Vec<(Str, Value)> = Vec::new();
            for (key, child) in map.iter() {
                if matches!(child, Value::Map(_) | Value::List(_)) {
                    entries.push((key.clone(), mutate(dice, child, percent)));
                } else if !dice.chance(percent) {
                    entries.push((key.clone(), child.clone()));
                } else {
                    match dice.below(10) {
                        0 => {}
                        1 => {
                            entries.push((key.clone(), child.clone()));
                            entries.push((format!("{key}_added").into(), other(dice, child)));
                        }
                        _ => entries.push((key.clone(), other(dice, child))),
                    }
                }
            }
            entries.into_iter().collect()
        }
        Value::List(list) => {
            let mut items: Vec<Value> = list.iter().map(|item| mutate(dice, item, percent)).collect();
            let length = u64::try_from(items.len()).unwrap_or(0);
            if let Some(first) = items.first().cloned()
                && dice.chance(percent * length)
            {
                match dice.below(10) {
                    0..6 => {
                        let last = items.pop().unwrap_or_default();
                        items.push(other(dice, &last));
                    }
                    6..8 => drop(items.remove(0)),
                    _ => items.insert(0, other(dice, &first)),
                }
            }
            items.into()
        }
        leaf if dice.chance(percent) => other(dice, leaf),
        leaf => leaf.clone(),
    }
}

fn other(dice: &mut Dice, value: &Value) -> Value {
    match value {
        Value::Null => 0.into(),
        Value::Bool(flag) => (!flag).into(),
        Value::Number(number) if number.is_integer() => (dice.below(99) + 1 + value.as_u64().unwrap_or(0)).into(),
        Value::Number(_) => dice.fraction(9, 4),
        Value::String(text) => format!("{}-{}", text.get(..24).unwrap_or(text), dice.below(1_000)).into(),
        Value::List(list) => {
            let first = list.iter().take(1).map(|item| other(dice, item)).collect::<Vec<_>>();
            first.into_iter().chain(list.iter().skip(1).cloned()).collect::<Vec<_>>().into()
        }
        Value::Map(map) => map.iter().map(|(key, child)| (key.clone(), other(dice, child))).collect(),
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
