//! The table of principals, as an authentication file has it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::grant::{Documents, Grant, Reports};
use super::jwt::{Issuer, is_jwt, issuers, verify};
use super::role::{Roles, Verb, Verbs};
use super::token::{Claims, Proof, TokenHash, token_hash};
use crate::canonical::{ContentHash, content_hash};
use crate::clock::{parse_rfc3339, rfc3339};
use crate::error::{Code, Error, Result};
use crate::limits::{MAX_DEEP_PARTS, MAX_USER_BYTES};
use crate::path::Path;
use crate::pattern::Pattern;
use crate::schema::nearest;
use crate::value::{Map, Str, Value};

/// How many principals a table may have.
const MAX_PRINCIPALS: usize = 10_000;

/// Who may do what.
#[derive(Clone, Debug, Default)]
pub struct Table {
    entries: Vec<Entry>,
    tokens: BTreeMap<TokenHash, usize>,
    names: BTreeMap<Str, usize>,
    issuers: Vec<Issuer>,
    roles: Roles,
    reports: Option<Reports>,
    digest: Option<ContentHash>,
}

/// One principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it may do.
    pub grant: Arc<Grant>,
    /// The hash of its token.
    pub token: Option<TokenHash>,
    /// The name in its certificate.
    pub san: Option<Str>,
    /// Whom JSON Web Tokens call so.
    pub subject: Option<Subject>,
}

/// Somebody that JSON Web Tokens speak of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Who signs them.
    pub issuer: Str,
    /// As `sub` has it.
    pub name: Str,
}

/// What somebody may do, without a name yet.
#[derive(Clone, Debug)]
pub(super) struct Rights {
    pub(super) roles: Vec<Str>,
    paths: Option<Vec<Pattern>>,
    documents: Option<Vec<Documents>>,
}

impl Table {
    /// Reads a table:
    ///
    /// ```toml
    /// [[role]]                       # besides reader, secret-reader, writer, admin and peer
    /// name = "operator"
    /// verbs = ["read", "operate"]
    ///
    /// [[principal]]
    /// name = "ci"
    /// token_sha256 = "…"             # or san = "ci.example", of a certificate; or sub = "ci", of a JSON Web Token
    /// roles = ["writer"]
    /// paths = ["app.*"]              # all
    /// documents = ["default"]        # all
    /// expires = "2027-01-01T00:00:00Z"
    ///
    /// [[jwt]]                        # JSON Web Tokens of an authority
    /// issuer = "https://login.example"
    /// audience = "confmesh"
    /// algorithm = "EdDSA"            # or HS256
    /// key_file = "login.pem"         # or public_key = "…"
    /// roles = ["reader"]             # of everybody without a principal; none
    /// roles_claim = "roles"          # the claim that names more; none
    /// ```
    ///
    /// With `report_only = true` what would be forbidden is told, and done.
    ///
    /// # Errors
    /// [`Code::Usage`] with the place of what is no such table.
    pub fn from_value(value: &Value) -> Result<Table> {
        let none =
            |name: &str| Err(Error::new(Code::Usage, format!("there is no file `{name}`: a text has none beside it")));
        Table::read(value, &mut { none })
    }

    /// The same with key files, which `file` reads by their names.
    ///
    /// # Errors
    /// As [`Table::from_value`], and of `file`.
    pub fn read(value: &Value, file: &mut dyn FnMut(&str) -> Result<String>) -> Result<Table> {
        let top = Path::root();
        let fields = known(value, &top, &["principal", "role", "jwt", "report_only"])?;
        let mut table = Table { digest: Some(content_hash(value)), ..Table::default() };
        let only = match fields.get("report_only") {
            None => false,
            Some(flag) => flag.as_bool().ok_or_else(|| wrong(&top.child("report_only"), "is `true` or `false`"))?,
        };
        table.reports = only.then(Reports::default);
        let mut roles = Roles::default();
        for (place, role) in listed(fields, &top, "role")? {
            let fields = known(role, &place, &["name", "verbs"])?;
            let verbs = texts(fields, &place, "verbs")?.unwrap_or_default();
            let verbs = verbs.iter().map(|verb| Verb::parse(verb)).collect::<Result<Vec<_>>>();
            let verbs = Verbs::of(verbs.map_err(|error| error.with_path(place.child("verbs")))?);
            roles.add(&text(fields, &place, "name")?, verbs).map_err(|error| error.with_path(place.clone()))?;
        }
        table.issuers = issuers(fields, &roles, file)?;
        for (place, principal) in listed(fields, &top, "principal")? {
            if table.entries.len() >= MAX_PRINCIPALS {
                return Err(wrong(&place, &format!("is one too many: there may be {MAX_PRINCIPALS}")));
            }
            let reports = table.reports.clone();
            table.add(Entry::read(principal, &place, &roles, &table.issuers, reports)?, &place)?;
        }
        // Another key is another table.
        let keys = table.issuers.iter().map(|issuer| Value::from(format!("{:?}", issuer.digest)));
        if !table.issuers.is_empty() {
            table.digest = Some(content_hash(&Value::from(keys.chain([value.clone()]).collect::<Vec<Value>>())));
        }
        table.roles = roles;
        Ok(table)
    }

