//! Where the tables of a TOML text stand.

use std::ops::Range;

use toml_edit::{Item, Table};

/// The headers and the ends of everything in a text.
pub(super) struct Places {
    headers: Vec<usize>,
    /// Where headers and values end.
    ends: Vec<usize>,
}

impl Places {
    pub fn new(text: &str, root: &Table) -> Places {
        let mut places = Places { headers: Vec::new(), ends: Vec::new() };
        places.collect(root);
        places.ends.extend(places.headers.iter().map(|start| super::edit::line_end(text, *start)));
        places.headers.sort_unstable();
        places.ends.sort_unstable();
        places
    }

    fn collect(&mut self, table: &Table) {
        self.headers.extend(header(table));
        for (_, item) in table.iter() {
            match item {
                Item::None => {}
                Item::Value(value) => self.ends.extend(value.span().map(|span| span.end)),
                Item::Table(table) => self.collect(table),
                Item::ArrayOfTables(tables) => tables.iter().for_each(|table| self.collect(table)),
            }
        }
    }

    /// Where the last header or value before a place ends.
    pub fn end_before(&self, at: usize) -> Option<usize> {
        let found = self.ends.partition_point(|end| *end <= at);
        found.checked_sub(1).and_then(|last| self.ends.get(last)).copied()
    }

    /// The first header among a table and those in it.
    pub fn first_header(&self, table: &Table) -> Option<usize> {
        let mut found = Vec::new();
        headers(table, &mut found);
        found.into_iter().min()
    }

    /// Where the last of everything in a table ends.
    pub fn extent_end(&self, table: &Table) -> Option<usize> {
        let below = table.iter().filter_map(|(_, item)| match item {
            Item::None => None,
            Item::Value(value) => value.span().map(|span| span.end),
            Item::Table(table) => self.extent_end(table),
            Item::ArrayOfTables(tables) => tables.iter().filter_map(|table| self.extent_end(table)).max(),
        });
        below.chain(header(table)).max()
    }

    /// Where the last value of the dotted tables in a table ends.
    pub fn dotted_end(&self, table: &Table) -> Option<usize> {
        let dotted = table.iter().filter_map(|(_, item)| item.as_table().filter(|table| table.is_dotted()));
        dotted.filter_map(|table| self.extent_end(table)).max()
    }

    /// Whether no other header stands between those of a table.
    pub fn is_contiguous(&self, table: &Table, part: Range<usize>) -> bool {
        let mut own = Vec::new();
        headers(table, &mut own);
        let inside = self.headers.iter().filter(|header| part.contains(header)).count();
        inside == own.len() && own.iter().all(|header| part.contains(header))
    }
}

fn header(table: &Table) -> Option<usize> {
    table
        .span()
        .filter(|_| !table.is_dotted() && !table.is_implicit())
        .map(|span| span.start)
        .filter(|start| *start > 0 || table.position().is_some())
}

fn headers(table: &Table, out: &mut Vec<usize>) {
    out.extend(header(table));
    for (_, item) in table.iter() {
        match item {
            Item::Table(table) => headers(table, out),
            Item::ArrayOfTables(tables) => tables.iter().for_each(|table| headers(table, out)),
            Item::None | Item::Value(_) => {}
        }
    }
}

/// Where the first value of a table starts.
pub(super) fn first_start(table: &Table) -> Option<usize> {
    table.iter().filter(|(_, item)| item.is_value()).find_map(|(key, _)| table.key(key)?.span()).map(|span| span.start)
}