    fn add(&mut self, entry: Entry, place: &Path) -> Result<()> {
        let at = self.entries.len();
        if self.entries.iter().any(|other| other.grant.principal == entry.grant.principal) {
            return Err(wrong(place, &format!("is called `{}` as another one", entry.grant.principal)));
        }
        if let Some(token) = entry.token
            && self.tokens.insert(token, at).is_some()
        {
            return Err(wrong(place, "has the token of another one"));
        }
        if let Some(san) = &entry.san
            && self.names.insert(san.clone(), at).is_some()
        {
            return Err(wrong(place, "has the certificate of another one"));
        }
        if entry.subject.is_some() && self.entries.iter().any(|other| other.subject == entry.subject) {
            return Err(wrong(place, "has the subject of another one"));
        }
        self.entries.push(entry);
        Ok(())
    }

    /// What a token proves: that somebody has it, or what an authority says who signed it.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`] for a JSON Web Token that is not good.
    pub fn proof(&self, token: &str, now_ms: u64) -> Result<Proof> {
        let token = token.trim();
        let hash = token_hash(token);
        if self.tokens.contains_key(&hash) || self.issuers.is_empty() || !is_jwt(token) {
            return Ok(Proof::Token(hash));
        }
        verify(&self.issuers, token, now_ms).map(|claims| Proof::Signed(Box::new(claims)))
    }

    /// What whoever shows that may do now.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`] where nobody is that, or not any more.
    pub fn grant(&self, proof: &Proof, now_ms: u64) -> Result<Arc<Grant>> {
        let found = match proof {
            Proof::Token(hash) => self.tokens.get(hash),
            Proof::Names(names) => names.iter().find_map(|name| self.names.get(name)),
            Proof::Signed(claims) => return self.signed(claims, now_ms),
        };
        let grant = found.and_then(|at| self.entries.get(*at)).map(|entry| &entry.grant);
        let grant = grant.ok_or_else(|| {
            let what = match proof {
                Proof::Token(_) => "the token is not known here",
                Proof::Names(_) | Proof::Signed(_) => "no principal has a name of this certificate",
            };
            Error::new(Code::Unauthenticated, what).with_hint("it was revoked, or is for another instance")
        })?;
        in_time(grant, now_ms)
    }

    /// The same of whom an authority calls so.
    fn signed(&self, claims: &Claims, now_ms: u64) -> Result<Arc<Grant>> {
        let refused = |what: String, hint: &str| Error::new(Code::Unauthenticated, what).with_hint(hint.to_owned());
        let issuer = self.issuers.iter().find(|issuer| issuer.name == claims.issuer && issuer.digest == claims.keys);
        let Some(issuer) = issuer else {
            let what = format!("the keys of the issuer `{}` have changed", claims.issuer);
            return Err(refused(what, "connect again"));
        };
        let is_it = |entry: &&Entry| {
            let subject = entry.subject.as_ref();
            subject.is_some_and(|subject| subject.issuer == claims.issuer && subject.name == claims.subject)
        };
        if let Some(entry) = self.entries.iter().find(is_it) {
            let end = entry.grant.expires_ms.unwrap_or(u64::MAX).min(claims.expires_ms);
            return in_time(&Arc::new(Grant { expires_ms: Some(end), ..(*entry.grant).clone() }), now_ms);
        }
        if self.entries.iter().any(|entry| entry.grant.principal == claims.subject) {
            let what = format!("`{}` is a principal here that comes in another way", claims.subject);
            return Err(refused(what, "give that principal its `sub`, or another name"));
        }
        let grant = issuer.grant(claims, &self.roles).ok_or_else(|| {
            let what = format!("`{}` of `{}` has no role here", claims.subject, claims.issuer);
            refused(what, "add a `[[principal]]` with its `sub`, or `roles` to the `[[jwt]]`")
        })?;
        in_time(&Arc::new(Grant { reports: self.reports.clone(), ..grant }), now_ms)
    }

    /// What a principal may do now that is named, and shows nothing: for what the one who runs an instance lets in.
    ///
    /// # Errors
    /// [`Code::Unauthenticated`] where nobody has that name, or not any more.
    pub fn named(&self, name: &str, now_ms: u64) -> Result<Arc<Grant>> {
        let found = self.entries.iter().map(|entry| &entry.grant).find(|grant| grant.principal.as_str() == name);
        let grant = found.ok_or_else(|| {
            let error = Error::new(Code::Unauthenticated, format!("there is no principal `{name}`"));
            error.with_hint("`confmesh token list` names them")
        })?;
        in_time(grant, now_ms)
    }

    /// Everybody, in the order of the file.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whose JSON Web Tokens are taken, each with the roles of everybody that no principal names.
    pub fn issuers(&self) -> impl Iterator<Item = (&Str, &[Str])> {
        self.issuers.iter().map(|issuer| (&issuer.name, issuer.rights.roles.as_slice()))
    }

    /// What would have been forbidden, where it only is told.
    pub fn reports(&self) -> Option<&Reports> {
        self.reports.as_ref()
    }

    /// Names its content: equal tables have equal digests.
    pub fn digest(&self) -> String {
        self.digest.as_ref().map(|hash| hash.to_string().chars().take(23).collect()).unwrap_or_default()
    }
}

impl Entry {
    fn read(value: &Value, place: &Path, roles: &Roles, issuers: &[Issuer], reports: Option<Reports>) -> Result<Entry> {
        let known_fields = ["name", "token_sha256", "san", "sub", "iss", "roles", "paths", "documents", "expires"];
        let fields = known(value, place, &known_fields)?;
        let name = text(fields, place, "name")?;
        if name.is_empty() || name.len() > MAX_USER_BYTES || name.chars().any(char::is_control) {
            return Err(wrong(&place.child("name"), &format!("is a text of 1 to {MAX_USER_BYTES} bytes")));
        }
        let token = match fields.get("token_sha256").map(|hash| hash.as_str().and_then(TokenHash::parse)) {
            None => None,
            Some(Some(hash)) => Some(hash),
            Some(None) => return Err(wrong(&place.child("token_sha256"), "is 64 hexadecimal digits")),
        };
        let san = fields.get("san").map(|_| text(fields, place, "san")).transpose()?;
        let subject = Subject::read(fields, place, issuers)?;
        if token.is_none() && san.is_none() && subject.is_none() {
            return Err(wrong(place, "has neither `token_sha256` nor `san` nor `sub`: nobody could be it"));
        }
        let rights = Rights::read(fields, place, roles)?;
        if rights.roles.is_empty() {
            return Err(wrong(place, "has no `roles`"));
        }
        let expires_ms = match fields.get("expires") {
            None => None,
            Some(at) => Some(
                at.as_str()
                    .and_then(parse_rfc3339)
                    .ok_or_else(|| wrong(&place.child("expires"), "is a time such as \"2027-01-01T00:00:00Z\""))?,
            ),
        };
        let grant = Arc::new(rights.grant(name, roles, expires_ms, reports));
        Ok(Entry { grant, token, san, subject })
    }
}

impl Subject {
    fn read(fields: &Map, place: &Path, issuers: &[Issuer]) -> Result<Option<Subject>> {
        let given = |name: &str| fields.get(name).map(|_| text(fields, place, name)).transpose();
        let (name, issuer) = (given("sub")?, given("iss")?);
        let Some(name) = name else {
            return issuer.map_or(Ok(None), |_| Err(wrong(&place.child("iss"), "is of no use without `sub`")));
        };
        let issuer = match (issuer, issuers) {
            (Some(issuer), _) if issuers.iter().any(|known| known.name == issuer) => issuer,
            (None, [one]) => one.name.clone(),
            (None, []) => return Err(wrong(&place.child("sub"), "needs a `[[jwt]]` that says whose tokens are taken")),
            (None, _) => return Err(wrong(place, "says no `iss`, and there are several `[[jwt]]`")),
            (Some(_), _) => return Err(wrong(&place.child("iss"), "is the `issuer` of no `[[jwt]]`")),
        };
        Ok(Some(Subject { issuer, name }))
    }
}

impl Rights {
    pub(super) fn read(fields: &Map, place: &Path, known: &Roles) -> Result<Rights> {
        let roles = texts(fields, place, "roles")?.unwrap_or_default();
        verbs(&roles, known).map_err(|error| error.with_path(place.child("roles")))?;
        let paths = texts(fields, place, "paths")?.map(|paths| patterns(&paths, &place.child("paths"))).transpose()?;
        let documents = texts(fields, place, "documents")?;
        let documents = documents.map(|names| names.iter().map(|name| Documents::parse(name)).collect::<Result<_>>());
        let documents = documents.transpose().map_err(|error| error.with_path(place.child("documents")))?;
        Ok(Rights { roles, paths: paths.flatten(), documents })
    }

    /// What somebody of that name may do; roles that nobody knows give nothing.
    pub(super) fn grant(
        self,
        principal: Str,
        known: &Roles,
        expires_ms: Option<u64>,
        reports: Option<Reports>,
    ) -> Grant {
        let verbs = verbs(&self.roles, known).unwrap_or_default();
        Grant { principal, roles: self.roles, verbs, paths: self.paths, documents: self.documents, expires_ms, reports }
    }
}

fn verbs(names: &[Str], known: &Roles) -> Result<Verbs> {
    names.iter().try_fold(Verbs::default(), |verbs, role| Ok(verbs.and(known.verbs(role)?)))
}

fn in_time(grant: &Arc<Grant>, now_ms: u64) -> Result<Arc<Grant>> {
    match grant.expires_ms {
        Some(end) if end <= now_ms => {
            let message = format!("`{}` expired at {}", grant.principal, rfc3339(end));
            Err(Error::new(Code::Unauthenticated, message).with_hint("ask for a new token"))
        }
        _ => Ok(Arc::clone(grant)),
    }
}

/// The patterns of a principal; none where they grant everything.
fn patterns(texts: &[Str], place: &Path) -> Result<Option<Vec<Pattern>>> {
    let at = |error: Error| error.with_path(place.clone());
    if texts.iter().any(|text| matches!(text.as_str(), "*" | "**")) {
        return Ok(None);
    }
    let read = Pattern::parse_subscription(texts).map_err(at)?;
    if read.is_empty() {
        return Err(wrong(
            place,
            &format!("names patterns, each with at most {MAX_DEEP_PARTS} `**`; leave it out for all"),
        ));
    }
    Ok(Some(read))
}

pub(super) fn wrong(place: &Path, what: &str) -> Error {
    let place_name = if place.is_root() { "the table".to_owned() } else { format!("`{place}`") };
    Error::new(Code::Usage, format!("{place_name} {what}"))
}

/// A map without fields that nobody knows.
pub(super) fn known<'a>(value: &'a Value, place: &Path, names: &[&str]) -> Result<&'a Map> {
    let map = value.as_map().ok_or_else(|| wrong(place, "is no map"))?;
    if let Some((unknown, _)) = map.iter().find(|(key, _)| !names.contains(&key.as_str())) {
        let error = wrong(&place.child(unknown), "is nothing that is known here");
        return Err(match nearest(unknown, names.iter().copied()) {
            Some(near) => error.with_hint(format!("did you mean `{near}`?")),
            None => error.with_hint(format!("there are {}", names.join(", "))),
        });
    }
    Ok(map)
}

/// The maps of a list, each with its place.
pub(super) fn listed<'a>(fields: &'a Map, place: &Path, name: &str) -> Result<Vec<(Path, &'a Value)>> {
    let place = place.child(name);
    let Some(value) = fields.get(name) else { return Ok(Vec::new()) };
    let list = value.as_list().ok_or_else(|| wrong(&place, &format!("is a list: write `[[{name}]]` in TOML")))?;
    Ok(list.iter().enumerate().map(|(at, item)| (place.child(&at.to_string()), item)).collect())
}

pub(super) fn text(fields: &Map, place: &Path, name: &str) -> Result<Str> {
    let found = fields.get(name).and_then(Value::as_str);
    found.map(Str::from).ok_or_else(|| wrong(&place.child(name), "is a text, and has to be there"))
}

fn texts(fields: &Map, place: &Path, name: &str) -> Result<Option<Vec<Str>>> {
    let Some(value) = fields.get(name) else { return Ok(None) };
    let list = value.as_list().ok_or_else(|| wrong(&place.child(name), "is a list of texts"))?;
    let texts = list.iter().map(|item| item.as_str().map(Str::from));
    let texts: Option<Vec<Str>> = texts.collect();
    texts.map(Some).ok_or_else(|| wrong(&place.child(name), "is a list of texts"))
}
